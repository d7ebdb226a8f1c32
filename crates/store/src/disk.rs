//! Files of ours on the disk: written durably and as wholes, small ones read with suspicion.

use crate::error::{Error, ErrorKind, Result};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Writes a file as a whole: see [`replace_durably`].
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_durably(path, |file| file.write_all(bytes))
}

/// Writes a file as a whole: a new one beside it, synced, renamed into place, the directory
/// synced. A crash leaves the old one or the new one.
pub(crate) fn replace_durably(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::io::Result<()>,
) -> Result<()> {
    replace(path, |file| fill(file).and_then(|()| file.sync_all()))?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Writes a file of ours as a whole: a new one beside it, renamed into place. The old one is
/// replaced on purpose. Readers see the old one or the new one; a crash of the machine may leave
/// neither.
pub(crate) fn replace(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp.{}", std::process::id()));
    let temporary = PathBuf::from(name);
    // A leftover of a process with our number that crashed.
    let _ = std::fs::remove_file(&temporary);
    let written = private_file(&temporary)
        .and_then(|mut file| fill(&mut file))
        .and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(Error::io("cannot write", path, error));
    }
    Ok(())
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
        Err(error) => return Err(Error::reading("cannot open", path, error.into())),
    };
    let metadata = file.metadata().map_err(|error| Error::reading("cannot look at", path, error))?;
    if !metadata.is_file() || metadata.len() > max {
        return Err(Error::new(ErrorKind::Damaged, "no regular file of sensible size:", path));
    }
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes).map_err(|error| Error::reading("cannot read", path, error))?;
    Ok(Some(bytes))
}

/// The first eight bytes of a file, which say the version of its format; `None` where there are
/// none.
pub(crate) fn begin_of(path: &Path) -> Option<[u8; 8]> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file: File = rustix::fs::open(path, flags, Mode::empty()).ok()?.into();
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 0).ok().map(|()| bytes)
}

/// Reads up to `buffer.len()` bytes of a file at `offset`; fewer only at its end.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64, path: &Path) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::reading("cannot read", path, error)),
        }
    }
    Ok(filled)
}

/// Makes a file that was not there, readable by its owner only.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether an error says that a path is not there.
pub(crate) fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
