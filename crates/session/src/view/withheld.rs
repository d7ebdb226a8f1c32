//! Messages that are expunged and whose client was not told of it: as the view saw them last,
//! with what the client itself changed since.
//!
//! The client still has their numbers, and commands by number are answered from here (RFC 2180
//! section 4.1). A message takes some 32 bytes, until its expunge is announced.

use mail::flag::Flags;
use mail::{Keyword, ModSeq, SystemFlags, Uid};
use std::sync::Arc;
use store::{Row, Snapshot};

/// A message that is expunged, and whose client was not told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Withheld {
    uid: Uid,
    system: SystemFlags,
    keywords: Box<[Keyword]>,
    modseq: ModSeq,
}

/// What is told of a message beside its content: of one that is there, or of one withheld.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) uid: Uid,
    pub(crate) system: SystemFlags,
    pub(crate) keywords: &'a [Keyword],
    pub(crate) modseq: ModSeq,
}

/// All of a view, in the order of their UIDs.
#[derive(Default, Debug)]
pub(super) struct AllWithheld(Vec<Withheld>);

impl Withheld {
    fn new(row: Row<'_>) -> Self {
        let (system, keywords) = (row.system_flags(), row.keywords().into());
        Self { uid: row.uid(), system, keywords, modseq: row.modseq() }
    }

    /// Its flags.
    pub(crate) fn flags(&self) -> Flags {
        Flags::new(self.system, self.keywords.to_vec())
    }

    /// Its client changed them.
    pub(crate) fn set_flags(&mut self, flags: &Flags) {
        (self.system, self.keywords) = (flags.system, flags.keywords().into());
    }
}

impl<'a> From<Row<'a>> for Shown<'a> {
    fn from(row: Row<'a>) -> Self {
        let (system, keywords) = (row.system_flags(), row.keywords());
        Self { uid: row.uid(), system, keywords, modseq: row.modseq() }
    }
}

impl<'a> From<&'a Withheld> for Shown<'a> {
    fn from(withheld: &'a Withheld) -> Self {
        let Withheld { uid, system, keywords, modseq } = withheld;
        Self { uid: *uid, system: *system, keywords, modseq: *modseq }
    }
}

impl AllWithheld {
    pub(super) fn find(&self, uid: Uid) -> Option<&Withheld> {
        self.0.binary_search_by_key(&uid, |withheld| withheld.uid).ok().map(|at| &self.0[at])
    }

    pub(super) fn find_mut(&mut self, uid: Uid) -> Option<&mut Withheld> {
        self.0.binary_search_by_key(&uid, |withheld| withheld.uid).ok().map(|at| &mut self.0[at])
    }

    /// All of them were announced.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Takes in those of `told` that are in `before` and not in `newest`.
    pub(super) fn take_in(&mut self, told: &[Uid], before: &Snapshot, newest: &Snapshot) {
        let still = newest.uids();
        // The common cases: nothing came or went, or messages came.
        if Arc::ptr_eq(still, before.uids()) || still.starts_with(before.uids()) {
            return;
        }
        let (mut at, mut at_told) = (0, 0);
        let count = self.0.len();
        for row in before.rows() {
            let uid = row.uid();
            while still.get(at).is_some_and(|of_newest| *of_newest < uid) {
                at += 1;
            }
            if still.get(at) == Some(&uid) {
                continue;
            }
            while told.get(at_told).is_some_and(|of_told| *of_told < uid) {
                at_told += 1;
            }
            if told.get(at_told) == Some(&uid) {
                self.0.push(Withheld::new(row));
            }
        }
        if count > 0 && self.0.len() > count {
            self.0.sort_by_key(|withheld| withheld.uid);
        }
    }
}
