//! Charsets to Unicode, by their names in mail and in SEARCH CHARSET; whole or piece by piece.

mod guess;
mod utf7;

use encoding_rs::{CoderResult, Encoding, UTF_8, WINDOWS_1252};

pub(crate) use guess::Guess;

/// What text is written to.
pub(crate) trait Sink: Clone {
    /// Takes the next piece.
    fn text(&mut self, text: &str);
}

impl Sink for String {
    fn text(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// Decodes bytes that come in pieces; characters may be split between two.
pub(crate) struct Decoder(Kind);

enum Kind {
    Known(encoding_rs::Decoder),
    Utf7(utf7::Decoder),
}

impl Decoder {
    /// For a charset as in MIME. `None` when it is not known.
    pub(crate) fn new(charset: &str) -> Option<Self> {
        let charset = charset.trim();
        if charset.eq_ignore_ascii_case("utf-7") {
            return Some(Self(Kind::Utf7(utf7::Decoder::new())));
        }
        Some(Self(Kind::Known(find(charset)?.new_decoder_without_bom_handling())))
    }

    /// Appends a piece's text, malformed sequences as U+FFFD. After the `last` piece none comes.
    pub(crate) fn decode(&mut self, piece: &[u8], last: bool, text: &mut String) {
        match &mut self.0 {
            Kind::Known(decoder) => decode_into(decoder, piece, last, text),
            Kind::Utf7(decoder) => decoder.decode(piece, last, text),
        }
    }
}

fn decode_into(decoder: &mut encoding_rs::Decoder, mut piece: &[u8], last: bool, text: &mut String) {
    loop {
        text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len()).max(16));
        let (result, read, _) = decoder.decode_to_string(piece, text, last);
        piece = &piece[read..];
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

/// Decodes `bytes` in `charset` (a name as in MIME, any case), malformed sequences as
/// U+FFFD. `None` when the charset is not known.
pub fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    Decoder::new(charset)?.decode(bytes, true, &mut text);
    Some(text)
}

/// Whether [`decode`] knows `charset`.
pub fn is_known(charset: &str) -> bool {
    charset.trim().eq_ignore_ascii_case("utf-7") || find(charset.trim()).is_some()
}

/// Whether bytes below 0x80 are ASCII's characters in that charset and stand for nothing else,
/// also next to malformed ones, as in UTF-8 and where every character is a byte. So it is
/// where [`guess`] has to serve, because the charset is not known.
pub(crate) fn keeps_ascii(charset: &str) -> bool {
    let charset = charset.trim();
    let is_utf7 = charset.eq_ignore_ascii_case("utf-7");
    !is_utf7 && find(charset).is_none_or(|encoding| encoding == UTF_8 || encoding.is_single_byte())
}

/// Bytes without a charset, as mailers send them: UTF-8 where they are, else Windows-1252.
pub fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => windows_1252(bytes).into_owned(),
    }
}

fn windows_1252(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    WINDOWS_1252.decode_without_bom_handling(bytes).0
}

/// Names of mail that the web's list of encodings lacks are mapped; its `replacement`, which
/// decodes to nothing, is not known here.
fn find(charset: &str) -> Option<&'static Encoding> {
    // RFC 2231 section 5: a language may follow.
    let charset = charset.split('*').next().unwrap_or_default();
    let alias = match charset.to_ascii_lowercase().as_str() {
        "utf8" | "utf-8mb4" => return Some(UTF_8),
        "cp1252" | "ansi_x3.110-1983" | "iso-8859-1-windows-3.1-latin-1" => "windows-1252",
        "cp1250" => "windows-1250",
        "cp1251" => "windows-1251",
        "cp932" | "ms932" => "shift_jis",
        "cp936" => "gbk",
        "cp949" | "ks_c_5601" => "euc-kr",
        "cp950" => "big5",
        _ => charset,
    };
    Encoding::for_label_no_replacement(alias.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    #[test]
    fn ascii_is_kept_where_it_is_said() {
        for (charset, expected) in [
            ("utf-8", true),
            ("ISO-8859-1", true),
            (" koi8-r ", true),
            ("x-unknown", true),
            ("utf-7", false),
            ("utf-16le", false),
            ("iso-2022-jp", false),
            ("shift_jis", false),
            ("gb18030", false),
        ] {
            assert_eq!(keeps_ascii(charset), expected, "{charset}");
        }
        let labels = "ibm866 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 \
            iso-8859-10 iso-8859-13 iso-8859-14 iso-8859-15 iso-8859-16 koi8-r koi8-u macintosh windows-874 \
            windows-1250 windows-1251 windows-1252 windows-1253 windows-1254 windows-1255 windows-1256 \
            windows-1257 windows-1258 x-mac-cyrillic x-user-defined utf-8 big5 euc-jp euc-kr gbk gb18030 \
            iso-2022-jp shift_jis utf-16be utf-16le x-unknown";
        for charset in labels.split_whitespace().filter(|charset| keeps_ascii(charset)) {
            for (first, second) in (0..=u8::MAX).flat_map(|a| [b'k', 0x80, 0xE2].map(|b| (a, b))) {
                let text = decode(charset, &[first, second]).unwrap_or_else(|| guess(&[first, second]));
                let of_bytes = [first, second].into_iter().filter(u8::is_ascii).map(char::from);
                let of_text = text.chars().filter(|c| c.to_lowercase().any(|c| c.is_ascii()) && *c != 'İ');
                assert!(of_bytes.eq(of_text), "{first:#x} {second:#x} in {charset}");
            }
        }
    }

    #[test]
    fn charsets_of_mail_are_known() {
        for (charset, bytes, expected) in [
            ("UTF-8", &b"\xc3\xbc"[..], Some("ü")),
            ("us-ascii", b"a", Some("a")),
            ("ISO-8859-1", b"\xfc", Some("ü")),
            ("iso-8859-15", b"\xa4", Some("€")),
            ("windows-1252*en", b"\x80", Some("€")),
            ("koi8-r", b"\xc1", Some("а")),
            ("iso-2022-jp", b"\x1b$B$\"\x1b(B", Some("あ")),
            ("utf-7", b"A+AOk- +-", Some("Aé +")),
            ("utf-8", b"\xff", Some("\u{fffd}")),
            ("x-unknown", b"a", None),
        ] {
            assert_eq!(decode(charset, bytes).as_deref(), expected, "{charset}");
            assert_eq!(is_known(charset), expected.is_some());
        }
        assert_eq!((guess(b"\xc3\xbc").as_str(), guess(b"\xfc").as_str()), ("ü", "ü"));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            charset in select(vec!["utf-8", "utf-7", "iso-2022-jp", "shift_jis", "utf-16le", "gb18030", "koi8-r"]),
            pieces in vec(vec(select(b"a+-/AGs=\x1b$B\"(\xe2\x84\xaa\x83\xd8\x3d\xdc\0\n".to_vec()), 0..6), 0..8),
        ) {
            let whole = pieces.concat();
            let (mut decoder, mut text) = (Decoder::new(charset).expect("known"), String::new());
            pieces.iter().for_each(|piece| decoder.decode(piece, false, &mut text));
            decoder.decode(&[], true, &mut text);
            prop_assert_eq!(Some(text), decode(charset, &whole));
            let mut guessed = Guess::new(String::new());
            pieces.iter().for_each(|piece| guessed.push(piece));
            prop_assert_eq!(guessed.finish(), guess(&whole));
        }
    }
}
