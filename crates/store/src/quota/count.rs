//! Counting everything: all names in all mailboxes.
//!
//! Others deliver and expunge meanwhile, and append what they did to the file that is about to
//! be replaced, or to the new one. So the times of change of all directories are taken before
//! and after, as Maildir++ says, and when they differ the count is not to be kept. File systems
//! stamp by the kernel's tick: counting begins once the last change is further back than that,
//! so that the next one has another time.

use super::{QuotaUsage, size_of};
use crate::disk::is_missing;
use crate::error::{Error, Result};
use crate::file_name::{Info, split};
use crate::scan::{is_mail, is_nameless};
use mail::SystemFlags;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Messages between two calls of `progress`.
const PROGRESS_EVERY: u64 = 256;

/// The directories that count, and when they last changed.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Stamps(Vec<(PathBuf, SystemTime)>);

/// Longer than a tick of any kernel (100 a second).
const TICK: Duration = Duration::from_millis(20);

/// How often is waited for a change to be further back; a Maildir that changes all the time is
/// counted as it is.
const WAITS_MAX: usize = 5;

impl Stamps {
    /// As [`Stamps::of`], once the last change is a tick ago: a later one is told by its time.
    pub(super) fn settled(root: &Path, counts_trash: bool) -> Result<Self> {
        for _ in 0..WAITS_MAX {
            let stamps = Self::of(root, counts_trash)?;
            let newest = stamps.0.iter().map(|(_, modified)| *modified).max();
            // What is dated in the future cannot be waited for.
            let age = newest.and_then(|newest| newest.elapsed().ok());
            match age.and_then(|age| TICK.checked_sub(age)).filter(|left| !left.is_zero()) {
                Some(left) => std::thread::sleep(left),
                None => return Ok(stamps),
            }
        }
        Self::of(root, counts_trash)
    }

    /// `new` and `cur` of every mailbox, but for `Trash` where it does not count. Symbolic links
    /// are not followed.
    pub(super) fn of(root: &Path, counts_trash: bool) -> Result<Self> {
        let mut stamps = Vec::new();
        let mut add = |mailbox: &Path| -> Result<()> {
            for place in ["new", "cur"] {
                let path = mailbox.join(place);
                match std::fs::symlink_metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => {
                        let modified =
                            metadata.modified().map_err(|error| Error::io("cannot look at", &path, error))?;
                        stamps.push((path, modified));
                    }
                    Ok(_) => {}
                    Err(error) if is_missing(&error) => {}
                    Err(error) => return Err(Error::io("cannot look at", &path, error)),
                }
            }
            Ok(())
        };
        add(root)?;
        let cannot_read = |error| Error::io("cannot read", root, error);
        for entry in std::fs::read_dir(root).map_err(cannot_read)? {
            let entry = entry.map_err(cannot_read)?;
            let name = entry.file_name();
            let is_trash = name.as_bytes() == b".Trash";
            let is_directory = entry.file_type().map_err(cannot_read)?.is_dir();
            if name.as_bytes().starts_with(b".") && is_directory && (counts_trash || !is_trash) {
                add(&entry.path())?;
            }
        }
        stamps.sort_unstable();
        Ok(Self(stamps))
    }
}

/// What lies in all these directories.
pub(super) fn everything(
    stamps: &Stamps,
    counts_deleted: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<QuotaUsage> {
    let mut usage = QuotaUsage::default();
    for (path, _) in &stamps.0 {
        usage = usage.plus(directory(path, counts_deleted, progress)?);
    }
    Ok(usage)
}

/// What lies in one mailbox.
pub(super) fn mailbox(
    path: &Path,
    counts_deleted: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<QuotaUsage> {
    let (new, cur) = (path.join("new"), path.join("cur"));
    Ok(directory(&new, counts_deleted, progress)?.plus(directory(&cur, counts_deleted, progress)?))
}

/// What lies in a directory; nothing where it is gone.
fn directory(path: &Path, counts_deleted: bool, progress: &mut dyn FnMut(u64)) -> Result<QuotaUsage> {
    let mut usage = QuotaUsage::default();
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(usage),
        Err(error) => return Err(Error::io("cannot read", path, error)),
    };
    let mut untold = 0;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("cannot read", path, error))?;
        let name = entry.file_name();
        let (base, info) = split(name.as_bytes());
        let is_message = is_mail(name.as_bytes()) || is_nameless(name.as_bytes());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_message || !is_file {
            continue;
        }
        let is_deleted = info.is_some_and(|info| Info::parse(info).flags.contains(SystemFlags::DELETED));
        if counts_deleted || !is_deleted {
            usage = usage.plus(QuotaUsage { bytes: size_of(base, &entry.path()), messages: 1 });
        }
        untold += 1;
        if untold == PROGRESS_EVERY {
            progress(std::mem::take(&mut untold));
        }
    }
    progress(untold);
    Ok(usage)
}
