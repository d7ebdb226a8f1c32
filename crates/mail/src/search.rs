//! Text for SEARCH: what is looked for, and the decoded text it is looked for in.

use crate::header::{Field, Header};
use crate::mime::{Content, Part, Structure};
use crate::{charset, encoded_word, transfer};

/// A string to look for, folded once, as SEARCH wants it: substring, without regard to case
/// (i;ascii-casemap for ASCII, Unicode simple case folding beyond).
///
/// Folding is Unicode's lower case, character by character, so that a substring stays one; a
/// character whose lower case has several is taken as it is but for that (`İ`). `ß` and `ss`
/// differ.
#[derive(Clone, Debug)]
pub struct Needle {
    folded: String,
}

impl Needle {
    /// Folds `text`. An empty needle is found in every text (RFC 3501 section 6.4.4: a field
    /// that is there, whatever its value).
    pub fn new(text: &str) -> Self {
        Self { folded: fold(text) }
    }

    /// Whether it occurs in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        self.folded.is_empty()
            || memchr::memmem::find(fold(text).as_bytes(), self.folded.as_bytes()).is_some()
    }

    /// Whether it occurs in a field `name` of the message's header, encoded words decoded.
    pub fn is_in_field(&self, message: &[u8], name: &str) -> bool {
        let of_name = |field: &Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        Header::of(message).fields().filter(of_name).any(|field| self.is_in(&decoded(&field)))
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
        let text = named.and_then(|charset| charset::decode(charset, &body));
        // Lines end with CRLF for who asks.
        let text = text.unwrap_or_else(|| charset::guess(&body));
        if self.folded.contains('\n') {
            return self.is_in(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
        }
        self.is_in(&text)
    }
}

fn decoded(field: &Field<'_>) -> String {
    encoded_word::decode(&field.unfolded())
}

fn is_text(part: &Part) -> bool {
    part.content == Content::Leaf && part.media_type == b"text"
}

fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(only), None) => only,
            _ => c,
        }
    };
    // The final sigma is a sigma.
    text.chars().map(lower).map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(Needle::new("").is_in_field(message, "subject"));
        assert!(!Needle::new("").is_in_field(message, "x-none"));
    }

    #[test]
    fn a_message_without_mime_is_text() {
        assert_eq!(found("ü", b"A: b\n\ngr\xc3\xbc\xc3\x9fe"), (false, true));
        assert_eq!(found("ü", b"A: b\n\ngr\xfc\xdfe"), (false, true));
        assert_eq!(found("a\r\nb", b"A: b\n\na\nb\n"), (false, true));
    }
}
