//! Responses, written straight into a buffer.
//!
//! Every function appends one whole response line, or one named piece of it, to `out`. What
//! they write is legal by construction: strings become quoted strings or literals as their
//! bytes need, text of status lines loses line ends.

pub mod body_structure;
pub mod envelope;
pub mod fetch;
pub mod list;
pub mod quota;
pub mod search;
pub mod status_line;
pub mod string;

pub use status_line::{Code, Condition, bye, continuation, greeting, tagged, untagged};

/// What a client understands: responses differ where the later standard has more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Revision {
    /// IMAP4rev1 (RFC 3501).
    Rev1,
    /// IMAP4rev2 (RFC 9051), once a client enabled it.
    Rev2,
}
