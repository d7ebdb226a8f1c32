//! A message's file, open for reading.

use crate::error::{Error, ErrorKind, Result};
use mail::source::Source;
use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// An open message: a regular file, reached without following a symbolic link. It can be read
/// to its end also when it is renamed or removed meanwhile.
#[derive(Debug)]
pub struct MessageFile {
    file: File,
    path: PathBuf,
    size: u64,
    modified: i64,
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
        // A FIFO would wait for a writer without NONBLOCK; it is refused right after.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::io("cannot open", &path(), error.into())),
        };
        let path = path();
        let stat =
            rustix::fs::fstat(&file).map_err(|error| Error::io("cannot look at", &path, error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::new(ErrorKind::Damaged, "no regular file:", &path));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Some(Self { file: file.into(), path, size, modified: stat.st_mtime }))
    }

    /// INTERNALDATE of a message in seconds since 1970: its mtime. `None` when there is no such
    /// file.
    pub(crate) fn date_of(path: &Path) -> Result<Option<i64>> {
        match rustix::fs::lstat(path) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(stat.st_mtime))
            }
            Ok(_) => Err(Error::new(ErrorKind::Damaged, "no regular file:", path)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io("cannot look at", path, error.into())),
        }
    }

    /// Bytes on disk when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// INTERNALDATE in seconds since 1970: its mtime when it was opened.
    pub fn internal_date(&self) -> i64 {
        self.modified
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("cannot read", &self.path, error)),
            }
        }
        Ok(filled)
    }

    /// Appends up to `wanted` bytes at `offset` to `bytes`; fewer only at the end of the file.
    pub fn append_to(&self, bytes: &mut Vec<u8>, wanted: usize, offset: u64) -> Result<()> {
        let from = bytes.len();
        bytes.reserve_exact(wanted);
        while bytes.len() - from < wanted {
            let at = offset + (bytes.len() - from) as u64;
            match rustix::io::pread(&self.file, spare_capacity(bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Error::io("cannot read", &self.path, error.into())),
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
