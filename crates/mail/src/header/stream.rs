//! A header read field by field from a source of any size.

use super::{field_name, is_continuation, is_empty};
use crate::source::{Reader, Source};
use std::ops::Range;

/// The fields of a header, in order, with what is no field among them.
pub(crate) struct FieldStream<'a, S: ?Sized> {
    reader: Reader<'a, S>,
    /// The next byte is the first of a line that may continue a field's value.
    at_line: bool,
    is_done: bool,
}

/// The start of a field.
pub(crate) enum Start {
    /// The field's name. Its value comes next.
    Field(Vec<u8>),
    /// A line that is no field: all of it comes next, with the lines that continue it.
    Stray,
}

/// Longest name with its colon, in bytes; a line that has none within them is no field.
pub(crate) const NAME_MAX: usize = 4 * 1024;

impl<'a, S: Source + ?Sized> FieldStream<'a, S> {
    /// The header at the start of a range: it ends with the range, or at an empty line.
    pub(crate) fn new(source: &'a S, range: Range<u64>) -> Self {
        Self { reader: Reader::new(source, range), at_line: true, is_done: false }
    }

    /// The next field; call when the value of the one before was read. `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Start>, S::Error> {
        let bytes = self.reader.peek(NAME_MAX)?;
        let line = &bytes[..memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)];
        if self.is_done || line.is_empty() || is_empty(line) {
            self.is_done = true;
            return Ok(None);
        }
        let line = &line[..line.len().min(NAME_MAX)];
        self.at_line = false;
        let Some((name, value)) = field_name(line) else { return Ok(Some(Start::Stray)) };
        let name = name.to_vec();
        self.reader.pass(value);
        Ok(Some(Start::Field(name)))
    }

    /// Reads the value in pieces as they lie in the header, folding and line ends included.
    pub(crate) fn value(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), S::Error> {
        loop {
            let bytes = self.reader.peek(1)?;
            if bytes.is_empty() || self.at_line && !is_continuation(bytes) {
                return Ok(());
            }
            let end = memchr::memchr(b'\n', bytes);
            let length = end.map_or(bytes.len(), |at| at + 1);
            take(&bytes[..length]);
            self.at_line = end.is_some();
            self.reader.pass(length);
        }
    }
}
