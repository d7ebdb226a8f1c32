//! The form of a stored password: `{SCHEME.ENCODING}data`.

use super::BadHash;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use subtle::ConstantTimeEq;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Base64,
    Hex,
}

/// Scheme in upper case, encoding if one is named, and data.
pub(super) fn split(stored: &str) -> Result<(String, Option<Encoding>, &str), BadHash> {
    let Some(rest) = stored.strip_prefix('{') else {
        return Ok(("CRYPT".to_owned(), None, stored));
    };
    let (scheme, data) =
        rest.split_once('}').ok_or_else(|| BadHash("a scheme that never ends".to_owned()))?;
    let scheme = scheme.to_ascii_uppercase();
    let (scheme, encoding) = match scheme.split_once('.') {
        Some((scheme, "B64" | "BASE64")) => (scheme.to_owned(), Some(Encoding::Base64)),
        Some((scheme, "HEX")) => (scheme.to_owned(), Some(Encoding::Hex)),
        Some((_, other)) => return Err(BadHash(format!("unknown encoding {other:?}"))),
        None => (scheme, None),
    };
    Ok((scheme, encoding, data))
}

pub(super) fn decoded(data: &str, encoding: Option<Encoding>, usual: Encoding) -> Result<Vec<u8>, BadHash> {
    let bad = || BadHash("a stored password that is not encoded as its scheme says".to_owned());
    match encoding.unwrap_or(usual) {
        Encoding::None => Ok(data.as_bytes().to_vec()),
        Encoding::Base64 => BASE64.decode(data.as_bytes()).map_err(|_| bad()),
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(data.as_bytes()).map_err(|_| bad()),
    }
}

/// Whether two secrets are equal, in time that depends on their lengths only.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
