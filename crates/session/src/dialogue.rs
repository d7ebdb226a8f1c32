//! Commands that talk while they run, with the client or with the driver.
//!
//! A dialogue is called when it is its turn, and says what it waits for next. The machine turns
//! that into the driver's steps, and knows nothing else of it.

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::context::Context;
use crate::input::Input;
use crate::selected::Selected;
use crate::step::{Attempt, Transport, Verdict};
use codec::DecodeError;

/// A command that talks while it runs.
pub(crate) trait Dialogue: Send {
    /// Begins, or goes on after what it waited for. Touches no file.
    fn proceed(&mut self, talk: &mut Talk<'_>) -> Turn;

    /// After [`Turn::Work`]: does a bounded piece that may touch files.
    fn work(&mut self, talk: &mut Talk<'_>) -> Turn {
        self.proceed(talk)
    }

    /// After [`Turn::Ask`].
    fn answer(&mut self, _: &mut Talk<'_>, _: Verdict) -> Turn {
        Turn::Go
    }
}

/// What a dialogue works with.
pub(crate) struct Talk<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) input: &'a mut Input,
    /// There once somebody is logged in.
    pub(crate) accounts: &'a mut Option<Accounts>,
    pub(crate) selected: &'a mut Option<Selected>,
}

/// What a dialogue waits for.
#[derive(Debug)]
pub(crate) enum Turn {
    /// For nothing.
    Go,
    /// For bytes.
    Read,
    /// For bytes, the mailbox's wake, or this time.
    Watch { deadline_ms: u64 },
    /// For leave to touch files: [`Dialogue::work`].
    Work,
    /// For the driver's verdict: [`Dialogue::answer`].
    Ask(Attempt),
    /// Likewise, once the driver was asked.
    Asked,
    /// For this account to be opened.
    Open(String),
    /// For bytes that mean something else. The dialogue is over then.
    Transport(Transport),
    /// It is over.
    End(End),
}

/// How a dialogue ends.
#[derive(Debug)]
pub(crate) enum End {
    /// Changes are announced, then the command is answered.
    Answered(Answer),
    /// It is answered at once, and counts as a malformed command.
    Bad(Answer),
    /// What came cannot be decoded.
    Malformed(DecodeError),
    /// The selected mailbox is gone.
    Gone,
    /// All is said, and the session ends; why, for the log.
    Close(&'static str),
}
