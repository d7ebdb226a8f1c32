//! A range of a message's file as octets to send: measured first, then sent piece by piece.
//!
//! A literal's length is announced before its bytes, and neither what a file's name says nor
//! what a cache says of it is a promise. So every range is read before it is announced: what
//! fits into memory is kept from then on; of the rest the octets are counted, and it is read
//! again when it is sent. Only a file that shrinks between the two can break the promise.

use crate::command::shared::pace::Pace;
use crate::output::Output;
use crate::read_mark::{Measured, Place};
use mail::crlf::{self, ToWire};
use std::ops::Range;
use store::MessageFile;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Counts the octets of a range.
#[derive(Debug)]
pub(super) struct Measure {
    start: u64,
    position: u64,
    end: u64,
    after_cr: bool,
    octets: u64,
}

impl Measure {
    /// At the start of a range.
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { start: range.start, position: range.start, end: range.end, after_cr: false, octets: 0 }
    }

    /// Reads on; `None` when the piece is spent before the range is read.
    pub(super) fn go_on(&mut self, file: &MessageFile, pace: &mut Pace) -> store::Result<Option<Measured>> {
        let mut buffer = Vec::new();
        while self.position < self.end {
            if pace.is_spent() {
                return Ok(None);
            }
            let bytes = Source::File(file).read(&mut buffer, self.position..self.end, pace)?;
            let Some(last) = bytes.last() else { break };
            self.octets += crlf::octets(bytes, self.after_cr);
            self.after_cr = *last == b'\r';
            self.position += bytes.len() as u64;
        }
        Ok(Some(Measured { range: self.start..self.position, octets: self.octets }))
    }
}

/// Sends a window of a range's octets.
#[derive(Debug)]
pub(super) struct Stream {
    at: Place,
    /// Where the last bytes were read.
    last: Place,
    end: u64,
    /// Octets to pass over still.
    skip: u64,
    /// Octets to send still, after those.
    left: u64,
}

/// How far a [`Stream`] got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// All is written.
    All,
    /// The output is full, or the piece is spent.
    Part,
    /// The file ended before the window did.
    Short,
}

impl Stream {
    /// The octets `window` of a range of a file; the window lies within the range's octets.
    /// `known` is a place in the same range from where to go on, if it is not behind the window.
    pub(super) fn new(range: Range<u64>, window: Range<u64>, known: Option<Place>) -> Self {
        let start = Place { position: range.start, octet: 0, wire: ToWire::new() };
        let at = known.filter(|known| known.octet <= window.start).unwrap_or(start);
        let skip = window.start - at.octet;
        Self { last: at.clone(), at, end: range.end, skip, left: window.end.saturating_sub(window.start) }
    }

    /// A place at the window's end, or a chunk ahead of it: the next window begins near there.
    pub(super) fn place(self) -> Place {
        self.last
    }

    /// Writes on.
    pub(super) fn go_on(
        &mut self,
        source: Source<'_>,
        out: &mut Output,
        pace: &mut Pace,
    ) -> store::Result<Sent> {
        let mut buffer = Vec::new();
        while self.left > 0 {
            if out.is_full() || pace.is_spent() {
                return Ok(Sent::Part);
            }
            let end = self.end.min(self.at.position.saturating_add(out.room() as u64));
            let bytes = source.read(&mut buffer, self.at.position..end, pace)?;
            if bytes.is_empty() {
                return Ok(Sent::Short);
            }
            self.last = self.at.clone();
            self.write(bytes, out);
        }
        Ok(Sent::All)
    }

    fn write(&mut self, bytes: &[u8], out: &mut Output) {
        let out = out.buffer_for(bytes.len());
        let from = out.len();
        self.at.wire.convert(bytes, out);
        let octets = out.len() - from;
        self.at.position += bytes.len() as u64;
        self.at.octet += octets as u64;
        let skipped = at_most(octets, self.skip);
        let taken = at_most(octets - skipped, self.left);
        out.drain(from..from + skipped);
        out.truncate(from + taken);
        self.skip -= skipped as u64;
        self.left -= taken as u64;
    }
}

/// Where a range is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    File(&'a MessageFile),
    /// All of the file, in memory.
    Loaded(&'a [u8]),
}

impl<'a> Source<'a> {
    /// The beginning of a range; empty only at the end of the file.
    fn read<'b>(self, buffer: &'b mut Vec<u8>, range: Range<u64>, pace: &mut Pace) -> store::Result<&'b [u8]>
    where
        'a: 'b,
    {
        let wanted = at_most(CHUNK, range.end.saturating_sub(range.start));
        let bytes: &'b [u8] = match self {
            Self::File(file) => {
                buffer.clear();
                file.append_to(buffer, wanted, range.start)?;
                buffer
            }
            Self::Loaded(bytes) => {
                let start = at_most(bytes.len(), range.start);
                &bytes[start..bytes.len().min(start + wanted)]
            }
        };
        pace.read(bytes.len());
        Ok(bytes)
    }
}

/// All octets of a range, for ranges known to be small.
pub(super) fn read_range(file: &MessageFile, range: Range<u64>, pace: &mut Pace) -> store::Result<Vec<u8>> {
    let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    file.append_to(&mut bytes, wanted, range.start)?;
    pace.read(bytes.len());
    Ok(bytes)
}

fn at_most(length: usize, limit: u64) -> usize {
    length.min(usize::try_from(limit).unwrap_or(usize::MAX))
}
