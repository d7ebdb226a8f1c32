//! COPY (RFC 3501 section 6.4.7) and MOVE (RFC 6851).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use crate::wire_name::WireName;
use mail::NumberSet;

/// COPY and MOVE, by sequence number or UID.
#[derive(Clone, PartialEq, Debug)]
pub struct Copy {
    pub set: NumberSet,
    pub by_uid: bool,
    pub mailbox: WireName,
    /// MOVE: the messages leave the selected mailbox.
    pub remove: bool,
}

pub(crate) fn copy(cursor: &mut Cursor<'_>, by_uid: bool, remove: bool) -> Parsed<Copy> {
    let set = cursor.message_set()?;
    cursor.space("a mailbox name after the set")?;
    Ok(Copy { set, by_uid, mailbox: cursor.mailbox()?, remove })
}
