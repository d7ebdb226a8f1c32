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
