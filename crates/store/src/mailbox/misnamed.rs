//! Files that cannot be messages under their names: two of one base name, or none at all.
//!
//! A base name is a message's identity, so of two files that have the same one only one can be
//! shown; and with a change of flags the one would get the name of the other. They come from
//! programs that copy files from one mailbox to another, from restored backups, and from a crash
//! between link(2) and unlink(2). A name such as `:2,S` has no base name.
//!
//! Each gets a base name of its own when it is first seen, and is a message from then on. Of two,
//! the one that has a UID keeps its name; where neither has, the one in `cur/`. Nothing is
//! removed, also where both names are links to one file: whoever made the second may be about to
//! remove the first, and the message must be there under either.
//!
//! Invariant S13 of crates/store/README.md.

use super::state::State;
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{Info, compose, sizes_kept, unique};
use crate::rename::{is_of_one_file, rename_new};
use crate::scan::{FoundFile, FoundFiles, Place, scan};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is seen twice, this long apart, is not on its way from one name to the other.
const APART: Duration = Duration::from_millis(10);

/// Scans after which it is left to the next look.
const ROUNDS_MAX: usize = 3;

/// Names in both directories, once each message has one of its own, as far as that can be done;
/// and what could not. The mailbox's lock is held. `state` says which files are known.
pub(in crate::mailbox) fn scan_and_mend(
    directory: &Path,
    hostname: &str,
    state: &mut State,
) -> Result<(FoundFiles, Option<Error>)> {
    let mut found = scan(directory)?;
    for _ in 0..ROUNDS_MAX {
        if found.misnamed().is_empty() {
            break;
        }
        let failed = mend(directory, hostname, state, &found);
        found = scan(directory)?;
        if failed.is_some() {
            return Ok((found, failed));
        }
    }
    Ok((found, None))
}

/// One round of renames; the first error, if any. What was renamed stays so.
fn mend(directory: &Path, hostname: &str, state: &mut State, found: &FoundFiles) -> Option<Error> {
    let path = |file: &FoundFile| path_of(directory, file.place, found.name(file));
    let mut groups: BTreeMap<&[u8], Vec<FoundFile>> = BTreeMap::new();
    for file in found.misnamed() {
        let first = || found.find(found.base(file)).copied().into_iter().collect();
        groups.entry(found.base(file)).or_insert_with(first).push(*file);
    }
    let mut seen = BTreeMap::new();
    for (base, files) in &groups {
        let there = files.iter().filter_map(|file| Some((inode(&path(file))?, *file)));
        seen.insert(*base, there.collect::<Vec<_>>());
    }
    if seen.iter().any(|(base, files)| !base.is_empty() && files.len() > 1) {
        std::thread::sleep(APART);
    }
    let mut failed = None;
    for (base, files) in seen {
        let mut files: Vec<FoundFile> = files
            .into_iter()
            .filter(|(then, file)| inode(&path(file)) == Some(*then))
            .map(|(_, f)| f)
            .collect();
        let kept = if base.is_empty() || files.is_empty() {
            None
        } else {
            Some(files.remove(keeper(state, found, base, &files)))
        };
        for file in files {
            let new = match give_own_name(directory, hostname, found, &file) {
                Ok(new) => new,
                Err(error) if error.kind == ErrorKind::Unchangeable => {
                    failed.get_or_insert(error);
                    continue;
                }
                Err(error) => return Some(error),
            };
            tracing::warn!(
                file = %path(&file).display(),
                beside = kept.map(|kept| path(&kept).display().to_string()),
                new = new.map(|new| new.display().to_string()),
                "a file with the base name of another, or without one, gets one of its own"
            );
        }
    }
    failed
}

/// Which of files with one base name keeps it: the one that the state has a UID for, as told by its
/// flags, and where these are the same by where it lay; else the first.
fn keeper(state: &mut State, found: &FoundFiles, base: &[u8], files: &[FoundFile]) -> usize {
    let Some(row) = state.names.find(base) else { return 0 };
    let known = state.file_name(row);
    let is_known = |file: &FoundFile| {
        known.as_ref().is_some_and(|(place, name)| (*place, &name[..]) == (file.place, found.name(file)))
    };
    let flags = state.flags.get(row);
    let rank = |file: &FoundFile| (found.info(file).flags == flags, is_known(file));
    // The first of the best.
    (0..files.len()).rev().max_by_key(|at| rank(&files[*at])).unwrap_or(0)
}

/// Renames a file within its directory; where to, if it was still there. `Unchangeable` where that
/// cannot be done to this file.
fn give_own_name(
    directory: &Path,
    hostname: &str,
    found: &FoundFiles,
    file: &FoundFile,
) -> Result<Option<PathBuf>> {
    let from = path_of(directory, file.place, found.name(file));
    let base = own_base(hostname, found.base(file), from.symlink_metadata().ok().map(|about| about.len()));
    let mut name = [base.as_bytes(), found.suffix(file)].concat();
    if name.len() > 255 {
        let flags = found.info(file).flags;
        name = compose(base.as_bytes(), &Info { flags, ..Info::default() });
    }
    let to = path_of(directory, file.place, &name);
    match rename_new(&from, &to) {
        Ok(()) => Ok(Some(to)),
        // Renamed or removed by another program: the next scan tells.
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => {
            let of_one = is_of_one_file(&error);
            let error = Error::io("cannot give a base name of its own to", &from, error);
            Err(if of_one { Error { kind: ErrorKind::Unchangeable, ..error } } else { error })
        }
    }
}

/// A base name that no other file has, with the sizes that the old one gives, where they fit the
/// file. `,U=` is left out: it is the other file's UID in other programs.
fn own_base(hostname: &str, old: &[u8], size: Option<u64>) -> String {
    unique(hostname) + &size.map(|size| sizes_kept(old, size, None)).unwrap_or_default()
}

/// Device and inode of a regular file.
fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.dev(), metadata.ino()))
}

fn path_of(directory: &Path, place: Place, name: &[u8]) -> PathBuf {
    directory.join(place.directory()).join(OsStr::from_bytes(name))
}
