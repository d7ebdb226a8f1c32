//! OAUTHBEARER (RFC 7628) and XOAUTH2: the messages. Whether a token is good is not seen here.

use super::gs2::{self, Flag};
use super::{NAME_MAX, Progress};
use crate::secret::Secret;

/// Longest token, in bytes: those with many claims have some kilobytes.
const TOKEN_MAX: usize = 16 * 1024;
/// Longest message.
const MESSAGE_MAX: usize = TOKEN_MAX + 4 * NAME_MAX;
/// What parts the fields (RFC 7628 section 3.1).
const SEPARATOR: u8 = 1;

/// `gs2-header kvsep *(key "=" value kvsep) kvsep`.
pub(super) fn bearer(message: &[u8]) -> Progress {
    bearer_parts(message).unwrap_or_else(Progress::Malformed)
}

/// `user=NAME kvsep auth=Bearer TOKEN kvsep kvsep`.
pub(super) fn xoauth2(message: &[u8]) -> Progress {
    let read = || {
        let fields = Fields::read(message)?;
        let user = fields.user.filter(|user| !user.is_empty()).ok_or("Expected a user")?;
        progress(Some(user.to_vec()), &fields)
    };
    read().unwrap_or_else(Progress::Malformed)
}

fn bearer_parts(message: &[u8]) -> Result<Progress, &'static str> {
    let (header, rest) = gs2::read(message)?;
    if matches!(header.flag, Flag::Bound(_)) {
        return Err("OAUTHBEARER has no channel binding");
    }
    let rest = rest.strip_prefix(&[SEPARATOR]).ok_or("Expected a separator behind the header")?;
    progress(header.authorize, &Fields::read(rest)?)
}

fn progress(user: Option<Vec<u8>>, fields: &Fields<'_>) -> Result<Progress, &'static str> {
    if user.as_ref().is_some_and(|user| user.len() > NAME_MAX) {
        return Err("The user name is too long");
    }
    let token = token(fields.auth.ok_or("Expected an auth field")?)?;
    Ok(Progress::Token { user, token })
}

/// The token of `Bearer TOKEN` (RFC 6750 section 2.1); the word in any case.
fn token(auth: &[u8]) -> Result<Secret, &'static str> {
    let (word, token) = auth.split_at_checked(7).ok_or("Expected a bearer token")?;
    if !word.eq_ignore_ascii_case(b"Bearer ") {
        return Err("Expected a bearer token");
    }
    let token = token.trim_ascii();
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b);
    match token.len() {
        1..=TOKEN_MAX if token.iter().all(allowed) => Ok(Secret::new(token.to_vec())),
        _ => Err("The token is empty, too long, or has characters that none may have"),
    }
}

#[derive(Default)]
struct Fields<'a> {
    user: Option<&'a [u8]>,
    auth: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Each field ends with a separator, and one more ends them all. Others are passed over
    /// (RFC 7628 section 3.1), host and port too: TLS has seen to whom this is said. One that
    /// comes twice is refused.
    fn read(message: &'a [u8]) -> Result<Self, &'static str> {
        if message.len() > MESSAGE_MAX {
            return Err("The message is too long");
        }
        let body =
            message.strip_suffix(&[SEPARATOR, SEPARATOR]).ok_or("Expected two separators at the end")?;
        let mut fields = Self::default();
        for field in body.split(|b| *b == SEPARATOR) {
            let equals = field.iter().position(|b| *b == b'=').ok_or("Expected fields of key and value")?;
            let value = &field[equals + 1..];
            let place = match &field[..equals] {
                b"user" => &mut fields.user,
                b"auth" => &mut fields.auth,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err("A field comes twice");
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: fn(&[u8]) -> Progress, message: &str, expected: &str) {
        let seen = match read(message.as_bytes()) {
            Progress::Token { user, token } => format!(
                "{:?} {}",
                user.map(|user| user.escape_ascii().to_string()),
                token.expose().escape_ascii(),
            ),
            _ => "malformed".to_owned(),
        };
        assert_eq!(seen, expected, "{message:?}");
    }

    #[test]
    fn messages() {
        // RFC 7628 section 4.1.
        let example = "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
            auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        check(bearer, example, &format!("Some(\"user@example.com\") {token}"));
        check(bearer, "n,,\x01auth=bearer abc\x01\x01", "None abc");
        check(bearer, "n,a=a=2Cb,\x01auth=Bearer abc\x01x=y\x01\x01", "Some(\"a,b\") abc");
        check(xoauth2, "user=anna\x01auth=Bearer abc\x01\x01", "Some(\"anna\") abc");
    }

    #[test]
    fn security_09_bad_messages() {
        for message in [
            "",
            "n,,",
            "n,,\x01\x01",
            "n,,\x01auth=\x01\x01",
            "n,,\x01auth=Basic abc\x01\x01",
            "n,,\x01auth=Bearer \x01\x01",
            "n,,\x01auth=Bearer a b\x01\x01",
            "n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
            "n,,\x01auth=Bearer a\x01",
            "p=tls-exporter,,\x01auth=Bearer a\x01\x01",
            "auth=Bearer a\x01\x01",
        ] {
            check(bearer, message, "malformed");
            check(xoauth2, message, "malformed");
        }
        check(xoauth2, "user=\x01auth=Bearer abc\x01\x01", "malformed");
        check(bearer, &format!("n,,\x01auth=Bearer {}\x01\x01", "a".repeat(TOKEN_MAX + 1)), "malformed");
    }
}
