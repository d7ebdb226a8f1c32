//! The lines in the log for what limits refuse: of each limit the first at once, and then one a
//! minute with a count and with who was refused most. A flood of clients is no flood of lines.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of one limit.
const PAUSE: Duration = Duration::from_secs(60);
/// How often it is looked whether a line is due.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Clients counted by themselves, of one limit; the others count for the sum only.
const CLIENTS_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<&'static str, Refused>>);

/// What one limit refused since its last line.
#[derive(Debug)]
struct Refused {
    logged: Instant,
    count: u64,
    by_client: HashMap<String, u64>,
}

/// A line for the log.
#[derive(PartialEq, Eq, Debug)]
struct Line {
    limit: &'static str,
    count: u64,
    /// The client that was refused most, and how often.
    most: String,
    of_these: u64,
}

impl Refusals {
    /// A client was refused, by this limit.
    pub(crate) fn note(&self, limit: &'static str, client: impl fmt::Display) {
        self.count(limit, client.to_string(), Instant::now()).into_iter().for_each(Line::log);
    }

    /// Logs what is due.
    pub(crate) fn look(&self) {
        self.due(Instant::now()).into_iter().for_each(Line::log);
    }

    fn count(&self, limit: &'static str, client: String, now: Instant) -> Option<Line> {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(refused) = limits.get_mut(limit) else {
            limits.insert(limit, Refused { logged: now, count: 0, by_client: HashMap::new() });
            return Some(Line { limit, count: 1, most: client, of_these: 1 });
        };
        refused.count += 1;
        if refused.by_client.len() < CLIENTS_MAX || refused.by_client.contains_key(&client) {
            *refused.by_client.entry(client).or_default() += 1;
        }
        None
    }

    /// Lines for limits that refused somebody for a minute; those that did not are forgotten.
    fn due(&self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limits.retain(|limit, refused| {
            if now.saturating_duration_since(refused.logged) < PAUSE {
                return true;
            }
            let by_client = std::mem::take(&mut refused.by_client);
            let Some((most, of_these)) = by_client.into_iter().max_by_key(|(_, count)| *count) else {
                return false;
            };
            lines.push(Line { limit, count: std::mem::take(&mut refused.count), most, of_these });
            refused.logged = now;
            true
        });
        lines
    }
}

impl Line {
    fn log(self) {
        let Self { limit, count, most, of_these } = self;
        tracing::warn!(limit, count, most, of_these, "connections refused: too many");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(limit: &'static str, count: u64, most: &str, of_these: u64) -> Line {
        Line { limit, count, most: most.to_owned(), of_these }
    }

    #[test]
    fn a_flood_is_one_line_a_minute_that_names_who_it_is() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let count = |limit, client: &str, seconds| refusals.count(limit, client.to_owned(), after(seconds));
        assert_eq!(count("a", "192.0.2.1", 0), Some(line("a", 1, "192.0.2.1", 1)));
        assert_eq!(count("b", "192.0.2.1", 0), Some(line("b", 1, "192.0.2.1", 1)));
        for number in 0..10_000 {
            assert_eq!(count("a", "192.0.2.2", 1), None);
            assert_eq!(count("a", &format!("198.51.100.{number}"), 1), None);
        }
        assert_eq!(refusals.due(after(59)), []);
        assert_eq!(refusals.due(after(60)), [line("a", 20_000, "192.0.2.2", 10_000)]);
        assert_eq!(count("a", "192.0.2.1", 61), None);
        assert_eq!(refusals.due(after(119)), []);
        assert_eq!(refusals.due(after(121)), [line("a", 1, "192.0.2.1", 1)]);
        // After a minute of quiet, the next is told at once.
        assert_eq!(refusals.due(after(200)), []);
        assert!(count("a", "192.0.2.1", 201).is_some() && count("b", "192.0.2.1", 201).is_some());
    }

    #[test]
    fn clients_remembered_are_bounded() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for number in 0..3 * CLIENTS_MAX {
            refusals.count("a", number.to_string(), now);
        }
        assert_eq!(refusals.0.lock().expect("no panic")["a"].by_client.len(), CLIENTS_MAX);
    }
}
