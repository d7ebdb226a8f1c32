//! IDLE (RFC 2177).
//!
//! The client says nothing until `DONE`, and is told of changes meanwhile. Each time the driver
//! comes back from waiting, the mailbox is looked at again: a look costs two `stat`, and a wake
//! that was lost costs delay only.

use crate::context::Answer;
use crate::imap::{Doing, Ending, Session};
use crate::step::Now;
use crate::view::Telling;
use codec::response::{Condition, continuation, untagged};
use codec::{Event, Tag};
use store::Rest;
use zeroize::Zeroizing;

/// An IDLE that runs.
pub(crate) struct Idle {
    pub(crate) tag: Tag,
    /// Nothing is left to do until the driver has waited.
    pub(crate) looked: bool,
    /// When something is to be said, so that middleboxes and dead clients show themselves.
    pub(crate) keepalive_ms: u64,
    /// From when on the mailbox may be given up in memory, if nothing happens.
    rest_ms: u64,
    /// It may be.
    rest: Option<Rest>,
}

impl Idle {
    /// Quiet after which what only commands need is given up, in milliseconds.
    const REST_AFTER_MS: u64 = 10_000;

    /// When the session has something to do by itself.
    pub(crate) fn deadline_ms(&self) -> u64 {
        match self.rest {
            Some(_) => self.keepalive_ms,
            None => self.keepalive_ms.min(self.rest_ms),
        }
    }
}

impl Session {
    pub(crate) fn begin_idle(&mut self, tag: Tag, now: Now) {
        continuation(self.out.buffer(), "idling");
        self.decoder.expect_line();
        let keepalive_ms = now.monotonic_ms + self.settings.idle_keepalive_ms;
        let rest_ms = now.monotonic_ms + Idle::REST_AFTER_MS;
        self.doing = Doing::Idle(Idle { tag, looked: false, keepalive_ms, rest_ms, rest: None });
    }

    /// Reads on while idle; whether anything happened.
    ///
    /// No inactivity ends an IDLE: clients of today idle for as long as they are there, and one
    /// that is gone does not survive the keepalives.
    pub(crate) fn proceed_idle(&mut self, mut idle: Idle, now: Now) -> bool {
        let ended = match self.next_line() {
            None if now.monotonic_ms >= idle.keepalive_ms => {
                untagged(self.out.buffer(), Condition::Ok, None, "Still here");
                idle.keepalive_ms = now.monotonic_ms + self.settings.idle_keepalive_ms;
                self.doing = Doing::Idle(idle);
                return true;
            }
            None => {
                self.doing = Doing::Idle(idle);
                return false;
            }
            Some(Ok(line)) if line.eq_ignore_ascii_case(b"DONE") => Answer::ok("Idle ended"),
            Some(Ok(_)) => Answer::bad("Expected DONE"),
            Some(Err(error)) if error.kind.is_fatal() => {
                self.bye(&error.kind.to_string(), "malformed input");
                return true;
            }
            Some(Err(error)) => Answer::bad(error.kind.to_string()),
        };
        let telling = self.telling(true, false);
        self.doing = Doing::Ending(Ending { tag: idle.tag, answer: ended, telling });
        true
    }

    /// Looks for changes and tells them, and lets the mailbox rest where there were none for a
    /// while; in [`Machine::work`] only.
    pub(crate) fn look_idle(&mut self, idle: &mut Idle, now: Now) {
        let telling: Telling = self.telling(true, false);
        idle.looked = self.tell_changes(telling);
        if !self.out.is_empty() {
            idle.rest = None;
            idle.rest_ms = now.monotonic_ms + Idle::REST_AFTER_MS;
        } else if now.monotonic_ms >= idle.rest_ms {
            // Anew after each look: one that told nothing may have loaded it all the same.
            idle.rest = None;
            idle.rest = self.selected_mailbox().map(|mailbox| mailbox.rest());
        }
    }

    /// The next line of a dialogue, which may be a password; `None` when more bytes are needed.
    pub(crate) fn next_line(&mut self) -> Option<Result<Zeroizing<Vec<u8>>, codec::DecodeError>> {
        match self.decoder.next() {
            None => {
                self.starved = true;
                None
            }
            Some(Ok(Event::Line(line))) => Some(Ok(Zeroizing::new(line.to_vec()))),
            // Only lines are given while one is expected.
            Some(Ok(_)) => Some(Ok(Zeroizing::default())),
            Some(Err(error)) => Some(Err(error)),
        }
    }
}
