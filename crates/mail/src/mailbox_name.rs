//! Names of mailboxes, apart from how a client or a disk spells them.

use std::fmt;

/// A mailbox's name inside one account: `INBOX`, or levels joined by `.` as Maildir++ has
/// them (`Lists.rust`), in Unicode.
///
/// Neither wire nor disk form: a session maps its namespace's separator and modified UTF-7
/// to this, the store maps this to a directory. What cannot be a Maildir++ directory cannot
/// be built: empty levels, `/`, NUL and other control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MailboxName(Box<str>);

/// Why a name cannot be a mailbox's. The text is fit to be shown to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// No name, or a level without a name.
    #[error("Mailbox names and their levels cannot be empty")]
    EmptyLevel,
    /// `/`, NUL or another control character.
    #[error("Mailbox names cannot contain control characters or slashes inside a level")]
    Character,
    /// Longer than [`MailboxName::LENGTH_MAX`].
    #[error("Mailbox name is too long: at most 240 bytes")]
    TooLong,
}

impl MailboxName {
    /// Longest name, in bytes of UTF-8: a directory's name has at most 255.
    pub const LENGTH_MAX: usize = 240;

    /// The inbox.
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }

    /// From levels joined by `.`. `INBOX` alone, in any case, is the inbox; a first level
    /// `INBOX` with levels below it is a mailbox like any other.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.eq_ignore_ascii_case("INBOX") {
            return Ok(Self::inbox());
        }
        if name.len() > Self::LENGTH_MAX {
            return Err(BadName::TooLong);
        }
        if name.split('.').any(str::is_empty) {
            return Err(BadName::EmptyLevel);
        }
        if name.chars().any(|c| c == '/' || c.is_control()) {
            return Err(BadName::Character);
        }
        Ok(Self(name.into()))
    }

    /// Levels joined by `.`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the inbox.
    pub fn is_inbox(&self) -> bool {
        &*self.0 == "INBOX"
    }

    /// The levels, outermost first; at least one.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// The name one level up; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('.').map(|(parent, _)| Self(parent.into()))
    }

    /// Whether this lies below `ancestor`, at any depth. Nothing lies below the inbox:
    /// in Maildir++ the other mailboxes are its siblings.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.0.strip_prefix(&*ancestor.0).is_some_and(|rest| rest.starts_with('.')) && !ancestor.is_inbox()
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_a_directory() {
        for (name, expected) in [
            ("", BadName::EmptyLevel),
            ("a..b", BadName::EmptyLevel),
            (".a", BadName::EmptyLevel),
            ("a.", BadName::EmptyLevel),
            ("..", BadName::EmptyLevel),
            ("a/b", BadName::Character),
            ("a\0b", BadName::Character),
            ("a\nb", BadName::Character),
        ] {
            assert_eq!(MailboxName::new(name), Err(expected), "{name:?}");
        }
        assert_eq!(MailboxName::new(&"x".repeat(241)), Err(BadName::TooLong));
    }

    #[test]
    fn inbox_has_no_case_and_no_children() {
        assert!(MailboxName::new("inBox").unwrap().is_inbox());
        let below = MailboxName::new("INBOX.x").unwrap();
        assert!(!below.is_inbox() && !below.is_below(&MailboxName::inbox()));
    }

    #[test]
    fn levels_and_parents() {
        let name = MailboxName::new("Lists.rust.users").unwrap();
        assert_eq!(name.levels().collect::<Vec<_>>(), ["Lists", "rust", "users"]);
        assert_eq!(name.parent().unwrap().as_str(), "Lists.rust");
        assert!(name.is_below(&MailboxName::new("Lists").unwrap()));
        assert!(!name.is_below(&MailboxName::new("List").unwrap()));
    }
}
