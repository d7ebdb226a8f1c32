//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use crate::wire_name::WireName;

/// SUBSCRIBE, or UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribe {
    pub mailbox: WireName,
    /// Whether it is to be subscribed from now on.
    pub subscribed: bool,
}

pub(crate) fn subscribe(cursor: &mut Cursor<'_>, subscribed: bool) -> Parsed<Subscribe> {
    Ok(Subscribe { mailbox: cursor.mailbox_argument()?, subscribed })
}
