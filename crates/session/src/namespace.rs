//! Names between clients and the store.
//!
//! The store knows [`MailboxName`]s: levels, the inbox apart from all others. A client sees them
//! in one of two [spellings](Spelling), which the site chooses. In the plain one, names that
//! begin with `INBOX.` are read in Courier's as well and answered in it: this is the hidden
//! alias, for accounts that were set up with `INBOX.` as their root. It is never listed unless
//! asked for.

use crate::answer::Answer;
use crate::settings::NamespaceStyle;
use mail::MailboxName;
use mail::mailbox_name::{BadName, after_inbox, normalized};
use std::borrow::Cow;

/// How a client spells names. Whose mailboxes they are is resolved in [`crate::accounts`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Spelling {
    /// No prefix, levels joined by `/`. A level may hold dots.
    Plain,
    /// The inbox is `INBOX`; all others have the prefix `INBOX.`, levels joined by `.`. A dot
    /// within a level is written `&AC4-`, as on disk.
    Courier,
    /// No prefix, levels joined by `.`, dots written as in Courier's: what is not the user's own,
    /// beside Courier's.
    Dotted,
}

/// A name that is no mailbox's and never can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Bad(#[from] BadName),
    /// Two encodings would be one mailbox, or one mailbox would get a name that was not meant.
    #[error("Mailbox names must be valid modified UTF-7 in its shortest form")]
    Encoding,
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
        if after_inbox(wire, '.').is_some() { Self::Courier } else { Self::new(style) }
    }

    /// The hierarchy separator.
    pub(crate) fn separator(self) -> char {
        match self {
            Self::Plain => '/',
            Self::Courier | Self::Dotted => '.',
        }
    }

    /// What all names but the inbox's begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Plain | Self::Dotted => "",
            Self::Courier => Self::PREFIX,
        }
    }

    /// A client's name in this spelling. `INBOX`, also as prefix, is read in any case.
    pub(crate) fn read(self, wire: &str) -> Result<MailboxName, Unusable> {
        if wire.eq_ignore_ascii_case("INBOX") {
            return Ok(MailboxName::inbox());
        }
        let name = match self {
            Self::Plain => MailboxName::new(wire)?,
            Self::Courier => {
                let levels = after_inbox(wire, '.').ok_or(Unusable::Prefix)?.split('.');
                MailboxName::from_levels(levels.map(dots::undo).collect::<Result<Vec<_>, _>>()?)?
            }
            Self::Dotted => {
                let levels = wire.split('.');
                MailboxName::from_levels(levels.map(dots::undo).collect::<Result<Vec<_>, _>>()?)?
            }
        };
        if name.is_inbox() { Err(Unusable::SecondInbox) } else { Ok(name) }
    }

    /// The name as the client is told it.
    pub(crate) fn write(self, name: &MailboxName) -> String {
        match self {
            _ if name.is_inbox() => "INBOX".to_owned(),
            Self::Plain => name.as_str().to_owned(),
            Self::Courier | Self::Dotted => {
                let levels: Vec<Cow<'_, str>> = name.levels().map(dots::escape).collect();
                format!("{}{}", self.prefix(), levels.join("."))
            }
        }
    }

    /// A pattern as names are written: with letters composed, and INBOX in capitals where it is
    /// a level of its own. All of a name is compared with case but for INBOX.
    pub(crate) fn canonical_pattern(self, pattern: &str) -> String {
        let pattern = normalized(pattern);
        let separator = self.separator();
        let Some(below) = after_inbox(&pattern, separator) else { return pattern.into_owned() };
        // In Courier's spelling the first level is the prefix, and INBOX itself may follow.
        match after_inbox(below, separator).filter(|_| self == Self::Courier) {
            Some(below) => format!("INBOX{separator}INBOX{separator}{below}"),
            None => format!("INBOX{separator}{below}"),
        }
    }
}

/// Dots within a level, where dots part levels: `&AC4-`, as modified UTF-7 would have it and as
/// Courier shows such a mailbox. An `&` that would be read as part of that is `&ACY-`.
mod dots {
    use super::Unusable;
    use std::borrow::Cow;

    const DOT: &str = "&AC4-";
    const AMPERSAND: &str = "&ACY-";

    pub(super) fn escape(level: &str) -> Cow<'_, str> {
        if !level.contains('.') && !is_escaped(level) {
            return Cow::Borrowed(level);
        }
        let mut out = String::with_capacity(level.len() + DOT.len());
        for (at, c) in level.char_indices() {
            match c {
                '.' => out.push_str(DOT),
                '&' if begins_escape(&level[at..]) => out.push_str(AMPERSAND),
                c => out.push(c),
            }
        }
        Cow::Owned(out)
    }

    /// An error where it is not what [`escape`] makes of its meaning.
    pub(super) fn undo(level: &str) -> Result<Cow<'_, str>, Unusable> {
        if !is_escaped(level) {
            return Ok(Cow::Borrowed(level));
        }
        let mut out = String::with_capacity(level.len());
        let mut rest = level;
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let (c, length) = match () {
                () if rest.starts_with(DOT) => ('.', DOT.len()),
                () if rest.starts_with(AMPERSAND) => ('&', AMPERSAND.len()),
                () => ('&', 1),
            };
            out.push(c);
            rest = &rest[length..];
        }
        out.push_str(rest);
        if escape(&out) == level { Ok(Cow::Owned(out)) } else { Err(Unusable::Encoding) }
    }

    fn is_escaped(level: &str) -> bool {
        level.match_indices('&').any(|(at, _)| begins_escape(&level[at..]))
    }

    fn begins_escape(rest: &str) -> bool {
        rest.starts_with(DOT) || rest.starts_with(AMPERSAND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: NamespaceStyle = NamespaceStyle::Plain;
    const COURIER: NamespaceStyle = NamespaceStyle::Courier;

    #[test]
    fn names_are_read_and_written_in_both_styles() {
        let read = |style, wire: &str| Spelling::of(style, wire).read(wire);
        // style, from the client, in the store, as the client is told
        for (style, wire, stored, told) in [
            (PLAIN, "INBOX", "INBOX", "INBOX"),
            (PLAIN, "iNbOx", "INBOX", "INBOX"),
            (PLAIN, "Sent", "Sent", "Sent"),
            (PLAIN, "Lists/rust/Users", "Lists/rust/Users", "Lists/rust/Users"),
            (PLAIN, "example.com/a.b", "example.com/a.b", "example.com/a.b"),
            (PLAIN, "INBOX/x", "INBOX/x", "INBOX/x"),
            (PLAIN, "inbox/Foo", "INBOX/Foo", "INBOX/Foo"),
            (PLAIN, "inbox.inbox.low", "INBOX/low", "INBOX.INBOX.low"),
            (PLAIN, "a\u{308}", "ä", "ä"),
            (PLAIN, "Inboxes", "Inboxes", "Inboxes"),
            (PLAIN, "INBOX.Sent", "Sent", "INBOX.Sent"),
            (PLAIN, "inbox.Lists.rust", "Lists/rust", "INBOX.Lists.rust"),
            (PLAIN, "Entwürfe", "Entwürfe", "Entwürfe"),
            (COURIER, "inbox", "INBOX", "INBOX"),
            (COURIER, "INBOX.Sent", "Sent", "INBOX.Sent"),
            (COURIER, "InBoX.Lists.rust", "Lists/rust", "INBOX.Lists.rust"),
            (COURIER, "INBOX.INBOX.x", "INBOX/x", "INBOX.INBOX.x"),
            (COURIER, "INBOX.inbox.x", "INBOX/x", "INBOX.INBOX.x"),
            (COURIER, "INBOX.a&AC4-b.c", "a.b/c", "INBOX.a&AC4-b.c"),
            (COURIER, "INBOX.a&ACY-AC4-b", "a&AC4-b", "INBOX.a&ACY-AC4-b"),
            (COURIER, "INBOX.R&D", "R&D", "INBOX.R&D"),
        ] {
            let name = read(style, wire).expect(wire);
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
            (PLAIN, "..", Unusable::Bad(BadName::Dots)),
            (PLAIN, "../../etc/passwd", Unusable::Bad(BadName::Dots)),
            (PLAIN, "a/.", Unusable::Bad(BadName::Dots)),
            (COURIER, "INBOX.INBOX&AC4-x", Unusable::Bad(BadName::Dots)),
            (COURIER, "INBOX.&AC4-", Unusable::Bad(BadName::Dots)),
            (COURIER, "INBOX.&ACY-x", Unusable::Encoding),
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
            assert_eq!(Spelling::of(style, wire).read(wire), Err(expected), "{wire:?}");
        }
        let long = "ü".repeat(200);
        assert_eq!(Spelling::Plain.read(&long), Err(Unusable::Bad(BadName::TooLong)));
    }

    #[test]
    fn a_prefix_is_not_cut_inside_a_character() {
        assert_eq!(Spelling::of(PLAIN, "INBOÜ"), Spelling::Plain);
        assert_eq!(Spelling::of(PLAIN, "inbox.%"), Spelling::Courier);
        assert_eq!(Spelling::Courier.canonical_pattern("inbox.%"), "INBOX.%");
        assert_eq!(Spelling::Courier.canonical_pattern("inbox.Inbox.%"), "INBOX.INBOX.%");
        assert_eq!(Spelling::Plain.canonical_pattern("Inbox/inbox/%"), "INBOX/inbox/%");
        assert_eq!(Spelling::Plain.canonical_pattern("a\u{308}*"), "ä*");
        assert_eq!(Spelling::Plain.canonical_pattern("Sent"), "Sent");
    }
}
