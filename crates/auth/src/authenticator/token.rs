//! Who shows an access token instead of a password.

use super::{Authenticator, Client, Refusal};
use crate::failure_line::Shown;
use crate::oauth::{TokenRefusal, Tokens};
use crate::secret::Secret;
use crate::source::User;

/// Why a token let nobody in, and what its client is told of it (JSON, RFC 7628 section 3.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedToken {
    /// For the answer.
    pub refusal: Refusal,
    /// `None`: there is nothing wrong with the token.
    pub json: Option<String>,
}

impl Authenticator {
    /// Lets in whose token is good, if a source knows them; waits out the delay of a failed
    /// attempt. `claimed` is whom the client says the token is for: another than the token's
    /// user is refused.
    pub async fn token(
        &self,
        tokens: &Tokens,
        claimed: Option<&[u8]>,
        token: &Secret,
        client: Client<'_>,
    ) -> Result<User, RefusedToken> {
        let claimed = claimed.unwrap_or_default();
        let mut refused = TokenRefusal::Invalid("its user is unknown here");
        let decide = async || {
            let user = match tokens.check(token).await {
                Ok(user) => user,
                Err(TokenRefusal::Unavailable(reason)) => {
                    tracing::error!("tokens cannot be checked: {reason}");
                    return Err(Refusal::Unavailable);
                }
                Err(why) => {
                    refused = why;
                    return Err(Refusal::Credentials);
                }
            };
            let Ok(name) = self.vouched_name(user.name.as_bytes()) else { return Err(Refusal::Credentials) };
            if !claimed.is_empty() && self.name(claimed).ok().as_ref() != Some(&name) {
                refused = TokenRefusal::Invalid("it is another user's");
                return Err(Refusal::Credentials);
            }
            self.admit_proven(&name, None, client).await
        };
        let refusal = match self.attempt(claimed, token, client, decide).await {
            Ok(user) => return Ok(user),
            Err(refusal) => refusal,
        };
        let is_bad = refusal == Refusal::Credentials;
        if is_bad {
            tracing::info!(user = %Shown(claimed), "a token was refused: {refused}");
        }
        Err(RefusedToken { refusal, json: tokens.error_json(&refused).filter(|_| is_bad) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixed, over};
    use super::*;
    use crate::oauth::OAuthSettings;
    use crate::oauth::claims::Rules;
    use crate::trace::Trace;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::json;

    const KEY: &[u8] = b"a secret of forty bytes and more, for HMAC";

    fn client() -> Client<'static> {
        Client { peer: Some([192, 0, 2, 1].into()), service: "imap", trace: Trace::OFF }
    }

    fn signed(email: &str, key: &[u8]) -> Secret {
        let claims = json!({"email": email, "scope": "mail", "exp": 99_999_999_999_u64});
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key)).unwrap();
        Secret::new(token.into_bytes())
    }

    fn tokens(directory: &std::path::Path, scope: &str) -> Tokens {
        let secret = directory.join("secret");
        std::fs::write(&secret, KEY).unwrap();
        let rules = Rules { scopes: vec![scope.to_owned()], ..Rules::default() };
        let algorithms = vec!["HS256".to_owned()];
        let settings =
            OAuthSettings { hmac_secret: Some(secret), algorithms, rules, ..OAuthSettings::default() };
        Tokens::new(settings).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_for_its_own_user_only() {
        let directory = tempfile::tempdir().unwrap();
        let tokens = tokens(directory.path(), "mail");
        let source = Fixed::with(&[("anna@example.com", "{PLAIN}a"), ("bert@example.com", "{PLAIN}b")]);
        let authenticator = over(vec![source], Some("example.com"));
        for (email, claimed, expected) in [
            ("anna@example.com", None, true),
            ("Anna@Example.com", Some("anna@example.COM"), true),
            ("anna@example.com", Some(""), true),
            ("anna@example.com", Some("anna"), true),
            ("anna", Some("anna@example.com"), true),
            ("anna@example.com", Some("bert@example.com"), false),
            ("anna@example.com", Some("anna@example.com*bert@example.com"), false),
            ("anna@example.com", Some("anna@example.com\0"), false),
            ("nobody@example.com", None, false),
        ] {
            let claimed = claimed.map(str::as_bytes);
            let outcome = authenticator.token(&tokens, claimed, &signed(email, KEY), client()).await;
            assert_eq!(outcome.is_ok(), expected, "{email} {claimed:?}: {outcome:?}");
            if let Err(refused) = outcome {
                assert_eq!(refused.refusal, Refusal::Credentials);
                let json = refused.json.unwrap();
                assert!(json.contains("invalid_token"), "{json}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn security_15_what_is_wrong_with_a_token_is_told_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let authenticator = over(vec![Fixed::with(&[("anna@example.com", "{PLAIN}a")])], None);
        let other_scope = tokens(directory.path(), "files");
        let refused =
            authenticator.token(&other_scope, None, &signed("anna@example.com", KEY), client()).await;
        assert!(refused.unwrap_err().json.unwrap().contains("insufficient_scope"));

        let tokens = tokens(directory.path(), "mail");
        let forged = signed("anna@example.com", b"another secret of forty bytes and more, yes");
        let refused = authenticator.token(&tokens, None, &forged, client()).await.unwrap_err();
        assert_eq!(refused.refusal, Refusal::Credentials);
        assert_eq!(authenticator.counters().failed.get(), 2);

        std::fs::remove_file(directory.path().join("secret")).unwrap();
        let refused = authenticator.token(&tokens, None, &forged, client()).await.unwrap_err();
        assert_eq!(refused, RefusedToken { refusal: Refusal::Unavailable, json: None });
        assert_eq!(authenticator.counters().failed.get(), 2);
    }
}
