//! STORE (RFC 3501 section 6.4.6, RFC 7162).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{Parsed, missing};
use mail::flag::Flags;
use mail::{ModSeq, NumberSet};

/// STORE and UID STORE.
#[derive(Clone, PartialEq, Debug)]
pub struct Store {
    pub set: NumberSet,
    pub by_uid: bool,
    /// RFC 7162.
    pub unchanged_since: Option<ModSeq>,
    pub action: StoreAction,
    pub silent: bool,
    /// `\Recent` is read and dropped: no client can set it.
    pub flags: Flags,
}

/// What STORE does with the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreAction {
    Replace,
    Add,
    Remove,
}

pub(crate) fn store(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Store> {
    let set = cursor.message_set()?;
    cursor.space("FLAGS, +FLAGS or -FLAGS")?;
    let mut unchanged_since = None;
    if cursor.eat(b'(') {
        if !cursor.eat_word("UNCHANGEDSINCE") {
            return missing("UNCHANGEDSINCE");
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
        _ => return missing("FLAGS, +FLAGS or -FLAGS, with .SILENT or without"),
    };
    if name.len() > "+FLAGS.SILENT".len() || name.starts_with("+-") || name.starts_with("-+") {
        return missing("FLAGS, +FLAGS or -FLAGS, with .SILENT or without");
    }
    cursor.space("flags")?;
    let flags = cursor.flags()?;
    Ok(Store { set, by_uid, unchanged_since, action, silent, flags })
}
