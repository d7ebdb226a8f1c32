//! What is known of a mailbox: rows, keywords, counters; and how lines of the list, a scan and
//! the watcher's events change them. No I/O.
//!
//! Messages are rows in the order of their UIDs, in columns: a million of them take some
//! 80 MB, most of it their names. What sessions see of them is shared with snapshots.

use super::departed::{Departed, Known};
use crate::cache::Whose;
use crate::column::Column;
use crate::extract::{Extract, ExtractRow};
use crate::file_name::{Info, compose, delivery_order};
use crate::names::Names;
use crate::scan::{Found, Place, info_of};
use crate::snapshot::{ModSeqs, Snapshot};
use crate::take_over::Origin;
use crate::uid_list::Line;
use crate::watch::{Event, What};
use mail::flag::Flags;
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidSet, UidValidity};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// Expunges that are remembered: who was away for longer learns them the long way.
const EXPUNGED_MAX: usize = 10_000;

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
    /// Vanished, oldest first.
    pub(crate) expunged: Vec<(Uid, ModSeq)>,
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

/// An order of files that get UIDs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum NewOrder {
    /// By their delivery.
    #[default]
    Delivery,
    /// As Courier gives UIDs: by the seconds, then by the bytes of the base name. It shows them to
    /// clients (EXAMINE) before it writes them to its list.
    Courier,
}

impl NewOrder {
    /// Of what this server's list does not have.
    pub(crate) fn of(origin: Origin) -> Self {
        match origin {
            Origin::Courier => Self::Courier,
            Origin::Dovecot => Self::Delivery,
        }
    }

    /// The number by which files are put in order before their names.
    fn key(self, base: &[u8]) -> (u64, u64) {
        let (seconds, micros) = delivery_order(base);
        if self == Self::Courier { (seconds, 0) } else { (seconds, micros) }
    }
}

/// Where a message's file lies and what follows its base name; not known before a scan or an
/// event showed it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FileAt(u32);

/// What follows base names, each once: there are few of them, and many messages.
#[derive(Default, Debug)]
pub(crate) struct Suffixes {
    all: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u32>,
}

/// Combinations of keyword indices in use, each sorted; the first is empty.
#[derive(Debug)]
pub(crate) struct KeywordSets {
    all: Vec<Box<[usize]>>,
    numbers: HashMap<Box<[usize]>, u32>,
    /// As snapshots have them, of the keywords that were known then.
    published: Option<Published>,
}

/// Keyword sets and keywords, as snapshots share them.
type Published = (Arc<[Box<[Keyword]>]>, Arc<[Keyword]>);

/// By row: what a message's file says for good. 0 stands for unknown.
#[derive(Default, Debug)]
pub(crate) struct Facts {
    /// Octets as sent, and one more.
    pub(crate) sizes: Vec<u32>,
    /// INTERNALDATE in seconds since 1970, and one more.
    pub(crate) dates: Vec<u32>,
    /// Where its record in the cache is, in units of [`crate::cache::UNIT`] bytes, and one more.
    pub(crate) cached: Vec<u32>,
}

/// What lies on disk and is not in the list: what [`State::apply`] has still to be told.
#[derive(Default, Debug)]
pub(crate) struct Differences {
    modseq: ModSeq,
    pub(crate) expunged: Vec<Uid>,
    flags: Vec<(Uid, SystemFlags, Vec<usize>)>,
    /// Files without a line, in the order of their delivery, with the UIDs that they get.
    new: Vec<(Uid, NewFile)>,
    /// Their names.
    names: Vec<u8>,
}

/// A file without a line.
#[derive(Clone, Copy, Debug)]
struct NewFile {
    start: u32,
    /// Bytes of the base name, and of the whole name.
    base: u8,
    name: u8,
    place: Place,
}

/// The names of one base name, as events tell of them: one, but for moments and where files are
/// misnamed.
#[derive(Debug)]
struct Whereabouts<T> {
    names: Vec<T>,
    /// The last one that went was removed, and not renamed.
    is_removed: bool,
}

/// Lines on their way in.
struct Batch<'a> {
    state: &'a mut State,
    /// New rows, which become part of the state's column at the end.
    uids: Vec<Uid>,
    gone: Vec<Uid>,
    passed_over: usize,
}

impl State {
    pub(crate) fn new(uid_validity: UidValidity) -> Self {
        Self {
            uid_validity,
            uid_next: Some(Uid::MIN),
            highest_modseq: ModSeq(1),
            recent_from: Uid::MIN,
            reserve: None,
            expunged: Vec::new(),
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

    /// Takes in lines, in order. Lines that contradict what is known are passed over, and
    /// counted: a list is input like any other.
    pub(crate) fn apply<'a>(&mut self, lines: impl IntoIterator<Item = Line<'a>>) -> usize {
        self.apply_each(|take| {
            lines.into_iter().for_each(take);
            Ok::<_, std::convert::Infallible>(())
        })
        .map_or(0, |((), passed_over)| passed_over)
    }

    /// Like [`State::apply`], for lines that come one by one from `source`.
    pub(crate) fn apply_each<T, E>(
        &mut self,
        source: impl FnOnce(&mut dyn FnMut(Line<'_>)) -> Result<T, E>,
    ) -> Result<(T, usize), E> {
        let mut batch = Batch { state: self, uids: Vec::new(), gone: Vec::new(), passed_over: 0 };
        let outcome = source(&mut |line| batch.take(&line));
        let passed_over = batch.finish();
        Ok((outcome?, passed_over))
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

    /// Compares with what a scan found: takes in where files lie, and returns what is not in
    /// the list. All changes of one look share a MODSEQ.
    pub(crate) fn differences(&mut self, found: &Found) -> Differences {
        let mut differences = Differences { modseq: self.next_modseq(), ..Differences::default() };
        let mut unknown = Vec::new();
        let order = self.names.sorted().to_vec();
        let mut order = order.into_iter().map(|row| row as usize).peekable();
        for file in found.files() {
            let base = found.base(file);
            while let Some(row) = order.next_if(|row| self.names.get(*row) < base) {
                differences.expunged.push(self.uids[row]);
            }
            match order.next_if(|row| self.names.get(*row) == base) {
                Some(row) => {
                    self.files[row] = self.suffixes.at(file.place, found.suffix(file));
                    self.compare_flags(row, found.info(file).flags, &mut differences);
                }
                None => unknown.extend(differences.add(base, found.suffix(file), file.place)),
            }
        }
        differences.expunged.extend(order.map(|row| self.uids[row]));
        self.give_uids(unknown, &mut differences);
        differences
    }

    /// Takes in what the watcher saw, in order; returns what is not in the list. `None` when
    /// only a scan can tell.
    ///
    /// `is_file` says whether a name is that of a regular file. Events of our own renames come
    /// too, and change nothing: the last event of a file says where it is.
    pub(crate) fn take_events(
        &mut self,
        events: &[Event],
        is_file: impl Fn(Place, &[u8]) -> crate::Result<bool>,
    ) -> crate::Result<Option<Differences>> {
        let mut differences = Differences { modseq: self.next_modseq(), ..Differences::default() };
        let mut touched: BTreeMap<usize, Whereabouts<FileAt>> = BTreeMap::new();
        let mut unknown: BTreeMap<&[u8], Whereabouts<(Place, &[u8])>> = BTreeMap::new();
        for event in events {
            let (base, suffix) = event.name.split_at(crate::file_name::split(&event.name).0.len());
            if let Some(row) = self.names.find(base) {
                let at = self.suffixes.at(event.place, suffix);
                let known = self.files[row];
                let known = || Whereabouts::known(Some(known).filter(|at| at.place().is_some()));
                touched.entry(row).or_insert_with(known).follow(event.what, at);
            } else {
                let none = || Whereabouts::known(None);
                unknown.entry(base).or_insert_with(none).follow(event.what, (event.place, suffix));
            }
        }
        for (row, whereabouts) in touched {
            match whereabouts.names[..] {
                [at] => {
                    self.files[row] = at;
                    let flags = info_of(self.suffixes.get(at)).flags;
                    self.compare_flags(row, flags, &mut differences);
                }
                [] if whereabouts.is_removed => {
                    self.files[row] = FileAt::REMOVED;
                    differences.expunged.push(self.uids[row]);
                }
                // It left and did not come back, or has two names.
                _ => return Ok(None),
            }
        }
        let mut new = Vec::new();
        for (base, whereabouts) in unknown {
            match whereabouts.names[..] {
                [] => {}
                [(place, suffix)] => {
                    if is_file(place, &[base, suffix].concat())? {
                        new.extend(differences.add(base, suffix, place));
                    }
                }
                _ => return Ok(None),
            }
        }
        self.give_uids(new, &mut differences);
        Ok(Some(differences))
    }

    fn compare_flags(&self, row: usize, flags: SystemFlags, differences: &mut Differences) {
        if self.flags.get(row) != flags {
            differences.flags.push((self.uids[row], flags, self.set(row).to_vec()));
        }
    }

    /// UIDs for files without one.
    fn give_uids(&self, files: Vec<NewFile>, differences: &mut Differences) {
        let order = |file: NewFile| (self.new_order.key(differences.base(&file)), file);
        let mut files: Vec<((u64, u64), NewFile)> = files.into_iter().map(order).collect();
        files.sort_by(|(a, first), (b, second)| {
            a.cmp(b).then_with(|| differences.base(first).cmp(differences.base(second)))
        });
        let mut next = self.uid_next;
        for (_, file) in files {
            let Some(uid) = next else { break };
            differences.new.push((uid, file));
            next = uid.next();
        }
    }

    /// Takes in where the files of new messages lie.
    pub(crate) fn locate(&mut self, differences: &Differences) {
        for (uid, file) in &differences.new {
            self.set_file(*uid, file.place, differences.suffix(file));
        }
    }

    /// The whole state as lines: what a checkpoint writes.
    pub(crate) fn checkpoint(&self) -> impl Iterator<Item = Line<'_>> {
        let head = [
            Line::Validity(self.uid_validity),
            Line::Next(self.uid_next.unwrap_or(Uid::MAX), self.highest_modseq),
        ];
        let keywords = self.keywords.iter().enumerate();
        let keywords = keywords.filter_map(|(index, k)| Some(Line::Keyword(index, k.clone()?)));
        let messages = (0..self.len()).map(|row| Line::Message {
            uid: self.uids[row],
            modseq: self.modseqs.get(row),
            flags: self.flags.get(row),
            keywords: self.set(row).to_vec(),
            base: self.names.get(row).into(),
        });
        let uidls = self.uidls.iter().map(|(uid, uidl)| Line::Uidl(*uid, uidl.clone()));
        let expunged = self.expunged.iter().map(|(uid, modseq)| Line::Expunged(*uid, *modseq));
        let reserve = self.reserve.iter().map(|(modseq, boot)| Line::Reserve(*modseq, boot.into()));
        let tail = std::iter::once(Line::Recent(self.recent_from)).chain(reserve);
        head.into_iter().chain(keywords).chain(messages).chain(uidls).chain(expunged).chain(tail)
    }

    /// A message's POP3 UIDL, where the list has one.
    pub(crate) fn uidl(&self, uid: Uid) -> Option<&str> {
        self.uidls.get(&uid).map(AsRef::as_ref)
    }

    /// What is known of a message.
    pub(crate) fn known(&self, row: usize) -> Known {
        let (size, date, cached) = (self.facts.sizes[row], self.facts.dates[row], self.facts.cached[row]);
        Known { whose: self.whose(row), size, date, cached }
    }

    /// Size and date of a message that is there or remembered, to be noted.
    pub(crate) fn size_and_date(&mut self, uid: Uid) -> Option<(&mut u32, &mut u32)> {
        match self.row(uid) {
            Some(row) => Some((&mut self.facts.sizes[row], &mut self.facts.dates[row])),
            None => self.departed.get_mut(uid).map(|known| (&mut known.size, &mut known.date)),
        }
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
        self.facts.columns().into_iter().for_each(Vec::shrink_to_fit);
    }
}

impl<T: PartialEq> Whereabouts<T> {
    fn known(at: Option<T>) -> Self {
        Self { names: at.into_iter().collect(), is_removed: false }
    }

    fn follow(&mut self, what: What, at: T) {
        let known = self.names.iter().position(|name| *name == at);
        match (what, known) {
            (What::Came, None) => self.names.push(at),
            (What::Left | What::Removed, Some(known)) => {
                self.names.remove(known);
                self.is_removed = what == What::Removed;
            }
            _ => {}
        }
    }
}

impl Batch<'_> {
    fn take(&mut self, line: &Line<'_>) {
        match line {
            // A removal waits until all lines were seen; a UID never comes again.
            Line::Expunged(uid, modseq) => {
                self.state.highest_modseq = self.state.highest_modseq.max(*modseq);
                self.state.expunged.push((*uid, *modseq));
                self.gone.push(*uid);
            }
            line => self.passed_over += usize::from(!self.take_one(line)),
        }
    }

    fn take_one(&mut self, line: &Line<'_>) -> bool {
        let state = &mut *self.state;
        match line {
            Line::Validity(validity) => state.uid_validity = *validity,
            Line::Next(uid, modseq) => {
                if state.uid_next.is_some_and(|next| next < *uid) {
                    state.uid_next = Some(*uid);
                }
                state.highest_modseq = state.highest_modseq.max(*modseq);
            }
            Line::Keyword(index, keyword) => {
                if state.keywords.len() <= *index {
                    state.keywords.resize(*index + 1, None);
                }
                state.keywords[*index] = Some(keyword.clone());
                state.sets.published = None;
            }
            Line::Message { uid, modseq, flags, keywords, base } => {
                let last = self.uids.last().or(state.uids.last());
                if last.is_some_and(|last| last >= uid) || !state.names.push(base) {
                    return false;
                }
                self.uids.push(*uid);
                state.add_row(*modseq, *flags, keywords);
                if state.uid_next.is_some_and(|next| next <= *uid) {
                    state.uid_next = uid.next();
                }
            }
            Line::Flags { uid, modseq, flags, keywords } => {
                state.highest_modseq = state.highest_modseq.max(*modseq);
                let new = |uid| self.uids.binary_search(uid).ok().map(|at| state.uids.len() + at);
                let Some(row) = state.row(*uid).or_else(|| new(uid)) else { return false };
                let set = state.sets.number(keywords);
                state.modseqs.raise(row, *modseq);
                state.flags.set(row, *flags);
                state.set_of.set(row, set);
            }
            Line::Recent(uid) => state.recent_from = state.recent_from.max(*uid),
            Line::Uidl(uid, uidl) => {
                if state.row(*uid).is_none() && self.uids.binary_search(uid).is_err() {
                    return false;
                }
                state.uidls.insert(*uid, uidl.clone());
            }
            Line::Reserve(modseq, boot) => state.reserve = Some((*modseq, boot.to_string())),
            Line::Expunged(..) => {}
        }
        true
    }

    /// Makes the columns whole; how many lines were passed over.
    fn finish(mut self) -> usize {
        let state = &mut *self.state;
        if !self.uids.is_empty() {
            state.uids = state.uids.iter().chain(&self.uids).copied().collect();
        }
        if !self.gone.is_empty() {
            self.gone.sort_unstable();
            let gone: Vec<bool> = state.uids.iter().map(|uid| self.gone.binary_search(uid).is_ok()).collect();
            if gone.contains(&true) {
                if state.departed.is_watched() {
                    for row in (0..gone.len()).filter(|row| gone[*row]) {
                        let known = state.known(row);
                        state.departed.add(known);
                    }
                }
                state.retain(|row| !gone[row]);
            }
        }
        let surplus = state.expunged.len().saturating_sub(EXPUNGED_MAX);
        state.expunged.drain(..surplus);
        self.passed_over
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
        self.facts.columns().into_iter().for_each(|column| column.push(0));
        self.highest_modseq = self.highest_modseq.max(modseq);
    }

    fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        fn each<T: Copy>(values: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
            let mut row = 0;
            values.retain(|_| {
                row += 1;
                keep(row - 1)
            });
        }
        let uids = self.uids.iter().enumerate().filter(|(row, _)| keep(*row)).map(|(_, uid)| *uid);
        self.uids = uids.collect();
        let left = self.uids.clone();
        self.uidls.retain(|uid, _| left.binary_search(uid).is_ok());
        self.flags.retain(&keep);
        self.modseqs.retain(&keep);
        self.set_of.retain(&keep);
        self.names.retain(&keep);
        each(&mut self.files, &keep);
        self.facts.columns().into_iter().for_each(|column| each(column, &keep));
    }
}

impl FileAt {
    /// Seen to be removed.
    const REMOVED: Self = Self(1);

    /// As a number, for the index.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// From a number; what names no suffix of `suffixes` is unknown.
    pub(crate) fn from_bits(bits: u32, suffixes: &Suffixes) -> Self {
        let known = bits >= 2 && ((bits - 2) / 2) < suffixes.all.len() as u32;
        Self(if known { bits } else { 0 })
    }

    pub(crate) fn place(self) -> Option<Place> {
        match self.0 {
            0 | 1 => None,
            at if at.is_multiple_of(2) => Some(Place::Cur),
            _ => Some(Place::New),
        }
    }
}

impl Suffixes {
    pub(crate) fn get(&self, at: FileAt) -> &[u8] {
        at.0.checked_sub(2).and_then(|at| self.all.get(at as usize / 2)).map_or(&[], |suffix| suffix)
    }

    /// A place and a suffix as one number.
    pub(crate) fn at(&mut self, place: Place, suffix: &[u8]) -> FileAt {
        let number = match self.numbers.get(suffix) {
            Some(number) => *number,
            None => self.add(suffix),
        };
        FileAt(2 + number * 2 + u32::from(place == Place::New))
    }

    /// Adds one that is not there.
    pub(crate) fn add(&mut self, suffix: &[u8]) -> u32 {
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX / 4);
        self.all.push(suffix.into());
        self.numbers.insert(suffix.into(), number);
        number
    }

    pub(crate) fn all(&self) -> &[Box<[u8]>] {
        &self.all
    }
}

impl Default for KeywordSets {
    fn default() -> Self {
        Self { all: vec![Box::default()], numbers: HashMap::from([(Box::default(), 0)]), published: None }
    }
}

impl KeywordSets {
    /// The number of a combination of keyword indices.
    pub(crate) fn number(&mut self, keywords: &[usize]) -> u32 {
        if keywords.is_empty() {
            return 0;
        }
        let mut keywords = keywords.to_vec();
        keywords.sort_unstable();
        keywords.dedup();
        if let Some(number) = self.numbers.get(&*keywords) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(0);
        self.published = None;
        self.all.push(keywords.clone().into());
        self.numbers.insert(keywords.into(), number);
        number
    }

    pub(crate) fn get(&self, set: u32) -> &[usize] {
        &self.all[set as usize]
    }

    pub(crate) fn all(&self) -> &[Box<[usize]>] {
        &self.all
    }

    fn published(&mut self, keywords: &[Option<Keyword>]) -> Published {
        let made = || {
            let sets = self.all.iter().map(|set| {
                let keywords = set.iter().filter_map(|index| keywords.get(*index)?.clone()).collect();
                Flags::new(SystemFlags::NONE, keywords).keywords().into()
            });
            (sets.collect(), keywords.iter().flatten().cloned().collect())
        };
        self.published.get_or_insert_with(made).clone()
    }
}

impl Facts {
    pub(crate) fn columns(&mut self) -> [&mut Vec<u32>; 3] {
        [&mut self.sizes, &mut self.dates, &mut self.cached]
    }

    fn bytes(&self) -> usize {
        (self.sizes.capacity() + self.dates.capacity() + self.cached.capacity()) * 4
    }
}

impl Differences {
    /// Whether the list says it all.
    pub(crate) fn is_empty(&self) -> bool {
        self.expunged.is_empty() && self.flags.is_empty() && self.new.is_empty()
    }

    /// As lines of the list.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let modseq = self.modseq;
        let expunged = self.expunged.iter().map(move |uid| Line::Expunged(*uid, modseq));
        let flags = self.flags.iter().map(move |(uid, flags, keywords)| Line::Flags {
            uid: *uid,
            modseq,
            flags: *flags,
            keywords: keywords.clone(),
        });
        let new = self.new.iter().map(move |(uid, file)| Line::Message {
            uid: *uid,
            modseq,
            flags: info_of(self.suffix(file)).flags,
            keywords: Vec::new(),
            base: self.base(file).into(),
        });
        expunged.chain(flags).chain(new)
    }

    /// Messages that are new, and whether each lies in `new/`; in the order of their UIDs.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = (Uid, Place)> {
        self.new.iter().map(|(uid, file)| (*uid, file.place))
    }

    fn add(&mut self, base: &[u8], suffix: &[u8], place: Place) -> Option<NewFile> {
        let start = u32::try_from(self.names.len()).ok()?;
        let name = u8::try_from(base.len() + suffix.len()).ok()?;
        self.names.extend_from_slice(base);
        self.names.extend_from_slice(suffix);
        Some(NewFile { start, base: base.len() as u8, name, place })
    }

    fn base(&self, file: &NewFile) -> &[u8] {
        &self.names[file.start as usize..][..usize::from(file.base)]
    }

    fn suffix(&self, file: &NewFile) -> &[u8] {
        &self.names[file.start as usize..][usize::from(file.base)..usize::from(file.name)]
    }
}
