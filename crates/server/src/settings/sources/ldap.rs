//! `[users.ldap]`: an LDAP directory.

use super::super::kind::ValueKind;
use super::super::reader::Reader;
use super::super::setting::{Section, optional, required, setting};
use auth::Secret;
use auth::ldap::{Attributes, Deref, Groups, LdapSettings, Mode, OwnBind, Scope};
use std::time::Duration;

/// `[users.ldap]`.
pub(in super::super) static LDAP: Section = Section {
    name: "users.ldap",
    repeats: false,
    about: "An LDAP directory, below the [[users]] that it belongs to. Worked examples are in config/examples: Courier's schema, qmail-ldap's, Active Directory. In base, filters and user-dn, %u is the name in full, %n what stands before the @, %d what stands behind it; what a name puts in is always escaped. An attribute is not asked for where its setting is not given.",
    settings: &[
        required(
            "servers",
            ValueKind::TextList,
            "[\"ldaps://ldap1.example.com\", \"ldaps://ldap2.example.com\"]",
            "Servers, ldap://, ldaps:// or ldapi:///path. They are asked in this order: the next one when one does not answer; that one again when it does. Referrals to others are not followed.",
        ),
        setting(
            "start-tls",
            ValueKind::Bool,
            "false",
            "StartTLS on ldap:// connections, without which nothing is sent.",
        ),
        optional(
            "ca-file",
            ValueKind::Path,
            "\"/etc/restante/ldap-ca.pem\"",
            "The authorities (PEM) that may have signed the servers' certificates. The system's where it is not given.",
        ),
        optional(
            "bind-dn",
            ValueKind::Text,
            "\"cn=restante,ou=services,dc=example,dc=com\"",
            "With whom Restante itself binds. Without it, its searches are anonymous.",
        ),
        optional(
            "bind-password",
            ValueKind::Text,
            "\"secret\"",
            "Its password, if this file is nobody else's to read.",
        ),
        optional(
            "bind-password-file",
            ValueKind::Path,
            "\"/etc/restante/ldap-password\"",
            "Or a file of which the first line is that password; read at each connection.",
        ),
        setting(
            "sasl-external",
            ValueKind::Bool,
            "false",
            "Restante binds by SASL EXTERNAL: the server knows its uid. For ldapi:// alone.",
        ),
        setting(
            "connect-timeout",
            TIME,
            "\"5s\"",
            "Longest wait for a connection, its TLS and the bind on it.",
        ),
        setting("timeout", TIME, "\"10s\"", "Longest wait for an answer; then the next server is asked."),
        setting(
            "retry-after",
            TIME,
            "\"5s\"",
            "How long a server that did not answer is left alone before one log-in tries it again.",
        ),
        setting(
            "search-connections",
            ValueKind::Count { min: 1, max: 64 },
            "2",
            "Connections for searches to each server; many searches are under way on each at once.",
        ),
        setting(
            "bind-connections",
            ValueKind::Count { min: 1, max: 1_000 },
            "16",
            "Connections for checking passwords to each server, at most; one password at a time on each.",
        ),
        setting(
            "mode",
            ValueKind::Choice(&["search", "direct", "compare"]),
            "\"search\"",
            "How passwords are checked: \"search\" finds the user's entry and binds with its DN; \"direct\" binds with user-dn, without searching first; \"compare\" reads password-attributes and compares here.",
        ),
        required(
            "base",
            ValueKind::Text,
            "\"ou=people,dc=example,dc=com\"",
            "Where users are; it may have variables (\"o=%d,dc=example,dc=com\").",
        ),
        setting(
            "scope",
            ValueKind::Choice(&["base", "one", "subtree"]),
            "\"subtree\"",
            "How far below the base is searched.",
        ),
        setting(
            "deref",
            ValueKind::Choice(&["never", "searching", "finding", "always"]),
            "\"never\"",
            "Whether aliases of the directory are followed, as in ldap.conf(5).",
        ),
        optional(
            "filter",
            ValueKind::Text,
            "\"(&(objectClass=CourierMailAccount)(mail=%u))\"",
            "Which entry is the user. Exactly one must be found. With mode \"direct\" it is not needed: the entry at user-dn is read.",
        ),
        optional(
            "user-dn",
            ValueKind::Text,
            "\"uid=%n,ou=people,dc=example,dc=com\"",
            "For mode \"direct\": the DN to bind with. Who is refused is not looked up in further sources, as a server does not tell an unknown user from a wrong password.",
        ),
        optional(
            "list-filter",
            ValueKind::Text,
            "\"(objectClass=CourierMailAccount)\"",
            "Which entries are users, for `restante user list` and `restante migrate --all`. Without variables.",
        ),
        optional(
            "list-name-attribute",
            ValueKind::Text,
            "\"mail\"",
            "The name of a user in that list, where there is no name-attribute.",
        ),
        setting(
            "page-size",
            ValueKind::Count { min: 1, max: 10_000 },
            "500",
            "Entries in a page of that list (RFC 2696); Active Directory allows 1000.",
        ),
        optional(
            "name-attribute",
            ValueKind::Text,
            "\"mail\"",
            "The user's one name, by which mail is filed, where the filter finds them by several. It must have one value. Without it, that is the name that was given.",
        ),
        setting(
            "password-attributes",
            ValueKind::TextList,
            "[\"userPassword\"]",
            "For mode \"compare\": passwords with their scheme; without one, they are of crypt(3). Each value may match.",
        ),
        optional(
            "clear-password-attribute",
            ValueKind::Text,
            "\"clearPassword\"",
            "For mode \"compare\": a password in clear text.",
        ),
        optional("home-attribute", ValueKind::Text, "\"homeDirectory\"", "The home directory."),
        optional("mail-root", ValueKind::Path, "\"/srv/mail\"", "What is put before the home directory."),
        optional(
            "maildir-attribute",
            ValueKind::Text,
            "\"mailbox\"",
            "The Maildir: an absolute path, or one below the home directory.",
        ),
        optional(
            "uid-attribute",
            ValueKind::Text,
            "\"uidNumber\"",
            "Whom the user's files belong to, as a number.",
        ),
        optional("gid-attribute", ValueKind::Text, "\"gidNumber\"", "Their group."),
        optional(
            "uid",
            ValueKind::Count { min: 1, max: 4_294_967_294 },
            "5000",
            "Whom everybody's files belong to, whatever entries say.",
        ),
        optional("gid", ValueKind::Count { min: 1, max: 4_294_967_294 }, "5000", "Their group."),
        optional(
            "quota-attribute",
            ValueKind::Text,
            "\"quota\"",
            "A quota in Courier's form: 10000000S,1000C.",
        ),
        optional("quota-size-attribute", ValueKind::Text, "\"mailQuotaSize\"", "A quota in bytes."),
        optional("quota-count-attribute", ValueKind::Text, "\"mailQuotaCount\"", "A quota in messages."),
        optional("mailhost-attribute", ValueKind::Text, "\"mailHost\"", "The host that has the user's mail."),
        optional(
            "disabling-attributes",
            ValueKind::TextList,
            "[\"disableimap=imap\", \"disablepop3=pop3\"]",
            "Attributes that forbid a service unless they are 0, no or false, and which one.",
        ),
        optional(
            "disabled-services-attribute",
            ValueKind::Text,
            "\"mailDisabledService\"",
            "Names of services that the user may not use.",
        ),
        optional(
            "allowed-services-attribute",
            ValueKind::Text,
            "\"mailAllowedService\"",
            "Names of services; where there is one, the user may use no others.",
        ),
        optional(
            "status-attribute",
            ValueKind::Text,
            "\"accountStatus\"",
            "State of the account, as qmail-ldap has it: nopop, noaccess, disabled and deleted do not come in.",
        ),
        optional(
            "groups-attribute",
            ValueKind::Text,
            "\"memberOf\"",
            "Groups of the user, by name or DN (of which the first part is the name).",
        ),
        optional(
            "group-filter",
            ValueKind::Text,
            "\"(&(objectClass=groupOfNames)(member=%D))\"",
            "Or which entries are the user's groups; %D is the DN of the user's entry.",
        ),
        optional(
            "group-base",
            ValueKind::Text,
            "\"ou=groups,dc=example,dc=com\"",
            "Where groups are, if not below base.",
        ),
        setting("group-name-attribute", ValueKind::Text, "\"cn\"", "The name of a group."),
    ],
};

const TIME: ValueKind = ValueKind::Duration { min_ms: 100, max_ms: 300_000 };

/// What `[users.ldap]` says.
pub(super) fn build(reader: &Reader<'_>) -> Result<LdapSettings, String> {
    let settings = settings(reader).and_then(|settings| settings.check().map(|()| settings));
    settings.map_err(|why| format!("has a wrong [users.ldap]: {why}"))
}

fn settings(reader: &Reader<'_>) -> Result<LdapSettings, String> {
    let time = |key: &str| Duration::from_millis(reader.number(key));
    let id = |key: &str| {
        let given = reader.entries.contains_key(key);
        // The kind of the setting bounds it.
        given.then(|| u32::try_from(reader.number(key)).unwrap_or(u32::MAX))
    };
    Ok(LdapSettings {
        servers: reader.texts("servers"),
        start_tls: reader.bool("start-tls"),
        ca_file: reader.text_if("ca-file").map(Into::into),
        own_bind: own_bind(reader)?,
        connect_timeout: time("connect-timeout"),
        operation_timeout: time("timeout"),
        retry_after: time("retry-after"),
        search_connections: reader.count("search-connections"),
        bind_connections: reader.count("bind-connections"),
        mode: match reader.text("mode").as_str() {
            "direct" => Mode::Direct,
            "compare" => Mode::Compare,
            _ => Mode::Search,
        },
        base: reader.text("base"),
        scope: match reader.text("scope").as_str() {
            "base" => Scope::Base,
            "one" => Scope::One,
            _ => Scope::Subtree,
        },
        deref: match reader.text("deref").as_str() {
            "searching" => Deref::Searching,
            "finding" => Deref::Finding,
            "always" => Deref::Always,
            _ => Deref::Never,
        },
        filter: reader.text_if("filter"),
        user_dn: reader.text_if("user-dn"),
        list_filter: reader.text_if("list-filter"),
        page_size: u32::try_from(reader.number("page-size")).unwrap_or(u32::MAX),
        groups: Groups {
            attribute: reader.text_if("groups-attribute"),
            filter: reader.text_if("group-filter"),
            base: reader.text_if("group-base"),
            name: reader.text("group-name-attribute"),
        },
        attributes: attributes(reader)?,
        mail_root: reader.text_if("mail-root"),
        uid: id("uid"),
        gid: id("gid"),
    })
}

fn own_bind(reader: &Reader<'_>) -> Result<OwnBind, String> {
    let password = reader.text_if("bind-password");
    let file = reader.text_if("bind-password-file");
    match (reader.text_if("bind-dn"), password, file, reader.bool("sasl-external")) {
        (None, None, None, false) => Ok(OwnBind::Anonymous),
        (None, None, None, true) => Ok(OwnBind::External),
        (Some(dn), Some(password), None, false) => {
            Ok(OwnBind::Password(dn, Secret::new(password.into_bytes())))
        }
        (Some(dn), None, Some(file), false) => Ok(OwnBind::PasswordFile(dn, file.into())),
        (_, _, _, true) => Err("sasl-external goes without bind-dn and its password".to_owned()),
        _ => Err("bind-dn wants bind-password or bind-password-file, and they want bind-dn".to_owned()),
    }
}

fn attributes(reader: &Reader<'_>) -> Result<Attributes, String> {
    let disabling = reader.texts("disabling-attributes");
    let pair = |text: &String| match text.split_once('=') {
        Some((attribute, service)) if !attribute.is_empty() && !service.is_empty() => {
            Ok((attribute.to_owned(), service.to_owned()))
        }
        _ => Err(format!("{text:?} of disabling-attributes is none, such as \"disableimap=imap\"")),
    };
    Ok(Attributes {
        name: reader.text_if("name-attribute"),
        list_name: reader.text_if("list-name-attribute"),
        password: reader.texts("password-attributes"),
        clear_password: reader.text_if("clear-password-attribute"),
        home: reader.text_if("home-attribute"),
        maildir: reader.text_if("maildir-attribute"),
        uid: reader.text_if("uid-attribute"),
        gid: reader.text_if("gid-attribute"),
        quota: reader.text_if("quota-attribute"),
        quota_size: reader.text_if("quota-size-attribute"),
        quota_count: reader.text_if("quota-count-attribute"),
        mailhost: reader.text_if("mailhost-attribute"),
        disabling: disabling.iter().map(pair).collect::<Result<_, _>>()?,
        disabled_services: reader.text_if("disabled-services-attribute"),
        allowed_services: reader.text_if("allowed-services-attribute"),
        status: reader.text_if("status-attribute"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{SourceKind, document, read_text};
    use std::path::Path;

    fn source(text: &str) -> SourceKind {
        let users = "passwd-file = \"/etc/restante/users\"";
        let text = document::MINIMAL.replace(users, &format!("[users.ldap]\n{text}"));
        match read_text(Path::new("r.toml"), &text) {
            Ok(configuration) => configuration.sources[0].kind.clone(),
            Err(problems) => SourceKind::Wrong(problems.iter().map(ToString::to_string).collect()),
        }
    }

    const LEAST: &str = "servers = [\"ldap://127.0.0.1\"]\nbase = \"dc=x\"\nfilter = \"(mail=%u)\"\n";

    #[test]
    fn what_is_not_given_has_defaults() {
        let SourceKind::Ldap(settings) = source(LEAST) else { panic!("{:?}", source(LEAST)) };
        let mut expected = LdapSettings::new(vec!["ldap://127.0.0.1".to_owned()], "dc=x");
        expected.filter = Some("(mail=%u)".to_owned());
        expected.attributes.password = vec!["userPassword".to_owned()];
        assert_eq!(*settings, expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (more, why) in [
            ("bind-dn = \"cn=a\"", "bind-dn wants bind-password or bind-password-file"),
            ("sasl-external = true", "sasl-external is for ldapi:// alone"),
            ("mode = \"direct\"", "mode \"direct\" wants user-dn"),
            ("group-filter = \"(member=%x)\"", "group-filter has %x; known are %u, %n, %d, %D"),
            ("disabling-attributes = [\"x\"]", "is none, such as \"disableimap=imap\""),
            ("user-dn = \"uid=x\"", "user-dn is the same for everybody"),
        ] {
            let SourceKind::Wrong(text) = source(&format!("{LEAST}{more}\n")) else { panic!("{more}") };
            assert!(text.contains(why), "{more}: {text}");
        }
    }

    #[test]
    fn the_worked_examples_are_right() {
        let examples = [
            include_str!("../../../../../config/examples/ldap-courier.toml"),
            include_str!("../../../../../config/examples/ldap-qmail.toml"),
            include_str!("../../../../../config/examples/ldap-active-directory.toml"),
        ];
        for example in examples {
            let read = read_text(Path::new("r.toml"), example);
            let configuration = read.unwrap_or_else(|problems| panic!("{example}: {problems:#?}"));
            assert!(matches!(configuration.sources[0].kind, SourceKind::Ldap(_)), "{example}");
        }
    }
}
