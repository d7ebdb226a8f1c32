//! SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2, RFC 7162).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{Parsed, unknown};
use crate::wire_name::WireName;

/// SELECT, and EXAMINE with `read_only`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Select {
    pub mailbox: WireName,
    pub read_only: bool,
    pub condstore: bool,
}

pub(crate) fn select(cursor: &mut Cursor<'_>, read_only: bool) -> Parsed<Select> {
    let mailbox = cursor.mailbox_argument()?;
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
                other => return unknown("parameter", other),
            }
        }
    }
    Ok(Select { mailbox, read_only, condstore })
}
