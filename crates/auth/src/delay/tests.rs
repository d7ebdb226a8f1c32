use super::*;
use std::net::Ipv6Addr;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn banning(ban_after: u32) -> Delays {
    let trusted = vec!["198.51.100.0/24".parse().unwrap(), "2001:db8:9::/48".parse().unwrap()];
    Delays::new(DelaySettings { ban_after, ban_for: Duration::from_secs(900), trusted })
}

/// Fails `count` times from `peer`, with passwords that start with `prefix`.
fn fail(delays: &Delays, peer: &str, user: &str, prefix: &str, count: u32, now: Instant) {
    for number in 0..count {
        delays.failed(ip(peer), user.as_bytes(), &secret(&format!("{prefix}{number}")), now);
    }
}

/// As [`Delays::failed`], by a client that waits for each answer.
struct Patient<'a> {
    delays: &'a Delays,
    now: Instant,
}

impl Patient<'_> {
    fn failed(&mut self, peer: &str, user: &str, password: &str) -> u64 {
        let wait = self.delays.failed(ip(peer), user.as_bytes(), &secret(password), self.now);
        self.now += wait;
        wait.as_secs()
    }
}

#[test]
fn delays_grow_for_new_passwords_only() {
    let delays = Delays::default();
    let mut client = Patient { delays: &delays, now: Instant::now() };
    let waits =
        ["a", "a", "b", "c", "d", "e", "c"].map(|password| client.failed("192.0.2.1", "anna", password));
    assert_eq!(waits, [2, 2, 4, 8, 15, 15, 15]);
    assert_eq!(client.failed("192.0.2.2", "anna", "z"), 2);
    // Five are two, and one, and none.
    client.now += Duration::from_secs(600);
    assert_eq!(client.failed("192.0.2.1", "anna", "f"), 8);
    client.now += Duration::from_secs(3 * 600);
    assert_eq!(client.failed("192.0.2.1", "anna", "f"), 2);
}

#[test]
fn parallel_failures_are_answered_one_after_another() {
    let (delays, now) = (Delays::default(), Instant::now());
    let waits: Vec<u64> = (0..8)
        .map(|n| delays.failed(ip("192.0.2.1"), b"anna", &secret(&n.to_string()), now).as_secs())
        .collect();
    assert_eq!(waits, [2, 6, 14, 29, 44, 59, 60, 60]);
}

#[test]
fn ipv6_counts_by_64_bits_and_by_48() {
    let delays = Delays::default();
    let mut client = Patient { delays: &delays, now: Instant::now() };
    // Within a /64, as one address.
    assert_eq!(client.failed("2001:db8:1:2::1", "a", "a"), 2);
    assert_eq!(client.failed("2001:db8:1:2::2", "b", "b"), 4);
    assert_eq!(client.failed("2001:db8:1:2:ffff::3", "c", "c"), 8);
    // Through the /64s of a /48: eight times slower, but slower.
    let waits: Vec<u64> =
        (0..40).map(|n| client.failed(&format!("2001:db8:1:{n:x}00::1"), "a", &format!("p{n}"))).collect();
    assert_eq!((waits[0], waits[10], waits[16], waits[25], waits[35]), (2, 2, 4, 8, 15));
    assert_eq!(client.failed("2001:db8:2::1", "a", "z"), 2);
}

#[test]
fn a_ban_is_for_those_who_fail_often() {
    let (delays, now) = (banning(20), Instant::now());
    fail(&delays, "192.0.2.1", "anna", "p", 19, now);
    assert!(delays.check(ip("192.0.2.1"), b"bert", now).is_ok());
    fail(&delays, "192.0.2.1", "anna", "q", 1, now);
    for peer in ["192.0.2.1", "::ffff:192.0.2.1"] {
        let banned = delays.check(ip(peer), b"bert", now);
        assert!(banned.is_err_and(|banned| banned.remaining <= Duration::from_secs(900)), "{peer}");
    }
    assert!(delays.check(ip("192.0.2.2"), b"bert", now).is_ok());
    // It ends, and a part is forgotten then.
    let later = now + Duration::from_secs(901);
    assert!(delays.check(ip("192.0.2.1"), b"bert", later).is_ok());
    fail(&delays, "192.0.2.1", "anna", "r", 1, later);
    assert!(delays.check(ip("192.0.2.1"), b"bert", later).is_ok());
}

#[test]
fn a_ban_of_ipv6() {
    let (delays, now) = (banning(20), Instant::now());
    for number in 0..20 {
        fail(&delays, &format!("2001:db8:1:2::{number:x}"), "anna", &format!("p{number}-"), 1, now);
    }
    assert!(delays.check(ip("2001:db8:1:2::ffff"), b"bert", now).is_err());
    assert!(delays.check(ip("2001:db8:1:3::1"), b"bert", now).is_ok());
    for number in 20..160 {
        fail(&delays, &format!("2001:db8:1:{number:x}::1"), "anna", &format!("p{number}-"), 1, now);
    }
    assert!(delays.check(ip("2001:db8:1:ffff::1"), b"bert", now).is_err());
    assert!(delays.check(ip("2001:db8:2::1"), b"bert", now).is_ok());
}

#[test]
fn a_client_with_an_old_password_is_not_banned() {
    let (delays, now) = (banning(5), Instant::now());
    for _ in 0..1_000 {
        fail(&delays, "192.0.2.1", "anna", "old", 4, now);
    }
    assert!(delays.check(ip("192.0.2.1"), b"anna", now).is_ok());
}

#[test]
fn trusted_networks_wait_for_nothing() {
    let (delays, now) = (banning(5), Instant::now());
    for peer in ["198.51.100.7", "::ffff:198.51.100.7", "2001:db8:9:1::1"] {
        for number in 0..100 {
            let wait = delays.failed(ip(peer), b"anna", &secret(&number.to_string()), now);
            assert_eq!(wait, Duration::ZERO);
        }
        assert_eq!(delays.check(ip(peer), b"anna", now), Ok(Duration::ZERO));
    }
}

#[test]
fn security_an_own_account_does_not_clear_guesses_at_others() {
    let delays = banning(20);
    let mut client = Patient { delays: &delays, now: Instant::now() };
    for number in 0..19 {
        client.failed("192.0.2.1", "anna", &format!("p{number}"));
        delays.succeeded(ip("192.0.2.1"), b"mallory", client.now);
    }
    assert_eq!(client.failed("192.0.2.1", "bert", "x"), 15);
    // Slips of one's own are forgiven.
    client.failed("192.0.2.3", "carl", "1");
    client.failed("192.0.2.3", "CARL", "2");
    client.failed("192.0.2.3", "anna", "3");
    delays.succeeded(ip("192.0.2.3"), b"carl", client.now);
    assert_eq!(client.failed("192.0.2.3", "anna", "4"), 4);
}

#[test]
fn a_distributed_attack_slows_strangers_and_locks_nobody_out() {
    let (delays, now) = (banning(20), Instant::now());
    delays.succeeded(ip("203.0.113.1"), b"anna", now);
    for number in 0..200_u8 {
        fail(&delays, &format!("192.0.2.{number}"), "anna", &format!("{number}-"), 1, now);
        // What the rightful user does clears none of it.
        delays.succeeded(ip("203.0.113.1"), b"anna", now);
    }
    let waits =
        [("203.0.113.1", "anna"), ("203.0.113.2", "anna"), ("203.0.113.2", "Anna"), ("203.0.113.2", "bert")]
            .map(|(peer, user)| delays.check(ip(peer), user.as_bytes(), now).unwrap().as_secs());
    assert_eq!(waits, [0, 15, 15, 0]);
    let later = now + Duration::from_secs(8 * 600);
    assert_eq!(delays.check(ip("203.0.113.2"), b"anna", later), Ok(Duration::ZERO));
}

#[test]
fn a_neighbour_s_ban_does_not_keep_a_familiar_user_out() {
    let (delays, now) = (banning(20), Instant::now());
    delays.succeeded(ip("192.0.2.1"), b"anna", now);
    fail(&delays, "192.0.2.1", "bert", "p", 30, now);
    let banned = |user: &[u8], now| delays.check(ip("192.0.2.1"), user, now).is_err();
    assert_eq!([banned(b"anna", now), banned(b"bert", now)], [false, true]);
    // But the pair is not free to guess at.
    fail(&delays, "192.0.2.1", "anna", "q", 9, now);
    assert!(!banned(b"anna", now));
    fail(&delays, "192.0.2.1", "anna", "r", 1, now);
    assert!(banned(b"anna", now));
}

#[test]
fn settings_change_and_bans_stay() {
    let (delays, now) = (banning(20), Instant::now());
    fail(&delays, "192.0.2.1", "anna", "p", 20, now);
    delays.configure(DelaySettings::default());
    assert!(delays.check(ip("192.0.2.1"), b"bert", now).is_err());
    fail(&delays, "192.0.2.2", "anna", "p", 200, now);
    assert!(delays.check(ip("192.0.2.2"), b"bert", now).is_ok());
}

#[test]
fn security_20_what_is_remembered_is_hashed_with_a_key() {
    let (one, other) = (Delays::default(), Delays::default());
    assert_ne!(one.account(b"a name that a client chose"), other.account(b"a name that a client chose"));
}

/// What this prints is what a flood costs.
#[test]
fn a_million_addresses_take_bounded_memory_and_do_not_hide_an_attacker() {
    let (delays, start) = (banning(20), Instant::now());
    fail(&delays, "203.0.113.1", "anna", "p", 20, start);
    fail(&delays, "203.0.113.2", "anna", "q", 8, start);
    let password = secret("x");
    for number in 0..1_000_000_u32 {
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        let user = format!("user{number}");
        delays.failed(address, user.as_bytes(), &password, start + Duration::from_micros(number.into()));
    }
    let bytes = delays.with(|state| state.networks.bytes() + state.accounts.bytes() + state.pairs.bytes());
    eprintln!("a million addresses: {bytes} bytes, {:?}", start.elapsed());
    assert!(bytes <= 12_000_000, "{bytes}");
    assert!(delays.check(ip("203.0.113.1"), b"bert", start).is_err());
    assert!(delays.failed(ip("203.0.113.2"), b"bert", &secret("r"), start) >= GREATEST);
    // Nor do as many of IPv6.
    for number in 0..200_000_u128 {
        let address = Ipv6Addr::from((0x2001_0db8 << 96) + (number << 80));
        delays.failed(address.into(), b"anna", &password, start);
    }
    assert!(delays.check(ip("203.0.113.1"), b"bert", start).is_err());
}
