//! What a session is doing, and the driver's step that follows from it.

use crate::answer::Answer;
use crate::dialogue::{Dialogue, Turn};
use crate::drop_in_work::DropInWork;
use crate::step::Step;
use crate::task::AnyTask;
use crate::view::Telling;
use codec::Tag;

/// What a session is doing.
pub(super) enum Doing {
    /// It waits for a command.
    Nothing,
    /// A long command is there: [`crate::Machine::work`] parses it, as others wait for this thread.
    Parse,
    /// A command runs.
    Task(Running),
    /// A command talks.
    Dialogue(Talking),
    /// A command ended: its client is told of changes, then answered.
    Ending(Ending),
    /// An account is to be opened by the driver; `None` once it was asked. Then it goes on with
    /// what needs it.
    Open { asked: Option<String>, name: String, then: Box<Doing> },
    /// Nothing more is read. What it did before may touch files when it is dropped: that happens
    /// together with the session.
    Closing { _before: Box<Doing> },
}

impl Doing {
    /// What the driver does, once all that needs no driver is done.
    pub(super) fn step(&mut self, deadline_ms: u64) -> Step {
        match self {
            Self::Nothing => Step::Read { deadline_ms },
            Self::Parse | Self::Task(_) | Self::Ending(_) => Step::Work,
            Self::Dialogue(talking) => talking.step(deadline_ms),
            Self::Open { asked, .. } => match asked.take() {
                Some(name) => Step::Open(name),
                None => Step::Read { deadline_ms },
            },
            Self::Closing { .. } => Step::Close,
        }
    }
}

/// A command that runs.
pub(super) struct Running {
    pub(super) tag: Tag,
    pub(super) task: DropInWork<AnyTask>,
    /// The mailbox is looked at before the first piece.
    pub(super) refresh: bool,
    /// It may have written half a response.
    pub(super) begun: bool,
}

/// What a piece of a command was.
pub(super) enum Piece {
    More,
    Last,
    /// It goes on once this account is open.
    Open(String),
}

/// A command that talks.
pub(super) struct Talking {
    pub(super) tag: Tag,
    pub(super) dialogue: Box<dyn Dialogue>,
    /// What it waits for.
    pub(super) turn: Turn,
}

impl Talking {
    /// What the driver does.
    fn step(&mut self, deadline_ms: u64) -> Step {
        match std::mem::replace(&mut self.turn, Turn::Go) {
            Turn::Watch { deadline_ms } => Step::Watch { deadline_ms },
            Turn::Work => {
                self.turn = Turn::Work;
                Step::Work
            }
            Turn::Ask(attempt) => {
                self.turn = Turn::Asked;
                Step::Authenticate(attempt)
            }
            Turn::Transport(transport) => {
                self.turn = Turn::Transport(transport);
                Step::Transport(transport)
            }
            // What needs no driver was done before.
            turn @ (Turn::Go | Turn::Read | Turn::Asked | Turn::Open(_) | Turn::End(_)) => {
                self.turn = turn;
                Step::Read { deadline_ms }
            }
        }
    }
}

/// A command that ended.
pub(super) struct Ending {
    pub(super) tag: Tag,
    pub(super) answer: Answer,
    pub(super) telling: Telling,
}
