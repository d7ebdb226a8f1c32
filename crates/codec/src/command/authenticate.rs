//! AUTHENTICATE (RFC 3501 section 6.2.2, RFC 4959).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{Parsed, wrong};
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// AUTHENTICATE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authenticate {
    /// In upper case.
    pub mechanism: String,
    /// The initial response, decoded.
    pub initial: Option<Zeroizing<Vec<u8>>>,
}

pub(crate) fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<Authenticate> {
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
    Ok(Authenticate { mechanism, initial })
}

fn decode(encoded: &[u8]) -> Parsed<Vec<u8>> {
    BASE64.decode(encoded).or_else(|_| wrong("The initial response is no base64"))
}
