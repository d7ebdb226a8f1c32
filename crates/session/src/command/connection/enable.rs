//! ENABLE (RFC 5161).

use crate::answer::Answer;
use crate::context::{Context, User};
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};
use codec::response::list;

/// The task of an ENABLE with capability names in upper case.
pub(crate) fn enable(capabilities: Vec<String>) -> Box<dyn AccountTask> {
    Box::new(Enable { capabilities })
}

struct Enable {
    capabilities: Vec<String>,
}

impl AccountTask for Enable {
    /// What is unknown or cannot be enabled is passed over (RFC 5161 section 3.1); what was
    /// enabled before is confirmed once more.
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        let mut enabled = Vec::new();
        if self.capabilities.iter().any(|name| name == "CONDSTORE") {
            context.enable_condstore(user.selected.as_ref());
            enabled.push("CONDSTORE");
        }
        list::enabled(context.out.buffer(), &enabled);
        Ok(Progress::Done(Answer::ok("Enabled")))
    }

    fn touches_files(&self) -> bool {
        false
    }
}
