//! ID (RFC 2971), AUTHENTICATE (with RFC 4959), LOGIN, ENABLE (RFC 5161).

use super::Command;
use crate::cursor::{Cursor, Parsed, Part};
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// Fields that a client may send with ID (RFC 2971 section 3.3).
const ID_FIELDS_MAX: usize = 30;

pub(crate) fn id(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("NIL or a list after ID")?;
    let mut fields = Vec::new();
    if cursor.eat_word("NIL") {
        return Ok(Command::Id(fields));
    }
    cursor.expect(b'(', "NIL or a list after ID")?;
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            return Ok(Command::Id(fields));
        }
        if fields.len() >= ID_FIELDS_MAX {
            return Err(format!("Too many fields in ID: at most {ID_FIELDS_MAX}"));
        }
        let field = cursor.string("a quoted field name in ID")?;
        cursor.space("a value for each field of ID")?;
        let value = cursor.nstring("a quoted value or NIL in ID")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        fields.push((text(field), value.map(text)));
    }
}

pub(crate) fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("a mechanism after AUTHENTICATE")?;
    let mechanism = cursor.keyword("a mechanism after AUTHENTICATE")?;
    let initial = if cursor.eat_space() && !cursor.is_at_end() {
        let encoded = cursor.take_while(|b| b > 0x20 && b < 0x7F);
        // A lone = is a response of no bytes, not no response.
        let decoded = if encoded == b"=" { Vec::new() } else { decode(encoded)? };
        Some(Zeroizing::new(decoded))
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

fn decode(encoded: &[u8]) -> Parsed<Vec<u8>> {
    BASE64.decode(encoded).map_err(|_| "The initial response is no base64".to_owned())
}

pub(crate) fn login(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space("a user name and a password after LOGIN")?;
    let user = cursor.astring("a user name after LOGIN")?;
    cursor.space("a password after the user name")?;
    let password = Zeroizing::new(cursor.astring("a password after the user name")?);
    Ok(Command::Login { user, password })
}

pub(crate) fn enable(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let mut names = Vec::new();
    while cursor.eat_space() && !cursor.is_at_end() {
        cursor.count(Part::Name)?;
        names.push(cursor.keyword("a capability")?);
    }
    if names.is_empty() {
        Err("Expected capabilities after ENABLE".to_owned())
    } else {
        Ok(Command::Enable(names))
    }
}
