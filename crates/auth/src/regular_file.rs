//! Opening files that must be files: no FIFO, device or directory, and nothing endless.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Largest file of users that is read into memory, in bytes: offsets in it are 32 bits.
pub(crate) const SIZE_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Within this time two changes may leave the same times on a file.
const TIMES_ARE_EXACT_TO: Duration = Duration::from_millis(20);

/// Whether the last part of a path may be a symbolic link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// Yes: the administrator named the path.
    Followed,
    /// No: its name came from elsewhere.
    Refused,
}

/// Opens a regular file for reading. Nothing else is waited for: a FIFO is an error.
pub(crate) fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    if links == Links::Refused {
        flags |= rustix::fs::OFlags::NOFOLLOW;
    }
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}

/// Reads all of an open file, at most [`SIZE_MAX`] bytes.
pub(crate) fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long");
    if size > SIZE_MAX {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    let mut file = file;
    file.by_ref().take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_MAX { Err(too_long()) } else { Ok(bytes) }
}

/// What tells a changed file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    changed: (i64, i64),
    size: u64,
    inode: u64,
    device: u64,
}

impl Stamp {
    /// Of what was found.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.len(),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    /// The file changed so recently that a further change could leave the same stamp.
    pub(crate) fn is_young(&self, now: SystemTime) -> bool {
        let at = |(seconds, nanoseconds): (i64, i64)| {
            let (seconds, nanoseconds) = (u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
            SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
        };
        at(self.changed).is_none_or(|at| now.duration_since(at).is_ok_and(|age| age < TIMES_ARE_EXACT_TO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_22_only_regular_files_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (name, links, opens) in [
            ("file", Links::Refused, true),
            ("link", Links::Followed, true),
            ("link", Links::Refused, false),
            ("fifo", Links::Followed, false),
            (".", Links::Followed, false),
            ("missing", Links::Followed, false),
        ] {
            assert_eq!(open(&at(name), links).is_ok(), opens, "{name} {links:?}");
        }
        assert_eq!(read_all(&open(&at("file"), Links::Refused).unwrap()).unwrap(), b"x");
    }
}
