//! Threads that read for a search beside the one that works on it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads of all searches of the process at most: as many as there are processors, however many
/// searches run. Each search has its own thread in any case.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Threads that one piece of a search may start. Dropping it gives them to others.
#[derive(Debug)]
pub(super) struct Helpers {
    count: usize,
    of: &'static AtomicUsize,
}

impl Helpers {
    /// As many as are free, `wanted` at most; none may be.
    pub(super) fn take(wanted: usize) -> Self {
        let max = std::thread::available_parallelism().map_or(1, usize::from);
        Self::take_of(&IN_USE, wanted, max)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn take_of(of: &'static AtomicUsize, wanted: usize, max: usize) -> Self {
        let free = |in_use: usize| max.saturating_sub(in_use).min(wanted);
        let before =
            of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |in_use| Some(in_use + free(in_use)));
        Self { count: before.map_or(0, free), of }
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        self.of.fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_searches_share_them() {
        static IN_USE: AtomicUsize = AtomicUsize::new(0);
        let first = Helpers::take_of(&IN_USE, 3, 4);
        let second = Helpers::take_of(&IN_USE, 3, 4);
        let third = Helpers::take_of(&IN_USE, 3, 4);
        assert_eq!([first.count(), second.count(), third.count()], [3, 1, 0]);
        drop(first);
        assert_eq!(Helpers::take_of(&IN_USE, 9, 4).count(), 3);
        drop((second, third));
        assert_eq!(IN_USE.load(Ordering::Relaxed), 0);
    }
}
