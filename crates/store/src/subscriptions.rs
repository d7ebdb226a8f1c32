//! Subscriptions, in Courier's file: `courierimapsubscribed`, a full name a line, `INBOX.Sent`.
//!
//! Courier's file, and not one of ours: leaving is free, and who comes from Courier finds them
//! without a step. Where Dovecot's `subscriptions` is newer, or alone, it is read; the first change
//! writes Courier's. Lines that are not this account's (`#shared.x.y`) are kept, and lines of
//! Dovecot's that cannot be a mailbox here. Both servers name a mailbox as its directory is named,
//! so that both files are read and written by the same rule.

use crate::directory_name::{DirectoryNames, NoName};
use crate::disk::{read_small, write_durably};
use crate::error::Result;
use mail::MailboxName;
use std::path::Path;

/// Largest file that is believed, in bytes.
const SIZE_MAX: u64 = 4 * 1024 * 1024;

const COURIER: &str = "courierimapsubscribed";
const DOVECOT: &str = "subscriptions";

/// The files that they may be in.
pub(crate) const FILES: [&str; 2] = [COURIER, DOVECOT];

/// Whether a file is one of them.
pub(crate) fn is_file(name: &[u8]) -> bool {
    FILES.iter().any(|file| file.as_bytes() == name)
}

/// The subscriptions of an account.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    names: Vec<MailboxName>,
    /// Lines of Courier's that name nothing in this account.
    foreign: Vec<String>,
    /// Likewise of Dovecot's, in the form of its second version.
    foreign_of_dovecot: Vec<String>,
}

impl Subscriptions {
    /// Reads the newer of Courier's file in `root` and Dovecot's in `control`, or in `root` where
    /// there is none; else there are no subscriptions. Lines of either that are not this
    /// account's are kept whichever it is.
    pub(crate) fn read(root: &Path, control: &Path, names: DirectoryNames) -> Result<Self> {
        let courier = root.join(COURIER);
        let [first, second] = [control, root].map(|place| place.join(DOVECOT));
        let dovecot = if modified(&first).is_some() { first } else { second };
        let text = |path| -> Result<Option<String>> {
            let bytes = read_small(path, SIZE_MAX)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let from_courier = text(&courier)?.map(|text| Self::from_courier(&text, names));
        let from_dovecot = Self::from_dovecot(&text(&dovecot)?.unwrap_or_default(), names);
        Ok(match from_courier {
            Some(from_courier) if modified(&dovecot) <= modified(&courier) => {
                Self { foreign_of_dovecot: from_dovecot.foreign_of_dovecot, ..from_courier }
            }
            from_courier => Self { foreign: from_courier.unwrap_or_default().foreign, ..from_dovecot },
        })
    }

    /// Lines that are kept and name nothing in this account, such as shared mailboxes.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = String> {
        let of_dovecot = self.foreign_of_dovecot.iter().map(|line| line.replace('\t', "/"));
        self.foreign.iter().cloned().chain(of_dovecot)
    }

    /// The names, sorted.
    pub(crate) fn names(mut self) -> Vec<MailboxName> {
        self.names.sort();
        self.names
    }

    /// Adds or removes a name; whether that changed anything.
    pub(crate) fn set(&mut self, name: &MailboxName, subscribed: bool) -> bool {
        let is_there = self.names.contains(name);
        match (subscribed, is_there) {
            (true, false) => self.names.push(name.clone()),
            (false, true) => self.names.retain(|known| known != name),
            _ => return false,
        }
        true
    }

    /// Writes Courier's file; names in UTF-8, as from its version 5 on, or in modified UTF-7.
    pub(crate) fn write(&self, root: &Path, names: DirectoryNames) -> Result<()> {
        let mut text = String::new();
        for name in &self.names {
            match name.is_inbox() {
                true => text.push_str(INBOX),
                false => text.push_str(&format!("{INBOX}.{}", names.own(name))),
            }
            text.push('\n');
        }
        for line in &self.foreign {
            text.push_str(line);
            text.push('\n');
        }
        write_durably(&root.join(COURIER), text.as_bytes())
    }

    /// Writes Dovecot's file, in its second version: names in modified UTF-7, levels parted by
    /// TAB.
    pub(crate) fn write_for_dovecot(&self, control: &Path, names: DirectoryNames) -> Result<()> {
        let mut text = "V\t2\n\n".to_owned();
        for name in &self.names {
            match name.is_inbox() {
                true => text.push_str(INBOX),
                false => text.push_str(&names.own(name).replace('.', "\t")),
            }
            text.push('\n');
        }
        for line in &self.foreign_of_dovecot {
            text.push_str(line);
            text.push('\n');
        }
        write_durably(&control.join(DOVECOT), text.as_bytes())
    }

    fn from_courier(text: &str, names: DirectoryNames) -> Self {
        let mut subscriptions = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let name = if line.eq_ignore_ascii_case(INBOX) {
                Some(MailboxName::inbox())
            } else {
                line.strip_prefix("INBOX.").and_then(|name| names.read_text(name).ok())
            };
            match name {
                Some(name) => drop(subscriptions.set(&name, true)),
                None => subscriptions.foreign.push(line.to_owned()),
            }
        }
        subscriptions
    }

    /// Version 2 begins with a line `V TAB 2` and parts levels by TAB; version 1 has plain
    /// names, levels parted by `.` or `/` as the site had it.
    fn from_dovecot(text: &str, names: DirectoryNames) -> Self {
        let mut subscriptions = Self::default();
        let version_2 = text.starts_with("V\t2\n");
        let lines = text.lines().skip(if version_2 { 2 } else { 0 });
        for line in lines.filter(|line| !line.is_empty()) {
            let levels: Vec<String> = match version_2 {
                true => line.split('\t').map(unescape).collect(),
                false => line.split(['.', '/']).map(str::to_owned).collect(),
            };
            match names.read_levels(&levels) {
                Ok(name) => drop(subscriptions.set(&name, true)),
                Err(NoName::SecondInbox) => drop(subscriptions.set(&MailboxName::inbox(), true)),
                Err(_) if version_2 => subscriptions.foreign_of_dovecot.push(line.to_owned()),
                Err(_) => subscriptions.foreign_of_dovecot.push(line.replace(['/', '.'], "\t")),
            }
        }
        subscriptions
    }
}

const INBOX: &str = "INBOX";

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Dovecot's escapes: `\001` and a character.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\u{1}') {
            (_, true) => match chars.next() {
                Some('1') => out.push('\u{1}'),
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                _ => {}
            },
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: DirectoryNames = DirectoryNames { utf8: true, escape: None };
    const UTF7: DirectoryNames = DirectoryNames { utf8: false, escape: None };
    const ESCAPED: DirectoryNames = DirectoryNames { utf8: false, escape: Some('\\') };

    fn names(subscriptions: Subscriptions) -> Vec<String> {
        subscriptions.names().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_servers_files_are_read() {
        let courier = "INBOX\nINBOX.Sent\nINBOX.R&AOk-sum&AOk-\nINBOX.Entwürfe\n#shared.a.b\n\nINBOX.a..b\n";
        let subscriptions = Subscriptions::from_courier(courier, UTF8);
        assert_eq!(subscriptions.foreign, ["#shared.a.b", "INBOX.a..b"]);
        assert_eq!(names(subscriptions), ["Entwürfe", "INBOX", "Résumé", "Sent"]);
        // Names are as those of directories: with dots in levels, and one spelling of INBOX.
        let odd = "INBOX.a&AC4-b\nINBOX.inbox.low\nINBOX.&AGE-\n";
        let subscriptions = Subscriptions::from_courier(odd, UTF8);
        assert_eq!(names(subscriptions), ["&AGE-", "INBOX/low", "a.b"]);
        let odd = "V\t2\n\na.b\tc\nInbox\ninbox\tlow\n";
        assert_eq!(names(Subscriptions::from_dovecot(odd, UTF8)), ["INBOX", "INBOX/low", "a.b/c"]);
        let dovecot = "V\t2\n\nSent\nLists\trust\nR&AOk-sum&AOk-\n";
        assert_eq!(names(Subscriptions::from_dovecot(dovecot, UTF8)), ["Lists/rust", "Résumé", "Sent"]);
        assert_eq!(names(Subscriptions::from_dovecot("Sent\nLists/rust\n", UTF8)), ["Lists/rust", "Sent"]);
    }

    #[test]
    fn the_newer_file_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, age: u64| {
            let path = root.path().join(name);
            std::fs::write(&path, text).unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        write("courierimapsubscribed", "#shared.a.b\nINBOX.Old\n", 100);
        write("subscriptions", "V\t2\n\nNew\n", 50);
        let subscriptions = Subscriptions::read(root.path(), root.path(), UTF8).unwrap();
        assert_eq!(subscriptions.foreign, ["#shared.a.b"]);
        assert_eq!(names(subscriptions), ["New"]);
        write("courierimapsubscribed", "INBOX.Old\n", 10);
        assert_eq!(names(Subscriptions::read(root.path(), root.path(), UTF8).unwrap()), ["Old"]);
    }

    #[test]
    fn lines_of_dovecots_that_are_no_mailbox_here_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let control = root.path().join("control");
        std::fs::create_dir(&control).unwrap();
        std::fs::write(root.path().join("subscriptions"), "V\t2\n\nOld\n").unwrap();
        std::fs::write(control.join(DOVECOT), "V\t2\n\nNew\n\todd\tname\n").unwrap();
        let mut subscriptions = Subscriptions::read(root.path(), &control, UTF8).unwrap();
        assert_eq!(subscriptions.foreign().collect::<Vec<_>>(), ["/odd/name"]);
        subscriptions.set(&MailboxName::new("More").unwrap(), true);
        subscriptions.write(root.path(), UTF8).unwrap();
        let again = Subscriptions::read(root.path(), &control, UTF8).unwrap();
        again.write_for_dovecot(&control, UTF8).unwrap();
        let text = std::fs::read_to_string(control.join(DOVECOT)).unwrap();
        assert_eq!(text, "V\t2\n\nNew\nMore\n\todd\tname\n");
    }

    #[test]
    fn both_servers_files_are_written() {
        let root = tempfile::tempdir().unwrap();
        let text = |name: &str| std::fs::read_to_string(root.path().join(name)).unwrap();
        let subscriptions =
            Subscriptions::from_courier("INBOX\nINBOX.Entwürfe.neu\nINBOX.a&AC4-b\n#shared.a.b\n", UTF8);
        subscriptions.write(root.path(), UTF8).unwrap();
        let lines = "INBOX\nINBOX.Entwürfe.neu\nINBOX.a&AC4-b\n#shared.a.b\n";
        assert_eq!(text("courierimapsubscribed"), lines);
        subscriptions.write(root.path(), UTF7).unwrap();
        let lines = "INBOX\nINBOX.Entw&APw-rfe.neu\nINBOX.a&AC4-b\n#shared.a.b\n";
        assert_eq!(text("courierimapsubscribed"), lines);
        subscriptions.write_for_dovecot(root.path(), UTF7).unwrap();
        assert_eq!(text("subscriptions"), "V\t2\n\nINBOX\nEntw&APw-rfe\tneu\na&AC4-b\n");
        subscriptions.write_for_dovecot(root.path(), ESCAPED).unwrap();
        assert_eq!(text("subscriptions"), "V\t2\n\nINBOX\nEntw&APw-rfe\tneu\na\\2eb\n");
        let again = Subscriptions::from_dovecot(&text("subscriptions"), ESCAPED);
        assert_eq!(names(again), ["Entwürfe/neu", "INBOX", "a.b"]);
    }

    #[test]
    fn what_is_written_is_read_and_foreign_lines_stay() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("courierimapsubscribed"), "#shared.a.b\nINBOX.Old\n").unwrap();
        let mut subscriptions = Subscriptions::read(root.path(), root.path(), UTF8).unwrap();
        assert!(subscriptions.set(&MailboxName::new("Lists/rust").unwrap(), true));
        assert!(subscriptions.set(&MailboxName::new("Old").unwrap(), false));
        assert!(!subscriptions.set(&MailboxName::new("Old").unwrap(), false));
        subscriptions.write(root.path(), UTF8).unwrap();
        let text = std::fs::read_to_string(root.path().join("courierimapsubscribed")).unwrap();
        assert_eq!(text, "INBOX.Lists.rust\n#shared.a.b\n");
    }
}
