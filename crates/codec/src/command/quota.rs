//! GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208 section 7).

use super::Command;
use crate::cursor::{Cursor, Parsed, Part};

pub(crate) fn get_quota(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::GetQuota { root: root(cursor)? })
}

pub(crate) fn get_quota_root(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("a mailbox name")?;
    Ok(Command::GetQuotaRoot { mailbox: cursor.mailbox()? })
}

pub(crate) fn set_quota(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    const EXPECTED: &str = "a list of limits such as (STORAGE 512)";
    let root = root(cursor)?;
    cursor.space(EXPECTED)?;
    cursor.expect(b'(', EXPECTED)?;
    let mut limits = Vec::new();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            return Ok(Command::SetQuota { root, limits });
        }
        cursor.count(Part::Name)?;
        let resource = cursor.keyword("a resource such as STORAGE")?;
        cursor.space("a limit after the resource")?;
        limits.push((resource, cursor.number("a limit of at most 63 bits")?));
        if !matches!(cursor.peek(), Some(b' ' | b')')) {
            return Err("Expected a blank between limits, and ) behind them".to_owned());
        }
    }
}

fn root(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    cursor.space("the name of a quota root")?;
    cursor.astring("the name of a quota root")
}
