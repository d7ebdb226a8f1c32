//! Text for SEARCH: what is looked for, and the decoded text it is looked for in.

use crate::header::{Field, Header};
use crate::mime::{Content, Part, Structure};
use crate::{charset, encoded_word, transfer};
use memchr::memmem::{self, Finder};

/// A string to look for, folded once, as SEARCH wants it: substring, without regard to case
/// (i;ascii-casemap for ASCII, Unicode simple case folding beyond).
///
/// Folding is Unicode's lower case, character by character, so that a substring stays one; a
/// character whose lower case has several is taken as it is but for that (`İ`). `ß` and `ss`
/// differ.
#[derive(Clone, Debug)]
pub struct Needle {
    folded: String,
    finder: Finder<'static>,
}

impl Needle {
    /// Folds `text`. An empty needle is found in every text (RFC 3501 section 6.4.4: a field
    /// that is there, whatever its value).
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let finder = Finder::new(&folded).into_owned();
        Self { folded, finder }
    }

    /// Whether it occurs in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        if self.folded.is_empty() {
            return true;
        }
        let in_bytes = self.is_in_ascii_of(text.as_bytes());
        in_bytes.unwrap_or_else(|| self.finder.find(fold(text).as_bytes()).is_some())
    }

    /// Whether it occurs in text of which these are the bytes, in a charset where bytes below
    /// 0x80 are ASCII's characters and no others ([`charset::keeps_ascii`]). `None` when the
    /// bytes do not tell.
    fn is_in_ascii_of(&self, bytes: &[u8]) -> Option<bool> {
        if !self.folded.is_ascii() {
            // All characters of ASCII are folded to such.
            return bytes.is_ascii().then_some(false);
        }
        if self.folded.contains('k') && memmem::find(bytes, KELVIN).is_some() {
            return None;
        }
        Some(self.finder.find(&bytes.to_ascii_lowercase()).is_some())
    }

    /// Whether it occurs in one of the fields; an empty needle in any that is there.
    pub fn is_in_field_text(&self, fields: &FieldText) -> bool {
        fields.values.iter().any(|value| self.finder.find(value.as_bytes()).is_some())
    }

    /// Whether it occurs in the whole header, decoded (TEXT's first half).
    pub fn is_in_header(&self, message: &[u8]) -> bool {
        self.folded.is_empty() || self.is_in_fields(message)
    }

    /// Whether it occurs in a text part, or in the header of a part or embedded message:
    /// transfer encoding and charset undone (BODY, and TEXT's second half).
    pub fn is_in_body(&self, message: &[u8], structure: &Structure) -> bool {
        if self.folded.is_empty() {
            return true;
        }
        let bytes = |start: u64, end: u64| {
            let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(message.len());
            &message[at(start).min(at(end))..at(end)]
        };
        structure.parts.iter().enumerate().any(|(id, part)| {
            let in_header = id > 0 && self.is_in_fields(bytes(part.header.start, part.header.end));
            in_header || is_text(part) && self.is_in_text(part, bytes(part.body.start, part.body.end))
        })
    }

    fn is_in_fields(&self, header: &[u8]) -> bool {
        Header::of(header).fields().any(|field| {
            let name = String::from_utf8_lossy(field.name);
            self.is_in(&format!("{name}: {}", decoded(&field)))
        })
    }

    fn is_in_text(&self, part: &Part, body: &[u8]) -> bool {
        let body = transfer::decode(&part.encoding, body);
        let named = part.parameters.iter().find(|(name, _)| name == b"charset");
        let named = named.and_then(|(_, value)| std::str::from_utf8(value).ok());
        // What calls itself ASCII is so, or lies.
        let named = named.filter(|charset| !charset.eq_ignore_ascii_case("us-ascii"));
        let has_line_end = self.folded.contains('\n');
        if !has_line_end && named.is_none_or(charset::keeps_ascii) {
            // Most texts need not be decoded for most needles.
            if let Some(found) = self.is_in_ascii_of(&body) {
                return found;
            }
        }
        let text = named.and_then(|charset| charset::decode(charset, &body));
        // Lines end with CRLF for who asks.
        let text = text.unwrap_or_else(|| charset::guess(&body));
        if has_line_end {
            return self.is_in(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
        }
        self.is_in(&text)
    }
}

/// The header fields of one name, decoded and folded once for all needles.
#[derive(Clone, Debug)]
pub struct FieldText {
    values: Vec<String>,
}

impl FieldText {
    /// Of the fields `name`, in any case, in a header or a message that begins with one; encoded
    /// words are decoded.
    pub fn of(message: &[u8], name: &str) -> Self {
        let of_name = |field: &Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        let values = Header::of(message).fields().filter(of_name).map(|field| fold(&decoded(&field)));
        Self { values: values.collect() }
    }

    /// Bytes of all of them.
    #[allow(clippy::len_without_is_empty, reason = "a measure of work, not of a collection")]
    pub fn len(&self) -> usize {
        self.values.iter().map(String::len).sum()
    }
}

fn decoded(field: &Field<'_>) -> String {
    encoded_word::decode(&field.unfolded())
}

fn is_text(part: &Part) -> bool {
    part.content == Content::Leaf && part.media_type == b"text"
}

/// The one character beyond ASCII that is folded to one of it: KELVIN SIGN, in UTF-8.
const KELVIN: &[u8] = "\u{212a}".as_bytes();

fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    folded.extend(text.chars().map(lower));
    folded
}

fn lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        // The final sigma is a sigma.
        (Some('ς'), None) => 'σ',
        (Some(only), None) => only,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Span;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn found(needle: &str, message: &[u8]) -> (bool, bool) {
        let needle = Needle::new(needle);
        (needle.is_in_header(message), needle.is_in_body(message, &Structure::of(message)))
    }

    #[test]
    fn case_does_not_matter() {
        for (needle, text, expected) in [
            ("abc", "xABCx", true),
            ("GRÜßE", "schöne grüße", true),
            ("ΣΑΣ", "σας", true),
            ("strasse", "Straße", false),
            ("İ", "istanbul", false),
            ("", "", true),
            ("a", "", false),
        ] {
            assert_eq!(Needle::new(needle).is_in(text), expected, "{needle} in {text}");
        }
    }

    #[test]
    fn what_is_meant_is_searched() {
        let message = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nContent-Type: multipart/mixed; boundary=b\n\n\
            preamble\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\
            Content-Transfer-Encoding: quoted-printable\n\nK=F6ln am=\n Rhein\n--b\n\
            Content-Type: image/png\nContent-Disposition: attachment; filename=dom.png\n\nKoeln\n--b\n\
            Content-Type: message/rfc822\n\nSubject: inside\n\ntext inside\n--b--\n";
        assert_eq!(found("GRÜ", message), (true, false));
        assert_eq!(found("köln am Rhein", message), (false, true));
        assert_eq!(found("koeln", message), (false, false), "an image is no text");
        assert_eq!(found("dom.png", message), (false, true));
        assert_eq!(found("subject: inside", message), (false, true));
        assert_eq!(found("TEXT INSIDE", message), (false, true));
        assert_eq!(found("preamble", message), (false, false));
        let is_in_field = |needle, name| Needle::new(needle).is_in_field_text(&FieldText::of(message, name));
        assert!(is_in_field("GRÜßE", "subject"));
        assert!(!is_in_field("inside", "Subject"));
        assert!(is_in_field("", "subject"));
        assert!(!is_in_field("", "x-none"));
    }

    /// [`Needle::is_in_body`] and [`Needle::is_in_header`] as they are meant: all is decoded,
    /// then folded.
    fn found_decoded(needle: &str, message: &[u8]) -> (bool, bool) {
        let needle = fold(needle);
        let is_in = |text: &str| needle.is_empty() || fold(text).contains(&needle);
        let is_in_fields = |header: &[u8]| {
            Header::of(header)
                .fields()
                .any(|field| is_in(&format!("{}: {}", String::from_utf8_lossy(field.name), decoded(&field))))
        };
        let span = |span: Span| &message[span.start as usize..span.end as usize];
        let text = |part: &Part| {
            let body = transfer::decode(&part.encoding, span(part.body));
            let named = part.parameters.iter().find(|(name, _)| name == b"charset");
            let named = named.and_then(|(_, value)| std::str::from_utf8(value).ok());
            let named = named.filter(|charset| !charset.eq_ignore_ascii_case("us-ascii"));
            let text = named.and_then(|charset| charset::decode(charset, &body));
            let text = text.unwrap_or_else(|| charset::guess(&body));
            if needle.contains('\n') { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
        };
        let in_part = |(id, part): (usize, &Part)| {
            id > 0 && is_in_fields(span(part.header)) || is_text(part) && is_in(&text(part))
        };
        let structure = Structure::of(message);
        let in_body = needle.is_empty() || structure.parts.iter().enumerate().any(in_part);
        (needle.is_empty() || is_in_fields(message), in_body)
    }

    /// A part of a message, with what may hide a word or look like one.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        let charset = select(vec![
            "",
            "us-ascii",
            "utf-8",
            "iso-8859-1",
            "koi8-r",
            "shift_jis",
            "gb18030",
            "utf-7",
            "utf-16le",
            "iso-2022-jp",
            "x-unknown",
        ]);
        let encoding = select(vec!["7bit", "8bit", "quoted-printable", "base64"]);
        let kind = select(vec!["text/plain", "text/html", "image/png", "message/rfc822"]);
        let pieces = select(vec![
            &b"kelly"[..],
            b"KELLY",
            b"k",
            b"ell",
            b"y",
            b"\xe2\x84\xaa",
            b"\xe2\x84",
            b"\xfc",
            b"\xc3\xbc",
            b"\xc3\x9c",
            b"=4B",
            b"=E2=84=AA",
            b"=\n",
            b"a2VsbHk=",
            b"+AGs-",
            b"\x1b$B$\"\x1b(B",
            b"\n",
            b"\r\n",
            b" ",
            b"=?utf-8?q?kel?=",
            b"Subject: ",
            b"\x83\x6b",
            b"k\0e\0l\0l\0y\0",
            b"\x81\x36\xa3\x39",
        ]);
        let body = prop::collection::vec(pieces, 0..12);
        (charset, encoding, kind, body).prop_map(|(charset, encoding, kind, body)| {
            let head =
                format!("Content-Type: {kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n");
            [head.into_bytes(), body.concat()].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn what_is_not_decoded_is_found_all_the_same(
            needle in select(vec![
                "kelly", "K", "ü", "Ü", "\u{212a}", "lly", "y k", "k\r\nk", "\n", "あ", "\u{fffd}", "Subject: k", "",
            ]),
            parts in prop::collection::vec(part(), 1..4),
        ) {
            let message = match parts.as_slice() {
                [only] => only.clone(),
                parts => [
                    &b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"[..],
                    &parts.join(&b"\n--b\n"[..]),
                    b"\n--b--\n",
                ]
                .concat(),
            };
            prop_assert_eq!(found(needle, &message), found_decoded(needle, &message));
        }
    }

    #[test]
    fn a_message_without_mime_is_text() {
        assert_eq!(found("ü", b"A: b\n\ngr\xc3\xbc\xc3\x9fe"), (false, true));
        assert_eq!(found("ü", b"A: b\n\ngr\xfc\xdfe"), (false, true));
        assert_eq!(found("a\r\nb", b"A: b\n\na\nb\n"), (false, true));
    }
}
