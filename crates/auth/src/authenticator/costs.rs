//! What a check of a password costs at each source, learned from right passwords.
//!
//! For a user who is not there a password is checked all the same, and that should cost what it
//! costs for others: the processor's time is the client's to see, in how long the queue is.
//! Right passwords only are learned from: by wrong ones, a client would choose what is learned.

use crate::scheme::{self, Strength};
use crate::secret::Secret;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Costs remembered of one source.
const COSTS_MAX: usize = 16;
/// Counts are halved at this one: a site that changes its scheme is followed.
const COUNT_MAX: u32 = 1024;

/// See the module. Shared with the authenticator that follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Costs(Arc<Mutex<HashMap<String, Vec<Seen>>>>);

/// Stored passwords of one cost.
#[derive(Debug)]
struct Seen {
    cost: String,
    count: u32,
    /// The last of them, to check a password against: it costs exactly that. What comes of it is
    /// never looked at.
    example: Secret,
}

impl Costs {
    /// A right password was stored in this form.
    pub(super) fn note(&self, source: &str, stored: &Secret) {
        let cost = std::str::from_utf8(stored.expose()).ok().and_then(scheme::cost);
        let Some(cost) = cost else { return };
        // A weak scheme costs next to nothing, and its example would be a password, or nearly.
        let example = match scheme::strength(stored) {
            Strength::Strong => stored.clone(),
            Strength::Weak => Secret::new(b"{PLAIN}-".to_vec()),
        };
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let costs = sources.entry(source.to_owned()).or_default();
        if !costs.iter().any(|seen| seen.cost == cost) {
            if costs.len() >= COSTS_MAX {
                let rarest = (0..costs.len()).min_by_key(|at| costs[*at].count).unwrap_or_default();
                costs.swap_remove(rarest);
            }
            costs.push(Seen { cost: cost.clone(), count: 0, example: example.clone() });
        }
        let Some(seen) = costs.iter_mut().find(|seen| seen.cost == cost) else { return };
        seen.count += 1;
        seen.example = example;
        if seen.count >= COUNT_MAX {
            costs.iter_mut().for_each(|seen| seen.count /= 2);
        }
    }

    /// What costs as much as most checks of these sources; `None` while nothing is known.
    pub(super) fn usual<'a>(&self, sources: impl Iterator<Item = &'a str>) -> Option<Secret> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = sources.filter_map(|source| known.get(source)).flatten();
        all.max_by_key(|seen| seen.count).map(|seen| seen.example.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::secret;

    fn usual(costs: &Costs, sources: &[&str]) -> Option<String> {
        let usual = costs.usual(sources.iter().copied())?;
        Some(String::from_utf8(usual.expose().to_vec()).unwrap())
    }

    #[test]
    fn the_usual_cost_is_the_one_seen_most_and_follows_a_change() {
        let costs = Costs::default();
        assert_eq!(usual(&costs, &["a", "b"]), None);
        for number in 0..3000 {
            costs.note("a", &secret(&format!("$6$salt{number}$hash")));
        }
        costs.note("a", &secret("$2y$12$x"));
        costs.note("b", &secret("{PLAIN}x"));
        assert_eq!(usual(&costs, &["a", "b"]).as_deref(), Some("$6$salt2999$hash"));
        assert_eq!(usual(&costs, &["b"]).as_deref(), Some("{PLAIN}-"));
        for _ in 0..1024 {
            costs.note("a", &secret("$2y$12$y"));
        }
        assert_eq!(usual(&costs, &["a", "b"]).as_deref(), Some("$2y$12$y"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let costs = Costs::default();
        for rounds in 1000..1100 {
            costs.note("a", &secret(&format!("$6$rounds={rounds}$salt$hash")));
        }
        assert_eq!(costs.0.lock().unwrap()["a"].len(), COSTS_MAX);
    }
}
