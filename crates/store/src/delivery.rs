//! Messages on their way in: files in `tmp/`.

use crate::error::Result;
use mail::{UidSet, UidValidity};

/// A message being written to `tmp/`, with CRLF turned into LF. Dropped without being
/// appended, its file is removed.
#[derive(Debug)]
pub struct Delivery {
    written: u64,
}

/// What an append gave the messages (RFC 4315).
#[derive(Clone, Debug)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: UidValidity,
    /// UIDs in the order of the messages, ascending.
    pub uids: UidSet,
}

impl Delivery {
    /// Writes the next bytes. An error leaves nothing behind once the delivery is dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let _ = (bytes, self.written);
        todo!()
    }
}
