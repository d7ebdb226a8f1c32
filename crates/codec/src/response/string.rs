//! Strings: atom, quoted or literal, whichever the bytes allow.

/// Quoted where the bytes allow it (no CR, LF, NUL, 8-bit; at most 1,000 bytes), else a
/// literal. NUL becomes 0x80: no string of RFC 3501 can carry it.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let _ = (out, bytes);
    todo!()
}

/// `NIL` for `None`.
pub fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// A mailbox name in modified UTF-7: an atom where it can be, else quoted.
pub fn mailbox(out: &mut Vec<u8>, name: &str) {
    let _ = (out, name);
    todo!()
}
