//! ID (RFC 2971).

use crate::cursor::Cursor;
use crate::error::{Parsed, wrong};

/// Fields that a client may send with ID (RFC 2971 section 3.3).
const ID_FIELDS_MAX: usize = 30;

/// ID's fields, none for `NIL`; a value is `None` for `NIL`.
pub type Fields = Vec<(String, Option<String>)>;

pub(crate) fn id(cursor: &mut Cursor<'_>) -> Parsed<Fields> {
    cursor.space("NIL or a list after ID")?;
    let mut fields = Vec::new();
    if cursor.eat_word("NIL") {
        return Ok(fields);
    }
    cursor.expect(b'(', "NIL or a list after ID")?;
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            return Ok(fields);
        }
        if fields.len() >= ID_FIELDS_MAX {
            return wrong(format!("Too many fields in ID: at most {ID_FIELDS_MAX}"));
        }
        let field = cursor.string("a quoted field name in ID")?;
        cursor.space("a value for each field of ID")?;
        let value = cursor.nstring("a quoted value or NIL in ID")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        fields.push((text(field), value.map(text)));
    }
}
