//! CLOSE and UNSELECT (RFC 3501 section 6.4.2, RFC 3691).

use crate::context::{Answer, Context, Progress, Task};
use crate::failure;

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
        let Some(selected) = context.selected.take() else {
            return Ok(Progress::Done(Answer::bad("Select a mailbox first")));
        };
        // Only what the client was told of: what came meanwhile with \Deleted it has not seen.
        if self.expunge && !selected.read_only {
            let told = selected.view.uids();
            match selected.mailbox.expunge(Some(&told)) {
                Err(error) if error.kind != store::ErrorKind::Deleted => {
                    return Ok(Progress::Done(failure::answer(&error)));
                }
                _ => {}
            }
        }
        Ok(Progress::Done(Answer::ok("Mailbox closed")))
    }

    fn refreshes(&self) -> bool {
        false
    }
}
