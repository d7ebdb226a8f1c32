//! The decision: a name, a password and an address in, a user or a refusal out.

use crate::chain::{Chain, Link};
use crate::delay::{self, Delays};
use crate::failure_line::failure_line;
use crate::hash_pool::HashPool;
use crate::login_name::{BadName, LoginName};
use crate::scheme;
use crate::secret::Secret;
use crate::source::{Found, Query, Source, Unavailable, User};
use crate::trace::Trace;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Why nobody came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Unknown user or wrong password: the two are not told apart.
    Credentials,
    /// The user may not use this service.
    Disabled,
    /// A source did not answer, or too much is being checked already. Not the client's fault.
    Unavailable,
    /// Too many failures came from the address.
    Banned,
    /// The exchange was malformed; the text says how.
    Malformed(&'static str),
    /// The client gave up with `*`.
    Aborted,
}

/// How an attempt ended.
pub type Outcome = Result<User, Refusal>;

/// Asks the sources in order, checks passwords, delays failures.
pub struct Authenticator {
    chain: Chain,
    default_domain: Option<String>,
    hashes: HashPool,
    /// Shared with the authenticator that replaces this one.
    delays: Arc<Delays>,
    /// Checked for users who are not there, so that they cost what others cost.
    dummy: Secret,
}

impl Authenticator {
    /// An authenticator over sources, asked in that order. `default_domain` is added to names
    /// without `@`; at most `hashes_at_once` passwords are checked at a time.
    pub fn new(links: Vec<Link>, default_domain: Option<String>, hashes_at_once: usize) -> Self {
        let default_domain = default_domain.map(|domain| domain.to_lowercase());
        Self {
            chain: Chain::new(links, default_domain.clone()),
            default_domain,
            hashes: HashPool::new(hashes_at_once),
            delays: Arc::default(),
            dummy: Secret::new(scheme::dummy().into_bytes()),
        }
    }

    /// Delays and bans by these settings.
    #[must_use]
    pub fn with_delays(self, settings: delay::Settings) -> Self {
        Self { delays: Arc::new(Delays::new(settings)), ..self }
    }

    /// Goes on where `earlier` was: an address that failed is not forgiven by a reload.
    #[must_use]
    pub fn succeeding(self, earlier: &Self) -> Self {
        earlier.delays.configure(self.delays.settings());
        Self { delays: earlier.delays.clone(), ..self }
    }

    /// Whether `login` with `password` may come in from `peer` for `service`; waits out the
    /// delay of a failed attempt. Never shows the password.
    pub async fn check(&self, login: &[u8], password: &Secret, peer: IpAddr, service: &str) -> Outcome {
        let outcome = self.unless_banned(login, password, peer, service).await;
        match &outcome {
            Ok(user) => {
                tracing::debug!(user = ?user.name, %peer, service, "logged in");
                self.delays.succeeded(peer, &self.account(login), Instant::now());
            }
            Err(Refusal::Credentials) => {
                tracing::info!("{}", failure_line(login, peer, service));
                let delay = self.delays.failed(peer, &self.account(login), password, Instant::now());
                tokio::time::sleep(delay).await;
            }
            // A ban has had its line in the log.
            Err(Refusal::Banned) => {}
            Err(refusal) => {
                // Names are the client's text: escaped, so that no log line can be forged.
                tracing::info!(user = %login.escape_ascii(), %peer, service, ?refusal, "log-in refused")
            }
        }
        outcome
    }

    /// The decision, which a banned address does not get. Nor does it learn of those that were
    /// under way when the ban fell: guesses in parallel gain nothing.
    async fn unless_banned(&self, login: &[u8], password: &Secret, peer: IpAddr, service: &str) -> Outcome {
        let account = self.account(login);
        let check = || self.delays.check(peer, &account, Instant::now()).map_err(|_| Refusal::Banned);
        tokio::time::sleep(check()?).await;
        let outcome = self.decide(login, password, peer, service).await;
        check()?;
        outcome
    }

    async fn decide(&self, login: &[u8], password: &Secret, peer: IpAddr, service: &str) -> Outcome {
        let Ok(name) = self.name(login) else {
            return self.nobody(password).await;
        };
        let query =
            Query { name: &name, password: Some(password), service, peer: Some(peer), trace: Trace::OFF };
        let found = self.chain.find(query).await.map_err(|error| {
            tracing::error!("{error}");
            Refusal::Unavailable
        })?;
        match found {
            Found::Unknown => self.nobody(password).await,
            Found::Checked(user, right) => admit(user, right, service),
            Found::Stored(user, stored) => {
                let right = self.matches(password, &stored, &user.name).await?;
                admit(user, right, service)
            }
            Found::Known(user) => {
                tracing::error!(user = ?user.name, "its source checked no password");
                Err(Refusal::Unavailable)
            }
        }
    }

    /// Whoever is not there costs what others cost.
    async fn nobody(&self, password: &Secret) -> Outcome {
        self.matches(password, std::slice::from_ref(&self.dummy), "").await?;
        Err(Refusal::Credentials)
    }

    /// Whether one of the stored passwords matches.
    async fn matches(&self, password: &Secret, stored: &[Secret], user: &str) -> Result<bool, Refusal> {
        for stored in stored {
            let verified = self.hashes.verify(password, stored).await.ok_or_else(|| {
                tracing::warn!("too many passwords are being checked: a log-in was refused as unavailable");
                Refusal::Unavailable
            })?;
            match verified {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(bad) => tracing::error!(user, "the stored password cannot be used: {bad}"),
            }
        }
        Ok(false)
    }

    /// What failures are counted for: one account, however its name is written.
    fn account(&self, login: &[u8]) -> Vec<u8> {
        self.name(login).map_or_else(|_| login.to_vec(), |name| name.full().as_bytes().to_vec())
    }

    fn name(&self, login: &[u8]) -> Result<LoginName, BadName> {
        LoginName::new(login, self.default_domain.as_deref())
    }

    /// Looks a user up without a password.
    pub async fn lookup(&self, login: &str) -> Result<Option<User>, Unavailable> {
        let Ok(name) = self.name(login.as_bytes()) else { return Ok(None) };
        let query = Query { name: &name, password: None, service: "imap", peer: None, trace: Trace::OFF };
        Ok(match self.chain.find(query).await? {
            Found::Unknown => None,
            Found::Stored(user, _) | Found::Checked(user, _) | Found::Known(user) => Some(user),
        })
    }

    /// All users of all sources.
    pub async fn list(&self) -> Result<Vec<User>, Unavailable> {
        self.chain.list().await
    }

    /// Sources read their data again.
    pub fn reload(&self) {
        self.chain.sources().for_each(Source::reload);
    }
}

/// The last question: may the user do this?
fn admit(user: User, right: bool, service: &str) -> Outcome {
    match (right, user.may_use(service)) {
        (false, _) => Err(Refusal::Credentials),
        (true, false) => Err(Refusal::Disabled),
        (true, true) => Ok(user),
    }
}

#[cfg(test)]
mod tests;
