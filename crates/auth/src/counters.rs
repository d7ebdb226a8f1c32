//! What happened at log-ins, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Users who came in.
    pub accepted: Counter,
    /// Unknown users, wrong passwords, tokens that are not valid.
    pub failed: Counter,
    /// Right, and refused for another reason.
    pub refused: Counter,
    /// A source did not answer, or too much was being checked.
    pub unavailable: Counter,
    /// Refused unasked, because their address or user failed too often.
    pub banned: Counter,
    /// Right passwords that are stored in a weak scheme, let in or not.
    pub weak: Counter,
    /// Stored passwords that were hashed anew.
    pub rehashed: Counter,
    /// Users who came in by their master's password.
    pub by_master: Counter,
}

/// One count.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Once more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
