//! Points at which a test lets the process die, as a crash would.
//!
//! Invariant S14 of crates/store/README.md.

/// A named point. Outside of this crate's tests, nothing.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn fault_point(_name: &'static str) {}

#[cfg(test)]
pub(crate) use testing::fault_point;

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    thread_local! {
        static DIE_AT: RefCell<Option<(&'static str, usize)>> = const { RefCell::new(None) };
        static SEEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// What a crash unwinds with.
    struct Crash;

    /// A named point: dies here when the test said so.
    pub(crate) fn fault_point(name: &'static str) {
        SEEN.with_borrow_mut(|seen| seen.push(name));
        let dies = DIE_AT.with_borrow_mut(|at| match at {
            Some((wanted, 0)) if *wanted == name => true,
            Some((wanted, left)) if *wanted == name => {
                *left -= 1;
                false
            }
            _ => false,
        });
        if dies {
            std::panic::resume_unwind(Box::new(Crash));
        }
    }

    /// Runs `operation` and returns the points that it passed.
    pub(crate) fn points_of(operation: impl FnOnce()) -> Vec<&'static str> {
        SEEN.with_borrow_mut(Vec::clear);
        operation();
        SEEN.with_borrow_mut(std::mem::take)
    }

    /// Runs `operation` until it passes the point for the n-th time, counted from 0; returns
    /// whether it died there.
    pub(crate) fn dies_at(point: &'static str, nth: usize, operation: impl FnOnce()) -> bool {
        DIE_AT.set(Some((point, nth)));
        let outcome = catch_unwind(AssertUnwindSafe(operation));
        DIE_AT.set(None);
        match outcome {
            Ok(()) => false,
            Err(payload) if payload.is::<Crash>() => true,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }
}
