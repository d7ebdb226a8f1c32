//! `restante-uidlist` as a file: reading what is new, appending durably, checkpoints.

use crate::disk::replace_durably;
use crate::error::{Error, ErrorKind, Result};
use crate::own_files;
use crate::uid_list::{Line, Reader, VERSION, write};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Largest list that is read, in bytes: some ten million messages.
const SIZE_MAX: u64 = 1 << 30;

/// Bytes read or written at once.
const PIECE: usize = 1 << 20;

/// The list of a mailbox, as far as it was read. All that changes it wants the mailbox's lock.
#[derive(Debug)]
pub(crate) struct ListFile {
    path: PathBuf,
    /// Which file was read, and how far; `None` before the first reading.
    read: Option<Position>,
    /// Lines in the file, as far as it was read.
    lines: usize,
    /// The file cannot be written: what is written goes nowhere, and the file stays as it was read.
    in_memory: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Position {
    device: u64,
    inode: u64,
    length: u64,
}

/// What [`ListFile::news`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// Nothing new.
    Nothing,
    /// Others appended to the list: [`ListFile::read_on`].
    Appended,
    /// The file is another one: [`ListFile::read_whole`].
    Whole,
    /// There is no list.
    Missing,
}

/// What reading gave, beside lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Read {
    /// Lines that were passed over.
    pub(crate) damaged: usize,
    /// The last line does not end.
    pub(crate) torn: bool,
}

/// A place in a list, by which it is known again: which file, how far, and what stands before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ListMark {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) length: u64,
    /// CRC-32 of the bytes before the place, as far as [`ListMark::CHECKED`] goes.
    pub(crate) checksum: u32,
    /// Lines up to it.
    pub(crate) lines: u64,
}

impl ListMark {
    /// Bytes that the checksum covers. They have the newest UIDs and MODSEQs in them: two
    /// lists that agree here are one.
    const CHECKED: u64 = 4096;
}

impl ListFile {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { path: directory.join(own_files::UID_LIST), read: None, lines: 0, in_memory: false }
    }

    /// From here on what is written goes nowhere: the list is what is in memory, and no more that
    /// of the file, if there is one.
    pub(crate) fn go_into_memory(&mut self) -> Result<()> {
        (self.read, self.in_memory) = (self.found()?, true);
        Ok(())
    }

    /// Whether what is written goes nowhere.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Whether the file on disk is the one that was read, to its end. Costs one `stat`.
    pub(crate) fn is_current(&self) -> bool {
        let is_known = self.in_memory || self.read.is_some();
        is_known && self.found().is_ok_and(|found| found == self.read)
    }

    fn found(&self) -> Result<Option<Position>> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(metadata) => {
                Ok(Some(Position { device: metadata.dev(), inode: metadata.ino(), length: metadata.len() }))
            }
            Err(error) if crate::disk::is_missing(&error) => Ok(None),
            Err(error) => Err(self.reading("cannot look at", error)),
        }
    }

    /// What there is to read.
    pub(crate) fn news(&mut self) -> Result<News> {
        let found = self.found()?;
        Ok(match (self.read, found) {
            (read, found) if self.in_memory && read == found => News::Nothing,
            (_, None) => {
                self.read = None;
                News::Missing
            }
            (Some(read), Some(found)) if read == found => News::Nothing,
            (Some(read), Some(found))
                if (read.device, read.inode) == (found.device, found.inode) && read.length < found.length =>
            {
                News::Appended
            }
            _ => News::Whole,
        })
    }

    /// Reads what was appended. Where it is not as the lock promises (`damaged` or `torn`), the
    /// list is to be read whole.
    pub(crate) fn read_on(&mut self, take: &mut dyn FnMut(Line<'_>)) -> Result<Read> {
        let from = self.read.map_or(0, |read| read.length);
        let before = self.lines;
        let read = self.read_from(from, take)?;
        self.lines += before;
        if read.damaged > 0 || read.torn {
            self.read = None;
        }
        Ok(read)
    }

    /// Reads all of it.
    pub(crate) fn read_whole(&mut self, take: &mut dyn FnMut(Line<'_>)) -> Result<Read> {
        self.read_from(0, take)
    }

    fn read_from(&mut self, from: u64, take: &mut dyn FnMut(Line<'_>)) -> Result<Read> {
        let Some(file) = self.open(OFlags::RDONLY)? else {
            self.read = None;
            return Err(Error::new(ErrorKind::Deleted, "is gone:", &self.path));
        };
        let metadata = file.metadata().map_err(|error| self.reading("cannot look at", error))?;
        if metadata.len() > SIZE_MAX {
            return Err(Error::new(ErrorKind::Damaged, "larger than any UID list:", &self.path));
        }
        let mut reader = Reader::default();
        // Somebody who asks for no lock may have cut it off meanwhile.
        let left = metadata.len().saturating_sub(from);
        let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        let mut at = from;
        while at < metadata.len() {
            let count = file.read_at(&mut buffer, at).map_err(|error| self.reading("cannot read", error))?;
            if count == 0 {
                break;
            }
            reader.read(&buffer[..count], take);
            at += count as u64;
        }
        if let Some(version) = reader.newer {
            self.read = None;
            return Err(Error::newer(&self.path, version, VERSION));
        }
        self.lines = reader.lines;
        let (device, inode, length) = (metadata.dev(), metadata.ino(), from + reader.consumed);
        self.read = Some(Position { device, inode, length });
        Ok(Read { damaged: reader.damaged, torn: reader.is_torn() })
    }

    /// Appends lines; they are durable when this returns with `durable`. On an error the file
    /// is as before.
    pub(crate) fn append<'a>(
        &mut self,
        lines: impl IntoIterator<Item = Line<'a>>,
        durable: bool,
    ) -> Result<()> {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_none() || self.in_memory {
            return Ok(());
        }
        let Some(read) = self.read else {
            return Err(Error::new(ErrorKind::Io, "was not read before writing to", &self.path));
        };
        let file = self.open(OFlags::WRONLY | OFlags::APPEND)?;
        let mut file = file.ok_or_else(|| Error::new(ErrorKind::Deleted, "is gone:", &self.path))?;
        let written = write_lines(&mut file, lines)
            .and_then(|written| if durable { file.sync_data().map(|()| written) } else { Ok(written) });
        match written {
            Ok((bytes, lines)) => {
                self.read = Some(Position { length: read.length + bytes, ..read });
                self.lines += lines;
                Ok(())
            }
            Err(error) => {
                // What was written of it would be read as a torn line; better without.
                let _ = file.set_len(read.length);
                Err(self.error("cannot append to", error))
            }
        }
    }

    /// Makes durable what was appended without being so.
    pub(crate) fn sync(&self) -> Result<()> {
        if self.in_memory {
            return Ok(());
        }
        let file = self.open(OFlags::WRONLY)?;
        let file = file.ok_or_else(|| Error::new(ErrorKind::Deleted, "is gone:", &self.path))?;
        file.sync_data().map_err(|error| self.error("cannot sync", error))
    }

    /// Replaces the list by these lines, durably. On an error the list is as before.
    pub(crate) fn replace<'a>(&mut self, lines: impl IntoIterator<Item = Line<'a>>) -> Result<()> {
        if self.in_memory {
            return Ok(());
        }
        let mut count = 0;
        let replaced = replace_durably(&self.path, |file| {
            count = write_lines(file, lines)?.1;
            Ok(())
        });
        if let Err(error) = replaced {
            // It may stand there all the same, and not be durable: then it is to be read.
            self.read = self.read.filter(|_| self.is_current());
            return Err(error);
        }
        self.read = self.found()?;
        self.lines = count;
        Ok(())
    }

    /// The place up to which the list was read.
    pub(crate) fn mark(&self) -> Result<Option<ListMark>> {
        if self.in_memory {
            return Ok(None);
        }
        let (Some(read), Some(file)) = (self.read, self.open(OFlags::RDONLY)?) else { return Ok(None) };
        let checksum = self.checksum(&file, read.length)?;
        let Position { device, inode, length } = read;
        Ok(checksum.map(|checksum| ListMark { device, inode, length, checksum, lines: self.lines as u64 }))
    }

    /// Takes the list as read up to a mark that was made of it; whether it is that list.
    pub(crate) fn resume(&mut self, mark: &ListMark) -> Result<bool> {
        let found = self.found()?;
        let same = found.is_some_and(|found| {
            (found.device, found.inode) == (mark.device, mark.inode) && found.length >= mark.length
        });
        if !same {
            return Ok(false);
        }
        let Some(file) = self.open(OFlags::RDONLY)? else { return Ok(false) };
        if self.checksum(&file, mark.length)? != Some(mark.checksum) {
            return Ok(false);
        }
        self.read = Some(Position { device: mark.device, inode: mark.inode, length: mark.length });
        self.lines = usize::try_from(mark.lines).unwrap_or(usize::MAX / 2);
        Ok(true)
    }

    fn checksum(&self, file: &File, end: u64) -> Result<Option<u32>> {
        let start = end.saturating_sub(ListMark::CHECKED);
        let mut bytes = vec![0; (end - start) as usize];
        match file.read_exact_at(&mut bytes, start) {
            Ok(()) => Ok(Some(crc32fast::hash(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(self.reading("cannot read", error)),
        }
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
            Err(error) if access == OFlags::RDONLY => return Err(self.reading("cannot open", error.into())),
            Err(error) => return Err(self.error("cannot open", error.into())),
        };
        let metadata = file.metadata().map_err(|error| self.reading("cannot look at", error))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Damaged, "no regular file:", &self.path));
        }
        Ok(Some(file))
    }

    fn reading(&self, doing: &'static str, error: std::io::Error) -> Error {
        Error::reading(doing, &self.path, error)
    }

    fn error(&self, doing: &'static str, error: std::io::Error) -> Error {
        Error::io(doing, &self.path, error)
    }
}

/// Writes lines, piece by piece; how many bytes and lines.
fn write_lines<'a>(
    file: &mut File,
    lines: impl IntoIterator<Item = Line<'a>>,
) -> std::io::Result<(u64, usize)> {
    let (mut buffer, mut bytes, mut count) = (Vec::new(), 0, 0);
    for line in lines {
        write(&mut buffer, &line);
        count += 1;
        if buffer.len() >= PIECE {
            file.write_all(&buffer)?;
            bytes += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all(&buffer)?;
    Ok((bytes + buffer.len() as u64, count))
}
