//! Holding a mailbox: the lock in the process, the one between processes, and how every change ends.
//!
//! Invariant S15 of crates/store/README.md.

use super::inner::{Durability, Inner};
use super::state::State;
use crate::error::Result;
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::shared::Shared;
use crate::uid_list::Line;
use crate::witness::Reached;
use mail::MailboxName;
use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};

/// What is known of a mailbox, locked in this process. Hooks are told once it is let go of.
pub(super) struct InnerGuard<'a> {
    shared: &'a Shared,
    name: &'a MailboxName,
    /// `None` only while it is dropped.
    inner: Option<MutexGuard<'a, Inner>>,
}

/// A mailbox that somebody changes: what is known of it after a look, and the lock between
/// processes. Whatever changes it ends with [`Held::commit`].
pub(super) struct Held<'a> {
    pub(super) mailbox: &'a Mailbox,
    pub(super) inner: &'a mut Inner,
    _lock: Lock,
}

impl<'a> Held<'a> {
    /// Takes the lock between processes, and looks, as the one whose mail it is.
    pub(super) fn hold(mailbox: &'a Mailbox, inner: &'a mut Inner) -> Result<Self> {
        let _entered = mailbox.shared.enter()?;
        let lock = mailbox.lock_file()?;
        mailbox.look(inner)?;
        Ok(Self { mailbox, inner, _lock: lock })
    }

    /// See [`Mailbox::commit`]; as the one whose mail it is.
    pub(super) fn commit<'b>(
        &mut self,
        lines: impl Iterator<Item = Line<'b>> + Clone,
        durability: Durability,
        place: impl FnOnce(&mut State),
    ) -> Result<()> {
        let _entered = self.mailbox.shared.enter()?;
        self.mailbox.commit(self.inner, lines, durability, place)
    }
}

impl Mailbox {
    pub(super) fn lock(&self) -> InnerGuard<'_> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        InnerGuard { shared: &self.shared, name: &self.name, inner: Some(inner) }
    }

    /// How every change ends: its lines are recorded, what lies elsewhere now is noted by `place`, and
    /// sessions see it; then the list is written anew where that is due, and who waits is woken.
    /// On an error all is as before.
    pub(super) fn commit<'a>(
        &self,
        inner: &mut Inner,
        lines: impl Iterator<Item = Line<'a>> + Clone,
        durability: Durability,
        place: impl FnOnce(&mut State),
    ) -> Result<()> {
        inner.record(lines, durability)?;
        place(inner.state_mut()?);
        inner.publish();
        self.note_reached(inner, false);
        inner.checkpoint_if_due();
        // Where the kernel tells of changes, it has told of this one.
        self.watched.changed();
        Ok(())
    }

    /// Notes with the account how far the mailbox got, if that is far, or with `exactly`, if it got
    /// any further.
    pub(super) fn note_reached(&self, inner: &mut Inner, exactly: bool) {
        let Some(reached) = inner.state.as_ref().map(Reached::of) else { return };
        let noted = inner.noted.filter(|noted| noted.uid_validity == reached.uid_validity);
        let is_due = match exactly {
            true => noted.is_none_or(|noted| noted.is_behind(&reached)),
            false => reached.is_far_beyond(noted.as_ref()),
        };
        if is_due && self.shared.note_reached(&self.directory, reached) {
            inner.noted = Some(noted.map_or(reached, |noted| noted.or_further(reached)));
        }
    }
}

impl InnerGuard<'_> {
    /// Lets go of it, and leaves telling to whoever lets go of another mailbox next.
    pub(super) fn let_go(mut self) {
        self.queue();
    }

    /// Lets go of it; whether there is something to tell.
    fn queue(&mut self) -> bool {
        let Some(mut inner) = self.inner.take() else { return false };
        let published = std::mem::take(&mut inner.untold);
        // In the order of the commits: the lock is still held.
        self.shared.untold.add(self.name, published)
    }
}

impl Deref for InnerGuard<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        self.inner.as_deref().unwrap_or_else(|| unreachable!("it is there until it is dropped"))
    }
}

impl DerefMut for InnerGuard<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        self.inner.as_deref_mut().unwrap_or_else(|| unreachable!("it is there until it is dropped"))
    }
}

impl Drop for InnerGuard<'_> {
    fn drop(&mut self) {
        if self.queue() {
            self.shared.tell_hooks();
        }
    }
}
