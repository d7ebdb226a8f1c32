//! Delays of failed log-ins, in bounded memory.
//!
//! A failure is answered after 2 seconds, growing to 15 for an address that goes on failing.
//! Repeating one of the last ten wrong passwords does not raise it: a client with an old saved
//! password tries it again and again. IPv6 counts by /48, as an attacker has that many.

use crate::secret::Secret;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first failure's delay.
const FIRST: Duration = Duration::from_secs(2);
/// The greatest delay.
const GREATEST: Duration = Duration::from_secs(15);
/// Silence after which failures are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(10 * 60);
/// Wrong passwords remembered for one address.
const REMEMBERED: usize = 10;
/// Addresses remembered; when there are more, the oldest are forgotten first.
const ADDRESSES_MAX: usize = 50_000;

/// Failures by address.
#[derive(Debug, Default)]
pub struct Delays {
    failures: Mutex<HashMap<IpAddr, Failures>>,
    /// Keyed by chance: what is remembered of a password says nothing about it.
    hasher: RandomState,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// Keyed hashes of user and password.
    tried: VecDeque<u64>,
}

impl Delays {
    /// Notes a failure; how long to wait before it is answered.
    pub fn failed(&self, peer: IpAddr, user: &[u8], password: &Secret, now: Instant) -> Duration {
        let tried = self.hasher.hash_one((user, password.expose()));
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX {
            forget_old(&mut failures, now);
        }
        let of_peer = failures.entry(network_of(peer)).or_insert_with(|| Failures {
            count: 0,
            last: now,
            tried: VecDeque::new(),
        });
        if now.saturating_duration_since(of_peer.last) > FORGET_AFTER {
            of_peer.count = 0;
            of_peer.tried.clear();
        }
        of_peer.last = now;
        if !of_peer.tried.contains(&tried) {
            of_peer.count = of_peer.count.saturating_add(1);
            of_peer.tried.push_back(tried);
            if of_peer.tried.len() > REMEMBERED {
                of_peer.tried.pop_front();
            }
        }
        let doubled = FIRST.saturating_mul(1 << of_peer.count.saturating_sub(1).min(10));
        doubled.min(GREATEST)
    }

    /// Somebody came in from there: earlier failures were slips.
    pub fn succeeded(&self, peer: IpAddr) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&network_of(peer));
    }
}

/// Makes room: those who were silent for long, else the older half.
fn forget_old(failures: &mut HashMap<IpAddr, Failures>, now: Instant) {
    failures.retain(|_, of_one| now.saturating_duration_since(of_one.last) <= FORGET_AFTER);
    if failures.len() >= ADDRESSES_MAX {
        let mut times: Vec<Instant> = failures.values().map(|of_one| of_one.last).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        failures.retain(|_, of_one| of_one.last > middle);
    }
}

fn network_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.into(),
            None => Ipv6Addr::from(address.to_bits() & (u128::MAX << 80)).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn delays_grow_for_new_passwords_only() {
        let (delays, now) = (Delays::default(), Instant::now());
        let peer = IpAddr::from([192, 0, 2, 1]);
        let failed = |password: &str| delays.failed(peer, b"anna", &secret(password), now).as_secs();
        assert_eq!(
            [failed("a"), failed("a"), failed("b"), failed("c"), failed("d"), failed("e")],
            [2, 2, 4, 8, 15, 15]
        );
        assert_eq!(delays.failed(IpAddr::from([192, 0, 2, 2]), b"anna", &secret("z"), now).as_secs(), 2);
        let later = now + FORGET_AFTER + Duration::from_secs(1);
        assert_eq!(delays.failed(peer, b"anna", &secret("f"), later).as_secs(), 2);
        assert_eq!(failed("g"), 4);
        delays.succeeded(peer);
        assert_eq!(failed("h"), 2);
    }

    #[test]
    fn ipv6_counts_by_its_first_48_bits() {
        let (delays, now) = (Delays::default(), Instant::now());
        let failed = |peer: &str, password: &str| {
            delays.failed(peer.parse().unwrap(), b"a", &secret(password), now).as_secs()
        };
        assert_eq!(failed("2001:db8:1:2::1", "a"), 2);
        assert_eq!(failed("2001:db8:1:ffff::9", "b"), 4);
        assert_eq!(failed("2001:db8:2::1", "c"), 2);
    }

    #[test]
    fn security_20_what_is_remembered_is_hashed_with_a_key() {
        let (one, other) = (Delays::default(), Delays::default());
        assert_ne!(
            one.hasher.hash_one("a name that a client chose"),
            other.hasher.hash_one("a name that a client chose")
        );
    }

    #[test]
    fn memory_is_bounded() {
        let (delays, now) = (Delays::default(), Instant::now());
        for number in 0..120_000_u32 {
            delays.failed(
                IpAddr::from(number.to_be_bytes()),
                b"a",
                &secret("x"),
                now + Duration::from_millis(number.into()),
            );
        }
        assert!(delays.failures.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
