//! The view: what a session has told its client of the selected mailbox.
//!
//! A client's sequence numbers mean positions in this view and nothing else; they are
//! resolved here and nowhere else. Changes reach a session as the difference between its view
//! and the newest snapshot: there is no queue, so none can overflow. Order of telling:
//! EXPUNGE, EXISTS and RECENT, FETCH FLAGS.
//!
//! A message expunged but not yet told keeps its number: it is in the view and not in the
//! snapshot, and commands skip it.

use crate::output::Output;
use mail::{ModSeq, NumberSet, SeqNum, Uid, UidSet};
use std::sync::Arc;
use store::Snapshot;

/// See the module.
#[derive(Debug)]
pub(crate) struct View {
    uids: Arc<[Uid]>,
    /// The state up to which flags were told.
    snapshot: Arc<Snapshot>,
    /// Recent to this session.
    recent: UidSet,
}

impl View {
    /// The view right after SELECT: everything in `snapshot` is told.
    pub(crate) fn new(snapshot: Arc<Snapshot>, recent: UidSet) -> Self {
        Self { uids: snapshot.uids().clone(), snapshot, recent }
    }

    /// How many messages the client knows of.
    pub(crate) fn len(&self) -> usize {
        self.uids.len()
    }

    /// Messages that `set` names, in ascending order: by sequence number or by UID. `Err` with
    /// the number when a sequence number is beyond the view's end (BAD, RFC 3501 section 9
    /// `seq-number`); UIDs that name nothing are left out.
    pub(crate) fn resolve(&self, set: &NumberSet, by_uid: bool) -> Result<Vec<(SeqNum, Uid)>, u32> {
        let _ = (set, by_uid);
        todo!()
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
        todo!()
    }

    /// The newest snapshot that the session has seen, told or not.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// A command told the flags of a message as of `modseq`, or (`.SILENT`) changed them itself
    /// while the client knew the state before: no need to tell them again.
    pub(crate) fn told_flags(&mut self, uid: Uid, modseq: ModSeq) {
        let _ = (uid, modseq);
        todo!()
    }

    /// Whether the client knows the flags of a message as they were at `modseq`: the condition
    /// under which `.SILENT` may suppress the echo of one's own change.
    pub(crate) fn knows_flags(&self, uid: Uid, modseq: ModSeq) -> bool {
        let _ = (uid, modseq);
        todo!()
    }

    /// Advances to `newest` and writes what the client must be told: EXPUNGE (if allowed),
    /// EXISTS and RECENT, FETCH FLAGS with UID, and MODSEQ with `condstore`. While expunges
    /// are withheld, new messages are announced all the same.
    pub(crate) fn advance(
        &mut self,
        newest: Arc<Snapshot>,
        claimed: &UidSet,
        may_expunge: bool,
        condstore: bool,
        with_uid: bool,
        out: &mut Output,
    ) {
        let _ = (newest, claimed, may_expunge, condstore, with_uid, out);
        todo!()
    }

    /// HIGHESTMODSEQ as it may be told: that of the snapshot, or, while expunges are withheld,
    /// of the last state in which none was.
    pub(crate) fn highest_modseq(&self) -> ModSeq {
        todo!()
    }
}
