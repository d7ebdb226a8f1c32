//! SASL mechanisms of both servers' settings.

/// Whether a mechanism can be taken over. CRAM-MD5 wants passwords stored in plain text, and
/// sends no more over TLS than others; tokens want `[oauth]`, which is not written.
pub(super) fn is_mechanism(name: &str) -> bool {
    use auth::Mechanism::{CramMd5, OAuthBearer, XOAuth2};
    auth::Mechanism::by_name(name).is_some_and(|known| !matches!(known, CramMd5 | OAuthBearer | XOAuth2))
}
