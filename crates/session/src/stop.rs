//! Why a command stops before it is done.

use crate::answer::Answer;
use crate::failure;
use crate::namespace::Unusable;
use crate::step::NotOpened;

/// Why a piece of a task was not done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The command ends with the NO that fits the error's kind.
    Failed(store::Error),
    /// The command ends.
    Answered(Answer),
    /// The account of this name is to be opened; then the piece is done again.
    Open(String),
}

impl Stop {
    /// How the command ends; by then what was to be opened is, or could not be.
    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::Failed(error) => failure::answer(&error),
            Self::Answered(answer) => answer,
            Self::Open(_) => NotOpened::Unavailable.answer(),
        }
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        Self::Answered(answer)
    }
}

impl From<Unusable> for Stop {
    fn from(unusable: Unusable) -> Self {
        Self::Answered(unusable.answer())
    }
}

impl NotOpened {
    pub(crate) fn answer(self) -> Answer {
        match self {
            Self::NonExistent => Answer::no("NONEXISTENT", "There is no such mailbox"),
            Self::Unavailable => Answer::no("UNAVAILABLE", "This mailbox cannot be opened now"),
        }
    }
}
