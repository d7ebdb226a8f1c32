//! What tests of sources share.

use crate::login_name::LoginName;
use crate::secret::Secret;
use crate::source::Query;
use crate::trace::Trace;

/// A name; there is no default domain.
pub(crate) fn name(text: &str) -> LoginName {
    LoginName::new(text.as_bytes(), None).expect("a name")
}

/// A secret.
pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// A question without a password.
pub(crate) fn asked(name: &LoginName) -> Query<'_> {
    Query { name, password: None, service: "imap", peer: None, trace: Trace::OFF }
}

/// A log-in.
pub(crate) fn log_in<'a>(name: &'a LoginName, password: &'a Secret) -> Query<'a> {
    Query { password: Some(password), ..asked(name) }
}
