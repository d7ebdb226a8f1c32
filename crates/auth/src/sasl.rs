//! SASL mechanisms as exchanges without I/O: bytes in, challenge or credentials out.
//!
//! Mechanisms that prove a password without showing it ask for what is stored
//! ([`Progress::Stored`]); the caller looks the user up and answers with [`Exchange::stored`].

mod cram_md5;
mod external;
mod gs2;
mod login;
mod oauth;
mod plain;
mod scram;

use crate::random::fill;
use crate::scheme::scram::SALT_LENGTH;
use crate::scheme::scram_hash::Hash;
use crate::secret::Secret;
use cram_md5::CramMd5;
use data_encoding::BASE64;
use scram::Scram;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// Longest user name, in bytes.
const NAME_MAX: usize = 512;

/// A mechanism that can be offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "named as registered")]
pub enum Mechanism {
    ScramSha256Plus,
    ScramSha1Plus,
    ScramSha256,
    ScramSha1,
    External,
    OAuthBearer,
    XOAuth2,
    Plain,
    Login,
    CramMd5,
}

impl Mechanism {
    /// All, in the order they are offered.
    pub const ALL: &[Self] = &[
        Self::ScramSha256Plus,
        Self::ScramSha1Plus,
        Self::ScramSha256,
        Self::ScramSha1,
        Self::External,
        Self::OAuthBearer,
        Self::XOAuth2,
        Self::Plain,
        Self::Login,
        Self::CramMd5,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha1Plus => "SCRAM-SHA-1-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::External => "EXTERNAL",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
        }
    }

    /// By its name, any case.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|m| m.name().eq_ignore_ascii_case(name))
    }
}

/// What a connection offers for channel binding. Empty without TLS, and where no mechanism
/// with -PLUS is offered: with it, a client that says it saw none is refused as deceived.
#[derive(Clone, Default)]
pub struct Binding {
    /// RFC 9266: 32 bytes exported from TLS 1.3.
    pub tls_exporter: Option<Vec<u8>>,
    /// RFC 5929 section 4: the hash of the server's certificate.
    pub tls_server_end_point: Option<Vec<u8>>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Binding")
    }
}

impl Binding {
    /// Whether there is none of any type.
    pub fn is_empty(&self) -> bool {
        self.tls_exporter.is_none() && self.tls_server_end_point.is_none()
    }

    /// The data of the type with that registered name.
    fn data(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.tls_exporter.as_deref(),
            "tls-server-end-point" => self.tls_server_end_point.as_deref(),
            _ => None,
        }
    }
}

/// One client's exchange; by default one that is over.
#[derive(Debug, Default)]
pub struct Exchange {
    awaits: Awaits,
}

/// What comes next.
#[derive(Debug, Default)]
enum Awaits {
    /// PLAIN's only message.
    Plain,
    LoginUser,
    LoginPassword(Vec<u8>),
    External,
    OAuthBearer,
    XOAuth2,
    /// Whether the token is good: nothing comes, or [`Exchange::refuse_token`].
    TokenChecked,
    /// What clients send after a token's refusal.
    TokenDummy,
    CramMd5(CramMd5),
    CramMd5Stored(CramMd5),
    ScramFirst(Box<Scram>),
    ScramStored(Box<Scram>),
    ScramLast(Box<Scram>),
    /// The empty response to the server's signature.
    ScramEnd(Box<Scram>),
    /// Nothing: it is over.
    #[default]
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
    /// Look the user up without a password, and go on with [`Exchange::stored`].
    Stored {
        /// Who wants to come in.
        user: Vec<u8>,
        /// An authorization identity other than the user.
        authorize: Option<Vec<u8>>,
    },
    /// The client knows the password; the exchange is over.
    Proven {
        /// Who wants to come in.
        user: Vec<u8>,
        /// An authorization identity other than the user.
        authorize: Option<Vec<u8>>,
    },
    /// The proof is wrong, or the user or a stored password that serves is not there.
    Failed {
        /// Who wanted to come in.
        user: Vec<u8>,
    },
    /// Check this token; one that is refused goes on with [`Exchange::refuse_token`].
    Token {
        /// The user that was named, if one was.
        user: Option<Vec<u8>>,
        /// The bearer token.
        token: Secret,
    },
    /// The client has heard why its token was refused; the exchange is over.
    TokenRefused,
    /// Take the user from the client's certificate.
    External {
        /// Whom to act as, if that was said.
        authorize: Option<Vec<u8>>,
    },
    /// The message is malformed; the exchange is over.
    Malformed(&'static str),
}

impl Exchange {
    /// Begins an exchange; `initial` is the initial response, if one came (RFC 4959).
    pub fn begin(mechanism: Mechanism, initial: Option<&[u8]>, binding: &Binding) -> (Self, Progress) {
        let scram = |hash, plus| Scram::new(hash, plus, binding).map(|s| Awaits::ScramFirst(Box::new(s)));
        let awaits = match mechanism {
            Mechanism::Plain => Some(Awaits::Plain),
            Mechanism::Login => Some(Awaits::LoginUser),
            Mechanism::External => Some(Awaits::External),
            Mechanism::OAuthBearer => Some(Awaits::OAuthBearer),
            Mechanism::XOAuth2 => Some(Awaits::XOAuth2),
            Mechanism::CramMd5 => CramMd5::new().map(Awaits::CramMd5),
            Mechanism::ScramSha1 => scram(Hash::Sha1, false),
            Mechanism::ScramSha1Plus => scram(Hash::Sha1, true),
            Mechanism::ScramSha256 => scram(Hash::Sha256, false),
            Mechanism::ScramSha256Plus => scram(Hash::Sha256, true),
        };
        let Some(awaits) = awaits else {
            return (Self::default(), Progress::Malformed("There is no randomness"));
        };
        let mut exchange = Self { awaits };
        let progress = match (initial, &exchange.awaits) {
            (Some(_), Awaits::CramMd5(_)) => {
                exchange.awaits = Awaits::Nothing;
                Progress::Malformed("CRAM-MD5 has no initial response")
            }
            (Some(initial), _) => exchange.respond(initial),
            (None, Awaits::CramMd5(cram)) => Progress::Challenge(cram.challenge()),
            (None, Awaits::LoginUser) => Progress::Challenge(login::USER.to_vec()),
            (None, _) => Progress::Challenge(Vec::new()),
        };
        (exchange, progress)
    }

    /// Takes the client's response to the last challenge.
    pub fn respond(&mut self, response: &[u8]) -> Progress {
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::Plain => plain::message(response),
            Awaits::LoginUser => match login::user(response) {
                Ok(user) => {
                    self.awaits = Awaits::LoginPassword(user);
                    Progress::Challenge(login::PASSWORD.to_vec())
                }
                Err(progress) => progress,
            },
            Awaits::LoginPassword(user) => login::password(&user, response),
            Awaits::External => external::message(response),
            Awaits::OAuthBearer => self.token(oauth::bearer(response)),
            Awaits::XOAuth2 => self.token(oauth::xoauth2(response)),
            Awaits::TokenDummy => Progress::TokenRefused,
            Awaits::CramMd5(mut cram) => {
                let progress = cram.respond(response);
                self.ask(progress, Awaits::CramMd5Stored(cram))
            }
            Awaits::ScramFirst(mut scram) => {
                let progress = scram.first(response);
                self.ask(progress, Awaits::ScramStored(scram))
            }
            Awaits::ScramLast(mut scram) => match scram.last(response) {
                Ok(signature) => {
                    self.awaits = Awaits::ScramEnd(scram);
                    Progress::Challenge(signature)
                }
                Err(progress) => progress,
            },
            Awaits::ScramEnd(scram) => scram.end(response),
            Awaits::TokenChecked | Awaits::CramMd5Stored(_) | Awaits::ScramStored(_) | Awaits::Nothing => {
                Progress::Malformed("The exchange is over")
            }
        }
    }

    /// For whom the next [`Exchange::respond`] may hash for milliseconds, if it may.
    pub(crate) fn costly_for(&self) -> Option<&[u8]> {
        match &self.awaits {
            Awaits::ScramLast(scram) if scram.is_costly() => Some(scram.user()),
            _ => None,
        }
    }

    /// Answers [`Progress::Stored`]: what is stored for the user; `None` if there is no such
    /// user. `account` is theirs, however they wrote its name. At any other time the exchange
    /// ends.
    pub fn stored(&mut self, account: &[u8], secrets: Option<&[Secret]>) -> Progress {
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::CramMd5Stored(cram) => cram.stored(secrets),
            Awaits::ScramStored(mut scram) => {
                let progress = scram.stored(account, secrets);
                self.awaits = Awaits::ScramLast(scram);
                progress
            }
            _ => Progress::Malformed("Nothing was asked for"),
        }
    }

    /// Answers [`Progress::Token`] with a no: `json` goes out as a challenge (RFC 7628 section
    /// 3.2.2), and whatever comes back ends the exchange. At any other time it ends at once.
    pub fn refuse_token(&mut self, json: &str) -> Progress {
        match std::mem::replace(&mut self.awaits, Awaits::Nothing) {
            Awaits::TokenChecked => {
                self.awaits = Awaits::TokenDummy;
                Progress::Challenge(json.as_bytes().to_vec())
            }
            _ => Progress::Malformed("Nothing was asked for"),
        }
    }

    fn token(&mut self, progress: Progress) -> Progress {
        if matches!(progress, Progress::Token { .. }) {
            self.awaits = Awaits::TokenChecked;
        }
        progress
    }

    fn ask(&mut self, progress: Progress, then: Awaits) -> Progress {
        if matches!(progress, Progress::Stored { .. }) {
            self.awaits = then;
        }
        progress
    }
}

/// 144 bits of the system's randomness as text without comma.
fn random_text() -> Option<String> {
    let mut bytes = [0_u8; 18];
    fill(&mut bytes).ok().map(|()| BASE64.encode(&bytes))
}

/// A salt for a user who has none: the same for a name as long as the process lives.
fn invented(purpose: &[u8], user: &[u8]) -> Vec<u8> {
    static KEY: OnceLock<Zeroizing<[u8; 32]>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut key = Zeroizing::new([0; 32]);
        // Exchanges that come here had randomness a moment ago.
        let _ = fill(&mut key[..]);
        key
    });
    let mut salt = Hash::Sha256.hmac(&key[..], &[purpose, b"\0", user].concat());
    salt.truncate(SALT_LENGTH);
    salt
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
            Progress::Token { .. } => "token".to_owned(),
            Progress::TokenRefused => "refused".to_owned(),
            Progress::External { authorize } => format!("external {authorize:?}"),
            Progress::Failed { user } => format!("failed {}", user.escape_ascii()),
            Progress::Stored { .. } | Progress::Proven { .. } => "a user".to_owned(),
        }
    }

    fn check(mechanism: Mechanism, initial: Option<&[u8]>, responses: &[&[u8]], expected: &[&str]) {
        let (mut exchange, first) = Exchange::begin(mechanism, initial, &Binding::default());
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

    #[test]
    fn a_refused_token_is_told_and_then_it_is_over() {
        let message = b"user=anna\x01auth=Bearer abc\x01\x01";
        let (mut exchange, first) = Exchange::begin(Mechanism::XOAuth2, Some(message), &Binding::default());
        assert_eq!(text(&first), "token");
        assert_eq!(text(&exchange.refuse_token("{}")), "challenge {}");
        assert_eq!(text(&exchange.respond(b"\x01")), "refused");
        assert_eq!(text(&exchange.respond(b"")), "malformed");
    }

    #[test]
    fn security_15_nothing_is_proven_out_of_turn() {
        for mechanism in Mechanism::ALL {
            let (mut exchange, _) = Exchange::begin(*mechanism, None, &Binding::default());
            assert_eq!(text(&exchange.stored(b"", None)), "malformed", "{mechanism:?}");
            assert_eq!(text(&exchange.respond(b"")), "malformed", "{mechanism:?}");
        }
    }
}
