//! Files are touched in `work` only: also by what touches them when it is dropped.
//!
//! Invariant I1 of crates/README.md.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

thread_local! {
    static IN_WORK: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, the thread works where blocking is allowed.
pub(crate) struct InWork {
    before: bool,
    /// It stays on its thread.
    _not_send: PhantomData<*const ()>,
}

impl InWork {
    pub(crate) fn begin() -> Self {
        Self { before: IN_WORK.replace(true), _not_send: PhantomData }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        IN_WORK.set(self.before);
    }
}

/// Something that touches files when it is dropped, such as the last reference to a mailbox,
/// which writes its index.
///
/// It has to be dropped in `work` or with its session. Elsewhere that is a bug, which panics in
/// debug builds; otherwise a thread of its own drops it, as the caller's may serve many clients.
pub(crate) struct DropInWork<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> DropInWork<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: Send + 'static> Deref for DropInWork<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> DerefMut for DropInWork<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for DropInWork<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take() else { return };
        if IN_WORK.get() || std::thread::panicking() {
            return;
        }
        debug_assert!(false, "files would be touched outside of work");
        // Without a thread the closure, and the value in it, is dropped here.
        let _ = std::thread::Builder::new().spawn(move || drop(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn it_may_be_dropped_in_work_only() {
        let outside = DropInWork::new(());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(outside))).is_err());
        let inside = DropInWork::new(());
        {
            let _in_work = InWork::begin();
            drop(InWork::begin());
            drop(inside);
        }
        let after = DropInWork::new(());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(after))).is_err());
    }
}
