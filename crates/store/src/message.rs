//! A message's file, open for reading.

use crate::error::Result;
use std::fs::File;

/// An open message: a regular file, reached without following a symbolic link. It can be read
/// to its end also when it is renamed or removed meanwhile.
#[derive(Debug)]
pub struct MessageFile {
    file: File,
    size: u64,
}

impl MessageFile {
    /// Bytes on disk when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let _ = (buffer, offset, &self.file);
        todo!()
    }

    /// All of it.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        todo!()
    }

    /// The header with the empty line that ends it, and not more than a block or two beyond;
    /// at most `limit` bytes.
    pub fn read_header(&self, limit: usize) -> Result<Vec<u8>> {
        let _ = limit;
        todo!()
    }
}
