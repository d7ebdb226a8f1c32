//! Modified UTF-7 of mailbox names (RFC 3501 section 5.1.3).

/// Unicode to modified UTF-7; ASCII but `&` stays as it is.
pub fn encode(name: &str) -> String {
    let _ = name;
    todo!()
}

/// Modified UTF-7 to Unicode. `None` where it is not well-formed: 8-bit bytes, bad or
/// non-canonical base64, lone surrogates, printable ASCII encoded.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let _ = bytes;
    todo!()
}
