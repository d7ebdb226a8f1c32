//! The decision: a name, a password and an address in, a user or a refusal out.

use crate::delay::Delays;
use crate::hash_pool::HashPool;
use crate::scheme;
use crate::secret::Secret;
use crate::source::{Found, Source, Unavailable, User};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Longest user name, in bytes.
const NAME_MAX: usize = 255;

/// Why nobody came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Unknown user or wrong password: the two are not told apart.
    Credentials,
    /// The user may not use this service.
    Disabled,
    /// A source did not answer, or too much is being checked already. Not the client's fault.
    Unavailable,
    /// The exchange was malformed; the text says how.
    Malformed(&'static str),
    /// The client gave up with `*`.
    Aborted,
}

/// How an attempt ended.
pub type Outcome = Result<User, Refusal>;

/// Asks the sources in order, checks passwords, delays failures.
pub struct Authenticator {
    sources: Vec<Box<dyn Source>>,
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
    pub fn new(sources: Vec<Box<dyn Source>>, default_domain: Option<String>, hashes_at_once: usize) -> Self {
        Self {
            sources,
            default_domain: default_domain.map(|domain| domain.to_ascii_lowercase()),
            hashes: HashPool::new(hashes_at_once),
            delays: Arc::default(),
            dummy: Secret::new(scheme::dummy().into_bytes()),
        }
    }

    /// Goes on where `earlier` was: an address that failed is not forgiven by a reload.
    #[must_use]
    pub fn succeeding(self, earlier: &Self) -> Self {
        Self { delays: earlier.delays.clone(), ..self }
    }

    /// Whether `login` with `password` may come in from `peer` for `service`; waits out the
    /// delay of a failed attempt. Never shows the password.
    pub async fn check(&self, login: &[u8], password: &Secret, peer: IpAddr, service: &str) -> Outcome {
        let outcome = self.decide(login, password, service).await;
        match &outcome {
            Ok(user) => {
                tracing::debug!(user = ?user.name, %peer, service, "logged in");
                self.delays.succeeded(peer);
            }
            Err(Refusal::Credentials) => {
                // Names are the client's text: escaped, so that no log line can be forged.
                tracing::info!(user = %login.escape_ascii(), %peer, service, "log-in failed");
                let delay = self.delays.failed(peer, login, password, Instant::now());
                tokio::time::sleep(delay).await;
            }
            Err(refusal) => {
                tracing::info!(user = %login.escape_ascii(), %peer, service, ?refusal, "log-in refused")
            }
        }
        outcome
    }

    async fn decide(&self, login: &[u8], password: &Secret, service: &str) -> Outcome {
        let found = match normalize(login) {
            Ok(name) => self.find(&name, Some(password)).await.map_err(|error| {
                tracing::error!("{error}");
                Refusal::Unavailable
            })?,
            Err(_) => Found::Unknown,
        };
        let (user, stored) = match found {
            Found::Checked(user, right) => return self.admit(user, right, service),
            Found::Hash(user, stored) => (Some(user), stored),
            Found::Unknown => (None, self.dummy.clone()),
        };
        let verified = self.hashes.verify(password, &stored).await.ok_or_else(|| {
            tracing::warn!("too many passwords are being checked: a log-in was refused as unavailable");
            Refusal::Unavailable
        })?;
        match (user, verified) {
            (Some(user), Ok(right)) => self.admit(user, right, service),
            (Some(user), Err(bad)) => {
                tracing::error!(user = ?user.name, "the stored password cannot be used: {bad}");
                Err(Refusal::Credentials)
            }
            (None, _) => Err(Refusal::Credentials),
        }
    }

    fn admit(&self, user: User, right: bool, service: &str) -> Outcome {
        if !right {
            return Err(Refusal::Credentials);
        }
        if user.disabled_services.iter().any(|disabled| disabled == service) {
            return Err(Refusal::Disabled);
        }
        Ok(user)
    }

    /// Asks for the name with its domain, then for the bare name where the domain is the
    /// default one. The user's canonical name is what was asked for with its domain.
    async fn find(&self, name: &str, password: Option<&Secret>) -> Result<Found, Unavailable> {
        let full = match (&self.default_domain, name.contains('@')) {
            (Some(domain), false) => format!("{name}@{domain}"),
            _ => name.to_owned(),
        };
        let bare = match (&self.default_domain, full.split_once('@')) {
            (Some(default), Some((bare, domain))) if domain == default => Some(bare),
            _ => None,
        };
        for source in &self.sources {
            for asked in std::iter::once(full.as_str()).chain(bare) {
                match source.find(asked, password).await? {
                    Found::Unknown => {}
                    Found::Hash(user, stored) => return Ok(Found::Hash(User { name: full, ..user }, stored)),
                    Found::Checked(user, right) => {
                        return Ok(Found::Checked(User { name: full, ..user }, right));
                    }
                }
            }
        }
        Ok(Found::Unknown)
    }

    /// Looks a user up without a password.
    pub async fn lookup(&self, login: &str) -> Result<Option<User>, Unavailable> {
        let Ok(name) = normalize(login.as_bytes()) else { return Ok(None) };
        Ok(match self.find(&name, None).await? {
            Found::Unknown => None,
            Found::Hash(user, _) | Found::Checked(user, _) => Some(user),
        })
    }

    /// All users of all sources.
    pub async fn list(&self) -> Result<Vec<User>, Unavailable> {
        let mut users = Vec::new();
        for source in &self.sources {
            users.extend(source.list().await?);
        }
        Ok(users)
    }

    /// Sources read their data again.
    pub fn reload(&self) {
        self.sources.iter().for_each(|source| source.reload());
    }
}

/// A user name as it is looked up: lower case, and nothing in it that a path, a query or a log
/// could take for more than a name.
pub(crate) fn normalize(login: &[u8]) -> Result<String, &'static str> {
    let name = std::str::from_utf8(login).map_err(|_| "it is no UTF-8")?.trim().to_lowercase();
    if name.is_empty() || name.len() > NAME_MAX {
        return Err("it is empty or too long");
    }
    let (local, domain) = name.split_once('@').unwrap_or((&name, "x"));
    let clean = |part: &str| {
        let forbidden =
            |c: char| c.is_control() || c.is_whitespace() || "/\\%:*?\"'`$|<>&;()[]{}#!,=~^@".contains(c);
        !part.is_empty() && !part.starts_with('.') && !part.contains("..") && !part.contains(forbidden)
    };
    if clean(local) && clean(domain) { Ok(name) } else { Err("it has characters that names cannot have") }
}

#[cfg(test)]
mod tests;
