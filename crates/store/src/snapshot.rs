//! Snapshots: what a mailbox held at one moment.

use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::sync::Arc;

/// A mailbox at one moment: immutable, shared, replaced as a whole.
///
/// Messages are rows in the order of their UIDs, counted from 0. A row is a position in this
/// snapshot only.
#[derive(Debug)]
pub struct Snapshot {
    uid_validity: UidValidity,
    uid_next: Uid,
    highest_modseq: ModSeq,
    recent_from: Uid,
    uids: Arc<[Uid]>,
    flags: Vec<SystemFlags>,
    modseqs: Vec<ModSeq>,
    /// Index into `keyword_sets`.
    keyword_set_of: Vec<u32>,
    keyword_sets: Arc<[Box<[Keyword]>]>,
    keywords: Arc<[Keyword]>,
}

/// What a [`Snapshot`] is made of; rows are added in the order of their UIDs.
#[derive(Debug)]
pub struct SnapshotBuilder {
    snapshot: Snapshot,
    uids: Vec<Uid>,
}

/// A message in a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    snapshot: &'a Snapshot,
    index: usize,
}

impl SnapshotBuilder {
    /// A snapshot without messages. `keyword_sets` are all combinations of keywords in use,
    /// each sorted; `keywords` those that the mailbox knows.
    pub fn new(
        uid_validity: UidValidity,
        uid_next: Uid,
        highest_modseq: ModSeq,
        keyword_sets: Arc<[Box<[Keyword]>]>,
        keywords: Arc<[Keyword]>,
    ) -> Self {
        let snapshot = Snapshot {
            uid_validity,
            uid_next,
            highest_modseq,
            recent_from: uid_next,
            uids: Arc::new([]),
            flags: Vec::new(),
            modseqs: Vec::new(),
            keyword_set_of: Vec::new(),
            keyword_sets,
            keywords,
        };
        Self { snapshot, uids: Vec::new() }
    }

    /// Messages from this UID on were shown to no session as recent yet.
    #[must_use]
    pub fn recent_from(mut self, uid: Uid) -> Self {
        self.snapshot.recent_from = uid;
        self
    }

    /// Adds a message. Panics unless its UID is greater than those before and its keyword set
    /// is there: both are the caller's to know.
    pub fn push(&mut self, uid: Uid, flags: SystemFlags, keyword_set: u32, modseq: ModSeq) {
        assert!(self.uids.last().is_none_or(|last| *last < uid), "UIDs ascend");
        assert!((keyword_set as usize) < self.snapshot.keyword_sets.len(), "a known keyword set");
        self.uids.push(uid);
        self.snapshot.flags.push(flags);
        self.snapshot.keyword_set_of.push(keyword_set);
        self.snapshot.modseqs.push(modseq);
    }

    /// The snapshot. With `earlier` of the same UIDs, their column is shared.
    pub fn build(mut self, earlier: Option<&Snapshot>) -> Snapshot {
        self.snapshot.uids = match earlier {
            Some(earlier) if *earlier.uids == *self.uids => earlier.uids.clone(),
            _ => self.uids.into(),
        };
        self.snapshot
    }
}

impl Snapshot {
    /// UIDVALIDITY of the mailbox.
    pub fn uid_validity(&self) -> UidValidity {
        self.uid_validity
    }

    /// The UID that the next message gets at least.
    pub fn uid_next(&self) -> Uid {
        self.uid_next
    }

    /// Not less than any message's MODSEQ, nor than that of any expunge.
    pub fn highest_modseq(&self) -> ModSeq {
        self.highest_modseq
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
        &self.keywords
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
        self.snapshot.flags[self.index]
    }

    /// Its keywords, sorted.
    pub fn keywords(&self) -> &'a [Keyword] {
        &self.snapshot.keyword_sets[self.snapshot.keyword_set_of[self.index] as usize]
    }

    /// Its MODSEQ: that of the last change of its flags, or of its arrival.
    pub fn modseq(&self) -> ModSeq {
        self.snapshot.modseqs[self.index]
    }

    /// Whether no session was told of it as recent: it is recent to the one that claims it.
    pub fn is_new(&self) -> bool {
        self.uid() >= self.snapshot.recent_from
    }
}
