//! EXPUNGE (RFC 3501 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1).
//!
//! EXPUNGE responses are the view's: it tells what is gone once the command is done.

use super::pace::Pace;
use crate::context::{Answer, Context, Progress, Task};
use mail::{NumberSet, SystemFlags, Uid, UidSet};

/// The task of an EXPUNGE, or of a UID EXPUNGE with a set.
pub(crate) fn expunge(uids: Option<NumberSet>) -> Box<dyn Task> {
    Box::new(Expunge { uids, messages: None })
}

struct Expunge {
    uids: Option<NumberSet>,
    /// Messages still to be expunged; `None` before the set is resolved.
    messages: Option<std::vec::IntoIter<Uid>>,
}

impl Task for Expunge {
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        let Some(selected) = context.selected.as_mut() else {
            return Ok(Progress::Done(Answer::bad("Select a mailbox first")));
        };
        if selected.read_only {
            return Ok(Progress::Done(super::read_only()));
        }
        let messages = match &mut self.messages {
            Some(messages) => messages,
            None => self.messages.insert(deleted(selected, self.uids.as_ref()).into_iter()),
        };
        let mut pace = Pace::new();
        while !pace.is_spent() {
            let batch: UidSet = messages.take(Self::BATCH_MAX).collect();
            if batch.is_empty() {
                return Ok(Progress::Done(Answer::ok("Expunge completed")));
            }
            let snapshot = selected.mailbox.expunge(Some(&batch))?;
            super::see(selected, snapshot);
            for _ in 0..batch.len() {
                pace.change();
            }
        }
        Ok(Progress::More)
    }

    fn by_uid(&self) -> bool {
        self.uids.is_some()
    }
}

impl Expunge {
    /// Messages expunged in one call of the store.
    const BATCH_MAX: usize = 100;
}

/// Messages that have `\Deleted`, of `uids` where given. Only such as the client was told of:
/// what came since with `\Deleted` it has not seen, and can still want.
fn deleted(selected: &crate::context::Selected, uids: Option<&NumberSet>) -> Vec<Uid> {
    let whole = NumberSet::whole();
    let named = selected.view.resolve(uids.unwrap_or(&whole), true).unwrap_or_default();
    let snapshot = selected.view.snapshot();
    let is_deleted =
        |&uid: &Uid| snapshot.find(uid).is_some_and(|row| row.system_flags().contains(SystemFlags::DELETED));
    named.into_iter().map(|(_, uid)| uid).filter(is_deleted).collect()
}
