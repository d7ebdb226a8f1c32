//! Mailboxes where Dovecot has them and Maildir++ does not: in directories below one another
//! (`LAYOUT=fs`), and an inbox outside the Maildir (`INBOX=`). They are turned into Maildir++ by
//! renaming directories, with all that is in them, the lists of UIDs included.
//!
//! `A/B/cur` is the mailbox `A/B`, and becomes `.A.B/cur`; a dot within a level is written as
//! modified UTF-7. The deepest come first, so that a directory is renamed only when nothing of
//! another mailbox is in it any more. Nothing is ever replaced. A crash leaves some mailboxes
//! where they were, and the same once more does the rest.

use crate::directory::is_mailbox;
use crate::disk::{is_missing, read_small, sync_directory, write_durably};
use crate::error::{Error, ErrorKind, Result};
use crate::hand_over::Survey;
use crate::mailbox::hand_over::peek;
use crate::owner::{self, Owner};
use crate::take_over::{ForeignFiles, Preference, SIZE_MAX};
use mail::utf7;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Levels of directories that are looked into.
const DEPTH_MAX: usize = 64;

/// Directories that are looked into, in one Maildir.
const DIRECTORIES_MAX: usize = 100_000;

/// What Dovecot's location of a user's mail says beside the Maildir's path.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct DovecotLayout {
    /// `LAYOUT=fs`.
    pub is_fs: bool,
    /// `INBOX=`, where that is not the Maildir itself.
    pub inbox: Option<PathBuf>,
    /// `CONTROL=`.
    pub control: Option<PathBuf>,
}

/// What has to be done to turn mailboxes into Maildir++.
#[derive(Debug)]
pub struct Conversion {
    root: PathBuf,
    owner: Option<Arc<Owner>>,
    moves: Vec<Move>,
}

/// A mailbox on its way.
#[derive(Debug)]
struct Move {
    from: PathBuf,
    to: PathBuf,
    /// Where Dovecot has the mailbox's lists, if not in its directory.
    control: Option<PathBuf>,
    /// Its files are moved, and not its directory, which has others in it.
    is_inbox: bool,
}

/// Files of Dovecot's that go with a mailbox, its lists first: without `cur` it is not there yet.
const FILES_OF_INBOX: [&str; 6] = ["dovecot-uidlist", "dovecot-keywords", "maildirsize", "new", "tmp", "cur"];

/// Those that say which UIDs and keywords the messages have.
const LISTS: [&str; 2] = ["dovecot-uidlist", "dovecot-keywords"];

impl DovecotLayout {
    /// The word for what is left to be converted of the Maildir `root`, and the directory where
    /// it lies; `None` once nothing is.
    pub fn unconverted(
        &self,
        root: &Path,
        owner: Option<&Arc<Owner>>,
    ) -> Result<Option<(&'static str, PathBuf)>> {
        let _entered = owner::enter(owner, root)?;
        if let Some(inbox) = &self.inbox
            && is_mailbox(inbox)?
        {
            return Ok(Some(("INBOX=", inbox.clone())));
        }
        let found = if self.is_fs { mailboxes(root)?.pop() } else { None };
        Ok(found.map(|mailbox| ("LAYOUT=fs", mailbox)))
    }

    /// What has to be done for the Maildir `root`. An error where a name cannot be one of
    /// Maildir++, or something is in the way: then nothing may be done at all.
    pub fn conversion(&self, root: &Path, owner: Option<Arc<Owner>>) -> Result<Conversion> {
        let _entered = owner::enter(owner.as_ref(), root)?;
        let control = |below: &Path| self.control.as_ref().map(|control| control.join(below));
        let mut moves = Vec::new();
        for from in if self.is_fs { mailboxes(root)? } else { Vec::new() } {
            let below = from.strip_prefix(root).unwrap_or(&from);
            let to = root.join(entry_of(below).ok_or_else(|| {
                Error::new(ErrorKind::BadName, "cannot be a directory of Maildir++:", &from)
            })?);
            let control = control(below);
            moves.push(Move { from, to, control, is_inbox: false });
        }
        let inbox = match &self.inbox {
            Some(inbox) if is_mailbox(inbox)? => Some(inbox.clone()),
            _ => None,
        };
        // The inbox may be in place already, and its lists elsewhere.
        let is_placed = self.is_fs && self.control.is_some() && is_mailbox(root)?;
        if inbox.is_some() || is_placed {
            let (from, to) = (inbox.unwrap_or(root.to_owned()), root.to_owned());
            let control = control(Path::new(if self.is_fs { "INBOX" } else { ".INBOX" }));
            moves.push(Move { from, to, control, is_inbox: true });
        }
        let conversion = Conversion { root: root.to_owned(), owner: owner.clone(), moves };
        conversion.check()?;
        Ok(conversion)
    }
}

impl Conversion {
    /// From where to where, the directories of mailboxes that are moved.
    pub fn moves(&self) -> impl Iterator<Item = (&Path, &Path)> {
        let moved = self.moves.iter().filter(|one| one.from != one.to);
        moved.map(|one| (&*one.from, &*one.to))
    }

    /// What will be taken over of each mailbox that is moved, by where it is now.
    pub fn survey(&self, preference: Preference) -> Result<Vec<(&Path, Survey)>> {
        let _entered = owner::enter(self.owner.as_ref(), &self.root)?;
        let surveyed = self.moves.iter().filter(|one| one.from != one.to).map(|one| {
            let has_list = |path: &&PathBuf| path.join(LISTS[0]).is_file();
            // As the conversion does: lists that are with the mailbox stay.
            let dovecot = one.control.as_ref().filter(has_list).filter(|_| !has_list(&&one.from));
            let files = ForeignFiles { directory: &one.from, dovecot: dovecot.unwrap_or(&one.from) };
            Ok((&*one.from, peek(files, preference)?.survey(&one.from)?))
        });
        surveyed.collect()
    }

    /// Whatever is in the way is found before anything is done.
    fn check(&self) -> Result<()> {
        let mut targets = std::collections::BTreeSet::new();
        for one in self.moves.iter().filter(|one| one.from != one.to) {
            let targets_of = match one.is_inbox {
                // Empty directories in the place of the inbox are no harm, but are not replaced.
                true => FILES_OF_INBOX.map(|name| one.to.join(name)).to_vec(),
                false => vec![one.to.clone()],
            };
            for target in targets_of {
                let name = target.file_name().unwrap_or_default();
                let is_moved = !one.is_inbox || std::fs::symlink_metadata(one.from.join(name)).is_ok();
                let is_taken = std::fs::symlink_metadata(&target).is_ok() || !targets.insert(target.clone());
                if is_moved && is_taken {
                    return Err(Error::new(ErrorKind::AlreadyExists, "is in the way:", &target));
                }
            }
        }
        Ok(())
    }

    /// Does it, durably.
    pub fn carry_out(&self) -> Result<()> {
        if self.moves.is_empty() {
            return Ok(());
        }
        let _entered = owner::enter(self.owner.as_ref(), &self.root)?;
        for one in &self.moves {
            if let Some(control) = &one.control {
                copy_lists(control, &one.from)?;
            }
            if one.from == one.to {
                continue;
            }
            match one.is_inbox {
                true => move_inbox(&one.from, &one.to)?,
                false => {
                    rename(&one.from, &one.to)?;
                    make_marker(&one.to)?;
                }
            }
            remove_empty(&self.root, &one.from);
        }
        sync_directory(&self.root)
    }
}

/// Mailboxes in directories below one another, the deepest first.
fn mailboxes(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![(root.to_owned(), 0)];
    let mut count = 0;
    while let Some((directory, depth)) = left.pop() {
        let failed = |error| Error::io("cannot read", &directory, error);
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if is_missing(&error) => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let is_level = !name.as_bytes().starts_with(b".")
                && !["cur", "new", "tmp"].map(OsString::from).contains(&name);
            if !is_level || !entry.file_type().map_err(failed)?.is_dir() {
                continue;
            }
            count += 1;
            if depth == DEPTH_MAX || count > DIRECTORIES_MAX {
                return Err(Error::new(ErrorKind::Limit, "too many directories in", root));
            }
            let path = entry.path();
            if is_mailbox(&path)? {
                found.push(path.clone());
            }
            left.push((path, depth + 1));
        }
    }
    // What is in a directory comes behind it in their order.
    found.sort();
    found.reverse();
    Ok(found)
}

/// The name of a mailbox's directory in Maildir++; `None` where there is none.
fn entry_of(below: &Path) -> Option<OsString> {
    let levels: Vec<&str> = below.iter().map(OsStr::to_str).collect::<Option<_>>()?;
    let is_sound = |level: &&str| !level.is_empty() && !level.chars().any(char::is_control);
    let is_inbox = levels.first().is_some_and(|level| level.eq_ignore_ascii_case("INBOX"));
    if is_inbox || !levels.iter().all(is_sound) {
        return None;
    }
    let entry = match levels.iter().any(|level| level.contains('.')) {
        false => levels.join("."),
        // A name is written in one way as a whole.
        true => {
            let meant = levels.iter().map(|level| utf7::decode(level).unwrap_or((*level).to_owned()));
            meant.map(|level| utf7::encode_level(&level)).collect::<Vec<_>>().join(".")
        }
    };
    (entry.len() < 255).then(|| OsString::from(format!(".{entry}")))
}

/// Copies Dovecot's lists to where the mailbox is, unless there are some.
fn copy_lists(control: &Path, mailbox: &Path) -> Result<()> {
    for name in LISTS {
        let to = mailbox.join(name);
        if std::fs::symlink_metadata(&to).is_ok() {
            continue;
        }
        if let Some(text) = read_small(&control.join(name), SIZE_MAX)? {
            write_durably(&to, &text)?;
        }
    }
    Ok(())
}

fn move_inbox(from: &Path, to: &Path) -> Result<()> {
    for name in FILES_OF_INBOX {
        match rename(&from.join(name), &to.join(name)) {
            Err(error) if error.source.as_ref().is_some_and(is_missing) => {}
            moved => moved?,
        }
    }
    sync_directory(from)
}

/// Renames, and never replaces anything.
fn rename(from: &Path, to: &Path) -> Result<()> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(|error| Error::io("cannot rename", from, error.into()))
}

/// Maildir++'s sign of a mailbox that is not the inbox.
fn make_marker(mailbox: &Path) -> Result<()> {
    let marker = mailbox.join("maildirfolder");
    match crate::disk::private_file(&marker) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("cannot make", &marker, error))
        }
        _ => sync_directory(mailbox),
    }
}

/// Removes directories above a mailbox that has moved away, as far as nothing is in them.
fn remove_empty(root: &Path, mailbox: &Path) {
    let above = mailbox.ancestors().skip(1).take_while(|path| path.starts_with(root) && *path != root);
    for path in above {
        if std::fs::remove_dir(path).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
