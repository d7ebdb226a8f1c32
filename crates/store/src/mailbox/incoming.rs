//! Messages that come in, by APPEND, COPY or MOVE.
//!
//! Their lines are written first, as keywords are nowhere else; then the files get their names.
//! A crash in between leaves lines without files, which the next look takes for expunged: UIDs
//! are spent that nobody was told. Both are made durable together, before anybody is told: a
//! machine that goes down before that may keep a file without its line, which then is a
//! message like one that another program delivered.
//!
//! Source and target may belong to two owners. The caller works as the source's, and what is done
//! to the target is done as the target's: a file is opened as the one and written as the other.

use super::expunge::note_last_facts;
use super::held::Held;
use super::inner::Durability;
use super::state::State;
use super::{Inner, Mailbox};
use crate::disk::sync_directory;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::{Info, compose, sizes_kept, unique};
use crate::message::MessageFile;
use crate::scan::Place;
use crate::uid_list::Line;
use mail::flag::Flags;
use mail::{Uid, UidSet};

/// A message that is to come in.
pub(super) struct Incoming {
    pub(super) base: String,
    pub(super) flags: Flags,
}

/// A message that is to be copied or moved.
pub(super) type Chosen = (Uid, Flags);

/// Gives the messages UIDs. They are durable with [`make_durable`], and nobody is told of them
/// before [`settle`].
pub(super) fn announce(held: &mut Held<'_>, incoming: &[&Incoming]) -> Result<Vec<Uid>> {
    let Held { mailbox, inner, .. } = held;
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
    inner.record(lines.iter().cloned(), Durability::Lazy)?;
    inner.pending.clone_from(&uids);
    Ok(uids)
}

pub(super) fn sync_lines(held: &Held<'_>) -> Result<()> {
    let _entered = held.mailbox.shared.enter()?;
    held.inner.list.sync()
}

/// Makes lines and names durable. The list comes first: where a journal holds both, the second
/// wait finds nothing left to do.
pub(super) fn make_durable(held: &Held<'_>) -> Result<()> {
    sync_lines(held)?;
    let _entered = held.mailbox.shared.enter()?;
    sync_directory(&held.mailbox.directory.join("cur"))
}

/// The files are in place, but for those of `missing`, which are expunged again; publishes.
pub(super) fn settle(
    held: &mut Held<'_>,
    incoming: &[&Incoming],
    uids: &[Uid],
    missing: &[Uid],
) -> Result<()> {
    held.inner.pending.clear();
    // That of their coming, which nobody was told: without the lines, the list is not behind us.
    let modseq = held.inner.state()?.highest_modseq;
    let lines = missing.iter().map(|uid| Line::Expunged(*uid, modseq));
    let place = |state: &mut State| {
        for (uid, incoming) in uids.iter().zip(incoming) {
            state.set_file(*uid, Place::Cur, &file_name(incoming)[incoming.base.len()..]);
        }
    };
    let Err(error) = held.commit(lines.clone(), Durability::Synced, place) else { return Ok(()) };
    // Without these lines the next look finds the same.
    let mailbox = held.mailbox.name.as_str();
    tracing::warn!(%error, mailbox, "messages that did not come in are taken out at the next look");
    held.inner.seen = None;
    held.inner.state_mut()?.apply(lines);
    held.commit(std::iter::empty(), Durability::Synced, place)
}

/// Those of `uids` that are there, with their flags.
pub(super) fn messages_of(inner: &Inner, uids: &UidSet) -> Result<Vec<Chosen>> {
    let state = inner.state()?;
    let chosen = |row: usize| (state.uids[row], state.flags_of(row));
    Ok(state.rows(uids).map(chosen).collect())
}

/// The messages are about to be moved out.
pub(super) fn note_leaving(mailbox: &Mailbox, inner: &mut Inner, chosen: &[Chosen]) {
    let uids: Vec<Uid> = chosen.iter().map(|(uid, ..)| *uid).collect();
    note_last_facts(mailbox, inner, &uids);
}

/// A base name of its own for a message that goes to `target`, with the sizes that its old one
/// gave, if they are right.
pub(super) fn new_base(target: &Mailbox, source: &Mailbox, from: &Inner, uid: Uid) -> String {
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

pub(super) fn file_name(incoming: &Incoming) -> Vec<u8> {
    let info = Info { flags: incoming.flags.system, ..Info::default() };
    compose(incoming.base.as_bytes(), &info)
}
