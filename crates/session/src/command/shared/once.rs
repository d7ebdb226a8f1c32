//! Commands that are done in one piece.

use crate::answer::Answer;
use crate::context::{Context, User};
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};

/// A task that is one call of `run`, of a user.
pub(crate) fn once<F>(run: F) -> Box<dyn AccountTask>
where
    F: FnMut(&mut Context<'_>, &mut User<'_>) -> Result<Answer, Stop> + Send + 'static,
{
    Box::new(Once { run })
}

struct Once<F> {
    run: F,
}

impl<F> AccountTask for Once<F>
where
    F: FnMut(&mut Context<'_>, &mut User<'_>) -> Result<Answer, Stop> + Send,
{
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        (self.run)(context, user).map(Progress::Done)
    }
}
