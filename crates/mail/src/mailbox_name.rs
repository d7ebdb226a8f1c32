//! Names of mailboxes, apart from how a client or a disk spells them.

use std::borrow::Cow;
use std::fmt;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// A mailbox's name inside one account: `INBOX`, or levels joined by `/` (`Lists/rust`), in
/// Unicode and in its normal form NFC.
///
/// Neither wire nor disk form: a session maps its namespace's separator and modified UTF-7 to
/// this, the store maps this to a directory. No level can hold a `/`, so that levels are told
/// apart whatever else is in them, dots included. A name has one spelling: the first level
/// INBOX is in capitals (RFC 3501 section 5.1: in any case it is the same mailbox), and
/// letters that Unicode writes in two ways are composed (RFC 5198 section 3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MailboxName(Box<str>);

/// Why a name cannot be a mailbox's. The text is fit to be shown to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// No name, or a level without a name.
    #[error("Mailbox names and their levels cannot be empty")]
    EmptyLevel,
    /// `/` inside a level, NUL or another control character.
    #[error("Mailbox names cannot contain control characters or slashes inside a level")]
    Character,
    /// A level of dots, or a first one that begins with `INBOX.`: it would read as a prefix.
    #[error("Levels of mailbox names cannot be only dots, nor begin with INBOX and a dot")]
    Dots,
    /// Longer than [`MailboxName::LENGTH_MAX`].
    #[error("Mailbox name is too long: at most 240 bytes")]
    TooLong,
}

impl MailboxName {
    /// Longest name, in bytes of UTF-8: a directory's name has at most 255.
    pub const LENGTH_MAX: usize = 240;

    /// The inbox.
    pub fn inbox() -> Self {
        Self(INBOX.into())
    }

    /// From levels joined by `/`. `INBOX` alone, in any case, is the inbox; a first level
    /// `INBOX` with levels below it is a child of the inbox in a client's eyes.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let name = normalized(name);
        if name.len() > Self::LENGTH_MAX {
            return Err(BadName::TooLong);
        }
        if name.split('/').any(str::is_empty) {
            return Err(BadName::EmptyLevel);
        }
        if name.chars().any(char::is_control) {
            return Err(BadName::Character);
        }
        let only_dots = |level: &str| level.bytes().all(|b| b == b'.');
        if name.split('/').any(only_dots) || after_inbox(&name, '.').is_some() {
            return Err(BadName::Dots);
        }
        if name.eq_ignore_ascii_case(INBOX) {
            return Ok(Self::inbox());
        }
        match after_inbox(&name, '/') {
            Some(below) => Ok(Self(format!("{INBOX}/{below}").into())),
            None => Ok(Self(name.into())),
        }
    }

    /// From levels, outermost first.
    pub fn from_levels<S: AsRef<str>>(levels: impl IntoIterator<Item = S>) -> Result<Self, BadName> {
        let mut name = String::new();
        for (at, level) in levels.into_iter().enumerate() {
            let level = level.as_ref();
            if level.contains('/') {
                return Err(BadName::Character);
            }
            if at > 0 {
                name.push('/');
            }
            name.push_str(level);
        }
        Self::new(&name)
    }

    /// Levels joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the inbox.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == INBOX
    }

    /// The levels, outermost first; at least one.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The name one level up; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.into()))
    }

    /// Whether this lies below `ancestor`, at any depth. Nothing lies below the inbox: its
    /// children neither move nor go with it (RFC 3501 section 6.3.5), and in Maildir++ they are
    /// its siblings.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.starts_with('/')) && !ancestor.is_inbox()
    }

    /// The name that this has once `from` is called `to`: `None` where it is neither `from` nor
    /// below it. An error where the new name cannot be.
    pub fn renamed(&self, from: &Self, to: &Self) -> Option<Result<Self, BadName>> {
        if self == from {
            return Some(Ok(to.clone()));
        }
        self.is_below(from).then(|| Self::new(&format!("{to}{}", &self.0[from.0.len()..])))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const INBOX: &str = "INBOX";

/// Text of names, in Unicode's normal form NFC.
pub fn normalized(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

/// What follows `INBOX`, in any case, and a separator.
pub fn after_inbox(name: &str, separator: char) -> Option<&str> {
    let (inbox, rest) = name.split_at_checked(INBOX.len())?;
    rest.strip_prefix(separator).filter(|_| inbox.eq_ignore_ascii_case(INBOX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_a_directory() {
        for (name, expected) in [
            ("", BadName::EmptyLevel),
            ("a//b", BadName::EmptyLevel),
            ("/a", BadName::EmptyLevel),
            ("a/", BadName::EmptyLevel),
            ("..", BadName::Dots),
            ("a/./b", BadName::Dots),
            ("inbox.a", BadName::Dots),
            ("a\0b", BadName::Character),
            ("a\nb", BadName::Character),
        ] {
            assert_eq!(MailboxName::new(name), Err(expected), "{name:?}");
        }
        assert_eq!(MailboxName::new(&"x".repeat(241)), Err(BadName::TooLong));
        assert_eq!(MailboxName::from_levels(["a/b", "c"]), Err(BadName::Character));
        assert_eq!(MailboxName::from_levels([""; 0]), Err(BadName::EmptyLevel));
    }

    #[test]
    fn inbox_has_no_case_and_children_of_one_spelling() {
        assert!(MailboxName::new("inBox").unwrap().is_inbox());
        let below = MailboxName::new("Inbox/x").unwrap();
        assert_eq!(below.as_str(), "INBOX/x");
        assert!(!below.is_inbox() && !below.is_below(&MailboxName::inbox()));
        assert!(below.parent().unwrap().is_inbox());
        // Below the first level it is a name like any other, and case counts.
        assert_eq!(MailboxName::new("a/Inbox").unwrap().as_str(), "a/Inbox");
        assert_eq!(MailboxName::new("INBOXES").unwrap().as_str(), "INBOXES");
    }

    #[test]
    fn levels_and_parents() {
        let name = MailboxName::new("Lists/rust.users/2026").unwrap();
        assert_eq!(name.levels().collect::<Vec<_>>(), ["Lists", "rust.users", "2026"]);
        assert_eq!(name.parent().unwrap().as_str(), "Lists/rust.users");
        assert!(name.is_below(&MailboxName::new("Lists").unwrap()));
        assert!(!name.is_below(&MailboxName::new("List").unwrap()));
        assert_eq!(MailboxName::from_levels(name.levels()), Ok(name));
    }

    #[test]
    fn letters_written_in_two_ways_are_one_name() {
        let composed = MailboxName::new("\u{e4}").unwrap();
        assert_eq!(MailboxName::new("a\u{308}").unwrap(), composed);
        assert_eq!(composed.as_str(), "\u{e4}");
    }

    #[test]
    fn names_below_are_renamed_too() {
        for (name, expected) in [
            ("a", Some("x/y")),
            ("a/b", Some("x/y/b")),
            ("a/b/c", Some("x/y/b/c")),
            ("ab", None),
            ("INBOX", None),
        ] {
            let new = |name: &str| MailboxName::new(name).expect(name);
            let renamed = new(name).renamed(&new("a"), &new("x/y"));
            assert_eq!(renamed, expected.map(|it| Ok(new(it))), "{name}");
        }
    }
}
