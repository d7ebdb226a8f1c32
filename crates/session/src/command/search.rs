//! SEARCH (RFC 3501 section 6.4.4; RETURN by RFC 4731, MODSEQ by RFC 7162).

mod evaluate;
mod key;
#[cfg(test)]
mod tests;

use super::pace::Pace;
use crate::context::{Answer, Context, Progress, Task};
use codec::command::{Search, SearchReturn};
use codec::response::search::{Results, esearch, search as write_search};
use codec::response::{Code, Condition, untagged};
use evaluate::{Candidate, Verdict};
use key::{Key, Uncompiled};
use mail::{ModSeq, NumberSet, SeqNum, Uid, UidSet};
use store::ErrorKind;

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
    /// Messages still to be looked at.
    messages: std::vec::IntoIter<(SeqNum, Uid)>,
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
        let mut pace = Pace::new();
        for (number, uid) in state.messages.by_ref() {
            pace.row();
            // Expunged and not yet told: it keeps its number and is not found.
            let Some(row) = selected.view.snapshot().find(uid) else { continue };
            let recent = selected.view.is_recent(uid);
            let candidate = Candidate::new(number, row, recent, &selected.mailbox, &mut pace);
            match candidate.evaluate(&state.key) {
                Ok(Verdict::Found) => state.found.push(Found {
                    number: if self.command.by_uid { uid.get() } else { number.get() },
                    modseq: row.modseq(),
                }),
                Ok(Verdict::NotFound) => {}
                Err(error) if error.kind == ErrorKind::Deleted => return Err(error),
                Err(error) => {
                    if !state.unreadable {
                        tracing::error!("{error}");
                    }
                    state.unreadable = true;
                }
            }
            if pace.is_spent() {
                return Ok(Progress::More);
            }
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
        if key.has_modseq() {
            context.enable_condstore();
        }
        Ok(State { key, messages: messages.into_iter(), found: Vec::new(), unreadable: false })
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
