//! Index and cache of an account's mailboxes in another directory than the mail.
//!
//! They lie there as mailboxes do in the Maildir: those of the inbox in the directory itself, those
//! of the mailbox `.Sent` in `.Sent`. All of it can be made again, so that it may be on a disk of one
//! node, with the mail on one that many share; each node then has its own. Whatever happens to a
//! mailbox on another node leaves its index here: an index is believed only for the directory that
//! it was made of, and those of mailboxes that are gone are removed when mailboxes are first listed.
//!
//! Nobody else may write there, as what others write would be shown to the user's clients. Where
//! somebody may, nothing is read or written, and the mailboxes are opened without an index.
//!
//! Invariant S2 of crates/store/README.md.

use crate::directory::make_private;
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::own_files;
use crate::owner::Owner;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The directory of an account.
#[derive(Debug)]
pub(crate) struct IndexRoot {
    path: PathBuf,
    maildir: PathBuf,
    /// Whom it must belong to.
    uid: u32,
    /// Why nothing is kept was said in the log.
    is_said: AtomicBool,
    /// What mailboxes that are gone left was looked for.
    is_swept: AtomicBool,
}

impl IndexRoot {
    pub(crate) fn new(path: PathBuf, maildir: &Path, owner: Option<&Owner>) -> Self {
        let uid = owner.map_or_else(|| rustix::process::geteuid().as_raw(), Owner::uid);
        let (is_said, is_swept) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { path, maildir: maildir.to_owned(), uid, is_said, is_swept }
    }

    /// Where index and cache of the mailbox in `directory` lie.
    pub(crate) fn of(&self, directory: &Path) -> PathBuf {
        match directory.strip_prefix(&self.maildir) {
            Ok(below) if below != Path::new("") => self.path.join(below),
            _ => self.path.clone(),
        }
    }

    /// See [`index_fault`].
    pub(crate) fn fault(&self) -> Option<String> {
        index_fault(&self.path, self.uid)
    }

    /// Whether what lies there may be read; why not, is said once.
    pub(crate) fn is_trusted(&self) -> bool {
        let Some(fault) = self.fault() else { return true };
        if !self.is_said.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            tracing::error!("{path} {fault}; no index and no cache is kept, and mailboxes open more slowly");
        }
        false
    }

    /// Makes the directory of a mailbox's index, and those above it, if they are missing.
    pub(crate) fn make(&self, directory: &Path) -> Result<()> {
        if !directory.is_dir() {
            make_private(directory)?;
        }
        match self.is_trusted() {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Denied, "is not to be written in:", &self.path)),
        }
    }

    /// Makes owner and permissions of the directory right, as far as they can be changed.
    pub(crate) fn mend(&self) {
        let Ok(metadata) = self.path.symlink_metadata() else { return };
        if !metadata.is_dir() || self.fault().is_none() {
            return;
        }
        let _ = std::os::unix::fs::lchown(&self.path, Some(self.uid), None);
        let _ = std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o700));
    }

    /// Mailboxes have other names now: what is known of them goes along. What cannot is made again.
    pub(crate) fn rename(&self, renames: &[(PathBuf, PathBuf)]) {
        if !self.is_trusted() {
            return;
        }
        for (from, to) in renames.iter().map(|(from, to)| (self.of(from), self.of(to))) {
            // Left by a mailbox that had the name before.
            remove(&to);
            if let Err(error) = std::fs::rename(&from, &to)
                && !is_missing(&error)
            {
                tracing::debug!(%error, index = %from.display(), "the index of a renamed mailbox stays behind");
            }
        }
    }

    /// The mailbox in `directory` is gone.
    pub(crate) fn remove(&self, directory: &Path) {
        if self.is_trusted() {
            remove(&self.of(directory));
        }
    }

    /// Removes what mailboxes that are gone left, once in the life of an account. `entries` are the
    /// directories in the Maildir.
    pub(crate) fn sweep_once<'a>(&self, entries: impl Iterator<Item = &'a OsStr>) {
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            self.sweep(&entries.collect());
        }
    }

    /// Likewise, each time.
    pub(crate) fn sweep(&self, entries: &BTreeSet<&OsStr>) {
        for left in self.left_behind(entries) {
            remove(&self.path.join(left));
        }
    }

    /// Names of directories that mailboxes which are gone left.
    pub(crate) fn left_behind(&self, entries: &BTreeSet<&OsStr>) -> Vec<OsString> {
        if !self.is_trusted() {
            return Vec::new();
        }
        let found = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let names = found.map(|entry| entry.file_name());
        let is_left = |name: &OsString| {
            // One that was made meanwhile is not.
            let is_gone =
                || self.maildir.join(name).symlink_metadata().is_err_and(|error| is_missing(&error));
            name.as_bytes().starts_with(b".")
                && !entries.contains(&**name)
                && is_gone()
                && holds_ours(&self.path.join(name))
        };
        names.filter(is_left).collect()
    }
}

/// Why index and cache of a user's mailboxes may not lie in a directory; nothing is wrong with one
/// that is missing. `uid` is whom it must belong to.
pub fn index_fault(directory: &Path, uid: u32) -> Option<String> {
    let metadata = match directory.symlink_metadata() {
        Err(error) if is_missing(&error) => return None,
        Err(error) => return Some(error.to_string()),
        Ok(metadata) => metadata,
    };
    let (owner, mode) = (metadata.uid(), metadata.permissions().mode() & 0o7777);
    if !metadata.is_dir() {
        Some("is no directory".to_owned())
    } else if owner != uid {
        Some(format!("belongs to uid {owner}, and must belong to uid {uid}"))
    } else if mode & 0o022 != 0 {
        Some(format!("has mode {mode:04o}: others may write there"))
    } else {
        None
    }
}

/// Whether a directory is one of ours: there is something of ours in it, and nothing else.
fn holds_ours(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let mut entries = entries.peekable();
    entries.peek().is_some() && entries.all(|entry| entry.is_ok_and(|entry| is_ours(&entry.file_name())))
}

/// Index, cache, and what a crash left of writing them.
fn is_ours(name: &OsStr) -> bool {
    own_files::OF_INDEX.into_iter().any(|ours| {
        let rest = name.as_bytes().strip_prefix(ours.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b".tmp."))
    })
}

/// Removes a directory of ours, and nothing in it that is not.
fn remove(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if is_ours(&entry.file_name()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let _ = std::fs::remove_dir(directory);
}
