//! RENAME (RFC 3501 section 6.3.5).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use crate::wire_name::WireName;

/// RENAME.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rename {
    pub from: WireName,
    pub to: WireName,
}

pub(crate) fn rename(cursor: &mut Cursor<'_>) -> Parsed<Rename> {
    let from = cursor.mailbox_argument()?;
    Ok(Rename { from, to: cursor.mailbox_argument()? })
}
