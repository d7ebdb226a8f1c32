//! Memory for messages that are sent: what all sessions of the process may hold together.
//!
//! A message that is loaded as a whole is read once, but stays in memory until its client has
//! read it. Clients that do not read must not fill the memory: past the limit, messages are read
//! piece by piece.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of all sessions together.
const ALL_MAX: usize = 64 * 1024 * 1024;

/// Of which are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Leave to hold some bytes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room(usize);

impl Room {
    /// Leave to hold so many bytes; `None` when too many are held already.
    pub(crate) fn take(bytes: u64) -> Option<Self> {
        Self::take_of(&TAKEN, bytes).map(Self)
    }

    fn take_of(taken: &AtomicUsize, bytes: u64) -> Option<usize> {
        let bytes = usize::try_from(bytes).ok()?;
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= ALL_MAX);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| bytes)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_held() {
        let taken = AtomicUsize::new(0);
        let half = ALL_MAX as u64 / 2;
        assert_eq!(Room::take_of(&taken, half), Some(ALL_MAX / 2));
        assert_eq!(Room::take_of(&taken, half + 1), None);
        assert_eq!(Room::take_of(&taken, u64::MAX), None);
        assert_eq!(Room::take_of(&taken, half), Some(ALL_MAX / 2));
        assert_eq!(Room::take_of(&taken, 1), None);
    }

    #[test]
    fn what_is_dropped_is_free() {
        for _ in 0..1000 {
            assert!(Room::take(ALL_MAX as u64 / 1000).is_some());
        }
    }
}
