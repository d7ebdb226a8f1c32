//! Names of directories: from a mailbox's name to its directory's and back.
//!
//! A directory's name is a dot and the levels joined by dots: `.Lists.rust`. The levels are in
//! modified UTF-7 (Dovecot, older Couriers) or in UTF-8 (Courier 5 and later); both are read,
//! per directory. A dot within a level is shifted in modified UTF-7 (`&AC4-`), or escaped where
//! a site's Dovecot did so.
//!
//! One rule decides how a directory is read, so that it has one name at most:
//!
//! 1. With an `&` in it, and if every level is canonical modified UTF-7, the levels are decoded.
//! 2. Else, or where that gives no name that a mailbox can have, the levels are taken as they
//!    stand, in UTF-8. So what is not canonical is reachable by its letters.
//! 3. What is no name then either is no mailbox; [`crate::odd`] finds such directories.
//!
//! Invariant S16 of crates/store/README.md.

use mail::mailbox_name::BadName;
use mail::{MailboxName, utf7};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// How a site names the directories of mailboxes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DirectoryNames {
    /// New ones in UTF-8, else in modified UTF-7.
    pub(crate) utf8: bool,
    /// What two hexadecimal digits follow that stand for a character, as Dovecot's listescape
    /// writes dots.
    pub(crate) escape: Option<char>,
}

/// Why a directory has no mailbox's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoName {
    /// It does not begin with a dot.
    NoDot,
    /// It is not in UTF-8, and so not in modified UTF-7 either.
    NotUtf8,
    /// Its levels cannot be a mailbox's.
    Bad(BadName),
    /// `.INBOX`: the inbox is the Maildir itself.
    SecondInbox,
}

impl DirectoryNames {
    /// The name of the mailbox in a directory called `entry`.
    pub(crate) fn read(self, entry: &OsStr) -> Result<MailboxName, NoName> {
        let text = entry.as_bytes().strip_prefix(b".").ok_or(NoName::NoDot)?;
        self.read_text(std::str::from_utf8(text).map_err(|_| NoName::NotUtf8)?)
    }

    /// Likewise, without the dot that it begins with: so other servers' subscriptions have it.
    pub(crate) fn read_text(self, text: &str) -> Result<MailboxName, NoName> {
        self.read_levels(&text.split('.').collect::<Vec<_>>())
    }

    /// Likewise, from its levels.
    pub(crate) fn read_levels<S: AsRef<str>>(self, levels: &[S]) -> Result<MailboxName, NoName> {
        let is_shifted = levels.iter().any(|level| level.as_ref().contains('&'));
        let decoded = || levels.iter().map(|it| utf7::decode_level(it.as_ref())).collect::<Option<Vec<_>>>();
        let decoded = if is_shifted { decoded() } else { None };
        let name = match decoded.map(|levels| self.name_of(&levels)) {
            Some(Ok(name)) => name,
            _ => self.name_of(levels)?,
        };
        if name.is_inbox() { Err(NoName::SecondInbox) } else { Ok(name) }
    }

    /// The directory that a new mailbox gets, without the dot that it begins with.
    pub(crate) fn own(self, name: &MailboxName) -> String {
        self.in_utf8(name).filter(|_| self.utf8).unwrap_or_else(|| self.in_utf7(name))
    }

    /// How a directory of that name may be spelled, the first one first where there are two.
    /// Others are possible where [`DirectoryNames::has_more_spellings`] says so.
    pub(crate) fn spellings(self, name: &MailboxName) -> Vec<String> {
        let mut spellings: Vec<String> = self.in_utf8(name).into_iter().chain([self.in_utf7(name)]).collect();
        spellings.dedup();
        spellings
    }

    /// Whether directories with other letters may have the name: letters that are not composed,
    /// INBOX in small letters, escapes that are not needed.
    pub(crate) fn has_more_spellings(self, name: &MailboxName) -> bool {
        let text = name.as_str();
        self.escape.is_some() || !text.is_ascii() || text.starts_with("INBOX/")
    }

    /// In UTF-8, if that reads as the name again.
    fn in_utf8(self, name: &MailboxName) -> Option<String> {
        let levels: Vec<String> = name.levels().map(|level| self.escaped(level)).collect();
        let text = levels.join(".");
        (self.read_text(&text).as_ref() == Ok(name)).then_some(text)
    }

    fn in_utf7(self, name: &MailboxName) -> String {
        let levels: Vec<String> =
            name.levels().map(|level| utf7::encode_level(&self.escaped(level))).collect();
        levels.join(".")
    }

    fn name_of<S: AsRef<str>>(self, levels: &[S]) -> Result<MailboxName, NoName> {
        let unescaped = self.escape.and_then(|escape| {
            MailboxName::from_levels(levels.iter().map(|it| unescaped(it.as_ref(), escape))).ok()
        });
        unescaped.map_or_else(|| MailboxName::from_levels(levels).map_err(NoName::Bad), Ok)
    }

    /// A level with its dots, and escapes, escaped.
    fn escaped(self, level: &str) -> String {
        let Some(escape) = self.escape else { return level.to_owned() };
        let mut out = String::with_capacity(level.len());
        for c in level.chars() {
            if c == '.' || c == escape {
                out.push_str(&format!("{escape}{:02x}", u32::from(c)));
            } else {
                out.push(c);
            }
        }
        out
    }
}

/// Escapes of characters that a level may hold undone; other ones stay as they are.
fn unescaped(level: &str, escape: char) -> String {
    let mut out = String::with_capacity(level.len());
    let mut rest = level;
    while let Some((before, behind)) = rest.split_once(escape) {
        out.push_str(before);
        let digits = behind.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| (b' '..=b'~').contains(byte) && *byte != b'/') {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &behind[2..];
            }
            None => {
                out.push(escape);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTF8: DirectoryNames = DirectoryNames { utf8: true, escape: None };
    const UTF7: DirectoryNames = DirectoryNames { utf8: false, escape: None };
    const DOVECOT: DirectoryNames = DirectoryNames { utf8: false, escape: Some('\\') };

    #[test]
    fn each_directory_has_one_name_or_none() {
        for (entry, name) in [
            (".Résumé", Ok("Résumé")),
            (".R&AOk-sum&AOk-", Ok("Résumé")),
            (".a\u{308}", Ok("ä")),
            (".a &- b", Ok("a & b")),
            (".a & b", Ok("a & b")),
            (".Lists.rust", Ok("Lists/rust")),
            (".example&AC4-org", Ok("example.org")),
            (".Entw&APw-rfe.a&AC4-b", Ok("Entwürfe/a.b")),
            (".INBOX.x", Ok("INBOX/x")),
            (".inbox.x", Ok("INBOX/x")),
            // No canonical modified UTF-7, and modified UTF-7 of what no mailbox can be called.
            (".&AGEAYgBj-", Ok("&AGEAYgBj-")),
            (".&AOk-&AC4-x", Ok("&AOk-&AC4-x")),
            (".nul&AAA-in", Ok("nul&AAA-in")),
            (".slash&AC8-in", Ok("slash&AC8-in")),
            (".INBOX&AC4-x", Ok("INBOX&AC4-x")),
            (".&AC4-", Ok("&AC4-")),
            (".a\\2eb", Ok("a\\2eb")),
            (".INBOX", Err(NoName::SecondInbox)),
            (".inbox", Err(NoName::SecondInbox)),
            (".", Err(NoName::Bad(BadName::EmptyLevel))),
            ("..", Err(NoName::Bad(BadName::EmptyLevel))),
            (".a..b", Err(NoName::Bad(BadName::EmptyLevel))),
            (".a.", Err(NoName::Bad(BadName::EmptyLevel))),
            (".a\tb", Err(NoName::Bad(BadName::Character))),
            ("cur", Err(NoName::NoDot)),
        ] {
            let found = UTF8.read(OsStr::new(entry));
            assert_eq!(found.as_ref().map(MailboxName::as_str), name.as_ref().map(|it| *it), "{entry}");
        }
        assert_eq!(UTF8.read(OsStr::from_bytes(b".\xff")), Err(NoName::NotUtf8));
    }

    #[test]
    fn new_names_are_read_back() {
        for (names, name, entry) in [
            (UTF8, "Résumé", "Résumé"),
            (UTF7, "Résumé", "R&AOk-sum&AOk-"),
            (UTF8, "a & b", "a & b"),
            (UTF8, "&AOk-", "&-AOk-"),
            (UTF8, "Lists/example.org", "Lists.example&AC4-org"),
            (UTF8, "Entwürfe/é.x", "Entw&APw-rfe.&AOkALg-x"),
            (UTF8, "a&AC4-b", "a&-AC4-b"),
            (DOVECOT, "example.org/ä", "example\\2eorg.&AOQ-"),
            (DOVECOT, "back\\slash", "back\\5cslash"),
        ] {
            let name = MailboxName::new(name).unwrap();
            assert_eq!(names.own(&name), entry);
            for spelling in names.spellings(&name) {
                assert_eq!(names.read_text(&spelling).as_ref(), Ok(&name), "{spelling}");
            }
        }
    }

    #[test]
    fn escapes_are_undone_where_the_site_has_them() {
        for (entry, name) in [
            (".example\\2eorg", "example.org"),
            (".example\\2Eorg", "example.org"),
            (".example&AC4-org", "example.org"),
            (".\\7ehome", "~home"),
            (".back\\slash", "back\\slash"),
            (".a\\2fb", "a\\2fb"),
            (".end\\2", "end\\2"),
            (".\\2e\\2e", "\\2e\\2e"),
        ] {
            assert_eq!(DOVECOT.read(OsStr::new(entry)).unwrap().as_str(), name, "{entry}");
        }
    }
}
