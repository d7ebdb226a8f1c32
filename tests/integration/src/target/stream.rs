//! A connection over TCP or TLS.

use crate::response::literal_size;
use crate::target::Connection;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

/// How long a line may take: only a server that hangs takes it. Longer than a source of users may.
const WAIT: Duration = Duration::from_secs(40);
/// How long a surplus line is waited for.
const SURPLUS_WAIT: Duration = Duration::from_millis(20);

/// A byte stream whose waits can be bounded.
pub trait Bytes: Read + Write {
    /// Bounds the next reads.
    fn set_wait(&mut self, wait: Duration);
}

impl Bytes for std::net::TcpStream {
    fn set_wait(&mut self, wait: Duration) {
        self.set_read_timeout(Some(wait)).expect("a read time-out");
    }
}

/// A client's end of a byte stream.
pub struct Stream<S> {
    bytes: S,
    read: Vec<u8>,
}

impl<S: Bytes> Stream<S> {
    /// Over `bytes`.
    pub fn new(bytes: S) -> Self {
        Self { bytes, read: Vec::new() }
    }

    /// What is below, with nothing of it read ahead.
    pub fn into_inner(self) -> S {
        assert!(self.read.is_empty(), "read ahead: {}", String::from_utf8_lossy(&self.read));
        self.bytes
    }

    /// Puts a line before what is read next.
    pub fn unread(&mut self, line: &[u8]) {
        self.read.splice(0..0, line.iter().copied());
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = complete(&self.read)?;
        let rest = self.read.split_off(end);
        Some(std::mem::replace(&mut self.read, rest))
    }

    fn line_within(&mut self, wait: Duration) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            self.bytes.set_wait(wait);
            let mut buffer = [0; 16 * 1024];
            match self.bytes.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

impl<S: Bytes + Send> Connection for Stream<S> {
    fn send(&mut self, bytes: &[u8]) {
        // A server that closed is noticed when it is read from.
        let _ = self.bytes.write_all(bytes).and_then(|()| self.bytes.flush());
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        self.line_within(WAIT)
    }

    fn surplus(&mut self) -> Option<Vec<u8>> {
        self.line_within(SURPLUS_WAIT)
    }
}

/// Where the first line ends, literals included, if it is whole.
pub fn complete(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let end = start + bytes[start..].iter().position(|&b| b == b'\n')? + 1;
        match literal_size(&bytes[start..end]) {
            None => return Some(end),
            Some(size) => start = end + size,
        }
        if start > bytes.len() {
            return None;
        }
    }
}
