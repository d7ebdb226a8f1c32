//! The view: what a session has told its client of the selected mailbox.
//!
//! A client's sequence numbers mean positions in this view and nothing else; they are
//! resolved here and nowhere else. Changes reach a session as the difference between its view
//! and the newest snapshot: there is no queue, so none can overflow. Order of telling:
//! EXPUNGE, EXISTS and RECENT, FETCH FLAGS.
//!
//! A message whose expunge is withheld keeps its number: it is in the view and not in the
//! snapshot. What the snapshot said of it last is remembered, for commands by number.
//!
//! # What the client knows of flags
//!
//! Of every message in the view the client knows the flags as of `told`, or can ask for them
//! at its leisure: a later change is told to it. So one number serves for all messages. Three
//! things stand beside it, and only until the next advance is done: messages whose flags a
//! command told at a later MODSEQ (`told_later`), messages just announced, which the client
//! will ask for (`arrived`), and how far a long run of FETCH FLAGS got (`told_partly`).
//!
//! Invariant I10 of crates/README.md.

mod withheld;

use crate::output::Output;
use codec::response::{Code, Condition, fetch, list, untagged};
use mail::{Keyword, ModSeq, NumberSet, SeqNum, SystemFlags, Uid, UidSet};
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use store::{Row, Snapshot};
use withheld::AllWithheld;
pub(crate) use withheld::{Shown, Withheld};

/// See the module.
#[derive(Debug)]
pub(crate) struct View {
    /// Told to the client, in order. In step with a snapshot, it is that snapshot's column.
    uids: Arc<[Uid]>,
    /// The newest state that was seen, told or not.
    snapshot: Arc<Snapshot>,
    /// Messages in `uids` that are not in the snapshot any more.
    withheld: AllWithheld,
    /// Flags are told up to here, for all messages.
    told: ModSeq,
    /// For those with a UID up to this one, up to this MODSEQ.
    told_partly: Option<(Uid, ModSeq)>,
    /// And for these, up to theirs.
    told_later: BTreeMap<Uid, ModSeq>,
    /// From each UID on, messages were announced by EXISTS as of this MODSEQ.
    arrived: Vec<(Uid, ModSeq)>,
    /// HIGHESTMODSEQ of the last state in which no expunge was withheld.
    settled: ModSeq,
    /// Recent to this session, told or not.
    recent: UidSet,
    /// How many keywords of the mailbox were told; `None` before SELECT tells of them.
    keywords_told: Option<usize>,
}

/// How to tell changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Telling {
    /// EXPUNGE may be sent: not after FETCH, STORE and SEARCH by sequence number (RFC 3501
    /// section 7.4.1).
    pub(crate) expunges: bool,
    /// MODSEQ goes with flags (RFC 7162 section 3.2).
    pub(crate) modseq: bool,
    /// UID goes with flags: after UID commands (RFC 3501 section 6.4.8).
    pub(crate) uid: bool,
}

impl View {
    /// The view right after SELECT: everything in `snapshot` is told.
    pub(crate) fn new(snapshot: Arc<Snapshot>, recent: UidSet) -> Self {
        let told = snapshot.highest_modseq();
        Self {
            uids: snapshot.uids().clone(),
            snapshot,
            withheld: AllWithheld::default(),
            told,
            told_partly: None,
            told_later: BTreeMap::new(),
            arrived: Vec::new(),
            settled: told,
            recent,
            keywords_told: None,
        }
    }

    /// Gives the snapshot up, for a while in which nothing is asked of the view. `None` while
    /// something is left to tell.
    pub(crate) fn set_down(&mut self) -> Option<Arc<Snapshot>> {
        if !Arc::ptr_eq(&self.uids, self.snapshot.uids()) {
            return None;
        }
        let empty = Snapshot::empty();
        self.uids = empty.uids().clone();
        Some(std::mem::replace(&mut self.snapshot, empty.clone()))
    }

    /// Takes up again what was set down.
    pub(crate) fn take_up(&mut self, snapshot: Arc<Snapshot>) {
        self.uids = snapshot.uids().clone();
        self.snapshot = snapshot;
    }

    /// How many messages the client knows of.
    pub(crate) fn len(&self) -> usize {
        self.uids.len()
    }

    /// All that the client knows of.
    pub(crate) fn uids(&self) -> UidSet {
        self.uids.iter().copied().collect()
    }

    /// Messages that `set` names, in ascending order: by sequence number or by UID. `Err` with
    /// the number when a sequence number is beyond the view's end (BAD, RFC 3501 section 9
    /// `seq-number`), 1 standing for `*` in an empty mailbox; UIDs that name nothing are left
    /// out.
    pub(crate) fn resolve(&self, set: &NumberSet, by_uid: bool) -> Result<Vec<(SeqNum, Uid)>, u32> {
        if by_uid {
            let uids = set.resolve(self.uids.last().copied());
            return Ok(self.at(uids.ranges().flat_map(|range| self.between(range))));
        }
        let length = u32::try_from(self.uids.len()).unwrap_or(u32::MAX);
        let greatest = set.greatest().unwrap_or(1);
        if greatest > length {
            return Err(greatest);
        }
        let numbers = set.resolve(SeqNum::new(length));
        Ok(self.at(numbers.ranges().flat_map(|range| range.start().index()..range.end().index() + 1)))
    }

    /// Where the UIDs of a range lie.
    fn between(&self, range: RangeInclusive<Uid>) -> Range<usize> {
        let start = self.uids.partition_point(|uid| uid < range.start());
        start..self.uids.partition_point(|uid| uid <= range.end())
    }

    fn at(&self, indices: impl Iterator<Item = usize>) -> Vec<(SeqNum, Uid)> {
        indices.filter_map(|index| Some((SeqNum::from_index(index), *self.uids.get(index)?))).collect()
    }

    /// The number of a message; `None` when the client was not told of it.
    pub(crate) fn number(&self, uid: Uid) -> Option<SeqNum> {
        self.uids.binary_search(&uid).ok().map(SeqNum::from_index)
    }

    /// Whether a message is recent to this session.
    pub(crate) fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }

    /// Messages recent to this session that the client knows of.
    pub(crate) fn recent_count(&self) -> usize {
        self.recent.ranges().map(|range| self.between(range).len()).sum()
    }

    /// The newest snapshot that the session has seen, told or not.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Takes a newer state as the one to work on; the client is told by [`View::advance`].
    /// `claimed` became recent to this session with it.
    pub(crate) fn see(&mut self, newest: Arc<Snapshot>, claimed: &UidSet) {
        for uid in claimed.iter() {
            self.recent.insert(uid);
        }
        self.withheld.take_in(&self.uids, &self.snapshot, &newest);
        self.snapshot = newest;
    }

    /// A message that the client knows of, and whose expunge is withheld.
    pub(crate) fn withheld(&self, uid: Uid) -> Option<&Withheld> {
        self.withheld.find(uid)
    }

    /// The same, to note what its client changes of it.
    pub(crate) fn withheld_mut(&mut self, uid: Uid) -> Option<&mut Withheld> {
        self.withheld.find_mut(uid)
    }

    /// A command told the flags of a message as of `modseq`, or (`.SILENT`) changed them itself
    /// while the client knew the state before: no need to tell them again.
    pub(crate) fn told_flags(&mut self, uid: Uid, modseq: ModSeq) {
        if !self.knows_flags(uid, modseq) {
            self.told_later.insert(uid, modseq);
        }
    }

    /// Whether the client knows the flags of a message as they were at `modseq`: the condition
    /// under which `.SILENT` may suppress the echo of one's own change.
    pub(crate) fn knows_flags(&self, uid: Uid, modseq: ModSeq) -> bool {
        modseq <= self.told
            || self.told_partly.is_some_and(|(last, told)| uid <= last && modseq <= told)
            || self.arrived.iter().any(|&(first, told)| uid >= first && modseq <= told)
            || self.told_later.get(&uid).is_some_and(|&told| modseq <= told)
    }

    /// FLAGS and PERMANENTFLAGS, on SELECT and when there are more keywords than were told: they
    /// come before the messages that have them.
    pub(crate) fn tell_keywords(&mut self, read_only: bool, out: &mut Output) {
        let keywords = self.snapshot.keywords();
        if self.keywords_told == Some(keywords.len()) {
            return;
        }
        self.keywords_told = Some(keywords.len());
        let mut names: Vec<&str> = SystemFlags::ALL.names().collect();
        names.extend(keywords.iter().map(Keyword::as_str));
        list::flags(out.buffer(), &names);
        names.push("\\*");
        let permanent = match read_only {
            true => Vec::new(),
            false => names.iter().map(|&name| name.to_owned()).collect(),
        };
        let permanent = Code::PermanentFlags(permanent);
        untagged(out.buffer(), Condition::Ok, Some(&permanent), "Flags that are kept");
    }

    /// Advances to `newest` and writes what the client must be told: EXPUNGE (if allowed),
    /// EXISTS and RECENT, FETCH FLAGS. While expunges are withheld, new messages are announced
    /// all the same.
    ///
    /// Stops when the output is full and says `false`: call again with the same `telling`, and
    /// this snapshot or a newer one.
    #[must_use]
    pub(crate) fn advance(
        &mut self,
        newest: Arc<Snapshot>,
        claimed: &UidSet,
        telling: Telling,
        out: &mut Output,
    ) -> bool {
        self.see(newest, claimed);
        if telling.expunges {
            if !self.tell_expunges(out) {
                return false;
            }
            self.withheld.clear();
        }
        self.tell_arrivals(out);
        if !self.tell_flags(telling, out) {
            return false;
        }
        if Arc::ptr_eq(&self.uids, self.snapshot.uids()) {
            self.settled = self.snapshot.highest_modseq();
        }
        true
    }

    /// HIGHESTMODSEQ as it may be told: that of the snapshot, or, while expunges are withheld,
    /// of the last state in which none was.
    pub(crate) fn highest_modseq(&self) -> ModSeq {
        self.settled
    }

    /// EXPUNGE for what the client knows and the snapshot does not have, from the end on, so
    /// that no number shifts another that is still to be told.
    fn tell_expunges(&mut self, out: &mut Output) -> bool {
        if Arc::ptr_eq(&self.uids, self.snapshot.uids()) {
            return true;
        }
        let last = self.uids.last().copied();
        let known = self.snapshot.uids().partition_point(|&uid| Some(uid) <= last);
        if known == self.uids.len() {
            return true;
        }
        // Both columns ascend: one pass from the end, with `ahead` in the snapshot.
        let newest = self.snapshot.uids();
        let mut ahead = newest.len();
        let mut kept = Vec::new();
        let mut index = self.uids.len();
        while index > 0 && !out.is_full() {
            let uid = self.uids[index - 1];
            while ahead > 0 && newest[ahead - 1] > uid {
                ahead -= 1;
            }
            if ahead > 0 && newest[ahead - 1] == uid {
                kept.push(uid);
            } else {
                list::number(out.buffer(), SeqNum::from_index(index - 1).get(), "EXPUNGE");
            }
            index -= 1;
        }
        if index + kept.len() < self.uids.len() {
            self.uids = self.uids[..index].iter().copied().chain(kept.into_iter().rev()).collect();
        }
        index == 0
    }

    /// EXISTS and RECENT when there are messages that the client does not know.
    ///
    /// UIDs ascend and are never used again, so these are the ones above the greatest that was
    /// ever told, even where that one was expunged meanwhile.
    fn tell_arrivals(&mut self, out: &mut Output) {
        let newest = self.snapshot.uids();
        if Arc::ptr_eq(&self.uids, newest) {
            return;
        }
        let new = match self.uids.last() {
            Some(&last) => &newest[newest.partition_point(|&uid| uid <= last)..],
            None => newest,
        };
        let first = new.first().copied();
        let withheld = self.uids.len() + new.len() != newest.len();
        if !withheld {
            self.uids = newest.clone();
        } else if first.is_some() {
            self.uids = self.uids.iter().chain(new).copied().collect();
        }
        if let Some(first) = first {
            self.arrived.push((first, self.snapshot.highest_modseq()));
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            list::number(out.buffer(), count(self.len()), "EXISTS");
            list::number(out.buffer(), count(self.recent_count()), "RECENT");
        }
    }

    /// FETCH FLAGS for every message whose flags changed since they were told.
    fn tell_flags(&mut self, telling: Telling, out: &mut Output) -> bool {
        let snapshot = self.snapshot.clone();
        let highest = snapshot.highest_modseq();
        if highest > self.told {
            for row in snapshot.rows_above(self.told) {
                if self.knows_flags(row.uid(), row.modseq()) {
                    continue;
                }
                let Some(number) = self.number(row.uid()) else { continue };
                if out.is_full() {
                    return false;
                }
                self.write_flags(number, row, telling, out);
                self.told_partly = Some((row.uid(), highest));
            }
            self.told = highest;
        }
        self.told_partly = None;
        self.told_later.clear();
        self.arrived.clear();
        true
    }

    fn write_flags(&self, number: SeqNum, row: Row<'_>, telling: Telling, out: &mut Output) {
        let out = out.buffer();
        let mut writer = fetch::Writer::new(out, number);
        if telling.uid {
            writer.uid(out, row.uid());
        }
        writer.flags(out, row.system_flags(), row.keywords(), self.is_recent(row.uid()));
        if telling.modseq {
            writer.modseq(out, row.modseq());
        }
        writer.finish(out);
    }
}

#[cfg(test)]
mod tests;
