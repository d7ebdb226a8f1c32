//! Looking at a mailbox: what other programs did since the last time.
//!
//! There are two sources: the UID list, which other servers append to, and the directories,
//! which everybody may touch. What the directories hold is known from a scan, and from the
//! watcher's journal since then; where there is no journal, the times of change say whether
//! another scan is due.

use super::age::{self, Beside};
use super::inner::{Durability, Inner};
use super::misnamed::scan_and_mend;
use super::state::{Differences, NewOrder, State};
use super::{Mailbox, Refreshed};
use crate::directory;
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::list_file::News;
use crate::rename::{is_of_one_file, rename_new};
use crate::scan::{Place, Stamp};
use crate::take_over::{ForeignFiles, take_over};
use crate::uid_list::Line;
use mail::{Uid, UidSet, UidValidity};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// How far the directories are known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// All that happened since is in the watcher's journal.
    Followed,
    /// As of a scan that was made at this time under this stamp.
    Stamped(Stamp, SystemTime),
}

/// Messages found by one scan from which on the index is written at once.
const NEW_TO_SAVE: usize = 1000;

/// See [`Mailbox::refresh`].
pub(super) fn refresh(mailbox: &Mailbox, inner: &mut Inner, claim: bool) -> Result<Refreshed> {
    mailbox.check_identity()?;
    // Of what was published: a mailbox that rests has nothing else, and is not loaded for a look.
    let published = &inner.published;
    let unclaimed = published.last_uid().is_some_and(|last| last >= published.head().recent_from);
    // Whoever claims is told whether that can be done at all.
    if !(claim && (unclaimed || inner.read_only)) && is_unchanged(mailbox, inner)? {
        return Ok(Refreshed { snapshot: inner.published.snapshot(), claimed: UidSet::new() });
    }
    let claimed = if claim {
        let _lock = mailbox.lock_file()?;
        mailbox.look(inner)?;
        self::claim(mailbox, inner)?
    } else {
        mailbox.lock_and_look(inner)?;
        UidSet::new()
    };
    mailbox.count_bytes(inner);
    Ok(Refreshed { snapshot: inner.published.snapshot(), claimed })
}

/// See [`Mailbox::look`]. With `inner.read_only` no more is written than can be.
pub(super) fn look(mailbox: &Mailbox, inner: &mut Inner) -> Result<()> {
    mailbox.check_identity()?;
    if inner.list.is_in_memory() && !(inner.read_only && inner.list.is_current()) {
        mailbox.is_superseded.store(true, Ordering::Relaxed);
        return Err(mailbox.deleted());
    }
    inner.pending.clear();
    let was_unknown = inner.state.is_none();
    let mut beside = Beside::of(inner);
    let told = beside.told;
    if was_unknown {
        beside.known = mailbox.restore(inner)?;
    }
    if let Some(state) = &mut inner.state {
        state.departed.watch(mailbox.watched.wakes() > 0);
    }
    let appended = read_list(mailbox, inner, beside)?;
    if was_unknown {
        keep_modseqs_ahead(inner)?;
        age::check(mailbox, inner, Beside { known: None, told })?;
    }
    say_floor(inner)?;
    match inner.seen {
        Some(Seen::Followed) => match mailbox.watched.take_journal() {
            Some(events) if events.is_empty() => {}
            // What they tell could not be written down: a scan will do.
            Some(_) if inner.read_only => return scan_again(mailbox, inner),
            Some(events) => {
                // Until they are taken in, what they told is not known any more.
                inner.seen = None;
                let is_file = |place, name: &[u8]| is_file(mailbox, place, name);
                let differences = inner.state_mut()?.take_events(&events, is_file)?;
                let Some(differences) = differences else { return scan_again(mailbox, inner) };
                take_in(mailbox, inner, &differences)?;
                inner.seen = Some(Seen::Followed);
            }
            None => return scan_again(mailbox, inner),
        },
        Some(Seen::Stamped(..)) if is_unchanged(mailbox, inner)? => {}
        _ => return scan_again(mailbox, inner),
    }
    // Lines of another server, whose files the journal has not shown.
    if appended && !inner.state()?.all_located() {
        return scan_again(mailbox, inner);
    }
    Ok(())
}

/// Whether list and directories are as they were at the last look, as far as that can be told
/// without reading them.
pub(super) fn is_unchanged(mailbox: &Mailbox, inner: &Inner) -> Result<bool> {
    if !inner.list.is_current() {
        return Ok(false);
    }
    Ok(match inner.seen {
        None => false,
        Some(Seen::Followed) => mailbox.watched.is_quiet(),
        Some(Seen::Stamped(stamp, scanned)) => {
            stamp.is_settled_at(scanned) && Stamp::of(&mailbox.directory)? == stamp
        }
    })
}

/// Reads the list, as far as it is new; makes one where there is none. Whether others appended
/// to it.
fn read_list(mailbox: &Mailbox, inner: &mut Inner, beside: Beside) -> Result<bool> {
    match inner.list.news()? {
        News::Nothing if inner.state.is_some() => Ok(false),
        News::Appended if inner.state.is_some() => {
            let Inner { list, state, .. } = inner;
            let state = state.as_mut().ok_or_else(|| mailbox.deleted())?;
            let (read, _) = state.apply_each(|take| list.read_on(take))?;
            if read.damaged > 0 || read.torn {
                // Not what the lock promises: everything is read again, and written anew.
                return read_whole(mailbox, inner, beside).map(|()| true);
            }
            // Files that came with these lines are in the journal, or found by a scan.
            if !matches!(inner.seen, Some(Seen::Followed)) {
                inner.seen = None;
            }
            inner.publish();
            Ok(true)
        }
        News::Missing => match inner.state.take() {
            // Somebody removed it: what we know of it is not lost.
            Some(state) => {
                let (name, directory) = (mailbox.name.as_str(), mailbox.directory.display());
                tracing::warn!(mailbox = name, %directory, "restante-uidlist is gone: writing it again");
                let written = inner.list.replace(state.checkpoint());
                inner.state = Some(state);
                written.map(|()| false)
            }
            None if inner.told.is_some() => find_again(mailbox, inner).map(|()| false),
            None => make_list(mailbox, inner).map(|()| false),
        },
        _ => read_whole(mailbox, inner, beside).map(|()| true),
    }
}

/// Reads the whole list.
fn read_whole(mailbox: &Mailbox, inner: &mut Inner, mut beside: Beside) -> Result<()> {
    let (name, directory) = (mailbox.name.as_str(), mailbox.directory.display());
    let mut validity = None;
    let mut state = State::new(UidValidity::MIN);
    let (read, contradictory) = state.apply_each(|take| {
        inner.list.read_whole(&mut |line| {
            if let Line::Validity(of_list) = line {
                validity.get_or_insert(of_list);
            }
            take(line);
        })
    })?;
    let known = inner.state.as_ref().map(|state| state.uid_validity).or(inner.told);
    if known.is_some() && validity.is_some() && known != validity {
        return Err(mailbox.outlived());
    }
    let of_index = beside.known.as_ref().filter(|index| age::agree(&state, index));
    state.uid_validity = match validity.or(known).or(of_index.map(|index| index.uid_validity)) {
        Some(validity) => validity,
        None => {
            tracing::error!(
                mailbox = name, %directory,
                "restante-uidlist has lost its UIDVALIDITY: clients will fetch all again"
            );
            mailbox.shared.new_uid_validity()?
        }
    };
    // Each damaged line may have given a UID, and two lines may have run into one.
    for _ in 0..2 * read.damaged + usize::from(read.torn) {
        state.uid_next = state.uid_next.and_then(Uid::next);
    }
    let passed_over = read.damaged + contradictory;
    if passed_over > 0 {
        // Each of them may have been the only word of an expunge, at a MODSEQ of its own.
        let lost = (0..passed_over).fold(state.highest_modseq, |modseq, _| modseq.next());
        state.highest_modseq = lost;
        state.expunges.raise_floor(lost);
        tracing::error!(
            mailbox = name, %directory, lines = passed_over,
            "restante-uidlist was damaged: repaired from the Maildir"
        );
    }
    if passed_over > 0 || read.torn || validity.is_none() {
        inner.list.replace(state.checkpoint())?;
    }
    state.shrink();
    beside.known = inner.state.take().or(beside.known);
    if let Some(known) = &beside.known {
        state.inherit_facts(known);
    }
    inner.state = Some(state);
    (inner.seen, inner.cache) = (None, None);
    keep_modseqs_ahead(inner)?;
    age::check(mailbox, inner, beside)?;
    inner.publish();
    Ok(())
}

/// MODSEQs that were given out before the machine went down, and whose lines it may have lost,
/// are never given out again.
fn keep_modseqs_ahead(inner: &mut Inner) -> Result<()> {
    let state = inner.state()?;
    match &state.reserve {
        Some((upto, boot))
            if Some(boot.as_str()) != super::inner::boot_id() && *upto > state.highest_modseq =>
        {
            let line = Line::Next(state.uid_next.unwrap_or(Uid::MAX), *upto);
            if inner.read_only {
                // None is given out either, and whoever may write next makes the same line.
                inner.state_mut()?.apply([line]);
            } else {
                inner.record(std::iter::once(line), Durability::Synced)?;
            }
            inner.publish();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Lists of earlier programs do not say from where on they have all expunges: from now on.
fn say_floor(inner: &mut Inner) -> Result<()> {
    let state = inner.state()?;
    if state.expunges.floor().is_some() {
        return Ok(());
    }
    let line = Line::ExpungeFloor(state.highest_modseq);
    if inner.read_only {
        inner.state_mut()?.apply([line]);
        return Ok(());
    }
    inner.unsaved = true;
    inner.record(std::iter::once(line), Durability::Lazy)
}

/// The list is gone while nothing of it was in memory: the index has what it said.
fn find_again(mailbox: &Mailbox, inner: &mut Inner) -> Result<()> {
    let saved = mailbox.load_index();
    let saved = saved.filter(|saved| Some(saved.state.uid_validity) == inner.told);
    let Some(saved) = saved else { return Err(mailbox.deleted()) };
    let (name, directory) = (mailbox.name.as_str(), mailbox.directory.display());
    tracing::warn!(mailbox = name, %directory, "restante-uidlist is gone: written again from the index");
    inner.list.replace(saved.state.checkpoint())?;
    inner.state = Some(saved.state);
    inner.seen = None;
    Ok(())
}

/// The first list of a mailbox: with the UIDs that Courier or Dovecot gave, else empty.
///
/// Where it cannot be written, the same in memory, with a UIDVALIDITY that no list will have.
fn make_list(mailbox: &Mailbox, inner: &mut Inner) -> Result<()> {
    let directory = &*mailbox.directory;
    let dovecot = &*mailbox.shared.dovecot_lists(directory);
    let taken = take_over(ForeignFiles { directory, dovecot }, mailbox.shared.settings.take_over)?;
    taken.iter().for_each(|taken| taken.log());
    let origin = taken.as_ref().map(|taken| taken.origin);
    inner.is_fresh = taken.is_none();
    let (mut validity, lines) = taken.map_or((None, Vec::new()), |taken| (taken.uid_validity, taken.lines));
    let mut state = State::new(UidValidity::MIN);
    state.apply(lines);
    // What lies there may be from before clients were told more.
    let noted = mailbox.shared.witness.of(&mailbox.directory);
    if let (Some(taken), Some(noted)) = (validity, noted) {
        state.uid_validity = taken;
        validity = age::taken_validity(mailbox, &mut state, &noted);
    }
    state.uid_validity = match validity {
        _ if inner.read_only => mailbox.go_into_memory(&mut inner.list, None)?,
        Some(validity) => validity,
        None => mailbox.shared.new_uid_validity()?,
    };
    if !inner.read_only {
        mailbox.shared.note_uid_validity(state.uid_validity)?;
    }
    // What another server expunged is not known.
    state.expunges.raise_floor(state.highest_modseq);
    inner.list.replace(state.checkpoint())?;
    state.new_order = origin.map(NewOrder::of).unwrap_or_default();
    inner.state = Some(state);
    inner.taken_from = origin;
    inner.seen = None;
    Ok(())
}

/// See [`Mailbox::scan_again`].
pub(super) fn scan_again(mailbox: &Mailbox, inner: &mut Inner) -> Result<()> {
    inner.seen = None;
    let beside = Beside::of(inner);
    read_list(mailbox, inner, beside)?;
    let before = inner.state()?.len();
    // What happens from now on is in the journal, or shows in the times of change.
    let followed = mailbox.watched.begin();
    let (stamp, now) = (Stamp::of(&mailbox.directory)?, SystemTime::now());
    if !stamp.is_there() {
        make_whole(mailbox, inner, &stamp)?;
    }
    let names = |inner: &mut Inner| {
        let hostname = &mailbox.shared.settings.hostname;
        let (found, failed) = scan_and_mend(&mailbox.directory, hostname, inner.state_mut()?)
            .map_err(|error| if mailbox.is_there() { error } else { mailbox.deleted() })?;
        failed.iter().for_each(|error| inner.complain(error, "a message is not shown"));
        Ok::<_, Error>(found)
    };
    let found = names(inner)?;
    let mut differences = inner.state_mut()?.differences(&found);
    if !differences.expunged.is_empty() {
        // A file that is renamed while its directory is read may be seen under neither name.
        // What is gone twice is gone.
        let found = names(inner)?;
        differences = inner.state_mut()?.differences(&found);
    }
    differences.expunged.retain(|uid| !inner.pending.contains(uid));
    fault_point("look: before the lines");
    take_in(mailbox, inner, &differences)?;
    if let Some(origin) = inner.taken_from.take() {
        inner.state_mut()?.new_order = NewOrder::default();
        let (list, new) = (origin.list_name(), differences.arrivals().count());
        if new > 0 {
            tracing::warn!(
                mailbox = mailbox.name.as_str(), directory = %mailbox.directory.display(), new,
                "messages got new UIDs, as {list} did not have them"
            );
        }
    }
    inner.seen = Some(if followed && stamp.is_there() { Seen::Followed } else { Seen::Stamped(stamp, now) });
    let state = inner.state_mut()?;
    if state.len() >= before + NEW_TO_SAVE {
        state.shrink();
        // What it cost to get here is not to be paid twice. It can be made again.
        if let Err(error) = mailbox.save(inner) {
            tracing::debug!(%error, "no index is written");
        }
    }
    Ok(())
}

/// A Maildir without `new/` or `cur/` is made whole, as programs expect both; but where `cur/`
/// has vanished with messages in it, its keeper has to look: it may come back, and with the
/// messages taken for expunged their UIDs and keywords would be lost.
fn make_whole(mailbox: &Mailbox, inner: &Inner, stamp: &Stamp) -> Result<()> {
    if !stamp.has_cur() && inner.state()?.len() > 0 {
        let cur = mailbox.directory.join("cur");
        return Err(Error::new(ErrorKind::Io, "has vanished, with messages in it:", &cur));
    }
    directory::make(&mailbox.directory, mailbox.name.is_inbox())
}

/// Lists what is not in the list, durably, and publishes it.
fn take_in(mailbox: &Mailbox, inner: &mut Inner, differences: &Differences) -> Result<()> {
    let fresh = std::mem::take(&mut inner.is_fresh).then(|| first_recent(inner, differences)).flatten();
    if differences.is_empty() && fresh.is_none() {
        if inner.published.head().uid_validity() != inner.uid_validity() {
            inner.publish();
        }
        return Ok(());
    }
    let lines = differences.lines().chain(fresh);
    mailbox.commit(inner, lines, Durability::Synced, |state| state.locate(differences))
}

/// Of a Maildir seen for the first time, mail is recent from the oldest in `new/` on: what lies
/// in `cur/` was seen by somebody.
fn first_recent(inner: &Inner, differences: &Differences) -> Option<Line<'static>> {
    let oldest = differences.arrivals().find(|(_, place)| *place == Place::New).map(|(uid, _)| uid);
    let after_all = differences.arrivals().last().and_then(|(uid, _)| uid.next());
    let next = inner.state.as_ref().and_then(|state| state.uid_next);
    Some(Line::Recent(oldest.or(after_all).or(next).unwrap_or(Uid::MAX)))
}

/// Whether a name that came is that of a regular file.
fn is_file(mailbox: &Mailbox, place: Place, name: &[u8]) -> Result<bool> {
    let path = mailbox.file_path(place, name);
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(Error::reading("cannot look at", &path, error)),
    }
}

/// Moves messages from `new/` to `cur/` and ends their being recent to others.
fn claim(mailbox: &Mailbox, inner: &mut Inner) -> Result<UidSet> {
    let (mut overtaken, mut stuck) = (false, None);
    let state = inner.state_mut()?;
    for row in state.lying_new() {
        let Some((_, name)) = state.file_name(row) else { continue };
        let target = state.name_with(row, state.flags.get(row));
        let (from, to) = (mailbox.file_path(Place::New, &name), mailbox.file_path(Place::Cur, &target));
        match rename_new(&from, &to) {
            // Not synced: after a crash it lies in new/ again, and no harm is done.
            Ok(()) => state.files[row] = state.suffixes.at(Place::Cur, &target[state.names.get(row).len()..]),
            // Somebody else was faster; the next look finds it.
            Err(error) if is_missing(&error) => overtaken = true,
            // It stays in new/, and costs the others nothing.
            Err(error) if is_of_one_file(&error) => {
                // Another file of its base name, which has just come, is the next look's.
                overtaken |= error.kind() == std::io::ErrorKind::AlreadyExists;
                stuck.get_or_insert(Error::io("cannot move from new to cur", &from, error));
            }
            Err(error) => return Err(Error::io("cannot move from new to cur", &from, error)),
        }
    }
    let first = state.uids.partition_point(|uid| *uid < state.recent_from);
    let claimed: UidSet = state.uids[first..].iter().copied().collect();
    let next = state.uid_next.unwrap_or(Uid::MAX);
    if overtaken {
        inner.seen = None;
    }
    stuck.iter().for_each(|error| inner.complain(error, "a message stays in new"));
    if !claimed.is_empty() {
        let line = Line::Recent(next);
        // Lost in a crash, messages are recent once more: no harm.
        mailbox.commit(inner, std::iter::once(line), Durability::Lazy, |_| {})?;
    }
    Ok(claimed)
}
