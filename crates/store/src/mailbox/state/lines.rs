//! The state from lines of the list, and as lines.

use super::{Expunged, State};
use crate::uid_list::Line;
use mail::{ModSeq, Uid, UidSet};
use std::ops::RangeInclusive;

/// Lines on their way in.
struct Batch<'a> {
    state: &'a mut State,
    /// New rows, which become part of the state's column at the end.
    uids: Vec<Uid>,
    gone: Vec<RangeInclusive<Uid>>,
    passed_over: usize,
}

impl State {
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
        let floor = self.expunges.floor().map(Line::ExpungeFloor);
        let expunged = self.expunges.ranges().iter().map(|range| match range.first == range.last {
            true => Line::Expunged(range.first, range.modseq),
            false => Line::ExpungedRange(range.first, range.last, range.modseq),
        });
        let unknown = self.unknown.iter().map(|text| Line::Unknown((&**text).into()));
        let reserve = self.reserve.iter().map(|(modseq, boot)| Line::Reserve(*modseq, boot.into()));
        let tail = std::iter::once(Line::Recent(self.recent_from)).chain(reserve).chain(unknown);
        let expunged = floor.into_iter().chain(expunged);
        head.into_iter().chain(keywords).chain(messages).chain(uidls).chain(expunged).chain(tail)
    }
}

impl Batch<'_> {
    fn take(&mut self, line: &Line<'_>) {
        match line {
            // A removal waits until all lines were seen; a UID never comes again.
            Line::Expunged(uid, modseq) => self.expunge(*uid, *uid, *modseq),
            Line::ExpungedRange(first, last, modseq) => self.expunge(*first, *last, *modseq),
            line => self.passed_over += usize::from(!self.take_one(line)),
        }
    }

    fn expunge(&mut self, first: Uid, last: Uid, modseq: ModSeq) {
        self.state.highest_modseq = self.state.highest_modseq.max(modseq);
        self.state.expunges.add(Expunged { first, last, modseq });
        self.gone.push(first..=last);
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
            Line::ExpungeFloor(modseq) => state.expunges.raise_floor(*modseq),
            Line::Unknown(text) => state.unknown.push(text.as_ref().into()),
            Line::Expunged(..) | Line::ExpungedRange(..) => {}
        }
        true
    }

    /// Makes the columns whole; how many lines were passed over.
    fn finish(self) -> usize {
        let state = &mut *self.state;
        if !self.uids.is_empty() {
            state.uids = state.uids.iter().chain(&self.uids).copied().collect();
        }
        if !self.gone.is_empty() {
            let expunged: UidSet = self.gone.into_iter().collect();
            let gone: Vec<bool> = state.uids.iter().map(|uid| expunged.contains(*uid)).collect();
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
        state.expunges.cut();
        self.passed_over
    }
}
