//! A message's bytes, read piece by piece: what is found out about a message takes memory that
//! does not depend on the message's size.

use std::convert::Infallible;
use std::ops::Range;

/// Where a message's bytes come from: a slice, or a file that somebody else reads.
pub trait Source {
    /// Why bytes cannot be read.
    type Error;

    /// How many bytes there are.
    fn size(&self) -> u64;

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Self::Error>;

    /// All bytes, if they are in memory anyway: then none are copied.
    fn in_memory(&self) -> Option<&[u8]> {
        None
    }

    /// Bytes read at once.
    fn window(&self) -> usize {
        64 * 1024
    }
}

impl Source for [u8] {
    type Error = Infallible;

    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Infallible> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - from);
        buffer[..count].copy_from_slice(&self[from..from + count]);
        Ok(count)
    }

    fn in_memory(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// Reads a range of a source from its start to its end, a window at a time.
pub(crate) struct Reader<'a, S: ?Sized> {
    source: &'a S,
    /// The next byte, and where the range ends.
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Where in `buffer` the byte at `at` is.
    next: usize,
}

impl<'a, S: Source + ?Sized> Reader<'a, S> {
    pub(crate) fn new(source: &'a S, range: Range<u64>) -> Self {
        let end = range.end.min(source.size());
        Self { source, at: range.start.min(end), end, buffer: Vec::new(), next: 0 }
    }

    /// The bytes that come next, without passing them: at least `wanted`, fewer only at the
    /// end, and more where they are there.
    pub(crate) fn peek(&mut self, wanted: usize) -> Result<&[u8], S::Error> {
        if let Some(all) = self.source.in_memory() {
            return Ok(&all[self.at as usize..self.end as usize]);
        }
        let there = self.buffer.len() - self.next;
        let left = self.end - self.at;
        if there < wanted && (there as u64) < left {
            self.buffer.drain(..self.next);
            self.next = 0;
            let length = (wanted.max(self.source.window()) as u64).min(left) as usize;
            self.buffer.resize(length, 0);
            let read = self.source.read_at(&mut self.buffer[there..], self.at + there as u64);
            let count = there + read.as_ref().copied().unwrap_or(0);
            self.buffer.truncate(count);
            read?;
            if count < length {
                // It is shorter than it was.
                self.end = self.at + count as u64;
            }
        }
        Ok(&self.buffer[self.next..])
    }

    /// Goes behind `count` bytes of those that were peeked at.
    pub(crate) fn pass(&mut self, count: usize) {
        self.at = (self.at + count as u64).min(self.end);
        if self.source.in_memory().is_none() {
            self.next = (self.next + count).min(self.buffer.len());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Bytes that are read some at a time, as those of a file are.
    pub(crate) struct Windowed<'a>(pub(crate) &'a [u8], pub(crate) usize);

    impl Source for Windowed<'_> {
        type Error = Infallible;

        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Infallible> {
            self.0.read_at(buffer, offset)
        }

        fn window(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn a_range_is_read_whatever_the_window() {
        let text = b"a few bytes that are read in pieces";
        for window in [1, 3, 100] {
            let source = Windowed(text, window);
            let mut reader = Reader::new(&source, 2..20);
            let mut read = Vec::new();
            loop {
                let Ok(bytes) = reader.peek(2);
                let Some(first) = bytes.first().copied() else { break };
                assert!(bytes.len() >= 2 || read.len() == 17);
                read.push(first);
                reader.pass(1);
            }
            assert_eq!(read, text[2..20], "{window}");
            let Ok(beyond) = Reader::new(&source, 30..99).peek(50).map(<[u8]>::to_vec);
            assert_eq!(beyond, text[30..]);
        }
    }

    /// A file that is cut short while it is read ends where it ends.
    #[test]
    fn a_source_that_shrank_ends_early() {
        struct Shrunk;
        impl Source for Shrunk {
            type Error = Infallible;
            fn size(&self) -> u64 {
                1_000
            }
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Infallible> {
                b"ten bytes.".read_at(buffer, offset)
            }
        }
        let mut reader = Reader::new(&Shrunk, 0..1_000);
        assert_eq!(reader.peek(500).map(<[u8]>::len), Ok(10));
        reader.pass(10);
        assert_eq!(reader.peek(1), Ok(&[][..]));
    }
}
