//! The form of a stored password: `{SCHEME.ENCODING}data`.

use super::BadHash;
use crate::random::fill;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use subtle::ConstantTimeEq;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Base64,
    Hex,
}

/// A stored password in its parts.
pub(super) struct Stored<'a> {
    /// In upper case.
    pub(super) scheme: String,
    /// If one is named.
    pub(super) encoding: Option<Encoding>,
    /// Encoded as it stands.
    pub(super) data: &'a str,
}

impl<'a> Stored<'a> {
    /// Takes `stored` apart. Without a scheme it is CRYPT, unless it begins as Argon2
    /// does, or as SCRAM in the form of RFC 5803.
    pub(super) fn read(stored: &'a str) -> Result<Self, BadHash> {
        let Some(rest) = stored.strip_prefix('{') else {
            let scheme = match stored.split_once('$') {
                Some((name @ ("SCRAM-SHA-1" | "SCRAM-SHA-256"), _)) => name,
                _ if stored.starts_with("$argon2") => "ARGON2",
                _ => "CRYPT",
            };
            return Ok(Self { scheme: scheme.to_owned(), encoding: None, data: stored });
        };
        let (scheme, data) =
            rest.split_once('}').ok_or_else(|| BadHash("a scheme that never ends".to_owned()))?;
        let scheme = scheme.to_ascii_uppercase();
        let (scheme, encoding) = match scheme.split_once('.') {
            Some((scheme, "B64" | "BASE64")) => (scheme.to_owned(), Some(Encoding::Base64)),
            Some((scheme, "HEX")) => (scheme.to_owned(), Some(Encoding::Hex)),
            // It may be part of a password that begins with a brace.
            Some(_) => return Err(BadHash("an unknown encoding behind a scheme".to_owned())),
            None => (scheme, None),
        };
        Ok(Self { scheme, encoding, data })
    }

    /// The data, decoded; `usual` is the scheme's encoding where none is named.
    pub(super) fn bytes(&self, usual: Encoding) -> Result<Vec<u8>, BadHash> {
        let (data, bad) = (self.data.as_bytes(), |_| not_as_the_scheme_says());
        match self.encoding.unwrap_or(usual) {
            Encoding::None => Ok(data.to_vec()),
            Encoding::Base64 => BASE64.decode(data).map_err(bad),
            Encoding::Hex => HEXLOWER_PERMISSIVE.decode(data).map_err(bad),
        }
    }

    /// The data of schemes that are text.
    pub(super) fn text(&self) -> Result<String, BadHash> {
        String::from_utf8(self.bytes(Encoding::None)?).map_err(|_| not_as_the_scheme_says())
    }
}

fn not_as_the_scheme_says() -> BadHash {
    BadHash("a stored password that is not encoded as its scheme says".to_owned())
}

/// Whether two secrets are equal, in time that depends on their lengths only.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// New random bytes, such as a salt.
pub(super) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], BadHash> {
    let mut bytes = [0; LENGTH];
    fill(&mut bytes).map_err(|error| BadHash(format!("there is no randomness: {error}")))?;
    Ok(bytes)
}
