//! Special uses of mailboxes, and the names that mailboxes of a use go by.

use crate::MailboxName;

/// A special use (RFC 6154 section 2). `\All` and `\Flagged` are absent: they are for mailboxes that
/// show messages of others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SpecialUse {
    /// Messages being written.
    Drafts,
    /// Messages that were sent.
    Sent,
    /// Spam.
    Junk,
    /// Messages to be deleted.
    Trash,
    /// Messages to be kept.
    Archive,
}

impl SpecialUse {
    /// All of them, in the order in which a mailbox's are sent.
    pub const ALL: [Self; 5] = [Self::Drafts, Self::Sent, Self::Junk, Self::Trash, Self::Archive];

    /// As LIST has it.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Drafts => "\\Drafts",
            Self::Sent => "\\Sent",
            Self::Junk => "\\Junk",
            Self::Trash => "\\Trash",
            Self::Archive => "\\Archive",
        }
    }

    /// The use of an attribute, in any case.
    pub fn from_attribute(attribute: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|special_use| special_use.attribute().eq_ignore_ascii_case(attribute))
    }
}

/// A special use and the names that say it.
#[derive(Clone, Debug)]
pub struct SpecialUseNames {
    /// The use.
    pub special_use: SpecialUse,
    /// Names in order of preference: the first that exists has the use.
    pub names: Vec<MailboxName>,
}
