//! The line in the log when too many passwords are to be checked: one a minute, with a count.

use super::Refusal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Refused since the last line.
    count: u64,
    logged: Option<Instant>,
}

impl Busy {
    /// Counts a log-in that finds no room, and logs it when it is time to.
    pub(super) fn refuse(&self) -> Refusal {
        if let Some(count) = self.count(Instant::now()) {
            tracing::warn!(
                count,
                "too many passwords are being checked: log-ins were refused as unavailable since the last line like this"
            );
        }
        Refusal::Unavailable
    }

    /// How many to log, if it is time to.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.logged.is_some_and(|logged| now.duration_since(logged) < PAUSE) {
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_line_a_minute() {
        let (busy, start) = (Busy::default(), Instant::now());
        let counts: Vec<u64> =
            (0..200).filter_map(|second| busy.count(start + Duration::from_secs(second))).collect();
        assert_eq!(counts, [1, 60, 60, 60]);
    }
}
