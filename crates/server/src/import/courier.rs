//! Courier-IMAP's settings: `imapd` and `imapd-ssl`, read as its start-up script reads them,
//! `authdaemonrc`, `authldaprc`, `userdb`.

mod authentication;
mod ldap;
mod listeners;
mod sql;
mod table;

use super::draft::{Draft, Literal, Origin};
use super::input::{Problem, read_if_there};
use super::shell::{Variable, Variables};
use codec::capability;
use std::path::{Path, PathBuf};
use table::{Fate, IMAP, POP3};

/// Where Courier keeps mail in a home directory, unless told otherwise.
const MAILDIR: &str = "Maildir";

/// Reads a directory such as `/etc/courier`.
pub(super) fn import(directory: &Path) -> Result<Draft, Problem> {
    let mut imap = Variables::default();
    // In this order: `imapd-ssl` refers to variables of `imapd` and overrides them.
    for file in ["imapd", "imapd-ssl"] {
        if let Some(bytes) = read_if_there(&directory.join(file))? {
            imap.read(file, &bytes)?;
        }
    }
    let mut import = Import { directory: directory.to_owned(), variables: imap, draft: Draft::default() };
    import.passed_over();
    import.hostname()?;
    let started = import.listen();
    import.certificate();
    import.tls_version();
    import.login();
    import.limits(started);
    import.mail();
    import.rest();
    authentication::import(directory, &mut import.draft)?;
    import.pop3()?;
    import.files_beside();
    import.draft.complete();
    Ok(import.draft)
}

struct Import {
    directory: PathBuf,
    variables: Variables,
    draft: Draft,
}

/// A variable that is set to something.
fn set<'v>(variables: &'v Variables, name: &str) -> Option<&'v Variable> {
    variables.get(name).filter(|variable| !variable.value.trim().is_empty())
}

/// Whether Courier's scripts take a value for yes.
fn is_yes(value: &str) -> bool {
    value.trim().starts_with(['y', 'Y'])
}

/// Whether Courier takes a number for true.
fn is_on(variable: Option<&Variable>) -> bool {
    variable.is_some_and(|variable| variable.value.trim().parse().unwrap_or(0) != 0)
}

fn origin(name: &str, variable: &Variable) -> Origin {
    Origin::new(&variable.file, name)
}

fn origin_with_value(name: &str, variable: &Variable) -> Origin {
    Origin::with_value(&variable.file, name, &variable.value)
}

impl Import {
    fn value(&self, name: &str) -> Option<Variable> {
        set(&self.variables, name).cloned()
    }

    fn passed_over(&mut self) {
        for (file, line, what) in std::mem::take(&mut self.variables.passed_over) {
            self.draft.lose(Origin::new(&file, &format!("line {line}")), what);
        }
    }

    /// Courier's mail server keeps its name in `me`.
    fn hostname(&mut self) -> Result<(), Problem> {
        let Some(bytes) = read_if_there(&self.directory.join("me"))? else { return Ok(()) };
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if !text.is_empty() && text.chars().all(is_name) {
            self.draft.set("", "hostname", text, &[Origin::new("me", "(the whole file)")]);
        }
        Ok(())
    }

    fn certificate(&mut self) {
        let certificate = self.value("TLS_CERTFILE");
        let key = self.value("TLS_PRIVATE_KEYFILE");
        let Some(certificate) = certificate else { return };
        let key_origin = match &key {
            Some(key) => origin("TLS_PRIVATE_KEYFILE", key),
            None => origin("TLS_CERTFILE", &certificate),
        };
        let key_path = self.absolute(key.as_ref().map_or(&certificate.value, |key| &key.value));
        let path = self.absolute(&certificate.value);
        self.draft.set("tls", "certificate", path.as_str(), &[origin("TLS_CERTFILE", &certificate)]);
        self.draft.set("tls", "key", key_path.as_str(), std::slice::from_ref(&key_origin));
        if key.is_none() {
            self.draft.remark("tls", "key", "One file holds certificate and key, as with Courier.");
        }
        self.more_certificates(&path, &key_path, key.is_none(), &origin("TLS_CERTFILE", &certificate));
    }

    /// Courier opens a path from wherever it was started; a site that has such a one keeps the file
    /// with its settings.
    fn absolute(&self, path: &str) -> String {
        self.directory.join(path.trim()).display().to_string()
    }

    /// `TLS_CERTFILE.name` is the certificate for clients that ask for that name.
    fn more_certificates(&mut self, path: &str, key: &str, same: bool, origin: &Origin) {
        let (directory, file) = path.rsplit_once('/').unwrap_or(("/", path));
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        let prefix = format!("{file}.");
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_prefix(&prefix)?.to_owned()))
            .collect();
        names.sort();
        for name in names {
            if name.parse::<std::net::IpAddr>().is_ok() {
                let why = "certificates are chosen by the name that a client asks for, not by address";
                self.draft
                    .lose(Origin::with_value(&origin.file, "TLS_CERTFILE", &format!("{path}.{name}")), why);
                continue;
            }
            let key = format!("{key}.{name}");
            let is_name = name.contains('.') && name.chars().any(|c| c.is_ascii_alphabetic());
            if !is_name || !(same || Path::new(&key).exists()) {
                continue;
            }
            self.draft.start("tls.more");
            let from = std::slice::from_ref(origin);
            self.draft.set("tls.more", "names", Literal::list(&[&name]), from);
            self.draft.set("tls.more", "certificate", format!("{path}.{name}"), from);
            self.draft.set("tls.more", "key", key, from);
        }
    }

    /// TLS 1.2 is our oldest; only a site that wants 1.3 alone needs a line.
    fn tls_version(&mut self) {
        let settings = ["TLS_PROTOCOL", "TLS_STARTTLS_PROTOCOL", "TLS_PRIORITY"];
        for name in settings {
            let Some(variable) = self.value(name) else { continue };
            match oldest_tls(&variable.value) {
                Some(Oldest::Tls13) => {
                    self.draft.set("tls", "minimum-version", "1.3", &[origin(name, &variable)]);
                }
                Some(Oldest::Tls12) => {}
                Some(Oldest::Older) => self.draft.lose(
                    origin_with_value(name, &variable),
                    "TLS 1.2 is the oldest version that is spoken; older clients are refused",
                ),
                None => self.draft.lose(
                    origin_with_value(name, &variable),
                    "cipher suites cannot be chosen: only those that are safe are offered",
                ),
            }
        }
    }

    fn login(&mut self) {
        if let Some(domain) = self.value("DEFDOMAIN") {
            match domain.value.strip_prefix('@') {
                Some(name) => {
                    self.draft.set("login", "default-domain", name, &[origin("DEFDOMAIN", &domain)]);
                }
                None => self.draft.lose(
                    origin_with_value("DEFDOMAIN", &domain),
                    "only a domain behind an @ can be added to names: default-domain of [login]",
                ),
            }
        }
        self.mechanisms();
        if let Some(required) = self.variables.get("IMAP_TLS_REQUIRED").cloned()
            && !is_on(Some(&required))
        {
            let from = [origin_with_value("IMAP_TLS_REQUIRED", &required)];
            self.draft.set("login", "cleartext-from", Literal::list(&["127.0.0.0/8", "::1"]), &from);
            let remark = "Courier takes passwords without TLS from everywhere; here programs on this host, such as webmail, go on. Leave the line out if there are none.";
            self.draft.remark("login", "cleartext-from", remark);
            let why = "no password is taken without TLS but from the networks of cleartext-from in [login]: set mail programs to STARTTLS or TLS";
            self.draft.lose(from[0].clone(), why);
        }
    }

    /// The mechanisms offered with TLS; what `IMAP_CAPABILITY` promised and we have not.
    fn mechanisms(&mut self) {
        let (mut known, mut missing, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        let mut lost = Vec::new();
        for name in ["IMAP_CAPABILITY", "IMAP_CAPABILITY_TLS"] {
            let Some(variable) = self.value(name) else { continue };
            let before = known.len();
            for word in variable.value.split_whitespace().map(str::to_ascii_uppercase) {
                match word.strip_prefix("AUTH=") {
                    Some(mechanism) if known.iter().any(|name| name == mechanism) => {}
                    Some(mechanism) if super::mechanism::is_mechanism(mechanism) => {
                        known.push(mechanism.to_owned());
                    }
                    Some(_) if !missing.contains(&word) => missing.push(word),
                    None if !is_offered(&word) && !lost.contains(&word) => lost.push(word),
                    _ => {}
                }
            }
            if known.len() > before {
                origins.push(origin(name, &variable));
            }
        }
        if !known.is_empty() {
            self.draft.set("login", "mechanisms", Literal::list(&known), &origins);
        }
        if !missing.is_empty() {
            self.draft.lose(
                Origin::with_value("imapd", "IMAP_CAPABILITY", &missing.join(" ")),
                "set mail programs that send an encrypted password to a plain one: TLS protects it",
            );
        }
        if !lost.is_empty() {
            self.draft.lose(
                Origin::with_value("imapd", "IMAP_CAPABILITY", &lost.join(" ")),
                "not there yet; mail programs do without",
            );
        }
    }

    /// Courier counts the connections of each of its two daemons apart.
    fn limits(&mut self, started: u64) {
        let times = started.max(1);
        for (name, key) in [("MAXDAEMONS", "connections"), ("MAXPERIP", "connections-per-address")] {
            let Some(variable) = self.value(name) else { continue };
            let Ok(count) = variable.value.trim().parse::<u32>() else {
                self.draft.lose(origin_with_value(name, &variable), "no number");
                continue;
            };
            let total = i64::try_from(u64::from(count) * times).unwrap_or(i64::MAX);
            let from = [origin_with_value(name, &variable)];
            let is_set = self.draft.set("limits", key, total, &from);
            if is_set && times > 1 {
                let remark =
                    "Courier counts the ports with and without TLS apart; here they are counted together.";
                self.draft.remark("limits", key, remark);
            }
            if is_set && name == "MAXDAEMONS" {
                let remark = "A connection costs no process here: without the line it is 10000.";
                self.draft.remark("limits", key, remark);
            }
            if is_set && name == "MAXPERIP" && total > 50 {
                self.draft.set("limits", "connections-per-user-and-address", total, &from);
            }
        }
    }

    fn mail(&mut self) {
        let (path, from) = match self.value("MAILDIRPATH") {
            Some(variable) => (variable.value.clone(), vec![origin("MAILDIRPATH", &variable)]),
            None => (MAILDIR.to_owned(), Vec::new()),
        };
        let path = path.trim_start_matches("./").replace('%', "%%");
        let template = if path.starts_with('/') { path } else { format!("%h/{path}") };
        self.draft.set("mail", "maildir", template, &from);
        self.draft.remark("mail", "maildir", "%h is the home directory that the user source gives.");
        self.draft.set("mail", "namespace", "courier", &[]);
        self.draft.remark(
            "mail",
            "namespace",
            "As Courier shows names: INBOX.Lists.rust. With \"plain\", Lists/rust is shown, and clients with the root folder INBOX. go on working.",
        );
        if let Some(skeleton) = self.value("AUTH_MKHOMEDIR_SKEL") {
            let from = origin_with_value("AUTH_MKHOMEDIR_SKEL", &skeleton);
            self.draft.set("mail", "create", true, std::slice::from_ref(&from));
            self.draft.lose(from, "the Maildir is made (create in [mail]), nothing is copied into it");
        }
        if self.variables.get("IMAP_KEYWORDS").is_some() && !is_on(self.variables.get("IMAP_KEYWORDS")) {
            let from: Vec<Origin> =
                self.variables.get("IMAP_KEYWORDS").map(|v| origin("IMAP_KEYWORDS", v)).into_iter().collect();
            self.draft.set("mail", "keywords", 0, &from);
        }
        if let Some(trash) = self.value("IMAP_TRASHFOLDERNAME").filter(|trash| trash.value != "Trash") {
            let name = trash.value.strip_prefix("INBOX.").unwrap_or(&trash.value);
            let mut names = vec![name];
            names.extend(["Trash", "Deleted Messages", "Deleted Items"].into_iter().filter(|n| *n != name));
            self.draft.set(
                "special-use",
                "trash",
                Literal::list(&names),
                &[origin("IMAP_TRASHFOLDERNAME", &trash)],
            );
        }
    }

    /// Everything that is set and not looked at above.
    fn rest(&mut self) {
        let all: Vec<(String, Variable)> =
            self.variables.iter().map(|(name, variable)| (name.to_owned(), variable.clone())).collect();
        for (name, variable) in all {
            self.one_of_table(IMAP, &name, &variable);
        }
    }

    fn one_of_table(&mut self, table: &[(&str, Fate)], name: &str, variable: &Variable) {
        let value = variable.value.trim();
        if value.is_empty() {
            return;
        }
        match table.iter().find(|(known, _)| *known == name).map(|(_, fate)| fate) {
            Some(Fate::Used | Fate::NoDifference) => {}
            Some(Fate::Lost { unless, why }) => {
                if !unless.contains(&value) {
                    self.draft.lose(origin_with_value(name, variable), *why);
                }
            }
            None if name.starts_with("AUTHSERVICE") => self.draft.lose(
                origin_with_value(name, variable),
                "users are looked up the same way whatever the port",
            ),
            // Its value may be anything, a secret too.
            None => self.draft.lose(origin(name, variable), "no setting of Courier-IMAP that is known here"),
        }
    }

    fn pop3(&mut self) -> Result<(), Problem> {
        let mut variables = Variables::default();
        for file in ["pop3d", "pop3d-ssl"] {
            if let Some(bytes) = read_if_there(&self.directory.join(file))? {
                variables.read(file, &bytes)?;
            }
        }
        for name in POP3 {
            if let Some(variable) = set(&variables, name).filter(|variable| is_yes(&variable.value)) {
                let why = "POP3 is not there yet: let Courier go on serving it from the same Maildirs";
                self.draft.lose(origin_with_value(name, variable), why);
            }
        }
        Ok(())
    }

    /// What stands in files of its own.
    fn files_beside(&mut self) {
        let access = self.directory.join("imapaccess");
        let has_rules = |path: &Path| match std::fs::read(path) {
            Ok(bytes) => bytes
                .split(|byte| *byte == b'\n')
                .any(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#")),
            Err(_) => std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()),
        };
        if has_rules(&access) {
            let why = "addresses are not allowed or denied here: do it with the packet filter";
            self.draft.lose(Origin::new("imapaccess", "(the whole file)"), why);
        }
        let shared = match self.value("IMAP_SHAREDINDEXFILE") {
            Some(variable) => PathBuf::from(variable.value),
            None => self.directory.join("shared/index"),
        };
        if shared.is_file() {
            let why = "shared mailboxes are not there yet; they stay on disk as they are";
            self.draft.lose(Origin::new("imapd", "IMAP_SHAREDINDEXFILE"), why);
        }
    }
}

/// Whether we announce a capability too, or announce it by other means.
fn is_offered(word: &str) -> bool {
    ["STARTTLS", "LOGINDISABLED"].contains(&word)
        || capability::TABLE.iter().any(|capability| capability.name.eq_ignore_ascii_case(word))
}

/// The oldest version of TLS that Courier would speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Oldest {
    Older,
    Tls12,
    Tls13,
}

/// Reads `TLSv1.2++` (OpenSSL), `TLS1_2:TLS1_1` (a list, older Couriers) and GnuTLS' priorities
/// such as `NORMAL:-VERS-TLS1.0`; `None` where ciphers are chosen.
fn oldest_tls(value: &str) -> Option<Oldest> {
    let upper = value.to_ascii_uppercase();
    if !upper.contains("VERS-") && !upper.contains("NORMAL") {
        let oldest = upper.split([':', ',', ' ']).filter(|word| !word.is_empty()).map(|word| {
            match word.trim_end_matches('+').trim_start_matches("TLSV").trim_start_matches("TLS") {
                "1.3" | "1_3" | "13" => Some(Oldest::Tls13),
                "1.2" | "1_2" | "12" => Some(Oldest::Tls12),
                "1" | "1.1" | "1_1" | "11" | "1.0" | "1_0" | "SSL23" | "SSL3" | "SSL2" | "SSLV23" => {
                    Some(Oldest::Older)
                }
                _ => None,
            }
        });
        let all: Vec<Oldest> = oldest.collect::<Option<_>>()?;
        return [Oldest::Older, Oldest::Tls12, Oldest::Tls13].into_iter().find(|one| all.contains(one));
    }
    // What NORMAL means differs between GnuTLS' versions: only what is asked for by name counts.
    let (mut older, mut tls12) = (false, true);
    for part in upper.split(':') {
        match part {
            "NORMAL" | "" | "-VERS-SSL3.0" | "+VERS-TLS1.3" | "-CTYPE-OPENPGP" | "%SERVER_PRECEDENCE" => {}
            "-VERS-TLS1.0" | "-VERS-TLS1.1" => older = false,
            "+VERS-TLS1.0" | "+VERS-TLS1.1" => older = true,
            "-VERS-TLS1.2" => tls12 = false,
            "+VERS-TLS1.2" => tls12 = true,
            "-VERS-ALL" | "-VERS-TLS-ALL" => (older, tls12) = (false, false),
            _ => return None,
        }
    }
    Some(match (older, tls12) {
        (true, _) => Oldest::Older,
        (false, true) => Oldest::Tls12,
        (false, false) => Oldest::Tls13,
    })
}

#[cfg(test)]
mod tests;
