//! Messages on their way in: files in `tmp/`.

use crate::compressed::{self, Compression};
use crate::disk::private_file;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::unique;
use crate::quota::Room;
use crate::temporary::Temporary;
use mail::crlf::{ToDisk, octets};
use mail::{UidSet, UidValidity};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// A message being written to `tmp/`, with CRLF turned into LF. Dropped without being
/// appended, its file is removed.
#[derive(Debug)]
pub struct Delivery {
    file: File,
    temporary: Temporary,
    /// What the quota keeps for it.
    room: Option<Room>,
    converter: ToDisk,
    /// Bytes written.
    on_disk: u64,
    /// What they are when sent.
    on_wire: u64,
    last: u8,
    /// The first bytes, by which a compressed message is known.
    head: Vec<u8>,
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
    /// Makes the file in `tmp/` of a mailbox's directory.
    pub(crate) fn create(directory: &Path, hostname: &str) -> Result<Self> {
        let base = unique(hostname);
        let path = directory.join("tmp").join(&base);
        let file = private_file(&path).map_err(|error| Error::io("cannot create", &path, error))?;
        let temporary = Temporary::new(path, base);
        let head = Vec::new();
        Ok(Self {
            file,
            temporary,
            room: None,
            converter: ToDisk::new(),
            on_disk: 0,
            on_wire: 0,
            last: 0,
            head,
        })
    }

    /// Room was kept for it.
    pub(crate) fn with_room(self, room: Option<Room>) -> Self {
        Self { room, ..self }
    }

    /// Takes the room that was kept for it.
    pub(crate) fn take_room(&mut self) -> Option<Room> {
        self.room.take()
    }

    /// Writes the next bytes. An error leaves nothing behind once the delivery is dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut converted = Vec::with_capacity(bytes.len());
        self.converter.convert(bytes, &mut converted);
        self.write_converted(&converted)
    }

    /// Ends the message: all of it is on disk when this returns, dated `date` (seconds since
    /// 1970) where one is given. `Compressed` for a message that would be read as another one,
    /// because it begins like a compressed file.
    pub(crate) fn finish(mut self, date: Option<i64>) -> Result<Temporary> {
        let mut converted = Vec::new();
        std::mem::take(&mut self.converter).finish(&mut converted);
        self.write_converted(&converted)?;
        let path = &self.temporary.path;
        if let Some(compression) = Compression::of(&self.head) {
            let source = Some(std::io::Error::other(format!("it begins like {compression}")));
            let doing = "messages are stored as they are, not compressed:";
            return Err(Error { source, ..Error::new(ErrorKind::Compressed, doing, path) });
        }
        if let Some(date) = date {
            // Dates before 1970 are legal in INTERNALDATE, and not worth a failure.
            let time = UNIX_EPOCH + Duration::from_secs(u64::try_from(date).unwrap_or(0));
            self.file.set_modified(time).map_err(|error| Error::io("cannot date", path, error))?;
        }
        self.file.sync_all().map_err(|error| Error::io("cannot sync", path, error))?;
        let base = format!("{},S={},W={}", self.temporary.base, self.on_disk, self.on_wire);
        self.temporary.base = base;
        Ok(self.temporary)
    }

    fn write_converted(&mut self, converted: &[u8]) -> Result<()> {
        let wanted = compressed::HEAD.saturating_sub(self.head.len()).min(converted.len());
        self.head.extend_from_slice(&converted[..wanted]);
        let written = self.file.write_all(converted);
        written.map_err(|error| Error::io("cannot write", &self.temporary.path, error))?;
        self.on_disk += converted.len() as u64;
        self.on_wire += octets(converted, self.last == b'\r');
        self.last = converted.last().copied().unwrap_or(self.last);
        Ok(())
    }
}
