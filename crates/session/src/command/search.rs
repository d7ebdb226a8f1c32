//! SEARCH (RFC 3501 section 6.4.4; RETURN by RFC 4731, MODSEQ by RFC 7162).

mod evaluate;
mod key;
#[cfg(test)]
mod tests;

use super::pace::Pace;
use crate::context::{Answer, Context, Progress, Task};
use crate::view::View;
use codec::command::{Search, SearchReturn};
use codec::response::search::{Results, esearch, search as write_search};
use codec::response::{Code, Condition, untagged};
use evaluate::{Candidate, Verdict, holds_in_memory};
use key::{Cost, Key, Uncompiled};
use mail::{ModSeq, NumberSet, SeqNum, Uid, UidSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{ErrorKind, Pass};

/// Threads that read for one search at most: other users want to read too.
const THREADS_MAX: usize = 8;

/// A message that was looked at and found, or could not be read.
type Looked = (SeqNum, Uid, store::Result<(Verdict, ModSeq)>);

/// The task of a SEARCH or UID SEARCH.
pub(crate) fn search(command: Search) -> Box<dyn Task> {
    Box::new(SearchTask { command, state: None })
}

struct SearchTask {
    command: Search,
    /// `None` before the keys are compiled.
    state: Option<State>,
}

/// A search under way.
struct State {
    key: Key,
    /// All messages, in order.
    messages: Vec<(SeqNum, Uid)>,
    /// How many of them were looked at.
    done: usize,
    /// One for each thread that looks.
    passes: Vec<Pass>,
    found: Vec<Found>,
    /// Some messages could not be read, and are not found.
    unreadable: bool,
}

/// A message found.
#[derive(Clone, Copy)]
struct Found {
    /// A sequence number or UID, as the command asked.
    number: u32,
    modseq: ModSeq,
}

impl Task for SearchTask {
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        if self.state.is_none() {
            match self.start(context) {
                Ok(state) => self.state = Some(state),
                Err(answer) => return Ok(Progress::Done(answer)),
            }
        }
        let (Some(state), Some(selected)) = (&mut self.state, context.selected.as_ref()) else {
            return Ok(Progress::Done(Answer::bad("Select a mailbox first")));
        };
        if state.key.cost() == Cost::Memory {
            return Ok(match state.look_in_memory(&selected.view, self.command.by_uid) {
                true => Progress::Done(self.finish(context)),
                false => Progress::More,
            });
        }
        let looked = state.look(&selected.view);
        for (number, uid, verdict) in looked {
            match verdict {
                Ok((Verdict::Found, modseq)) => state.found.push(Found {
                    number: if self.command.by_uid { uid.get() } else { number.get() },
                    modseq,
                }),
                Ok((Verdict::NotFound, _)) => {}
                Err(error) if error.kind == ErrorKind::Deleted => return Err(error),
                Err(error) => {
                    if !state.unreadable {
                        tracing::error!("{error}");
                    }
                    state.unreadable = true;
                }
            }
        }
        if state.done < state.messages.len() {
            return Ok(Progress::More);
        }
        Ok(Progress::Done(self.finish(context)))
    }

    fn may_expunge(&self) -> bool {
        self.command.by_uid
    }

    fn by_uid(&self) -> bool {
        self.command.by_uid
    }
}

impl SearchTask {
    /// Compiles the keys. An answer ends the command.
    fn start(&self, context: &mut Context<'_>) -> Result<State, Answer> {
        let Some(selected) = context.selected.as_ref() else {
            return Err(Answer::bad("Select a mailbox first"));
        };
        let messages = selected.view.resolve(&NumberSet::whole(), true).unwrap_or_default();
        let last = messages.last().copied();
        let key = match Key::compile(&self.command, last) {
            Ok(key) => key,
            Err(Uncompiled::BadCharset) => {
                return Err(Answer::no("BADCHARSET", "The charset is not known")
                    .with_code(Code::BadCharset(key::CHARSETS.to_vec())));
            }
            Err(Uncompiled::TooDeep) => return Err(Answer::bad("Search keys are nested too deeply")),
        };
        // Where files are read, all processors read.
        let threads = match key.cost() {
            Cost::File => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX),
            _ => 1,
        };
        let passes = (0..threads).map(|_| selected.mailbox.pass()).collect();
        if key.has_modseq() {
            context.enable_condstore();
        }
        Ok(State { key, messages, done: 0, passes, found: Vec::new(), unreadable: false })
    }

    fn finish(&mut self, context: &mut Context<'_>) -> Answer {
        let Some(state) = self.state.take() else { return Answer::bad("Nothing was searched") };
        let modseq = state.key.has_modseq();
        let out = context.out.buffer();
        match &self.command.return_options {
            Some(options) => {
                esearch(out, context.tag, self.command.by_uid, &results(&state.found, options, modseq));
            }
            None => {
                let highest = state.found.iter().map(|found| found.modseq).max().filter(|_| modseq);
                write_search(out, state.found.iter().map(|found| found.number), highest);
            }
        }
        if state.unreadable {
            // A warning (RFC 3501 section 7.1.2): one damaged file must not make the others
            // impossible to find.
            let text = "Some messages could not be read and were not searched";
            untagged(out, Condition::No, None, text);
        }
        Answer::ok("Search completed")
    }
}

impl State {
    /// Looks at some more messages for a key that costs nothing; whether all were looked at.
    fn look_in_memory(&mut self, view: &View, by_uid: bool) -> bool {
        let (mut pace, mut row) = (Pace::new(), 0);
        let snapshot = view.snapshot();
        while let Some(&(number, uid)) = self.messages.get(self.done).filter(|_| !pace.is_spent()) {
            pace.row();
            self.done += 1;
            // Expunged and not yet told: it keeps its number and is not found.
            let Some(found) = snapshot.find_from(uid, row) else { continue };
            row = found.index() + 1;
            if holds_in_memory(&self.key, number, found, view) {
                let number = if by_uid { uid.get() } else { number.get() };
                self.found.push(Found { number, modseq: found.modseq() });
            }
        }
        self.done == self.messages.len()
    }

    /// Looks at some more messages, with as many threads as there are passes; what was found of
    /// each, in order.
    fn look(&mut self, view: &View) -> Vec<Looked> {
        let rest = &self.messages[self.done..];
        let (key, next) = (&self.key, AtomicUsize::new(0));
        let look_at = |pass: &mut Pass| {
            // A thread begins as who started it; said once, it costs nothing at each message.
            let _entered = pass.enter();
            let (mut pace, mut looked, mut row) = (Pace::new(), Vec::new(), 0);
            while !pace.is_spent() {
                let Some(&(number, uid)) = rest.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                pace.row();
                // Expunged and not yet told: it keeps its number and is not found.
                let Some(found) = view.snapshot().find_from(uid, row) else { continue };
                row = found.index() + 1;
                let verdict = Candidate::new(number, found, view, pass, &mut pace).evaluate(key);
                let verdict = verdict.map(|verdict| (verdict, found.modseq()));
                if !matches!(verdict, Ok((Verdict::NotFound, _))) {
                    looked.push((number, uid, verdict));
                }
            }
            looked
        };
        let mut looked = match self.passes.split_first_mut() {
            Some((own, others)) => std::thread::scope(|scope| {
                let begin = |pass| std::thread::Builder::new().spawn_scoped(scope, || look_at(pass)).ok();
                // Where no thread can be had, those that are there do it all.
                let threads: Vec<_> = others.iter_mut().map_while(begin).collect();
                let mut looked = look_at(own);
                for thread in threads {
                    looked.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                }
                looked
            }),
            None => Vec::new(),
        };
        looked.sort_by_key(|(number, ..)| *number);
        self.done = self.messages.len().min(self.done + next.into_inner());
        looked
    }
}

/// What ESEARCH tells of messages found (RFC 4731 section 3.1): of none, COUNT only.
///
/// MODSEQ is that of the messages told: with MIN and MAX alone, of those; else the highest of
/// all (RFC 7162 section 3.1.10).
fn results(found: &[Found], options: &[SearchReturn], modseq: bool) -> Results {
    let asked = |option| options.contains(&option);
    let all = options.is_empty() || asked(SearchReturn::All);
    let min = found.first().filter(|_| asked(SearchReturn::Min));
    let max = found.last().filter(|_| asked(SearchReturn::Max));
    let count = asked(SearchReturn::Count);
    let highest = match all || count {
        true => found.iter().map(|found| found.modseq).max(),
        false => min.into_iter().chain(max).map(|found| found.modseq).max(),
    };
    let set = || found.iter().filter_map(|found| Uid::new(found.number)).collect::<UidSet>();
    Results {
        min: min.map(|found| found.number),
        max: max.map(|found| found.number),
        all: (all && !found.is_empty()).then(set),
        count: count.then(|| u32::try_from(found.len()).unwrap_or(u32::MAX)),
        modseq: highest.filter(|_| modseq),
    }
}
