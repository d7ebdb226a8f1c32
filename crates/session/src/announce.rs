//! Announcing to the client what changed in the selected mailbox.

use crate::command::mailboxes::select;
use crate::context::Selected;
use crate::failure;
use crate::output::Output;
use crate::view::Telling;
use std::sync::Arc;
use store::ErrorKind;

/// The selected mailbox was deleted or made anew: the numbers that the client holds mean nothing
/// any more.
#[derive(Debug)]
pub(crate) struct Gone;

impl Selected {
    /// Lets the view see the newest state. A failure is logged and left to the next look: what
    /// the client knows stays true as far as it goes.
    pub(crate) fn refresh(&mut self) -> Result<(), Gone> {
        match self.mailbox.refresh(!self.read_only) {
            Ok(refreshed) => {
                let is_known = Arc::ptr_eq(&refreshed.snapshot, self.view.snapshot());
                if !is_known || !refreshed.claimed.is_empty() {
                    let recent = select::recent(self.read_only, &refreshed.snapshot, refreshed.claimed);
                    self.view.see(refreshed.snapshot, &recent);
                }
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Deleted => Err(Gone),
            Err(error) => {
                failure::answer(&error);
                Ok(())
            }
        }
    }

    /// Looks at the mailbox and announces what changed; `false` when the output is full before
    /// all of it is said.
    pub(crate) fn announce(&mut self, telling: Telling, out: &mut Output) -> Result<bool, Gone> {
        self.wake();
        self.refresh()?;
        self.view.tell_keywords(self.read_only, out);
        let newest = self.view.snapshot().clone();
        Ok(self.view.advance(newest, &Default::default(), telling, out))
    }
}
