//! CLOSE and UNSELECT (RFC 3501 section 6.4.2, RFC 3691).

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::context::Context;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::{MailboxTask, Progress};
use store::ErrorKind;

/// The task of a CLOSE, which expunges without telling; or of an UNSELECT, which does not
/// expunge.
pub(crate) fn close(expunge: bool) -> Box<dyn MailboxTask> {
    Box::new(Close { expunge })
}

struct Close {
    expunge: bool,
}

impl MailboxTask for Close {
    fn run(&mut self, _: &mut Context<'_>, selected: &mut Selected, _: &Accounts) -> Result<Progress, Stop> {
        // Only what the client was told of: what came meanwhile with \Deleted it has not seen.
        if self.expunge && !selected.read_only {
            match selected.mailbox.expunge(Some(&selected.view.uids())) {
                // Nothing was expunged, and the mailbox stays selected.
                Err(error) if error.kind != ErrorKind::Deleted => return Err(error.into()),
                _ => {}
            }
        }
        Ok(Progress::Closed(Answer::ok("Mailbox closed")))
    }

    fn refreshes(&self) -> bool {
        false
    }
}
