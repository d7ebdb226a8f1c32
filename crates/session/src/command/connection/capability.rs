//! CAPABILITY (RFC 3501 section 6.1.1).

use crate::answer::Answer;
use crate::capability;
use crate::context::Context;
use crate::task::Task;
use codec::response::list;

/// The task of a CAPABILITY.
pub(crate) fn capability() -> Box<dyn Task> {
    Box::new(Capability)
}

struct Capability;

impl Task for Capability {
    fn run(&mut self, context: &mut Context<'_>) -> Answer {
        let names = capability::list(context.settings, context.connection, context.logged_in);
        list::capability(context.out.buffer(), &names);
        Answer::ok("Capabilities listed")
    }
}
