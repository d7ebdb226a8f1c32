//! What a command sees of its session.

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::output::Output;
use crate::selected::Selected;
use crate::settings::SessionSettings;
use crate::step::{Connection, Now, Stats};
use crate::view::Telling;
use codec::Tag;
use codec::response::{Code, Condition, bye, untagged};
use std::sync::Arc;
use store::Wake;

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
