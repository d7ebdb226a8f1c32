//! Mailboxes that stay in memory after the last session has closed them: clients come back.

use crate::account::Account;
use crate::mailbox::Mailbox;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Mailboxes that are kept at most, however small: each has watches, of which a user has a
/// limited number.
const MAILBOXES_MAX: usize = 4096;

/// The mailboxes used last. Each is kept with its account, through which it is found again.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default, Debug)]
struct Inner {
    /// The one used last is at the end.
    used: VecDeque<(Arc<Account>, Arc<Mailbox>)>,
    /// The store has ended: nothing is kept any more.
    closed: bool,
}

impl Kept {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// A mailbox was opened. Others may be let go of for it, which writes their indexes.
    pub(crate) fn touch(&self, account: &Arc<Account>, mailbox: &Arc<Mailbox>) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        if let Some(at) = inner.used.iter().rposition(|(_, kept)| Arc::ptr_eq(kept, mailbox)) {
            inner.used.remove(at);
        }
        inner.used.push_back((account.clone(), mailbox.clone()));
        let gone = inner.surplus(self.bytes_max);
        // Writing indexes takes time, and letting go of an account comes back here.
        drop(inner);
        drop(gone);
    }

    /// Lets go of all.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let gone = std::mem::take(&mut inner.used);
        drop(inner);
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes out those that were not used for longest, until the others fit; the last one
    /// stays. What sessions have open does not count: it would be in memory anyway.
    fn surplus(&mut self, bytes_max: usize) -> Vec<(Arc<Account>, Arc<Mailbox>)> {
        let bytes = |mailbox: &Arc<Mailbox>| match Arc::strong_count(mailbox) {
            1 => mailbox.bytes(),
            _ => 0,
        };
        let mut sum: usize = self.used.iter().map(|(_, mailbox)| bytes(mailbox)).sum();
        let mut gone = Vec::new();
        while self.used.len() > 1 && (sum > bytes_max || self.used.len() > MAILBOXES_MAX) {
            let Some((account, mailbox)) = self.used.pop_front() else { break };
            sum = sum.saturating_sub(bytes(&mailbox));
            gone.push((account, mailbox));
        }
        gone
    }
}
