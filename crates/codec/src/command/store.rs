//! STORE (RFC 3501, RFC 7162), COPY, MOVE (RFC 6851), UID EXPUNGE (RFC 4315).

use super::{Command, Store, StoreAction};
use crate::cursor::{Cursor, Parsed};
use mail::NumberSet;

pub(crate) fn store(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Command> {
    let set = set(cursor)?;
    cursor.space("FLAGS, +FLAGS or -FLAGS")?;
    let mut unchanged_since = None;
    if cursor.eat(b'(') {
        if !cursor.eat_word("UNCHANGEDSINCE") {
            return Err("Expected UNCHANGEDSINCE".to_owned());
        }
        cursor.space("a mod-sequence")?;
        unchanged_since = Some(cursor.modseq()?);
        cursor.expect(b')', ") after the mod-sequence")?;
        cursor.space("FLAGS, +FLAGS or -FLAGS")?;
    }
    let action = match cursor.peek() {
        Some(b'+') => StoreAction::Add,
        Some(b'-') => StoreAction::Remove,
        _ => StoreAction::Replace,
    };
    let name = cursor.keyword("FLAGS, +FLAGS or -FLAGS")?;
    let silent = match name.trim_start_matches(['+', '-']) {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err("Expected FLAGS, +FLAGS or -FLAGS, with .SILENT or without".to_owned()),
    };
    if name.len() > "+FLAGS.SILENT".len() || name.starts_with("+-") || name.starts_with("-+") {
        return Err("Expected FLAGS, +FLAGS or -FLAGS, with .SILENT or without".to_owned());
    }
    cursor.space("flags")?;
    let flags = cursor.flags()?;
    Ok(Command::Store(Store { set, by_uid, unchanged_since, action, silent, flags }))
}

pub(crate) fn copy(cursor: &mut Cursor<'_>, by_uid: bool, remove: bool) -> Parsed<Command> {
    let set = set(cursor)?;
    cursor.space("a mailbox name after the set")?;
    Ok(Command::Copy { set, by_uid, mailbox: cursor.mailbox()?, remove })
}

pub(crate) fn uid_expunge(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Expunge { uids: Some(set(cursor)?) })
}

fn set(cursor: &mut Cursor<'_>) -> Parsed<NumberSet> {
    cursor.space("a set of messages")?;
    cursor.set()
}
