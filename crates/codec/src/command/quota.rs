//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 section 7).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{Parsed, Part, missing};
use crate::wire_name::WireName;

/// GETQUOTA: the root's name as the client wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetQuota {
    pub root: Vec<u8>,
}

/// GETQUOTAROOT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetQuotaRoot {
    pub mailbox: WireName,
}

/// SETQUOTA: resources in upper case, with their limits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetQuota {
    pub root: Vec<u8>,
    pub limits: Vec<(String, u64)>,
}

pub(crate) fn get_quota(cursor: &mut Cursor<'_>) -> Parsed<GetQuota> {
    Ok(GetQuota { root: root(cursor)? })
}

pub(crate) fn get_quota_root(cursor: &mut Cursor<'_>) -> Parsed<GetQuotaRoot> {
    Ok(GetQuotaRoot { mailbox: cursor.mailbox_argument()? })
}

pub(crate) fn set_quota(cursor: &mut Cursor<'_>) -> Parsed<SetQuota> {
    const EXPECTED: &str = "a list of limits such as (STORAGE 512)";
    let root = root(cursor)?;
    cursor.space(EXPECTED)?;
    cursor.expect(b'(', EXPECTED)?;
    let mut limits = Vec::new();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            return Ok(SetQuota { root, limits });
        }
        cursor.count(Part::Name)?;
        let resource = cursor.keyword("a resource such as STORAGE")?;
        cursor.space("a limit after the resource")?;
        limits.push((resource, cursor.number("a limit of at most 63 bits")?));
        if !matches!(cursor.peek(), Some(b' ' | b')')) {
            return missing("a blank between limits, and ) behind them");
        }
    }
}

fn root(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    cursor.space("the name of a quota root")?;
    cursor.astring("the name of a quota root")
}
