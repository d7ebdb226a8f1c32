//! What a driver may ask of a session, whatever its protocol is.

use crate::step::{Connection, NotOpened, Now, Stats, Step, Verdict};
use std::sync::Arc;
use store::Account;

/// One client's session: its driver feeds it bytes and does what its steps say.
///
/// It touches files in [`Machine::work`] and when it is dropped, and nowhere else: the driver
/// does both where blocking is allowed. All other calls return at once.
pub trait Machine: Send {
    /// Takes in bytes from the client. Only after [`Step::Read`] or [`Step::Watch`].
    fn feed(&mut self, bytes: &[u8]);

    /// What to do next.
    fn step(&mut self, now: Now) -> Step;

    /// Does a bounded piece of the running command; may touch files and block.
    fn work(&mut self, now: Now);

    /// The answer to [`Step::Authenticate`].
    fn answer(&mut self, verdict: Verdict);

    /// The answer to [`Step::Open`].
    fn opened(&mut self, outcome: Result<Arc<Account>, NotOpened>);

    /// TLS is on: nothing that came before it counts any more.
    fn tls_started(&mut self, connection: Connection, now: Now);

    /// Ends the session: tells the client this text where that is possible, then
    /// [`Step::Close`].
    fn shut_down(&mut self, text: &str);

    /// Whether it is in the middle of what only answers its client. Without the client it need
    /// not be ended, and its work is for nobody.
    fn only_answers(&self) -> bool;

    /// Whether [`crate::LastWords`] may follow what was written: not inside a response, whose
    /// part they would be taken for.
    fn may_be_cut(&self) -> bool;

    /// What it did so far.
    fn stats(&self) -> &Stats;
}
