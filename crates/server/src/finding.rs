//! What is wrong with a site, and how bad it is.

use std::fmt;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Severity {
    /// The server starts, but something or somebody is not served as the settings want it.
    Warning,
    /// `serve` refuses to start.
    Fatal,
}

/// Something that is wrong: what, where, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn fatal(text: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, text: text.into() }
    }

    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Fatal => "error",
        };
        write!(f, "{word}: {}", self.text)
    }
}
