//! Changing flags.

use super::held::Held;
use super::inner::Durability;
use super::state::State;
use super::{FlagChange, FlagsStored, Inner, Mailbox, room};
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::rename::{is_of_one_file, rename_new_at};
use crate::scan::{Place, info_of};
use crate::uid_list::Line;
use mail::{ModSeq, SystemFlags, Uid, UidSet};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;

/// What an error says was being done.
const RENAMING: &str = "cannot rename for other flags";

/// A rename that was done, and can be undone.
struct Renamed {
    uid: Uid,
    from: (Place, Vec<u8>),
    to: Vec<u8>,
    /// Bytes of the base name.
    base: usize,
}

/// The directories of a mailbox, open while many files in them are renamed: the way to them is
/// gone once.
struct Directories {
    new: OwnedFd,
    cur: OwnedFd,
}

impl Directories {
    fn open(mailbox: &Mailbox) -> Result<Self> {
        let open = |place: Place| {
            let path = mailbox.directory.join(place.directory());
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::open(&path, flags, Mode::empty())
                .map_err(|error| Error::io("cannot open", &path, error.into()))
        };
        Ok(Self { new: open(Place::New)?, cur: open(Place::Cur)? })
    }

    fn of(&self, place: Place) -> &OwnedFd {
        match place {
            Place::New => &self.new,
            Place::Cur => &self.cur,
        }
    }
}

/// What one message's flags become.
struct Planned {
    uid: Uid,
    flags: SystemFlags,
    keywords: Vec<usize>,
}

pub(super) fn store_flags(
    mailbox: &Mailbox,
    uids: &UidSet,
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Result<FlagsStored> {
    let mut quota = room::flagging(mailbox, change);
    let mut toggled = Vec::new();
    let mut inner = mailbox.lock();
    let mut held = Held::hold(mailbox, &mut inner)?;
    let mut lines = Vec::new();
    let named = named_keywords(mailbox, held.inner, change, &mut lines)?;
    let (mut changed, mut modified, mut gone) = (UidSet::new(), UidSet::new(), UidSet::new());
    let (mut refused, mut refusal) = (UidSet::new(), None);
    let mut renames: Vec<Renamed> = Vec::new();
    let directories = Directories::open(mailbox)?;
    let modseq = held.inner.state()?.next_modseq();
    for uid in uids.iter() {
        let state = held.inner.state()?;
        let Some(row) = state.row(uid) else {
            gone.insert(uid);
            continue;
        };
        if unchanged_since.is_some_and(|since| state.modseqs.get(row) > since) {
            modified.insert(uid);
            continue;
        }
        let Some(planned) = plan(state, row, change, &named) else { continue };
        let before = state.flags.get(row);
        match rename_for(mailbox, held.inner, &directories, &planned) {
            Ok(Some(renamed)) => renames.extend(renamed),
            Ok(None) => {
                gone.insert(uid);
                continue;
            }
            // It cannot have these flags, ever: no reason to keep them from the others.
            Err(error) if error.kind == ErrorKind::Unchangeable => {
                refused.insert(uid);
                refusal.get_or_insert(error);
                continue;
            }
            Err(error) => {
                undo(&directories, &renames);
                return Err(error);
            }
        }
        fault_point("flags: after a rename");
        changed.insert(uid);
        if quota.is_counted() {
            toggled.push((uid, before, planned.flags));
        }
        lines.push(Line::Flags { uid, modseq, flags: planned.flags, keywords: planned.keywords });
    }
    if !lines.is_empty() {
        let committed = held.commit(lines.iter().cloned(), Durability::Flags, |state| {
            fault_point("flags: after the lines");
            for renamed in &renames {
                state.set_file(renamed.uid, Place::Cur, &renamed.to[renamed.base..]);
            }
        });
        if let Err(error) = committed {
            undo(&directories, &renames);
            return Err(error);
        }
        room::flagged(&mut quota, mailbox, held.inner, &toggled);
    }
    let snapshot = held.inner.published.snapshot();
    Ok(FlagsStored { snapshot, changed, modified, gone, refused, refusal })
}

/// Indices of the keywords that the change names; lines that define new ones go to `lines`.
fn named_keywords(
    mailbox: &Mailbox,
    inner: &Inner,
    change: &FlagChange,
    lines: &mut Vec<Line<'_>>,
) -> Result<Vec<usize>> {
    let (FlagChange::Replace(flags) | FlagChange::Add(flags) | FlagChange::Remove(flags)) = change;
    let state = inner.state()?;
    if let FlagChange::Remove(_) = change {
        // What no message has needs no definition to be taken away.
        let index = |keyword| state.keywords.iter().position(|known| known.as_ref() == Some(keyword));
        return Ok(flags.keywords().iter().filter_map(index).collect());
    }
    let max = mailbox.shared.settings.keywords_max;
    state
        .keyword_indices(flags.keywords(), max, lines)
        .ok_or_else(|| Error::new(ErrorKind::Limit, "too many keywords in", &mailbox.directory))
}

/// What the message's flags become; `None` when they are that already.
fn plan(state: &State, row: usize, change: &FlagChange, named: &[usize]) -> Option<Planned> {
    let (before, had) = (state.flags.get(row), state.set(row));
    let (flags, keywords): (SystemFlags, Vec<usize>) = match change {
        FlagChange::Replace(new) => (new.system, named.to_vec()),
        FlagChange::Add(new) => {
            let mut keywords = [had, named].concat();
            keywords.sort_unstable();
            keywords.dedup();
            (before.with(new.system), keywords)
        }
        FlagChange::Remove(old) => {
            let left = had.iter().copied().filter(|index| !named.contains(index));
            (before.without(old.system), left.collect())
        }
    };
    let same = flags == before && keywords == had;
    (!same).then_some(Planned { uid: state.uids[row], flags, keywords })
}

/// Renames the message's file for its new flags. `Some(None)`: its name says it already;
/// `None`: the message is gone.
#[allow(clippy::option_option, reason = "nothing to rename and nothing there are two answers")]
fn rename_for(
    mailbox: &Mailbox,
    inner: &mut Inner,
    directories: &Directories,
    planned: &Planned,
) -> Result<Option<Option<Renamed>>> {
    let mut taken = None;
    for _ in 0..3 {
        let state = inner.state()?;
        let Some(row) = state.row(planned.uid) else { return Ok(None) };
        let Some((place, name)) = state.file_name(row) else { return Ok(None) };
        let base = state.names.get(row).len();
        // Keywords are in the list: for them no name changes.
        if info_of(&name[base..]).flags == planned.flags {
            return Ok(Some(None));
        }
        let target = state.name_with(row, planned.flags);
        let error = match rename_new_at((directories.of(place), &name), (&directories.cur, &target)) {
            Ok(()) => {
                return Ok(Some(Some(Renamed { uid: planned.uid, from: (place, name), to: target, base })));
            }
            Err(error) => error,
        };
        let path = mailbox.file_path(place, &name);
        if is_missing(&error) {
            // Somebody else renamed or removed it meanwhile.
            mailbox.scan_again(inner)?;
        } else if error.kind() == std::io::ErrorKind::AlreadyExists {
            // A second file of its base name: a scan gives it another.
            taken = Some(Error { kind: ErrorKind::Unchangeable, ..Error::io(RENAMING, &path, error) });
            mailbox.scan_again(inner)?;
        } else if is_of_one_file(&error) {
            return Err(Error { kind: ErrorKind::Unchangeable, ..Error::io(RENAMING, &path, error) });
        } else {
            return Err(Error::io(RENAMING, &path, error));
        }
    }
    taken.map_or(Ok(None), Err)
}

/// The command failed: names say what they said before, as far as that can be done.
fn undo(directories: &Directories, renames: &[Renamed]) {
    for Renamed { from: (place, name), to, .. } in renames.iter().rev() {
        let _ = rename_new_at((&directories.cur, to), (directories.of(*place), name));
    }
}
