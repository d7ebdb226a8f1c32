//! Maildir++ directories: making, renaming and tidying them.
//!
//! How they are named is in [`crate::directory_name`], how they are found in [`crate::root`].

use crate::directory_name::DirectoryNames;
use crate::error::{Error, ErrorKind, Result};
use crate::list_file::sync_directory;
use mail::MailboxName;
use rustix::fs::{CWD, RenameFlags};
use std::fs::DirBuilder;
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
    use rustix::io::Errno;
    let renamed = rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
    let renamed = match renamed {
        // Not on this file system. A directory replaces no file, and only an empty directory.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if std::fs::symlink_metadata(to).is_err() => {
            rustix::fs::rename(from, to)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(Errno::EXIST),
        renamed => renamed,
    };
    match renamed {
        Ok(()) => Ok(()),
        Err(Errno::EXIST | Errno::NOTEMPTY) => {
            Err(Error::new(ErrorKind::AlreadyExists, "is there already:", to))
        }
        Err(error) => Err(Error::io("cannot rename", from, error.into())),
    }
}

/// Whether a mailbox is there: a directory, and no symbolic link, with `cur` in it.
pub(crate) fn is_mailbox(path: &Path) -> Result<bool> {
    for path in [path.to_owned(), path.join("cur")] {
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(Error::io("cannot look at", &path, error)),
        }
    }
    Ok(true)
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
        match crate::delivery::private_file(&marker) {
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
pub(crate) fn clean_tmp(path: &Path) {
    let Ok(entries) = std::fs::read_dir(path.join("tmp")) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() && entry.file_name().as_bytes().starts_with(DELETED_PREFIX.as_bytes()) {
            let _ = std::fs::remove_dir_all(&path);
        } else if metadata.is_file() && is_left_over(&metadata) && std::fs::remove_file(&path).is_ok() {
            tracing::info!(file = %path.display(), "removed a leftover older than 36 hours");
        }
    }
}

/// How a mailbox is called in the inbox's `tmp/` while it is being deleted.
pub(crate) const DELETED_PREFIX: &str = "restante-deleted.";

/// By change time, as a delivery may date its file as it likes.
pub(crate) fn is_left_over(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
    changed.elapsed().is_ok_and(|age| age > TMP_AGE_MAX)
}

/// Whether an error says that a path is not there.
pub(crate) fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
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
