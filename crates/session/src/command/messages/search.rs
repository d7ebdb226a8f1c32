//! SEARCH (RFC 3501 section 6.4.4; RETURN by RFC 4731, MODSEQ by RFC 7162).

mod evaluate;
mod helpers;
mod key;
#[cfg(test)]
mod tests;

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::command::shared::pace::Pace;
use crate::context::Context;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::{MailboxTask, Progress};
use crate::view::View;
use codec::command::{Search, SearchReturn};
use codec::response::search::{Results, esearch, search as write_search};
use codec::response::{Code, Condition, untagged};
use evaluate::{Candidate, Means, Verdict, holds_in_memory};
use helpers::Helpers;
use key::{Cost, Keys, Known, Uncompiled};
use mail::{MessageNumber, ModSeq, NumberSet, SeqNum, Uid};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use store::{ErrorKind, Pass};

/// Threads that read for one search at most: other users want to read too.
const THREADS_MAX: usize = 8;

/// A message that was looked at and found, or could not be read.
type Looked = (SeqNum, Uid, store::Result<ModSeq>);

/// The task of a SEARCH or UID SEARCH.
pub(crate) fn search(command: Search) -> Box<dyn MailboxTask> {
    Box::new(SearchTask { command, state: None })
}

struct SearchTask {
    command: Search,
    /// `None` before the keys are compiled.
    state: Option<State>,
}

/// A search under way.
struct State {
    keys: Keys,
    /// All messages, in order.
    messages: Vec<(SeqNum, Uid)>,
    /// How many of them were begun.
    done: usize,
    /// Those of them that the last piece of work did not get to the end of.
    begun: Vec<Candidate>,
    /// Of the message that is looked at, where all is in memory.
    known: Known,
    /// One for each thread that looks.
    passes: Vec<Pass>,
    found: Vec<Found>,
    /// Some messages could not be read, and are not found.
    unreadable: bool,
}

/// A message found.
#[derive(Clone, Copy)]
struct Found {
    number: SeqNum,
    uid: Uid,
    modseq: ModSeq,
}

impl MailboxTask for SearchTask {
    fn run(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        _: &Accounts,
    ) -> Result<Progress, Stop> {
        let state = match &mut self.state {
            Some(state) => state,
            None => match self.start(context, selected) {
                Ok(state) => self.state.insert(state),
                Err(answer) => return Ok(Progress::Done(answer)),
            },
        };
        if state.keys.cost() == Cost::Memory {
            return Ok(match state.look_in_memory(&selected.view) {
                true => Progress::Done(self.finish(context)),
                false => Progress::More,
            });
        }
        for (number, uid, outcome) in state.look(&selected.view) {
            match outcome {
                Ok(modseq) => state.found.push(Found { number, uid, modseq }),
                Err(error) if error.kind == ErrorKind::Deleted => return Err(error.into()),
                Err(error) => {
                    if !state.unreadable {
                        tracing::error!(%error, "a message is left out of a search");
                    }
                    state.unreadable = true;
                }
            }
        }
        if state.done < state.messages.len() || !state.begun.is_empty() {
            return Ok(Progress::More);
        }
        // Messages that took several pieces came behind those that did not.
        state.found.sort_unstable_by_key(|found| found.number);
        Ok(Progress::Done(self.finish(context)))
    }

    fn may_expunge(&self) -> bool {
        self.command.by_uid
    }

    fn only_answers(&self) -> bool {
        true
    }

    fn by_uid(&self) -> bool {
        self.command.by_uid
    }
}

impl SearchTask {
    /// Compiles the keys. An answer ends the command.
    fn start(&self, context: &mut Context<'_>, selected: &Selected) -> Result<State, Answer> {
        let messages = selected.view.resolve(&NumberSet::whole(), true).unwrap_or_default();
        let last = messages.last().copied();
        let keys = match Keys::compile(&self.command, last, context.now.unix) {
            Ok(keys) => keys,
            Err(Uncompiled::BadCharset) => {
                return Err(Answer::no("BADCHARSET", "The charset is not known")
                    .with_code(Code::BadCharset(key::CHARSETS.to_vec())));
            }
            Err(Uncompiled::TooDeep) => return Err(Answer::bad("Search keys are nested too deeply")),
        };
        // Where files are read, all processors read.
        let threads = match keys.cost() {
            Cost::File => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX),
            _ => 1,
        };
        let passes = (0..threads).map(|_| selected.mailbox.pass()).collect();
        if keys.has_modseq() {
            context.enable_condstore(Some(selected));
        }
        let known = keys.known_of_none();
        let (begun, found) = (Vec::new(), Vec::new());
        Ok(State { keys, messages, done: 0, begun, known, passes, found, unreadable: false })
    }

    fn finish(&mut self, context: &mut Context<'_>) -> Answer {
        let Some(state) = self.state.take() else { return Answer::bad("Nothing was searched") };
        match self.command.by_uid {
            true => self.tell(context, &state, |found| found.uid),
            false => self.tell(context, &state, |found| found.number),
        }
        let out = context.out.buffer();
        if state.unreadable {
            // A warning (RFC 3501 section 7.1.2): one damaged file must not make the others
            // impossible to find.
            let text = "Some messages could not be read and were not searched";
            untagged(out, Condition::No, None, text);
        }
        Answer::ok("Search completed")
    }

    /// Tells what was found, by the number that the command asked for.
    fn tell<N: MessageNumber>(&self, context: &mut Context<'_>, state: &State, number: fn(&Found) -> N) {
        let modseq = state.keys.has_modseq();
        let out = context.out.buffer();
        match &self.command.return_options {
            Some(options) => esearch(out, context.tag, &results(&state.found, options, modseq, number)),
            None => {
                let highest = state.found.iter().map(|found| found.modseq).max().filter(|_| modseq);
                write_search(out, state.found.iter().map(number), highest);
            }
        }
    }
}

impl State {
    /// Looks at some more messages for a key that costs nothing; whether all were looked at.
    fn look_in_memory(&mut self, view: &View) -> bool {
        let (mut pace, mut row) = (Pace::new(), 0);
        let snapshot = view.snapshot();
        while let Some(&(number, uid)) = self.messages.get(self.done).filter(|_| !pace.is_spent()) {
            pace.row();
            self.done += 1;
            // Expunged and not yet told: it keeps its number and is not found.
            let Some(found) = snapshot.find_from(uid, row) else { continue };
            row = found.index() + 1;
            self.known.forget();
            let keys = &self.keys;
            let truth = keys.hold(&mut self.known, &mut |key, _| -> Result<bool, Infallible> {
                pace.key();
                Ok(holds_in_memory(key, keys, number, found, view))
            });
            if truth == Ok(true) {
                self.found.push(Found { number, uid, modseq: found.modseq() });
            }
        }
        self.done == self.messages.len()
    }

    /// Looks at some more messages, with as many threads as there are passes and can be had; what
    /// was found of each.
    fn look(&mut self, view: &View) -> Vec<Looked> {
        let Self { keys, messages, done, begun, passes, .. } = self;
        let Some((own, others)) = passes.split_first_mut() else { return Vec::new() };
        let (keys, messages, next) = (&*keys, &messages[..], AtomicUsize::new(*done));
        let waiting = Mutex::new(std::mem::take(begun));
        let work = Work { keys, messages, next: &next, waiting: &waiting, view };
        let (helpers, span) = (Helpers::take(others.len()), tracing::Span::current());
        let looked = std::thread::scope(|scope| {
            let look = |pass| span.in_scope(|| work.look(pass));
            let begin = |pass| std::thread::Builder::new().spawn_scoped(scope, move || look(pass)).ok();
            // Where no thread can be had, those that are there do it all.
            let threads: Vec<_> = others.iter_mut().take(helpers.count()).map_while(begin).collect();
            let mut looked = work.look(own);
            for thread in threads {
                looked.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            looked
        });
        *done = messages.len().min(next.into_inner());
        *begun = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        looked
    }
}

/// What the threads of one piece of a search share.
struct Work<'a> {
    keys: &'a Keys,
    messages: &'a [(SeqNum, Uid)],
    /// The message that is begun next.
    next: &'a AtomicUsize,
    /// Messages that were begun and not ended.
    waiting: &'a Mutex<Vec<Candidate>>,
    view: &'a View,
}

impl Work<'_> {
    /// One thread's part.
    fn look(&self, pass: &mut Pass) -> Vec<Looked> {
        // A thread begins as who started it; said once, it costs nothing at each message.
        let _entered = pass.enter();
        let (mut pace, mut looked, mut row) = (Pace::new(), Vec::new(), 0);
        let mut spare = None;
        while !pace.is_spent() {
            let Some(mut candidate) = self.candidate(spare.take()) else { break };
            let Some(&(number, uid)) = self.messages.get(candidate.place) else { break };
            pace.row();
            // Expunged and not yet told: it keeps its number and is not found.
            if let Some(found) = self.view.snapshot().find_from(uid, row) {
                row = found.index() + 1;
                let mut means = Means { keys: self.keys, view: self.view, pass, pace: &mut pace };
                match candidate.evaluate(number, found, &mut means) {
                    Ok(Verdict::Found) => looked.push((number, uid, Ok(found.modseq()))),
                    Ok(Verdict::NotFound) => {}
                    Ok(Verdict::Later) => {
                        self.lock_waiting().push(candidate);
                        break;
                    }
                    Err(error) => looked.push((number, uid, Err(error))),
                }
            }
            spare = Some(candidate);
        }
        looked
    }

    /// A message that an earlier piece began, else the next one.
    fn candidate(&self, spare: Option<Candidate>) -> Option<Candidate> {
        if let Some(begun) = self.lock_waiting().pop() {
            return Some(begun);
        }
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        if place >= self.messages.len() {
            return None;
        }
        Some(match spare {
            Some(mut candidate) => {
                candidate.begin(place);
                candidate
            }
            None => Candidate::new(place, self.keys),
        })
    }

    fn lock_waiting(&self) -> std::sync::MutexGuard<'_, Vec<Candidate>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ESEARCH tells of messages found (RFC 4731 section 3.1): of none, COUNT only.
///
/// MODSEQ is that of the messages told: with MIN and MAX alone, of those; else the highest of
/// all (RFC 7162 section 3.1.10).
fn results<N: MessageNumber>(
    found: &[Found],
    options: &[SearchReturn],
    modseq: bool,
    number: fn(&Found) -> N,
) -> Results<N> {
    let asked = |option| options.contains(&option);
    let all = options.is_empty() || asked(SearchReturn::All);
    let min = found.first().filter(|_| asked(SearchReturn::Min));
    let max = found.last().filter(|_| asked(SearchReturn::Max));
    let count = asked(SearchReturn::Count);
    let highest = match all || count {
        true => found.iter().map(|found| found.modseq).max(),
        false => min.into_iter().chain(max).map(|found| found.modseq).max(),
    };
    Results {
        min: min.map(number),
        max: max.map(number),
        all: (all && !found.is_empty()).then(|| found.iter().map(number).collect()),
        count: count.then(|| u32::try_from(found.len()).unwrap_or(u32::MAX)),
        modseq: highest.filter(|_| modseq),
    }
}
