//! A message's file, open for reading. All who read messages do so through it, and need not
//! know that some are compressed: see [`crate::compressed`].
//!
//! Invariant S10 of crates/store/README.md.

use crate::compressed::{Compression, Expanded};
use crate::disk::read_at;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{disk_size, split, wire_size};
use mail::source::Source;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open message: a regular file, reached without following a symbolic link. It can be read
/// to its end also when it is renamed or removed meanwhile.
#[derive(Clone, Debug)]
pub struct MessageFile {
    content: Content,
    path: PathBuf,
    size: u64,
    modified: i64,
}

/// Where the message's bytes are.
#[derive(Clone, Debug)]
enum Content {
    File(Arc<File>),
    Expanded(Arc<Expanded>),
}

/// What is known of a message whose file was looked at, and not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Looked {
    /// INTERNALDATE in seconds since 1970: its mtime.
    pub(crate) date: i64,
    /// Bytes on disk.
    pub(crate) size: u64,
    /// RFC822.SIZE, where the name says it and fits the file.
    pub(crate) octets: Option<u64>,
}

impl MessageFile {
    /// Opens it; `None` when there is no such file.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_at(CWD, path.as_os_str().as_bytes(), || path.to_owned())
    }

    /// Opens the file `name` of a directory; `path` is where it is, for messages.
    pub(crate) fn open_at(
        directory: impl AsFd,
        name: &[u8],
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Option<Self>> {
        let Some((file, stat, path)) = open_regular(directory, name, path)? else { return Ok(None) };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let expanded = match Compression::of_file(&file, &path)? {
            None => None,
            Some(compression) => match compression.expand(&file, &path) {
                Ok(expanded) => Some(expanded),
                // What looked like compressed is the message itself.
                Err(error) if error.kind == ErrorKind::Damaged && disk_size(split(name).0) == Some(size) => {
                    None
                }
                Err(error) => return Err(error),
            },
        };
        let size = expanded.as_ref().map_or(size, Expanded::size);
        let content = match expanded {
            Some(expanded) => Content::Expanded(Arc::new(expanded)),
            None => Content::File(Arc::new(file)),
        };
        Ok(Some(Self { content, path, size, modified: stat.st_mtime }))
    }

    /// What one `lstat` tells of a message; `None` when there is no such file.
    pub(crate) fn look(path: &Path) -> Result<Option<Looked>> {
        Self::look_at(CWD, path.as_os_str().as_bytes(), || path.to_owned())
    }

    /// Likewise, of the file `name` of a directory; `path` is where it is, for messages.
    pub(crate) fn look_at(
        directory: impl AsFd,
        name: &[u8],
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Option<Looked>> {
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                Ok(Some(Looked { date: stat.st_mtime, size, octets: octets_by_name(name, size) }))
            }
            Ok(_) => Err(Error::new(ErrorKind::Damaged, "no regular file:", &path())),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::reading("cannot look at", &path(), error.into())),
        }
    }

    /// Bytes of the message: those on disk when it was opened or, if they are compressed, what
    /// they stand for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is compressed on disk: opening it once more costs decompressing all of it.
    pub fn is_compressed(&self) -> bool {
        matches!(self.content, Content::Expanded(_))
    }

    /// RFC822.SIZE, octets with CRLF, where the file's name says it and fits the file.
    pub(crate) fn octets_by_name(&self) -> Option<u64> {
        octets_by_name(self.path.as_os_str().as_bytes(), self.size)
    }

    /// RFC822.SIZE, counted: all of it is read.
    pub(crate) fn count_octets(&self) -> Result<u64> {
        let mut buffer = vec![0; 64 * 1024];
        let (mut offset, mut octets, mut last) = (0, 0, 0);
        loop {
            let count = self.read_at(&mut buffer, offset)?;
            if count == 0 {
                return Ok(octets);
            }
            octets += mail::crlf::octets(&buffer[..count], last == b'\r');
            last = buffer[count - 1];
            offset += count as u64;
        }
    }

    /// INTERNALDATE in seconds since 1970: its mtime when it was opened.
    pub fn internal_date(&self) -> i64 {
        self.modified
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the message.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        match &self.content {
            Content::File(file) => read_at(file, buffer, offset, &self.path),
            Content::Expanded(expanded) => expanded.read_at(buffer, offset, &self.path),
        }
    }

    /// Appends up to `wanted` bytes at `offset` to `bytes`; fewer only at the end of the message.
    pub fn append_to(&self, bytes: &mut Vec<u8>, wanted: usize, offset: u64) -> Result<()> {
        let from = bytes.len();
        let Content::File(file) = &self.content else {
            let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
            bytes.resize(from + wanted.min(left), 0);
            let count = self.read_at(&mut bytes[from..], offset)?;
            bytes.truncate(from + count);
            return Ok(());
        };
        bytes.reserve_exact(wanted);
        while bytes.len() - from < wanted {
            let at = offset + (bytes.len() - from) as u64;
            match rustix::io::pread(file, spare_capacity(bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Error::reading("cannot read", &self.path, error.into())),
            }
        }
        bytes.truncate(from.saturating_add(wanted));
        Ok(())
    }

    /// All of it.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes, usize::try_from(self.size).unwrap_or(usize::MAX), 0)?;
        Ok(bytes)
    }

    /// The header with the empty line that ends it, and not more than a block or two beyond;
    /// at most `limit` bytes.
    pub fn read_header(&self, limit: usize) -> Result<Vec<u8>> {
        const BLOCK: usize = 8 * 1024;
        let mut bytes = Vec::new();
        loop {
            let from = bytes.len();
            let wanted = BLOCK.max(from).min(limit - from);
            self.append_to(&mut bytes, wanted, from as u64)?;
            if bytes.len() - from < wanted || bytes.len() >= limit || has_empty_line(&bytes, from) {
                return Ok(bytes);
            }
        }
    }
}

/// What the name at the end of `path` says of a message of `content` bytes.
fn octets_by_name(path: &[u8], content: u64) -> Option<u64> {
    let name = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
    wire_size(split(name).0, content)
}

impl Source for MessageFile {
    type Error = Error;

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.read_at(buffer, offset)
    }
}

/// Whether an empty line ends after `from`.
fn has_empty_line(bytes: &[u8], from: usize) -> bool {
    let start = from.saturating_sub(3);
    memchr::memchr_iter(b'\n', &bytes[start..]).any(|at| {
        let rest = &bytes[start + at + 1..];
        rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    }) || bytes.starts_with(b"\n")
        || bytes.starts_with(b"\r\n")
}

/// Opens a file of mail as it lies there; `None` when it is gone.
pub(crate) fn open_regular(
    directory: impl AsFd,
    name: &[u8],
    path: impl FnOnce() -> PathBuf,
) -> Result<Option<(File, Stat, PathBuf)>> {
    // A FIFO would wait for a writer without NONBLOCK; it is refused right after.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Error::reading("cannot open", &path(), error.into())),
    };
    let path = path();
    let stat =
        rustix::fs::fstat(&file).map_err(|error| Error::reading("cannot look at", &path, error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Some((file, stat, path))),
        _ => Err(Error::new(ErrorKind::Damaged, "no regular file:", &path)),
    }
}
