//! Strings: atom, quoted or literal, whichever the bytes allow.

use mail::utf7;

/// Longest quoted string: longer ones are literals, which old clients read safely.
const QUOTED_MAX: usize = 1_000;

/// Quoted where the bytes allow it (no CR, LF, NUL, 8-bit; at most 1,000 bytes), else a
/// literal. NUL becomes 0x80: no string of RFC 3501 can carry it.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let unquotable = |b: &u8| matches!(b, b'\r' | b'\n' | 0 | 0x80..);
    // All bytes, with no way out at the first: so it takes many at a time.
    if bytes.len() > QUOTED_MAX || bytes.iter().fold(false, |any, b| any | unquotable(b)) {
        literal(out, bytes.len() as u64);
        out.extend(bytes.iter().map(|b| if *b == 0 { 0x80 } else { *b }));
        return;
    }
    out.push(b'"');
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
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
    let encoded = utf7::encode(name);
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"-_./&+,$#@!".contains(&b);
    let is_nil = encoded.eq_ignore_ascii_case("NIL");
    if !encoded.is_empty() && encoded.bytes().all(atom) && !is_nil {
        out.extend_from_slice(encoded.as_bytes());
    } else {
        string(out, encoded.as_bytes());
    }
}

/// A literal's announcement; its bytes come next.
pub(super) fn literal(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// A number in decimal.
pub(super) fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        out.escape_ascii().to_string().replace("\\\"", "\"").replace("\\\\", "\\")
    }

    #[test]
    fn the_form_follows_the_bytes() {
        for (bytes, expected) in [
            (&b""[..], "\"\""),
            (b"plain text", "\"plain text\""),
            (b"a\"b\\c", "\"a\\\"b\\\\c\""),
            (b"a\r\nb", "{4}\\r\\na\\r\\nb"),
            (b"a\0b", "{3}\\r\\na\\x80b"),
            (b"\xe9", "{1}\\r\\n\\xe9"),
        ] {
            assert_eq!(written(|out| string(out, bytes)), expected);
        }
        assert!(written(|out| string(out, &[b'x'; 1001])).starts_with("{1001}"));
        assert_eq!(written(|out| nstring(out, None)), "NIL");
    }

    #[test]
    fn mailbox_names_are_atoms_where_they_can_be() {
        for (name, expected) in [
            ("INBOX", "INBOX"),
            ("Lists/rust", "Lists/rust"),
            ("two words", "\"two words\""),
            ("Entwürfe", "Entw&APw-rfe"),
            ("nil", "\"nil\""),
            ("", "\"\""),
            ("a%", "\"a%\""),
        ] {
            assert_eq!(written(|out| mailbox(out, name)), expected);
        }
    }
}
