//! FETCH responses (RFC 3501 section 7.4.2), item by item.

use crate::command::Section;
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
    pub fn new(out: &mut Vec<u8>, number: SeqNum) -> Self {
        let _ = (out, number);
        todo!()
    }

    /// FLAGS, with `\Recent` first where the message is recent to the session.
    pub fn flags(&mut self, out: &mut Vec<u8>, system: SystemFlags, keywords: &[Keyword], recent: bool) {
        let _ = (out, system, keywords, recent, self.first);
        todo!()
    }

    /// UID.
    pub fn uid(&mut self, out: &mut Vec<u8>, uid: Uid) {
        let _ = (out, uid);
        todo!()
    }

    /// MODSEQ (RFC 7162).
    pub fn modseq(&mut self, out: &mut Vec<u8>, modseq: ModSeq) {
        let _ = (out, modseq);
        todo!()
    }

    /// INTERNALDATE.
    pub fn internal_date(&mut self, out: &mut Vec<u8>, date: DateTime) {
        let _ = (out, date);
        todo!()
    }

    /// RFC822.SIZE.
    pub fn size(&mut self, out: &mut Vec<u8>, octets: u64) {
        let _ = (out, octets);
        todo!()
    }

    /// An item whose value stands ready as bytes (ENVELOPE, BODY, BODYSTRUCTURE).
    pub fn ready(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        let _ = (out, name, value);
        todo!()
    }

    /// `BODY[section]<origin> ` and the literal's announcement; the caller appends `octets`
    /// bytes next.
    pub fn section(&mut self, out: &mut Vec<u8>, section: &Section, origin: Option<u64>, octets: u64) {
        let _ = (out, section, origin, octets);
        todo!()
    }

    /// `BODY[section] NIL`: there is no such part.
    pub fn section_nil(&mut self, out: &mut Vec<u8>, section: &Section) {
        let _ = (out, section);
        todo!()
    }

    /// An item of the old names (`RFC822`, …) and the literal's announcement; the caller
    /// appends `octets` bytes next.
    pub fn rfc822(&mut self, out: &mut Vec<u8>, name: &str, octets: u64) {
        let _ = (out, name, octets);
        todo!()
    }

    /// Ends the response.
    pub fn finish(self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}
