//! LOGIN: never standardized, and what many clients still ask for.

use super::plain::credentials;
use super::{NAME_MAX, Progress};

/// The first challenge.
pub(super) const USER: &[u8] = b"Username:";
/// The second.
pub(super) const PASSWORD: &[u8] = b"Password:";

/// The name that the client sent, if it is within bounds; whether it is empty is seen later.
pub(super) fn user(response: &[u8]) -> Result<Vec<u8>, Progress> {
    if response.len() > NAME_MAX {
        return Err(Progress::Malformed("User name or password is too long"));
    }
    Ok(response.to_vec())
}

/// The password behind it.
pub(super) fn password(user: &[u8], response: &[u8]) -> Progress {
    credentials(b"", user, response)
}
