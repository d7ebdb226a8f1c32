//! SASL mechanisms as exchanges without I/O: bytes in, challenge or credentials out.

use crate::scheme::PASSWORD_MAX;
use crate::secret::Secret;

/// Longest user name, in bytes.
const NAME_MAX: usize = 512;

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
    awaits: Awaits,
}

/// What the next response is.
#[derive(Debug)]
enum Awaits {
    /// PLAIN's only message.
    Plain,
    LoginUser,
    LoginPassword(Vec<u8>),
    /// Nothing: it is over.
    Nothing,
}

/// What an exchange wants next.
#[derive(Debug)]
pub enum Progress {
    /// Send these bytes as a challenge and come back with the response.
    Challenge(Vec<u8>),
    /// Check these credentials.
    Credentials {
        /// Who wants to come in.
        user: Vec<u8>,
        /// And the proof.
        password: Secret,
        /// An authorization identity other than the user.
        authorize: Option<Vec<u8>>,
    },
    /// The message is malformed; the exchange is over.
    Malformed(&'static str),
}

impl Exchange {
    /// Begins an exchange; `initial` is the initial response, if one came (RFC 4959).
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> (Self, Progress) {
        let (awaits, challenge): (_, &[u8]) = match mechanism {
            Mechanism::Plain => (Awaits::Plain, b""),
            Mechanism::Login => (Awaits::LoginUser, b"Username:"),
        };
        let mut exchange = Self { awaits };
        let progress = match initial {
            Some(initial) => exchange.respond(initial),
            None => Progress::Challenge(challenge.to_vec()),
        };
        (exchange, progress)
    }

    /// Takes the client's response to the last challenge.
    pub fn respond(&mut self, response: &[u8]) -> Progress {
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::Plain => plain(response),
            Awaits::LoginUser => {
                self.awaits = Awaits::LoginPassword(response.to_vec());
                Progress::Challenge(b"Password:".to_vec())
            }
            Awaits::LoginPassword(user) => credentials(b"", &user, response),
            Awaits::Nothing => Progress::Malformed("The exchange is over"),
        }
    }
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616).
fn plain(message: &[u8]) -> Progress {
    let parts: Vec<&[u8]> = message.split(|b| *b == 0).collect();
    match parts[..] {
        [authorize, user, password] => credentials(authorize, user, password),
        _ => Progress::Malformed("Expected authorization identity, user and password parted by NUL"),
    }
}

fn credentials(authorize: &[u8], user: &[u8], password: &[u8]) -> Progress {
    if user.is_empty() || password.is_empty() {
        return Progress::Malformed("User name and password cannot be empty");
    }
    if user.len() > NAME_MAX || authorize.len() > NAME_MAX || password.len() > PASSWORD_MAX {
        return Progress::Malformed("User name or password is too long");
    }
    let authorize = (!authorize.is_empty() && authorize != user).then(|| authorize.to_vec());
    Progress::Credentials { user: user.to_vec(), password: Secret::new(password.to_vec()), authorize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(progress: &Progress) -> String {
        match progress {
            Progress::Challenge(bytes) => format!("challenge {}", bytes.escape_ascii()),
            Progress::Credentials { user, password, authorize } => format!(
                "{} {} {}",
                user.escape_ascii(),
                password.expose().escape_ascii(),
                authorize.as_deref().map_or("-".to_owned(), |a| a.escape_ascii().to_string())
            ),
            Progress::Malformed(_) => "malformed".to_owned(),
        }
    }

    fn check(mechanism: Mechanism, initial: Option<&[u8]>, responses: &[&[u8]], expected: &[&str]) {
        let (mut exchange, first) = Exchange::begin(mechanism, initial);
        let mut all = vec![text(&first)];
        all.extend(responses.iter().map(|response| text(&exchange.respond(response))));
        assert_eq!(all, expected);
    }

    #[test]
    fn exchanges() {
        check(Mechanism::Plain, Some(b"\0anna\0pw"), &[], &["anna pw -"]);
        check(Mechanism::Plain, None, &[b"\0anna\0pw"], &["challenge ", "anna pw -"]);
        check(Mechanism::Plain, Some(b"anna\0anna\0pw"), &[], &["anna pw -"]);
        check(Mechanism::Plain, Some(b"root\0anna\0pw"), &[], &["anna pw root"]);
        check(
            Mechanism::Login,
            None,
            &[b"anna", b"pw"],
            &["challenge Username:", "challenge Password:", "anna pw -"],
        );
        check(Mechanism::Login, Some(b"anna"), &[b"pw"], &["challenge Password:", "anna pw -"]);
    }

    #[test]
    fn security_09_bad_messages_end_the_exchange() {
        for message in
            [&b""[..], b"\0", b"\0\0", b"\0anna", b"\0anna\0", b"\0\0pw", b"a\0b\0c\0d", &[b'x'; 100_000]]
        {
            check(Mechanism::Plain, Some(message), &[b"\0anna\0pw"], &["malformed", "malformed"]);
        }
        check(Mechanism::Login, Some(b""), &[b""], &["challenge Password:", "malformed"]);
        check(Mechanism::Login, Some(b"a"), &[b"b", b"c"], &["challenge Password:", "a b -", "malformed"]);
        check(Mechanism::Plain, Some(b"\0\xff\xfe\0pw"), &[], &["\\xff\\xfe pw -"]);
    }
}
