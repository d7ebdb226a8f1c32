//! When a command is allowed.

/// The states in which a command is allowed (RFC 3501 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Allowed {
    /// In every state.
    Always,
    /// Before log-in only.
    NotAuthenticated,
    /// After log-in, with or without a mailbox selected.
    Authenticated,
    /// With a mailbox selected.
    Selected,
}

impl Allowed {
    /// The answer in another state.
    pub(crate) fn otherwise(self) -> &'static str {
        match self {
            Self::Always => "",
            Self::NotAuthenticated => "Already logged in",
            Self::Authenticated => "Log in first",
            Self::Selected => "Select a mailbox first",
        }
    }
}
