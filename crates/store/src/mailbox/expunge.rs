//! Expunging, and what is noted of messages that leave.

use super::held::Held;
use super::inner::Durability;
use super::state::State;
use super::{Inner, Mailbox, room};
use crate::changes::{self, MessageIds};
use crate::disk::{is_missing, sync_directory};
use crate::error::{Error, Result};
use crate::faults::fault_point;
use crate::message::MessageFile;
use crate::quota::{Change, size_of};
use crate::rename::is_of_one_file;
use crate::snapshot::Snapshot;
use crate::uid_list::Line;
use mail::{SystemFlags, Uid, UidSet};
use std::sync::Arc;

/// Messages whose files are removed, also where what follows fails.
struct Removed {
    uids: Vec<Uid>,
    ids: MessageIds,
}

/// What [`Mailbox::expunged_since`] knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExpungedSince {
    /// Every message that was expunged since then.
    Known(UidSet),
    /// That is not known any more, or never was.
    Unknown,
}

pub(super) fn expunge(mailbox: &Mailbox, uids: Option<&UidSet>) -> Result<Arc<Snapshot>> {
    let mut removed = Removed { uids: Vec::new(), ids: MessageIds::new() };
    let outcome = remove(mailbox, uids, &mut removed);
    // With no lock held.
    changes::expunged(&mailbox.name, &removed.uids, &removed.ids);
    outcome
}

fn remove(mailbox: &Mailbox, uids: Option<&UidSet>, removed: &mut Removed) -> Result<Arc<Snapshot>> {
    let mut quota = room::expunging(mailbox);
    let mut inner = mailbox.lock();
    let mut held = Held::hold(mailbox, &mut inner)?;
    let outcome = remove_files(mailbox, held.inner, uids, removed, &mut quota);
    fault_point("expunge: before the lines");
    if !removed.uids.is_empty() {
        sync_directory(&mailbox.directory.join("cur"))?;
        let modseq = held.inner.state()?.next_modseq();
        let lines = removed.uids.iter().map(|uid| Line::Expunged(*uid, modseq));
        held.commit(lines, Durability::Synced, |_| {})?;
    }
    outcome?;
    Ok(held.inner.published.snapshot())
}

/// Removes the files of messages that are marked; `removed` are those that are gone, also when
/// it fails halfway.
fn remove_files(
    mailbox: &Mailbox,
    inner: &mut Inner,
    uids: Option<&UidSet>,
    removed: &mut Removed,
    quota: &mut Change<'_>,
) -> Result<()> {
    let state = inner.state()?;
    let marked = |state: &State, row: &usize| state.flags.get(*row).contains(SystemFlags::DELETED);
    let named = |row: &usize| uids.is_none_or(|uids| uids.contains(state.uids[*row]));
    let chosen = (0..state.len()).filter(|row| marked(state, row) && named(row));
    let chosen: Vec<Uid> = chosen.map(|row| state.uids[row]).collect();
    let mut failed = None;
    note_last_facts(mailbox, inner, &chosen);
    for uid in chosen {
        for _ in 0..3 {
            let state = inner.state()?;
            let Some(row) = state.row(uid).filter(|row| marked(state, row)) else { break };
            let Some((place, name)) = state.file_name(row) else { break };
            let path = mailbox.file_path(place, &name);
            let size = quota.is_counted().then(|| size_of(state.names.get(row), &path));
            let id = removed.ids.read(&path);
            match std::fs::remove_file(&path) {
                Ok(()) => {
                    fault_point("expunge: after a file");
                    size.into_iter().for_each(|size| quota.remove(size));
                    removed.uids.push(uid);
                    removed.ids.keep(id);
                    break;
                }
                // Renamed by another program: perhaps it is not marked any more.
                Err(error) if is_missing(&error) => mailbox.scan_again(inner)?,
                // It stays; the others go.
                Err(error) if is_of_one_file(&error) => {
                    failed.get_or_insert(Error::io("cannot remove", &path, error));
                    break;
                }
                Err(error) => return Err(Error::io("cannot remove", &path, error)),
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Bytes that are read to count the octets of messages that leave: leaving is not to wait for it.
const LAST_BYTES_MAX: u64 = 1024 * 1024;

/// Notes size and date of messages that are about to leave, where they are not known: sessions
/// beside the caller's are asked for them until they have announced the expunge.
pub(super) fn note_last_facts(mailbox: &Mailbox, inner: &mut Inner, uids: &[Uid]) {
    if mailbox.watched.wakes() < 2 {
        return;
    }
    let mut bytes_left = LAST_BYTES_MAX;
    for uid in uids {
        let path = mailbox.path_of(inner, *uid);
        let (Some(path), Some(state)) = (path, inner.state.as_mut()) else { continue };
        let Some(row) = state.row(*uid) else { continue };
        let known = state.known(row);
        if known.size != 0 && known.date != 0 {
            continue;
        }
        // What cannot be read stays unknown, and is no reason to keep the message.
        let Ok(Some(file)) = MessageFile::open(&path) else { continue };
        state.facts.dates[row] = as_fact(file.internal_date());
        if known.size == 0 {
            let octets = match file.octets_by_name() {
                Some(octets) => Some(octets),
                None if file.size() > bytes_left => None,
                None => {
                    bytes_left -= file.size();
                    file.count_octets().ok()
                }
            };
            state.facts.sizes[row] = octets.map_or(0, as_fact);
        }
    }
}

/// A number as [`super::state::Facts`] have it; 0 where it does not fit.
fn as_fact(number: impl TryInto<u32>) -> u32 {
    number.try_into().ok().and_then(|number| number.checked_add(1)).unwrap_or(0)
}
