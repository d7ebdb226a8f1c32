//! Commands that are done in one piece.

use crate::context::{Answer, Context, Progress, Task};
use std::sync::Arc;
use store::Account;

/// A task that is one call of `run`, with the user's account.
pub(crate) fn once<F>(run: F) -> Box<dyn Task>
where
    F: FnMut(&mut Context<'_>, &Arc<Account>) -> store::Result<Answer> + Send + 'static,
{
    Box::new(Once { run })
}

struct Once<F> {
    run: F,
}

impl<F> Task for Once<F>
where
    F: FnMut(&mut Context<'_>, &Arc<Account>) -> store::Result<Answer> + Send,
{
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        let Some(account) = context.account else {
            return Ok(Progress::Done(Answer::bad("Log in first")));
        };
        (self.run)(context, account).map(Progress::Done)
    }
}
