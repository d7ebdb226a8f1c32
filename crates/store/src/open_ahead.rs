//! Mailboxes opened for the first time, many at once.
//!
//! Each gets its UID list then, and waits for the disk. Side by side the waits are one: file
//! systems bring to the disk together what is asked for together.

use crate::account::Account;
use crate::mailbox::Mailbox;
use mail::MailboxName;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads for one caller.
const THREADS_MAX: usize = 8;

/// Threads of all callers of the process, and how many of them there are now.
const ALL_THREADS_MAX: usize = 16;
static ALL_THREADS: AtomicUsize = AtomicUsize::new(0);

impl Account {
    /// Opens those of some mailboxes that nobody has opened before, and looks at them. What fails
    /// is found out again by whoever opens it. What is returned keeps them open.
    pub fn open_ahead<'a>(
        self: &Arc<Self>,
        names: impl IntoIterator<Item = &'a MailboxName>,
    ) -> Vec<Arc<Mailbox>> {
        let is_unopened = |name: &&MailboxName| self.unopened(name).is_ok_and(|found| found.is_some());
        let names: Vec<&MailboxName> = names.into_iter().filter(is_unopened).collect();
        let next = AtomicUsize::new(0);
        let span = tracing::Span::current();
        let open_some = || {
            let _of_caller = span.enter();
            let mut opened = Vec::new();
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Ok(mailbox) = self.open(name)
                    && mailbox.refresh(false).is_ok()
                {
                    opened.push(mailbox);
                }
            }
            opened
        };
        let threads = Threads::take(names.len().saturating_sub(1).min(THREADS_MAX));
        std::thread::scope(|scope| {
            let begin = |_| std::thread::Builder::new().spawn_scoped(scope, open_some).ok();
            // Where no thread can be had, those that are there do it all.
            let begun: Vec<_> = (0..threads.0).map_while(begin).collect();
            let mut opened = open_some();
            for thread in begun {
                opened.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            opened
        })
    }
}

/// Threads that may be started; dropping it gives them to others.
struct Threads(usize);

impl Threads {
    fn take(wanted: usize) -> Self {
        let free = |in_use: usize| ALL_THREADS_MAX.saturating_sub(in_use).min(wanted);
        let before = ALL_THREADS
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_use| Some(in_use + free(in_use)));
        Self(before.map_or(0, free))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        ALL_THREADS.fetch_sub(self.0, Ordering::Relaxed);
    }
}
