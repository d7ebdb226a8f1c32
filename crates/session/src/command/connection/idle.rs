//! IDLE (RFC 2177).
//!
//! The client says nothing until `DONE`, and is told of changes meanwhile. Each time the driver
//! comes back from waiting, the mailbox is looked at again: a look costs two `stat`, and a wake
//! that was lost costs delay only.

use crate::answer::Answer;
use crate::dialogue::{Dialogue, End, Talk, Turn};
use crate::selected::Gone;
use codec::response::{Condition, continuation, untagged};

/// The dialogue of an IDLE.
pub(crate) fn idle() -> Box<dyn Dialogue> {
    Box::new(Idle { is_begun: false, keepalive_ms: 0, rest_ms: 0, rests: false })
}

struct Idle {
    is_begun: bool,
    /// When something is to be said, so that middleboxes and dead clients show themselves.
    keepalive_ms: u64,
    /// From when on the mailbox may be given up in memory, if nothing happens.
    rest_ms: u64,
    /// It is, as far as this session is concerned.
    rests: bool,
}

impl Idle {
    /// Quiet after which what only commands need is given up, in milliseconds.
    const REST_AFTER_MS: u64 = 10_000;

    fn begin(&mut self, talk: &mut Talk<'_>) {
        continuation(talk.context.out.buffer(), "idling");
        talk.input.decoder.expect_line();
        self.is_begun = true;
        self.keepalive_ms = talk.context.now.monotonic_ms + talk.context.settings.idle_keepalive_ms;
        self.rest_ms = talk.context.now.monotonic_ms + Self::REST_AFTER_MS;
    }

    /// Waits until the session has something to do by itself.
    fn watch(&self) -> Turn {
        Turn::Watch {
            deadline_ms: match self.rests {
                true => self.keepalive_ms,
                false => self.keepalive_ms.min(self.rest_ms),
            },
        }
    }
}

impl Dialogue for Idle {
    /// Reads on. No inactivity ends an IDLE: clients of today idle for as long as they are there,
    /// and one that is gone does not survive the keepalives.
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn {
        if !self.is_begun {
            self.begin(talk);
        }
        let answer = match talk.input.next_line() {
            None if talk.context.now.monotonic_ms >= self.keepalive_ms => {
                untagged(talk.context.out.buffer(), Condition::Ok, None, "Still here");
                self.keepalive_ms = talk.context.now.monotonic_ms + talk.context.settings.idle_keepalive_ms;
                return Turn::Work;
            }
            None => return Turn::Work,
            Some(Ok(line)) if line.eq_ignore_ascii_case(b"DONE") => Answer::ok("Idle ended"),
            Some(Ok(_)) => Answer::bad("Expected DONE"),
            Some(Err(error)) if error.kind.is_fatal() => {
                talk.context.bye(&error.kind.to_string());
                return Turn::End(End::Close("malformed input"));
            }
            Some(Err(error)) => Answer::bad(error.kind.to_string()),
        };
        Turn::End(End::Answered(answer))
    }

    /// Looks for changes and announces them, and lets the mailbox rest where there were none for
    /// a while.
    fn work(&mut self, talk: &mut Talk<'_>) -> Turn {
        let Some(selected) = talk.selected else {
            return Turn::Watch { deadline_ms: self.keepalive_ms };
        };
        if selected.rests_on() {
            return self.watch();
        }
        self.rests = false;
        let telling = talk.context.enabled.telling(true, false);
        let is_all_said = match selected.announce(telling, talk.context.out) {
            Ok(is_all_said) => is_all_said,
            Err(Gone) => return Turn::End(End::Gone),
        };
        if !talk.context.out.is_empty() {
            self.rest_ms = talk.context.now.monotonic_ms + Self::REST_AFTER_MS;
        } else if talk.context.now.monotonic_ms >= self.rest_ms {
            self.rests = true;
            selected.rest();
        }
        if is_all_said { self.watch() } else { Turn::Go }
    }
}
