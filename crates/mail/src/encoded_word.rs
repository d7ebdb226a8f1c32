//! Encoded words in header fields (RFC 2047).

use crate::{charset, transfer};

/// An unfolded field value as Unicode: encoded words decoded, white space between two of
/// them dropped, 8-bit bytes as UTF-8 where they are, else as Windows-1252.
///
/// Lenient in what mailers get wrong: words inside quotes, of unknown charsets (left as
/// they are), with raw spaces, split within a character. Linear time.
pub fn decode(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    // Bytes of adjacent words of one charset are decoded together: a character may be split.
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut rest = value;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let Some((word, after)) = Word::parse(&rest[at..]) else {
            flush(&mut pending, &mut out);
            out.push_str(&charset::guess(&rest[..at + 2]));
            rest = &rest[at + 2..];
            continue;
        };
        let between = &rest[..at];
        let adjacent = pending.is_some() && between.iter().all(u8::is_ascii_whitespace);
        if !adjacent {
            flush(&mut pending, &mut out);
            out.push_str(&charset::guess(between));
        }
        match &mut pending {
            Some((charset, bytes)) if charset.eq_ignore_ascii_case(&word.charset) => {
                bytes.extend_from_slice(&word.bytes);
            }
            _ => {
                flush(&mut pending, &mut out);
                pending = Some((word.charset, word.bytes));
            }
        }
        rest = after;
    }
    flush(&mut pending, &mut out);
    out.push_str(&charset::guess(rest));
    out
}

fn flush(pending: &mut Option<(String, Vec<u8>)>, out: &mut String) {
    if let Some((charset, bytes)) = pending.take() {
        out.push_str(&charset::decode(&charset, &bytes).unwrap_or_else(|| charset::guess(&bytes)));
    }
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
}

/// Longest encoded word that is taken for one. The RFC has 75; some mailers do not care.
const WORD_MAX: usize = 2_000;

impl Word {
    /// A word of a known charset at the start of `text`, and what follows it.
    fn parse(text: &[u8]) -> Option<(Self, &[u8])> {
        let inner = &text[2..text.len().min(WORD_MAX)];
        let charset_end = memchr::memchr(b'?', inner)?;
        let charset = std::str::from_utf8(&inner[..charset_end]).ok()?;
        let encoding = inner.get(charset_end + 1)?.to_ascii_lowercase();
        if inner.get(charset_end + 2) != Some(&b'?') || !charset::is_known(charset) {
            return None;
        }
        let encoded = &inner[charset_end + 3..];
        let end = memchr::memmem::find(encoded, b"?=")?;
        let bytes = match encoding {
            b'b' => transfer::base64(&encoded[..end]),
            b'q' => q(&encoded[..end]),
            _ => return None,
        };
        let length = 2 + charset_end + 3 + end + 2;
        Some((Self { charset: charset.to_owned(), bytes }, &text[length..]))
    }
}

/// The Q encoding (RFC 2047 section 4.2).
fn q(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'_' => out.push(b' '),
            b'=' => match transfer::hex_pair(after) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = &after[2..];
                }
                None => out.push(b'='),
            },
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_decoded_leniently() {
        for (value, expected) in [
            (&b"plain"[..], "plain"),
            (b"=?iso-8859-1?q?J=F6rg?= Smith", "Jörg Smith"),
            (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
            (b"=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab"),
            (b"=?UTF-8?Q?a?= b =?UTF-8?Q?c?=", "a b c"),
            (b"=?UTF-8?Q?=C3?=\t=?utf-8?Q?=BC?=", "ü"),
            (b"=?utf-8*en?q?a_b?=", "a b"),
            (b"\"=?utf-8?q?=C3=BC?=\" <a@x>", "\"ü\" <a@x>"),
            (b"=?utf-8?q?with raw space?=", "with raw space"),
            (b"=?x-unknown?q?a?= b", "=?x-unknown?q?a?= b"),
            (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
            (b"=?utf-8?q?never closed", "=?utf-8?q?never closed"),
            (b"=?=?utf-8?q?a?=", "=?a"),
            (b"raw \xc3\xbc", "raw ü"),
            (b"raw \xfc", "raw ü"),
        ] {
            assert_eq!(decode(value), expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn security_18_words_that_never_end_cost_linear_time() {
        assert!(decode(&b"=?utf-8?q?".repeat(300_000)).len() > 300_000);
        assert!(decode(&b"=?".repeat(1_000_000)).len() > 1_000_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, text in "[=?utf8QqBb_ \\-A]{0,40}") {
            decode(&bytes);
            decode(text.as_bytes());
        }
    }
}
