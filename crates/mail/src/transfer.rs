//! Content transfer encodings (RFC 2045 section 6).

use std::borrow::Cow;

/// Undoes `encoding` (lower case; `base64`, `quoted-printable`, others are the identity).
/// Lenient: what is not of the encoding is skipped (base64) or kept (quoted-printable).
pub fn decode<'a>(encoding: &[u8], body: &'a [u8]) -> Cow<'a, [u8]> {
    match encoding {
        b"base64" => Cow::Owned(base64(body)),
        b"quoted-printable" => Cow::Owned(quoted_printable(body)),
        _ => Cow::Borrowed(body),
    }
}

/// Base64 as mailers write it: line ends, strays and missing padding are passed over, and what
/// follows padding goes on, as parts joined by a list manager do.
pub(crate) fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for &byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}

/// Quoted-printable; soft line breaks may have blanks before their line end.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(byte) = hex_pair(rest) {
            out.push(byte);
            rest = &rest[2..];
            continue;
        }
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match &rest[blanks..] {
            [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] => rest = after,
            _ => out.push(b'='),
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Two hexadecimal digits at the start.
pub(crate) fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*bytes.first()?)? << 4 | digit(*bytes.get(1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encodings_are_undone_leniently() {
        for (encoding, body, expected) in [
            ("base64", "aGVsbG8=", "hello"),
            ("base64", "aGVs\r\n bG8", "hello"),
            ("base64", "aGk=aGk=", "hihi"),
            ("base64", "!!", ""),
            ("quoted-printable", "a=C3=B6=\r\nb=20=  \nc", "aö\u{62} c"),
            ("quoted-printable", "1=2 =ZZ =", "1=2 =ZZ ="),
            ("7bit", "=41", "=41"),
            ("x-unknown", "=41", "=41"),
        ] {
            let decoded = decode(encoding.as_bytes(), body.as_bytes());
            assert_eq!(String::from_utf8_lossy(&decoded), expected, "{encoding} {body}");
        }
    }

    proptest! {
        #[test]
        fn base64_agrees_with_a_library(bytes: Vec<u8>) {
            let encoded = data_encoding::BASE64_MIME.encode(&bytes);
            prop_assert_eq!(decode(b"base64", encoded.as_bytes()).into_owned(), bytes);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (decode(b"base64", &bytes), decode(b"quoted-printable", &bytes));
        }
    }
}
