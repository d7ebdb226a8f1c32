//! DELETE (RFC 3501 section 6.3.4).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use crate::wire_name::WireName;

/// DELETE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delete {
    pub mailbox: WireName,
}

pub(crate) fn delete(cursor: &mut Cursor<'_>) -> Parsed<Delete> {
    Ok(Delete { mailbox: cursor.mailbox_argument()? })
}
