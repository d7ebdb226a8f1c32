//! Messages that come in: APPEND, COPY, MOVE.
//!
//! Their lines are written first, as keywords are nowhere else; then the files get their names.
//! A crash in between leaves lines without files, which the next look takes for expunged: UIDs
//! are spent that nobody was told. Both are made durable together, before anybody is told: a
//! machine that goes down before that may keep a file without its line, which then is a
//! message like one that another program delivered.
//!
//! Source and target may belong to two owners. The caller works as the source's, and what is done
//! to the target is done as the target's: a file is opened as the one and written as the other.

use super::change::note_last_facts;
use super::{Copied, Inner, Mailbox, room};
use crate::changes::{self, MessageIds};
use crate::delivery::{Appended, Delivery};
use crate::directory;
use crate::disk::{is_missing, private_file, sync_directory};
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::file_name::{Info, compose, disk_size, sizes_kept, unique};
use crate::message::{MessageFile, open_regular};
use crate::quota::{Change, QuotaUsage, Room};
use crate::rename::rename_new;
use crate::scan::Place;
use crate::temporary::Temporary;
use crate::uid_list::Line;
use mail::flag::Flags;
use mail::{Uid, UidSet, UidValidity};
use rustix::fs::CWD;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A message that is to come in.
struct Incoming {
    base: String,
    flags: Flags,
}

/// A message that is to be copied or moved.
type Chosen = (Uid, Flags);

/// Appends that wait for the mailbox. Whoever gets its lock first brings all of them in at
/// once: the disk is waited for once, and not by one after the other.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Arc<Waiting>>>,
}

/// Messages that are to come in together.
struct Waiting {
    incoming: Vec<Incoming>,
    temporaries: Vec<Temporary>,
    /// Set by whoever brought them in.
    outcome: Mutex<Option<Result<Appended>>>,
}

pub(super) fn append(mailbox: &Mailbox, messages: Vec<(Delivery, Flags, Option<i64>)>) -> Result<Appended> {
    let mut temporaries = Vec::with_capacity(messages.len());
    let mut incoming = Vec::with_capacity(messages.len());
    let mut rooms = Vec::new();
    for (mut delivery, flags, date) in messages {
        rooms.extend(delivery.take_room());
        let temporary = delivery.finish(date)?;
        incoming.push(Incoming { base: temporary.base.clone(), flags });
        temporaries.push(temporary);
    }
    fault_point("append: before the lines");
    let (mut change, coming) = coming(mailbox, &incoming, &temporaries, rooms)?;
    let own = Arc::new(Waiting { incoming, temporaries, outcome: Mutex::new(None) });
    mailbox.queue.lock().push(own.clone());
    let mut inner = mailbox.lock();
    if !own.is_done() {
        let together = std::mem::take(&mut *mailbox.queue.lock());
        bring_in_together(mailbox, &mut inner, &together);
    }
    drop(inner);
    let nobody = || Err(Error::new(ErrorKind::Io, "nobody appended to", &mailbox.directory));
    let appended = own.take_outcome().unwrap_or_else(nobody)?;
    change.add_all(coming);
    Ok(appended)
}

/// The quota's part of messages that are about to come in.
fn coming<'a>(
    mailbox: &'a Mailbox,
    incoming: &[Incoming],
    temporaries: &[Temporary],
    rooms: Vec<Room>,
) -> Result<(Change<'a>, QuotaUsage)> {
    let sizes = incoming.iter().zip(temporaries).map(|(message, file)| {
        (message.flags.system, crate::quota::size_of(message.base.as_bytes(), &file.path))
    });
    room::coming(mailbox, sizes, rooms)
}

/// Brings all in at once; where that fails, each by itself, so that nobody fails for another.
fn bring_in_together(mailbox: &Mailbox, inner: &mut Inner, together: &[Arc<Waiting>]) {
    let outcome = from_temporaries(mailbox, inner, together);
    let uid_validity = inner.uid_validity();
    match outcome {
        Ok(uids) => {
            let mut uids = uids.into_iter();
            for waiting in together {
                let uids = uids.by_ref().take(waiting.incoming.len()).collect();
                waiting.set_outcome(Ok(Appended { uid_validity, uids }));
            }
        }
        Err(error) if together.len() == 1 => together[0].set_outcome(Err(error)),
        // Each would wait for as long again, one after the other.
        Err(error) if error.kind == ErrorKind::Busy => {
            let busy = || Error::new(ErrorKind::Busy, "another process holds", &mailbox.directory);
            together.iter().for_each(|waiting| waiting.set_outcome(Err(busy())));
        }
        Err(_) => {
            for waiting in together {
                let outcome = from_temporaries(mailbox, inner, std::slice::from_ref(waiting));
                waiting.set_outcome(
                    outcome.map(|uids| Appended { uid_validity, uids: uids.into_iter().collect() }),
                );
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_done(&self) -> bool {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take_outcome(&self) -> Option<Result<Appended>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set_outcome(&self, outcome: Result<Appended>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

pub(super) fn copy(source: &Mailbox, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
    let mut temporaries = Vec::new();
    let mut incoming = Vec::new();
    let mut copied = Vec::new();
    {
        let _entered = target.shared.enter()?;
        directory::check_tmp(&target.directory)?;
    }
    let present = present(source, uids)?;
    let room = room::copying(source, uids, target)?;
    for (uid, flags) in present {
        let Some((temporary, path_base)) = link_or_copy(source, uid, target)? else { continue };
        incoming.push(Incoming { base: path_base, flags });
        temporaries.push(temporary);
        copied.push(uid);
    }
    let new = if incoming.is_empty() {
        target.refresh(false)?;
        Vec::new()
    } else {
        let _entered = target.shared.enter()?;
        let (mut change, coming) = self::coming(target, &incoming, &temporaries, room.into_iter().collect())?;
        let together = [Arc::new(Waiting { incoming, temporaries, outcome: Mutex::new(None) })];
        let new = from_temporaries(target, &mut target.lock(), &together)?;
        change.add_all(coming);
        new
    };
    let uid_validity = target.snapshot().uid_validity();
    Ok(Copied { uid_validity, pairs: copied.into_iter().zip(new).collect() })
}

/// Messages whose files are in their new place, also where what follows fails.
struct Moved {
    /// UIDs before and after.
    pairs: Vec<(Uid, Uid)>,
    ids: MessageIds,
}

impl Moved {
    /// A message's file lies in `target` now.
    fn add(&mut self, pair: (Uid, Uid), target: &Mailbox, incoming: &Incoming) {
        self.pairs.push(pair);
        let _entered = target.shared.enter();
        let id = self.ids.read(&target.file_path(Place::Cur, &file_name(incoming)));
        self.ids.keep(id);
    }

    /// What the caller is told, of so many messages that were chosen. What was moved is moved, and
    /// both mailboxes say so.
    fn outcome(
        &self,
        source: &Mailbox,
        uid_validity: UidValidity,
        chosen: usize,
        failed: Option<Error>,
    ) -> Result<Copied> {
        match failed {
            Some(error) if self.pairs.is_empty() => return Err(error),
            Some(error) => {
                let (mailbox, moved) = (source.name.as_str(), self.pairs.len());
                tracing::error!(%error, mailbox, "a move ended halfway: {moved} of {chosen} messages");
            }
            None => {}
        }
        Ok(Copied { uid_validity, pairs: self.pairs.clone() })
    }
}

pub(super) fn move_to(source: &Mailbox, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
    let mut moved = Moved { pairs: Vec::new(), ids: MessageIds::new() };
    let outcome = match source.identity == target.identity {
        true => move_within(source, uids, &mut moved),
        false => move_across(source, uids, target, &mut moved),
    };
    // With no lock held.
    changes::moved(source, target, &moved.pairs, &moved.ids);
    outcome
}

fn move_across(source: &Mailbox, uids: &UidSet, target: &Mailbox, moved: &mut Moved) -> Result<Copied> {
    let mut change = room::moving(source, uids, target)?;
    // In one order for all, or two moves the opposite ways wait for one another.
    let source_first = source.directory < target.directory;
    let (mut first, mut second) =
        if source_first { (source.lock(), target.lock()) } else { (target.lock(), source.lock()) };
    let _locks = if source_first {
        (source.lock_file()?, target.lock_file()?)
    } else {
        (target.lock_file()?, source.lock_file()?)
    };
    let (from, to) = if source_first { (&mut *first, &mut *second) } else { (&mut *second, &mut *first) };
    source.look(from)?;
    {
        let _entered = target.shared.enter()?;
        target.look(to)?;
    }
    let chosen = messages_of(from, uids)?;
    note_leaving(source, from, &chosen);
    if chosen.is_empty() {
        return Ok(Copied { uid_validity: to.uid_validity(), pairs: Vec::new() });
    }
    let incoming: Vec<Incoming> = chosen
        .iter()
        .map(|(uid, flags)| Incoming { base: new_base(target, source, from, *uid), flags: flags.clone() })
        .collect();
    let incoming: Vec<&Incoming> = incoming.iter().collect();
    let new = announce(target, to, &incoming)?;
    // A file that has left the source has its keywords in this line only.
    sync_lines(target, to)?;
    fault_point("move: after the target's lines");
    let (mut missing, mut failed) = (Vec::new(), None);
    for (((uid, flags), incoming), new) in chosen.iter().zip(&incoming).zip(&new) {
        if failed.is_some() {
            missing.push(*new);
            continue;
        }
        match rename_over(source, from, *uid, target, &file_name(incoming)) {
            Ok(true) => {
                moved.add((*uid, *new), target, incoming);
                room::moved(&mut change, source, target, &file_name(incoming), flags.system);
            }
            Ok(false) => missing.push(*new),
            Err(error) => {
                missing.push(*new);
                failed = Some(error);
            }
        }
        fault_point("move: after a rename");
    }
    make_durable(target, to)?;
    sync_directory(&source.directory.join("cur"))?;
    settle(target, to, &incoming, &new, &missing)?;
    let modseq = from.state()?.next_modseq();
    let gone: Vec<Line<'_>> = moved.pairs.iter().map(|(uid, _)| Line::Expunged(*uid, modseq)).collect();
    from.record(&gone)?;
    from.publish();
    source.after_change(from);
    moved.outcome(source, to.uid_validity(), chosen.len(), failed)
}

/// A move to the mailbox itself: the messages get new UIDs (RFC 6851 section 3.3 allows it).
fn move_within(mailbox: &Mailbox, uids: &UidSet, moved: &mut Moved) -> Result<Copied> {
    let mut inner = mailbox.lock();
    let _lock = mailbox.lock_file()?;
    mailbox.look(&mut inner)?;
    let inner = &mut *inner;
    let chosen = messages_of(inner, uids)?;
    note_leaving(mailbox, inner, &chosen);
    let incoming: Vec<Incoming> = chosen
        .iter()
        .map(|(uid, flags)| Incoming { base: new_base(mailbox, mailbox, inner, *uid), flags: flags.clone() })
        .collect();
    let incoming: Vec<&Incoming> = incoming.iter().collect();
    let new = announce(mailbox, inner, &incoming)?;
    inner.list.sync()?;
    let (mut missing, mut failed) = (Vec::new(), None);
    for (((uid, _), incoming), new) in chosen.iter().zip(&incoming).zip(&new) {
        match rename_over(mailbox, inner, *uid, mailbox, &file_name(incoming)) {
            Ok(true) => moved.add((*uid, *new), mailbox, incoming),
            Ok(false) => missing.push(*new),
            Err(error) => {
                missing.push(*new);
                failed.get_or_insert(error);
            }
        }
    }
    make_durable(mailbox, inner)?;
    settle(mailbox, inner, &incoming, &new, &missing)?;
    let modseq = inner.state()?.next_modseq();
    let gone: Vec<Line<'_>> = moved.pairs.iter().map(|(uid, _)| Line::Expunged(*uid, modseq)).collect();
    inner.record(&gone)?;
    inner.publish();
    mailbox.after_change(inner);
    moved.outcome(mailbox, inner.uid_validity(), chosen.len(), failed)
}

/// Brings files of `tmp/` in, all or none.
fn from_temporaries(mailbox: &Mailbox, inner: &mut Inner, together: &[Arc<Waiting>]) -> Result<Vec<Uid>> {
    let _lock = mailbox.lock_file()?;
    mailbox.look(inner)?;
    let incoming: Vec<&Incoming> = together.iter().flat_map(|waiting| &waiting.incoming).collect();
    let temporaries = together.iter().flat_map(|waiting| &waiting.temporaries);
    let new = announce(mailbox, inner, &incoming)?;
    fault_point("append: after the lines");
    let mut done = Ok(());
    let mut moved = Vec::new();
    for (temporary, incoming) in temporaries.zip(&incoming) {
        let to = mailbox.file_path(Place::Cur, &file_name(incoming));
        done = rename_new(&temporary.path, &to).map_err(|e| Error::io("cannot move into cur", &to, e));
        if done.is_err() {
            break;
        }
        moved.push(to);
        fault_point("append: after a file");
    }
    let done = done.and_then(|()| make_durable(mailbox, inner));
    if let Err(error) = done {
        moved.iter().for_each(|path| drop(std::fs::remove_file(path)));
        settle(mailbox, inner, &incoming, &new, &new)?;
        return Err(error);
    }
    settle(mailbox, inner, &incoming, &new, &[])?;
    Ok(new)
}

/// Gives the messages UIDs. They are durable with [`make_durable`], and nobody is told of them
/// before [`settle`].
fn announce(mailbox: &Mailbox, inner: &mut Inner, incoming: &[&Incoming]) -> Result<Vec<Uid>> {
    let _entered = mailbox.shared.enter()?;
    let state = inner.state()?;
    let modseq = state.next_modseq();
    let mut next = state.uid_next;
    let mut lines = Vec::new();
    let mut uids = Vec::new();
    for message in incoming {
        let limit = |doing| Error::new(ErrorKind::Limit, doing, &mailbox.directory);
        let uid = next.ok_or_else(|| limit("all UIDs are used up in"))?;
        let max = mailbox.shared.settings.keywords_max;
        let keywords = state.keyword_indices(message.flags.keywords(), max, &mut lines);
        let keywords = keywords.ok_or_else(|| limit("too many keywords in"))?;
        let (flags, base) = (message.flags.system, message.base.as_bytes().into());
        lines.push(Line::Message { uid, modseq, flags, keywords, base });
        uids.push(uid);
        next = uid.next();
    }
    inner.list.append(lines.iter().cloned(), false)?;
    inner.state_mut()?.apply(lines);
    inner.pending.clone_from(&uids);
    Ok(uids)
}

fn sync_lines(mailbox: &Mailbox, inner: &Inner) -> Result<()> {
    let _entered = mailbox.shared.enter()?;
    inner.list.sync()
}

/// Makes lines and names durable. The list comes first: where a journal holds both, the second
/// wait finds nothing left to do.
fn make_durable(mailbox: &Mailbox, inner: &Inner) -> Result<()> {
    sync_lines(mailbox, inner)?;
    let _entered = mailbox.shared.enter()?;
    sync_directory(&mailbox.directory.join("cur"))
}

/// The files are in place, but for those of `missing`, which are expunged again; publishes.
fn settle(
    mailbox: &Mailbox,
    inner: &mut Inner,
    incoming: &[&Incoming],
    uids: &[Uid],
    missing: &[Uid],
) -> Result<()> {
    let _entered = mailbox.shared.enter()?;
    inner.pending.clear();
    let state = inner.state_mut()?;
    for (uid, incoming) in uids.iter().zip(incoming) {
        state.set_file(*uid, Place::Cur, &file_name(incoming)[incoming.base.len()..]);
    }
    // That of their coming, which nobody was told: without the lines, the list is not behind us.
    let modseq = state.highest_modseq;
    let lines: Vec<Line<'_>> = missing.iter().map(|uid| Line::Expunged(*uid, modseq)).collect();
    // Without these lines the next look finds the same.
    let written = inner.list.append(lines.iter().cloned(), true);
    inner.state_mut()?.apply(lines);
    inner.publish();
    if let Err(error) = written {
        inner.seen = None;
        tracing::warn!(%error, mailbox = mailbox.name.as_str(), "messages that did not come in are taken out at the next look");
    }
    mailbox.after_change(inner);
    Ok(())
}

/// Those of `uids` that are there after a look at the mailbox.
fn present(mailbox: &Mailbox, uids: &UidSet) -> Result<Vec<Chosen>> {
    mailbox.refresh(false)?;
    messages_of(&*mailbox.awake()?, uids)
}

/// Those of `uids` that are there, with their flags.
fn messages_of(inner: &Inner, uids: &UidSet) -> Result<Vec<Chosen>> {
    let state = inner.state()?;
    let chosen = |row: usize| (state.uids[row], state.flags_of(row));
    Ok(state.rows(uids).map(chosen).collect())
}

/// The messages are about to be moved out.
fn note_leaving(mailbox: &Mailbox, inner: &mut Inner, chosen: &[Chosen]) {
    let uids: Vec<Uid> = chosen.iter().map(|(uid, ..)| *uid).collect();
    note_last_facts(mailbox, inner, &uids);
}

/// A file in the target's `tmp/` with the message's content and date: a link, or a copy where
/// links cannot be. `None` when the message is gone.
fn link_or_copy(source: &Mailbox, uid: Uid, target: &Mailbox) -> Result<Option<(Temporary, String)>> {
    for _ in 0..3 {
        let (path, base) = {
            let inner = source.awake()?;
            let Some(path) = source.path_of(&inner, uid) else { return Ok(None) };
            (path, new_base(target, source, &inner, uid))
        };
        let temporary = {
            let _entered = target.shared.enter()?;
            Temporary::new(target.directory.join("tmp").join(&base), base.clone())
        };
        // A link would be made to a symbolic link or FIFO too.
        let metadata = std::fs::symlink_metadata(&path);
        let linked = match &metadata {
            Ok(metadata) if metadata.is_file() => {
                if let Some(copied) = copy_expanded(&path, metadata.len(), target)? {
                    return Ok(Some(copied));
                }
                match is_of_one_owner(source, target) {
                    true => std::fs::hard_link(&path, &temporary.path),
                    false => Err(std::io::ErrorKind::CrossesDevices.into()),
                }
            }
            Ok(_) => return Err(Error::new(ErrorKind::Damaged, "no regular file:", &path)),
            Err(_) => metadata.map(drop),
        };
        match linked {
            Ok(()) => return Ok(Some((temporary, base))),
            Err(error) if is_missing(&error) => {
                scan_source(source)?;
            }
            Err(_) => match copy_file(&path, &temporary.path, target)? {
                true => return Ok(Some((temporary, base))),
                false => scan_source(source)?,
            },
        }
    }
    Ok(None)
}

/// A compressed message is copied as it is read. `None` for a message that is not compressed, and
/// for one that cannot be read, which is copied as it lies there.
fn copy_expanded(path: &Path, size: u64, target: &Mailbox) -> Result<Option<(Temporary, String)>> {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    if disk_size(crate::file_name::split(&name).0) == Some(size) {
        return Ok(None);
    }
    let file = match MessageFile::open(path) {
        Ok(file) => file.filter(MessageFile::is_compressed),
        Err(error) if error.is_of_compression() => None,
        Err(error) => return Err(error),
    };
    let Some(file) = file else { return Ok(None) };
    let _entered = target.shared.enter()?;
    let mut copy = Delivery::create(&target.directory, &target.shared.settings.hostname)?;
    let (mut buffer, mut offset) = (vec![0; 64 * 1024], 0);
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        if count == 0 {
            break;
        }
        copy.write(&buffer[..count])?;
        offset += count as u64;
    }
    let temporary = copy.finish(Some(file.internal_date()))?;
    let base = temporary.base.clone();
    Ok(Some((temporary, base)))
}

/// The source's files are not where they were thought to be.
fn scan_source(source: &Mailbox) -> Result<()> {
    let mut inner = source.lock();
    let _lock = source.lock_file()?;
    source.scan_again(&mut inner)
}

fn is_of_one_owner(source: &Mailbox, target: &Mailbox) -> bool {
    source.shared.owner == target.shared.owner
}

/// Copies a message's file as it lies there; `false` when it is gone.
fn copy_file(from: &Path, to: &Path, target: &Mailbox) -> Result<bool> {
    let opened = open_regular(CWD, from.as_os_str().as_bytes(), || from.to_owned())?;
    let Some((mut source, ..)) = opened else { return Ok(false) };
    let _entered = target.shared.enter()?;
    let mut copied = || -> std::io::Result<()> {
        let mut target = private_file(to)?;
        let mut fill = || {
            std::io::copy(&mut source, &mut target)?;
            target.set_modified(source.metadata()?.modified()?)?;
            target.sync_all()
        };
        fill().inspect_err(|_| drop(std::fs::remove_file(to)))
    };
    copied().map_err(|error| Error::io("cannot copy to", to, error))?;
    Ok(true)
}

/// Renames a message's file into another mailbox; `false` when it is gone.
fn rename_over(source: &Mailbox, from: &mut Inner, uid: Uid, target: &Mailbox, name: &[u8]) -> Result<bool> {
    let to = target.file_path(Place::Cur, name);
    for _ in 0..3 {
        let Some(path) = source.path_of(from, uid) else { return Ok(false) };
        let renamed = match is_of_one_owner(source, target) {
            true => rename_new(&path, &to),
            // No rename gives a file away.
            false => Err(std::io::ErrorKind::CrossesDevices.into()),
        };
        match renamed {
            Ok(()) => return Ok(true),
            Err(error) if is_missing(&error) => source.scan_again(from)?,
            Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
                if !copy_file(&path, &to, target)? {
                    source.scan_again(from)?;
                    continue;
                }
                fault_point("move: after a copy");
                let Err(error) = std::fs::remove_file(&path) else { return Ok(true) };
                // It stays where it was, and only there.
                let _entered = target.shared.enter()?;
                let _ = std::fs::remove_file(&to);
                return Err(Error::io("cannot remove", &path, error));
            }
            Err(error) => return Err(Error::io("cannot move", &path, error)),
        }
    }
    Ok(false)
}

/// A base name of its own for a message that goes to `target`, with the sizes that its old one
/// gave, if they are right.
fn new_base(target: &Mailbox, source: &Mailbox, from: &Inner, uid: Uid) -> String {
    let mut base = unique(&target.shared.settings.hostname);
    let Some((state, row)) = from.state.as_ref().and_then(|state| Some((state, state.row(uid)?))) else {
        return base;
    };
    // Without a look the message is a little dearer once, and no failure.
    let looked = source.path_of(from, uid).and_then(|path| MessageFile::look(&path).ok().flatten());
    if let Some(looked) = looked {
        let octets = state.facts.sizes[row].checked_sub(1).map(u64::from);
        base.push_str(&sizes_kept(state.names.get(row), looked.size, octets));
    }
    base
}

fn file_name(incoming: &Incoming) -> Vec<u8> {
    let info = Info { flags: incoming.flags.system, ..Info::default() };
    compose(incoming.base.as_bytes(), &info)
}
