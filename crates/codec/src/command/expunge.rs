//! EXPUNGE (RFC 3501 section 6.4.3) and UID EXPUNGE (RFC 4315).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use mail::NumberSet;

/// EXPUNGE, or UID EXPUNGE with a set.
#[derive(Clone, PartialEq, Debug)]
pub struct Expunge {
    pub uids: Option<NumberSet>,
}

pub(crate) fn uid_expunge(cursor: &mut Cursor<'_>) -> Parsed<Expunge> {
    Ok(Expunge { uids: Some(cursor.message_set()?) })
}
