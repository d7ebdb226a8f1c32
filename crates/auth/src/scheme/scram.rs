//! What SCRAM keeps of a password (RFC 5802 section 3), for SCRAM and for checking passwords.

use super::BadHash;
use super::form::{Stored, equal, random};
use super::scram_hash::Hash;
use crate::secret::Secret;
use data_encoding::BASE64;

/// Iterations of new keys, and what is asked for when nothing is stored (RFC 7677 section 4: at
/// least these). The two are the same, so that users who are not there look like others.
pub(crate) const ITERATIONS: u32 = 4096;
/// Length of the salts of new keys and of invented ones, in bytes.
pub(crate) const SALT_LENGTH: usize = 16;
/// Highest iteration count that is passed on to clients, who do that work.
const ITERATIONS_MAX: u32 = 10_000_000;
/// Highest iteration count when the work is ours: some seconds.
const OUR_ITERATIONS_MAX: u32 = 5_000_000;

/// What is kept.
pub(crate) struct Keys {
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
    pub(crate) stored_key: Secret,
    pub(crate) server_key: Secret,
}

impl Keys {
    /// The keys in `stored`, if that is what it has, and for that hash.
    pub(crate) fn of(stored: &Secret, hash: Hash) -> Option<Self> {
        let stored = Stored::read(std::str::from_utf8(stored.expose()).ok()?).ok()?;
        let text = stored.text().ok().filter(|_| stored.scheme == hash.name())?;
        Self::read(&text, hash)
    }

    /// From `iterations,salt,stored,server` (Dovecot's form) or
    /// `SCRAM-SHA-n$iterations:salt$stored:server` (RFC 5803).
    fn read(text: &str, hash: Hash) -> Option<Self> {
        if let Some((name, data)) = text.split_once('$') {
            let (info, value) = data.split_once('$').filter(|_| name.eq_ignore_ascii_case(hash.name()))?;
            let ((iterations, salt), (stored, server)) = (info.split_once(':')?, value.split_once(':')?);
            return Self::decoded([iterations, salt, stored, server], hash);
        }
        let fields: Vec<&str> = text.split(',').collect();
        Self::decoded(fields.try_into().ok()?, hash)
    }

    fn decoded([iterations, salt, stored, server]: [&str; 4], hash: Hash) -> Option<Self> {
        let bytes = |text: &str| BASE64.decode(text.as_bytes()).ok();
        let key = |text: &str| bytes(text).filter(|key| key.len() == hash.len()).map(Secret::new);
        let iterations = iterations.parse().ok().filter(|n| (1..=ITERATIONS_MAX).contains(n))?;
        let salt = bytes(salt).filter(|salt| (1..=128).contains(&salt.len()))?;
        Some(Self { salt, iterations, stored_key: key(stored)?, server_key: key(server)? })
    }
}

/// Whether the keys are those of `password`.
pub(super) fn verify(password: &[u8], text: &str, hash: Hash) -> Result<bool, BadHash> {
    let keys =
        Keys::read(text, hash).ok_or_else(|| BadHash("SCRAM's keys that cannot be read".to_owned()))?;
    if keys.iterations > OUR_ITERATIONS_MAX {
        return Err(BadHash("SCRAM's keys that cost too much".to_owned()));
    }
    let (stored_key, _) = hash.keys(&Secret::new(password.to_vec()), &keys.salt, keys.iterations);
    Ok(equal(stored_key.expose(), keys.stored_key.expose()))
}

/// New keys in Dovecot's form.
pub(super) fn make(password: &Secret, hash: Hash) -> Result<String, BadHash> {
    let salt = random::<SALT_LENGTH>()?;
    let (stored_key, server_key) = hash.keys(password, &salt, ITERATIONS);
    let [salt, stored, server] =
        [&salt[..], stored_key.expose(), server_key.expose()].map(|bytes| BASE64.encode(bytes));
    Ok(format!("{ITERATIONS},{salt},{stored},{server}"))
}
