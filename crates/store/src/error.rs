//! What can go wrong in the store, by who has to do something about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an [`Error`]: what the caller decides by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// No such mailbox.
    NonExistent,
    /// There is such a mailbox already.
    AlreadyExists,
    /// Another mailbox has the special use.
    UseTaken,
    /// The name cannot be a mailbox here.
    BadName,
    /// The inbox cannot be deleted, and the like.
    Forbidden,
    /// The mailbox was deleted or made anew while it was open.
    Deleted,
    /// A full disk, or a quota of the file system.
    NoSpace,
    /// The user's quota: room is there, but not for them.
    OverQuota,
    /// Not to be written: a read-only file system, or permissions.
    Denied,
    /// Not to be read: permissions.
    Unreadable,
    /// This one message's file cannot have the name that the change wants, or must not be
    /// changed: it stays as it is, for good.
    Unchangeable,
    /// Another process holds the lock for too long.
    Busy,
    /// A limit of ours: keywords in a mailbox, UIDs used up.
    Limit,
    /// A file of ours or the Maildir itself is damaged beyond what can be repaired.
    Damaged,
    /// A message that is compressed in a way that is not read, or is to be stored compressed.
    Compressed,
    /// A file of ours is one of a later version: it is left alone, and so is what it is about.
    Newer,
    /// Any other failure of the file system.
    Io,
}

/// What failed, where, and why. The text is for the log: it names paths. What a client is
/// told follows from the kind.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}{}", path.display(), source.as_ref().map(|e| format!(": {e}")).unwrap_or_default())]
pub struct Error {
    /// What the caller decides by.
    pub kind: ErrorKind,
    /// What was being done, such as `cannot rename`.
    pub doing: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's word.
    pub source: Option<io::Error>,
}

impl Error {
    /// An error without the system's word.
    pub fn new(kind: ErrorKind, doing: &'static str, path: &Path) -> Self {
        Self { kind, doing, path: path.to_owned(), source: None }
    }

    /// A file of ours has a version of its format that is above `known`.
    pub(crate) fn newer(path: &Path, version: impl fmt::Display, known: impl fmt::Display) -> Self {
        let versions = format!("it has version {version}, and this program knows versions up to {known}");
        let source = Some(io::Error::other(versions));
        Self {
            source,
            ..Self::new(ErrorKind::Newer, "was written by a later version, and is left alone:", path)
        }
    }

    /// An error of the file system while something was read or looked at.
    pub fn reading(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let is_denied = source.kind() == io::ErrorKind::PermissionDenied;
        let error = Self::io(doing, path, source);
        if is_denied { Self { kind: ErrorKind::Unreadable, ..error } } else { error }
    }

    /// Whether a message cannot be read for the way it is compressed, and others can.
    pub(crate) fn is_of_compression(&self) -> bool {
        matches!(self.kind, ErrorKind::Compressed | ErrorKind::Damaged | ErrorKind::Limit)
    }

    /// An error of the file system while something was changed; the kind follows from its code.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
            _ => ErrorKind::Io,
        };
        Self { kind, doing, path: path.to_owned(), source: Some(source) }
    }
}
