//! STATUS (RFC 3501 section 6.3.10).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{Parsed, missing, unknown};
use crate::wire_name::WireName;

/// STATUS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub mailbox: WireName,
    /// One or more.
    pub items: Vec<StatusItem>,
}

/// STATUS's items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    /// RFC 8438.
    Size,
    /// RFC 7162.
    HighestModSeq,
    /// RFC 7889.
    AppendLimit,
    /// RFC 9208: messages with `\Deleted`.
    Deleted,
    /// RFC 9208: what expunging them frees, in octets.
    DeletedStorage,
}

impl StatusItem {
    /// All of them, with their names.
    const ALL: &[(Self, &'static str)] = &[
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Size, "SIZE"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::AppendLimit, "APPENDLIMIT"),
        (Self::Deleted, "DELETED"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
    ];

    /// As on the wire.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(item, _)| *item == self).map_or("", |(_, name)| name)
    }
}

pub(crate) fn status(cursor: &mut Cursor<'_>) -> Parsed<Status> {
    let mailbox = cursor.mailbox_argument()?;
    cursor.space("a list of items after the mailbox name")?;
    let items = status_items(cursor)?;
    Ok(Status { mailbox, items })
}

/// `(MESSAGES UNSEEN …)`: one or more.
pub(crate) fn status_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    cursor.expect(b'(', "a list of items such as (MESSAGES UNSEEN)")?;
    let mut items = Vec::new();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            break;
        }
        let name = cursor.keyword("an item of STATUS")?;
        let known = StatusItem::ALL.iter().find(|(_, known)| *known == name);
        let Some(&(item, _)) = known else { return unknown("STATUS item", name) };
        if !items.contains(&item) {
            items.push(item);
        }
    }
    if items.is_empty() { missing("at least one STATUS item") } else { Ok(items) }
}
