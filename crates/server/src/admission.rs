//! Who gets a connection at all: decided right after it was accepted, before it costs anything.
//!
//! What one client can have many addresses of counts as one network: an IPv4 address, a /64 of
//! IPv6, and a /48 with as many times more as [`Network::weight`] says. So a network can hold its
//! limit and no more, of that only a part without having logged in, and of the last quarter of
//! all connections next to nothing: there, those come in who hold few.

use auth::{Network, networks_of};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections that a network may have open while others are kept for those who have few.
const FEW_MAX: usize = 10;
/// For as many networks at least there is room in what is kept.
const NETWORKS_WITH_FEW: usize = 8;

/// How many connections there may be (counts).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// In all.
    pub(crate) all: usize,
    /// From one network.
    pub(crate) per_network: usize,
    /// Of those, without having logged in.
    pub(crate) before_login: usize,
    /// Of one user from one network.
    pub(crate) per_user: usize,
}

/// Connections by what they are counted by; keyed hashing, as a client may choose the key.
#[derive(Debug, Default)]
pub(crate) struct Admission(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    networks: HashMap<Network, OfNetwork>,
    users: HashMap<(String, Network), usize>,
}

#[derive(Clone, Copy, Default, Debug)]
struct OfNetwork {
    connections: usize,
    before_login: usize,
}

/// One of all connections; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Mutex<Counts>>);

/// A connection of its networks, likewise. It may be held longer than the slot.
#[derive(Debug)]
pub(crate) struct Place {
    counts: Arc<Mutex<Counts>>,
    peer: IpAddr,
    is_logged_in: AtomicBool,
}

/// A connection of a user, likewise.
#[derive(Debug)]
pub(crate) struct OfUser {
    counts: Arc<Mutex<Counts>>,
    key: (String, Network),
}

/// Why a connection is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// There are as many as there may be.
    All(usize),
    /// There are nearly as many, and the network has enough of them.
    NearlyAll(usize, Network),
    /// The network has as many as it may.
    Network(usize, Network),
    /// Likewise, of those that did not log in.
    BeforeLogin(usize, Network),
}

impl Admission {
    /// Counts a connection, if it may be.
    pub(crate) fn admit(&self, peer: IpAddr, limits: Limits) -> Result<(Slot, Place), Refusal> {
        let mut counts = lock(&self.0);
        if counts.all >= limits.all {
            return Err(Refusal::All(limits.all));
        }
        let kept = limits.all / 4;
        let is_nearly_full = counts.all >= limits.all - kept;
        let few = (kept / NETWORKS_WITH_FEW).clamp(1, FEW_MAX);
        for network in networks_of(peer) {
            let here = counts.networks.get(&network).copied().unwrap_or_default();
            let times = usize::try_from(network.weight()).unwrap_or(1);
            let (max, before_login) = (limits.per_network * times, limits.before_login * times);
            if here.connections >= max {
                return Err(Refusal::Network(max, network));
            }
            if here.before_login >= before_login {
                return Err(Refusal::BeforeLogin(before_login, network));
            }
            if is_nearly_full && here.connections >= few * times {
                return Err(Refusal::NearlyAll(limits.all, network));
            }
        }
        counts.all += 1;
        for network in networks_of(peer) {
            let here = counts.networks.entry(network).or_default();
            here.connections += 1;
            here.before_login += 1;
        }
        let place = Place { counts: self.0.clone(), peer, is_logged_in: AtomicBool::new(false) };
        Ok((Slot(self.0.clone()), place))
    }

    /// Counts a connection of a user; `None` when there are `max` already from the network.
    pub(crate) fn user(&self, user: &str, peer: IpAddr, max: usize) -> Option<OfUser> {
        let key = (user.to_owned(), Network::narrowest(peer));
        let mut counts = lock(&self.0);
        let here = counts.users.entry(key.clone()).or_default();
        if *here >= max {
            return None;
        }
        *here += 1;
        Some(OfUser { counts: self.0.clone(), key })
    }
}

impl Place {
    /// It has logged in.
    pub(crate) fn log_in(&self) {
        if !self.is_logged_in.swap(true, Ordering::Relaxed) {
            self.change(|here| here.before_login -= 1);
        }
    }

    fn change(&self, change: impl Fn(&mut OfNetwork)) {
        let mut counts = lock(&self.counts);
        for network in networks_of(self.peer) {
            if let Some(here) = counts.networks.get_mut(&network) {
                change(here);
                if here.connections == 0 {
                    counts.networks.remove(&network);
                }
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.0).all -= 1;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.log_in();
        self.change(|here| here.connections -= 1);
    }
}

impl Drop for OfUser {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(here) = counts.users.get_mut(&self.key) {
            *here -= 1;
            if *here == 0 {
                counts.users.remove(&self.key);
            }
        }
    }
}

impl Refusal {
    /// Which limit it was, for the log.
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::All(_) => "in all",
            Self::NearlyAll(..) => "in all, the rest being kept for addresses with few",
            Self::Network(..) => "from one address",
            Self::BeforeLogin(..) => "from one address before log-in",
        }
    }
}

/// For the client.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::All(max) | Self::NearlyAll(max, _) | Self::Network(max, _) | Self::BeforeLogin(max, _)) =
            self;
        match self {
            Self::All(_) | Self::NearlyAll(..) => write!(f, "Too many connections: at most {max}"),
            Self::Network(..) => write!(f, "Too many connections from one address: at most {max}"),
            Self::BeforeLogin(..) => {
                write!(f, "Too many connections from one address that did not log in: at most {max}")
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { all: 10_000, per_network: 500, before_login: 250, per_user: 50 };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Connections that come until one is refused, each logged in if `log_in`.
    fn fill(
        admission: &Admission,
        peers: impl Iterator<Item = IpAddr>,
        limits: Limits,
        log_in: bool,
    ) -> (Vec<(Slot, Place)>, Option<Refusal>) {
        let mut held = Vec::new();
        for peer in peers {
            match admission.admit(peer, limits) {
                Ok((slot, place)) => {
                    if log_in {
                        place.log_in();
                    }
                    held.push((slot, place));
                }
                Err(refusal) => return (held, Some(refusal)),
            }
        }
        (held, None)
    }

    #[test]
    fn security_25_one_address_holds_its_share_and_no_more() {
        let admission = Admission::default();
        let peer = ip("192.0.2.1");
        let silent = |limits| fill(&admission, std::iter::repeat(peer), limits, false);
        let (held, refusal) = silent(LIMITS);
        assert_eq!((held.len(), refusal), (250, Some(Refusal::BeforeLogin(250, Network::widest(peer)))));
        held.iter().for_each(|(_, place)| place.log_in());
        let (more, refusal) = fill(&admission, std::iter::repeat(peer), LIMITS, true);
        assert_eq!((more.len(), refusal), (250, Some(Refusal::Network(500, Network::widest(peer)))));
        assert!(admission.admit(ip("192.0.2.2"), LIMITS).is_ok());
        drop((held, more));
        let counts = lock(&admission.0);
        assert_eq!((counts.all, counts.networks.len()), (0, 0), "no key is left behind");
    }

    #[test]
    fn security_26_a_network_of_ipv6_is_one_peer() {
        let admission = Admission::default();
        let of_64 = (0_u16..).map(|n| ip(&format!("2001:db8:1:2::{n:x}")));
        let (held, refusal) = fill(&admission, of_64, LIMITS, true);
        assert_eq!((held.len(), refusal.map(Refusal::limit)), (500, Some("from one address")));
        let of_48 = (3_u16..).map(|n| ip(&format!("2001:db8:1:{n:x}::1")));
        let (more, refusal) = fill(&admission, of_48, LIMITS, true);
        assert_eq!((held.len() + more.len(), refusal.map(Refusal::limit)), (4_000, Some("from one address")));
        assert!(admission.admit(ip("2001:db8:2::1"), LIMITS).is_ok());
    }

    #[test]
    fn security_25_the_last_quarter_is_for_those_who_hold_few() {
        for (all, few) in [(10_000, 10), (100, 3), (20, 1), (4, 1)] {
            let limits = Limits { all, per_network: all, before_login: all, per_user: 50 };
            let (admission, attacker) = (Admission::default(), ip("192.0.2.1"));
            let (held, refusal) = fill(&admission, std::iter::repeat(attacker), limits, false);
            assert_eq!(held.len(), all - all / 4);
            assert_eq!(refusal, Some(Refusal::NearlyAll(all, Network::widest(attacker))));
            let (others, _) = fill(&admission, std::iter::repeat(ip("192.0.2.2")), limits, false);
            assert_eq!(others.len(), few, "of {all}");
            let networks = (0_u32..).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
            let (rest, refusal) = fill(&admission, networks, limits, false);
            assert_eq!((held.len() + others.len() + rest.len(), refusal), (all, Some(Refusal::All(all))));
        }
    }

    #[test]
    fn what_a_client_left_behind_counts_for_its_network_only() {
        let limits = Limits { all: 1, per_network: 1, ..LIMITS };
        let admission = Admission::default();
        let (slot, place) = admission.admit(ip("192.0.2.1"), limits).expect("room");
        drop(slot);
        assert!(matches!(admission.admit(ip("192.0.2.1"), limits), Err(Refusal::Network(..))));
        assert!(admission.admit(ip("192.0.2.2"), limits).is_ok());
        drop(place);
        assert!(admission.admit(ip("192.0.2.1"), limits).is_ok());
    }

    #[test]
    fn connections_of_a_user_are_counted_by_network() {
        let admission = Admission::default();
        let user = |name: &str, peer: &str| admission.user(name, ip(peer), 2);
        let first = user("anna", "2001:db8::1").expect("one");
        let _second = user("anna", "2001:db8::2").expect("two");
        assert!(user("anna", "2001:db8::3").is_none());
        assert!(user("anna", "2001:db8:1::1").is_some());
        assert!(user("bert", "2001:db8::1").is_some());
        drop(first);
        assert!(user("anna", "2001:db8::3").is_some());
        assert_eq!(lock(&admission.0).users.len(), 1, "no key is left behind");
    }
}
