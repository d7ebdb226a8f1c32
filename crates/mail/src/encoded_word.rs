//! Encoded words in header fields (RFC 2047).

use crate::charset::{self, Guess, Sink};
use crate::transfer;
use memchr::memmem;

/// An unfolded field value as Unicode: encoded words decoded, white space between two of
/// them dropped, 8-bit bytes as UTF-8 where they are, else as Windows-1252.
///
/// Lenient in what mailers get wrong: words inside quotes, of unknown charsets (left as
/// they are), with raw spaces, split within a character. A word of more than 2,000 bytes is left
/// as it is. Linear time.
pub fn decode(value: &[u8]) -> String {
    let mut words = Words::new(String::with_capacity(value.len()), usize::MAX);
    words.push(value);
    words.finish()
}

/// Cuts a value to at most `length_max` bytes: before the encoded word, or the character of
/// UTF-8, that would be cut in half.
pub(crate) fn shorten(value: &mut Vec<u8>, length_max: usize) {
    if value.len() <= length_max {
        return;
    }
    let is_inside = |end: &usize| value[*end] & 0xC0 == 0x80;
    let mut end =
        (length_max.saturating_sub(3)..=length_max).rev().find(|end| !is_inside(end)).unwrap_or(length_max);
    let mut at = end.saturating_sub(WORD_MAX);
    while let Some(found) = memmem::find(&value[at..], b"=?").map(|found| at + found).filter(|at| *at < end) {
        at = match Word::parse(&value[found..]) {
            Some((_, after)) => value.len() - after.len(),
            None => found + 1,
        };
        if at > end {
            end = found;
        }
    }
    value.truncate(end);
}

/// [`decode`] for a value that comes in pieces.
pub(crate) struct Words<S> {
    out: S,
    /// What is not settled: text up to a word, and what may be one.
    held: Vec<u8>,
    /// How much of it begins no word.
    clear: usize,
    /// Text between words that is held at most, in bytes.
    held_max: usize,
    /// Where text goes that was too long to be held.
    long: Option<Guess<S>>,
    /// The charset of the word before: bytes of adjacent words of one charset are decoded
    /// together, as a character may be split.
    pending: Option<(String, charset::Decoder)>,
}

impl<S: Sink> Words<S> {
    /// Text between words that is held before both of its readings are followed; white space
    /// beyond it does not part words.
    pub(crate) const HELD_MAX: usize = 64 * 1024;

    pub(crate) fn new(out: S, held_max: usize) -> Self {
        Self { out, held: Vec::new(), clear: 0, held_max, long: None, pending: None }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
        self.settle(false);
    }

    pub(crate) fn finish(mut self) -> S {
        self.settle(true);
        self.end_word();
        self.out
    }

    fn settle(&mut self, last: bool) {
        let mut held = std::mem::take(&mut self.held);
        let mut from = 0;
        while let Some(at) = memmem::find(&held[from + self.clear..], b"=?").map(|at| self.clear + at) {
            let rest = &held[from..];
            match Word::parse(&rest[at..]) {
                Some((word, after)) => {
                    self.word(&rest[..at], word);
                    from = held.len() - after.len();
                }
                // More may come, and make it one.
                None if !last && rest.len() - at < WORD_MAX => {
                    self.clear = at;
                    break;
                }
                None => {
                    self.end_word();
                    self.plain(&rest[..at + 2], true);
                    from += at + 2;
                }
            }
            self.clear = 0;
        }
        from += self.settle_plain(&held[from..], last);
        held.drain(..from);
        self.held = held;
    }

    /// What may be settled of text behind the last word; how many bytes are.
    fn settle_plain(&mut self, rest: &[u8], last: bool) -> usize {
        if last {
            if !rest.is_empty() {
                self.end_word();
            }
            self.plain(rest, true);
            return rest.len();
        }
        if !rest[self.clear..].starts_with(b"=?") {
            self.clear = rest.len() - usize::from(rest.ends_with(b"="));
        }
        if self.clear <= self.held_max {
            return 0;
        }
        self.end_word();
        self.plain(&rest[..self.clear], false);
        std::mem::take(&mut self.clear)
    }

    /// A word, with the text before it.
    fn word(&mut self, before: &[u8], word: Word) {
        let is_adjacent = self.long.is_none()
            && before.len() <= self.held_max
            && before.iter().all(u8::is_ascii_whitespace);
        if !(self.pending.is_some() && is_adjacent) {
            self.end_word();
            self.plain(before, true);
        }
        let same = self.pending.take_if(|(charset, _)| charset.eq_ignore_ascii_case(&word.charset));
        if same.is_none() {
            self.end_word();
        }
        let known = same.or_else(|| Some((word.charset.clone(), charset::Decoder::new(&word.charset)?)));
        if let Some((charset, mut decoder)) = known {
            let mut text = String::new();
            decoder.decode(&word.bytes, false, &mut text);
            self.out.text(&text);
            self.pending = Some((charset, decoder));
        }
    }

    /// Ends the word before: what follows belongs to no character of it.
    fn end_word(&mut self) {
        if let Some((_, mut decoder)) = self.pending.take() {
            let mut text = String::new();
            decoder.decode(&[], true, &mut text);
            self.out.text(&text);
        }
    }

    /// Text that is no word; the charset of all up to its end is guessed together.
    fn plain(&mut self, text: &[u8], is_end: bool) {
        match &mut self.long {
            Some(long) => long.push(text),
            None if is_end => return self.out.text(&charset::guess(text)),
            None => self.long.insert(Guess::new(self.out.clone())).push(text),
        }
        if let Some(long) = self.long.take_if(|_| is_end) {
            self.out = long.finish();
        }
    }
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
}

/// Longest encoded word that is taken for one, in bytes. The RFC has 75; some mailers do not care.
pub(crate) const WORD_MAX: usize = 2_000;

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
        let end = memmem::find(encoded, b"?=")?;
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
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

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

    #[test]
    fn a_limit_cuts_between_words_and_characters() {
        let word = b"=?utf-8?q?gr=C3=BC=C3=9Fe?=";
        let text = [&b"ab "[..], word, b" ", word, b" end"].concat();
        for length_max in 0..=text.len() {
            let mut value = text.clone();
            shorten(&mut value, length_max);
            let whole = [3 + word.len(), 4 + 2 * word.len()];
            let expected = match length_max {
                0..=3 => length_max,
                n if n < whole[0] => 3,
                n if n == whole[0] => n,
                n if n < whole[1] => whole[0] + 1,
                n => n,
            };
            assert_eq!(value, text[..expected], "{length_max}");
        }
        for (text, length_max, expected) in [
            ("aüb", 2, "a"),
            ("aüb", 3, "aü"),
            ("x€", 3, "x"),
            ("=?no word, ever", 9, "=?no word"),
            ("=?=?utf-8?q?a?=", 14, "=?"),
            ("short", 9, "short"),
        ] {
            let mut value = text.as_bytes().to_vec();
            shorten(&mut value, length_max);
            assert_eq!(value, expected.as_bytes(), "{text} {length_max}");
        }
    }

    /// [`decode`], over all of the value at once.
    fn decoded_whole(value: &[u8]) -> String {
        let flush = |pending: &mut Option<(String, Vec<u8>)>, out: &mut String| {
            if let Some((charset, bytes)) = pending.take() {
                out.push_str(&charset::decode(&charset, &bytes).expect("a known charset"));
            }
        };
        let (mut out, mut pending, mut rest) = (String::new(), None, value);
        while let Some(at) = memmem::find(rest, b"=?") {
            let Some((word, after)) = Word::parse(&rest[at..]) else {
                flush(&mut pending, &mut out);
                out.push_str(&charset::guess(&rest[..at + 2]));
                rest = &rest[at + 2..];
                continue;
            };
            if pending.is_none() || !rest[..at].iter().all(u8::is_ascii_whitespace) {
                flush(&mut pending, &mut out);
                out.push_str(&charset::guess(&rest[..at]));
            }
            match &mut pending {
                Some((charset, bytes)) if charset.eq_ignore_ascii_case(&word.charset) => {
                    bytes.extend(word.bytes)
                }
                _ => {
                    flush(&mut pending, &mut out);
                    pending = Some((word.charset, word.bytes));
                }
            }
            rest = after;
        }
        flush(&mut pending, &mut out);
        out + &charset::guess(rest)
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            pieces in vec(select(vec![
                &b"=?utf-8?q?a=C3?="[..], b"=?UTF-8?b?vGI=?=", b"=?iso-8859-1?q?=FC?=", b"=?utf-8?", b"q?x?=", b"=",
                b"?", b" ", b"\t", b"b", b"\xc3", b"\xbc", b"\xff", b"text of some length",
            ]), 0..16),
            held_max in select(vec![20, usize::MAX]),
        ) {
            let value = pieces.concat();
            let whole = decoded_whole(&value);
            prop_assert_eq!(&decode(&value), &whole);
            let mut words = Words::new(String::new(), held_max);
            pieces.iter().for_each(|piece| words.push(piece));
            let text = words.finish();
            prop_assert_eq!(text, whole);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, text in "[=?utf8QqBb_ \\-A]{0,40}") {
            decode(&bytes);
            decode(text.as_bytes());
        }
    }
}
