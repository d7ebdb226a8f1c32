//! Compressed messages, as Dovecot's zlib plug-in leaves them in a Maildir.
//!
//! The plug-in knows a compressed file by its first bytes, whatever its name, and so do we:
//!
//! | first bytes | kind | |
//! |---|---|---|
//! | `1f 8b` | gzip (RFC 1952) | read |
//! | `28 b5 2f fd` | zstd (RFC 8878) | read |
//! | `BZh1` to `BZh9`, `31 41 59 26 53 59` | bzip2 | refused |
//! | `fd 37 7a 58 5a 00` | xz | refused |
//! | `Dovecot-LZ4`, `0d 2a 9b c5` | LZ4, in Dovecot's framing | refused |
//!
//! A message that is no more than text may begin like that too, and is served as it is. It is
//! text if there is no control character in what follows the first bytes: each of the formats
//! has binary numbers there. And a file that does not decompress, but is as long as `,S=` in its
//! name says, is the message itself, since Dovecot writes the size before compression.
//!
//! A message is decompressed as a whole when it is opened: into memory if it is short, else into
//! a file without a name. It can then be read at any place, as often as is needed.

use crate::disk::read_at;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::disk_size;
use crate::scan::Place;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest decompressed message that is kept in memory, in bytes: a session may hold one while its
/// client reads it window by window.
const MEMORY_MAX: usize = 256 * 1024;

/// Longest message after decompression, in bytes: some hundred bytes can stand for gigabytes.
const EXPANDED_MAX: u64 = 256 * 1024 * 1024;

/// Bytes from a file's beginning by which its kind is told.
pub(crate) const HEAD: usize = 4096;

/// How a message is compressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// LZ4, in Dovecot's framing.
    Lz4,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "LZ4",
        })
    }
}

/// A decompressed message.
#[derive(Debug)]
pub(crate) enum Expanded {
    Memory(Vec<u8>),
    File(File, u64),
}

impl Compression {
    /// What the first bytes of a file say; `None` for a message that is not compressed.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let (kind, length) = match head {
            // Compression method 8 is the only one; the upper flags are reserved.
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => (Self::Gzip, 4),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => (Self::Zstd, 4),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => (Self::Bzip2, 10),
            [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ..] => (Self::Xz, 6),
            _ if head.starts_with(b"Dovecot-LZ4\x0d\x2a\x9b\xc5") => (Self::Lz4, 15),
            _ => return None,
        };
        let rest = &head[length..head.len().min(HEAD)];
        // ISO-2022 texts have ESC.
        let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b | 0x20..=0x7e | 0x80..);
        (!rest.iter().all(is_text)).then_some(kind)
    }

    /// What the first bytes of an open file say.
    pub(crate) fn of_file(file: &File, path: &Path) -> Result<Option<Self>> {
        let mut head = [0; HEAD];
        // Nearly all files are told from these.
        let length = read_at(file, &mut head[..4], 0, path)?;
        if !matches!(
            head[..length],
            [0x1f, 0x8b, ..] | [0x28, 0xb5, ..] | [b'B', b'Z', ..] | [0xfd, 0x37, ..]
        ) && head[..length] != *b"Dove"
        {
            return Ok(None);
        }
        let length = read_at(file, &mut head, 0, path)?;
        Ok(Self::of(&head[..length]))
    }

    /// Whether messages of this kind can be read.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd)
    }
    /// The message in `file`. `Compressed` for a kind that is not read, `Limit` for a message
    /// that is too long, `Damaged` for what is cut off or broken.
    pub(crate) fn expand(self, file: &File, path: &Path) -> Result<Expanded> {
        let mut sink = Sink { path, memory: Vec::new(), file: None, size: 0 };
        let source = BufReader::with_capacity(64 * 1024, FromStart { file, position: 0 });
        match self {
            Self::Gzip => sink.take_all(flate2::bufread::MultiGzDecoder::new(source))?,
            Self::Zstd => sink.take_frames(source)?,
            Self::Bzip2 | Self::Xz | Self::Lz4 => {
                let doing = "compressed in a way that is not supported:";
                let source = Some(std::io::Error::other(format!("{self} is not read")));
                return Err(Error { source, ..Error::new(ErrorKind::Compressed, doing, path) });
            }
        }
        Ok(match sink.file {
            Some(file) => Expanded::File(file, sink.size),
            None => Expanded::Memory(sink.memory),
        })
    }
}

/// How many of a mailbox's messages are compressed, by kind. A file that is as long as its name
/// says is not looked into.
pub(crate) fn count<'a>(
    directory: &Path,
    files: impl Iterator<Item = (Place, &'a [u8], &'a [u8])>,
) -> Result<BTreeMap<Compression, usize>> {
    let mut counts = BTreeMap::new();
    for (place, base, suffix) in files {
        let name = [base, suffix].concat();
        let path = directory.join(place.directory()).join(OsStr::from_bytes(&name));
        let metadata = std::fs::symlink_metadata(&path);
        // One that was renamed or removed meanwhile, or is no file, is not counted.
        let is_doubtful =
            |metadata: std::fs::Metadata| metadata.is_file() && disk_size(base) != Some(metadata.len());
        if !metadata.is_ok_and(is_doubtful) {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        if let Some(kind) = Compression::of_file(&file, &path)? {
            *counts.entry(kind).or_default() += 1;
        }
    }
    Ok(counts)
}

impl Expanded {
    /// Bytes of the message.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, size) => *size,
        }
    }

    /// Reads like [`crate::MessageFile::read_at`].
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64, path: &Path) -> Result<usize> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let count = buffer.len().min(bytes.len() - start);
                buffer[..count].copy_from_slice(&bytes[start..start + count]);
                Ok(count)
            }
            Self::File(file, _) => read_at(file, buffer, offset, path),
        }
    }
}

/// Reads a file from its beginning, wherever its own position is.
struct FromStart<'a> {
    file: &'a File,
    position: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Where a decompressed message goes.
struct Sink<'a> {
    /// The compressed file.
    path: &'a Path,
    memory: Vec<u8>,
    /// In the place of `memory`, once the message is too long for it.
    file: Option<File>,
    size: u64,
}

impl Sink<'_> {
    fn take_all(&mut self, mut source: impl Read) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.take(&buffer[..count])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Frames one after the other, as RFC 8878 section 3 allows; skippable ones are skipped.
    fn take_frames(&mut self, mut source: impl BufRead) -> Result<()> {
        while !source.fill_buf().map_err(|error| self.failed(error))?.is_empty() {
            let mut decoder = match StreamingDecoder::new(&mut source) {
                Ok(decoder) => decoder,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped =
                        std::io::copy(&mut source.by_ref().take(length.into()), &mut std::io::sink());
                    skipped.map_err(|error| self.failed(error))?;
                    continue;
                }
                Err(error) => return Err(self.failed(std::io::Error::other(error))),
            };
            self.take_all(&mut decoder)?;
            let decoder = decoder.into_frame_decoder();
            let said = decoder.get_checksum_from_data();
            if said.is_some() && said != decoder.get_calculated_checksum() {
                return Err(self.failed(std::io::Error::other("its checksum is wrong")));
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > EXPANDED_MAX {
            let doing = "too long after decompression:";
            return Err(Error::new(ErrorKind::Limit, doing, self.path));
        }
        if self.file.is_none() && self.memory.len() + bytes.len() <= MEMORY_MAX {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let cannot_write = |error| Error::io("cannot write the decompressed", self.path, error);
        if self.file.is_none() {
            let mut file = without_name(self.path).map_err(cannot_write)?;
            file.write_all(&self.memory).map_err(cannot_write)?;
            (self.memory, self.file) = (Vec::new(), Some(file));
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes)).map_err(cannot_write)
    }

    /// An error of the system is that; anything else says that the file is damaged.
    fn failed(&self, error: std::io::Error) -> Error {
        if error.raw_os_error().is_some() {
            return Error::io("cannot read", self.path, error);
        }
        let doing = "compressed, and damaged:";
        Error { source: Some(error), ..Error::new(ErrorKind::Damaged, doing, self.path) }
    }
}

/// A file that goes away when it is closed: in the mailbox's `tmp/`, where mail may lie and there
/// is room for it, else in the system's directory for temporary files.
fn without_name(message: &Path) -> std::io::Result<File> {
    let tmp = message.parent().and_then(Path::parent).map(|mailbox| mailbox.join("tmp"));
    let mut failed = std::io::Error::from(std::io::ErrorKind::NotFound);
    for directory in tmp.into_iter().chain([std::env::temp_dir()]) {
        match without_name_in(&directory) {
            Ok(file) => return Ok(file),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn without_name_in(directory: &Path) -> std::io::Result<File> {
    let (flags, mode) = (OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    match rustix::fs::openat(CWD, directory, flags | OFlags::TMPFILE, mode) {
        Ok(file) => return Ok(file.into()),
        // Some file systems have no such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let path: PathBuf = directory.join(crate::file_name::unique("decompressed"));
    let file = rustix::fs::openat(CWD, &path, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
    std::fs::remove_file(&path)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests;
