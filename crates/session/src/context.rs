//! What a command sees of its session, and how it ends.

use crate::accounts::{Accounts, MailboxRef};
use crate::command::messages::fetch::Mark;
use crate::drop_in_work::DropInWork;
use crate::output::Output;
use crate::settings::SessionSettings;
use crate::step::{Connection, Now, Stats};
use crate::view::{Telling, View};
use codec::Tag;
use codec::response::{Code, Condition, bye, tagged, untagged};
use std::sync::Arc;
use store::{Account, Mailbox, Rest, Wake, Watch};

/// What a command works with. Commands of one session run one at a time.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Arc<SessionSettings>,
    pub(crate) connection: Connection,
    pub(crate) out: &'a mut Output,
    /// The running command's tag: ESEARCH repeats it.
    pub(crate) tag: &'a Tag,
    /// When the piece of work began.
    pub(crate) now: Now,
    pub(crate) logged_in: bool,
    pub(crate) enabled: &'a mut Enabled,
    pub(crate) stats: &'a mut Stats,
    /// Rung by the store when a watched mailbox changes.
    pub(crate) wake: &'a Wake,
}

impl Context<'_> {
    /// Writes the command's answer.
    pub(crate) fn answer(&mut self, answer: &Answer) {
        answer.write(self.tag, self.out);
    }

    /// Writes BYE.
    pub(crate) fn bye(&mut self, text: &str) {
        bye(self.out.buffer(), None, text);
    }

    /// The client showed that it knows CONDSTORE. A mailbox that is selected has its
    /// HIGHESTMODSEQ told the first time (RFC 7162 section 3.1).
    pub(crate) fn enable_condstore(&mut self, selected: Option<&Selected>) {
        let is_first = !std::mem::replace(&mut self.enabled.condstore, true);
        if let Some(selected) = selected.filter(|_| is_first) {
            let highest = Code::HighestModSeq(selected.view.highest_modseq());
            untagged(self.out.buffer(), Condition::Ok, Some(&highest), "Highest");
        }
    }
}

/// Extensions that change what is sent (RFC 5161), once the client showed that it knows them.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Enabled {
    /// RFC 7162 section 3.1: MODSEQ is sent with every flag change.
    pub(crate) condstore: bool,
}

impl Enabled {
    /// How changes are announced.
    pub(crate) fn telling(self, expunges: bool, uid: bool) -> Telling {
        Telling { expunges, modseq: self.condstore, uid }
    }
}

/// What a command works with that needs a user.
pub(crate) struct User<'a> {
    pub(crate) accounts: &'a Accounts,
    pub(crate) selected: &'a mut Option<Selected>,
}

/// The mailbox that is selected.
pub(crate) struct Selected {
    pub(crate) mailbox: DropInWork<Arc<Mailbox>>,
    pub(crate) account: Arc<Account>,
    pub(crate) view: View,
    /// EXAMINE, or a mailbox that cannot be written, or not by this user.
    pub(crate) read_only: bool,
    /// Registered while it is selected.
    pub(crate) watch: Watch,
    /// Where FETCH is in a section that the client reads window by window.
    pub(crate) mark: Option<Mark>,
    /// The view is set down: nothing happens in an IDLE.
    pub(crate) rest: Option<Rest>,
}

impl Selected {
    /// Sets the view down in few bytes, until [`Selected::wake`].
    pub(crate) fn rest(&mut self) {
        if let Some(snapshot) = self.view.set_down() {
            self.rest = Some(self.mailbox.rest(snapshot));
        }
    }

    /// Whether the view is set down and nothing has happened since.
    pub(crate) fn rests_on(&self) -> bool {
        self.rest.as_ref().is_some_and(Rest::goes_on)
    }

    /// Takes the view up again.
    pub(crate) fn wake(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.view.take_up(rest.snapshot());
        }
    }

    /// Whether a client means this mailbox.
    pub(crate) fn is(&self, named: &MailboxRef) -> bool {
        Arc::ptr_eq(&self.account, &named.account) && *self.mailbox.name() == named.name
    }
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

    /// Writes it with the command's tag.
    pub(crate) fn write(&self, tag: &Tag, out: &mut Output) {
        tagged(out.buffer(), tag, self.condition, self.code.as_ref(), &self.text);
    }
}
