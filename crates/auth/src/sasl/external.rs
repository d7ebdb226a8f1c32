//! EXTERNAL (RFC 4422 appendix A): who the client is, the connection says.

use super::{NAME_MAX, Progress};

/// The client's only message: whom to act as, or nothing.
pub(super) fn message(message: &[u8]) -> Progress {
    if message.len() > NAME_MAX {
        return Progress::Malformed("The authorization identity is too long");
    }
    if message.contains(&0) || std::str::from_utf8(message).is_err() {
        return Progress::Malformed("The authorization identity is not UTF-8 without NUL");
    }
    Progress::External { authorize: (!message.is_empty()).then(|| message.to_vec()) }
}
