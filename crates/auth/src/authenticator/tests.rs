//! Decisions, over sources of the tests' own. Time is paused: delays cost none.

use super::*;
use crate::source::Asking;
use crate::testing::secret;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub(super) struct Fixed {
    users: HashMap<&'static str, (&'static str, User)>,
    down: bool,
    /// Cannot tell its users.
    listless: bool,
    /// Answers from memory.
    local: bool,
    asked: Arc<AtomicUsize>,
    /// How long it takes to find a user, in milliseconds; others take 17.
    takes_ms: Option<HashMap<&'static str, u64>>,
    /// What it was told to store.
    rehashed: Arc<Mutex<Vec<String>>>,
}

impl Fixed {
    pub(super) fn with(users: &[(&'static str, &'static str)]) -> Self {
        let user = |name: &str| User { name: name.to_owned(), ..User::default() };
        Self {
            users: users.iter().map(|(name, hash)| (*name, (*hash, user(name)))).collect(),
            ..Self::default()
        }
    }
}

impl Source for Fixed {
    fn name(&self) -> &str {
        "fixed"
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if self.down {
                return Err(Unavailable { source_name: "fixed".to_owned(), reason: "down".to_owned() });
            }
            if let Some(takes_ms) = &self.takes_ms {
                let takes_ms = takes_ms.get(query.name.full()).copied().unwrap_or(17);
                tokio::time::sleep(std::time::Duration::from_millis(takes_ms)).await;
            }
            Ok(match query.name.variants().find_map(|name| self.users.get(name)) {
                Some((hash, user)) => SourceAnswer::Stored(user.clone(), vec![secret(hash)]),
                None => SourceAnswer::Unknown,
            })
        })
    }

    fn is_local(&self) -> bool {
        self.local
    }

    fn store_password<'a>(
        &'a self,
        name: &'a LoginName,
        _old: &'a Secret,
        hash: &'a str,
    ) -> Asking<'a, bool> {
        self.rehashed.lock().unwrap().push(format!("{} {hash}", name.full()));
        Box::pin(std::future::ready(Ok(true)))
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move {
            if self.listless {
                return Err(Unavailable { source_name: "fixed".to_owned(), reason: "no list".to_owned() });
            }
            Ok(self.users.values().map(|(_, user)| user.clone()).collect())
        })
    }
}

const NOBODY: Client<'_> = Client { peer: None, service: "imap", trace: Trace::OFF };

fn settings(domain: Option<&str>) -> AuthenticatorSettings {
    let seconds = std::time::Duration::from_secs;
    AuthenticatorSettings {
        default_domain: domain.map(str::to_owned),
        master_separator: '*',
        hostname: "here.example".to_owned(),
        hashes_at_once: 2,
        hashes_waiting_max: 100,
        refuse_weak: false,
        rehash: false,
        cache: CacheSettings { lifetime: seconds(60), negative_lifetime: seconds(10), entries_max: 100 },
        delays: delay::DelaySettings::default(),
    }
}

async fn outcome(authenticator: &Authenticator, login: &str, password: &str) -> Result<String, Refusal> {
    let password = Secret::new(password.as_bytes().to_vec());
    let peer = IpAddr::from([192, 0, 2, 1]);
    let client = Client { peer: Some(peer), service: "imap", trace: Trace::OFF };
    authenticator.password(login.as_bytes(), &password, None, client).await.map(|user| user.name)
}

fn links(sources: Vec<Fixed>) -> Vec<Link> {
    sources.into_iter().map(|source| Link::for_all(Box::new(source))).collect()
}

pub(super) fn over(sources: Vec<Fixed>, domain: Option<&str>) -> Authenticator {
    Authenticator::new(links(sources), Vec::new(), settings(domain)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn names_are_found_with_and_without_the_default_domain() {
    let users = [("anna", "{PLAIN}a"), ("bert@example.com", "{PLAIN}b"), ("carl@other.example", "{PLAIN}c")];
    let with_default = over(vec![Fixed::with(&users)], Some("example.com"));
    for (login, password, expected) in [
        ("anna", "a", Ok("anna@example.com")),
        ("ANNA@Example.COM", "a", Ok("anna@example.com")),
        ("bert", "b", Ok("bert@example.com")),
        ("carl@other.example", "c", Ok("carl@other.example")),
        ("carl", "c", Err(Refusal::Credentials)),
        ("anna@other.example", "a", Err(Refusal::Credentials)),
        ("anna", "b", Err(Refusal::Credentials)),
        ("", "a", Err(Refusal::Credentials)),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(outcome(&with_default, login, password).await, expected, "{login}");
    }
    let without = over(vec![Fixed::with(&users)], None);
    assert_eq!(outcome(&without, "anna", "a").await, Ok("anna".to_owned()));
    assert_eq!(outcome(&without, "bert", "b").await, Err(Refusal::Credentials));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_answer_is_no_wrong_password() {
    let down = Fixed { down: true, ..Fixed::default() };
    let authenticator = over(vec![down, Fixed::with(&[("anna", "{PLAIN}a")])], None);
    assert_eq!(outcome(&authenticator, "anna", "a").await, Err(Refusal::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_service_can_be_closed_to_a_user() {
    let mut source = Fixed::with(&[("anna", "{PLAIN}a")]);
    source.users.get_mut("anna").unwrap().1.disabled_services.push("imap".to_owned());
    let authenticator = over(vec![source], None);
    assert_eq!(outcome(&authenticator, "anna", "a").await, Err(Refusal::Disabled));
    assert_eq!(
        outcome(&authenticator, "anna", "b").await,
        Err(Refusal::Credentials),
        "only who is known learns it"
    );
}

#[tokio::test(start_paused = true)]
async fn security_11_nobody_comes_in_with_what_another_used() {
    let authenticator = over(vec![Fixed::with(&[("anna", "{PLAIN}a"), ("bert", "{PLAIN}b")])], None);
    assert!(outcome(&authenticator, "anna", "a").await.is_ok());
    assert_eq!(outcome(&authenticator, "bert", "a").await, Err(Refusal::Credentials));
    assert_eq!(outcome(&authenticator, "anna", "b").await, Err(Refusal::Credentials));
}

#[tokio::test(start_paused = true)]
async fn security_14_sources_do_not_mix() {
    let mut first = Fixed::with(&[("anna", "{PLAIN}first")]);
    first.users.get_mut("anna").unwrap().1.home = Some("/first".to_owned());
    let mut second = Fixed::with(&[("anna", "{PLAIN}second")]);
    second.users.get_mut("anna").unwrap().1.maildir = Some("/second".to_owned());
    let authenticator = over(vec![first, second], None);
    assert_eq!(outcome(&authenticator, "anna", "second").await, Err(Refusal::Credentials));
    let user = authenticator.lookup("anna", NOBODY).await.unwrap().unwrap();
    assert_eq!((user.home.as_deref(), user.maildir), (Some("/first"), None));
}

#[tokio::test(start_paused = true)]
async fn failures_are_answered_late() {
    let authenticator = over(vec![Fixed::with(&[("anna", "{PLAIN}a")])], None);
    let before = tokio::time::Instant::now();
    let _ = outcome(&authenticator, "anna", "wrong").await;
    assert!(before.elapsed() >= std::time::Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_reload_forgives_nobody() {
    let earlier = over(vec![Fixed::with(&[("anna", "{PLAIN}a")])], None);
    for password in ["1", "2", "3"] {
        assert!(outcome(&earlier, "anna", password).await.is_err());
    }
    let later = over(vec![Fixed::with(&[("anna", "{PLAIN}a")])], None).succeeding(&earlier);
    let before = tokio::time::Instant::now();
    assert!(outcome(&later, "anna", "4").await.is_err());
    assert!(before.elapsed() >= std::time::Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_banned_address_learns_nothing() {
    let settings = crate::delay::DelaySettings {
        ban_after: 3,
        ban_for: std::time::Duration::from_secs(60),
        trusted: Vec::new(),
    };
    let authenticator = Authenticator::new(
        links(vec![Fixed::with(&[("anna", "{PLAIN}a"), ("bert", "{PLAIN}b")])]),
        Vec::new(),
        AuthenticatorSettings { delays: settings, ..self::settings(None) },
    )
    .unwrap();
    for password in ["1", "2", "3"] {
        assert_eq!(outcome(&authenticator, "anna", password).await, Err(Refusal::Credentials));
    }
    for (user, password) in [("anna", "a"), ("anna", "x"), ("bert", "b")] {
        assert_eq!(outcome(&authenticator, user, password).await, Err(Refusal::Banned));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_right_is_not_asked_again_until_it_expires_or_is_flushed() {
    let source = Fixed::with(&[("anna", "{PLAIN}a")]);
    let asked = source.asked.clone();
    let authenticator = over(vec![source], None);
    let minute = std::time::Duration::from_secs(61);
    for (step, expected) in
        [("first", 1), ("again", 1), ("flush", 2), ("flush bert", 2), ("flush anna", 3), ("later", 4)]
    {
        match step.strip_prefix("flush") {
            Some("") => authenticator.flush(),
            Some(user) => authenticator.flush_user(user.trim()).unwrap(),
            None if step == "later" => tokio::time::advance(minute).await,
            None => {}
        }
        assert!(outcome(&authenticator, "anna", "a").await.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), expected, "{step}");
    }
    assert_eq!(outcome(&authenticator, "anna", "b").await, Err(Refusal::Credentials), "it is asked");
    assert_eq!(asked.load(Ordering::Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn a_source_in_memory_is_asked_each_time() {
    let source = Fixed { local: true, ..Fixed::with(&[("anna", "{PLAIN}a")]) };
    let asked = source.asked.clone();
    let authenticator = over(vec![source], None);
    for _ in 0..3 {
        assert!(outcome(&authenticator, "anna", "a").await.is_ok());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert_eq!(authenticator.cache_hits_and_misses(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_not_remembered_and_stops_the_chain() {
    let down = Fixed { down: true, ..Fixed::default() };
    let behind = Fixed::with(&[("anna", "{PLAIN}a")]);
    let (first, second) = (down.asked.clone(), behind.asked.clone());
    let authenticator = over(vec![down, behind], None);
    for _ in 0..2 {
        assert_eq!(outcome(&authenticator, "anna", "a").await, Err(Refusal::Unavailable));
    }
    assert_eq!((first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)), (2, 0));
    assert_eq!(authenticator.counters().failed.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_asked_for_its_domains_only() {
    let link = |users: &[(&'static str, &'static str)], domains: &[&str]| Link {
        source: Box::new(Fixed::with(users)),
        domains: Some(domains.iter().map(|domain| (*domain).to_owned()).collect()),
    };
    let one = link(&[("anna@one.example", "{PLAIN}1"), ("anna@two.example", "{PLAIN}1")], &["one.example"]);
    let two = link(&[("anna@two.example", "{PLAIN}2"), ("anna", "{PLAIN}none")], &["two.example", ""]);
    let authenticator = Authenticator::new(vec![one, two], Vec::new(), settings(None)).unwrap();
    for (login, password, expected) in [
        ("anna@one.example", "1", true),
        ("anna@two.example", "2", true),
        ("anna@two.example", "1", false),
        ("anna", "none", true),
        ("anna@three.example", "1", false),
    ] {
        assert_eq!(outcome(&authenticator, login, password).await.is_ok(), expected, "{login} {password}");
    }
}

async fn as_other(
    authenticator: &Authenticator,
    login: &str,
    password: &str,
    other: &str,
) -> Result<String, Refusal> {
    let client = Client { peer: Some(IpAddr::from([192, 0, 2, 1])), ..NOBODY };
    let password = secret(password);
    let outcome = authenticator.password(login.as_bytes(), &password, Some(other.as_bytes()), client).await;
    outcome.map(|user| user.name)
}

#[tokio::test(start_paused = true)]
async fn masters_act_for_the_users_of_their_domains_and_nobody_else_does() {
    let users = [
        ("anna@a.example", "{PLAIN}anna"),
        ("bert@b.example", "{PLAIN}bert"),
        ("off@a.example", "{PLAIN}off"),
    ];
    let mut source = Fixed::with(&users);
    source.users.get_mut("off@a.example").unwrap().1.disabled_services.push("imap".to_owned());
    let chain = Chain::new(links(vec![Fixed::with(&[("admin", "{PLAIN}master")])]), None);
    let masters = vec![Masters { chain, domains: vec!["a.example".to_owned()] }];
    let authenticator = Authenticator::new(links(vec![source]), masters, settings(None)).unwrap();
    for (login, password, expected) in [
        ("anna@a.example*admin", "master", Ok("anna@a.example")),
        ("anna@a.example*admin", "anna", Err(Refusal::Credentials)),
        ("bert@b.example*admin", "master", Err(Refusal::Credentials)),
        ("nobody@a.example*admin", "master", Err(Refusal::NotMaster)),
        ("off@a.example*admin", "master", Err(Refusal::Disabled)),
        ("anna@a.example*bert@b.example", "bert", Err(Refusal::NotMaster)),
        ("anna@a.example*anna@a.example", "anna", Ok("anna@a.example")),
        ("*admin", "master", Err(Refusal::Credentials)),
        ("admin", "master", Err(Refusal::Credentials)),
        ("../x*admin", "master", Err(Refusal::Credentials)),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(outcome(&authenticator, login, password).await, expected, "{login} {password}");
    }
    for (login, password, other, expected) in [
        ("admin", "master", "anna@a.example", Ok("anna@a.example")),
        ("admin", "master", "bert@b.example", Err(Refusal::Credentials)),
        ("bert@b.example", "bert", "anna@a.example", Err(Refusal::NotMaster)),
        ("bert@b.example", "bert", "BERT@b.example", Ok("bert@b.example")),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(as_other(&authenticator, login, password, other).await, expected, "{login} for {other}");
    }
    assert_eq!(authenticator.counters().by_master.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn weak_schemes_are_counted_and_refused_or_stored_anew() {
    for (refuse_weak, rehash) in [(false, false), (true, false), (false, true)] {
        let source = Fixed::with(&[("anna", "{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g=")]);
        let rehashed = source.rehashed.clone();
        let wanted = AuthenticatorSettings { refuse_weak, rehash, ..settings(None) };
        let authenticator = Authenticator::new(links(vec![source]), Vec::new(), wanted).unwrap();
        let expected = if refuse_weak { Err(Refusal::Weak) } else { Ok("anna".to_owned()) };
        assert_eq!(outcome(&authenticator, "anna", "a").await, expected);
        assert_eq!(outcome(&authenticator, "anna", "b").await, Err(Refusal::Credentials));
        assert_eq!(authenticator.counters().weak.get(), 1);
        let stored = rehashed.lock().unwrap().clone();
        assert_eq!(stored.len(), usize::from(rehash));
        for line in stored {
            let hash = line.strip_prefix("anna ").unwrap();
            assert_eq!(scheme::verify(&secret("a"), hash), Ok(true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn mail_on_another_host_is_told_to_who_has_the_password() {
    let mut source = Fixed::with(&[("anna", "{PLAIN}a"), ("bert", "{PLAIN}b")]);
    source.users.get_mut("anna").unwrap().1.mailhost = Some("There.example".to_owned());
    source.users.get_mut("bert").unwrap().1.mailhost = Some("HERE.example".to_owned());
    let authenticator = over(vec![source], None);
    let there = Refusal::Elsewhere { host: "There.example".to_owned(), user: "anna".to_owned() };
    assert_eq!(outcome(&authenticator, "anna", "a").await, Err(there));
    assert_eq!(outcome(&authenticator, "anna", "b").await, Err(Refusal::Credentials));
    assert!(outcome(&authenticator, "bert", "b").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn security_16_a_trace_has_no_secret() {
    let authenticator = over(vec![Fixed::with(&[("anna", "{PLAIN}hunter2")])], None);
    let trace = Trace::on();
    let client = Client { trace: &trace, ..NOBODY };
    assert!(authenticator.password(b"anna", &secret("hunter2"), None, client).await.is_ok());
    let steps = trace.take().join("\n");
    assert!(steps.contains("PLAIN") && !steps.contains("hunter2"), "{steps}");
}

#[tokio::test]
async fn users_of_all_sources_are_listed_that_can_be() {
    let first = Fixed::with(&[("bert", "x"), ("anna@example.com", "x"), ("../etc", "x")]);
    let second = Fixed::with(&[("ANNA", "x"), ("carl@example.com", "x"), ("dora@example.org", "x")]);
    let third = Fixed { listless: true, ..Fixed::default() };
    let mut links = links(vec![first, second, third]);
    links[1].domains = Some(vec!["example.com".to_owned()]);
    let chain = Chain::new(links, Some("example.com".to_owned()));
    let (names, problems) = chain.names().await;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(names, ["anna@example.com", "bert@example.com", "carl@example.com"]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().any(|problem| problem.reason.contains("../etc")), "{problems:?}");
}

fn from(peer: [u8; 4]) -> Client<'static> {
    Client { peer: Some(peer.into()), service: "imap", trace: Trace::OFF }
}

const PEER: [u8; 4] = [192, 0, 2, 1];

#[tokio::test(start_paused = true)]
async fn security_14_proofs_are_counted_banned_and_delayed_as_passwords_are() {
    let ban_for = std::time::Duration::from_secs(600);
    let delays = delay::DelaySettings { ban_after: 3, ban_for, ..delay::DelaySettings::default() };
    let links = links(vec![Fixed::with(&[("anna", "{PLAIN}a")])]);
    let authenticator =
        Authenticator::new(links, Vec::new(), AuthenticatorSettings { delays, ..settings(None) }).unwrap();
    assert!(authenticator.stored(b"anna", None, from(PEER)).await.unwrap().secrets.is_some());
    for _ in 0..3 {
        assert_eq!(authenticator.disproven(b"anna", from(PEER), Instant::now()).await, Refusal::Credentials);
    }
    let banned = authenticator.stored(b"anna", None, from(PEER)).await;
    assert_eq!(banned.unwrap_err(), Refusal::Banned, "nothing is told to a banned address");
    assert!(authenticator.stored(b"anna", None, from([198, 51, 100, 1])).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn security_14_a_weakly_stored_password_proves_nothing_where_it_is_refused() {
    let users = [("anna", "{PLAIN}a"), ("bert", "{CRYPT}$6$salt$hash")];
    let settings = AuthenticatorSettings { refuse_weak: true, ..settings(None) };
    let authenticator = Authenticator::new(links(vec![Fixed::with(&users)]), Vec::new(), settings).unwrap();
    for (user, expected) in [("anna", 0), ("bert", 1)] {
        let stored = authenticator.stored(user.as_bytes(), None, from(PEER)).await.unwrap();
        assert_eq!(stored.secrets.unwrap().len(), expected, "{user}");
    }
}

#[tokio::test(start_paused = true)]
async fn security_14_an_empty_password_is_shown_to_no_source() {
    let source = Fixed::with(&[("anna", "{PLAIN}a")]);
    let asked = source.asked.clone();
    let authenticator = over(vec![source], None);
    assert_eq!(outcome(&authenticator, "anna", "").await, Err(Refusal::Credentials));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn security_14_where_a_user_may_come_from_holds_for_proofs_too() {
    use crate::passwd_file::PasswdFile;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        Box::new(PasswdFile::new(directory.path().join(name)))
    };
    let users = file("users", "anna:{PLAIN}a::::::allow_nets=192.0.2.0/24\n");
    let chain = Chain::new(vec![Link::for_all(file("masters", "admin:{PLAIN}m\n"))], None);
    let masters = vec![Masters { chain, domains: vec!["*".to_owned()] }];
    let authenticator = Authenticator::new(vec![Link::for_all(users)], masters, settings(None)).unwrap();
    let elsewhere = [198, 51, 100, 1];
    for (peer, expected) in [(PEER, true), (elsewhere, false)] {
        let stored = authenticator.stored(b"anna", None, from(peer)).await.unwrap();
        assert_eq!(stored.secrets.is_some(), expected, "{peer:?}");
        assert_eq!(authenticator.proven(b"anna", None, from(peer)).await.is_ok(), expected, "{peer:?}");
    }
    let by_master = authenticator.proven(b"anna*admin", None, from(elsewhere)).await;
    assert!(by_master.is_ok(), "masters come from where they are: {by_master:?}");
}

#[tokio::test(start_paused = true)]
async fn security_14_masters_are_held_to_their_own_restrictions() {
    let mut users = Fixed::with(&[("anna@a.example", "x"), ("alias@a.example", "x")]);
    users.users.get_mut("alias@a.example").unwrap().1.name = "boss@b.example".to_owned();
    let mut masters = Fixed::with(&[("admin", "{PLAIN}m"), ("former", "{PLAIN}m")]);
    masters.users.get_mut("former").unwrap().1.disabled_services.push("imap".to_owned());
    let chain = Chain::new(links(vec![masters]), None);
    let masters = vec![Masters { chain, domains: vec!["a.example".to_owned()] }];
    let authenticator = Authenticator::new(links(vec![users]), masters, settings(None)).unwrap();
    for (login, expected) in [
        ("anna@a.example*admin", Ok(())),
        ("anna@a.example*former", Err(Refusal::Disabled)),
        ("alias@a.example*admin", Err(Refusal::NotMaster)),
    ] {
        let by_password = outcome(&authenticator, login, "m").await.map(|_| ());
        let by_proof = authenticator.proven(login.as_bytes(), None, from(PEER)).await.map(|_| ());
        assert_eq!((&by_password, &by_proof), (&expected, &expected), "{login}");
        // A certificate of that name is nobody's.
        assert!(authenticator.vouched(login.as_bytes(), None, from(PEER)).await.is_err(), "{login}");
    }
}

#[tokio::test(start_paused = true)]
async fn security_14_names_that_others_vouch_for_are_not_folded_into_one() {
    let authenticator = over(vec![Fixed::with(&[("karl", "x")])], None);
    for (name, expected) in [("karl", true), ("KARL", true), ("\u{212a}arl", false), (" karl", false)] {
        assert_eq!(
            authenticator.vouched(name.as_bytes(), None, from(PEER)).await.is_ok(),
            expected,
            "{name}"
        );
    }
}

/// Over users whose checks take as long as the schemes did.
fn over_schemes(delays: delay::DelaySettings) -> Authenticator {
    let users = ["des", "sha512", "bcrypt", "slow", "slower"].map(|name| (name, "{PLAIN}a"));
    let takes_ms = [("des", 2), ("sha512", 4), ("bcrypt", 51), ("slow", 183), ("slower", 4_321)].into();
    let source = Fixed { takes_ms: Some(takes_ms), ..Fixed::with(&users) };
    Authenticator::new(links(vec![source]), Vec::new(), AuthenticatorSettings { delays, ..settings(None) })
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn security_30_when_a_failure_is_answered_does_not_tell_who_is_there() {
    let trusted =
        || delay::DelaySettings { trusted: vec!["192.0.2.0/24".parse().unwrap()], ..Default::default() };
    for (delays, usual_ms, slower_ms) in
        [(delay::DelaySettings::default(), 2_000, 6_000), (trusted(), 250, 4_500)]
    {
        let authenticator = over_schemes(delays);
        let users = ["nobody", "../", "des", "sha512", "bcrypt", "slow", "slower"];
        for (number, user) in (1..).zip(users) {
            let before = Instant::now();
            let peer = from([192, 0, 2, number]);
            let outcome = authenticator.password(user.as_bytes(), &secret("wrong"), None, peer).await;
            assert_eq!(outcome, Err(Refusal::Credentials));
            // What takes longer than the delay shows in steps only.
            let expected_ms = if user == "slower" { slower_ms } else { usual_ms };
            assert_eq!(before.elapsed().as_millis(), expected_ms, "{user}");
        }
    }
    // Of a proof, the time that it took to check is in it too.
    let (authenticator, began) = (over_schemes(delay::DelaySettings::default()), Instant::now());
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    authenticator.disproven(b"bcrypt", from(PEER), began).await;
    assert_eq!(began.elapsed().as_millis(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn security_30_nobody_costs_what_those_cost_who_came_in() {
    let sha512 = crate::scheme::hash_as(&secret("a"), "SHA512-CRYPT").unwrap();
    let users = [("anna", Box::leak(sha512.clone().into_boxed_str()) as &'static str), ("bert", "{PLAIN}b")];
    let authenticator = over(vec![Fixed::with(&users)], None);
    let usual = || authenticator.costs.usual(std::iter::once("fixed")).map(|stored| stored.expose().to_vec());
    // By failures nobody can choose what is learned.
    assert!(outcome(&authenticator, "bert", "wrong").await.is_err());
    assert_eq!(usual(), None);
    assert!(outcome(&authenticator, "anna", "a").await.is_ok());
    assert_eq!(usual(), Some(sha512.clone().into_bytes()));
    assert_eq!(outcome(&authenticator, "nobody", "a").await, Err(Refusal::Credentials), "nor is it matched");
    let later = over(vec![Fixed::with(&users)], None).succeeding(&authenticator);
    assert!(later.costs.usual(std::iter::once("fixed")).is_some(), "a reload keeps it");
}

#[tokio::test(start_paused = true)]
async fn security_29_an_address_that_fills_the_queue_refuses_nobody_else() {
    let links = links(vec![Fixed::with(&[("anna", "{PLAIN}a"), ("bert", "{PLAIN}b")])]);
    let zero = std::time::Duration::ZERO;
    let cache = CacheSettings { lifetime: zero, negative_lifetime: zero, entries_max: 1 };
    let settings =
        AuthenticatorSettings { hashes_at_once: 1, hashes_waiting_max: 10, cache, ..settings(None) };
    let authenticator = Arc::new(Authenticator::new(links, Vec::new(), settings).unwrap());
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let pool = authenticator.clone();
    let asker = pool.hashes.asker(None, b"", true);
    let busy = tokio::spawn(async move { pool.hashes.run(asker, move || ended.recv().is_err()).await });
    tokio::task::yield_now().await;
    let attempt = |user: &'static str, password: String, peer| {
        let authenticator = authenticator.clone();
        tokio::spawn(async move {
            let outcome = authenticator.password(user.as_bytes(), &secret(&password), None, from(peer)).await;
            outcome.map(|user| user.name)
        })
    };
    let attacks: Vec<_> = (0..50).map(|n| attempt("anna", n.to_string(), [192, 0, 2, 1])).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let rightful: Vec<_> = (1..=9).map(|n| attempt("bert", "b".to_owned(), [198, 51, 100, n])).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let before = Instant::now();
    drop(end);
    for one in rightful {
        assert_eq!(one.await.unwrap(), Ok("bert".to_owned()));
    }
    let mut refused = 0;
    for one in attacks {
        refused += usize::from(one.await.unwrap() == Err(Refusal::Unavailable));
    }
    assert_eq!((refused as u64, authenticator.counters().unavailable.get()), (49, 49));
    assert!(before.elapsed().as_secs() >= 2, "these refusals are delayed too");
    assert_eq!(busy.await.unwrap(), Some(Ok(true)));
}
