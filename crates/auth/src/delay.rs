//! Delays of failed log-ins, and bans, in bounded memory.
//!
//! **Addresses.** A failure is answered 2 seconds after the attempt began, growing to 15 for an
//! address that goes on failing; half of an address's failures are forgotten every ten minutes. Repeating one of the
//! last ten wrong passwords does not raise the count: a client with an old saved password tries it
//! again and again. Failures of one address are answered one after another: parallel connections
//! wait for each other, for a minute at most, so that many guesses at once gain little; how many
//! there can be is bounded by the connections of one address, among which a client that hung up
//! counts until its answer would be due. An attempt that nobody could decide is no failure, and is
//! answered as late as the first one. IPv6 counts by /64 and by /48, as an
//! attacker has as many addresses as he likes in the one, and often all of the other; the /48
//! weighs an eighth, since it may be a provider's.
//!
//! **Accounts.** Wrong passwords for one name are counted from wherever they come. When many
//! addresses guess at one account, attempts wait *before* they are checked, up to 15 seconds, be
//! the password right or wrong: who hangs up early learns nothing. An account is never locked.
//!
//! **Familiar pairs.** A user who came in from a network (IPv4 address, IPv6 /48) within seven days
//! is familiar there: for that name and that network there is no wait before the check, and no
//! ban. So neither a distributed attack on an account nor a neighbour behind the same address
//! keeps the rightful user out. Ten new wrong passwords for the pair end it until the next success.
//! After a restart nobody is familiar: the wait of at most 15 seconds is what that costs.
//!
//! **Success** forgives what that user did wrong at that address, as far as it is among the last
//! ten wrong passwords, and nothing else: neither does an attacker's own account clear his address,
//! nor do the rightful user's log-ins clear the guesses of others from the account.
//!
//! **Bans** are off by default: a webmail, a proxy or a provider's address translation is one
//! address, and only the site knows which; refusing right passwords must be its choice. A banned
//! address is refused before any source is asked. The answer shall be "unavailable", not "wrong
//! password", as clients throw saved passwords away on the latter. An attempt that was under way
//! when the ban fell is refused too, if [`Delays::check`] is asked again before it is answered.
//!
//! Names and addresses are hashed with a key of this process, so that nobody can choose where they
//! fall ([`table`]), and nothing that is kept here says anything about a password.

mod failures;
mod table;

use crate::network::{Network, networks_of};
use crate::secret::Secret;
use failures::{Failures, Tried};
use ipnet::IpNet;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use table::{Table, Worth};

/// The first failure's delay.
const FIRST: Duration = Duration::from_secs(2);
/// The greatest delay of one failure.
const GREATEST: Duration = Duration::from_secs(15);
/// Longest wait of a failure that waits for others of its address. Clients give a server up after
/// some more.
const IN_LINE_MAX: Duration = Duration::from_secs(60);
/// Failures of an account, from all addresses, that weigh as one of an address.
const ACCOUNT_WEIGHT: u32 = 10;
/// How long a success makes a pair familiar, in seconds.
const FAMILIAR_S: u32 = 7 * 24 * 3600;
/// New wrong passwords after which a pair is familiar no more.
const SLIPS_MAX: u8 = 10;
/// Networks remembered: at most some 8 MB.
const NETWORKS_MAX: usize = 1 << 16;
/// Names remembered: at most some 2 MB.
const ACCOUNTS_MAX: usize = 1 << 14;
/// Familiar pairs remembered: at most 1 MB.
const PAIRS_MAX: usize = 1 << 16;

/// What a site wants.
#[derive(Clone, Default, Debug)]
pub struct DelaySettings {
    /// Failures within some ten minutes that ban an address; 0: none does. A /48 of IPv6 takes
    /// eight times as many.
    pub ban_after: u32,
    /// How long a ban lasts.
    pub ban_for: Duration,
    /// Networks that are neither counted, delayed nor banned.
    pub trusted: Vec<IpNet>,
}

/// The address may not try at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Banned {
    /// What remains of the ban.
    pub remaining: Duration,
}

/// Failures by address and by account.
#[derive(Debug)]
pub struct Delays {
    state: Mutex<State>,
    /// Keyed by chance.
    hasher: RandomState,
    /// Times are kept as what has passed since.
    start: Instant,
}

struct State {
    settings: DelaySettings,
    networks: Table<Failures>,
    accounts: Table<Failures>,
    pairs: Table<Pair>,
}

/// A user and a network from which they came in.
#[derive(Clone, Copy, Default)]
struct Pair {
    /// Second of the last success.
    last_s: u32,
    /// New wrong passwords since.
    slips: u8,
}

impl Default for Delays {
    fn default() -> Self {
        Self::new(DelaySettings::default())
    }
}

impl Delays {
    /// Nobody failed yet.
    pub fn new(settings: DelaySettings) -> Self {
        let state = State {
            settings,
            networks: Table::new(NETWORKS_MAX),
            accounts: Table::new(ACCOUNTS_MAX),
            pairs: Table::new(PAIRS_MAX),
        };
        Self { state: Mutex::new(state), hasher: RandomState::new(), start: Instant::now() }
    }

    /// Other settings from now on; what is remembered stays, and so do bans.
    pub fn configure(&self, settings: DelaySettings) {
        self.with(|state| state.settings = settings);
    }

    /// Those in force.
    pub fn settings(&self) -> DelaySettings {
        self.with(|state| state.settings.clone())
    }

    /// Whether `peer` may try to log in as `user`, and how long it waits before its password is
    /// looked at: zero for nearly all.
    ///
    /// To be asked before a source is, and again when a source has answered. `user` is the name as
    /// it was normalized ([`crate::LoginName::full`]), if it could be.
    pub fn check(&self, peer: IpAddr, user: &[u8], now: Instant) -> Result<Duration, Banned> {
        let now_s = self.seconds(now);
        self.with(|state| {
            if state.is_trusted(peer) {
                return Ok(Duration::ZERO);
            }
            if state.pairs.get(self.pair(peer, user)).is_some_and(|pair| pair.is_familiar(now_s)) {
                return Ok(Duration::ZERO);
            }
            let ban_s = networks_of(peer)
                .filter_map(|network| state.networks.get(self.hasher.hash_one(network)))
                .map(|failures| failures.banned_s(now_s))
                .max()
                .unwrap_or_default();
            if ban_s > 0 {
                return Err(Banned { remaining: Duration::from_secs(ban_s.into()) });
            }
            let account = state.accounts.get(self.account(user));
            Ok(account.map_or(Duration::ZERO, |failures| step(failures.count(now_s) / ACCOUNT_WEIGHT)))
        })
    }

    /// Whether `user` came in from there lately, or the network is trusted: such attempts go
    /// before others where there is a queue.
    pub fn is_familiar(&self, peer: IpAddr, user: &[u8], now: Instant) -> bool {
        let (now_s, pair) = (self.seconds(now), self.pair(peer, user));
        self.with(|state| {
            state.is_trusted(peer) || state.pairs.get(pair).is_some_and(|pair| pair.is_familiar(now_s))
        })
    }

    /// How long an attempt waits for its answer that nobody could decide. It was no guess and is
    /// not counted as one; a client that asks again at once would only keep the service busy.
    pub fn undecided(&self, peer: IpAddr, now: Instant) -> Duration {
        let now_s = self.seconds(now);
        self.with(|state| {
            if state.is_trusted(peer) {
                return Duration::ZERO;
            }
            let of_network = |network: Network| {
                let failures = state.networks.get(self.hasher.hash_one(network));
                failures.map(|failures| step(failures.count(now_s) / network.weight()))
            };
            networks_of(peer).filter_map(of_network).max().unwrap_or_default().max(FIRST)
        })
    }

    /// Notes a failure of an attempt that began at `now`; how long after that it is answered.
    pub fn failed(&self, peer: IpAddr, user: &[u8], password: &Secret, now: Instant) -> Duration {
        let (now_s, now_ms) = (self.seconds(now), self.milliseconds(now));
        let (account, pair) = (self.account(user), self.pair(peer, user));
        let password = short(self.hasher.hash_one((account, password.expose())));
        self.with(|state| {
            if state.is_trusted(peer) {
                return Duration::ZERO;
            }
            let (mut wait, mut is_new) = (Duration::ZERO, true);
            for network in networks_of(peer) {
                let failures = state.networks.entry(self.hasher.hash_one(network), now_s);
                let raised = failures.note(Tried { password, other: short(account) }, now_s);
                let step = step(failures.count(now_s) / network.weight());
                let in_line = if raised { failures.in_line(now_ms, step, IN_LINE_MAX) } else { step };
                wait = wait.max(in_line);
                is_new &= raised;
                if raised {
                    state.settings.ban(failures, network, now_s);
                }
            }
            let of_account = state.accounts.entry(account, now_s);
            of_account.note(Tried { password, other: short(self.network(peer)) }, now_s);
            if is_new && let Some(pair) = state.pairs.get_mut(pair) {
                pair.slips = pair.slips.saturating_add(1);
            }
            wait
        })
    }

    /// `user` came in from there: what they did wrong there were slips.
    pub fn succeeded(&self, peer: IpAddr, user: &[u8], now: Instant) {
        let now_s = self.seconds(now);
        let (account, pair) = (self.account(user), self.pair(peer, user));
        self.with(|state| {
            if state.is_trusted(peer) {
                return;
            }
            for network in networks_of(peer) {
                if let Some(failures) = state.networks.get_mut(self.hasher.hash_one(network)) {
                    failures.forgive(short(account), now_s);
                }
            }
            if let Some(failures) = state.accounts.get_mut(account) {
                failures.forgive(short(self.network(peer)), now_s);
            }
            *state.pairs.entry(pair, now_s) = Pair { last_s: now_s, slips: 0 };
        });
    }

    fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One name in whatever case.
    fn account(&self, user: &[u8]) -> u64 {
        self.hasher.hash_one(("account", user.to_ascii_lowercase()))
    }

    /// The network that a user is familiar in.
    fn network(&self, peer: IpAddr) -> u64 {
        self.hasher.hash_one(("familiar", Network::widest(peer)))
    }

    fn pair(&self, peer: IpAddr, user: &[u8]) -> u64 {
        self.hasher.hash_one(("pair", Network::widest(peer), user.to_ascii_lowercase()))
    }

    /// Seconds since the start, which fit for 136 years.
    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.start).as_secs()).unwrap_or(u32::MAX)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

impl State {
    fn is_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.settings.trusted.iter().any(|network| network.contains(&peer))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl DelaySettings {
    /// Bans the network if it is time to, with one line in the log for each ban.
    fn ban(&self, failures: &mut Failures, network: Network, now_s: u32) {
        let after = self.ban_after.saturating_mul(network.weight());
        if after == 0 || failures.count(now_s) < after || failures.banned_s(now_s) > 0 {
            return;
        }
        let for_s = u32::try_from(self.ban_for.as_secs()).unwrap_or(u32::MAX);
        failures.ban(now_s.saturating_add(for_s));
        tracing::warn!(%network, seconds = for_s, "banned: too many failed log-ins");
    }
}

impl Pair {
    fn is_familiar(&self, now_s: u32) -> bool {
        self.slips < SLIPS_MAX && now_s.saturating_sub(self.last_s) < FAMILIAR_S
    }
}

impl Worth for Pair {
    fn worth(&self, _now_s: u32) -> u64 {
        self.last_s.into()
    }
}

/// The delay of the failure that makes it `count`.
fn step(count: u32) -> Duration {
    match count {
        0 => Duration::ZERO,
        _ => FIRST.saturating_mul(1 << (count - 1).min(10)).min(GREATEST),
    }
}

/// Enough of a hash to tell ten from each other; never zero.
fn short(hash: u64) -> u32 {
    (hash >> 32) as u32 | 1
}

#[cfg(test)]
mod tests;
