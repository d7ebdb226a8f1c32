//! NOOP and CHECK (RFC 3501 sections 6.1.2 and 6.4.1).

use crate::answer::Answer;
use crate::context::Context;
use crate::task::Task;

/// The task of a NOOP, or of a CHECK: all is durable when it is answered, so that a checkpoint
/// is nothing more than a look at the mailbox, which follows every command.
pub(crate) fn noop() -> Box<dyn Task> {
    Box::new(Noop)
}

struct Noop;

impl Task for Noop {
    fn run(&mut self, _: &mut Context<'_>) -> Answer {
        Answer::ok("Nothing done")
    }
}
