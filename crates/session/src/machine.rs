//! The session: states, and what happens in which order.

use crate::settings::Settings;
use crate::step::{Connection, Now, Stats, Step, Verdict};
use std::sync::Arc;
use store::Wake;

/// One client's session. See the crate's page for how it is driven.
pub struct Session {
    settings: Arc<Settings>,
    connection: Connection,
    wake: Wake,
    stats: Stats,
}

impl Session {
    /// A session whose greeting is the first step. `wake` is rung from other threads; the
    /// driver then ends its [`Step::Watch`].
    pub fn new(settings: Arc<Settings>, connection: Connection, wake: Wake, now: Now) -> Self {
        let _ = now;
        Self { settings, connection, wake, stats: Stats::default() }
    }

    /// Takes in bytes from the client. Only after [`Step::Read`] or [`Step::Watch`].
    pub fn feed(&mut self, bytes: &[u8]) {
        let _ = (bytes, &self.settings, &self.connection, &self.wake);
        todo!()
    }

    /// What to do next. Never touches a file.
    pub fn step(&mut self, now: Now) -> Step {
        let _ = now;
        todo!()
    }

    /// Does a bounded piece of the running command; may touch files and block.
    pub fn work(&mut self, now: Now) {
        let _ = now;
        todo!()
    }

    /// The answer to [`Step::Authenticate`].
    pub fn answer(&mut self, verdict: Verdict) {
        let _ = verdict;
        todo!()
    }

    /// TLS is on: all that was known from before it is forgotten (RFC 3501 section 6.2.1).
    pub fn tls_started(&mut self, now: Now) {
        let _ = now;
        todo!()
    }

    /// Ends the session: BYE with this text, then [`Step::Close`].
    pub fn shut_down(&mut self, text: &str) {
        let _ = text;
        todo!()
    }

    /// What it did so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}
