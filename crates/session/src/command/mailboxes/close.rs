//! CLOSE and UNSELECT (RFC 3501 section 6.4.2, RFC 3691).

use crate::context::{Answer, Context, Progress, Task};
use store::ErrorKind;

/// The task of a CLOSE, which expunges without telling; or of an UNSELECT, which does not
/// expunge.
pub(crate) fn close(expunge: bool) -> Box<dyn Task> {
    Box::new(Close { expunge })
}

struct Close {
    expunge: bool,
}

impl Task for Close {
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        let Some(selected) = context.selected.as_ref() else {
            return Ok(Progress::Done(Answer::bad("Select a mailbox first")));
        };
        // Only what the client was told of: what came meanwhile with \Deleted it has not seen.
        if self.expunge && !selected.read_only {
            match selected.mailbox.expunge(Some(&selected.view.uids())) {
                // Nothing was expunged, and the mailbox stays selected.
                Err(error) if error.kind != ErrorKind::Deleted => return Err(error),
                _ => {}
            }
        }
        *context.selected = None;
        Ok(Progress::Done(Answer::ok("Mailbox closed")))
    }

    fn refreshes(&self) -> bool {
        false
    }
}
