//! ENABLE (RFC 5161).

use crate::cursor::Cursor;
use crate::error::{Parsed, Part, missing};

/// The names of capabilities, in upper case.
pub(crate) fn enable(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut names = Vec::new();
    while cursor.eat_space() && !cursor.is_at_end() {
        cursor.count(Part::Name)?;
        names.push(cursor.keyword("a capability")?);
    }
    if names.is_empty() { missing("capabilities after ENABLE") } else { Ok(names) }
}
