//! Where mail lies, namespaces, special uses.

use super::{Import, template};
use crate::import::doveconf::Block;
use crate::import::draft::{Literal, Origin};

/// Where mail lies, in one form for 2.3's `mail_location` and 2.4's settings.
struct Location {
    driver: String,
    path: String,
    options: Vec<(String, String)>,
    /// The setting it came from.
    key: String,
}

impl Import {
    /// Sets `[mail]`.
    pub(super) fn mail(&mut self) {
        for (key, ours) in [("mail_uid", "user"), ("mail_gid", "group")] {
            if let Some((key, value)) = self.first(&[key]).filter(|_| !self.draft.has("mail", ours)) {
                let from = [self.origin(&key)];
                self.draft.set("mail", ours, value, &from);
            }
        }
        let home = self.home();
        match self.location() {
            Some(location) if location.driver == "maildir" => self.maildir(&location, home),
            Some(location) => {
                let why = "mail must be in Maildirs: convert it while Dovecot runs, such as with doveadm backup -u USER maildir:~/Maildir";
                self.lose(&location.key, &format!("{}:{}", location.driver, location.path), why);
                self.draft.fill_in("mail", "maildir", "where the Maildirs are, once they are made.");
            }
            None => self.draft.fill_in(
                "mail",
                "maildir",
                "where the Maildirs are: Dovecot looks for them itself (mail_location is not set).",
            ),
        }
    }

    fn location(&mut self) -> Option<Location> {
        let static_mail = self.static_field("mail").map(|value| ("userdb static: mail".to_owned(), value));
        if let Some((key, value)) = static_mail.or_else(|| self.first(&["mail_location"])) {
            let mut parts = value.split(':');
            let driver = parts.next()?.to_ascii_lowercase();
            let path = parts.next().unwrap_or_default().to_owned();
            let options = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
            let options =
                options.map(|(name, value)| (name.to_ascii_uppercase(), value.to_owned())).collect();
            return Some(Location { driver, path, options, key });
        }
        let (_, driver) = self.first(&["mail_driver"])?;
        let (key, path) =
            self.first(&["mail_path"]).unwrap_or(("mail_driver".to_owned(), "~/Maildir".to_owned()));
        let mut options = Vec::new();
        for (name, option) in [
            ("mail_inbox_path", "INBOX"),
            ("mailbox_list_layout", "LAYOUT"),
            ("mail_control_path", "CONTROL"),
            ("mail_index_path", "INDEX"),
        ] {
            options.extend(self.first(&[name]).map(|(_, value)| (option.to_owned(), value)));
        }
        let utf8 = self.first(&["mailbox_list_utf8"]).filter(|(_, value)| value == "yes");
        options.extend(utf8.map(|_| ("UTF-8".to_owned(), String::new())));
        Some(Location { driver, path, options, key })
    }

    fn maildir(&mut self, location: &Location, home: Option<(String, Vec<Origin>)>) {
        let mut from = vec![self.origin(&location.key)];
        let (home, home_from) = home.unzip();
        match template::convert(&location.path, home.as_deref()) {
            Ok(path) => {
                from.extend(home_from.unwrap_or_default());
                let has_home = path.contains("%h");
                if self.draft.set("mail", "maildir", path, &from) && has_home {
                    self.draft.remark(
                        "mail",
                        "maildir",
                        "%h is the home directory that the passwd file gives.",
                    );
                }
            }
            Err(why) => {
                self.lose(
                    &location.key,
                    &location.path,
                    &format!("{why}: users can have userdb_mail= in the passwd file"),
                );
            }
        }
        let mut utf8 = false;
        for (name, value) in &location.options {
            let why = match name.as_str() {
                "UTF-8" => {
                    utf8 = true;
                    continue;
                }
                "INDEX" | "INDEXPVT" | "VOLATILEDIR" | "INDEXCACHE" | "NO-NOSELECT" => continue,
                "LAYOUT" if value.eq_ignore_ascii_case("maildir++") => continue,
                "LAYOUT" if value.eq_ignore_ascii_case("fs") => {
                    let from = [self.origin_with_value(&format!("{}: LAYOUT", location.key), value)];
                    self.draft.set("mail", "dovecot-layout", "fs", &from);
                    let remark = "restante migrate --all --from dovecot turns the mailboxes into Maildir++; take the line away then.";
                    self.draft.remark("mail", "dovecot-layout", remark);
                    continue;
                }
                "LAYOUT" => {
                    "mailboxes must lie in the layout of Maildir++: convert them while Dovecot runs, with doveadm backup"
                }
                "INBOX" if *value == location.path => continue,
                "INBOX" | "CONTROL" => match template::convert(value, home.as_deref()) {
                    Ok(path) => {
                        let ours = if name == "INBOX" { "dovecot-inbox" } else { "dovecot-control" };
                        let from = [self.origin_with_value(&format!("{}: {name}", location.key), value)];
                        self.draft.set("mail", ours, path, &from);
                        continue;
                    }
                    Err(why) => {
                        let why = format!(
                            "{why}: until it is known where UIDs and mail are, clients would get new ones"
                        );
                        self.lose(&format!("{}: {name}", location.key), value, &why);
                        continue;
                    }
                },
                _ => {
                    "mail that it puts elsewhere is not found: convert it while Dovecot runs, with doveadm backup"
                }
            };
            self.lose(&format!("{}: {name}", location.key), value, why);
        }
        if let Some((key, escape)) = self.first(&["mailbox_list_storage_escape_char"]) {
            let from = [self.origin_with_value(&key, &escape)];
            self.draft.set("mail", "name-escape", escape, &from);
        }
        if !utf8 {
            self.draft.set("mail", "utf8-names", false, &[]);
            self.draft.remark("mail", "utf8-names", "As Dovecot names directories; both are read.");
        }
    }

    /// Sets `namespace` and `[special-use]`.
    pub(super) fn namespaces(&mut self) {
        self.seen.insert("namespace".to_owned());
        let blocks: Vec<Block> = self.root.of_kind("namespace").cloned().collect();
        let ours = blocks.iter().find(|block| block.get("inbox") == Some("yes"));
        for block in &blocks {
            let is_ours = ours.is_some_and(|ours| ours.name == block.name);
            if is_ours || block.get("disabled") == Some("yes") {
                continue;
            }
            let origin = self.origin(&format!("namespace {}", block.name));
            let why = match block.get("type") {
                Some("shared" | "public") => {
                    "shared mailboxes are not there yet; they stay on disk as they are"
                }
                _ if block.get("hidden") == Some("yes") => {
                    "there is one namespace; names typed with the prefix INBOX. are understood"
                }
                _ => "there is one namespace",
            };
            self.draft.lose(origin, why);
        }
        let Some(block) = ours else { return };
        self.style(block);
        self.special_uses(block);
    }

    fn style(&mut self, block: &Block) {
        let prefix = block.get("prefix").unwrap_or_default();
        let separator = block.get("separator").filter(|separator| !separator.is_empty()).unwrap_or(".");
        let place = format!("namespace {}", block.name);
        let from: Vec<Origin> = ["prefix", "separator"]
            .into_iter()
            .filter_map(|key| Some(self.origin_with_value(&format!("{place}: {key}"), block.get(key)?)))
            .collect();
        let is_courier = prefix.eq_ignore_ascii_case("INBOX.") && separator == ".";
        self.draft.set("mail", "namespace", if is_courier { "courier" } else { "plain" }, &from);
        if is_courier || (prefix.is_empty() && separator == "/") {
            return;
        }
        let why = "names look like Lists/rust here; clients that know them otherwise find them anew, unless they use the root folder INBOX.";
        let origin = self.origin(&format!("{place}: prefix=\"{prefix}\", separator=\"{separator}\""));
        self.draft.lose(origin, why);
    }

    fn special_uses(&mut self, block: &Block) {
        let place = format!("namespace {}", block.name);
        let separator = block.get("separator").filter(|separator| !separator.is_empty()).unwrap_or(".");
        let uses = [
            ("\\Drafts", "drafts"),
            ("\\Sent", "sent"),
            ("\\Junk", "junk"),
            ("\\Trash", "trash"),
            ("\\Archive", "archive"),
        ];
        for (attribute, key) in uses {
            let mailboxes: Vec<&Block> = block
                .of_kind("mailbox")
                .filter(|mailbox| {
                    mailbox.get("special_use").is_some_and(|uses| {
                        uses.split_whitespace().any(|one| one.eq_ignore_ascii_case(attribute))
                    })
                })
                .collect();
            if mailboxes.is_empty() {
                continue;
            }
            let names: Vec<String> =
                mailboxes.iter().map(|mailbox| name_of(mailbox).replace(separator, ".")).collect();
            let from: Vec<Origin> = mailboxes
                .iter()
                .map(|mailbox| self.origin(&format!("{place}: mailbox {}", name_of(mailbox))))
                .collect();
            self.draft.set("special-use", key, Literal::list(&names), &from);
        }
        for mailbox in block.of_kind("mailbox") {
            let place = format!("{place}: mailbox {}", name_of(mailbox));
            let known = |use_: &str| uses.iter().any(|(attribute, _)| use_.eq_ignore_ascii_case(attribute));
            for one in
                mailbox.get("special_use").unwrap_or_default().split_whitespace().filter(|one| !known(one))
            {
                self.lose(&format!("{place}: special_use"), one, "no such special use is shown");
            }
            for (keys, why) in [
                (
                    ["auto", "mailbox_auto"],
                    "mailboxes are not made by themselves: mail programs make them, and subscribe",
                ),
                (
                    ["autoexpunge", "mailbox_autoexpunge"],
                    "nothing is deleted for its age: let cron do it, with find -ctime",
                ),
                (["autoexpunge_max_mails", "comment"], "not there"),
            ] {
                for key in keys {
                    if let Some(value) = mailbox.get(key).filter(|value| !["", "no", "0"].contains(value)) {
                        self.lose(&format!("{place}: {key}"), value, why);
                    }
                }
            }
        }
    }
}

/// A mailbox's name: `name`, else that of its block.
fn name_of(block: &Block) -> &str {
    block.get("name").filter(|name| !name.is_empty()).unwrap_or(&block.name)
}
