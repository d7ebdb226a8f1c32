//! What a token says, and whether that is enough: the same rules for a signed token and for the
//! answer of an authorization server.

use super::{TokenRefusal, TokenUser};
use serde_json::{Map, Value};

/// Longest user name in a token, in bytes.
const NAME_MAX: usize = 512;

/// What a token must say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Issuers, one of which the token must be from (`iss`); empty: any that has the key.
    pub issuers: Vec<String>,
    /// Names of this service, one of which the token must be for (`aud`). Without any, a signed
    /// token that is for somebody is refused (RFC 7519 section 4.1.3).
    pub audiences: Vec<String>,
    /// Scopes that the token must have, all of them.
    pub scopes: Vec<String>,
    /// The claim that has the user's name.
    pub user_claim: String,
    /// How far clocks may differ, in seconds.
    pub leeway_s: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            scopes: Vec::new(),
            user_claim: "email".to_owned(),
            leeway_s: 60,
        }
    }
}

impl Rules {
    /// Whose a signed token is, at `now` (seconds since 1970). It must end some time.
    pub(super) fn user_of_jwt(
        &self,
        claims: &Map<String, Value>,
        now: u64,
    ) -> Result<TokenUser, TokenRefusal> {
        if claims.get("exp").is_none() {
            return Err(TokenRefusal::Invalid("it never expires"));
        }
        if self.audiences.is_empty() && claims.get("aud").is_some() {
            return Err(TokenRefusal::Invalid("it is for an audience, and none is set here"));
        }
        self.user(claims, now)
    }

    /// Whose a token is by an answer of the authorization server (RFC 7662 section 2.2). Who
    /// issued a token that this server vouches for it need not say.
    pub(super) fn user_of_answer(
        &self,
        claims: &Map<String, Value>,
        now: u64,
    ) -> Result<TokenUser, TokenRefusal> {
        if claims.get("iss").is_none() {
            let rules = Self { issuers: Vec::new(), ..self.clone() };
            return rules.user(claims, now);
        }
        self.user(claims, now)
    }

    fn user(&self, claims: &Map<String, Value>, now: u64) -> Result<TokenUser, TokenRefusal> {
        let expires = time(claims, "exp")?;
        if expires.is_some_and(|end| now >= end.saturating_add(self.leeway_s)) {
            return Err(TokenRefusal::Invalid("it has expired"));
        }
        if time(claims, "nbf")?.is_some_and(|begin| begin > now.saturating_add(self.leeway_s)) {
            return Err(TokenRefusal::Invalid("it is not valid yet"));
        }
        let issuer = claims.get("iss").and_then(Value::as_str);
        if !self.issuers.is_empty() && !issuer.is_some_and(|one| self.issuers.iter().any(|i| i == one)) {
            return Err(TokenRefusal::Invalid("it is from another issuer"));
        }
        let for_us = |name: &str| self.audiences.iter().any(|audience| audience == name);
        if !self.audiences.is_empty() && !texts(claims.get("aud")).into_iter().any(for_us) {
            return Err(TokenRefusal::Invalid("it is for another audience"));
        }
        let name = self.name(claims)?;
        let scopes = scopes(claims);
        if !self.scopes.iter().all(|wanted| scopes.contains(&wanted.as_str())) {
            return Err(TokenRefusal::InsufficientScope);
        }
        Ok(TokenUser { name, expires })
    }

    /// An address that the issuer has not verified may be anybody's.
    fn name(&self, claims: &Map<String, Value>) -> Result<String, TokenRefusal> {
        let unverified = match claims.get("email_verified") {
            None | Some(Value::Bool(true)) => false,
            Some(Value::String(text)) => text != "true",
            Some(_) => true,
        };
        if self.user_claim == "email" && unverified {
            return Err(TokenRefusal::Invalid("its address is not verified"));
        }
        let name = claims.get(&self.user_claim).and_then(Value::as_str);
        let name = name.ok_or(TokenRefusal::Invalid("it has not the claim with the user's name"))?;
        if name.is_empty() || name.len() > NAME_MAX || name.chars().any(char::is_control) {
            return Err(TokenRefusal::Invalid("its user name cannot be one"));
        }
        Ok(name.to_owned())
    }
}

/// A time in seconds, with or without a fraction (RFC 7519 section 2, NumericDate). One that is
/// none is not as good as none.
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<u64>, TokenRefusal> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    if let Some(whole) = value.as_u64() {
        return Ok(Some(whole));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked; casts saturate")]
    let rounded = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0).map(|n| n as u64);
    rounded.map(Some).ok_or(TokenRefusal::Invalid("a time in it is none"))
}

/// One text, or a list of them.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// `scope`, parted by spaces (RFC 9068 section 2.2.3), or `scp`, as some servers write it; a
/// list in either is understood.
fn scopes(claims: &Map<String, Value>) -> Vec<&str> {
    let all = ["scope", "scp"].into_iter().flat_map(|claim| texts(claims.get(claim)));
    all.flat_map(|text| text.split(' ')).collect()
}
