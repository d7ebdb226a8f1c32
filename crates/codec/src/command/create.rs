//! CREATE (RFC 3501 section 6.3.3).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use crate::wire_name::WireName;

/// CREATE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Create {
    pub mailbox: WireName,
}

pub(crate) fn create(cursor: &mut Cursor<'_>) -> Parsed<Create> {
    Ok(Create { mailbox: cursor.mailbox_argument()? })
}
