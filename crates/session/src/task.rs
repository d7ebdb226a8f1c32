//! Commands that run by themselves, by what they need: nothing, an account, or a selected mailbox.
//!
//! What a command needs, it gets as an argument. Whether it is there is checked once, by
//! [`AnyTask::run`]; the machine has refused the command before where it is not.

use crate::accounts::Accounts;
use crate::allowed::Allowed;
use crate::answer::Answer;
use crate::context::{Context, User};
use crate::selected::Selected;
use crate::stop::Stop;

/// A command that needs no user, and touches no file.
pub(crate) trait Task: Send {
    fn run(&mut self, context: &mut Context<'_>) -> Answer;
}

/// A command of a user, run by [`crate::Machine::work`] in bounded pieces.
pub(crate) trait AccountTask: Send {
    /// Does a piece: until it is done, the output is full, or some tens of milliseconds have
    /// been worked.
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop>;

    /// Whether it only answers, and changes nothing that its client would want done to the end:
    /// it is dropped halfway when the client hangs up.
    fn only_answers(&self) -> bool {
        false
    }

    /// Whether it touches files. One that does not is run at once while no mailbox is selected,
    /// without a call of [`crate::Machine::work`].
    fn touches_files(&self) -> bool {
        true
    }
}

/// A command on messages of the selected mailbox; likewise.
pub(crate) trait MailboxTask: Send {
    /// Does a piece, as [`AccountTask::run`] does.
    fn run(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        accounts: &Accounts,
    ) -> Result<Progress, Stop>;

    /// Whether EXPUNGE may be sent when it is done: not after FETCH, STORE and SEARCH by
    /// sequence number (RFC 3501 section 7.4.1).
    fn may_expunge(&self) -> bool {
        true
    }

    /// Whether FETCH responses that follow from it name the UID: UID commands (RFC 3501
    /// section 6.4.8).
    fn by_uid(&self) -> bool {
        false
    }

    /// Whether the view looks at the newest state before it runs; after every command it does so
    /// anyway.
    fn refreshes(&self) -> bool {
        true
    }

    /// As [`AccountTask::only_answers`].
    fn only_answers(&self) -> bool {
        false
    }
}

/// How far a task got.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Call again, once what it wrote is on its way.
    More,
    /// The command ended.
    Done(Answer),
    /// The command ended, and no mailbox is selected any more.
    Closed(Answer),
    /// A response was begun that cannot be ended: a literal was announced, and its bytes cannot
    /// be had any more. What is written goes out, then the connection is closed without another
    /// word, since the client would read it as part of the message. The reason is for the log.
    Broken(&'static str),
}

/// A task of any kind.
pub(crate) enum AnyTask {
    Plain(Box<dyn Task>),
    Account(Box<dyn AccountTask>),
    Mailbox(Box<dyn MailboxTask>),
}

impl AnyTask {
    /// Does a piece.
    pub(crate) fn run(
        &mut self,
        context: &mut Context<'_>,
        accounts: Option<&Accounts>,
        selected: &mut Option<Selected>,
    ) -> Result<Progress, Stop> {
        let refused = |allowed: Allowed| Ok(Progress::Done(Answer::bad(allowed.otherwise())));
        match self {
            Self::Plain(task) => Ok(Progress::Done(task.run(context))),
            Self::Account(task) => match accounts {
                Some(accounts) => task.run(context, &mut User { accounts, selected }),
                None => refused(Allowed::Authenticated),
            },
            Self::Mailbox(task) => match (accounts, selected) {
                (Some(accounts), Some(selected)) => task.run(context, selected, accounts),
                _ => refused(Allowed::Selected),
            },
        }
    }

    pub(crate) fn may_expunge(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Account(_) => true,
            Self::Mailbox(task) => task.may_expunge(),
        }
    }

    pub(crate) fn by_uid(&self) -> bool {
        matches!(self, Self::Mailbox(task) if task.by_uid())
    }

    pub(crate) fn refreshes(&self) -> bool {
        matches!(self, Self::Mailbox(task) if task.refreshes())
    }

    pub(crate) fn only_answers(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Account(task) => task.only_answers(),
            Self::Mailbox(task) => task.only_answers(),
        }
    }

    pub(crate) fn touches_files(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Account(task) => task.touches_files(),
            Self::Mailbox(_) => true,
        }
    }
}
