//! Decisions, over sources of the tests' own. Time is paused: delays cost none.

use super::*;
use crate::source::Asking;
use crate::testing::secret;
use std::collections::HashMap;

#[derive(Default)]
struct Fixed {
    users: HashMap<&'static str, (&'static str, User)>,
    down: bool,
}

impl Fixed {
    fn with(users: &[(&'static str, &'static str)]) -> Self {
        let user = |name: &str| User { name: name.to_owned(), ..User::default() };
        Self { users: users.iter().map(|(name, hash)| (*name, (*hash, user(name)))).collect(), down: false }
    }
}

impl Source for Fixed {
    fn name(&self) -> &str {
        "fixed"
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, Found> {
        Box::pin(async move {
            if self.down {
                return Err(Unavailable { source_name: "fixed".to_owned(), reason: "down".to_owned() });
            }
            Ok(match query.name.variants().find_map(|name| self.users.get(name)) {
                Some((hash, user)) => Found::Stored(user.clone(), vec![secret(hash)]),
                None => Found::Unknown,
            })
        })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move { Ok(self.users.values().map(|(_, user)| user.clone()).collect()) })
    }
}

async fn outcome(authenticator: &Authenticator, login: &str, password: &str) -> Result<String, Refusal> {
    let password = Secret::new(password.as_bytes().to_vec());
    let peer = IpAddr::from([192, 0, 2, 1]);
    authenticator.check(login.as_bytes(), &password, peer, "imap").await.map(|user| user.name)
}

fn over(sources: Vec<Fixed>, domain: Option<&str>) -> Authenticator {
    let sources = sources.into_iter().map(|source| Link::for_all(Box::new(source))).collect();
    Authenticator::new(sources, domain.map(str::to_owned), 2)
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
    let user = authenticator.lookup("anna").await.unwrap().unwrap();
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
    let settings = crate::delay::Settings {
        ban_after: 3,
        ban_for: std::time::Duration::from_secs(60),
        trusted: Vec::new(),
    };
    let authenticator =
        over(vec![Fixed::with(&[("anna", "{PLAIN}a"), ("bert", "{PLAIN}b")])], None).with_delays(settings);
    for password in ["1", "2", "3"] {
        assert_eq!(outcome(&authenticator, "anna", password).await, Err(Refusal::Credentials));
    }
    for (user, password) in [("anna", "a"), ("anna", "x"), ("bert", "b")] {
        assert_eq!(outcome(&authenticator, user, password).await, Err(Refusal::Banned));
    }
}
