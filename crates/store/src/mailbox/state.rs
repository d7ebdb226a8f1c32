//! What is known of a mailbox: rows, keywords, counters. No I/O.
//!
//! Messages are rows in the order of their UIDs, in columns: a million of them take some
//! 90 MB, most of it their names. What sessions see of them is shared with snapshots.

mod differences;
mod expunges;
mod file_at;
mod keyword_sets;
mod lines;
mod new_order;

pub(crate) use differences::Differences;
pub(crate) use expunges::{Expunged, Expunges};
pub(crate) use file_at::{FileAt, Suffixes};
pub(crate) use keyword_sets::KeywordSets;
pub(crate) use new_order::NewOrder;

use super::departed::{Departed, Known};
use super::pass::Learned;
use crate::cache::Whose;
use crate::column::Column;
use crate::extract::{Extract, ExtractRow};
use crate::file_name::{Info, compose, save_date};
use crate::names::Names;
use crate::scan::{Place, info_of};
use crate::snapshot::{ModSeqs, Snapshot};
use crate::uid_list::Line;
use mail::flag::Flags;
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidSet, UidValidity};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) uid_validity: UidValidity,
    /// `None` when all UIDs are used up.
    pub(crate) uid_next: Option<Uid>,
    pub(crate) highest_modseq: ModSeq,
    /// Messages from here on are recent.
    pub(crate) recent_from: Uid,
    /// MODSEQs that may have been given out, and in which boot of the machine.
    pub(crate) reserve: Option<(ModSeq, String)>,
    pub(crate) expunges: Expunges,
    /// Records of the list that this program does not know.
    pub(crate) unknown: Vec<Box<str>>,
    /// By index; indices of a damaged list may have holes.
    pub(crate) keywords: Vec<Option<Keyword>>,
    /// POP3 UIDLs that are not the ones by default.
    pub(crate) uidls: BTreeMap<Uid, Box<str>>,
    pub(crate) sets: KeywordSets,
    /// Ascending.
    pub(crate) uids: Arc<[Uid]>,
    pub(crate) flags: Column<SystemFlags>,
    pub(crate) modseqs: ModSeqs,
    /// Index into the keyword sets.
    pub(crate) set_of: Column<u32>,
    /// Base names.
    pub(crate) names: Names,
    /// Where files lie.
    pub(crate) files: Vec<FileAt>,
    pub(crate) suffixes: Suffixes,
    /// What was found out about messages, and can be found out again.
    pub(crate) facts: Facts,
    pub(crate) departed: Departed,
    /// In which order files without a line get UIDs.
    pub(crate) new_order: NewOrder,
}

/// By row: what a message's file says for good. 0 stands for unknown.
#[derive(Default, Debug)]
pub(crate) struct Facts {
    /// Octets as sent, and one more.
    pub(crate) sizes: Vec<u32>,
    /// INTERNALDATE in seconds since 1970, and one more.
    pub(crate) dates: Vec<u32>,
    /// Where its record in the cache is, in units of [`crate::cache::UNIT`] bytes, and one more.
    pub(crate) cached: Vec<u32>,
    /// When it was sent, as [`crate::SentDate::bits`] writes it.
    pub(crate) sent: Vec<u64>,
}

impl State {
    pub(crate) fn new(uid_validity: UidValidity) -> Self {
        Self {
            uid_validity,
            uid_next: Some(Uid::MIN),
            highest_modseq: ModSeq(1),
            recent_from: Uid::MIN,
            reserve: None,
            expunges: Expunges::default(),
            unknown: Vec::new(),
            keywords: Vec::new(),
            uidls: BTreeMap::new(),
            sets: KeywordSets::default(),
            uids: Arc::new([]),
            flags: Column::new(),
            modseqs: ModSeqs::new(),
            set_of: Column::new(),
            names: Names::default(),
            files: Vec::new(),
            suffixes: Suffixes::default(),
            facts: Facts::default(),
            departed: Departed::default(),
            new_order: NewOrder::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.uids.len()
    }

    /// The MODSEQ of the next change.
    pub(crate) fn next_modseq(&self) -> ModSeq {
        self.highest_modseq.next()
    }

    /// Lines that a checkpoint has.
    pub(crate) fn lines(&self) -> usize {
        self.len() + self.expunges.ranges().len() + self.unknown.len()
    }

    /// The row of a message.
    pub(crate) fn row(&self, uid: Uid) -> Option<usize> {
        self.uids.binary_search(&uid).ok()
    }

    /// Whose records of the cache count for a row.
    pub(crate) fn whose(&self, row: usize) -> Whose {
        Whose::new(self.uids[row], self.names.get(row))
    }

    /// The row of the message that a record of the cache is of.
    pub(crate) fn row_of(&self, whose: Whose) -> Option<usize> {
        self.row(whose.uid).filter(|row| self.whose(*row) == whose)
    }

    /// Rows of those of `uids` that are there, in order.
    pub(crate) fn rows(&self, uids: &UidSet) -> impl Iterator<Item = usize> {
        uids.ranges().flat_map(|range| {
            let start = self.uids.partition_point(|uid| uid < range.start());
            let end = self.uids.partition_point(|uid| uid <= range.end());
            start..end
        })
    }

    /// A message's file, where it is known: place and name.
    pub(crate) fn file_name(&self, row: usize) -> Option<(Place, Vec<u8>)> {
        let at = self.files[row];
        Some((at.place()?, [self.names.get(row), self.suffixes.get(at)].concat()))
    }

    /// The name of a message's file in `cur/` with these flags; letters that are not ours stay.
    pub(crate) fn name_with(&self, row: usize, flags: SystemFlags) -> Vec<u8> {
        let info = info_of(self.suffixes.get(self.files[row]));
        compose(self.names.get(row), &Info { flags, ..info })
    }

    /// Where a message's file lies now.
    pub(crate) fn set_file(&mut self, uid: Uid, place: Place, suffix: &[u8]) {
        if let Some(row) = self.row(uid) {
            self.files[row] = self.suffixes.at(place, suffix);
        }
    }

    /// Whether the file of each message is known.
    pub(crate) fn all_located(&self) -> bool {
        self.files.iter().all(|at| at.place().is_some())
    }

    /// Messages whose files lie in `new/`.
    pub(crate) fn lying_new(&self) -> Vec<usize> {
        let is_new = |at: &FileAt| at.place() == Some(Place::New);
        self.files.iter().enumerate().filter(|(_, at)| is_new(at)).map(|(row, _)| row).collect()
    }

    /// The keyword indices of a message.
    pub(crate) fn set(&self, row: usize) -> &[usize] {
        self.sets.get(self.set_of.get(row))
    }

    /// A message's system flags and keywords.
    pub(crate) fn flags_of(&self, row: usize) -> Flags {
        let keywords = self.set(row).iter().filter_map(|index| self.keywords.get(*index)?.clone());
        Flags::new(self.flags.get(row), keywords.collect())
    }

    /// Indices of keywords; those that are new are defined by lines added to `lines`. `None`
    /// when there would be more than `max` keywords.
    pub(crate) fn keyword_indices(
        &self,
        keywords: &[Keyword],
        max: usize,
        lines: &mut Vec<Line<'_>>,
    ) -> Option<Vec<usize>> {
        let mut indices = Vec::with_capacity(keywords.len());
        for keyword in keywords {
            let known = self.keywords.iter().position(|k| k.as_ref() == Some(keyword)).or_else(|| {
                lines.iter().find_map(|line| match line {
                    Line::Keyword(index, defined) if defined == keyword => Some(*index),
                    _ => None,
                })
            });
            let index = match known {
                Some(index) => index,
                None => {
                    let defined = lines.iter().filter(|line| matches!(line, Line::Keyword(..))).count();
                    let index = self.keywords.len() + defined;
                    if index >= max {
                        return None;
                    }
                    lines.push(Line::Keyword(index, keyword.clone()));
                    index
                }
            };
            indices.push(index);
        }
        indices.sort_unstable();
        Some(indices)
    }

    /// A message's POP3 UIDL, where the list has one.
    pub(crate) fn uidl(&self, uid: Uid) -> Option<&str> {
        self.uidls.get(&uid).map(AsRef::as_ref)
    }

    /// What is known of a message.
    pub(crate) fn known(&self, row: usize) -> Known {
        Known {
            whose: self.whose(row),
            size: self.facts.sizes[row],
            date: self.facts.dates[row],
            saved: save_date(self.names.get(row)).unwrap_or(0),
            cached: self.facts.cached[row],
            sent: self.facts.sent[row],
        }
    }

    /// Notes what was found out about a message that is there or remembered.
    pub(super) fn learn(&mut self, learned: &Learned) {
        let (size, date, sent) = match self.row(learned.uid) {
            Some(row) => (&mut self.facts.sizes[row], &mut self.facts.dates[row], &mut self.facts.sent[row]),
            None => match self.departed.get_mut(learned.uid) {
                Some(known) => (&mut known.size, &mut known.date, &mut known.sent),
                None => return,
            },
        };
        *size = learned.size.unwrap_or(*size);
        *date = learned.date.unwrap_or(*date);
        *sent = learned.sent.unwrap_or(*sent);
    }

    /// Notes where a message's record in the cache is, as in [`Facts`].
    pub(crate) fn set_cached(&mut self, whose: Whose, place: u32) {
        match self.row(whose.uid) {
            Some(row) if self.whose(row) == whose => self.facts.cached[row] = place,
            Some(_) => {}
            None => {
                let departed = self.departed.get_mut(whose.uid).filter(|known| known.whose == whose);
                departed.into_iter().for_each(|known| known.cached = place);
            }
        }
    }

    /// All that another server is told when the mailbox is handed over to it. Messages whose
    /// file was not seen are left out.
    pub(crate) fn extract(&self) -> Extract {
        let rows = (0..self.len()).filter_map(|row| {
            let (at, uid) = (self.files[row], self.uids[row]);
            Some(ExtractRow {
                uid,
                base: self.names.get(row).into(),
                suffix: self.suffixes.get(at).into(),
                place: at.place()?,
                keywords: self.flags_of(row).keywords().to_vec(),
                uidl: self.uidl(uid).map(Box::from),
            })
        });
        Extract { uid_validity: self.uid_validity, uid_next: self.uid_next, rows: rows.collect() }
    }

    /// The state as sessions see it.
    pub(crate) fn snapshot(&mut self) -> Arc<Snapshot> {
        let (keyword_sets, keywords) = self.sets.published(&self.keywords);
        Arc::new(Snapshot {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next.unwrap_or(Uid::MAX),
            highest_modseq: self.highest_modseq,
            recent_from: self.recent_from,
            uids: self.uids.clone(),
            flags: self.flags.clone(),
            modseqs: self.modseqs.clone(),
            keyword_set_of: self.set_of.clone(),
            keyword_sets,
            keywords,
            first_unseen: OnceLock::new(),
        })
    }

    /// Shares memory with a snapshot of the same state; whether it is one.
    pub(crate) fn share(&mut self, snapshot: &Snapshot) -> bool {
        if *self.uids != *snapshot.uids {
            return false;
        }
        self.uids = snapshot.uids.clone();
        // Sets are numbered in the order in which they were met: another process, which may have
        // written the index, met them in another.
        let (keyword_sets, _) = self.sets.published(&self.keywords);
        let same = self.uid_validity == snapshot.uid_validity
            && self.uid_next.unwrap_or(Uid::MAX) == snapshot.uid_next
            && self.highest_modseq == snapshot.highest_modseq
            && self.recent_from == snapshot.recent_from
            && self.flags.iter().eq(snapshot.flags.iter())
            && self.modseqs.iter().eq(snapshot.modseqs.iter())
            && keyword_sets == snapshot.keyword_sets
            && self.set_of.iter().eq(snapshot.keyword_set_of.iter());
        if same {
            self.flags = snapshot.flags.clone();
            self.modseqs = snapshot.modseqs.clone();
            self.set_of = snapshot.keyword_set_of.clone();
        }
        same
    }

    /// Takes over what `other` knows of the same messages' files.
    pub(crate) fn inherit_facts(&mut self, other: &Self) {
        for row in 0..self.len() {
            let Some(of_other) = other.row(self.uids[row]) else { continue };
            if other.names.get(of_other) == self.names.get(row) {
                self.facts.sizes[row] = other.facts.sizes[of_other];
                self.facts.dates[row] = other.facts.dates[of_other];
                self.facts.sent[row] = other.facts.sent[of_other];
            }
        }
    }

    /// Bytes of memory that the messages take.
    pub(crate) fn bytes(&self) -> usize {
        let shared = self.uids.len() * 4 + self.flags.bytes() + self.modseqs.bytes() + self.set_of.bytes();
        let own = self.names.bytes() + self.files.capacity() * 4 + self.facts.bytes();
        shared + own + self.departed.bytes()
    }

    /// Gives memory back that was taken for growing.
    pub(crate) fn shrink(&mut self) {
        self.names.shrink();
        self.files.shrink_to_fit();
        self.facts.shrink();
    }
}

/// Rows come and go.
impl State {
    fn add_row(&mut self, modseq: ModSeq, flags: SystemFlags, keywords: &[usize]) {
        let set = self.sets.number(keywords);
        self.flags.push(flags);
        self.modseqs.push(modseq);
        self.set_of.push(set);
        self.files.push(FileAt::default());
        self.facts.add_row();
        self.highest_modseq = self.highest_modseq.max(modseq);
    }

    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let uids = self.uids.iter().enumerate().filter(|(row, _)| keep(*row)).map(|(_, uid)| *uid);
        self.uids = uids.collect();
        let left = self.uids.clone();
        self.uidls.retain(|uid, _| left.binary_search(uid).is_ok());
        self.flags.retain(&keep);
        self.modseqs.retain(&keep);
        self.set_of.retain(&keep);
        self.names.retain(&keep);
        retain_rows(&mut self.files, &keep);
        self.facts.retain(&keep);
    }
}

fn retain_rows<T>(values: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
    let mut row = 0;
    values.retain(|_| {
        row += 1;
        keep(row - 1)
    });
}

impl Facts {
    fn narrow(&mut self) -> [&mut Vec<u32>; 3] {
        [&mut self.sizes, &mut self.dates, &mut self.cached]
    }

    fn add_row(&mut self) {
        self.narrow().into_iter().for_each(|column| column.push(0));
        self.sent.push(0);
    }

    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        self.narrow().into_iter().for_each(|column| retain_rows(column, &keep));
        retain_rows(&mut self.sent, &keep);
    }

    fn shrink(&mut self) {
        self.narrow().into_iter().for_each(Vec::shrink_to_fit);
        self.sent.shrink_to_fit();
    }

    fn bytes(&self) -> usize {
        let narrow = self.sizes.capacity() + self.dates.capacity() + self.cached.capacity();
        narrow * 4 + self.sent.capacity() * 8
    }
}
