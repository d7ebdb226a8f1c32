//! The decision: what a client has shown of itself in, a user or a refusal out.

mod answer_time;
mod busy;
mod check;
mod costs;
mod exchange;
mod masters;
mod stored;
mod token;

pub use masters::Masters;
pub use stored::Stored;
pub use token::RefusedToken;

use crate::cache::{Cache, CacheSettings};
use crate::chain::{Chain, Link};
use crate::counters::Counters;
use crate::delay::{self, Delays};
use crate::failure_line::{Shown, failure_line};
use crate::hash_pool::{Asker, HashPool};
use crate::login_name::{BadName, LoginName};
use crate::scheme;
use crate::secret::Secret;
use crate::source::{Query, Source, SourceAnswer, Unavailable, User};
use crate::trace::Trace;
use answer_time::AnswerTime;
use busy::Busy;
use check::{Checked, Finding};
use costs::Costs;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// What a site wants.
#[derive(Clone, Debug)]
pub struct AuthenticatorSettings {
    /// Added to names without `@`.
    pub default_domain: Option<String>,
    /// Between a user and the master who acts for them, in one name.
    pub master_separator: char,
    /// This host's name: users whose mail is on another are refused.
    pub hostname: String,
    /// Passwords checked at once, and how many wait for it (counts).
    pub hashes_at_once: usize,
    /// Beyond these the answer is "unavailable".
    pub hashes_waiting_max: usize,
    /// Users whose password is stored in a weak scheme may not come in.
    pub refuse_weak: bool,
    /// What is stored in a weak scheme is hashed anew when the password is there.
    pub rehash: bool,
    /// See [`CacheSettings`].
    pub cache: CacheSettings,
    /// See [`delay::DelaySettings`].
    pub delays: delay::DelaySettings,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Where they come from; `None`: an administrator tries it, and waits for nothing.
    pub peer: Option<IpAddr>,
    /// What they want to use: `imap`.
    pub service: &'a str,
    /// For [`Query::trace`].
    pub trace: &'a Trace,
}

/// Why nobody came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Unknown user or wrong password: the two are not told apart.
    Credentials,
    /// The user may not use this service.
    Disabled,
    /// The password is right, and stored in a scheme that the site does not accept any more.
    Weak,
    /// May not act for that user.
    NotMaster,
    /// The user's mail is on that host.
    Elsewhere {
        /// The host's name.
        host: String,
        /// Canonical name of the user.
        user: String,
    },
    /// A source did not answer, or too much is being checked already. Not the client's fault.
    Unavailable,
    /// Too many failures came from the address.
    Banned,
}

/// How an attempt ended.
pub type Outcome = Result<User, Refusal>;

/// Asks the sources in order, checks passwords, delays failures.
pub struct Authenticator {
    settings: AuthenticatorSettings,
    users: Chain,
    masters: Vec<Masters>,
    hashes: HashPool,
    cache: Cache<Finding>,
    /// Shared with the authenticator that replaces this one.
    delays: Arc<Delays>,
    /// Shared likewise.
    counters: Arc<Counters>,
    /// The cost of password checks of known users; shared likewise.
    costs: Costs,
    /// Checked for users who are not there while nothing is known of others.
    dummy: Secret,
    busy: Busy,
}

impl Authenticator {
    /// An authenticator over the users' sources, asked in that order, and those of masters. The
    /// error is one of a system without randomness.
    pub fn new(
        links: Vec<Link>,
        masters: Vec<Masters>,
        settings: AuthenticatorSettings,
    ) -> std::io::Result<Self> {
        let default_domain = settings.default_domain.as_ref().map(|domain| domain.to_lowercase());
        Ok(Self {
            users: Chain::new(links, default_domain.clone()),
            masters,
            hashes: HashPool::new(settings.hashes_at_once, settings.hashes_waiting_max),
            cache: Cache::new(settings.cache)?,
            delays: Arc::new(Delays::new(settings.delays.clone())),
            counters: Arc::default(),
            costs: Costs::default(),
            dummy: Secret::new(scheme::dummy().into_bytes()),
            busy: Busy::default(),
            settings: AuthenticatorSettings { default_domain, ..settings },
        })
    }

    /// Goes on where `earlier` was: an address that failed is not forgiven by a reload. What
    /// was cached is forgotten.
    #[must_use]
    pub fn succeeding(self, earlier: &Self) -> Self {
        earlier.delays.configure(self.delays.settings());
        let (delays, counters) = (earlier.delays.clone(), earlier.counters.clone());
        Self { delays, counters, costs: earlier.costs.clone(), ..self }
    }

    /// Whether `login` with `password` may come in, as `authorize` where that is another; waits
    /// out the delay of a failed attempt. `login` may name a user and their master.
    pub async fn password(
        &self,
        login: &[u8],
        password: &Secret,
        authorize: Option<&[u8]>,
        client: Client<'_>,
    ) -> Outcome {
        let (login, authorize) = self.with_master(login, authorize);
        let decide = async || self.decide(login, password, authorize, client).await;
        self.attempt(login, password, client, decide).await
    }

    /// Lets in who proved, by a secret, to be `login`.
    pub async fn proven(&self, login: &[u8], authorize: Option<&[u8]>, client: Client<'_>) -> Outcome {
        let (login, authorize) = self.with_master(login, authorize);
        self.admit_named(self.name(login), login, authorize, client).await
    }

    /// Lets in whom a certificate names. A master's separator in the name is none: nobody
    /// certified its parts.
    pub async fn vouched(&self, login: &[u8], authorize: Option<&[u8]>, client: Client<'_>) -> Outcome {
        self.admit_named(self.vouched_name(login), login, authorize, client).await
    }

    /// Notes that a proof was wrong, which came at `began`, and waits out the delay. What it
    /// proved cannot be seen, so each counts as a new guess.
    pub async fn disproven(&self, login: &[u8], client: Client<'_>, began: Instant) -> Refusal {
        static GUESSES: AtomicU64 = AtomicU64::new(0);
        let (login, _) = self.with_master(login, None);
        let proof = Secret::new(GUESSES.fetch_add(1, Ordering::Relaxed).to_ne_bytes().to_vec());
        match self.attempt_since(began, login, &proof, client, async || Err(Refusal::Credentials)).await {
            Err(refusal) => refusal,
            Ok(_) => Refusal::Credentials,
        }
    }

    async fn decide(
        &self,
        login: &[u8],
        password: &Secret,
        authorize: Option<&[u8]>,
        client: Client<'_>,
    ) -> Outcome {
        // PAM and other programs may take none for a password.
        if password.expose().is_empty() {
            client.trace.step(|| "an empty password lets nobody in".to_owned());
            return self.nobody(None, login, password, client).await;
        }
        let Ok(name) = self.name(login) else {
            client.trace.step(|| "that can be no user's name".to_owned());
            return self.nobody(None, login, password, client).await;
        };
        let query = asked(&name, Some(password), client);
        match self.other(&name, authorize) {
            None => match self.check(&self.users, query).await? {
                Checked::Right(user) => self.admit(*user, client),
                Checked::Wrong => Err(Refusal::Credentials),
                Checked::Unknown => self.nobody(Some(&name), login, password, client).await,
            },
            Some(target) => self.decide_for(&target, query, client).await,
        }
    }

    async fn admit_named(
        &self,
        name: Result<LoginName, BadName>,
        login: &[u8],
        authorize: Option<&[u8]>,
        client: Client<'_>,
    ) -> Outcome {
        let decide = async || match name {
            Ok(name) => self.admit_proven(&name, authorize, client).await,
            Err(_) => Err(Refusal::Credentials),
        };
        self.attempt(login, &Secret::new(Vec::new()), client, decide).await
    }

    async fn admit_proven(&self, name: &LoginName, authorize: Option<&[u8]>, client: Client<'_>) -> Outcome {
        let query = asked(name, None, client);
        if let Some(target) = self.other(name, authorize) {
            let (masters, found) = self.master(&target, query).await?.ok_or(Refusal::NotMaster)?;
            let master = user_of(found).ok_or(Refusal::Credentials)?;
            return self.act_for(masters, &target, &master, client).await;
        }
        match user_of(self.users.find(query).await.map_err(unavailable)?) {
            Some(user) => self.admit(user, client),
            None => Err(Refusal::Credentials),
        }
    }

    /// The last questions: may the user do this, and here?
    fn admit(&self, user: User, client: Client<'_>) -> Outcome {
        if !user.may_use(client.service) {
            client.trace.step(|| format!("{} may not use {}", user.name, client.service));
            return Err(Refusal::Disabled);
        }
        match &user.mailhost {
            Some(host) if !host.eq_ignore_ascii_case(&self.settings.hostname) => {
                client
                    .trace
                    .step(|| format!("the mail is on {host}, and this is {}", self.settings.hostname));
                Err(Refusal::Elsewhere { host: host.clone(), user: user.name })
            }
            _ => Ok(user),
        }
    }

    /// An attempt that begins now.
    async fn attempt(
        &self,
        login: &[u8],
        proof: &Secret,
        client: Client<'_>,
        decide: impl AsyncFnOnce() -> Outcome,
    ) -> Outcome {
        self.attempt_since(Instant::now(), login, proof, client, decide).await
    }

    /// A decision, counted and logged. A failure is delayed, until a time that does not depend on
    /// how long the decision took (see [`AnswerTime`]); a banned address gets no decision.
    async fn attempt_since(
        &self,
        began: Instant,
        login: &[u8],
        proof: &Secret,
        client: Client<'_>,
        decide: impl AsyncFnOnce() -> Outcome,
    ) -> Outcome {
        let Some(peer) = client.peer else { return decide().await };
        let account = self.account(login, peer);
        let unless_banned =
            || self.delays.check(peer, &account, Instant::now().into_std()).map_err(|_| Refusal::Banned);
        let mut answer_time = AnswerTime::since(began);
        let outcome = async {
            answer_time.begin_after(unless_banned()?).await;
            let outcome = decide().await;
            // Nor does it learn of those that were under way when the ban fell.
            unless_banned()?;
            outcome
        };
        let (outcome, service) = (outcome.await, client.service);
        match &outcome {
            Ok(user) => {
                tracing::debug!(user = ?user.name, %peer, service, "logged in");
                self.counters.accepted.add();
                self.delays.succeeded(peer, &account, Instant::now().into_std());
            }
            Err(Refusal::Credentials) => {
                self.counters.failed.add();
                tracing::info!("{}", failure_line(login, peer, service));
                let delay = self.delays.failed(peer, &account, proof, answer_time.began());
                answer_time.failed(delay).await;
            }
            // A ban has had its line in the log.
            Err(Refusal::Banned) => self.counters.banned.add(),
            Err(refusal) => {
                tracing::info!(user = %Shown(login), %peer, service, ?refusal, "log-in refused");
                if *refusal == Refusal::Unavailable {
                    self.counters.unavailable.add();
                    answer_time.undecided(self.delays.undecided(peer, answer_time.began())).await;
                } else {
                    self.counters.refused.add();
                }
            }
        }
        outcome
    }

    /// The asker of a password check, for its place in the queue.
    fn asker(&self, login: &[u8], peer: Option<IpAddr>) -> Asker {
        let Some(peer) = peer else { return self.hashes.asker(None, login, true) };
        let account = self.account(login, peer);
        let is_familiar = self.delays.is_familiar(peer, &account, Instant::now().into_std());
        self.hashes.asker(Some(peer), &account, is_familiar)
    }

    /// What failures are counted for: one account, however its name is written. A token may come
    /// without a name: then it is whoever is at the address.
    fn account(&self, login: &[u8], peer: IpAddr) -> Vec<u8> {
        if login.is_empty() {
            return peer.to_string().into_bytes();
        }
        self.name(login).map_or_else(|_| login.to_vec(), |name| name.full().as_bytes().to_vec())
    }

    fn name(&self, login: &[u8]) -> Result<LoginName, BadName> {
        LoginName::new(login, self.settings.default_domain.as_deref())
    }

    /// A name that somebody else vouches for, who may tell names apart that are one here: only
    /// the case of ASCII letters is passed over.
    fn vouched_name(&self, login: &[u8]) -> Result<LoginName, BadName> {
        let text = std::str::from_utf8(login).map_err(|_| BadName::NoText)?;
        if text.trim() != text || text.to_lowercase() != text.to_ascii_lowercase() {
            return Err(BadName::Characters);
        }
        self.name(login)
    }

    /// Looks a user up without a password.
    pub async fn lookup(&self, login: &str, client: Client<'_>) -> Result<Option<User>, Unavailable> {
        let Ok(name) = self.name(login.as_bytes()) else { return Ok(None) };
        Ok(user_of(self.users.find(asked(&name, None, client)).await?))
    }

    /// All users of all sources.
    pub async fn list(&self) -> Result<Vec<User>, Unavailable> {
        self.users.list().await
    }

    /// See [`Chain::names`].
    pub async fn names(&self) -> (BTreeSet<String>, Vec<Unavailable>) {
        self.users.names().await
    }

    /// Sources read their data again, and what was cached is forgotten.
    pub fn reload(&self) {
        self.users.sources().for_each(Source::reload);
        self.masters.iter().flat_map(|masters| masters.chain.sources()).for_each(Source::reload);
        self.cache.flush();
    }

    /// Forgets what is cached, of all users.
    pub fn flush(&self) {
        self.cache.flush();
    }

    /// Forgets what is cached of one user, under whatever name they were asked for.
    pub fn flush_user(&self, user: &str) -> Result<(), BadName> {
        let name = self.name(user.as_bytes())?;
        let is_theirs =
            |finding: &Finding| matches!(finding, Finding::Right(user) if user.name == name.full());
        self.cache.flush_user(name.full(), is_theirs);
        Ok(())
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Answers that the cache had since the last reload, and those that it had not.
    pub fn cache_hits_and_misses(&self) -> (u64, u64) {
        self.cache.hits_and_misses()
    }
}

fn asked<'a>(name: &'a LoginName, password: Option<&'a Secret>, client: Client<'a>) -> Query<'a> {
    let Client { peer, service, trace } = client;
    Query { name, password, service, peer, trace }
}

/// Who was found; nobody where a source refuses them without having looked at a password.
fn user_of(found: SourceAnswer) -> Option<User> {
    match found {
        SourceAnswer::Unknown | SourceAnswer::Checked(_, false) => None,
        SourceAnswer::Stored(user, _) | SourceAnswer::Checked(user, true) | SourceAnswer::Known(user) => {
            Some(user)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: Unavailable) -> Refusal {
    tracing::error!("{error}");
    Refusal::Unavailable
}

#[cfg(test)]
mod tests;
