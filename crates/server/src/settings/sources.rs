//! Sources of users: what may be said of each, and what was said.
//!
//! A source is one file below this one: its rows of the table of settings, and how they become
//! what the source itself goes by. A source with one setting has a row in `[[users]]`, others a
//! table of their own below it, such as `[users.ldap]`.

pub(super) mod helped;
pub(super) mod ldap;
pub(super) mod sql;

use super::kind::ValueKind;
use super::reader::Reader;
use super::setting::{Section, in_sample, optional};
use super::values::{Entries, Values};
use auth::helper::Check;
use std::path::PathBuf;

/// `[[users]]`.
pub(super) static USERS: Section = Section {
    name: "users",
    repeats: true,
    about: "Where users come from: each table has one source. They are asked in this order: who is unknown to one is looked up in the next; who is known has the right password there or none.",
    settings: &[
        optional(
            "domains",
            ValueKind::TextList,
            "[\"example.com\"]",
            "Only users of these domains are looked up here; \"\" is that of names without a domain. Without it, everybody is.",
        ),
        optional(
            "masters-of",
            ValueKind::TextList,
            "[\"example.com\"]",
            "The users of this source are masters: they may act for the users of these domains (\"*\": of all), by logging in as anna@example.com*master, or by an authorization identity. For themselves they have no mail here.",
        ),
        in_sample(optional(
            "passwd-file",
            ValueKind::Path,
            "\"/etc/restante/users\"",
            "A file in the form of passwd(5), as Dovecot has it; kept with `restante user`. Read again when it changes.",
        )),
        optional(
            "passwd-directory",
            ValueKind::Path,
            "\"/etc/restante/users.d\"",
            "A directory of passwd files, one a domain: the file's name is the domain, and names in it stand without one.",
        ),
        optional(
            "userdb",
            ValueKind::Path,
            "\"/etc/courier/userdb\"",
            "Courier's userdb in its text form: a file, or a directory of files. Read again when it changes.",
        ),
        optional(
            "authdaemon",
            ValueKind::Path,
            "\"/run/courier/authdaemon/socket\"",
            "The socket of Courier's authdaemond, which then decides about passwords.",
        ),
        optional(
            "vpopmail",
            ValueKind::Path,
            "\"/var/qmail/users/cdb\"",
            "qmail's users/cdb, where vpopmail keeps its users in files: it names the directory of each domain, which has them in vpasswd.cdb or vpasswd. The user of [mail] must be able to read those. Changes are seen at once.",
        ),
    ],
};

/// A source, and for whom it is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UserSource {
    /// If there, domains in lower case.
    pub(crate) domains: Option<Vec<String>>,
    /// Domains whose users its users may act for; `None`: they are no masters.
    pub(crate) masters_of: Option<Vec<String>>,
    /// What it is.
    pub(crate) kind: SourceKind,
}

/// What a source is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SourceKind {
    /// A passwd file.
    PasswdFile(PathBuf),
    /// What the helper process asks.
    Helped(Check),
    /// An LDAP directory.
    Ldap(Box<auth::ldap::LdapSettings>),
    /// A database.
    #[cfg(feature = "sql")]
    Sql(Box<auth::sql::SqlSettings>),
    /// A directory of passwd files.
    PasswdDirectory(PathBuf),
    /// Courier's userdb.
    Userdb(PathBuf),
    /// The socket of Courier's authdaemond.
    Authdaemon(PathBuf),
    /// vpopmail's files, by qmail's `users/cdb`.
    Vpopmail(PathBuf),
    /// None, or more than one: the text says so.
    Wrong(String),
}

/// All sources of a file, in its order.
pub(super) fn build(values: &Values) -> Vec<UserSource> {
    let table = |(index, entries)| one(values, index, entries);
    values.tables("users").iter().enumerate().map(table).collect()
}

fn one(values: &Values, index: usize, entries: &Entries) -> UserSource {
    let users = Reader { section: &USERS, entries };
    let lower = |key: &str| {
        entries.contains_key(key).then(|| users.texts(key).iter().map(|one| one.to_lowercase()).collect())
    };
    let mut kinds = kinds(values, index, &users);
    let kind = match (kinds.pop(), kinds.is_empty()) {
        (Some(kind), true) => kind,
        (None, _) => SourceKind::Wrong("has no source, such as passwd-file".to_owned()),
        (Some(_), false) => SourceKind::Wrong("has more than one source: give each a table".to_owned()),
    };
    UserSource { domains: lower("domains"), masters_of: lower("masters-of"), kind }
}

/// The sources that one table of `[[users]]` has.
fn kinds(values: &Values, index: usize, users: &Reader<'_>) -> Vec<SourceKind> {
    let path = |key: &str| users.entries.contains_key(key).then(|| users.path(key));
    // A source with a table of its own, such as [users.ldap], read by ldap::build.
    let below = |section: &'static Section| {
        values.below(section.name, index).map(|entries| Reader { section, entries })
    };
    let checkpassword = below(&helped::CHECKPASSWORD).map(|reader| {
        let settings = helped::checkpassword(&reader);
        match helped::problem(&settings) {
            Some(problem) => SourceKind::Wrong(format!("has a checkpassword that {problem}")),
            None => SourceKind::Helped(Check::CheckPassword(settings)),
        }
    });
    let pam = below(&helped::PAM).map(|reader| SourceKind::Helped(Check::Pam(helped::pam(&reader))));
    let kinds = [
        path("passwd-file").map(SourceKind::PasswdFile),
        path("passwd-directory").map(SourceKind::PasswdDirectory),
        path("userdb").map(SourceKind::Userdb),
        path("authdaemon").map(SourceKind::Authdaemon),
        path("vpopmail").map(SourceKind::Vpopmail),
        below(&ldap::LDAP).map(|reader| {
            ldap::build(&reader).map_or_else(SourceKind::Wrong, |settings| SourceKind::Ldap(settings.into()))
        }),
        below(&sql::SQL).map(|reader| sql(&reader)),
        checkpassword,
        pam,
    ];
    kinds.into_iter().flatten().collect()
}

#[cfg(feature = "sql")]
fn sql(reader: &Reader<'_>) -> SourceKind {
    sql::build(reader).map_or_else(SourceKind::Wrong, |settings| SourceKind::Sql(settings.into()))
}

/// What `[users.sql]` says is of no use.
#[cfg(not(feature = "sql"))]
fn sql(_: &Reader<'_>) -> SourceKind {
    SourceKind::Wrong("has [users.sql], and this build has no SQL".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;
    use std::path::Path;

    #[test]
    fn the_worked_example_of_vpopmail_is_right() {
        let example = include_str!("../../../../config/examples/vpopmail.toml");
        let read = read_text(Path::new("r.toml"), example);
        let configuration = read.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let cdb = PathBuf::from("/var/qmail/users/cdb");
        assert_eq!(configuration.sources[0].kind, SourceKind::Vpopmail(cdb));
    }
}
