//! A site's settings, as far as a session is concerned.

use crate::rights::Rights;
use codec::Limits;
use mail::SpecialUseNames;

/// How mailbox names look to clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamespaceStyle {
    /// Empty prefix, separator `/`; names that begin with `INBOX.` are understood too, with
    /// separator `.`, so that accounts set up for Courier go on working.
    Plain,
    /// Prefix `INBOX.`, separator `.`, as Courier.
    Courier,
}

/// A namespace beside the user's own (RFC 2342): its first level names one of its accounts.
#[derive(Clone, Debug)]
pub struct OtherNamespace {
    /// Whose mailboxes are in it.
    pub class: NamespaceClass,
    /// The first level of all names in it; without a separator, and not INBOX.
    pub root: String,
    /// Its accounts, by the names that users and the driver have for them, and what may be done
    /// there.
    pub accounts: Vec<(String, Rights)>,
}

/// Whose mailboxes are in a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NamespaceClass {
    /// Those of other users.
    OtherUsers,
    /// Shared ones, which are no user's.
    Shared,
}

/// Settings shared by all sessions; replaced as a whole on reload.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Sent in the greeting.
    pub hostname: String,
    /// Fields that ID answers with.
    pub id: Vec<(String, String)>,
    /// The user's own namespace.
    pub namespace: NamespaceStyle,
    /// All others.
    pub other_namespaces: Vec<OtherNamespace>,
    /// Names that say a mailbox's special use (RFC 6154), where nothing else is remembered of it.
    pub special_use_names: Vec<SpecialUseNames>,
    /// SASL mechanisms offered, names in upper case.
    pub mechanisms: Vec<String>,
    /// Limits before log-in.
    pub limits_before_login: Limits,
    /// Limits after log-in.
    pub limits: Limits,
    /// Bytes from the client before log-in, in all.
    pub bytes_before_login_max: u64,
    /// Time from the greeting to log-in, in milliseconds.
    pub login_timeout_ms: u64,
    /// Silence after log-in, in milliseconds; RFC 3501 section 5.4 wants 30 minutes or more.
    pub idle_timeout_ms: u64,
    /// Between two `* OK Still here` in IDLE, in milliseconds.
    pub idle_keepalive_ms: u64,
    /// Malformed commands in a row before the connection is closed (a count).
    pub bad_commands_max: u32,
    /// Failed log-ins before the connection is closed (a count).
    pub failed_logins_max: u32,
}
