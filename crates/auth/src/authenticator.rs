//! The decision: a name, a password and an address in, a user or a refusal out.

use crate::secret::Secret;
use crate::source::{Source, User};
use std::net::IpAddr;

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
}

impl Authenticator {
    /// An authenticator over sources, asked in that order. `default_domain` is added to names
    /// without `@`.
    pub fn new(sources: Vec<Box<dyn Source>>, default_domain: Option<String>) -> Self {
        Self { sources, default_domain }
    }

    /// Whether `login` with `password` may come in from `peer` for `service`; waits out the
    /// delay of a failed attempt. Never shows the password.
    pub async fn check(&self, login: &[u8], password: &Secret, peer: IpAddr, service: &str) -> Outcome {
        let _ = (login, password, peer, service, &self.sources, &self.default_domain);
        todo!()
    }

    /// Looks a user up without a password.
    pub async fn lookup(&self, login: &str) -> Result<Option<User>, crate::Unavailable> {
        let _ = login;
        todo!()
    }

    /// All users of all sources.
    pub async fn list(&self) -> Result<Vec<User>, crate::Unavailable> {
        todo!()
    }

    /// Sources read their data again.
    pub fn reload(&self) {
        self.sources.iter().for_each(|source| source.reload());
    }
}
