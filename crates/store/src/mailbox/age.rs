//! A UID list that is older than what clients were told: put back from a backup, or cut short.
//!
//! Witnesses are what this process knows, the index, and what was noted with the account
//! ([`crate::witness`]). Where the newest state that is known has all that was witnessed, the list
//! is written again from it; else the mailbox gets a new UIDVALIDITY. Either way no UID and no
//! MODSEQ stands for two things. A Maildir that is put back as a whole is as old as its witnesses,
//! and nobody can tell.
//!
//! Invariant S7 of crates/store/README.md.

use super::state::State;
use super::{Inner, Mailbox};
use crate::error::Result;
use crate::snapshot::Snapshot;
use crate::uid_list::Line;
use crate::witness::{MODSEQS_AHEAD, Reached, UIDS_AHEAD};
use mail::{ModSeq, Uid, UidValidity};

/// What is to be done about a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing: it is not behind any witness.
    Current,
    /// It is behind; what is known beside it has all that was witnessed.
    Rewrite,
    /// It is behind, and what it lacks is lost.
    Renew,
}

impl Reached {
    pub(super) fn of(state: &State) -> Self {
        Self {
            uid_validity: state.uid_validity,
            uid_next: state.uid_next.unwrap_or(Uid::MAX),
            highest_modseq: state.highest_modseq,
        }
    }

    fn of_snapshot(snapshot: &Snapshot) -> Self {
        Self {
            uid_validity: snapshot.uid_validity(),
            uid_next: snapshot.uid_next(),
            highest_modseq: snapshot.highest_modseq(),
        }
    }
}

/// Judges a list by what is known beside it ([`Beside`]), and how far the mailbox was seen to get.
pub(super) fn judge(list: &State, known: Option<&State>, seen: &[Reached]) -> Verdict {
    let (of_list, of_known) = (Reached::of(list), known.map(Reached::of));
    let has_all = |reached: &Reached| !seen.iter().chain(&of_known).any(|by| reached.is_behind(by));
    if has_all(&of_list) {
        return Verdict::Current;
    }
    let has_all = |known: &State| {
        let of_known = Reached::of(known);
        of_known.uid_validity == of_list.uid_validity && has_all(&of_known) && is_beginning(list, known)
    };
    if known.is_some_and(has_all) { Verdict::Rewrite } else { Verdict::Renew }
}

/// Whether the list can be the beginning of one that led to `known`: no UID stands for two
/// messages.
fn is_beginning(list: &State, known: &State) -> bool {
    let same = |(row, uid): (usize, &Uid)| match known.row(*uid) {
        Some(of_known) => known.names.get(of_known) == list.names.get(row),
        // Expunged since.
        None => known.uid_next.is_none_or(|next| *uid < next),
    };
    list.uids.iter().enumerate().all(same)
}

/// Whether a list without UIDVALIDITY is that of the mailbox that an index was made of: UIDs that
/// both have stand for the same messages, and there are such, or the list has nothing at all.
pub(super) fn agree(list: &State, index: &State) -> bool {
    let same = |(row, uid): (usize, &Uid)| {
        let of_list = list.row(*uid)?;
        Some(index.names.get(row) == list.names.get(of_list))
    };
    let mut common = index.uids.iter().enumerate().filter_map(same).peekable();
    let is_empty = list.len() == 0 && list.uid_next == Some(Uid::MIN);
    (is_empty || common.peek().is_some()) && common.all(|same| same)
}

/// The newest state that is known, as what clients were told can be told from it: UIDs and MODSEQs
/// that may have been given out after it are spent, and all messages count as changed.
pub(super) fn gone_on(mut known: State) -> State {
    let next = known.uid_next.unwrap_or(Uid::MAX);
    let spent: Vec<Uid> =
        std::iter::successors(Some(next), |uid| uid.next()).take(UIDS_AHEAD as usize).collect();
    let reserved = known.reserve.as_ref().map_or(ModSeq(0), |(modseq, _)| *modseq);
    let modseq = known.highest_modseq.max(reserved).0.saturating_add(MODSEQS_AHEAD + 1);
    let modseq = ModSeq(modseq.min(ModSeq::MAX.0 - 1));
    let changed = (0..known.len()).map(|row| Line::Flags {
        uid: known.uids[row],
        modseq,
        flags: known.flags.get(row),
        keywords: known.set(row).to_vec(),
    });
    let changed: Vec<Line<'_>> = changed.collect();
    known.apply(changed);
    // Clients that were told of them learn that they are gone.
    let next = spent.last().and_then(|last| last.next()).unwrap_or(Uid::MAX);
    known.apply(spent.into_iter().map(|uid| Line::Expunged(uid, modseq)));
    known.apply([Line::Next(next, modseq)]);
    known
}

/// UIDVALIDITY of what was taken over from another server: its own, unless it is from before
/// clients were told more here, as when its files stayed behind. MODSEQs go on above what was noted.
pub(super) fn taken_validity(mailbox: &Mailbox, state: &mut State, noted: &Reached) -> Option<UidValidity> {
    let taken = Reached { highest_modseq: noted.highest_modseq, ..Reached::of(state) };
    if taken.is_behind(noted) {
        tracing::error!(
            mailbox = mailbox.name.as_str(), directory = %mailbox.directory.display(), uid_next = %taken.uid_next,
            "what was taken over is older than what clients were told here: new UIDVALIDITY"
        );
        return None;
    }
    state.highest_modseq = state.highest_modseq.max(noted.highest_modseq);
    Some(taken.uid_validity)
}

/// What is known beside a list that was just read.
pub(super) struct Beside {
    /// What was in memory, or is in an index that was made of another list, or of more of this one.
    pub(super) known: Option<State>,
    /// What sessions were told.
    pub(super) told: Option<Reached>,
}

impl Beside {
    /// Before a list is looked at.
    pub(super) fn of(inner: &Inner) -> Self {
        Self { known: None, told: inner.told.map(|_| Reached::of_snapshot(inner.published.head())) }
    }
}

/// Judges the list that was just read, and makes it right; the lock file is held.
pub(super) fn check(mailbox: &Mailbox, inner: &mut Inner, beside: Beside) -> Result<()> {
    let Beside { known, told } = beside;
    inner.noted = mailbox.shared.witness.of(&mailbox.directory);
    let seen: Vec<Reached> = inner.noted.into_iter().chain(told).collect();
    let list = inner.state()?;
    let verdict = judge(list, known.as_ref(), &seen);
    if verdict == Verdict::Current {
        return Ok(());
    }
    let Reached { uid_next, highest_modseq, .. } = Reached::of(list);
    let (name, directory) = (mailbox.name.as_str(), mailbox.directory.display());
    // Until it is written anew, nothing is known.
    let old = inner.state.take();
    inner.seen = None;
    let state = match (known, old) {
        (Some(known), _) if verdict == Verdict::Rewrite => {
            tracing::error!(
                mailbox = name, %directory, %uid_next, highest_modseq = highest_modseq.0,
                "restante-uidlist is older than what is known of it, or was cut short: written again"
            );
            gone_on(known)
        }
        (_, old) => {
            let uid_validity = mailbox.shared.new_uid_validity()?;
            tracing::error!(
                mailbox = name, %directory, %uid_next, highest_modseq = highest_modseq.0,
                "restante-uidlist is older than what clients were told, and what it lacks is lost: \
                 new UIDVALIDITY, clients will fetch all again"
            );
            State { uid_validity, ..old.unwrap_or_else(|| State::new(uid_validity)) }
        }
    };
    inner.list.replace(state.checkpoint())?;
    // The places of its records are those of other messages.
    inner.cache = None;
    let uid_validity = state.uid_validity;
    inner.state = Some(state);
    mailbox.note_reached(inner, true);
    if told.is_some_and(|told| told.uid_validity != uid_validity) {
        return Err(mailbox.outlived());
    }
    inner.publish();
    Ok(())
}
