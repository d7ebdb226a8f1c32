//! Snapshots: what a mailbox held at one moment.

use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::sync::Arc;

/// A mailbox at one moment: immutable, shared, replaced as a whole.
///
/// Messages are rows in the order of their UIDs, counted from 0. A row is a position in this
/// snapshot only.
#[derive(Debug)]
pub struct Snapshot {
    uids: Arc<[Uid]>,
}

/// A message in a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    snapshot: &'a Snapshot,
    index: usize,
}

impl Snapshot {
    /// UIDVALIDITY of the mailbox.
    pub fn uid_validity(&self) -> UidValidity {
        todo!()
    }

    /// The UID that the next message gets at least.
    pub fn uid_next(&self) -> Uid {
        todo!()
    }

    /// Not less than any message's MODSEQ, nor than that of any expunge.
    pub fn highest_modseq(&self) -> ModSeq {
        todo!()
    }

    /// UIDs of all messages, ascending; the column is shared, not copied.
    pub fn uids(&self) -> &Arc<[Uid]> {
        &self.uids
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The message at a row below [`Snapshot::len`].
    pub fn row(&self, index: usize) -> Option<Row<'_>> {
        (index < self.len()).then_some(Row { snapshot: self, index })
    }

    /// The message of a UID, by binary search.
    pub fn find(&self, uid: Uid) -> Option<Row<'_>> {
        self.uids.binary_search(&uid).ok().and_then(|index| self.row(index))
    }

    /// All messages in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// All keywords of the mailbox, used or used once, in the order they came.
    pub fn keywords(&self) -> &[Keyword] {
        todo!()
    }
}

impl<'a> Row<'a> {
    /// Its UID.
    pub fn uid(&self) -> Uid {
        self.snapshot.uids[self.index]
    }

    /// Its position, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its system flags.
    pub fn system_flags(&self) -> SystemFlags {
        todo!()
    }

    /// Its keywords, sorted.
    pub fn keywords(&self) -> &'a [Keyword] {
        todo!()
    }

    /// Its MODSEQ: that of the last change of its flags, or of its arrival.
    pub fn modseq(&self) -> ModSeq {
        todo!()
    }

    /// Whether it lies in `new/` still: recent to the session that will claim it.
    pub fn is_new(&self) -> bool {
        todo!()
    }
}
