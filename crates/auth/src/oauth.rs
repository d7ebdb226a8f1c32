//! OAuth 2.0 access tokens: whose they are, and whether they are good here.
//!
//! Two ways to find out: a signed token (JWT, RFC 7519 and RFC 9068) is checked here, with keys
//! from files; any other is shown to the authorization server (introspection, RFC 7662). Where
//! both are set, a token in the form of a JWT is checked here and only here: a bad signature is
//! final.
//!
//! What a token says of itself is judged by the same rules on both ways ([`claims`]). The
//! exchanges that carry tokens, OAUTHBEARER and XOAUTH2, are among the SASL mechanisms.

pub mod claims;
pub mod introspection;

mod jwt;
mod keys;

use crate::secret::Secret;
use claims::Rules;
use introspection::Introspection;
use keys::Keys;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest token, in bytes. Tokens with lists of groups in them have some 8 KiB.
pub const TOKEN_MAX: usize = 16 * 1024;

/// What tokens are checked by.
#[derive(Clone, Debug, Default)]
pub struct OAuthSettings {
    /// Public keys in PEM form: files, or directories of files `KEY-ID.pem`.
    pub keys: Vec<PathBuf>,
    /// A JWK set (RFC 7517). Symmetric keys in it are passed over.
    pub jwks: Option<PathBuf>,
    /// A file with the secret of HMAC signatures. Only with it are such signatures looked at.
    pub hmac_secret: Option<PathBuf>,
    /// Names of allowed algorithms (RFC 7518 section 3.1), such as `RS256`; never `none`.
    pub algorithms: Vec<String>,
    /// What a token must say.
    pub rules: Rules,
    /// Where to ask about tokens.
    pub introspection: Option<introspection::IntrospectionSettings>,
    /// Where clients that were refused learn where to get a token (RFC 7628 section 3.2.2).
    pub openid_configuration: Option<String>,
}

impl OAuthSettings {
    /// The files and directories that are read while tokens are checked.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let secret = self.introspection.as_ref().and_then(|asking| asking.client.as_ref());
        let secret = secret.and_then(|(_, secret)| secret.file());
        self.keys.iter().chain(&self.jwks).chain(&self.hmac_secret).chain(secret)
    }
}

/// Whose a good token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenUser {
    /// The user's name, as the token has it.
    pub name: String,
    /// When the token ends, in seconds since 1970.
    pub expires: Option<u64>,
}

/// Why a token lets nobody in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// It is not good. The text is for the log, and has nothing of the token.
    #[error("the token is not good: {0}")]
    Invalid(&'static str),
    /// It is good, but not for mail: a scope is missing.
    #[error("the token has not the scope that is required")]
    InsufficientScope,
    /// Whether it is good cannot be found out now. The text is for the log.
    #[error("tokens cannot be checked: {0}")]
    Unavailable(String),
}

/// Checks tokens.
#[derive(Debug)]
pub struct Tokens {
    rules: Rules,
    keys: Option<Arc<Keys>>,
    introspection: Option<Introspection>,
    openid_configuration: Option<String>,
}

impl Tokens {
    /// Reads no file of keys yet. Fails, in words for an administrator, where the settings
    /// cannot be followed.
    pub fn new(settings: OAuthSettings) -> Result<Self, String> {
        let OAuthSettings { keys, jwks, hmac_secret, algorithms, rules, introspection, openid_configuration } =
            settings;
        let has_keys = !keys.is_empty() || jwks.is_some() || hmac_secret.is_some();
        if !has_keys && introspection.is_none() {
            return Err("tokens can be checked neither by keys nor by introspection".to_owned());
        }
        let keys =
            has_keys.then(|| Keys::new(keys, jwks, hmac_secret, &algorithms).map(Arc::new)).transpose()?;
        let introspection = introspection.map(Introspection::new).transpose()?;
        Ok(Self { rules, keys, introspection, openid_configuration })
    }

    /// Finds out whose `token` is.
    pub async fn check(&self, token: &Secret) -> Result<TokenUser, TokenRefusal> {
        let text = well_formed(token)?;
        match (&self.keys, &self.introspection) {
            (Some(keys), introspection) if introspection.is_none() || jwt::looks_like_one(text) => {
                self.rules.user_of_jwt(&verified(token, keys).await?, now())
            }
            (_, Some(introspection)) => introspection.check(token, &self.rules).await,
            _ => Err(TokenRefusal::Unavailable("nothing is set to check it by".to_owned())),
        }
    }

    /// What a client is told that was refused (RFC 7628 section 3.2.2): JSON. `None`: there is
    /// nothing wrong with the token.
    pub fn error_json(&self, refusal: &TokenRefusal) -> Option<String> {
        let status = match refusal {
            TokenRefusal::Invalid(_) => "invalid_token",
            TokenRefusal::InsufficientScope => "insufficient_scope",
            TokenRefusal::Unavailable(_) => return None,
        };
        let mut answer = Map::new();
        answer.insert("status".to_owned(), status.into());
        if !self.rules.scopes.is_empty() {
            answer.insert("scope".to_owned(), self.rules.scopes.join(" ").into());
        }
        if let Some(url) = &self.openid_configuration {
            answer.insert("openid-configuration".to_owned(), url.as_str().into());
        }
        Some(Value::Object(answer).to_string())
    }

    /// All that is wrong with the files, as far as it can be seen without a token.
    pub fn problems(&self) -> Vec<String> {
        self.keys.as_ref().map(|keys| keys.problems()).unwrap_or_default()
    }

    /// Forgets what was found out (SIGHUP): keys are read again, the authorization server is
    /// asked again.
    pub fn reload(&self) {
        self.keys.iter().for_each(|keys| keys.forget());
        self.introspection.iter().for_each(Introspection::forget);
    }
}

/// The token as text, if it has the form of one (RFC 6750 section 2.1, and the wider alphabet
/// of RFC 6749 appendix A.12, which some servers use).
fn well_formed(token: &Secret) -> Result<&str, TokenRefusal> {
    let bytes = token.expose();
    match bytes.len() {
        0 => return Err(TokenRefusal::Invalid("it is empty")),
        length if length > TOKEN_MAX => return Err(TokenRefusal::Invalid("it is too long")),
        _ => {}
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    text.ok_or(TokenRefusal::Invalid("it has bytes that no token has"))
}

/// The claims of a signed token. The keys may have to be read from their files again.
async fn verified(token: &Secret, keys: &Arc<Keys>) -> Result<Map<String, Value>, TokenRefusal> {
    let (token, keys) = (token.clone(), keys.clone());
    let verified = tokio::task::spawn_blocking(move || jwt::verify(well_formed(&token)?, &keys)).await;
    verified.unwrap_or_else(|_| Err(TokenRefusal::Unavailable("checking it panicked".to_owned())))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
