//! The fields of a part's header that matter, picked while the header is passed.

use super::fields;
use crate::encoded_word;
use crate::envelope::{self, Envelope};
use crate::header::field_name;

/// Longest field of a part that is kept, in bytes, folding included; and all of them.
const FIELD_MAX: usize = 2 * fields::VALUE_MAX;
const FIELDS_MAX: usize = 1024 * 1024;
/// Likewise of an envelope: of one field more than its value may have, so that what is cut is
/// seen to be.
const ENVELOPE_FIELD_MAX: usize = 2 * envelope::VALUE_MAX;
const ENVELOPE_MAX: usize = 16 * envelope::VALUE_MAX;

/// Fields of one part.
pub(super) struct Kept {
    of_part: Fields,
    /// `None` if there is no envelope to be made.
    of_envelope: Option<Fields>,
    outline: bool,
}

impl Kept {
    /// `outline`: only type and encoding matter.
    pub(super) fn new(with_envelope: bool, outline: bool) -> Self {
        let of_envelope = with_envelope.then(|| Fields::new(ENVELOPE_FIELD_MAX, ENVELOPE_MAX));
        Self { of_part: Fields::new(FIELD_MAX, FIELDS_MAX), of_envelope, outline }
    }

    /// A line begins that continues no field; here is its start, up to a field's name at least.
    pub(super) fn begin(&mut self, line: &[u8]) {
        let name = field_name(line).map_or(&[][..], |(name, _)| name);
        self.of_part.begin(self.is_of_part(name));
        if let Some(of_envelope) = &mut self.of_envelope {
            of_envelope.begin(Envelope::has(name));
        }
    }

    /// Bytes of the field, as they come.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.of_part.add(bytes);
        if let Some(of_envelope) = &mut self.of_envelope {
            of_envelope.add(bytes);
        }
    }

    fn is_of_part(&self, name: &[u8]) -> bool {
        let Some((prefix, rest)) = name.split_at_checked(fields::PREFIX.len()) else { return false };
        let is_one = |known: &[&str]| known.iter().any(|known| rest.eq_ignore_ascii_case(known.as_bytes()));
        let needed = is_one(&["type", "transfer-encoding"]);
        let more = || is_one(&["id", "description", "md5", "location", "disposition", "language"]);
        prefix.eq_ignore_ascii_case(fields::PREFIX) && (needed || !self.outline && more())
    }

    /// The Content- fields, and those that an envelope is made of.
    pub(super) fn finish(self) -> (Vec<u8>, Vec<u8>) {
        (self.of_part.finish(), self.of_envelope.map(Fields::finish).unwrap_or_default())
    }
}

/// Fields as they lie in the header, each cut if it is too long, and no more than there is room.
struct Fields {
    bytes: Vec<u8>,
    /// Where the field that is added to begins; `None` if it is not kept.
    current: Option<usize>,
    field_max: usize,
    sum_max: usize,
}

impl Fields {
    fn new(field_max: usize, sum_max: usize) -> Self {
        Self { bytes: Vec::new(), current: None, field_max, sum_max }
    }

    fn begin(&mut self, is_kept: bool) {
        self.end();
        self.current = (is_kept && self.bytes.len() < self.sum_max).then_some(self.bytes.len());
    }

    fn add(&mut self, bytes: &[u8]) {
        let Some(start) = self.current else { return };
        // The word that is cut must be seen to its end.
        let room = (self.field_max + encoded_word::WORD_MAX).saturating_sub(self.bytes.len() - start);
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self) {
        let Some(start) = self.current.take().filter(|start| self.bytes.len() - start > self.field_max)
        else {
            return;
        };
        let mut field = self.bytes.split_off(start);
        encoded_word::shorten(&mut field, self.field_max);
        self.bytes.append(&mut field);
        self.bytes.push(b'\n');
    }

    fn finish(mut self) -> Vec<u8> {
        self.end();
        self.bytes
    }
}
