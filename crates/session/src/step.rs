//! What passes between a session and its driver.

use std::sync::Arc;
use store::Account;
use zeroize::Zeroizing;

/// The time, as the driver sees it when it calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; only differences count.
    pub monotonic_ms: u64,
    /// Seconds since 1970.
    pub unix: i64,
}

/// What a session knows of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    /// TLS is on.
    pub tls: bool,
    /// STARTTLS can be offered: a certificate is there and TLS is off.
    pub starttls: bool,
    /// A password may come without TLS: the peer's network is named in the configuration.
    pub cleartext_allowed: bool,
    /// The client showed a certificate: EXTERNAL can be offered.
    pub certificate: bool,
    /// Log-ins can be bound to this TLS connection: mechanisms with -PLUS can be offered.
    pub channel_binding: bool,
}

/// What the driver does next.
#[derive(Debug)]
pub enum Step {
    /// Write the bytes, then step again. At most some 64 KiB, but for single long lines.
    Write(Vec<u8>),
    /// Wait for bytes, then feed them; at the deadline (monotonic milliseconds) step again.
    Read {
        /// In milliseconds of [`Now::monotonic_ms`].
        deadline_ms: u64,
    },
    /// Wait for bytes or the session's wake, whichever is first; at the deadline step again.
    Watch {
        /// In milliseconds of [`Now::monotonic_ms`].
        deadline_ms: u64,
    },
    /// Call [`crate::Machine::work`] where blocking is allowed, then step again.
    Work,
    /// Check this, then [`crate::Machine::answer`]. Bytes that come meanwhile wait.
    Authenticate(Attempt),
    /// Open the account of this name, as that of a user who logs in, then [`crate::Machine::opened`].
    /// Bytes that come meanwhile wait.
    Open(String),
    /// Everything is written: from the next byte on, bytes mean something else.
    Transport(Transport),
    /// Everything is written: close.
    Close,
}

/// A change of what bytes mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Throw away what was read, shake hands, then [`crate::Machine::tls_started`].
    StartTls,
}

/// Something to be checked by whoever knows the users.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are the commands' arguments")]
pub enum Attempt {
    /// A command with a password; its name is for the log.
    Password { command: &'static str, user: Vec<u8>, password: Zeroizing<Vec<u8>> },
    /// An exchange (SASL) begins.
    Begin { mechanism: String, initial: Option<Zeroizing<Vec<u8>>> },
    /// The client's response to a challenge.
    Respond(Zeroizing<Vec<u8>>),
    /// The client gave up, or sent something that is no base64: forget the exchange.
    Abort,
}

/// The driver's answer to an [`Attempt`].
#[derive(Debug)]
pub enum Verdict {
    /// Come in.
    Accepted(Box<Accepted>),
    /// Send this challenge; the response comes as [`Attempt::Respond`].
    Challenge(Vec<u8>),
    /// Nobody comes in.
    Refused(Refused),
    /// The user may come in, but their mail is on another host: refer the client to it.
    Elsewhere(Elsewhere),
}

/// Where a user's mail is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// The host, as the user source names it.
    pub host: String,
    /// Canonical user name, which is the one to log in with there.
    pub user: String,
}

/// Who came in.
#[derive(Debug)]
pub struct Accepted {
    /// Canonical user name.
    pub user: String,
    /// The user's mail.
    pub account: Arc<Account>,
}

/// Why nobody came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// NO [AUTHENTICATIONFAILED].
    Credentials,
    /// NO [UNAVAILABLE]: a temporary failure, never "wrong password".
    Unavailable,
    /// NO [CONTACTADMIN]: known and right, but there is no Maildir or it cannot be opened. The
    /// text is for the client.
    NoMaildir(String),
    /// NO [AUTHORIZATIONFAILED]: may not use this service, or act for that user.
    Forbidden(String),
    /// NO [LIMIT] as an ALERT that names the limit.
    TooMany(String),
    /// NO [CANNOT]: no such mechanism.
    NoMechanism,
    /// BAD: malformed, or given up by the client.
    Malformed(String),
}

/// Why an account that is not the user's own was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotOpened {
    /// NO [NONEXISTENT]: there is none of that name.
    NonExistent,
    /// NO [UNAVAILABLE]: it cannot be opened now. The driver has logged why.
    Unavailable,
}

/// What a session did, for its last log line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Canonical user name, after log-in.
    pub user: Option<String>,
    /// Commands read, malformed ones included.
    pub commands: u64,
    /// Failed log-ins.
    pub failed_logins: u32,
    /// The client's ID (RFC 2971), name and version, escaped for a log.
    pub client: Option<String>,
    /// Why the session ended, in words; `None` while it lasts.
    pub ended: Option<&'static str>,
}
