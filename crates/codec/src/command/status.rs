//! Commands about one mailbox: SELECT to STATUS.

use super::{Command, StatusItem, WireName};
use crate::cursor::{Cursor, Parsed};

pub(crate) fn select(cursor: &mut Cursor<'_>, read_only: bool) -> Parsed<Command> {
    let mailbox = name(cursor)?;
    let mut condstore = false;
    // RFC 4466 section 2.1: parameters in parentheses.
    if cursor.eat_space() && cursor.eat(b'(') {
        loop {
            cursor.eat_space();
            if cursor.eat(b')') {
                break;
            }
            match cursor.keyword("a parameter of SELECT")?.as_str() {
                "CONDSTORE" => condstore = true,
                other => return Err(format!("Unknown parameter {other}")),
            }
        }
    }
    Ok(Command::Select { mailbox, read_only, condstore })
}

pub(crate) fn create(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Create { mailbox: name(cursor)? })
}

pub(crate) fn delete(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Delete { mailbox: name(cursor)? })
}

pub(crate) fn rename(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let from = name(cursor)?;
    let to = name(cursor)?;
    Ok(Command::Rename { from, to })
}

pub(crate) fn subscribe(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Subscribe { mailbox: name(cursor)? })
}

pub(crate) fn unsubscribe(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    Ok(Command::Unsubscribe { mailbox: name(cursor)? })
}

pub(crate) fn status(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mailbox = name(cursor)?;
    cursor.space("a list of items after the mailbox name")?;
    let items = status_items(cursor)?;
    Ok(Command::Status { mailbox, items })
}

/// `(MESSAGES UNSEEN …)`: one or more.
pub(crate) fn status_items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    cursor.expect(b'(', "a list of items such as (MESSAGES UNSEEN)")?;
    let mut items = Vec::new();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            break;
        }
        let item = match cursor.keyword("an item of STATUS")?.as_str() {
            "MESSAGES" => StatusItem::Messages,
            "RECENT" => StatusItem::Recent,
            "UIDNEXT" => StatusItem::UidNext,
            "UIDVALIDITY" => StatusItem::UidValidity,
            "UNSEEN" => StatusItem::Unseen,
            "SIZE" => StatusItem::Size,
            "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
            "APPENDLIMIT" => StatusItem::AppendLimit,
            "DELETED" => StatusItem::Deleted,
            "DELETED-STORAGE" => StatusItem::DeletedStorage,
            other => return Err(format!("Unknown STATUS item {other}")),
        };
        if !items.contains(&item) {
            items.push(item);
        }
    }
    if items.is_empty() { Err("Expected at least one STATUS item".to_owned()) } else { Ok(items) }
}

fn name(cursor: &mut Cursor<'_>) -> Parsed<WireName> {
    cursor.space("a mailbox name")?;
    cursor.mailbox()
}
