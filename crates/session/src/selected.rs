//! The mailbox that is selected: what is looked at in it, and announced to the client.

use crate::accounts::MailboxRef;
use crate::drop_in_work::DropInWork;
use crate::failure;
use crate::output::Output;
use crate::read_mark::ReadMark;
use crate::view::{Telling, View};
use mail::UidSet;
use std::sync::Arc;
use store::{Account, ErrorKind, Mailbox, Rest, Snapshot, Watch};

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
    pub(crate) mark: Option<ReadMark>,
    /// The view is set down: nothing happens in an IDLE.
    pub(crate) rest: Option<Rest>,
}

/// The selected mailbox was deleted or made anew: the numbers that the client holds mean nothing
/// any more.
#[derive(Debug)]
pub(crate) struct Gone;

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

    /// Lets the view see the newest state. A failure is logged and left to the next look: what
    /// the client knows stays true as far as it goes.
    pub(crate) fn refresh(&mut self) -> Result<(), Gone> {
        match self.mailbox.refresh(!self.read_only) {
            Ok(refreshed) => {
                let is_known = Arc::ptr_eq(&refreshed.snapshot, self.view.snapshot());
                if !is_known || !refreshed.claimed.is_empty() {
                    let recent = recent(self.read_only, &refreshed.snapshot, refreshed.claimed);
                    self.view.see(refreshed.snapshot, &recent);
                }
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Deleted => Err(Gone),
            Err(error) => {
                failure::answer(&error);
                Ok(())
            }
        }
    }

    /// Looks at the mailbox and announces what changed; `false` when the output is full before
    /// all of it is said.
    pub(crate) fn announce(&mut self, telling: Telling, out: &mut Output) -> Result<bool, Gone> {
        self.wake();
        self.refresh()?;
        self.view.tell_keywords(self.read_only, out);
        let newest = self.view.snapshot().clone();
        Ok(self.view.advance(newest, &Default::default(), telling, out))
    }
}

/// What is recent to a session: what it claimed; where it may claim nothing, what nobody has
/// claimed yet (RFC 3501 section 6.3.2: EXAMINE takes `\Recent` from nobody), which is always
/// the end of the mailbox.
pub(crate) fn recent(read_only: bool, snapshot: &Snapshot, claimed: UidSet) -> UidSet {
    if !read_only {
        return claimed;
    }
    let from_the_end = (0..snapshot.len()).rev().filter_map(|index| snapshot.row(index));
    match from_the_end.take_while(|row| row.is_new()).last() {
        Some(first) => snapshot.uids()[first.index()..].iter().copied().collect(),
        None => UidSet::new(),
    }
}
