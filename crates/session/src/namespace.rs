//! Names between clients and the store.
//!
//! The store knows [`MailboxName`]s: levels joined by `.`, the inbox apart from all others. A
//! client sees them in one of two [spellings](Spelling), which the site chooses. In the plain
//! one, names that begin with `INBOX.` are read in Courier's as well and answered in it: this
//! is the hidden alias, for accounts that were set up with `INBOX.` as their root. It is never
//! listed unless asked for.

use crate::context::Answer;
use crate::settings::NamespaceStyle;
use mail::MailboxName;
use mail::mailbox_name::BadName;

/// How a client spells names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Spelling {
    /// No prefix, levels joined by `/`.
    Plain,
    /// The inbox is `INBOX`; all others have the prefix `INBOX.`, levels joined by `.`.
    Courier,
}

/// A name that is no mailbox's and never can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Bad(#[from] BadName),
    /// The store joins levels by `.`, on disk too.
    #[error("Mailbox names cannot contain dots; levels are parted by slashes")]
    Dot,
    #[error("Mailbox names begin with INBOX. here")]
    Prefix,
    /// `INBOX.INBOX`: on disk it would be a second inbox.
    #[error("This name is reserved for the inbox")]
    SecondInbox,
}

impl Unusable {
    /// NO [CANNOT] (RFC 5530) with the reason: no command can ever succeed on such a name.
    pub(crate) fn answer(self) -> Answer {
        Answer::no("CANNOT", self.to_string())
    }
}

/// The mailbox that a client names, in the site's style or by the alias.
pub(crate) fn mailbox_name(style: NamespaceStyle, wire: &str) -> Result<MailboxName, Unusable> {
    Spelling::of(style, wire).read(wire)
}

impl Spelling {
    /// What Courier's names begin with.
    const PREFIX: &str = "INBOX.";

    /// The site's own spelling.
    pub(crate) fn new(style: NamespaceStyle) -> Self {
        match style {
            NamespaceStyle::Plain => Self::Plain,
            NamespaceStyle::Courier => Self::Courier,
        }
    }

    /// The spelling of a name or pattern that came from a client.
    pub(crate) fn of(style: NamespaceStyle, wire: &str) -> Self {
        if after_prefix(wire).is_some() { Self::Courier } else { Self::new(style) }
    }

    /// The hierarchy separator.
    pub(crate) fn separator(self) -> char {
        match self {
            Self::Plain => '/',
            Self::Courier => '.',
        }
    }

    /// What all names but the inbox's begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Courier => Self::PREFIX,
        }
    }

    /// A client's name in this spelling. `INBOX`, also as prefix, is read in any case.
    pub(crate) fn read(self, wire: &str) -> Result<MailboxName, Unusable> {
        if wire.eq_ignore_ascii_case("INBOX") {
            return Ok(MailboxName::inbox());
        }
        let name = match self {
            Self::Plain if wire.contains('.') => return Err(Unusable::Dot),
            Self::Plain => MailboxName::new(&wire.replace('/', "."))?,
            Self::Courier => MailboxName::new(after_prefix(wire).ok_or(Unusable::Prefix)?)?,
        };
        if name.is_inbox() { Err(Unusable::SecondInbox) } else { Ok(name) }
    }

    /// The name as the client is told it.
    pub(crate) fn write(self, name: &MailboxName) -> String {
        match self {
            _ if name.is_inbox() => "INBOX".to_owned(),
            Self::Plain => name.as_str().replace('.', "/"),
            Self::Courier => format!("{}{name}", Self::PREFIX),
        }
    }

    /// A pattern with its prefix in the case in which names are written: all of a name is
    /// compared with case but for INBOX.
    pub(crate) fn canonical_pattern(self, pattern: &str) -> String {
        match after_prefix(pattern) {
            Some(rest) if self == Self::Courier => format!("{}{rest}", Self::PREFIX),
            _ => pattern.to_owned(),
        }
    }
}

/// What follows `INBOX.`, in any case.
fn after_prefix(wire: &str) -> Option<&str> {
    let (prefix, rest) = wire.split_at_checked(Spelling::PREFIX.len())?;
    prefix.eq_ignore_ascii_case(Spelling::PREFIX).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: NamespaceStyle = NamespaceStyle::Plain;
    const COURIER: NamespaceStyle = NamespaceStyle::Courier;

    #[test]
    fn names_are_read_and_written_in_both_styles() {
        // style, from the client, in the store, as the client is told
        for (style, wire, stored, told) in [
            (PLAIN, "INBOX", "INBOX", "INBOX"),
            (PLAIN, "iNbOx", "INBOX", "INBOX"),
            (PLAIN, "Sent", "Sent", "Sent"),
            (PLAIN, "Lists/rust/Users", "Lists.rust.Users", "Lists/rust/Users"),
            (PLAIN, "INBOX/x", "INBOX.x", "INBOX/x"),
            (PLAIN, "Inboxes", "Inboxes", "Inboxes"),
            (PLAIN, "INBOX.Sent", "Sent", "INBOX.Sent"),
            (PLAIN, "inbox.Lists.rust", "Lists.rust", "INBOX.Lists.rust"),
            (PLAIN, "Entwürfe", "Entwürfe", "Entwürfe"),
            (COURIER, "inbox", "INBOX", "INBOX"),
            (COURIER, "INBOX.Sent", "Sent", "INBOX.Sent"),
            (COURIER, "InBoX.Lists.rust", "Lists.rust", "INBOX.Lists.rust"),
            (COURIER, "INBOX.INBOX.x", "INBOX.x", "INBOX.INBOX.x"),
        ] {
            let name = mailbox_name(style, wire).expect(wire);
            assert_eq!(name.as_str(), stored, "{wire}");
            assert_eq!(Spelling::of(style, wire).write(&name), told, "{wire}");
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for (style, wire, expected) in [
            (PLAIN, "", Unusable::Bad(BadName::EmptyLevel)),
            (PLAIN, "a//b", Unusable::Bad(BadName::EmptyLevel)),
            (PLAIN, "/a", Unusable::Bad(BadName::EmptyLevel)),
            (PLAIN, "a/", Unusable::Bad(BadName::EmptyLevel)),
            (PLAIN, "a.b", Unusable::Dot),
            (PLAIN, "..", Unusable::Dot),
            (PLAIN, "../../etc/passwd", Unusable::Dot),
            (PLAIN, "a\u{7}", Unusable::Bad(BadName::Character)),
            (PLAIN, "a\nb", Unusable::Bad(BadName::Character)),
            (PLAIN, "INBOX.", Unusable::Bad(BadName::EmptyLevel)),
            (PLAIN, "INBOX..a", Unusable::Bad(BadName::EmptyLevel)),
            (PLAIN, "INBOX.a/b", Unusable::Bad(BadName::Character)),
            (PLAIN, "INBOX.inbox", Unusable::SecondInbox),
            (COURIER, "Sent", Unusable::Prefix),
            (COURIER, "INBOX/Sent", Unusable::Prefix),
            (COURIER, "INBOX.a/b", Unusable::Bad(BadName::Character)),
            (COURIER, "INBOX.a.", Unusable::Bad(BadName::EmptyLevel)),
            (COURIER, "INBOX.INBOX", Unusable::SecondInbox),
        ] {
            assert_eq!(mailbox_name(style, wire), Err(expected), "{wire:?}");
        }
        let long = "ü".repeat(200);
        assert_eq!(mailbox_name(PLAIN, &long), Err(Unusable::Bad(BadName::TooLong)));
    }

    #[test]
    fn a_prefix_is_not_cut_inside_a_character() {
        assert_eq!(Spelling::of(PLAIN, "INBOÜ"), Spelling::Plain);
        assert_eq!(Spelling::of(PLAIN, "inbox.%"), Spelling::Courier);
        assert_eq!(Spelling::Courier.canonical_pattern("inbox.%"), "INBOX.%");
        assert_eq!(Spelling::Plain.canonical_pattern("Sent"), "Sent");
    }
}
