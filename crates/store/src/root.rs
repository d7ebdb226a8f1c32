//! What stands in a Maildir's own directory: mailboxes, and directories that are none.

use crate::directory::is_mailbox;
use crate::directory_name::{DirectoryNames, NoName};
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use mail::MailboxName;
use mail::mailbox_name::BadName;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a Maildir's own directory has in it.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Mailboxes, but for the inbox, and the names of their directories.
    pub(crate) mailboxes: BTreeMap<MailboxName, OsString>,
    /// Directories, and symbolic links, that are no mailboxes; most of them hold no messages.
    pub(crate) others: Vec<(OsString, OddReason)>,
}

/// Why a directory that holds messages is no mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OddReason {
    /// Its name does not begin with a dot.
    NoDot,
    /// Its name is not in UTF-8.
    NotUtf8,
    /// Its levels cannot be a mailbox's.
    Name(BadName),
    /// It is called like the inbox, which is the Maildir itself.
    SecondInbox,
    /// Another directory has the same name, written otherwise.
    SecondSpelling(MailboxName),
    /// It lies in another directory, and not beside `cur`.
    Nested,
    /// It is a symbolic link, which is never followed.
    Link,
    /// Its `cur` is one.
    LinkedCur,
    /// It has no `cur`, and messages in `new`.
    NoCur,
}

impl fmt::Display for OddReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDot => "its name does not begin with a dot",
            Self::NotUtf8 => "its name is neither UTF-8 nor modified UTF-7",
            Self::Name(BadName::EmptyLevel) => {
                "its name has a level without letters: two dots, or one at an end"
            }
            Self::Name(BadName::Character) => "its name has control characters",
            Self::Name(BadName::Dots) => "a level of its name is only dots",
            Self::Name(BadName::TooLong) => "its name is too long",
            Self::SecondInbox => "it is called like the inbox, which is the Maildir itself",
            Self::SecondSpelling(name) => {
                return write!(f, "another directory is the mailbox {name}, written otherwise");
            }
            Self::Nested => "it lies inside another directory",
            Self::Link => "it is a symbolic link, which is not followed",
            Self::LinkedCur => "its cur is a symbolic link, which is not followed",
            Self::NoCur => "it has no cur",
        })
    }
}

/// Reads a Maildir's own directory.
///
/// Where several directories read as one name, the mailbox is the one that
/// [`find`] finds: what is in them does not matter.
pub(crate) fn contents(root: &Path, names: DirectoryNames) -> Result<Contents> {
    let mut candidates: BTreeMap<MailboxName, Vec<OsString>> = BTreeMap::new();
    let mut others = Vec::new();
    for_each_directory(root, |entry, is_link| {
        let is_dotted = entry.as_bytes().starts_with(b".");
        if is_link {
            others.extend(is_dotted.then_some((entry, OddReason::Link)));
            return Ok(());
        }
        match names.read(&entry) {
            Ok(name) if is_mailbox_or_closed(&root.join(&entry))? => {
                candidates.entry(name).or_default().push(entry);
            }
            Ok(_) if root.join(&entry).join("cur").is_symlink() => others.push((entry, OddReason::LinkedCur)),
            Ok(_) => others.push((entry, OddReason::NoCur)),
            Err(NoName::NoDot) => others.push((entry, OddReason::NoDot)),
            Err(NoName::NotUtf8) => others.push((entry, OddReason::NotUtf8)),
            Err(NoName::Bad(why)) => others.push((entry, OddReason::Name(why))),
            Err(NoName::SecondInbox) => others.push((entry, OddReason::SecondInbox)),
        }
        Ok(())
    })?;
    let mut mailboxes = BTreeMap::new();
    for (name, mut entries) in candidates {
        if entries.len() > 1 {
            let spellings = names.spellings(&name);
            entries.sort_by_cached_key(|entry| (rank(entry, &spellings), entry.clone()));
            let second = |entry| (entry, OddReason::SecondSpelling(name.clone()));
            others.extend(entries.drain(1..).map(second));
        }
        mailboxes.extend(entries.pop().map(|entry| (name, entry)));
    }
    others.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Contents { mailboxes, others })
}

/// The directory of a mailbox that is there; `None` when it is not.
pub(crate) fn find(root: &Path, names: DirectoryNames, name: &MailboxName) -> Result<Option<PathBuf>> {
    if name.is_inbox() {
        return Ok(Some(root.to_owned()));
    }
    for spelling in names.spellings(name) {
        let path = root.join(format!(".{spelling}"));
        if is_mailbox(&path)? {
            return Ok(Some(path));
        }
    }
    if !names.has_more_spellings(name) {
        return Ok(None);
    }
    Ok(find_otherwise_spelled(root, names, name)?.map(|entry| root.join(entry)))
}

/// The directory that is the mailbox `name` though it is spelled in none of the usual ways.
fn find_otherwise_spelled(
    root: &Path,
    names: DirectoryNames,
    name: &MailboxName,
) -> Result<Option<OsString>> {
    let mut found: Option<OsString> = None;
    for_each_directory(root, |entry, is_link| {
        let is_first = found.as_ref().is_none_or(|found| entry < *found);
        if !is_link
            && is_first
            && names.read(&entry).as_ref() == Ok(name)
            && is_mailbox_or_closed(&root.join(&entry))?
        {
            found = Some(entry);
        }
        Ok(())
    })?;
    Ok(found)
}

/// How many directories begin with a dot: mailboxes, or what takes their room.
pub(crate) fn dotted_directories(root: &Path) -> Result<usize> {
    let mut count = 0;
    for_each_directory(root, |entry, is_link| {
        count += usize::from(!is_link && entry.as_bytes().starts_with(b"."));
        Ok(())
    })?;
    Ok(count)
}

/// Message files in a directory's `cur` and `new`, by their kind; `None` where they cannot be
/// read.
pub(crate) fn messages(directory: &Path) -> Option<u64> {
    let mut count = 0;
    for place in ["cur", "new"] {
        let entries = match std::fs::read_dir(directory.join(place)) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => continue,
            Err(_) => return None,
        };
        for entry in entries {
            let entry = entry.ok()?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            count += u64::from(is_file && !entry.file_name().as_bytes().starts_with(b"."));
        }
    }
    Some(count)
}

/// Calls `act` with the directories in `directory` and the symbolic links, but for the three
/// that a Maildir consists of.
pub(crate) fn for_each_directory(
    directory: &Path,
    mut act: impl FnMut(OsString, bool) -> Result<()>,
) -> Result<()> {
    let failed = |error| Error::io("cannot read", directory, error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if ["cur", "new", "tmp"].iter().any(|part| name == *part) {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() || kind.is_symlink() => act(name, kind.is_symlink())?,
            Ok(_) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Whether a mailbox is there. One that may not be entered is: it is opened in vain, and that
/// is no reason to list no other.
fn is_mailbox_or_closed(path: &Path) -> Result<bool> {
    match is_mailbox(path) {
        Err(error) if error.kind == ErrorKind::Denied => Ok(true),
        result => result,
    }
}

/// The place of a directory among the usual spellings of its name.
fn rank(entry: &OsStr, spellings: &[String]) -> usize {
    let is_it = |spelling: &String| entry.as_bytes().strip_prefix(b".") == Some(spelling.as_bytes());
    spellings.iter().position(is_it).unwrap_or(spellings.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::make;

    const NAMES: DirectoryNames = DirectoryNames { utf8: true, escape: None };

    #[test]
    fn a_mailbox_is_found_however_its_directory_is_spelled() {
        let root = tempfile::tempdir().unwrap();
        let find = |name| {
            let found = find(root.path(), NAMES, &MailboxName::new(name).unwrap()).unwrap();
            found.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        };
        for (entry, name) in [
            (".a\u{308}", "ä"),
            (".&AOQ-", "ä"),
            (".ä", "ä"),
            (".inbox.low", "INBOX/low"),
            (".INBOX.low", "INBOX/low"),
            (".x&AC4-y", "x.y"),
            (".&AGE-", "&AGE-"),
        ] {
            make(&root.path().join(entry), false).unwrap();
            assert_eq!(find(name).as_deref(), Some(entry));
        }
        assert_eq!(find("ö"), None);
    }
}
