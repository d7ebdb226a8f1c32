//! Maildir++ directories: from a mailbox's name to its directory and back.
//!
//! `.Lists.rust` beside the inbox's `cur`. Names are in UTF-8 (Courier 5 and later) or in
//! modified UTF-7 (Dovecot, older Couriers); both are read, per directory, without renaming.
//! A name that is valid modified UTF-7 and has an `&` in it is taken as that.

use crate::error::{Error, ErrorKind, Result};
use crate::list_file::sync_directory;
use mail::MailboxName;
use mail::utf7;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Age from which a file in `tmp/` is a leftover (the Maildir convention).
const TMP_AGE_MAX: Duration = Duration::from_secs(36 * 60 * 60);

/// The name of the mailbox in a directory called `entry`; `None` when it is none.
pub(crate) fn name_of(entry: &OsStr) -> Option<MailboxName> {
    let text = std::str::from_utf8(entry.as_bytes().strip_prefix(b".")?).ok()?;
    let name = match utf7::decode(text) {
        Some(decoded) if text.contains('&') => MailboxName::new(&decoded),
        _ => MailboxName::new(text),
    };
    // A directory .INBOX is no second inbox.
    name.ok().filter(|name| !name.is_inbox())
}

/// The directory of a mailbox that is there; `None` when it is not.
pub(crate) fn find(root: &Path, name: &MailboxName) -> Result<Option<PathBuf>> {
    if name.is_inbox() {
        return Ok(Some(root.to_owned()));
    }
    for spelling in [name.as_str().to_owned(), utf7::encode(name.as_str())] {
        if name_of(OsStr::new(&format!(".{spelling}"))).as_ref() != Some(name) {
            continue;
        }
        let path = root.join(format!(".{spelling}"));
        if is_mailbox(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The directory that a new mailbox gets.
pub(crate) fn new_path(root: &Path, name: &MailboxName, utf8: bool) -> Result<PathBuf> {
    let plain = format!(".{name}");
    let readable = name_of(OsStr::new(&plain)).as_ref() == Some(name);
    let entry = if utf8 && readable { plain } else { format!(".{}", utf7::encode(name.as_str())) };
    if entry.len() > 255 {
        return Err(Error::new(ErrorKind::BadName, "longer than the file system allows:", &root.join(entry)));
    }
    Ok(root.join(entry))
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
        if metadata.is_dir() && name.as_bytes().starts_with(DELETED_PREFIX.as_bytes()) {
            let _ = std::fs::remove_dir_all(&held);
        } else if metadata.is_file() && is_left_over(&metadata) && std::fs::remove_file(&held).is_ok() {
            tracing::info!(file = %path.join(name).display(), "removed a leftover older than 36 hours");
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

    #[test]
    fn both_encodings_are_read() {
        for (entry, name) in [
            (".Résumé", Some("Résumé")),
            (".R&AOk-sum&AOk-", Some("Résumé")),
            (".a &- b", Some("a & b")),
            (".a & b", Some("a & b")),
            (".Lists.rust", Some("Lists.rust")),
            (".INBOX", None),
            (".INBOX.x", Some("INBOX.x")),
            (".", None),
            ("..", None),
            (".a..b", None),
            (".a.", None),
            ("cur", None),
        ] {
            let found = name_of(OsStr::new(entry));
            assert_eq!(found.as_ref().map(MailboxName::as_str), name, "{entry}");
        }
        assert_eq!(name_of(OsStr::from_bytes(b".\xff")), None);
    }

    #[test]
    fn new_names_are_read_back() {
        let root = Path::new("/m");
        for (name, utf8, entry) in [
            ("Résumé", true, ".Résumé"),
            ("Résumé", false, ".R&AOk-sum&AOk-"),
            ("a & b", true, ".a & b"),
            ("&AOk-", true, ".&-AOk-"),
        ] {
            let name = MailboxName::new(name).unwrap();
            let path = new_path(root, &name, utf8).unwrap();
            assert_eq!(path, root.join(entry));
            assert_eq!(name_of(path.file_name().unwrap()), Some(name));
        }
        let long = MailboxName::new(&"é".repeat(120)).unwrap();
        assert_eq!(new_path(root, &long, false).unwrap_err().kind, ErrorKind::BadName);
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
