//! A bounded pool for hashing passwords.
//!
//! Each check costs a processor tens of milliseconds and perhaps 64 MB: a few run at once, some
//! wait, and what comes beyond that is told that the service is busy, so that a flood of
//! log-ins cannot take the machine from those who are in.

use crate::scheme::{self, BadHash};
use crate::secret::Secret;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// See the module.
#[derive(Debug)]
pub struct HashPool {
    running: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    queued_max: usize,
}

/// A place in the queue.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HashPool {
    /// A pool that hashes `at_once` passwords at a time, while at most `waiting_max` wait.
    pub fn new(at_once: usize, waiting_max: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            queued: Arc::new(AtomicUsize::new(0)),
            queued_max: at_once.saturating_add(waiting_max),
        }
    }

    /// Whether `password` is the one that `stored` was made of. `None`: there is no room.
    pub async fn verify(&self, password: &Secret, stored: &Secret) -> Option<Result<bool, BadHash>> {
        let (password, stored) = (password.clone(), stored.clone());
        let verify = move || {
            let stored = std::str::from_utf8(stored.expose())
                .map_err(|_| BadHash("a hash that is no text".to_owned()))?;
            scheme::verify(&password, stored)
        };
        self.run(verify).await.map(Result::flatten)
    }

    /// A new hash of `password`. `None`: there is no room.
    pub async fn hash(&self, password: &Secret) -> Option<Result<String, BadHash>> {
        let password = password.clone();
        self.run(move || scheme::hash(&password)).await.map(Result::flatten)
    }

    /// Any `work` that hashes. `None`: there is no room. The error is a panic.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, BadHash>> {
        let place = Place(self.queued.clone());
        if self.queued.fetch_add(1, Ordering::Relaxed) >= self.queued_max {
            return None;
        }
        let permit = self.running.clone().acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (permit, place);
            work()
        });
        Some(done.await.map_err(|_| BadHash("checking it panicked".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_much_is_refused_and_room_comes_back() {
        let pool = HashPool::new(1, 50);
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let held = pool.running.clone().acquire_owned().await.unwrap();
        let (password, stored) = (secret("x"), secret("{PLAIN}x"));
        let mut waiting = Vec::new();
        for _ in 0..pool.queued_max {
            let mut check = Box::pin(pool.verify(&password, &stored));
            assert!(futures_poll_once(&mut check).await.is_none());
            waiting.push(check);
        }
        assert_eq!(pool.verify(&password, &stored).await, None);
        drop(waiting);
        drop(held);
        assert_eq!(pool.verify(&password, &stored).await, Some(Ok(true)));
    }

    /// Polls once; `None` when it is not done.
    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
