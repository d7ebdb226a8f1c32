//! What lies on disk and is not in the list: found by a scan, or told by the watcher's events.

use super::State;
use super::file_at::FileAt;
use crate::error::Result;
use crate::scan::{FoundFiles, Place, info_of};
use crate::uid_list::Line;
use crate::watch::{Event, What};
use mail::{ModSeq, SystemFlags, Uid};
use std::collections::BTreeMap;

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

impl State {
    /// Compares with what a scan found: takes in where files lie, and returns what is not in
    /// the list. All changes of one look share a MODSEQ.
    pub(crate) fn differences(&mut self, found: &FoundFiles) -> Differences {
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
        is_file: impl Fn(Place, &[u8]) -> Result<bool>,
    ) -> Result<Option<Differences>> {
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

impl Differences {
    /// Whether the list says it all.
    pub(crate) fn is_empty(&self) -> bool {
        self.expunged.is_empty() && self.flags.is_empty() && self.new.is_empty()
    }

    /// As lines of the list.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> + Clone {
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
