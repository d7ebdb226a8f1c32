//! A line on standard error that says how far a command is.
//!
//! Drawn only where standard error is a terminal, and only when the work takes longer than a
//! second; wiped when it ends.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// From when on it is worth a line.
const QUIET: Duration = Duration::from_secs(1);

/// Time between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

/// Columns of the bar.
const WIDTH: u64 = 30;

/// Columns of a line at most: one that wraps cannot be wiped.
const LINE_MAX: usize = 78;

/// See the module.
pub(crate) struct Progress {
    what: String,
    /// How much there is; `None` where nobody knows.
    total: Option<u64>,
    is_terminal: bool,
    state: Mutex<State>,
}

struct State {
    done: u64,
    next: Instant,
    is_drawn: bool,
}

impl Progress {
    /// Work that begins: `what` is counted, such as `messages`.
    pub(crate) fn new(total: Option<u64>, what: &str) -> Self {
        let state = State { done: 0, next: Instant::now() + QUIET, is_drawn: false };
        let is_terminal = std::io::stderr().is_terminal();
        Self { what: what.to_owned(), total, is_terminal, state: Mutex::new(state) }
    }

    /// So much more is done.
    pub(crate) fn advance(&self, n: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += n;
        let now = Instant::now();
        if self.is_terminal && now >= state.next {
            state.next = now + PAUSE;
            state.is_drawn = true;
            // A terminal that went away ends no work.
            let _ = write!(std::io::stderr(), "\r{}\x1b[K", line(&self.what, state.done, self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.state.get_mut().is_ok_and(|state| state.is_drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: Option<u64>) -> String {
    let text = match total.filter(|total| *total > 0) {
        Some(total) => {
            // More than was thought fills the bar.
            let part = |of: u64| u128::from(done.min(total)) * u128::from(of) / u128::from(total);
            let full = usize::try_from(part(WIDTH)).unwrap_or(0);
            let bar = format!("{:<1$}", "#".repeat(full), WIDTH as usize);
            format!("[{bar}] {:>3}%  {done} of {total} {what}", part(100))
        }
        None => format!("{done} {what}"),
    };
    text.chars().take(LINE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_how_far_it_is() {
        for (done, total, expected) in [
            (7, None, "7 messages"),
            (7, Some(0), "7 messages"),
            (5, Some(10), "[###############               ]  50%  5 of 10 messages"),
            (12, Some(10), "[##############################] 100%  12 of 10 messages"),
            (u64::MAX, Some(u64::MAX), "[##############################] 100%  18446744073709551615 of"),
        ] {
            let line = line("messages", done, total);
            assert!(line.starts_with(expected) && line.len() <= LINE_MAX, "{line}");
        }
    }
}
