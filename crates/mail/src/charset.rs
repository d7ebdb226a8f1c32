//! Charsets to Unicode, by their names in mail and in SEARCH CHARSET.

/// Decodes `bytes` in `charset` (a name as in MIME, any case), malformed sequences as
/// U+FFFD. `None` when the charset is not known.
pub fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    let _ = (charset, bytes);
    todo!()
}

/// Whether [`decode`] knows `charset`.
pub fn is_known(charset: &str) -> bool {
    let _ = charset;
    todo!()
}
