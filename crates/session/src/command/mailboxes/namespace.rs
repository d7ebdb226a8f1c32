//! NAMESPACE (RFC 2342).

use crate::answer::Answer;
use crate::context::{Context, User};
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};
use codec::response::list;

/// The task of a NAMESPACE.
pub(crate) fn namespace() -> Box<dyn AccountTask> {
    Box::new(Namespace)
}

struct Namespace;

impl AccountTask for Namespace {
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        list::namespace(context.out.buffer(), &user.accounts.namespaces());
        Ok(Progress::Done(Answer::ok("NAMESPACE completed")))
    }

    fn touches_files(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::{Courier, Plain};
    use crate::command::shared::dialogue::check;

    #[test]
    fn prefix_and_separator() {
        check(Plain, &[], "NAMESPACE\n  * NAMESPACE ((\"\" \"/\")) NIL NIL\n  OK NAMESPACE completed\n");
        check(Courier, &[], "NAMESPACE\n  * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\n  OK\n");
    }
}
