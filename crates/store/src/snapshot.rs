//! Snapshots: what a mailbox held at one moment.

use crate::column::Column;
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::sync::{Arc, OnceLock};

/// A mailbox at one moment: immutable, shared, replaced as a whole.
///
/// Messages are rows in the order of their UIDs, counted from 0. A row is a position in this
/// snapshot only. A snapshot shares with the next one all that did not change.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    pub(crate) highest_modseq: ModSeq,
    pub(crate) recent_from: Uid,
    pub(crate) uids: Arc<[Uid]>,
    pub(crate) flags: Column<SystemFlags>,
    pub(crate) modseqs: ModSeqs,
    /// Index into `keyword_sets`.
    pub(crate) keyword_set_of: Column<u32>,
    pub(crate) keyword_sets: Arc<[Box<[Keyword]>]>,
    pub(crate) keywords: Arc<[Keyword]>,
    /// The first row without `\Seen`, once somebody asked: every SELECT does.
    pub(crate) first_unseen: OnceLock<Option<usize>>,
}

/// MODSEQs by row, with the highest of each chunk: what changed since is found without looking
/// at what did not.
#[derive(Clone, Debug)]
pub(crate) struct ModSeqs {
    column: Column<ModSeq>,
    highest: Vec<ModSeq>,
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
            flags: Column::new(),
            modseqs: ModSeqs::new(),
            keyword_set_of: Column::new(),
            keyword_sets,
            keywords,
            first_unseen: OnceLock::new(),
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

    /// The same without its messages.
    pub(crate) fn without_rows(&self) -> Self {
        Self {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            highest_modseq: self.highest_modseq,
            recent_from: self.recent_from,
            uids: Self::empty().uids.clone(),
            flags: Column::new(),
            modseqs: ModSeqs::new(),
            keyword_set_of: Column::new(),
            keyword_sets: self.keyword_sets.clone(),
            keywords: self.keywords.clone(),
            first_unseen: self.first_unseen.clone(),
        }
    }

    /// A mailbox without messages; always the same one.
    pub fn empty() -> &'static Arc<Self> {
        static EMPTY: OnceLock<Arc<Snapshot>> = OnceLock::new();
        EMPTY.get_or_init(|| {
            let sets: Arc<[Box<[Keyword]>]> = Arc::new([Box::default()]);
            let builder = SnapshotBuilder::new(UidValidity::MIN, Uid::MIN, ModSeq(1), sets, Arc::new([]));
            Arc::new(builder.build(None))
        })
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

    /// The message of a UID that is expected at or soon behind row `hint`, as when rows are
    /// gone through in order; else by binary search.
    pub fn find_from(&self, uid: Uid, hint: usize) -> Option<Row<'_>> {
        if self.uids.get(hint) == Some(&uid) { self.row(hint) } else { self.find(uid) }
    }

    /// All messages in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).filter_map(|index| self.row(index))
    }

    /// Messages whose MODSEQ is above `modseq`, in order. Costs what changed, not what is
    /// there.
    pub fn rows_above(&self, modseq: ModSeq) -> impl Iterator<Item = Row<'_>> {
        self.modseqs.above(modseq).filter_map(|index| self.row(index))
    }

    /// The first message without `\Seen`.
    pub fn first_unseen(&self) -> Option<Row<'_>> {
        let is_unseen = |flags: &SystemFlags| !flags.contains(SystemFlags::SEEN);
        let find = || {
            let mut chunks = self.flags.chunks();
            chunks.find_map(|(first, chunk)| Some(first + chunk.iter().position(is_unseen)?))
        };
        self.row((*self.first_unseen.get_or_init(find))?)
    }

    /// How many messages have all of `flags`.
    pub fn count_with(&self, flags: SystemFlags) -> usize {
        self.flags.iter().filter(|of_message| of_message.contains(flags)).count()
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
        self.snapshot.flags.get(self.index)
    }

    /// Its keywords, sorted.
    pub fn keywords(&self) -> &'a [Keyword] {
        &self.snapshot.keyword_sets[self.snapshot.keyword_set_of.get(self.index) as usize]
    }

    /// Its MODSEQ: that of the last change of its flags, or of its arrival.
    pub fn modseq(&self) -> ModSeq {
        self.snapshot.modseqs.get(self.index)
    }

    /// Whether no session was told of it as recent: it is recent to the one that claims it.
    pub fn is_new(&self) -> bool {
        self.uid() >= self.snapshot.recent_from
    }
}

impl ModSeqs {
    pub(crate) fn new() -> Self {
        Self { column: Column::new(), highest: Vec::new() }
    }

    pub(crate) fn get(&self, row: usize) -> ModSeq {
        self.column.get(row)
    }

    /// Gives a row a MODSEQ greater than it had.
    pub(crate) fn raise(&mut self, row: usize, modseq: ModSeq) {
        self.column.set(row, modseq);
        let highest = &mut self.highest[Column::<ModSeq>::chunk_of(row)];
        *highest = modseq.max(*highest);
    }

    pub(crate) fn push(&mut self, modseq: ModSeq) {
        self.column.push(modseq);
        let chunk = Column::<ModSeq>::chunk_of(self.column.len() - 1);
        match self.highest.get_mut(chunk) {
            Some(highest) => *highest = modseq.max(*highest),
            None => self.highest.push(modseq),
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.column.retain(keep);
        self.highest =
            self.column.chunks().map(|(_, chunk)| chunk.iter().copied().max().unwrap_or_default()).collect();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ModSeq> {
        self.column.iter()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.column.bytes()
    }

    fn above(&self, modseq: ModSeq) -> impl Iterator<Item = usize> {
        let chunks = self.column.chunks().zip(&self.highest).filter(move |(_, highest)| **highest > modseq);
        chunks.flat_map(move |((first, chunk), _)| {
            let above = chunk.iter().enumerate().filter(move |(_, of_row)| **of_row > modseq);
            above.map(move |(at, _)| first + at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_since_is_found() {
        let mut modseqs = ModSeqs::new();
        (0..10_000).for_each(|row| modseqs.push(ModSeq(1 + row / 5_000)));
        modseqs.raise(4_096, ModSeq(9));
        modseqs.raise(9_999, ModSeq(7));
        let above = |modseqs: &ModSeqs, n| modseqs.above(ModSeq(n)).collect::<Vec<_>>();
        assert_eq!(above(&modseqs, 2), [4_096, 9_999]);
        assert_eq!(above(&modseqs, 8), [4_096]);
        assert_eq!(above(&modseqs, 1).len(), 5_001);
        modseqs.retain(|row| row != 4_096);
        assert_eq!(above(&modseqs, 2), [9_998]);
        assert!(above(&modseqs, 7).is_empty());
    }
}
