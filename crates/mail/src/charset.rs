//! Charsets to Unicode, by their names in mail and in SEARCH CHARSET.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Decodes `bytes` in `charset` (a name as in MIME, any case), malformed sequences as
/// U+FFFD. `None` when the charset is not known.
pub fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    let charset = charset.trim();
    if charset.eq_ignore_ascii_case("utf-7") {
        return Some(utf7(bytes));
    }
    let encoding = find(charset)?;
    Some(encoding.decode_without_bom_handling(bytes).0.into_owned())
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
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
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

/// UTF-7 (RFC 2152), which old mailers sent; what is malformed is left as it stands.
fn utf7(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('+') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let length =
            rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        let (encoded, after) = rest.split_at(length);
        rest = after.strip_prefix('-').unwrap_or(after);
        if encoded.is_empty() {
            out.push('+');
            continue;
        }
        let octets = crate::transfer::base64(encoded.as_bytes());
        let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        out.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
