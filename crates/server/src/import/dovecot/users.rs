//! `passdb` and `userdb`: what is a source here is taken, the rest is said.

use super::plugins::QuotaRule;
use super::{Import, template};
use crate::import::doveconf::Block;
use crate::import::draft::{Literal, Origin};

/// Schemes that a hash without one is read as here, too: libcrypt's.
pub(super) const CRYPT: &[&str] =
    &["CRYPT", "DES-CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT"];

/// What `username_format` may say without a difference.
const WHOLE_NAME: &[&str] = &["%u", "%Lu", "%{user}", "%{user | lower}", "%{user|lower}"];

impl Import {
    /// Sets `[[users]]`.
    pub(super) fn users(&mut self) {
        self.seen.extend(["passdb", "userdb"].map(str::to_owned));
        let passdbs: Vec<Block> = self.root.of_kind("passdb").cloned().collect();
        for block in &passdbs {
            let driver = driver(block);
            let origin = self.origin(format!("passdb {driver}").trim());
            if block.get("deny") == Some("yes") {
                let why = "there is no list of refused users: take them out of the passwd file";
                self.draft.lose(origin, why);
                continue;
            }
            let is_taken = match driver.as_str() {
                "passwd-file" => self.passwd_file(block, &origin),
                "ldap" => self.ldap_block(block),
                "sql" => self.sql_block(block),
                "pam" => self.pam(block, &origin),
                "vpopmail" => self.vpopmail(&origin),
                "checkpassword" => self.checkpassword(block, &origin),
                _ => false,
            };
            if !is_taken {
                self.draft.lose(origin, instead(&driver));
            } else if block.get("master") == Some("yes") {
                self.masters(block, &origin);
            }
            for key in ["default_fields", "override_fields"] {
                if let Some(value) = block.get(key).filter(|value| !value.trim().is_empty()) {
                    let name = if value.contains("pass") { "(not shown)" } else { value };
                    self.lose(
                        &format!("passdb {driver}: {key}"),
                        name,
                        "put it behind the users of the passwd file",
                    );
                }
            }
        }
        if !self.draft.has_users() {
            let remark = "a file of users, kept with `restante user add`, or filled from what Dovecot's passdb names (see the end).";
            self.draft.start("users");
            self.draft.fill_in("users", "passwd-file", remark);
        }
        self.userdbs(&passdbs);
    }

    /// `auth_master_user_separator` is looked at with the other settings.
    fn masters(&mut self, block: &Block, origin: &Origin) {
        self.draft.set("users", "masters-of", Literal::list(&["*"]), std::slice::from_ref(origin));
        self.draft.remark("users", "masters-of", "They may act for everybody: name domains to narrow it.");
        if block.get("pass") == Some("yes") {
            let setting = format!("{}: pass", origin.setting);
            self.lose(&setting, "yes", "a master's password is enough");
        }
    }

    /// Options such as `session=yes`, then the service; `*` and `%s` are the one that is used.
    fn pam(&mut self, block: &Block, origin: &Origin) -> bool {
        let mut words = block.get("args").unwrap_or_default().split_whitespace();
        let service = block.get("service_name").or(words.rfind(|word| !word.contains('=')));
        let service = match service {
            Some("*" | "%s" | "%Ls") => "imap",
            Some(service) if service.contains('%') => return false,
            Some(service) => service,
            None => "dovecot",
        };
        let service = service.to_owned();
        self.draft.start("users");
        let is_set = self.draft.set("users.pam", "service", service.as_str(), std::slice::from_ref(origin));
        if service == "imap" {
            self.draft.remark(
                "users.pam",
                "service",
                "A file in /etc/pam.d; each service has its own there.",
            );
        }
        is_set
    }

    /// Where qmail has its virtual domains, on every host.
    fn vpopmail(&mut self, origin: &Origin) -> bool {
        self.draft.start("users");
        self.draft.set("users", "vpopmail", "/var/qmail/users/cdb", std::slice::from_ref(origin))
    }

    fn checkpassword(&mut self, block: &Block, origin: &Origin) -> bool {
        let words: Vec<&str> = block.get("args").unwrap_or_default().split_whitespace().collect();
        if !words.first().is_some_and(|program| program.starts_with('/'))
            || words.iter().any(|w| w.contains('%'))
        {
            return false;
        }
        let program = Literal::list(&words);
        self.draft.start("users");
        self.draft.set("users.checkpassword", "program", program, std::slice::from_ref(origin))
    }

    fn passwd_file(&mut self, block: &Block, origin: &Origin) -> bool {
        let arguments = Arguments::of(block);
        let Some(path) = arguments.path.clone().filter(|path| path.starts_with('/')) else { return false };
        self.draft.start("users");
        let from = std::slice::from_ref(origin);
        let directory = path.strip_suffix("/%d").or(path.strip_suffix("/%{user | domain}"));
        match directory {
            Some(directory) if !directory.contains('%') => {
                self.draft.set("users", "passwd-directory", directory, from);
                let remark = "Names in a domain's file stand without the domain.";
                self.draft.remark("users", "passwd-directory", remark);
            }
            _ if path.contains('%') => {
                let remark = format!(
                    "a directory with one file for each domain, named as the domain; Dovecot has {path}."
                );
                self.draft.fill_in("users", "passwd-directory", &remark);
                let why = "a file for each domain is DIRECTORY/DOMAIN: put or link them there";
                self.lose(&format!("{}: file", origin.setting), &path, why);
            }
            _ => {
                self.draft.set("users", "passwd-file", path.as_str(), from);
            }
        }
        let scheme = arguments.scheme.unwrap_or_else(|| "CRYPT".to_owned()).to_ascii_uppercase();
        if !CRYPT.contains(&scheme.as_str()) {
            let why = format!(
                "write {{{scheme}}} before passwords in the file that have no scheme; without one they are crypt(3)'s"
            );
            self.lose(&format!("{}: scheme", origin.setting), &scheme, &why);
        }
        if let Some(format) =
            arguments.username_format.filter(|format| !WHOLE_NAME.contains(&format.as_str()))
        {
            let why = "names in the file are the whole name of the user; those without @ are found with default-domain in [login]";
            self.lose(&format!("{}: username_format", origin.setting), &format, why);
        }
        true
    }

    /// The file that it names.
    fn ldap_block(&mut self, block: &Block) -> bool {
        let path = Arguments::of(block).path.filter(|path| path.starts_with('/'));
        path.is_some_and(|path| self.ldap(&path))
    }

    /// The file that it names.
    fn sql_block(&mut self, block: &Block) -> bool {
        let path = Arguments::of(block).path.filter(|path| path.starts_with('/'));
        path.is_some_and(|path| self.sql(&path))
    }

    fn userdbs(&mut self, passdbs: &[Block]) {
        let files: Vec<Option<String>> = passdbs.iter().map(|block| Arguments::of(block).path).collect();
        let userdbs: Vec<Block> = self.root.of_kind("userdb").cloned().collect();
        for block in &userdbs {
            let driver = driver(block);
            let origin = self.origin(format!("userdb {driver}").trim());
            self.fields_for_all(block, &origin);
            match driver.as_str() {
                "prefetch" => {}
                // Looked at with the passdb.
                "ldap" if self.draft.has("users.ldap", "servers") => {}
                "sql" if self.draft.has("users.sql", "url") => {}
                "static" => self.static_userdb(block, &origin),
                "passwd-file" if files.contains(&Arguments::of(block).path) => {}
                "passwd-file" => {
                    let path = Arguments::of(block).path.filter(|path| path.starts_with('/'));
                    if let Some(path) = path.filter(|path| !path.contains('%')) {
                        self.draft.add_places(&path);
                    }
                    self.draft.lose(origin, "one file has passwords and homes: put the homes into that of the passdb");
                }
                // Looked at with the passdb.
                "passwd" if self.draft.has("users.pam", "service") => {}
                "vpopmail" if self.draft.has("users", "vpopmail") => {}
                "passwd" => self.draft.lose(
                    origin,
                    "put the home directories into the passwd file; all mail belongs to the one user of [mail]",
                ),
                _ => self.draft.lose(origin, instead(&driver)),
            }
        }
    }

    /// `default_fields` and `override_fields`: what a userdb says of all its users.
    fn fields_for_all(&mut self, block: &Block, origin: &Origin) {
        for list in ["default_fields", "override_fields"] {
            for word in block.get(list).unwrap_or_default().split_whitespace() {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                let setting = format!("{}: {list}: {name}", origin.setting);
                let from = [self.origin_with_value(&setting, value)];
                match name {
                    "uid" if !self.draft.has("mail", "user") => {
                        self.draft.set("mail", "user", value, &from);
                    }
                    "gid" if !self.draft.has("mail", "group") => {
                        self.draft.set("mail", "group", value, &from);
                    }
                    // The Maildir's template is made from it.
                    "uid" | "gid" | "home" => {}
                    _ => self.draft.lose(
                        from[0].clone(),
                        "put it behind the users of the passwd file, or into the query or entries",
                    ),
                }
            }
        }
    }

    /// `uid=vmail gid=vmail home=/srv/mail/%d/%n`, or since 2.4 a block `fields`.
    fn static_userdb(&mut self, block: &Block, origin: &Origin) {
        let fields: Vec<(String, String)> = match block.of_kind("fields").last() {
            Some(fields) => {
                let given = fields.settings.iter();
                given.filter_map(|field| Some((field.key.clone(), field.value.clone()?))).collect()
            }
            None => {
                let words = block.get("args").unwrap_or_default().split_whitespace();
                words
                    .map(|word| word.split_once('=').unwrap_or((word, "")))
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .collect()
            }
        };
        for (name, value) in fields {
            let setting = format!("{}: {name}", origin.setting);
            let from = [self.origin_with_value(&setting, &value)];
            match name.as_str() {
                "uid" => {
                    self.draft.set("mail", "user", value, &from);
                }
                "gid" => {
                    self.draft.set("mail", "group", value, &from);
                }
                // The Maildir's template is made from them.
                "home" | "mail" | "allow_all_users" => {}
                name_of_rule if name_of_rule.starts_with("quota_rule") => {
                    let [origin] = from;
                    self.quota_rules.push(QuotaRule { key: name, value, origin });
                }
                _ => self.draft.lose(from[0].clone(), "users have no such field"),
            }
        }
    }

    /// Where home directories are, if one template says it of all; and the settings' names.
    pub(super) fn home(&mut self) -> Option<(String, Vec<Origin>)> {
        let static_home = self.static_field("home").map(|home| (home, "userdb static: home".to_owned()));
        let (value, setting) = match static_home.or_else(|| self.home_for_all()) {
            Some(found) => found,
            None => {
                let (key, value) = self.first(&["mail_home"])?;
                (value, key)
            }
        };
        match template::convert(&value, None) {
            Ok(home) if home.starts_with('/') && !home.contains("%h") => {
                Some((home, vec![self.origin(&setting)]))
            }
            Ok(_) => None,
            Err(why) => {
                self.lose(&setting, &value, &format!("{why}: give each user's home in the passwd file"));
                None
            }
        }
    }

    /// A home directory that the only userdb gives to all its users, whatever their entries say.
    fn home_for_all(&self) -> Option<(String, String)> {
        let mut userdbs = self.root.of_kind("userdb");
        let (block, None) = (userdbs.next()?, userdbs.next()) else { return None };
        let words = block.get("override_fields").unwrap_or_default().split_whitespace();
        let home = words.filter_map(|word| word.strip_prefix("home=")).next_back()?;
        Some((home.to_owned(), format!("userdb {}: override_fields: home", driver(block))))
    }

    /// A field of the userdb `static`.
    pub(super) fn static_field(&self, name: &str) -> Option<String> {
        self.root.of_kind("userdb").filter(|block| driver(block) == "static").find_map(|block| {
            let field = block.of_kind("fields").last().and_then(|fields| fields.get(name));
            let prefix = format!("{name}=");
            let words = block.get("args").unwrap_or_default().split_whitespace();
            field
                .or_else(|| words.filter_map(|word| word.strip_prefix(prefix.as_str())).next_back())
                .map(str::to_owned)
        })
    }
}

/// The driver: a setting, or the block's name since 2.4.
fn driver(block: &Block) -> String {
    block.get("driver").unwrap_or(&block.name).to_owned()
}

/// What a passwd file's block says, in either form.
#[derive(Default)]
struct Arguments {
    path: Option<String>,
    scheme: Option<String>,
    username_format: Option<String>,
}

impl Arguments {
    fn of(block: &Block) -> Self {
        let get = |key: &str| block.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
        let mut arguments = Self {
            path: get("passwd_file_path"),
            scheme: get("default_password_scheme").or_else(|| get("passdb_default_password_scheme")),
            username_format: get("auth_username_format"),
        };
        for word in get("args").unwrap_or_default().split_whitespace() {
            match word.split_once('=') {
                Some(("scheme", scheme)) => arguments.scheme = Some(scheme.to_owned()),
                Some(("username_format", format)) => arguments.username_format = Some(format.to_owned()),
                _ => arguments.path = Some(word.to_owned()),
            }
        }
        arguments
    }
}

fn instead(driver: &str) -> &'static str {
    match driver {
        "passwd-file" => "no absolute path of a file in it",
        "pam" => "write it as [users.pam] in a table of [[users]]: service is the service's name",
        "shadow" | "passwd" => "a table of [[users]] with [users.pam] checks the same passwords",
        "ldap" => {
            "write it as [users.ldap]: uris are servers, base is base, pass_filter is filter, auth_bind is mode \"search\", auth_bind_userdn is user-dn, pass_attrs and user_attrs are the settings that end in -attribute"
        }
        "sql" => {
            "write it as [users.sql]: connect is url, password_query is user-query (userdb_home is home there, and so on), iterate_query is list-query"
        }
        "checkpassword" => {
            "write it as [users.checkpassword] in a table of [[users]]: program is the program with its arguments"
        }
        _ => "no such source of users here: put them into the passwd file",
    }
}
