//! PLAIN (RFC 4616), and the bounds of names and passwords that it shares with LOGIN.

use super::{NAME_MAX, Progress};
use crate::scheme::PASSWORD_MAX;
use crate::secret::Secret;

/// `[authzid] NUL authcid NUL passwd` (RFC 4616).
pub(super) fn message(message: &[u8]) -> Progress {
    let parts: Vec<&[u8]> = message.splitn(4, |b| *b == 0).collect();
    match parts[..] {
        [authorize, user, password] => credentials(authorize, user, password),
        _ => Progress::Malformed("Expected authorization identity, user and password parted by NUL"),
    }
}

/// Names and a password to be checked, if they are within bounds.
pub(super) fn credentials(authorize: &[u8], user: &[u8], password: &[u8]) -> Progress {
    if user.is_empty() || password.is_empty() {
        return Progress::Malformed("User name and password cannot be empty");
    }
    if user.len() > NAME_MAX || authorize.len() > NAME_MAX || password.len() > PASSWORD_MAX {
        return Progress::Malformed("User name or password is too long");
    }
    let authorize = (!authorize.is_empty() && authorize != user).then(|| authorize.to_vec());
    Progress::Credentials { user: user.to_vec(), password: Secret::new(password.to_vec()), authorize }
}
