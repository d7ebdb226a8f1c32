//! Signed tokens (JWS compact serialization, RFC 7515 section 7.1): the signature. What the
//! token says is judged elsewhere.
//!
//! A key fits one family of algorithms, which it has from its file and never from the token: a
//! public key cannot be taken for the secret of an HMAC.

use super::TokenRefusal;
use super::keys::Keys;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde_json::{Map, Value};

/// Keys that are tried on a token that names none.
const TRIED_MAX: usize = 8;

/// Whether a token is in the form of a JWT: three parts, the first of which is a header.
pub(super) fn looks_like_one(token: &str) -> bool {
    token.matches('.').count() == 2 && jsonwebtoken::decode_header(token).is_ok_and(|header| is_jwt(&header))
        // Whatever else a token with such a beginning is (of no known algorithm, say), it is
        // meant as JSON in base64url.
        || token.matches('.').count() == 2 && token.starts_with("ey")
}

/// The claims of a token whose signature is right.
pub(super) fn verify(token: &str, keys: &Keys) -> Result<Map<String, Value>, TokenRefusal> {
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| TokenRefusal::Invalid("it is no signed token, or signed by an unknown algorithm"))?;
    if !is_jwt(&header) {
        return Err(TokenRefusal::Invalid("it is signed, but no access token"));
    }
    // What must be understood and is not known here (RFC 7515 section 4.1.11).
    if header.crit.is_some() {
        return Err(TokenRefusal::Invalid("it has critical headers"));
    }
    if !keys.allows(header.alg) {
        return Err(TokenRefusal::Invalid("its algorithm is not allowed"));
    }
    let fitting = keys.fitting(header.kid.as_deref(), header.alg).map_err(TokenRefusal::Unavailable)?;
    if fitting.is_empty() {
        return Err(TokenRefusal::Invalid("it is signed with an unknown key"));
    }
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    for key in fitting.iter().take(TRIED_MAX) {
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation) {
            Ok(data) => return Ok(data.claims),
            Err(error) if matches!(error.kind(), ErrorKind::Json(_) | ErrorKind::Utf8(_)) => {
                return Err(TokenRefusal::Invalid("what it says is no JSON"));
            }
            Err(_) => {}
        }
    }
    Err(TokenRefusal::Invalid("its signature is wrong"))
}

/// `at+jwt` is an access token's type (RFC 9068 section 2.1); many issuers write `JWT` or
/// nothing. An answer for another use, such as `logout+jwt`, is none.
fn is_jwt(header: &Header) -> bool {
    let Some(kind) = header.typ.as_deref() else { return true };
    let kind = kind.strip_prefix("application/").unwrap_or(kind);
    kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt")
}
