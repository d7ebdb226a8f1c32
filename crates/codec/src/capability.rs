//! The capability table: what each is called and where it stands.

/// A capability of the server. One row of [`TABLE`] each; what a session shows also depends
/// on its state (before TLS, before log-in), which the session decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// As sent.
    pub name: &'static str,
    /// Where it is specified.
    pub rfc: u16,
    /// When it is shown.
    pub shown: Shown,
}

/// When a capability is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// In every state.
    Always,
    /// Only after log-in, as the list is long.
    LoggedIn,
}

/// Every capability that does not depend on the site's settings or on TLS, in the order they
/// are sent. STARTTLS, LOGINDISABLED, AUTH= and APPENDLIMIT= are the session's.
pub const TABLE: &[Capability] = &[
    Capability { name: "IMAP4rev1", rfc: 3501, shown: Shown::Always },
    Capability { name: "SASL-IR", rfc: 4959, shown: Shown::Always },
    Capability { name: "LITERAL+", rfc: 7888, shown: Shown::Always },
    Capability { name: "ID", rfc: 2971, shown: Shown::Always },
    Capability { name: "ENABLE", rfc: 5161, shown: Shown::Always },
    Capability { name: "IDLE", rfc: 2177, shown: Shown::Always },
    Capability { name: "NAMESPACE", rfc: 2342, shown: Shown::LoggedIn },
    Capability { name: "CHILDREN", rfc: 3348, shown: Shown::LoggedIn },
    Capability { name: "UNSELECT", rfc: 3691, shown: Shown::LoggedIn },
    Capability { name: "UIDPLUS", rfc: 4315, shown: Shown::LoggedIn },
    Capability { name: "MOVE", rfc: 6851, shown: Shown::LoggedIn },
    Capability { name: "SPECIAL-USE", rfc: 6154, shown: Shown::LoggedIn },
    Capability { name: "ESEARCH", rfc: 4731, shown: Shown::LoggedIn },
    Capability { name: "WITHIN", rfc: 5032, shown: Shown::LoggedIn },
    Capability { name: "LIST-EXTENDED", rfc: 5258, shown: Shown::LoggedIn },
    Capability { name: "LIST-STATUS", rfc: 5819, shown: Shown::LoggedIn },
    Capability { name: "STATUS=SIZE", rfc: 8438, shown: Shown::LoggedIn },
    Capability { name: "SAVEDATE", rfc: 8514, shown: Shown::LoggedIn },
    Capability { name: "CONDSTORE", rfc: 7162, shown: Shown::LoggedIn },
    Capability { name: "QUOTA", rfc: 9208, shown: Shown::LoggedIn },
    Capability { name: "QUOTA=RES-STORAGE", rfc: 9208, shown: Shown::LoggedIn },
    Capability { name: "QUOTA=RES-MESSAGE", rfc: 9208, shown: Shown::LoggedIn },
];
