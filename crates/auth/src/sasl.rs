//! SASL mechanisms as exchanges without I/O: bytes in, challenge or credentials out.

use crate::secret::Secret;

/// A mechanism that can be offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "named as registered")]
pub enum Mechanism {
    Plain,
    Login,
}

impl Mechanism {
    /// All, in the order they are offered.
    pub const ALL: &[Self] = &[Self::Plain, Self::Login];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// By its name, any case.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|m| m.name().eq_ignore_ascii_case(name))
    }
}

/// One client's exchange.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
}

/// What an exchange wants next.
#[derive(Debug)]
pub enum Progress {
    /// Send these bytes as a challenge and come back with the response.
    Challenge(Vec<u8>),
    /// Check these credentials. `authorize` is an authorization identity other than the user.
    Credentials { user: Vec<u8>, password: Secret, authorize: Option<Vec<u8>> },
    /// The message is malformed; the exchange is over.
    Malformed(&'static str),
}

impl Exchange {
    /// Begins an exchange; `initial` is the initial response, if one came (RFC 4959).
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Progress) {
        let _ = (mechanism, initial);
        todo!()
    }

    /// Takes the client's response to the last challenge.
    pub fn respond(&mut self, response: &[u8]) -> Progress {
        let _ = (response, self.mechanism);
        todo!()
    }
}
