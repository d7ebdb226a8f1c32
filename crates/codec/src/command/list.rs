//! LIST (RFC 3501 section 6.3.8, RFC 5258, RFC 5819, RFC 6154).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use super::status::{StatusItem, status_items};
use crate::cursor::Cursor;
use crate::error::{Parsed, Part, missing, unknown, wrong};
use crate::wire_name::WireName;

/// LIST, with RFC 5258's options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    pub reference: WireName,
    /// One or more.
    pub patterns: Vec<WireName>,
    pub select: ListSelect,
    pub return_children: bool,
    pub return_subscribed: bool,
    pub return_special_use: bool,
    /// LIST-STATUS (RFC 5819).
    pub return_status: Option<Vec<StatusItem>>,
    /// Whether any extended syntax was used: options or several patterns.
    pub extended: bool,
}

/// LIST's selection options.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListSelect {
    pub subscribed: bool,
    pub remote: bool,
    pub recursive_match: bool,
    pub special_use: bool,
}

pub(crate) fn list(cursor: &mut Cursor<'_>) -> Parsed<List> {
    let mut list = List::default();
    cursor.space("a reference and a pattern after LIST")?;
    if cursor.eat(b'(') {
        list.extended = true;
        list.select = selection(cursor)?;
        cursor.space("a reference after the selection options")?;
    }
    list.reference = cursor.mailbox()?;
    cursor.space("a pattern after the reference")?;
    if cursor.eat(b'(') {
        list.extended = true;
        loop {
            cursor.eat_space();
            if cursor.eat(b')') {
                break;
            }
            cursor.count(Part::Pattern)?;
            list.patterns.push(cursor.list_mailbox()?);
        }
        if list.patterns.is_empty() {
            return missing("at least one pattern");
        }
    } else {
        list.patterns.push(cursor.list_mailbox()?);
    }
    if cursor.eat_space() && cursor.eat_word("RETURN") {
        list.extended = true;
        cursor.space("a list after RETURN")?;
        returned(cursor, &mut list)?;
    }
    if list.select.recursive_match && !list.select.subscribed && !list.select.special_use {
        return wrong("RECURSIVEMATCH wants another selection option, not only REMOTE");
    }
    Ok(list)
}

fn selection(cursor: &mut Cursor<'_>) -> Parsed<ListSelect> {
    let mut select = ListSelect::default();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            return Ok(select);
        }
        match cursor.keyword("a selection option of LIST")?.as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive_match = true,
            "SPECIAL-USE" => select.special_use = true,
            other => return unknown("selection option", other),
        }
    }
}

fn returned(cursor: &mut Cursor<'_>, list: &mut List) -> Parsed<()> {
    cursor.expect(b'(', "a list after RETURN")?;
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            return Ok(());
        }
        match cursor.keyword("a return option of LIST")?.as_str() {
            "CHILDREN" => list.return_children = true,
            "SUBSCRIBED" => list.return_subscribed = true,
            "SPECIAL-USE" => list.return_special_use = true,
            "STATUS" => {
                cursor.space("items after STATUS")?;
                list.return_status = Some(status_items(cursor)?);
            }
            other => return unknown("return option", other),
        }
    }
}
