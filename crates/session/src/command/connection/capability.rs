//! CAPABILITY (RFC 3501 section 6.1.1).

use crate::capability;
use crate::context::{Answer, Context, Progress, Task};
use codec::response::list;

/// The task of a CAPABILITY.
pub(crate) fn capability() -> Box<dyn Task> {
    Box::new(Capability)
}

struct Capability;

impl Task for Capability {
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        let names = capability::list(context.settings, context.connection, context.account.is_some());
        list::capability(context.out.buffer(), &names);
        Ok(Progress::Done(Answer::ok("Capabilities listed")))
    }

    fn touches_files(&self) -> bool {
        false
    }
}
