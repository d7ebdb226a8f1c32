//! Dovecot's settings, from the output of `doveconf -n`: of 2.3, and as 2.4 has renamed them.

mod ldap;
mod listeners;
mod mailboxes;
mod plugins;
mod sql;
mod table;
mod template;
mod units;
mod users;

use super::doveconf::{self, Block};
use super::draft::{Draft, Literal, Origin};
use super::input::Problem;
use plugins::QuotaRule;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Reads what `doveconf -n` said; `file` names it in comments. `directory` is that of
/// dovecot.conf; without it, the one that the output names.
pub(super) fn import(file: &str, bytes: &[u8], directory: Option<&Path>) -> Result<Draft, Problem> {
    let output = doveconf::parse(file, bytes)?;
    let named = || Path::new(output.path.as_deref()?).parent().filter(|named| named.is_absolute());
    let mut import = Import {
        file: file.to_owned(),
        directory: directory.or_else(named).map(Path::to_owned),
        root: output.root,
        draft: Draft::default(),
        seen: BTreeSet::new(),
        quota_rules: Vec::new(),
    };
    import.hostname(output.hostname);
    import.protocols();
    import.tls();
    import.listen();
    import.login();
    import.users();
    import.mail();
    import.namespaces();
    import.limits();
    import.log();
    import.plugins();
    import.authentication_sockets();
    import.rest();
    import.draft.complete();
    Ok(import.draft)
}

struct Import {
    file: String,
    /// Where dovecot.conf is, if that is known: files of certificates are named from there.
    directory: Option<PathBuf>,
    root: Block,
    draft: Draft,
    /// Settings before the first block, and kinds of blocks, that were looked at.
    seen: BTreeSet<String>,
    /// Rules of the quota that stood with users.
    quota_rules: Vec<QuotaRule>,
}

impl Import {
    /// The first of these settings that is there and not empty, with its name; what `protocol
    /// imap` says counts before the rest.
    fn first(&mut self, keys: &[&str]) -> Option<(String, String)> {
        self.seen.extend(keys.iter().map(|key| (*key).to_owned()));
        let imap = self.root.of_kind("protocol").filter(|block| block.name == "imap");
        let places: Vec<&Block> = imap.chain([&self.root]).collect();
        keys.iter().find_map(|key| {
            let value = places.iter().find_map(|block| block.get(key))?.trim();
            (!value.is_empty()).then(|| ((*key).to_owned(), value.to_owned()))
        })
    }

    fn words(&mut self, key: &str) -> Option<Vec<String>> {
        self.seen.insert(key.to_owned());
        self.root.words(key)
    }

    fn origin(&self, setting: &str) -> Origin {
        Origin::new(&self.file, setting)
    }

    fn origin_with_value(&self, setting: &str, value: &str) -> Origin {
        Origin::with_value(&self.file, setting, value)
    }

    fn lose(&mut self, setting: &str, value: &str, why: &str) {
        let origin = self.origin_with_value(setting, value);
        self.draft.lose(origin, why);
    }

    /// The path in `</path`, or the path itself; `None` for a certificate that stands there.
    /// Others are named from the directory of the file with the setting, which doveconf does not
    /// tell: it is looked where settings are.
    fn file_of(&self, value: Option<&str>) -> Option<String> {
        let value = value?;
        let path = value.trim_start_matches('<').trim();
        if path.starts_with('/') {
            return Some(path.to_owned());
        }
        let directory = self.directory.as_deref().filter(|_| value.starts_with('<') && !path.is_empty())?;
        let mut places = ["", "conf.d"].into_iter().map(|below| directory.join(below).join(path));
        let found = places.find(|place| place.is_file())?;
        let found = if path.contains("..") { found.canonicalize().ok()? } else { found };
        Some(found.display().to_string())
    }

    fn key_remark(&self, value: Option<&str>) -> String {
        match value.filter(|value| value.starts_with('<')) {
            Some(value) => format!("Dovecot has {value}, from the directory of the file that says so."),
            None => HIDDEN_KEY.to_owned(),
        }
    }

    fn hostname(&mut self, of_host: Option<String>) {
        if let Some((key, name)) = self.first(&["hostname"]) {
            let from = [self.origin(&key)];
            self.draft.set("", "hostname", name, &from);
        } else if let Some(name) = of_host.filter(|name| name.contains('.')) {
            let from = [self.origin("# Hostname")];
            self.draft.set("", "hostname", name, &from);
        }
    }

    fn protocols(&mut self) {
        let given = self.words("protocols");
        let (all, shown) = match &given {
            Some(words) => (words.clone(), words.join(" ")),
            None => (
                ["imap", "pop3", "lmtp"].map(str::to_owned).to_vec(),
                "imap pop3 lmtp (the default)".to_owned(),
            ),
        };
        for protocol in &all {
            let why = match protocol.as_str() {
                "imap" => continue,
                "pop3" => "POP3 is not there yet: let Dovecot go on serving it from the same Maildirs",
                "lmtp" => {
                    "LMTP: let Dovecot go on delivering, or the mail server deliver into the Maildirs itself"
                }
                "sieve" => "Sieve and its protocol: let Dovecot's delivery go on filtering",
                _ => "not spoken",
            };
            self.lose("protocols", &format!("{protocol}, of {shown}"), why);
        }
    }

    fn tls(&mut self) {
        self.certificate();
        if let Some((key, value)) = self.first(&["ssl_min_protocol"]) {
            match value.as_str() {
                "TLSv1.3" => {
                    let from = [self.origin_with_value(&key, &value)];
                    self.draft.set("tls", "minimum-version", "1.3", &from);
                }
                "TLSv1.2" => {}
                _ => self.lose(
                    &key,
                    &value,
                    "TLS 1.2 is the oldest version that is spoken; older clients are refused",
                ),
            }
        }
        for (name, block) in
            self.root.of_kind("local_name").map(|b| (b.name.clone(), b.clone())).collect::<Vec<_>>()
        {
            let certificate = self.file_of(block.get("ssl_cert").or(block.get("ssl_server_cert_file")));
            let key = self.file_of(block.get("ssl_key").or(block.get("ssl_server_key_file")));
            let names: Vec<&str> = name.split_whitespace().collect();
            let from = [self.origin(&format!("local_name {name}"))];
            let Some(certificate) = certificate else {
                self.draft
                    .lose(from[0].clone(), "only its certificate could be taken, and it has none in a file");
                continue;
            };
            self.draft.start("tls.more");
            self.draft.set("tls.more", "names", Literal::list(&names), &from);
            self.draft.set("tls.more", "certificate", certificate, &from);
            match key {
                Some(key) => {
                    self.draft.set("tls.more", "key", key, &from);
                }
                None => {
                    let remark = self.key_remark(block.get("ssl_key"));
                    self.draft.fill_in("tls.more", "key", &remark);
                }
            }
        }
        self.seen.insert("local_name".to_owned());
    }

    fn certificate(&mut self) {
        let certificate = self.first(&["ssl_server_cert_file", "ssl_cert"]);
        let path = certificate.as_ref().and_then(|(_, value)| self.file_of(Some(value)));
        if let (Some((key, _)), Some(path)) = (&certificate, path) {
            let from = [self.origin(key)];
            self.draft.set("tls", "certificate", path, &from);
        } else if let Some((_, value)) = &certificate {
            let remark = match value.starts_with('<') {
                true => format!("Dovecot has {value}, from the directory of the file that says so."),
                false => "Dovecot has it in its settings: put it into a file.".to_owned(),
            };
            self.draft.fill_in("tls", "certificate", &remark);
        }
        let key = self.first(&["ssl_server_key_file", "ssl_key"]);
        match key.as_ref().and_then(|(name, value)| Some((name, self.file_of(Some(value))?))) {
            Some((name, path)) => {
                let from = [self.origin(name)];
                self.draft.set("tls", "key", path, &from);
            }
            None => {
                let remark = self.key_remark(key.as_ref().map(|(_, value)| value.as_str()));
                self.draft.fill_in("tls", "key", &remark);
            }
        }
        let encrypted = ["ssl_key_password", "ssl_server_key_password"];
        if let Some(name) = encrypted.iter().find(|name| self.root.settings.iter().any(|s| s.key == **name)) {
            let origin = self.origin(name);
            self.draft
                .lose(origin, "keys are read without a password: decrypt it, such as with openssl pkey");
        }
        self.seen.extend(encrypted.map(str::to_owned));
    }

    fn login(&mut self) {
        if let Some(words) = self.words("auth_mechanisms") {
            let (known, missing): (Vec<String>, Vec<String>) = words
                .iter()
                .map(|word| word.to_ascii_uppercase())
                .partition(|word| super::mechanism::is_mechanism(word));
            let from = [self.origin("auth_mechanisms")];
            if !known.is_empty() {
                self.draft.set("login", "mechanisms", Literal::list(&known), &from);
            }
            for word in missing {
                let why =
                    "no such mechanism here: set mail programs that use it to a plain password, under TLS";
                self.lose("auth_mechanisms", &word, why);
            }
        }
        if let Some((key, domain)) = self.first(&["auth_default_domain", "auth_default_realm"]) {
            let from = [self.origin(&key)];
            self.draft.set("login", "default-domain", domain, &from);
        }
        // Two characters or more are a loss: see master-separator.
        if let Some((key, separator)) = self.first(&["auth_master_user_separator"]) {
            let from = [self.origin(&key)];
            self.draft.set("login", "master-separator", separator, &from);
        }
        self.cleartext();
    }

    /// Dovecot takes a password without TLS from its own host and from trusted networks.
    fn cleartext(&mut self) {
        let trusted = self.first(&["login_trusted_networks"]);
        let mut networks = vec!["127.0.0.0/8".to_owned(), "::1".to_owned()];
        let mut from = Vec::new();
        if let Some((key, value)) = &trusted {
            networks.extend(value.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned));
            from.push(self.origin(key));
        }
        if self.draft.set("login", "cleartext-from", Literal::list(&networks), &from) {
            let remark = "As Dovecot, which takes passwords without TLS from programs on its own host, such as webmail. Leave this host out if there are none.";
            self.draft.remark("login", "cleartext-from", remark);
        }
        let plain = self.first(&["disable_plaintext_auth"]).filter(|(_, value)| value == "no");
        let plain =
            plain.or_else(|| self.first(&["auth_allow_cleartext"]).filter(|(_, value)| value == "yes"));
        if let Some((key, value)) = plain {
            let why = "no password is taken without TLS but from the networks of cleartext-from in [login]: set mail programs to STARTTLS or TLS";
            self.lose(&key, &value, why);
        }
    }

    fn limits(&mut self) {
        let service = self.root.of_kind("service").filter(|service| service.name == "imap").last();
        if let Some(count) = service.and_then(|service| service.get("process_limit")).map(str::to_owned) {
            let from = [self.origin_with_value("service imap: process_limit", &count)];
            if self.draft.set("limits", "connections", count.parse().unwrap_or(-1), &from) {
                let remark = "A connection costs no process here: without the line it is 10000.";
                self.draft.remark("limits", "connections", remark);
            }
        }
        if let Some((key, value)) = self.first(&["mail_max_userip_connections"]) {
            let count = match value.parse::<i64>() {
                Ok(0) => 1_000_000,
                Ok(count) => count,
                Err(_) => -1,
            };
            let from = [self.origin_with_value(&key, &value)];
            self.draft.set("limits", "connections-per-user-and-address", count, &from);
        }
        if let Some((key, value)) = self.first(&["imap_idle_notify_interval"]) {
            let from = [self.origin_with_value(&key, &value)];
            match units::duration(&value) {
                Some(time) => {
                    self.draft.set("limits", "idle-keepalive", time, &from);
                }
                None => self.lose(&key, &value, "no time that can be read"),
            }
        }
        if let Some((key, value)) = self.first(&["imap_max_line_length"]) {
            let from = [self.origin_with_value(&key, &value)];
            match units::bytes(&value, 1) {
                Some(bytes) => {
                    self.draft.set("limits", "line", bytes, &from);
                }
                None => self.lose(&key, &value, "no size that can be read"),
            }
        }
    }

    fn log(&mut self) {
        for key in ["mail_debug", "auth_debug"] {
            if let Some((key, value)) = self.first(&[key]).filter(|(_, value)| value == "yes") {
                let from = [self.origin_with_value(&key, &value)];
                self.draft.set("log", "level", "debug", &from);
            }
        }
    }

    /// Sockets on which other programs, such as the mail server, ask Dovecot for passwords.
    fn authentication_sockets(&mut self) {
        let services = self.root.of_kind("service").filter(|service| service.name == "auth");
        let listeners = services.flat_map(|service| &service.blocks);
        let sockets = listeners.filter(|block| block.kind == "inet_listener" || block.name.starts_with('/'));
        let names: Vec<String> =
            sockets.map(|block| format!("service auth: {} {}", block.kind, block.name)).collect();
        for name in names {
            let origin = self.origin(&name);
            self.draft.lose(
                origin,
                "other programs cannot ask for passwords here: let Dovecot go on doing that for Postfix or Exim",
            );
        }
    }

    /// What is left before the first block, and blocks that nobody looked at.
    fn rest(&mut self) {
        let blocks = self.root.clone();
        let imap = blocks.of_kind("protocol").filter(|block| block.name == "imap");
        for setting in imap.chain([&blocks]).flat_map(|block| &block.settings) {
            let key = setting.key.as_str();
            let value = setting.value.as_deref().unwrap_or_default();
            if self.seen.contains(key) || table::is_no_difference(key) {
                continue;
            }
            match table::lost(key) {
                Some((unless, _)) if unless.contains(&value) => {}
                Some((_, why)) => self.lose(key, value, why),
                None => {
                    let origin = self.origin(key);
                    self.draft.lose(origin, "no setting of Dovecot that is known here");
                }
            }
        }
        for block in &blocks.blocks {
            let kind = block.kind.as_str();
            if self.seen.contains(kind) || table::BLOCKS_WITHOUT_DIFFERENCE.contains(&kind) {
                continue;
            }
            let origin = self.origin(format!("{kind} {}", block.name).trim());
            self.draft.lose(origin, table::lost_block(kind));
        }
    }
}

const HIDDEN_KEY: &str = "doveconf hides it; `doveconf -P ssl_key ssl_server_key_file` says where it is.";

#[cfg(test)]
mod tests;
