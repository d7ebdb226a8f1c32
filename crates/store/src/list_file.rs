//! `restante-uidlist` as a file: reading what is new, appending durably, checkpoints.

use crate::error::{Error, ErrorKind, Result};
use crate::uid_list::{Line, parse, write};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Largest list that is read, in bytes: some ten million messages.
const SIZE_MAX: u64 = 1 << 30;

/// The list of a mailbox, as far as it was read. All that changes it wants the mailbox's lock.
#[derive(Debug)]
pub(crate) struct ListFile {
    path: PathBuf,
    /// Which file was read, and how far; `None` before the first reading.
    read: Option<Position>,
    /// Lines in the file: what a checkpoint would save.
    lines: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Position {
    device: u64,
    inode: u64,
    length: u64,
}

/// What reading gave.
#[derive(Debug)]
pub(crate) enum News {
    /// Nothing new.
    Nothing,
    /// These lines were appended by others.
    Appended(Vec<Line>),
    /// All lines, as the file is another one. `damaged` lines were passed over; with `torn`,
    /// its last line does not end.
    Whole { lines: Vec<Line>, damaged: usize, torn: bool },
    /// There is no list.
    Missing,
}

impl ListFile {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { path: directory.join("restante-uidlist"), read: None, lines: 0 }
    }

    /// Whether the file on disk is the one that was read, to its end. Costs one `stat`.
    pub(crate) fn is_current(&self) -> bool {
        let found = std::fs::symlink_metadata(&self.path).ok().map(|metadata| Position {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
        });
        self.read.is_some() && found == self.read
    }

    /// Reads what is new.
    pub(crate) fn news(&mut self) -> Result<News> {
        if self.is_current() {
            return Ok(News::Nothing);
        }
        let Some(file) = self.open(OFlags::RDONLY)? else {
            self.read = None;
            return Ok(News::Missing);
        };
        let metadata = file.metadata().map_err(|error| self.error("cannot look at", error))?;
        if metadata.len() > SIZE_MAX {
            return Err(Error::new(ErrorKind::Damaged, "larger than any UID list:", &self.path));
        }
        let known = self.read.filter(|read| {
            (read.device, read.inode) == (metadata.dev(), metadata.ino()) && read.length <= metadata.len()
        });
        let from = known.map_or(0, |read| read.length);
        let mut bytes = vec![0; usize::try_from(metadata.len() - from).unwrap_or(0)];
        file.read_exact_at(&mut bytes, from).map_err(|error| self.error("cannot read", error))?;
        let parsed = parse(&bytes);
        let length = from + parsed.consumed as u64;
        self.read = Some(Position { device: metadata.dev(), inode: metadata.ino(), length });
        let torn = parsed.consumed < bytes.len();
        if known.is_some() && parsed.damaged == 0 && !torn {
            self.lines += parsed.lines.len();
            return Ok(News::Appended(parsed.lines));
        }
        if known.is_some() {
            // Not what the lock promises: everything is read again, and written anew.
            self.read = None;
            return self.news();
        }
        self.lines = parsed.lines.len();
        Ok(News::Whole { lines: parsed.lines, damaged: parsed.damaged, torn })
    }

    /// Appends lines, with one write; they are durable when this returns with `durable`. On an
    /// error the file is as before.
    pub(crate) fn append(&mut self, lines: &[Line], durable: bool) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let Some(read) = self.read else {
            return Err(Error::new(ErrorKind::Io, "was not read before writing to", &self.path));
        };
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| write(&mut bytes, line));
        let file = self.open(OFlags::WRONLY | OFlags::APPEND)?;
        let mut file = file.ok_or_else(|| Error::new(ErrorKind::Deleted, "is gone:", &self.path))?;
        let written = file.write_all(&bytes).and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // What was written of it would be read as a torn line; better without.
            let _ = file.set_len(read.length);
            return Err(self.error("cannot append to", error));
        }
        self.read = Some(Position { length: read.length + bytes.len() as u64, ..read });
        self.lines += lines.len();
        Ok(())
    }

    /// Replaces the list by these lines, durably. On an error the list is as before.
    pub(crate) fn replace(&mut self, lines: &[Line]) -> Result<()> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| write(&mut bytes, line));
        write_durably(&self.path, &bytes)?;
        let metadata =
            std::fs::symlink_metadata(&self.path).map_err(|error| self.error("cannot look at", error))?;
        self.read =
            Some(Position { device: metadata.dev(), inode: metadata.ino(), length: bytes.len() as u64 });
        self.lines = lines.len();
        Ok(())
    }

    /// Whether most of the file's lines are history. `live` lines would do.
    pub(crate) fn wants_checkpoint(&self, live: usize) -> bool {
        self.lines > 1000 + 4 * live
    }

    fn open(&self, access: OFlags) -> Result<Option<File>> {
        let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file: File = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.error("cannot open", error.into())),
        };
        let metadata = file.metadata().map_err(|error| self.error("cannot look at", error))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Damaged, "no regular file:", &self.path));
        }
        Ok(Some(file))
    }

    fn error(&self, doing: &'static str, error: std::io::Error) -> Error {
        Error::io(doing, &self.path, error)
    }
}

/// Writes a file as a whole: a new one beside it, synced, renamed into place, the directory
/// synced. A crash leaves the old one or the new one.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp.{}", std::process::id()));
    let temporary = PathBuf::from(name);
    // A leftover of a process with our number that crashed.
    let _ = std::fs::remove_file(&temporary);
    let written = crate::delivery::private_file(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(Error::io("cannot write", path, error));
    }
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes what happened in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|error| Error::io("cannot sync", directory, error))
}

/// Reads a small file of text whole; `None` when it is missing. It is input like any other:
/// no regular file, or larger than `max` bytes, is an error.
pub(crate) fn read_small(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Error::io("cannot open", path, error.into())),
    };
    let metadata = file.metadata().map_err(|error| Error::io("cannot look at", path, error))?;
    if !metadata.is_file() || metadata.len() > max {
        return Err(Error::new(ErrorKind::Damaged, "no regular file of sensible size:", path));
    }
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes).map_err(|error| Error::io("cannot read", path, error))?;
    Ok(Some(bytes))
}
