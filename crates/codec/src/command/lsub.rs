//! LSUB (RFC 3501 section 6.3.9) and XLIST, the commands with a reference and one pattern.

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::Parsed;
use crate::wire_name::WireName;

/// LSUB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lsub {
    pub reference: WireName,
    pub pattern: WireName,
}

/// Outlook 2013's predecessor of SPECIAL-USE: a LIST with special-use attributes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Xlist {
    pub reference: WireName,
    pub pattern: WireName,
}

pub(crate) fn lsub(cursor: &mut Cursor<'_>) -> Parsed<Lsub> {
    let (reference, pattern) = arguments(cursor)?;
    Ok(Lsub { reference, pattern })
}

pub(crate) fn xlist(cursor: &mut Cursor<'_>) -> Parsed<Xlist> {
    let (reference, pattern) = arguments(cursor)?;
    Ok(Xlist { reference, pattern })
}

fn arguments(cursor: &mut Cursor<'_>) -> Parsed<(WireName, WireName)> {
    cursor.space("a reference and a pattern")?;
    let reference = cursor.mailbox()?;
    cursor.space("a pattern after the reference")?;
    Ok((reference, cursor.list_mailbox()?))
}
