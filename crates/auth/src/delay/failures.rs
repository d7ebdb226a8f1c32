//! The failures of one network or one account.

use super::table::Worth;
use std::time::Duration;

/// Half of what is counted is forgotten in this time.
const HALF_S: u32 = 10 * 60;
/// Wrong passwords remembered.
const REMEMBERED: usize = 10;

/// A wrong password, hashed with its user; and the account or network on the other side. Zero is
/// none.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tried {
    pub(super) password: u32,
    pub(super) other: u32,
}

/// How often somebody failed, and with what at last. Times are since the start of the process.
#[derive(Clone, Copy, Default)]
pub(super) struct Failures {
    /// At `halved_s`.
    count: u32,
    halved_s: u32,
    last_s: u32,
    banned_until_s: u32,
    /// When the failure before is answered.
    answered_ms: u64,
    tried: [Tried; REMEMBERED],
    /// The oldest of `tried`.
    next: u8,
}

impl Failures {
    /// Counts a failure, unless it repeats one of the last; whether it counted.
    pub(super) fn note(&mut self, tried: Tried, now_s: u32) -> bool {
        self.settle(now_s);
        self.last_s = now_s;
        if self.tried.iter().any(|earlier| earlier.password == tried.password) {
            return false;
        }
        self.count = self.count.saturating_add(1);
        if let Some(oldest) = self.tried.get_mut(usize::from(self.next)) {
            *oldest = tried;
        }
        self.next = (self.next + 1) % REMEMBERED as u8;
        true
    }

    /// Failures not forgotten yet.
    pub(super) fn count(&self, now_s: u32) -> u32 {
        let halves = now_s.saturating_sub(self.halved_s) / HALF_S;
        self.count.checked_shr(halves).unwrap_or_default()
    }

    /// Takes back what is remembered of the other side.
    pub(super) fn forgive(&mut self, other: u32, now_s: u32) {
        self.settle(now_s);
        for tried in self.tried.iter_mut().filter(|tried| tried.other == other) {
            *tried = Tried::default();
            self.count = self.count.saturating_sub(1);
        }
    }

    /// Puts an answer that takes `step` in line behind those before; how long it waits in all.
    /// The line is no longer than `longest`.
    pub(super) fn in_line(&mut self, now_ms: u64, step: Duration, longest: Duration) -> Duration {
        let step_ms = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        if step_ms == 0 {
            return step;
        }
        let at = self.answered_ms.max(now_ms).saturating_add(step_ms);
        self.answered_ms = at.min(now_ms.saturating_add(longest_ms));
        Duration::from_millis(self.answered_ms.saturating_sub(now_ms))
    }

    /// Starts a ban.
    pub(super) fn ban(&mut self, until_s: u32) {
        self.banned_until_s = until_s;
    }

    /// Seconds that a ban has still to go; 0 without one.
    pub(super) fn banned_s(&self, now_s: u32) -> u32 {
        self.banned_until_s.saturating_sub(now_s)
    }

    /// Forgets what is due.
    fn settle(&mut self, now_s: u32) {
        self.count = self.count(now_s);
        if self.count == 0 {
            self.halved_s = now_s;
            self.tried = Default::default();
        } else {
            self.halved_s += now_s.saturating_sub(self.halved_s) / HALF_S * HALF_S;
        }
    }
}

impl Worth for Failures {
    /// Bans first, those that last longest before others; then who failed more often, then who
    /// failed last.
    fn worth(&self, now_s: u32) -> u64 {
        let (rank, time) = match self.banned_s(now_s) {
            0 => (self.count(now_s).min(u32::MAX - 1), self.last_s),
            _ => (u32::MAX, self.banned_until_s),
        };
        u64::from(rank) << 32 | u64::from(time)
    }
}
