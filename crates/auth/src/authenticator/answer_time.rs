//! When a failed attempt is answered: at a time that is fixed before it is decided.
//!
//! How long a decision takes tells whether a user is there, and how their password is stored. So
//! the delay of a failure counts from when the attempt began, and not from when it was decided:
//! it is longer than any usual decision, which then cannot be seen in it. One that takes longer
//! still, as in a long queue or by a slow source, is answered at the next of few later times.
//!
//! Invariant A3 of crates/auth/README.md.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Between two times at which late failures are answered.
const LATE_STEP: Duration = Duration::from_secs(2);
/// Likewise where failures are not delayed (trusted networks): above what a check should take.
const UNDELAYED_STEP: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerTime {
    began: Instant,
}

impl AnswerTime {
    /// Of an attempt that began then.
    pub(super) fn since(began: Instant) -> Self {
        Self { began }
    }

    /// When it began, waits before it apart.
    pub(super) fn began(self) -> std::time::Instant {
        self.began.into_std()
    }

    /// Waits before the attempt is decided. This wait does not count towards the answer's time.
    pub(super) async fn begin_after(&mut self, wait: Duration) {
        self.began += wait;
        sleep_until(self.began).await;
    }

    /// Waits until a failure is answered that is delayed by that long.
    pub(super) async fn failed(self, delay: Duration) {
        sleep_until(self.began + answered_after(delay, self.began.elapsed())).await;
    }

    /// Waits until an undecided attempt is answered. The reason is not secret, so its time may differ.
    pub(super) async fn undecided(self, delay: Duration) {
        sleep_until(self.began + delay).await;
    }
}

/// How long after it began a failure is answered that took `decided` to decide.
fn answered_after(delay: Duration, decided: Duration) -> Duration {
    let step = if delay.is_zero() { UNDELAYED_STEP } else { LATE_STEP };
    let first = delay.max(step);
    let late = decided.saturating_sub(first).as_millis().div_ceil(step.as_millis());
    first + step * u32::try_from(late).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_30_the_answer_s_time_is_one_of_few() {
        for (delay_ms, decided_ms, expected_ms) in [
            (2_000, 0, 2_000),
            (2_000, 3, 2_000),
            (2_000, 1_999, 2_000),
            (2_000, 2_001, 4_000),
            (2_000, 4_500, 6_000),
            (15_000, 51, 15_000),
            (15_000, 15_001, 17_000),
            (0, 0, 250),
            (0, 183, 250),
            (0, 251, 500),
        ] {
            let ms = Duration::from_millis;
            assert_eq!(
                answered_after(ms(delay_ms), ms(decided_ms)),
                ms(expected_ms),
                "{delay_ms} {decided_ms}"
            );
        }
    }
}
