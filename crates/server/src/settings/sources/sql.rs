//! `[users.sql]`: PostgreSQL, MySQL (MariaDB) or SQLite.

use super::super::kind::ValueKind;
#[cfg(feature = "sql")]
use super::super::reader::Reader;
use super::super::setting::{Section, optional, required, setting};

/// `[users.sql]`.
pub(in super::super) static SQL: Section = Section {
    name: "users.sql",
    repeats: false,
    about: "PostgreSQL, MySQL (MariaDB) or SQLite, below the [[users]] that it belongs to. Worked examples are in config/examples. In queries, %u is the name in full, %n what stands before the @, %d what stands behind it (NULL without one), %s the service, %r the client's address; the database gets them as values, never as part of the query. A row is one user; more than one are a failure. Columns are known by their names: user, password, home, maildir, uid, gid, quota, mailhost, nologin, disabled_services, allowed_services.",
    settings: &[
        required(
            "url",
            ValueKind::Text,
            "\"postgres://restante@db.example.com/mail\"",
            "Where the database is: postgres://, mysql:// or sqlite:/path. Unix sockets: postgres://restante@localhost/mail?host=/run/postgresql, mysql://restante@localhost/mail?socket=/run/mysqld/mysqld.sock. It may have a password (user:password@), if this file is nobody else's to read.",
        ),
        optional(
            "password-file",
            ValueKind::Path,
            "\"/etc/restante/sql-password\"",
            "A file of which the first line is the password. Read again on SIGHUP.",
        ),
        optional(
            "tls",
            ValueKind::Choice(&["off", "prefer", "verify"]),
            "\"verify\"",
            "TLS towards the server: \"verify\" wants a certificate for its name; \"prefer\" takes any, or none. Without it: \"verify\", and \"off\" on this machine.",
        ),
        optional(
            "ca-file",
            ValueKind::Path,
            "\"/etc/restante/sql-ca.pem\"",
            "The authorities (PEM) that may have signed the server's certificate. Those of the web where it is not given.",
        ),
        setting(
            "connections",
            ValueKind::Count { min: 1, max: 1_000 },
            "8",
            "Connections at a time, at most.",
        ),
        setting(
            "timeout",
            ValueKind::Duration { min_ms: 100, max_ms: 300_000 },
            "\"10s\"",
            "Longest wait for a connection, and again for each row. Who waits in vain is told to come again, never that a password is wrong.",
        ),
        required(
            "user-query",
            ValueKind::Text,
            "\"SELECT username AS user, password, home FROM mailbox WHERE username = '%u' AND active\"",
            "Finds a user. password is with its scheme; without one, it is of crypt(3); NULL or empty lets nobody in. user is the one name by which mail is filed. MySQL finds other spellings too (ánna for anna): there a row must have user, and it must be the name that was asked for, unless a column asked has that (the address of an alias).",
        ),
        optional(
            "list-query",
            ValueKind::Text,
            "\"SELECT username AS user, home FROM mailbox WHERE active\"",
            "Finds all users, for `restante migrate --all` and `restante quota --all`. Without variables.",
        ),
        optional(
            "update-query",
            ValueKind::Text,
            "\"UPDATE mailbox SET password = '%w' WHERE username = '%u' AND password = '%o'\"",
            "Stores %w, a new hash, in the place of %o, where [login] has rehash. More than one row are left as they were.",
        ),
    ],
};

/// What `[users.sql]` says.
#[cfg(feature = "sql")]
pub(super) fn build(reader: &Reader<'_>) -> Result<auth::sql::SqlSettings, String> {
    let settings = settings(reader);
    match settings.check() {
        Ok(()) => Ok(settings),
        Err(why) => Err(format!("has a wrong [users.sql]: {why}")),
    }
}

#[cfg(feature = "sql")]
fn settings(reader: &Reader<'_>) -> auth::sql::SqlSettings {
    use auth::sql::{SqlSettings, Tls, Url};
    let url = Url(reader.text("url"));
    SqlSettings {
        tls: match reader.text_if("tls").as_deref() {
            Some("off") => Tls::Off,
            Some("prefer") => Tls::Prefer,
            Some(_) => Tls::Verify,
            None => url.usual_tls(),
        },
        url,
        password_file: reader.text_if("password-file").map(Into::into),
        ca_file: reader.text_if("ca-file").map(Into::into),
        connections_max: u32::try_from(reader.number("connections")).unwrap_or(u32::MAX),
        timeout: std::time::Duration::from_millis(reader.number("timeout")),
        user_query: reader.text("user-query"),
        list_query: reader.text_if("list-query"),
        update_query: reader.text_if("update-query"),
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{SourceKind, document, read_text};
    use std::path::Path;

    const LEAST: &str =
        "url = \"postgres://a@db.example.com/mail\"\nuser-query = \"SELECT password FROM m WHERE u = %u\"\n";

    fn source(text: &str) -> SourceKind {
        let users = "passwd-file = \"/etc/restante/users\"";
        let text = document::MINIMAL.replace(users, &format!("[users.sql]\n{text}"));
        match read_text(Path::new("r.toml"), &text) {
            Ok(configuration) => configuration.sources[0].kind.clone(),
            Err(problems) => SourceKind::Wrong(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[cfg(not(feature = "sql"))]
    #[test]
    fn a_build_without_it_says_so() {
        let SourceKind::Wrong(text) = source(LEAST) else { panic!("a source") };
        assert!(text.contains("this build has no SQL"), "{text}");
    }

    #[cfg(feature = "sql")]
    #[test]
    fn what_is_not_given_has_defaults() {
        use auth::sql::Tls;
        let SourceKind::Sql(settings) = source(LEAST) else { panic!("{:?}", source(LEAST)) };
        assert_eq!(
            (settings.tls, settings.connections_max, settings.timeout.as_secs()),
            (Tls::Verify, 8, 10)
        );
        assert_eq!((settings.password_file, settings.list_query), (None, None));
        let local = LEAST.replace("db.example.com", "localhost");
        for (text, tls) in [
            (local.clone(), Tls::Off),
            (format!("{local}tls = \"prefer\"\n"), Tls::Prefer),
            (format!("{LEAST}tls = \"off\"\n"), Tls::Off),
        ] {
            let SourceKind::Sql(settings) = source(&text) else { panic!("{:?}", source(&text)) };
            assert_eq!(settings.tls, tls, "{text}");
        }
    }

    #[cfg(feature = "sql")]
    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            (LEAST.replace("postgres:", "oracle:"), "url: it begins with"),
            (LEAST.replace("u = %u", "u = 'x'"), "user-query: it asks for no name"),
            (LEAST.replace("%u", "%x"), "%x is no variable"),
            (format!("{LEAST}list-query = \"SELECT %u\"\n"), "list-query: it has variables"),
            (
                format!("{LEAST}update-query = \"UPDATE m SET p = %w\"\n"),
                "update-query: it needs %w and a name",
            ),
            ("url = \"sqlite:/x\"\n".to_owned(), "user-query"),
            (LEAST.replace("a@db.example.com", "a:hunter2@h:x"), "url: it cannot be understood"),
        ] {
            let SourceKind::Wrong(found) = source(&text) else { panic!("{text}") };
            assert!(found.contains(why) && !found.contains("hunter2"), "{text}: {found}");
        }
    }
    #[cfg(feature = "sql")]
    #[test]
    fn the_worked_examples_are_right() {
        for example in [
            include_str!("../../../../../config/examples/sql-postfixadmin.toml"),
            include_str!("../../../../../config/examples/sql-postgresql.toml"),
        ] {
            let read = read_text(Path::new("r.toml"), example);
            let configuration = read.unwrap_or_else(|problems| panic!("{example}: {problems:#?}"));
            assert!(matches!(configuration.sources[0].kind, SourceKind::Sql(_)), "{example}");
        }
    }
}
