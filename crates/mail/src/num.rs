//! Numbers that name messages. They are never mixed: each is a type of its own.

use std::fmt;
use std::num::NonZeroU32;

macro_rules! nonzero {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// `None` for 0, which names nothing.
            pub const fn new(value: u32) -> Option<Self> {
                match NonZeroU32::new(value) {
                    Some(value) => Some(Self(value)),
                    None => None,
                }
            }

            /// The number itself, never 0.
            pub const fn get(self) -> u32 {
                self.0.get()
            }
        }

        impl From<NonZeroU32> for $name {
            fn from(value: NonZeroU32) -> Self {
                Self(value)
            }
        }

        impl From<$name> for NonZeroU32 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

nonzero! {
    /// Unique identifier of a message in a mailbox (RFC 3501 section 2.3.1.1).
    ///
    /// Ascending in the order of arrival, never used again under the same [`UidValidity`].
    /// Ours stay below 2³¹, since many clients keep them signed.
    Uid
}

nonzero! {
    /// Position of a message in one session's view, counted from 1.
    ///
    /// Never stored or sent between sessions: the same number names different messages
    /// in different views. Across that line, use [`Uid`].
    SeqNum
}

nonzero! {
    /// Generation of a mailbox's UIDs: when it changes, clients forget what they know
    /// (RFC 3501 section 2.3.1.1).
    UidValidity
}

/// A number that names a message: [`Uid`] or [`SeqNum`].
pub trait MessageNumber: Copy + Ord + fmt::Display + From<NonZeroU32> + Into<NonZeroU32> {
    /// Whether it is a UID: answers to UID commands say so.
    const IS_UID: bool;
}

impl MessageNumber for Uid {
    const IS_UID: bool = true;
}

impl MessageNumber for SeqNum {
    const IS_UID: bool = false;
}

impl Uid {
    /// The least UID.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The greatest UID this server gives out: 2³¹ − 1.
    pub const MAX: Self = match Self::new(0x7FFF_FFFF) {
        Some(uid) => uid,
        None => unreachable!(),
    };

    /// The next UID; `None` past [`Uid::MAX`].
    pub fn next(self) -> Option<Self> {
        if self >= Self::MAX { None } else { Self::new(self.get() + 1) }
    }
}

impl UidValidity {
    /// The least UIDVALIDITY.
    pub const MIN: Self = Self(NonZeroU32::MIN);
}

impl SeqNum {
    /// The number of the message at `index`, counted from 0.
    ///
    /// Saturates at 2³² − 1, far above any mailbox's size.
    pub fn from_index(index: usize) -> Self {
        let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
    }

    /// Counted from 0.
    pub fn index(self) -> usize {
        self.get() as usize - 1
    }
}

/// Modification sequence of a message or mailbox (RFC 7162): greater is later.
///
/// 63 bits on the wire. 0 stands before every change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct ModSeq(pub u64);

impl ModSeq {
    /// The greatest that RFC 7162 section 7 allows: 2⁶³ − 1.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The next one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_names_nothing() {
        assert_eq!(Uid::new(0), None);
        assert_eq!(SeqNum::new(0), None);
    }

    #[test]
    fn sequence_numbers_count_from_one() {
        assert_eq!(SeqNum::from_index(0).get(), 1);
        assert_eq!(SeqNum::from_index(41).index(), 41);
    }

    #[test]
    fn uids_end_below_two_to_the_31() {
        assert_eq!(Uid::MAX.next(), None);
        assert_eq!(Uid::MIN.next(), Uid::new(2));
    }
}
