//! FETCH responses (RFC 3501 section 7.4.2), item by item.

use super::string::{literal, number, string};
use crate::command::{Section, SectionText};
use mail::date::DateTime;
use mail::{Keyword, ModSeq, SeqNum, SystemFlags, Uid};

/// Writes one FETCH response: `* n FETCH (item item)`. Items are parted by the writer; a
/// response begun is ended by [`Writer::finish`], also when no item was written.
///
/// It holds no buffer, so that a session can keep one while it streams a body in steps.
#[derive(Debug)]
pub struct Writer {
    first: bool,
}

impl Writer {
    /// Begins the response.
    pub fn new(out: &mut Vec<u8>, message: SeqNum) -> Self {
        out.extend_from_slice(b"* ");
        number(out, u64::from(message.get()));
        out.extend_from_slice(b" FETCH (");
        Self { first: true }
    }

    /// FLAGS, with `\Recent` first where the message is recent to the session.
    pub fn flags(&mut self, out: &mut Vec<u8>, system: SystemFlags, keywords: &[Keyword], recent: bool) {
        self.item(out, b"FLAGS (");
        let names = recent.then_some("\\Recent").into_iter().chain(system.names()).map(|name| name as &str);
        for (index, name) in names.chain(keywords.iter().map(Keyword::as_str)).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
        }
        out.push(b')');
    }

    /// UID.
    pub fn uid(&mut self, out: &mut Vec<u8>, uid: Uid) {
        self.item(out, b"UID ");
        number(out, u64::from(uid.get()));
    }

    /// MODSEQ (RFC 7162).
    pub fn modseq(&mut self, out: &mut Vec<u8>, modseq: ModSeq) {
        self.item(out, b"MODSEQ (");
        number(out, modseq.0);
        out.push(b')');
    }

    /// INTERNALDATE.
    pub fn internal_date(&mut self, out: &mut Vec<u8>, date: DateTime) {
        self.item(out, b"INTERNALDATE \"");
        out.extend_from_slice(date.to_imap().as_bytes());
        out.push(b'"');
    }

    /// SAVEDATE (RFC 8514).
    pub fn save_date(&mut self, out: &mut Vec<u8>, date: Option<DateTime>) {
        self.item(out, b"SAVEDATE ");
        match date {
            Some(date) => out.extend_from_slice(format!("\"{}\"", date.to_imap()).as_bytes()),
            None => out.extend_from_slice(b"NIL"),
        }
    }

    /// RFC822.SIZE.
    pub fn size(&mut self, out: &mut Vec<u8>, octets: u64) {
        self.item(out, b"RFC822.SIZE ");
        number(out, octets);
    }

    /// An item whose value stands ready as bytes (ENVELOPE, BODY, BODYSTRUCTURE).
    pub fn ready(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        self.item(out, name.as_bytes());
        out.push(b' ');
        out.extend_from_slice(value);
    }

    /// `BODY[section]<origin> ` and the literal's announcement; the caller appends `octets`
    /// bytes next.
    pub fn section(&mut self, out: &mut Vec<u8>, section: &Section, origin: Option<u64>, octets: u64) {
        self.section_name(out, section);
        if let Some(origin) = origin {
            out.push(b'<');
            number(out, origin);
            out.push(b'>');
        }
        out.push(b' ');
        literal(out, octets);
    }

    /// `BODY[section] NIL`: there is no such part.
    pub fn section_nil(&mut self, out: &mut Vec<u8>, section: &Section) {
        self.section_name(out, section);
        out.extend_from_slice(b" NIL");
    }

    /// An item of the old names (`RFC822`, …) and the literal's announcement; the caller
    /// appends `octets` bytes next.
    pub fn rfc822(&mut self, out: &mut Vec<u8>, name: &str, octets: u64) {
        self.item(out, name.as_bytes());
        out.push(b' ');
        literal(out, octets);
    }

    /// Ends the response.
    pub fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b")\r\n");
    }

    fn item(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        if !self.first {
            out.push(b' ');
        }
        self.first = false;
        out.extend_from_slice(name);
    }

    fn section_name(&mut self, out: &mut Vec<u8>, section: &Section) {
        self.item(out, b"BODY[");
        for (index, part) in section.part.iter().enumerate() {
            if index > 0 {
                out.push(b'.');
            }
            number(out, u64::from(*part));
        }
        if !section.part.is_empty() && section.text != SectionText::All {
            out.push(b'.');
        }
        match &section.text {
            SectionText::All => {}
            SectionText::Header => out.extend_from_slice(b"HEADER"),
            SectionText::Text => out.extend_from_slice(b"TEXT"),
            SectionText::Mime => out.extend_from_slice(b"MIME"),
            SectionText::HeaderFields { not, names } => {
                out.extend_from_slice(if *not { b"HEADER.FIELDS.NOT (" } else { b"HEADER.FIELDS (" });
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.push(b' ');
                    }
                    field_name(out, name);
                }
                out.push(b')');
            }
        }
        out.push(b']');
    }
}

/// A field's name as the client asked for it: an atom where it can be.
fn field_name(out: &mut Vec<u8>, name: &str) {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if !name.is_empty() && name.bytes().all(atom) {
        out.extend_from_slice(name.as_bytes());
    } else {
        string(out, name.as_bytes());
    }
}
