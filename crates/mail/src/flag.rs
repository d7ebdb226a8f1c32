//! System flags and keywords.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The system flags that are stored (RFC 3501 section 2.3.2): `\Recent` is a matter of
/// the session and not among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SystemFlags(u8);

impl SystemFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `\Answered`, `R` in Maildir.
    pub const ANSWERED: Self = Self(1);
    /// `\Flagged`, `F` in Maildir.
    pub const FLAGGED: Self = Self(2);
    /// `\Deleted`, `T` in Maildir.
    pub const DELETED: Self = Self(4);
    /// `\Seen`, `S` in Maildir.
    pub const SEEN: Self = Self(8);
    /// `\Draft`, `D` in Maildir.
    pub const DRAFT: Self = Self(16);
    /// All five.
    pub const ALL: Self = Self(31);

    /// Each flag with its name on the wire, in the order they are sent.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// The flag of that name, in any case, with its backslash.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|&(flag, _)| flag)
    }

    /// As bits, for storing; see [`SystemFlags::from_bits`].
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From bits; unknown ones are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether none is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With those of `other` set too.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With those of `other` cleared.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The names of those set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |&(flag, _)| self.contains(flag)).map(|(_, name)| name)
    }
}

impl fmt::Debug for SystemFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A keyword: a flag that the client names, an atom without backslash (RFC 3501,
/// `flag-keyword`). Compared without regard to ASCII case; the first spelling is kept.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Keyword(Arc<str>);

impl Keyword {
    /// Longest keyword, in bytes.
    pub const LENGTH_MAX: usize = 255;

    /// `None` unless `name` is an atom of at most [`Keyword::LENGTH_MAX`] bytes.
    pub fn new(name: &str) -> Option<Self> {
        let atom = |b: u8| b > 0x20 && b < 0x7F && !b"(){%*\"\\]".contains(&b);
        (!name.is_empty() && name.len() <= Self::LENGTH_MAX && name.bytes().all(atom))
            .then(|| Self(name.into()))
    }

    /// As it was first spelt.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |k: &Self| k.0.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
        lower(self).cmp(&lower(other))
    }
}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Keyword {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for b in self.0.bytes() {
            state.write_u8(b.to_ascii_lowercase());
        }
        state.write_u8(0xFF);
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyword({})", self.0)
    }
}

/// System flags and keywords of one message, or those named in a command.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Flags {
    /// The system flags.
    pub system: SystemFlags,
    /// Sorted, each once.
    keywords: Vec<Keyword>,
}

impl Flags {
    /// From any keywords: sorted, doubles dropped.
    pub fn new(system: SystemFlags, mut keywords: Vec<Keyword>) -> Self {
        keywords.sort();
        keywords.dedup();
        Self { system, keywords }
    }

    /// The keywords, sorted, each once.
    pub fn keywords(&self) -> &[Keyword] {
        &self.keywords
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (flag, name) in SystemFlags::NAMES {
            assert_eq!(SystemFlags::by_name(&name.to_ascii_uppercase()), Some(flag));
        }
        assert_eq!(SystemFlags::by_name("Seen"), None);
        assert_eq!(SystemFlags::by_name("\\Recent"), None);
    }

    #[test]
    fn keywords_are_atoms_and_compare_without_case() {
        for bad in ["", "a b", "\\Seen", "a(b", "k\u{e9}", "a]", "x\x7f"] {
            assert!(Keyword::new(bad).is_none(), "{bad:?}");
        }
        assert_eq!(Keyword::new("$Forwarded"), Keyword::new("$forwarded"));
        let flags =
            Flags::new(SystemFlags::NONE, ["b", "A", "B"].into_iter().filter_map(Keyword::new).collect());
        assert_eq!(flags.keywords().len(), 2);
    }
}
