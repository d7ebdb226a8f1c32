//! What a stored password gives to mechanisms that never see the password.

use super::scram_hash::Hash;
use crate::secret::Secret;
use data_encoding::BASE64;

/// Highest iteration count that is passed on to clients, who do that work.
const ITERATIONS_MAX: u32 = 10_000_000;

/// What SCRAM keeps of a password (RFC 5802 section 3).
pub(super) struct Keys {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) stored_key: Secret,
    pub(super) server_key: Secret,
}

/// The plain text, if that is what is stored.
pub(super) fn plain_text(stored: &Secret) -> Option<Secret> {
    let text = std::str::from_utf8(stored.expose()).ok()?;
    crate::scheme::plain_text(text).map(Secret::new)
}

/// The keys, from `{SCRAM-SHA-n}iterations,salt,stored,server` (Dovecot's form) or
/// `SCRAM-SHA-n$iterations:salt$stored:server` (RFC 5803), with or without a scheme before it.
pub(super) fn keys(stored: &Secret, hash: Hash) -> Option<Keys> {
    let text = std::str::from_utf8(stored.expose()).ok()?;
    let name = hash.name();
    let braced = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    if let Some((_, data)) = braced.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(name)) {
        let mut fields = data.split(',');
        let four = [fields.next()?, fields.next()?, fields.next()?, fields.next()?];
        return if fields.next().is_none() { decoded(four, hash) } else { None };
    }
    let data = braced.map_or(text, |(_, data)| data);
    let (scheme, data) = data.split_once('$')?;
    if !scheme.eq_ignore_ascii_case(name) {
        return None;
    }
    let (info, value) = data.split_once('$')?;
    let ((iterations, salt), (stored, server)) = (info.split_once(':')?, value.split_once(':')?);
    decoded([iterations, salt, stored, server], hash)
}

fn decoded([iterations, salt, stored, server]: [&str; 4], hash: Hash) -> Option<Keys> {
    let bytes = |text: &str| BASE64.decode(text.as_bytes()).ok();
    let key = |text: &str| bytes(text).filter(|key| key.len() == hash.len()).map(Secret::new);
    let iterations = iterations.parse().ok().filter(|n| (1..=ITERATIONS_MAX).contains(n))?;
    let salt = bytes(salt).filter(|salt| (1..=128).contains(&salt.len()))?;
    Some(Keys { salt, iterations, stored_key: key(stored)?, server_key: key(server)? })
}
