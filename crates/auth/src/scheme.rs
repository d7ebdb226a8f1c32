//! Password schemes: checking and making hashes.
//!
//! A stored password is `{SCHEME}data`, or without a scheme what libcrypt knows (`$6$…`) and the
//! few forms that say themselves what they are. New ones, unless a scheme is asked for, are
//! yescrypt where libcrypt has it (Debian's own choice: it resists cracking by memory, and every
//! program on the host that uses libcrypt can check it).

mod apr1;
mod argon2;
mod cost;
pub(crate) mod cram_md5;
mod digest;
mod form;
mod libcrypt;
mod make;
mod pbkdf2;
pub(crate) mod scram;
pub(crate) mod scram_hash;

pub(crate) use cost::cost;
pub use make::{hash, hash_as, new_schemes};

use crate::secret::Secret;
use digest::{salted, unsalted};
use form::{Encoding, Stored, equal};
use md5::Md5;
use pbkdf2::Below;
use scram_hash::Hash;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// Longest password that is looked at, in bytes.
pub const PASSWORD_MAX: usize = 1024;

/// A stored password that nothing can match. The text is for the log, and has no hash in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadHash(pub String);

/// Whether `password` is the one that `stored` was made of. Takes the time that the scheme
/// takes: some 50 ms for those that are any good.
pub fn verify(password: &Secret, stored: &str) -> Result<bool, BadHash> {
    let stored = Stored::read(stored)?;
    if stored.data.is_empty() {
        return Err(BadHash("an empty stored password lets nobody in".to_owned()));
    }
    let check = check_of(&stored.scheme).ok_or_else(unknown_scheme)?;
    let password = password.expose();
    if password.is_empty() || password.len() > PASSWORD_MAX {
        return Ok(false);
    }
    check(password, &stored)
}

/// What can be seen to be wrong with a stored password without trying one: `None` where it may
/// let somebody in. A password that is locked (`!`, `*`) is meant so.
pub(crate) fn problem(stored: &Secret) -> Option<BadHash> {
    if stored.expose().is_empty() {
        return Some(BadHash("an empty stored password lets nobody in".to_owned()));
    }
    let text = match std::str::from_utf8(stored.expose()) {
        Ok(text) => text,
        Err(_) => return Some(BadHash("the stored password is not UTF-8".to_owned())),
    };
    match Stored::read(text) {
        Ok(stored) if check_of(&stored.scheme).is_none() => Some(unknown_scheme()),
        Ok(_) => None,
        Err(bad) => Some(bad),
    }
}

fn unknown_scheme() -> BadHash {
    BadHash("an unknown password scheme".to_owned())
}

/// Whether a password is the one that was stored.
type Check = fn(&[u8], &Stored) -> Result<bool, BadHash>;

/// How a scheme is checked; `None` for one that is not known.
fn check_of(scheme: &str) -> Option<Check> {
    Some(match scheme {
        "PLAIN" | "CLEARTEXT" | "CLEAR" => {
            |password, stored| Ok(equal(password, &stored.bytes(Encoding::None)?))
        }
        "CRYPT" | "DES-CRYPT" | "MD5-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" | "BLF-CRYPT" => {
            |password, stored| libcrypt::verify(password, &stored.text()?)
        }
        "ARGON2" | "ARGON2I" | "ARGON2ID" => |password, stored| argon2::verify(password, &stored.text()?),
        "PBKDF2" | "PBKDF2-SHA1" => |password, stored| pbkdf2::verify(password, &stored.text()?, Below::Sha1),
        "PBKDF2-SHA256" => |password, stored| pbkdf2::verify(password, &stored.text()?, Below::Sha256),
        "PBKDF2-SHA512" => |password, stored| pbkdf2::verify(password, &stored.text()?, Below::Sha512),
        "SCRAM-SHA-1" => |password, stored| scram::verify(password, &stored.text()?, Hash::Sha1),
        "SCRAM-SHA-256" => |password, stored| scram::verify(password, &stored.text()?, Hash::Sha256),
        "CRAM-MD5" | "HMAC-MD5" => {
            |password, stored| cram_md5::verify(password, &stored.bytes(Encoding::Hex)?)
        }
        "PLAIN-MD5" => |password, stored| unsalted::<Md5>(password, stored, Encoding::Hex),
        "MD5" => verify_md5,
        "LDAP-MD5" => |password, stored| unsalted::<Md5>(password, stored, Encoding::Base64),
        "SHA" | "SHA1" => |password, stored| unsalted::<Sha1>(password, stored, Encoding::Base64),
        "SHA224" => |password, stored| unsalted::<Sha224>(password, stored, Encoding::Base64),
        "SHA384" => |password, stored| unsalted::<Sha384>(password, stored, Encoding::Base64),
        "SHA256" => |password, stored| unsalted::<Sha256>(password, stored, Encoding::Base64),
        "SHA512" => |password, stored| unsalted::<Sha512>(password, stored, Encoding::Base64),
        "SMD5" => salted::<Md5>,
        "SSHA" => salted::<Sha1>,
        "SSHA224" => salted::<Sha224>,
        "SSHA384" => salted::<Sha384>,
        "SSHA256" => salted::<Sha256>,
        "SSHA512" => salted::<Sha512>,
        _ => return None,
    })
}

/// Dovecot's `{MD5}` is a hash of libcrypt or hexadecimal, LDAP's is base64.
fn verify_md5(password: &[u8], stored: &Stored) -> Result<bool, BadHash> {
    match stored.text() {
        Ok(text) if text.starts_with("$1$") => libcrypt::verify(password, &text),
        _ if stored.data.len() == 32 => unsalted::<Md5>(password, stored, Encoding::Hex),
        _ => unsalted::<Md5>(password, stored, Encoding::Base64),
    }
}

/// The password itself, if it is stored as plain text: for mechanisms that need it.
pub(crate) fn plain_text(stored: &Secret) -> Option<Secret> {
    let stored = Stored::read(std::str::from_utf8(stored.expose()).ok()?).ok()?;
    let plain = matches!(stored.scheme.as_str(), "PLAIN" | "CLEARTEXT" | "CLEAR");
    let text = stored.bytes(Encoding::None).ok().filter(|_| plain)?;
    (1..=PASSWORD_MAX).contains(&text.len()).then(|| Secret::new(text))
}

/// How well a scheme resists somebody who has stolen what is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strength {
    /// Salted, and slow on purpose.
    Strong,
    /// Plain, without a salt, or so fast that passwords are found by trying; or not understood.
    Weak,
}

/// How well `stored` is stored.
pub fn strength(stored: &Secret) -> Strength {
    let name = name(stored);
    let slow = [
        "ARGON2",
        "ARGON2I",
        "ARGON2ID",
        "PBKDF2",
        "PBKDF2-SHA1",
        "PBKDF2-SHA256",
        "PBKDF2-SHA512",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
    ];
    let slow_crypt = ["$5$", "$6$", "$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$"];
    let method = name.split_once('(').map(|(_, method)| method.trim_end_matches(')'));
    let is_strong =
        slow.contains(&name.as_str()) || method.is_some_and(|method| slow_crypt.contains(&method));
    if is_strong { Strength::Strong } else { Strength::Weak }
}

/// The scheme of `stored` for messages, such as `SSHA` or `CRYPT ($6$)`; never what is stored.
pub fn name(stored: &Secret) -> String {
    let Ok(Ok(stored)) = std::str::from_utf8(stored.expose()).map(Stored::read) else {
        return "unreadable".to_owned();
    };
    let (data, scheme) = (stored.text().unwrap_or_default(), stored.scheme);
    if !scheme.ends_with("CRYPT") {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        return if scheme.chars().all(is_name) { scheme } else { "unreadable".to_owned() };
    }
    match data.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
        Some((method, _)) if method.len() <= 4 => format!("CRYPT (${method}$)"),
        _ => "CRYPT".to_owned(),
    }
}

/// A hash that costs what a good one costs and that no password matches: for users who are
/// not there.
pub fn dummy() -> String {
    hash(&Secret::new(b"nobody has this password".to_vec())).unwrap_or_else(|_| "{CRYPT}$6$none$".to_owned())
}

#[cfg(test)]
mod tests;
