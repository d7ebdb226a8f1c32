//! Snapshots in few bytes, for mailboxes and sessions that rest.
//!
//! Each column is written as runs of equal differences: UIDs mostly ascend by one, neighbours
//! mostly have the same flags, and MODSEQs either stay or ascend by one. A thousand messages take
//! some hundred bytes to some kilobytes, instead of 17 KiB.

use crate::column::Column;
use crate::snapshot::{ModSeqs, Snapshot};
use mail::{ModSeq, SystemFlags, Uid};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A snapshot that takes little memory. All who unpack it at the same time share one.
#[derive(Debug)]
pub(crate) struct Packed {
    /// The snapshot without its rows.
    head: Snapshot,
    rows: usize,
    last_uid: Option<Uid>,
    /// UIDs, flags, keyword sets and MODSEQs, one column after the other.
    bytes: Box<[u8]>,
    unpacked: Mutex<Weak<Snapshot>>,
}

impl Packed {
    pub(crate) fn new(snapshot: &Arc<Snapshot>) -> Self {
        let mut bytes = Vec::new();
        put_column(&mut bytes, snapshot.uids.iter().map(|uid| u64::from(uid.get())));
        put_column(&mut bytes, snapshot.flags.iter().map(|flags| u64::from(flags.bits())));
        put_column(&mut bytes, snapshot.keyword_set_of.iter().map(u64::from));
        put_column(&mut bytes, snapshot.modseqs.iter().map(|modseq| modseq.0));
        let (rows, last_uid) = (snapshot.len(), snapshot.uids.last().copied());
        let unpacked = Mutex::new(Arc::downgrade(snapshot));
        Self { head: snapshot.without_rows(), rows, last_uid, bytes: bytes.into(), unpacked }
    }

    /// Whether it was made of this snapshot, or unpacked to it.
    fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        let unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        unpacked.as_ptr() == Arc::as_ptr(snapshot)
    }

    /// The snapshot: the one that others have already, if any.
    pub(crate) fn unpack(&self) -> Arc<Snapshot> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = unpacked.upgrade() {
            return snapshot;
        }
        let mut at = &self.bytes[..];
        let uids: Arc<[Uid]> =
            take_column(&mut at, self.rows).map(|uid| Uid::new(uid as u32).unwrap_or(Uid::MAX)).collect();
        let flags = take_column(&mut at, self.rows).map(|bits| SystemFlags::from_bits(bits as u8)).collect();
        let keyword_set_of: Column<u32> = take_column(&mut at, self.rows).map(|set| set as u32).collect();
        let mut modseqs = ModSeqs::new();
        take_column(&mut at, self.rows).for_each(|modseq| modseqs.push(ModSeq(modseq)));
        let head = self.head.clone();
        let snapshot = Arc::new(Snapshot { uids, flags, keyword_set_of, modseqs, ..head });
        *unpacked = Arc::downgrade(&snapshot);
        snapshot
    }
}

/// What is published of a mailbox: the newest snapshot.
#[derive(Debug)]
pub(crate) enum Published {
    /// As it is worked with, and packed too where a session rests on it.
    Open(Arc<Snapshot>, Option<Arc<Packed>>),
    /// The mailbox rests.
    Packed(Arc<Packed>),
}

impl Published {
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        match self {
            Self::Open(snapshot, _) => snapshot.clone(),
            Self::Packed(packed) => packed.unpack(),
        }
    }

    /// All of it but the rows, without unpacking.
    pub(crate) fn head(&self) -> &Snapshot {
        match self {
            Self::Open(snapshot, _) => snapshot,
            Self::Packed(packed) => &packed.head,
        }
    }

    /// Likewise.
    pub(crate) fn last_uid(&self) -> Option<Uid> {
        match self {
            Self::Open(snapshot, _) => snapshot.uids.last().copied(),
            Self::Packed(packed) => packed.last_uid,
        }
    }

    /// A snapshot that a session has, packed: with this one, if it is the same.
    pub(crate) fn pack(&mut self, of_session: &Arc<Snapshot>) -> Arc<Packed> {
        match self {
            Self::Open(snapshot, packed) if Arc::ptr_eq(snapshot, of_session) => {
                packed.get_or_insert_with(|| Arc::new(Packed::new(snapshot))).clone()
            }
            Self::Packed(packed) if packed.is_of(of_session) => packed.clone(),
            _ => Arc::new(Packed::new(of_session)),
        }
    }

    /// Whether this is what was packed.
    pub(crate) fn is(&self, packed: &Arc<Packed>) -> bool {
        match self {
            Self::Open(_, Some(own)) | Self::Packed(own) => Arc::ptr_eq(own, packed),
            Self::Open(_, None) => false,
        }
    }

    /// Gives the rows up.
    pub(crate) fn rest(&mut self) {
        if let Self::Open(snapshot, packed) = self {
            let packed = packed.take().unwrap_or_else(|| Arc::new(Packed::new(snapshot)));
            *self = Self::Packed(packed);
        }
    }

    /// Holds the rows again.
    pub(crate) fn wake(&mut self) -> Arc<Snapshot> {
        let snapshot = self.snapshot();
        if let Self::Packed(packed) = self {
            *self = Self::Open(snapshot.clone(), Some(packed.clone()));
        }
        snapshot
    }
}

/// Values, as runs of equal differences: the difference from the value before (zigzag), and how
/// often it comes.
fn put_column(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    let (mut before, mut run) = (0, (0, 0));
    for value in values {
        let difference = value.wrapping_sub(before) as i64;
        before = value;
        if run.1 > 0 && run.0 != difference {
            put_run(out, run);
            run.1 = 0;
        }
        run = (difference, run.1 + 1);
    }
    put_run(out, run);
}

fn put_run(out: &mut Vec<u8>, (difference, count): (i64, u64)) {
    put_number(out, ((difference << 1) ^ (difference >> 63)) as u64);
    put_number(out, count);
}

/// Seven bits an octet, the low ones first; the last octet is below 128.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The values of a column of `rows`.
fn take_column(at: &mut &[u8], rows: usize) -> impl Iterator<Item = u64> {
    let mut runs = Vec::new();
    let mut missing = rows as u64;
    loop {
        let (difference, count) = (take_number(at), take_number(at));
        runs.push(((difference >> 1) ^ (difference & 1).wrapping_neg(), count));
        missing = missing.saturating_sub(count);
        if missing == 0 {
            break;
        }
    }
    let mut before = 0_u64;
    runs.into_iter().flat_map(|(difference, count)| (0..count).map(move |_| difference)).map(
        move |difference| {
            before = before.wrapping_add(difference);
            before
        },
    )
}

fn take_number(at: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let Some((octet, rest)) = at.split_first() else { break };
        *at = rest;
        number |= u64::from(octet & 127) << shift;
        if *octet < 128 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SnapshotBuilder;
    use mail::{Keyword, UidValidity};
    use proptest::prelude::*;

    fn rows(snapshot: &Snapshot) -> Vec<(Uid, SystemFlags, Vec<Keyword>, ModSeq)> {
        let row =
            |row: crate::Row<'_>| (row.uid(), row.system_flags(), row.keywords().to_vec(), row.modseq());
        snapshot.rows().map(row).collect()
    }

    fn snapshot(messages: &[(u32, u8, u32, u64)]) -> Arc<Snapshot> {
        let keyword = |name| Keyword::new(name).expect("a keyword");
        let sets: Arc<[Box<[Keyword]>]> =
            Arc::new([Box::default(), [keyword("a")].into(), [keyword("a"), keyword("b")].into()]);
        let keywords = Arc::new([keyword("a"), keyword("b")]);
        let mut builder = SnapshotBuilder::new(UidValidity::MIN, Uid::MAX, ModSeq(u64::MAX), sets, keywords);
        let mut last = 0_u32;
        for (gap, bits, set, modseq) in messages {
            last += 1 + gap;
            let uid = Uid::new(last).expect("a UID");
            builder.push(uid, SystemFlags::from_bits(*bits), *set, ModSeq(*modseq));
        }
        Arc::new(builder.build(None))
    }

    proptest! {
        #[test]
        fn unpacked_is_what_was_packed(
            messages in prop::collection::vec(
                (
                    prop_oneof![4 => Just(0), 1 => 0..1_000_000_u32],
                    0..=u8::MAX,
                    0..3_u32,
                    prop_oneof![3 => Just(1), 1 => 1..50_u64, 1 => any::<u64>()],
                ),
                0..200,
            )
        ) {
            let before = snapshot(&messages);
            let packed = Packed::new(&before);
            prop_assert!(Arc::ptr_eq(&packed.unpack(), &before), "somebody has it");
            let (uids, rows_before) = (before.uids().clone(), rows(&before));
            drop(before);
            let after = packed.unpack();
            prop_assert!(Arc::ptr_eq(&packed.unpack(), &after));
            prop_assert_eq!(after.uids(), &uids);
            prop_assert_eq!(rows(&after), rows_before);
            prop_assert_eq!(after.uid_next(), Uid::MAX);
            prop_assert_eq!(after.highest_modseq(), ModSeq(u64::MAX));
            prop_assert_eq!(packed.last_uid, uids.last().copied());
            let above = |snapshot: &Snapshot| snapshot.rows_above(ModSeq(1)).map(|row| row.uid()).collect::<Vec<_>>();
            prop_assert_eq!(above(&after), above(&snapshot(&messages)));
        }
    }

    #[test]
    fn a_usual_mailbox_takes_little() {
        // Delivered one by one, read, some answered.
        let messages: Vec<_> =
            (0..1000_u32).map(|n| (0, 1 + u8::from(n % 50 == 0), 0, u64::from(n) + 1)).collect();
        let packed = Packed::new(&snapshot(&messages));
        assert!(packed.bytes.len() < 200, "{} bytes", packed.bytes.len());
    }
}
