//! A bounded pool for hashing passwords.
//!
//! Each check costs a processor tens of milliseconds and perhaps 64 MB: a few run at once, some
//! wait, and what comes beyond that is told that the service is busy, so that a flood of
//! log-ins cannot take the machine from those who are in.
//!
//! Nor can it take the pool from other clients. Networks have turns, and in a network its users
//! ([`shares`]); when the line is full, the network that has most in it is told that the service
//! is busy, and not the next one to come. Users who are familiar where they come from go first, as
//! nobody becomes familiar by guessing; after [`FAMILIAR_IN_A_ROW`] of them, one of the others has
//! a turn.

mod shares;

use crate::network::Network;
use crate::scheme::{self, BadHash};
use crate::secret::Secret;
use shares::{Path, Shares};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Turns that familiar users have before one of the others has one.
const FAMILIAR_IN_A_ROW: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct HashPool {
    queue: Arc<Mutex<Queue>>,
    /// Keyed by chance: clients choose their names.
    hasher: RandomState,
}

/// For whom something is hashed.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    path: Path,
    is_familiar: bool,
}

#[derive(Debug)]
struct Queue {
    running: usize,
    running_max: usize,
    waiting_max: usize,
    familiar: Shares<Waiter>,
    others: Shares<Waiter>,
    /// Familiar users served since one of the others was.
    in_a_row: usize,
    next_number: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    /// Sent is leave to run; dropped is the lack of room.
    leave: oneshot::Sender<()>,
}

/// A place in the line, which is left when it is dropped.
struct Place {
    queue: Arc<Mutex<Queue>>,
    asker: Asker,
    number: u64,
    leave: oneshot::Receiver<()>,
}

/// Leave to run, which the next in line gets when it is dropped.
struct Permit(Arc<Mutex<Queue>>);

impl HashPool {
    /// A pool that hashes `at_once` passwords at a time, while at most `waiting_max` wait.
    pub fn new(at_once: usize, waiting_max: usize) -> Self {
        let queue = Queue {
            running: 0,
            running_max: at_once.max(1),
            waiting_max,
            familiar: Shares::default(),
            others: Shares::default(),
            in_a_row: 0,
            next_number: 0,
        };
        Self { queue: Arc::new(Mutex::new(queue)), hasher: RandomState::new() }
    }

    /// A user at an address; without an address, an administrator. `is_familiar` is
    /// [`crate::delay::Delays::is_familiar`].
    pub fn asker(&self, peer: Option<IpAddr>, user: &[u8], is_familiar: bool) -> Asker {
        let network = |network: fn(IpAddr) -> Network| self.hasher.hash_one(peer.map(network));
        let path = [network(Network::widest), network(Network::narrowest), self.hasher.hash_one(user)];
        Asker { path, is_familiar: is_familiar || peer.is_none() }
    }

    /// Whether `password` is the one that `stored` was made of. `None`: there is no room.
    pub async fn verify(
        &self,
        asker: Asker,
        password: &Secret,
        stored: &Secret,
    ) -> Option<Result<bool, BadHash>> {
        let (password, stored) = (password.clone(), stored.clone());
        let verify = move || {
            let stored = std::str::from_utf8(stored.expose())
                .map_err(|_| BadHash("a hash that is no text".to_owned()))?;
            scheme::verify(&password, stored)
        };
        self.run(asker, verify).await.map(Result::flatten)
    }

    /// A new hash of `password`. `None`: there is no room.
    pub async fn hash(&self, asker: Asker, password: &Secret) -> Option<Result<String, BadHash>> {
        let password = password.clone();
        self.run(asker, move || scheme::hash(&password)).await.map(Result::flatten)
    }

    /// Any `work` that hashes. `None`: there is no room. The error is a panic.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        asker: Asker,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, BadHash>> {
        let permit = self.permit(asker).await?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, whether or not anybody waits for it still.
            let _held = permit;
            work()
        });
        Some(done.await.map_err(|_| BadHash("checking it panicked".to_owned())))
    }

    async fn permit(&self, asker: Asker) -> Option<Permit> {
        let (number, leave) = match lock(&self.queue).enter(asker) {
            None => return Some(Permit(self.queue.clone())),
            Some(waiter) => waiter,
        };
        let mut place = Place { queue: self.queue.clone(), asker, number, leave };
        (&mut place.leave).await.ok().map(|()| Permit(self.queue.clone()))
    }
}

impl Queue {
    /// `None` is leave to run at once. An asker with a number waits. Where the line is full, one
    /// of those who wait, perhaps this one, is refused.
    fn enter(&mut self, asker: Asker) -> Option<(u64, oneshot::Receiver<()>)> {
        let waiting = self.familiar.count() + self.others.count();
        if self.running < self.running_max && waiting == 0 {
            self.running += 1;
            return None;
        }
        self.next_number += 1;
        let (number, (leave, left)) = (self.next_number, oneshot::channel());
        self.line(asker).push(&asker.path, Waiter { number, leave });
        if waiting >= self.waiting_max {
            drop(self.others.shed().or_else(|| self.familiar.shed()));
        }
        Some((number, left))
    }

    fn line(&mut self, asker: Asker) -> &mut Shares<Waiter> {
        if asker.is_familiar { &mut self.familiar } else { &mut self.others }
    }

    /// One ended: the next may run.
    fn release(&mut self) {
        while let Some(waiter) = self.next() {
            if waiter.leave.send(()).is_ok() {
                return;
            }
        }
        self.running -= 1;
    }

    fn next(&mut self) -> Option<Waiter> {
        let is_their_turn = self.in_a_row < FAMILIAR_IN_A_ROW || self.others.count() == 0;
        if is_their_turn && let Some(waiter) = self.familiar.pop() {
            self.in_a_row += 1;
            return Some(waiter);
        }
        self.in_a_row = 0;
        self.others.pop()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        let number = self.number;
        let waited = queue.line(self.asker).remove(&self.asker.path, |waiter| waiter.number == number);
        // Nobody takes the leave that came meanwhile.
        if !waited && self.leave.try_recv().is_ok() {
            queue.release();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.0).release();
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
