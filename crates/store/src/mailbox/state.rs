//! What is known of a mailbox: rows, keywords, counters; and how lines of the list and a scan
//! change them. No I/O.

use crate::file_name::{Info, compose, delivery_order};
use crate::scan::{FoundFile, Place};
use crate::snapshot::{Snapshot, SnapshotBuilder};
use crate::uid_list::Line;
use mail::flag::Flags;
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::sync::Arc;

/// Expunges that are remembered: who was away for longer learns them the long way.
const EXPUNGED_MAX: usize = 10_000;

/// A message as the list has it, and its file as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) uid: Uid,
    pub(crate) modseq: ModSeq,
    pub(crate) flags: SystemFlags,
    /// Index into [`State::sets`].
    pub(crate) set: u32,
    pub(crate) base: Box<[u8]>,
    /// Where its file lies, and what follows the base name; `None` until a scan has seen it.
    pub(crate) file: Option<(Place, Box<[u8]>)>,
}

impl Message {
    /// Its file's name, where it is known.
    pub(crate) fn file_name(&self) -> Option<(Place, Vec<u8>)> {
        self.file.as_ref().map(|(place, suffix)| (*place, [&self.base[..], suffix].concat()))
    }

    /// Its file's name in `cur/` with these flags; letters that are not ours stay.
    pub(crate) fn name_with(&self, flags: SystemFlags) -> Vec<u8> {
        let info = self.file.as_ref().and_then(|(_, suffix)| suffix.get(1..)).map(Info::parse);
        compose(&self.base, &Info { flags, ..info.unwrap_or_default() })
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) uid_validity: UidValidity,
    /// `None` when all UIDs are used up.
    pub(crate) uid_next: Option<Uid>,
    pub(crate) highest_modseq: ModSeq,
    /// Messages from here on are recent.
    pub(crate) recent_from: Uid,
    /// In the order of UIDs.
    pub(crate) messages: Vec<Message>,
    /// Vanished, oldest first.
    pub(crate) expunged: Vec<(Uid, ModSeq)>,
    /// By index; indices of a damaged list may have holes.
    pub(crate) keywords: Vec<Option<Keyword>>,
    /// Combinations of keyword indices in use, each sorted; the first is empty.
    sets: Vec<Box<[usize]>>,
}

impl State {
    pub(crate) fn new(uid_validity: UidValidity) -> Self {
        Self {
            uid_validity,
            uid_next: Some(Uid::MIN),
            highest_modseq: ModSeq(1),
            recent_from: Uid::MIN,
            messages: Vec::new(),
            expunged: Vec::new(),
            keywords: Vec::new(),
            sets: vec![Box::default()],
        }
    }

    /// The MODSEQ of the next change.
    pub(crate) fn next_modseq(&self) -> ModSeq {
        self.highest_modseq.next()
    }

    pub(crate) fn find(&self, uid: Uid) -> Option<&Message> {
        self.position(uid).map(|at| &self.messages[at])
    }

    fn position(&self, uid: Uid) -> Option<usize> {
        self.messages.binary_search_by_key(&uid, |message| message.uid).ok()
    }

    /// Where a message's file lies now.
    pub(crate) fn set_file(&mut self, uid: Uid, place: Place, suffix: &[u8]) {
        if let Some(at) = self.position(uid) {
            self.messages[at].file = Some((place, suffix.into()));
        }
    }

    /// Takes in lines, in order. Lines that contradict what is known are passed over, and
    /// counted: a list is input like any other.
    pub(crate) fn apply(&mut self, lines: &[Line]) -> usize {
        let mut passed_over = 0;
        let mut gone: Vec<Uid> = Vec::new();
        for line in lines {
            match line {
                // A removal waits until all lines were seen; a UID never comes again.
                Line::Expunged(uid, modseq) => {
                    self.highest_modseq = self.highest_modseq.max(*modseq);
                    self.expunged.push((*uid, *modseq));
                    gone.push(*uid);
                }
                line => passed_over += usize::from(!self.apply_one(line)),
            }
        }
        if !gone.is_empty() {
            gone.sort_unstable();
            self.messages.retain(|message| gone.binary_search(&message.uid).is_err());
        }
        let surplus = self.expunged.len().saturating_sub(EXPUNGED_MAX);
        self.expunged.drain(..surplus);
        passed_over
    }

    fn apply_one(&mut self, line: &Line) -> bool {
        match line {
            Line::Validity(validity) => self.uid_validity = *validity,
            Line::Next(uid, modseq) => {
                if self.uid_next.is_some_and(|next| next < *uid) {
                    self.uid_next = Some(*uid);
                }
                self.highest_modseq = self.highest_modseq.max(*modseq);
            }
            Line::Keyword(index, keyword) => {
                if self.keywords.len() <= *index {
                    self.keywords.resize(*index + 1, None);
                }
                self.keywords[*index] = Some(keyword.clone());
            }
            Line::Message { uid, modseq, flags, keywords, base } => {
                if self.messages.last().is_some_and(|last| last.uid >= *uid) {
                    return false;
                }
                let (flags, set) = (*flags, self.intern(keywords.clone()));
                let message =
                    Message { uid: *uid, modseq: *modseq, flags, set, base: base.clone(), file: None };
                self.messages.push(message);
                if self.uid_next.is_some_and(|next| next <= *uid) {
                    self.uid_next = uid.next();
                }
                self.highest_modseq = self.highest_modseq.max(*modseq);
            }
            Line::Flags { uid, modseq, flags, keywords } => {
                self.highest_modseq = self.highest_modseq.max(*modseq);
                let Some(at) = self.position(*uid) else { return false };
                let set = self.intern(keywords.clone());
                let message = &mut self.messages[at];
                (message.modseq, message.flags, message.set) = (*modseq, *flags, set);
            }
            Line::Recent(uid) => self.recent_from = self.recent_from.max(*uid),
            Line::Expunged(..) => unreachable!("taken out by the caller"),
        }
        true
    }

    /// The number of a combination of keyword indices.
    fn intern(&mut self, mut keywords: Vec<usize>) -> u32 {
        keywords.sort_unstable();
        keywords.dedup();
        let at = self.sets.iter().position(|set| **set == *keywords).unwrap_or_else(|| {
            self.sets.push(keywords.into());
            self.sets.len() - 1
        });
        u32::try_from(at).expect("fewer combinations than messages")
    }

    /// The keyword indices of a combination.
    pub(crate) fn set(&self, set: u32) -> &[usize] {
        &self.sets[set as usize]
    }

    /// A message's system flags and keywords.
    pub(crate) fn flags_of(&self, message: &Message) -> Flags {
        let keywords = self.set(message.set).iter().filter_map(|index| self.keywords.get(*index)?.clone());
        Flags::new(message.flags, keywords.collect())
    }

    /// Indices of keywords; those that are new are defined by lines added to `lines`. `None`
    /// when there would be more than `max` keywords.
    pub(crate) fn keyword_indices(
        &self,
        keywords: &[Keyword],
        max: usize,
        lines: &mut Vec<Line>,
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

    /// Compares with what a scan found: takes in where files lie, and returns lines for what
    /// changed. `found` is sorted by base name. All changes of one look share a MODSEQ.
    pub(crate) fn differences(&mut self, found: &[FoundFile]) -> Vec<Line> {
        let modseq = self.next_modseq();
        let mut lines = Vec::new();
        let mut unknown: Vec<&FoundFile> = Vec::new();
        let mut order: Vec<usize> = (0..self.messages.len()).collect();
        order.sort_unstable_by(|a, b| self.messages[*a].base.cmp(&self.messages[*b].base));
        let mut order = order.into_iter().peekable();
        for file in found {
            while let Some(at) = order.next_if(|at| self.messages[*at].base < file.base) {
                lines.push(Line::Expunged(self.messages[at].uid, modseq));
            }
            match order.next_if(|at| self.messages[*at].base == file.base) {
                Some(at) => {
                    let message = &mut self.messages[at];
                    message.file = Some((file.place, file.suffix.clone()));
                    let flags = file.info().flags;
                    if message.flags != flags {
                        let keywords = self.sets[message.set as usize].to_vec();
                        lines.push(Line::Flags { uid: message.uid, modseq, flags, keywords });
                    }
                }
                None => unknown.push(file),
            }
        }
        lines.extend(order.map(|at| Line::Expunged(self.messages[at].uid, modseq)));
        unknown.sort_by(|a, b| delivery_order(&a.base).cmp(&delivery_order(&b.base)));
        let mut next = self.uid_next;
        for file in unknown {
            let Some(uid) = next else { break };
            let (flags, base) = (file.info().flags, file.base.clone());
            lines.push(Line::Message { uid, modseq, flags, keywords: Vec::new(), base });
            next = uid.next();
        }
        lines
    }

    /// Takes in where the files of new messages lie: those that [`State::differences`] listed.
    pub(crate) fn locate(&mut self, found: &[FoundFile]) {
        for message in self.messages.iter_mut().filter(|message| message.file.is_none()) {
            if let Ok(at) = found.binary_search_by(|file| file.base.cmp(&message.base)) {
                message.file = Some((found[at].place, found[at].suffix.clone()));
            }
        }
    }

    /// The whole state as lines: what a checkpoint writes.
    pub(crate) fn checkpoint(&self) -> Vec<Line> {
        let mut lines = vec![Line::Validity(self.uid_validity)];
        lines.push(Line::Next(self.uid_next.unwrap_or(Uid::MAX), self.highest_modseq));
        let keywords = self.keywords.iter().enumerate();
        lines.extend(keywords.filter_map(|(index, k)| Some(Line::Keyword(index, k.clone()?))));
        lines.extend(self.messages.iter().map(|message| Line::Message {
            uid: message.uid,
            modseq: message.modseq,
            flags: message.flags,
            keywords: self.set(message.set).to_vec(),
            base: message.base.clone(),
        }));
        lines.extend(self.expunged.iter().map(|(uid, modseq)| Line::Expunged(*uid, *modseq)));
        lines.push(Line::Recent(self.recent_from));
        lines
    }

    /// The state as sessions see it.
    pub(crate) fn snapshot(&self, earlier: Option<&Snapshot>) -> Arc<Snapshot> {
        let known: Arc<[Keyword]> = self.keywords.iter().flatten().cloned().collect();
        let sets = self.sets.iter().map(|set| {
            let keywords = set.iter().filter_map(|index| self.keywords.get(*index)?.clone()).collect();
            Flags::new(SystemFlags::NONE, keywords).keywords().into()
        });
        let mut builder = SnapshotBuilder::new(
            self.uid_validity,
            self.uid_next.unwrap_or(Uid::MAX),
            self.highest_modseq,
            sets.collect(),
            known,
        )
        .recent_from(self.recent_from);
        for message in &self.messages {
            builder.push(message.uid, message.flags, message.set, message.modseq);
        }
        Arc::new(builder.build(earlier))
    }
}
