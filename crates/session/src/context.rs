//! What a command sees of its session, and how it ends.

use crate::command::messages::fetch::Mark;
use crate::output::Output;
use crate::settings::SessionSettings;
use crate::step::{Connection, Stats};
use crate::view::View;
use codec::Tag;
use codec::response::{Code, Condition, untagged};
use std::sync::Arc;
use store::{Account, Mailbox, Wake, Watch};

/// What a command works with. Commands of one session run one at a time.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a SessionSettings,
    pub(crate) connection: Connection,
    pub(crate) out: &'a mut Output,
    /// The running command's tag: ESEARCH repeats it.
    pub(crate) tag: &'a Tag,
    /// The user's mail: there after log-in.
    pub(crate) account: Option<&'a Arc<Account>>,
    pub(crate) selected: &'a mut Option<Selected>,
    pub(crate) enabled: &'a mut Enabled,
    pub(crate) stats: &'a mut Stats,
    /// Rung by the store when a watched mailbox changes.
    pub(crate) wake: &'a Wake,
}

impl Context<'_> {
    /// The client showed that it knows CONDSTORE; whether this was the first time. A mailbox
    /// that is selected has its HIGHESTMODSEQ told then (RFC 7162 section 3.1).
    pub(crate) fn enable_condstore(&mut self) -> bool {
        if std::mem::replace(&mut self.enabled.condstore, true) {
            return false;
        }
        if let Some(selected) = self.selected {
            let highest = Code::HighestModSeq(selected.view.highest_modseq());
            untagged(self.out.buffer(), Condition::Ok, Some(&highest), "Highest");
        }
        true
    }
}

/// Extensions that change what is sent (RFC 5161), once the client showed that it knows them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Enabled {
    /// RFC 7162 section 3.1: MODSEQ is sent with every flag change.
    pub(crate) condstore: bool,
}

/// The mailbox that is selected.
pub(crate) struct Selected {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) view: View,
    /// EXAMINE, or a mailbox that cannot be written.
    pub(crate) read_only: bool,
    /// Registered while it is selected.
    pub(crate) watch: Watch,
    /// Where FETCH is in a section that the client reads window by window.
    pub(crate) mark: Option<Mark>,
}

/// A command that touches files, run by [`crate::Session::work`] in bounded pieces.
pub(crate) trait Task: Send {
    /// Does a piece: until it is done, the output is full, or some tens of milliseconds have
    /// been worked. An error of the store ends the command with the NO that fits its kind.
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress>;

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

    /// Whether the view looks at the newest state before it runs. Only for commands that need a
    /// mailbox selected; after every command it does so anyway.
    fn refreshes(&self) -> bool {
        true
    }

    /// Whether it only answers, and changes nothing that its client would want done to the end:
    /// it is dropped halfway when the client hangs up.
    fn only_answers(&self) -> bool {
        false
    }

    /// Whether it touches files. One that does not is run at once while no mailbox is selected,
    /// without a call of [`crate::Session::work`].
    fn touches_files(&self) -> bool {
        true
    }
}

/// How far a task got.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Call again, once what it wrote is on its way.
    More,
    /// The command ended.
    Done(Answer),
    /// A response was begun that cannot be ended: a literal was announced, and its bytes cannot
    /// be had any more. What is written goes out, then the connection is closed without another
    /// word, since the client would read it as part of the message. The reason is for the log.
    Broken(&'static str),
}

/// A command's tagged answer, but for the tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) condition: Condition,
    pub(crate) code: Option<Code>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn ok(text: &str) -> Self {
        Self { condition: Condition::Ok, code: None, text: text.to_owned() }
    }

    pub(crate) fn no(code: &'static str, text: impl Into<String>) -> Self {
        Self { condition: Condition::No, code: Some(Code::Plain(code)), text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { condition: Condition::Bad, code: None, text: text.into() }
    }

    pub(crate) fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }
}
