//! Content transfer encodings (RFC 2045 section 6).

/// Undoes an encoding of bytes that come in pieces.
///
/// Lenient: what is not of the encoding is skipped (base64) or kept (quoted-printable).
pub(crate) enum Decoder {
    /// 7bit, 8bit, binary, and what is not known: the bytes as they are.
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

/// Whether `encoding` (lower case) changes bytes in a way that [`Decoder`] undoes.
pub(crate) fn is_encoded(encoding: &[u8]) -> bool {
    !matches!(Decoder::new(encoding), Decoder::Identity)
}

impl Decoder {
    /// For an encoding's name, in lower case.
    pub(crate) fn new(encoding: &[u8]) -> Self {
        match encoding {
            b"base64" => Self::Base64(Base64::default()),
            b"quoted-printable" => Self::QuotedPrintable(QuotedPrintable::default()),
            _ => Self::Identity,
        }
    }

    /// Decodes the next piece, into `out` where it has to be changed. After the `last` none comes.
    pub(crate) fn decode<'a>(&mut self, piece: &'a [u8], last: bool, out: &'a mut Vec<u8>) -> &'a [u8] {
        out.clear();
        match self {
            Self::Identity => return piece,
            Self::Base64(decoder) => decoder.decode(piece, out),
            Self::QuotedPrintable(decoder) => decoder.decode(piece, last, out),
        }
        out
    }
}

/// Base64 as mailers write it: line ends, strays and missing padding are passed over, and what
/// follows padding goes on, as parts joined by a list manager do.
#[derive(Default)]
pub(crate) struct Base64 {
    bits: u32,
    count: u32,
}

impl Base64 {
    fn decode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let (mut bits, mut count) = (self.bits, self.count);
        for &byte in piece {
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
        (self.bits, self.count) = (bits, count);
    }
}

/// All of a base64 text.
pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    Base64::default().decode(text, &mut out);
    out
}

/// Quoted-printable; soft line breaks may have blanks before their line end.
#[derive(Default)]
pub(crate) struct QuotedPrintable {
    /// What began with `=` and is not settled.
    held: Vec<u8>,
}

impl QuotedPrintable {
    /// Longest soft line break: `=`, blanks and a line end. One that is longer is text.
    const BREAK_MAX: usize = 1_000;

    fn decode(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) {
        let joined;
        let mut rest = match self.held.is_empty() {
            true => piece,
            false => {
                joined = [&std::mem::take(&mut self.held), piece].concat();
                &joined
            }
        };
        while let Some(at) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            match Escape::at(rest, last) {
                Escape::Byte(byte) => {
                    out.push(byte);
                    rest = &rest[3..];
                }
                Escape::LineBreak(length) => rest = &rest[length..],
                Escape::None => {
                    out.push(b'=');
                    rest = &rest[1..];
                }
                Escape::Unsettled => {
                    self.held = rest.to_vec();
                    return;
                }
            }
        }
        out.extend_from_slice(rest);
    }
}

/// What a `=` begins.
enum Escape {
    Byte(u8),
    /// A soft line break of that many bytes.
    LineBreak(usize),
    None,
    /// What follows is not there yet.
    Unsettled,
}

impl Escape {
    fn at(text: &[u8], last: bool) -> Self {
        let after = &text[1..text.len().min(QuotedPrintable::BREAK_MAX)];
        let may_go_on = !last && text.len() < QuotedPrintable::BREAK_MAX;
        if let Some(byte) = hex_pair(after) {
            return Self::Byte(byte);
        }
        let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match &after[blanks..] {
            [b'\r', b'\n', ..] => Self::LineBreak(1 + blanks + 2),
            [b'\n', ..] => Self::LineBreak(1 + blanks + 1),
            [] | [b'\r'] if may_go_on => Self::Unsettled,
            [digit] if may_go_on && blanks == 0 && digit.is_ascii_hexdigit() => Self::Unsettled,
            _ => Self::None,
        }
    }
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
            let decoded = decode(encoding, &[body.as_bytes()]);
            assert_eq!(String::from_utf8_lossy(&decoded), expected, "{encoding} {body}");
        }
        let padded = |blanks: usize| format!("a={}\nb", " ".repeat(blanks)).into_bytes();
        assert_eq!(decode("quoted-printable", &[&padded(900)]), b"ab");
        assert_eq!(decode("quoted-printable", &[&padded(1_000_000)]), padded(1_000_000));
    }

    /// All pieces decoded, none marked as the last until an empty one.
    fn decode(encoding: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut decoder, mut out, mut whole) = (Decoder::new(encoding.as_bytes()), Vec::new(), Vec::new());
        for (index, piece) in pieces.iter().chain([&&[][..]]).enumerate() {
            whole.extend_from_slice(decoder.decode(piece, index == pieces.len(), &mut out));
        }
        whole
    }

    /// Quoted-printable as it is meant, over all of the text.
    fn quoted_printable(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = body;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            match (byte, hex_pair(after), &after[blanks..]) {
                (b'=', Some(decoded), _) => {
                    out.push(decoded);
                    rest = &after[2..];
                }
                (b'=', None, [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => rest = after,
                _ => out.push(byte),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn base64_agrees_with_a_library(bytes: Vec<u8>) {
            let encoded = data_encoding::BASE64_MIME.encode(&bytes);
            prop_assert_eq!(base64(encoded.as_bytes()), bytes);
        }

        #[test]
        fn pieces_do_not_matter(text in "[=4aB \t\r\nx]{0,40}", lengths in prop::collection::vec(0_usize..6, 0..20)) {
            let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
            for length in lengths {
                let (piece, after) = rest.split_at(length.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(decode("quoted-printable", &pieces), quoted_printable(text.as_bytes()));
            prop_assert_eq!(decode("base64", &pieces), base64(text.as_bytes()));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (decode("base64", &[&bytes]), decode("quoted-printable", &[&bytes]));
        }
    }
}
