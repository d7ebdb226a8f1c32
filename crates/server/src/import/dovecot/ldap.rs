//! `dovecot-ldap.conf.ext` of Dovecot up to 2.3, as `[users.ldap]`.

use super::Import;
use crate::import::draft::{Literal, Origin};
use crate::import::input::{read_if_there, text};
use crate::import::shell::LINE_MAX;
use auth::ldap::template::{Template, TemplateKind};
use std::collections::BTreeMap;
use std::path::Path;

const SECTION: &str = "users.ldap";

/// Settings that are taken one for one.
const PLAIN: &[(&str, &str)] =
    &[("base", "base"), ("tls_ca_cert_file", "ca-file"), ("deref", "deref"), ("auth_bind_userdn", "user-dn")];

/// Settings that are looked at by name, or make no difference.
const KNOWN: &[&str] = &[
    "hosts",
    "uris",
    "dn",
    "dnpass",
    "tls",
    "auth_bind",
    "pass_filter",
    "user_filter",
    "user_attrs",
    "pass_attrs",
    "iterate_filter",
    "iterate_attrs",
    "scope",
    "sasl_bind",
    "sasl_mech",
    "default_pass_scheme",
    "ldap_version",
    "debug_level",
    "blocking",
    "tls_require_cert",
];

/// The settings of one file.
struct File<'a> {
    path: &'a str,
    settings: BTreeMap<String, String>,
}

impl File<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is_on(&self, key: &str) -> bool {
        self.get(key) == Some("yes")
    }

    fn origin(&self, key: &str) -> Origin {
        Origin::with_value(self.path, key, self.get(key).unwrap_or_default())
    }
}

impl Import {
    /// Reads the file that a passdb names, and starts a table of `[[users]]`; whether it did.
    pub(super) fn ldap(&mut self, path: &str) -> bool {
        let Ok(Some(bytes)) = read_if_there(Path::new(path)) else { return false };
        let Ok(text) = text(path, &bytes, LINE_MAX) else { return false };
        let setting = |line: &str| {
            let (key, value) = line.trim().split_once('=')?;
            Some((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        };
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let file = File { path, settings: lines.filter_map(setting).collect() };
        let (servers, from) = servers(&file);
        if servers.is_empty() || file.get("base").is_none() {
            return false;
        }
        self.draft.start("users");
        self.draft.set(SECTION, "servers", Literal::list(&servers), &[from]);
        self.ldap_connection(&file, servers.iter().any(|server| server.starts_with("ldap://")));
        self.ldap_filters(&file);
        for key in ["pass_attrs", "user_attrs"] {
            self.ldap_attributes(&file, key);
        }
        if !file.is_on("auth_bind") && !self.draft.has(SECTION, "password-attributes") {
            let remark = "the attribute that holds hashed passwords: pass_attrs names none.";
            self.draft.fill_in(SECTION, "password-attributes", remark);
        }
        for key in file.settings.keys() {
            if !KNOWN.contains(&key.as_str()) && !PLAIN.iter().any(|(known, _)| known == key) {
                self.draft.lose(file.origin(key), "no setting of [users.ldap] is like it");
            }
        }
        true
    }

    fn ldap_connection(&mut self, file: &File<'_>, in_clear: bool) {
        for (theirs, ours) in PLAIN {
            let Some(value) = file.get(theirs) else { continue };
            match (*ours, variables(TemplateKind::Dn, value)) {
                ("base" | "user-dn", Err(why)) => self.draft.lose(file.origin(theirs), why),
                ("base" | "user-dn", Ok(value)) => {
                    self.draft.set(SECTION, ours, value, &[file.origin(theirs)]);
                }
                _ => {
                    self.draft.set(SECTION, ours, value, &[file.origin(theirs)]);
                }
            }
        }
        if file.is_on("tls") && in_clear {
            self.draft.set(SECTION, "start-tls", true, &[file.origin("tls")]);
        }
        if let Some(scope) = file.get("scope") {
            let scope = if scope == "onelevel" { "one" } else { scope };
            self.draft.set(SECTION, "scope", scope, &[file.origin("scope")]);
        }
        if file.is_on("sasl_bind")
            && file.get("sasl_mech").is_some_and(|m| m.eq_ignore_ascii_case("EXTERNAL"))
        {
            self.draft.set(SECTION, "sasl-external", true, &[file.origin("sasl_mech")]);
        } else if let Some(dn) = file.get("dn") {
            self.draft.set(SECTION, "bind-dn", dn, &[file.origin("dn")]);
            let password = file.get("dnpass").unwrap_or_default();
            self.draft.fill_in_password(SECTION, "bind-password-file", "dnpass", password);
        }
        let (mode, from) = match (file.is_on("auth_bind"), file.get("auth_bind_userdn")) {
            (true, Some(_)) => ("direct", "auth_bind_userdn"),
            (true, None) => ("search", "auth_bind"),
            (false, _) => ("compare", "auth_bind"),
        };
        self.draft.set(SECTION, "mode", mode, &[file.origin(from)]);
        if let Some(scheme) = file.get("default_pass_scheme")
            && mode == "compare"
            && !scheme.eq_ignore_ascii_case("CRYPT")
        {
            let why = "passwords without a scheme are of crypt(3) here";
            self.draft.lose(file.origin("default_pass_scheme"), why);
        }
    }

    /// One filter finds a user: that of the passdb, or where binds are direct that of the userdb.
    fn ldap_filters(&mut self, file: &File<'_>) {
        let direct = file.is_on("auth_bind") && file.get("auth_bind_userdn").is_some();
        let (first, second) =
            if direct { ("user_filter", "pass_filter") } else { ("pass_filter", "user_filter") };
        let key = if file.get(first).is_some() { first } else { second };
        let given = file.get(key).unwrap_or("(&(objectClass=posixAccount)(uid=%u))");
        match variables(TemplateKind::Filter, given) {
            Ok(filter) => drop(self.draft.set(SECTION, "filter", filter, &[file.origin(key)])),
            Err(why) => self.draft.lose(file.origin(key), why),
        }
        if key == first && file.get(second).is_some_and(|other| other != given) {
            let why = "one filter finds a user: say both in it";
            self.draft.lose(file.origin(second), why);
        }
        if let Some(filter) = file.get("iterate_filter") {
            self.draft.set(SECTION, "list-filter", filter, &[file.origin("iterate_filter")]);
        }
        if let Some((attribute, _)) = file.get("iterate_attrs").and_then(|pair| pair.split_once('=')) {
            self.draft.set(SECTION, "list-name-attribute", attribute, &[file.origin("iterate_attrs")]);
        }
    }

    /// `attribute=field` pairs.
    fn ldap_attributes(&mut self, file: &File<'_>, key: &str) {
        let Some(pairs) = file.get(key) else { return };
        for pair in pairs.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let origin = Origin::with_value(file.path, key, pair);
            let (attribute, field) = pair.split_once('=').unwrap_or((pair, ""));
            let from = [origin.clone()];
            let taken = !attribute.is_empty()
                && match field.strip_prefix("userdb_").unwrap_or(field) {
                    "user" => self.draft.set(SECTION, "name-attribute", attribute, &from),
                    "home" => self.draft.set(SECTION, "home-attribute", attribute, &from),
                    "mail" => self.draft.set(SECTION, "maildir-attribute", attribute, &from),
                    "uid" => self.draft.set(SECTION, "uid-attribute", attribute, &from),
                    "gid" => self.draft.set(SECTION, "gid-attribute", attribute, &from),
                    "password" => {
                        let list = Literal::list(&[attribute]);
                        self.draft.set(SECTION, "password-attributes", list, &from)
                    }
                    "quota_rule=*:bytes=%$" => {
                        self.draft.set(SECTION, "quota-size-attribute", attribute, &from)
                    }
                    "quota_rule=*:messages=%$" => {
                        self.draft.set(SECTION, "quota-count-attribute", attribute, &from)
                    }
                    _ => false,
                };
            if !taken {
                let why =
                    "no setting of [users.ldap] takes it; what is the same for all users goes into [mail]";
                self.draft.lose(origin, why);
            }
        }
    }
}

/// URLs, and where they stood. `hosts` are names with or without a port.
fn servers(file: &File<'_>) -> (Vec<String>, Origin) {
    match (file.get("uris"), file.get("hosts")) {
        (Some(uris), _) => (uris.split_whitespace().map(str::to_owned).collect(), file.origin("uris")),
        (None, Some(hosts)) => {
            let url = |host| format!("ldap://{host}");
            (hosts.split_whitespace().map(url).collect(), file.origin("hosts"))
        }
        (None, None) => (Vec::new(), file.origin("uris")),
    }
}

/// Dovecot's variables in our words; names are in lower case anyway.
fn variables(kind: TemplateKind, text: &str) -> Result<String, String> {
    let mut out = text.to_owned();
    for (theirs, ours) in [
        ("%L", "%"),
        ("%{user}", "%u"),
        ("%{username}", "%n"),
        ("%{domain}", "%d"),
        ("%{user | username}", "%n"),
        ("%{user | domain}", "%d"),
    ] {
        out = out.replace(theirs, ours);
    }
    Template::parse(kind, &out, "und").map_err(|why| format!("it {why}"))?;
    Ok(out)
}
