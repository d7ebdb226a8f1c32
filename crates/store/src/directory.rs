//! Maildir++ directories: making, renaming and tidying them.
//!
//! How they are named is in [`crate::directory_name`], how they are found in [`crate::root`].

use crate::directory_name::DirectoryNames;
use crate::disk::{is_missing, sync_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::own_files;
use crate::rename::rename_new;
use mail::MailboxName;
use rustix::fs::{Mode, OFlags};
use std::fs::DirBuilder;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Age from which a file in `tmp/` is a leftover (the Maildir convention).
const TMP_AGE_MAX: Duration = Duration::from_secs(36 * 60 * 60);

/// The directory that a new mailbox gets.
pub(crate) fn new_path(root: &Path, names: DirectoryNames, name: &MailboxName) -> Result<PathBuf> {
    let entry = format!(".{}", names.own(name));
    if entry.len() > 255 {
        return Err(Error::new(ErrorKind::BadName, "longer than the file system allows:", &root.join(entry)));
    }
    Ok(root.join(entry))
}

/// Renames a directory, and never replaces anything that is there: `AlreadyExists`.
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> Result<()> {
    rename_new(from, to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::DirectoryNotEmpty => {
            Error::new(ErrorKind::AlreadyExists, "is there already:", to)
        }
        _ => Error::io("cannot rename", from, error),
    })
}

/// Whether a mailbox is there: a directory, and no symbolic link, with `cur` in it.
pub(crate) fn is_mailbox(path: &Path) -> Result<bool> {
    for path in [path.to_owned(), path.join("cur")] {
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(Error::reading("cannot look at", &path, error)),
        }
    }
    Ok(true)
}

/// The Maildir that `root` leads to. It and what is above it may be symbolic links, which are
/// followed here, once, as whoever this thread works as: what is below is never reached by one.
/// `None` where nothing is there; a link to nowhere is an error, as a Maildir that is made in its
/// place would hide the mail that comes back with, say, a file system that is not mounted.
pub(crate) fn resolve(root: &Path) -> Result<Option<PathBuf>> {
    match std::fs::canonicalize(root) {
        Ok(path) => Ok(Some(path)),
        Err(error) if is_missing(&error) => match std::fs::symlink_metadata(root) {
            Ok(metadata) if metadata.is_symlink() => {
                Err(Error::new(ErrorKind::Io, "a symbolic link to what is not there:", root))
            }
            _ => Ok(None),
        },
        Err(error) => Err(Error::reading("cannot follow", root, error)),
    }
}

/// Whether there is something called `cur` in a directory, whatever it is.
pub(crate) fn has_cur(path: &Path) -> Result<bool> {
    let cur = path.join("cur");
    match cur.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(Error::reading("cannot look at", &cur, error)),
    }
}

/// Which of a mailbox's `cur`, `new` and `tmp` are there and are symbolic links, or no directories
/// at all: the server follows none, refuses the mailbox and changes nothing in it.
pub fn strange_directories(mailbox: &Path) -> Vec<PathBuf> {
    let paths = ["cur", "new", "tmp"].into_iter().map(|name| mailbox.join(name));
    paths.filter(|path| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir())).collect()
}

/// `Damaged` where there is one of them.
pub(crate) fn refuse_strange(mailbox: &Path) -> Result<()> {
    strange_directories(mailbox).first().map_or(Ok(()), |path| Err(strange(path)))
}

/// `Damaged` where `tmp` is a symbolic link: before something is written to it.
pub(crate) fn check_tmp(mailbox: &Path) -> Result<()> {
    let tmp = mailbox.join("tmp");
    let is_strange = tmp.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir());
    if is_strange { Err(strange(&tmp)) } else { Ok(()) }
}

/// What is said of one of them.
pub(crate) fn strange(path: &Path) -> Error {
    Error::new(ErrorKind::Damaged, "must be a directory, and no symbolic link:", path)
}

/// Makes a directory and those above it, as far as they are missing, for their owner only.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if !is_missing(&error) || !path.is_dir() => Err(Error::io("cannot make", path, error)),
        _ => Ok(()),
    }
}

/// Makes a mailbox's directories, those that are missing, durably. `cur` comes last: with it
/// the mailbox is there.
pub(crate) fn make(path: &Path, is_root: bool) -> Result<()> {
    let make = |path: &Path| match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("cannot make", path, error))
        }
        _ => Ok(()),
    };
    make(path)?;
    make(&path.join("tmp"))?;
    make(&path.join("new"))?;
    if !is_root {
        let marker = path.join("maildirfolder");
        match crate::disk::private_file(&marker) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io("cannot make", &marker, error));
            }
            _ => {}
        }
    }
    make(&path.join("cur"))?;
    sync_directory(path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Removes what deliveries that died left in `tmp/`, and mailboxes that were being deleted.
///
/// Nothing is removed by way of a symbolic link that stands for `tmp`, also one that came just now.
pub(crate) fn clean_tmp(path: &Path) {
    let path = path.join("tmp");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(tmp) = rustix::fs::open(&path, flags, Mode::empty()) else { return };
    // The kernel's own way to the directory that is open, whatever its path leads to by now.
    let held = PathBuf::from(format!("/proc/self/fd/{}", tmp.as_raw_fd()));
    let Ok(entries) = std::fs::read_dir(&held) else { return };
    for entry in entries.flatten() {
        let (name, held) = (entry.file_name(), entry.path());
        let Ok(metadata) = std::fs::symlink_metadata(&held) else { continue };
        if metadata.is_dir() && name.as_bytes().starts_with(own_files::DELETED_PREFIX.as_bytes()) {
            let _ = std::fs::remove_dir_all(&held);
        } else if metadata.is_file() && is_left_over(&metadata) && std::fs::remove_file(&held).is_ok() {
            tracing::info!(file = %path.join(name).display(), "removed a leftover older than 36 hours");
        }
    }
}

/// By change time, as a delivery may date its file as it likes.
pub(crate) fn is_left_over(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
    changed.elapsed().is_ok_and(|age| age > TMP_AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: DirectoryNames = DirectoryNames { utf8: true, escape: None };

    #[test]
    fn names_too_long_for_a_directory_are_refused() {
        let names = DirectoryNames { utf8: false, ..NAMES };
        let long = MailboxName::new(&"é".repeat(120)).unwrap();
        assert_eq!(new_path(Path::new("/m"), names, &long).unwrap_err().kind, ErrorKind::BadName);
    }

    #[test]
    fn a_directory_replaces_nothing() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for name in ["a", "empty"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        std::fs::write(path("file"), "x").unwrap();
        for name in ["empty", "file"] {
            let error = rename_to_new(&path("a"), &path(name)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::AlreadyExists, "{name}");
        }
        rename_to_new(&path("a"), &path("b")).unwrap();
        assert!(path("b").is_dir() && path("empty").is_dir());
    }

    #[test]
    fn security_22_a_symbolic_link_is_no_mailbox() {
        let root = tempfile::tempdir().unwrap();
        make(&root.path().join(".real"), false).unwrap();
        std::os::unix::fs::symlink(root.path().join(".real"), root.path().join(".link")).unwrap();
        assert!(is_mailbox(&root.path().join(".real")).unwrap());
        assert!(!is_mailbox(&root.path().join(".link")).unwrap());
    }
}
