//! `authldaprc`: `FIELD value` lines, as `[users.ldap]`.

use crate::import::draft::{Draft, Literal, Origin};
use crate::import::input::{Problem, read_if_there, text};
use crate::import::shell::LINE_MAX;
use std::collections::BTreeMap;
use std::path::Path;

const FILE: &str = "authldaprc";
const SECTION: &str = "users.ldap";

/// Fields that name an attribute, and the setting that does.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("LDAP_HOMEDIR", "home-attribute"),
    ("LDAP_MAILROOT", "mail-root"),
    ("LDAP_MAILDIR", "maildir-attribute"),
    ("LDAP_MAILDIRQUOTA", "quota-attribute"),
    ("LDAP_DEREF", "deref"),
];

/// Fields that are of delivery or of the protocol, or were looked at by name.
const NO_DIFFERENCE: &[&str] = &[
    "LDAP_URI",
    "LDAP_BASEDN",
    "LDAP_BINDDN",
    "LDAP_BINDPW",
    "LDAP_INITBIND",
    "LDAP_AUTHBIND",
    "LDAP_MAIL",
    "LDAP_FILTER",
    "LDAP_ENUMERATE_FILTER",
    "LDAP_CLEARPW",
    "LDAP_CRYPTPW",
    "LDAP_UID",
    "LDAP_GID",
    "LDAP_TLS",
    "LDAP_TIMEOUT",
    "LDAP_AUXOPTIONS",
    "LDAP_DEFAULTDELIVERY",
    "LDAP_FULLNAME",
    "LDAP_PROTOCOL_VERSION",
];

/// The fields of a file, the last of each.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.parse().unwrap_or(0) != 0)
    }

    /// Where the fields that are set stand.
    fn origins(&self, names: &[&str]) -> Vec<Origin> {
        let origin = |name: &&str| Some(Origin::with_value(FILE, name, self.get(name)?));
        names.iter().filter_map(origin).collect()
    }
}

/// Reads it, if it is there, and starts a table of `[[users]]`; whether it did.
pub(super) fn import(path: &Path, draft: &mut Draft) -> Result<bool, Problem> {
    let Some(bytes) = read_if_there(path)? else { return Ok(false) };
    let text = text(FILE, &bytes, LINE_MAX)?;
    let field = |line: &str| {
        let (name, value) = line.trim().split_once([' ', '\t'])?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    let fields = Fields(text.lines().filter(|line| !line.starts_with('#')).filter_map(field).collect());
    owners(&fields, draft);
    let (Some(uris), Some(base)) = (fields.get("LDAP_URI"), fields.get("LDAP_BASEDN")) else {
        for name in fields.0.keys().filter(|name| NO_DIFFERENCE.contains(&name.as_str())) {
            let why = "without LDAP_URI and LDAP_BASEDN there is no directory to ask";
            fields.origins(&[name]).into_iter().for_each(|origin| draft.lose(origin, why));
        }
        return Ok(false);
    };
    draft.start("users");
    let servers: Vec<&str> = uris.split([',', ' ', '\t']).filter(|uri| !uri.is_empty()).collect();
    draft.set(SECTION, "servers", Literal::list(&servers), &fields.origins(&["LDAP_URI"]));
    draft.set(SECTION, "base", base.replace('%', "%%"), &fields.origins(&["LDAP_BASEDN"]));
    connection(&fields, servers.iter().any(|server| server.starts_with("ldap://")), draft);
    filters(&fields, draft);
    passwords(&fields, draft);
    for (name, key) in ATTRIBUTES {
        if let Some(value) = fields.get(name) {
            draft.set(SECTION, key, value, &fields.origins(&[name]));
        }
    }
    options(&fields, draft);
    for name in fields.0.keys() {
        let known = NO_DIFFERENCE.contains(&name.as_str())
            || ATTRIBUTES.iter().any(|(known, _)| known == name)
            || ["LDAP_GLOB_UID", "LDAP_GLOB_GID", "LDAP_DOMAIN"].contains(&name.as_str());
        if !known {
            let why = if name.starts_with("LDAP_EMAILMAP") {
                "addresses are not mapped by a search of their own: write a filter that finds the user by them, and name-attribute"
            } else {
                "no field of authldaprc that is known here"
            };
            fields.origins(&[name]).into_iter().for_each(|origin| draft.lose(origin, why));
        }
    }
    Ok(true)
}

/// Whom files belong to, and the domain of names without one.
fn owners(fields: &Fields, draft: &mut Draft) {
    for (name, section, key) in [
        ("LDAP_GLOB_UID", "mail", "user"),
        ("LDAP_GLOB_GID", "mail", "group"),
        ("LDAP_DOMAIN", "login", "default-domain"),
    ] {
        if let Some(value) = fields.get(name).filter(|_| !draft.has(section, key)) {
            draft.set(section, key, value, &fields.origins(&[name]));
        }
    }
}

fn connection(fields: &Fields, in_clear: bool, draft: &mut Draft) {
    if fields.is_on("LDAP_TLS") && in_clear {
        draft.set(SECTION, "start-tls", true, &fields.origins(&["LDAP_TLS"]));
    }
    if let Some(seconds) = fields.get("LDAP_TIMEOUT") {
        draft.set(SECTION, "timeout", format!("{seconds}s"), &fields.origins(&["LDAP_TIMEOUT"]));
    }
    // Where LDAP_INITBIND is 0, searches are anonymous.
    if let Some(dn) = fields.get("LDAP_BINDDN").filter(|_| fields.is_on("LDAP_INITBIND")) {
        draft.set(SECTION, "bind-dn", dn, &fields.origins(&["LDAP_INITBIND", "LDAP_BINDDN"]));
        let password = fields.get("LDAP_BINDPW").unwrap_or_default();
        draft.fill_in_password(SECTION, "bind-password-file", "LDAP_BINDPW", password);
    }
}

/// `(&FILTER(MAIL=user))`, as Courier asks.
fn filters(fields: &Fields, draft: &mut Draft) {
    let mail = fields.get("LDAP_MAIL").unwrap_or("mail");
    let more = fields.get("LDAP_FILTER").map(|filter| filter.replace('%', "%%"));
    let filter = match &more {
        Some(more) => format!("(&{more}({mail}=%u))"),
        None => format!("({mail}=%u)"),
    };
    draft.set(SECTION, "filter", filter, &fields.origins(&["LDAP_FILTER", "LDAP_MAIL"]));
    let list = fields.get("LDAP_ENUMERATE_FILTER").map(|filter| filter.replace('%', "%%"));
    let origins = fields.origins(&["LDAP_ENUMERATE_FILTER"]);
    draft.set(SECTION, "list-filter", list.or(more).unwrap_or(format!("({mail}=*)")), &origins);
    draft.set(SECTION, "list-name-attribute", mail, &fields.origins(&["LDAP_MAIL"]));
}

fn passwords(fields: &Fields, draft: &mut Draft) {
    if fields.is_on("LDAP_AUTHBIND") {
        draft.set(SECTION, "mode", "search", &fields.origins(&["LDAP_AUTHBIND"]));
        return;
    }
    draft.set(SECTION, "mode", "compare", &fields.origins(&["LDAP_AUTHBIND"]));
    if fields.get("LDAP_CRYPTPW").is_none() && fields.get("LDAP_CLEARPW").is_none() {
        let remark = "the attribute that holds hashed passwords: neither LDAP_CRYPTPW nor LDAP_CLEARPW is set, and LDAP_AUTHBIND is off.";
        return draft.fill_in(SECTION, "password-attributes", remark);
    }
    let hashed: Vec<&str> = fields.get("LDAP_CRYPTPW").into_iter().collect();
    draft.set(SECTION, "password-attributes", Literal::list(&hashed), &fields.origins(&["LDAP_CRYPTPW"]));
    if let Some(clear) = fields.get("LDAP_CLEARPW") {
        // The name of an attribute, which the word in the field's name does not make a secret.
        draft.set(SECTION, "clear-password-attribute", clear, &fields.origins(&["LDAP_CLEARPW"]));
    }
}

/// Uids of entries, where there is not one for all, and `attribute=option` pairs.
fn options(fields: &Fields, draft: &mut Draft) {
    for (name, global, key) in
        [("LDAP_UID", "LDAP_GLOB_UID", "uid-attribute"), ("LDAP_GID", "LDAP_GLOB_GID", "gid-attribute")]
    {
        if let Some(attribute) = fields.get(name).filter(|_| fields.get(global).is_none()) {
            draft.set(SECTION, key, attribute, &fields.origins(&[name]));
        }
    }
    let Some(pairs) = fields.get("LDAP_AUXOPTIONS") else { return };
    let mut disabling = Vec::new();
    for pair in pairs.split(',').map(str::trim) {
        match pair.split_once('=') {
            Some((attribute, "disableimap")) => disabling.push(format!("{attribute}=imap")),
            Some((attribute, "disablepop3")) => disabling.push(format!("{attribute}=pop3")),
            _ => draft.lose(
                Origin::with_value(FILE, "LDAP_AUXOPTIONS", pair),
                "of options, only disableimap and disablepop3 mean something here",
            ),
        }
    }
    if !disabling.is_empty() {
        let origins = fields.origins(&["LDAP_AUXOPTIONS"]);
        draft.set(SECTION, "disabling-attributes", Literal::list(&disabling), &origins);
    }
}
