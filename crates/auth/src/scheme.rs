//! Password schemes: checking and making hashes.
//!
//! A stored password is `{SCHEME}data`, or without a scheme what libcrypt knows (`$6$…`). New
//! ones are yescrypt where libcrypt has it (Debian's own choice: it resists cracking by
//! memory, and every program on the host that uses libcrypt can check it).

mod argon2;
mod digest;
mod form;
mod libcrypt;

use crate::crypt;
use crate::secret::Secret;
use argon2::verify_argon2;
use digest::{salted, unsalted};
use form::{Encoding, decoded, equal, split};
use libcrypt::verify_crypt;
use md5::Md5;
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
    let password = password.expose();
    let (scheme, encoding, data) = split(stored)?;
    if data.is_empty() {
        return Err(BadHash("an empty stored password lets nobody in".to_owned()));
    }
    if password.is_empty() || password.len() > PASSWORD_MAX {
        return Ok(false);
    }
    match scheme.as_str() {
        "PLAIN" | "CLEARTEXT" | "CLEAR" => Ok(equal(password, &decoded(data, encoding, Encoding::None)?)),
        "CRYPT" | "DES-CRYPT" | "MD5-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" | "BLF-CRYPT" => {
            verify_crypt(password, data)
        }
        "ARGON2I" | "ARGON2ID" => verify_argon2(password, data),
        "PLAIN-MD5" => unsalted::<Md5>(password, data, encoding, Encoding::Hex),
        // Dovecot's is a hash of libcrypt or hexadecimal, LDAP's is base64.
        "MD5" if encoding.is_none() && data.starts_with("$1$") => verify_crypt(password, data),
        "MD5" if data.len() == 32 => unsalted::<Md5>(password, data, encoding, Encoding::Hex),
        "LDAP-MD5" | "MD5" => unsalted::<Md5>(password, data, encoding, Encoding::Base64),
        "SHA" | "SHA1" => unsalted::<Sha1>(password, data, encoding, Encoding::Base64),
        "SHA224" => unsalted::<Sha224>(password, data, encoding, Encoding::Base64),
        "SHA384" => unsalted::<Sha384>(password, data, encoding, Encoding::Base64),
        "SHA256" => unsalted::<Sha256>(password, data, encoding, Encoding::Base64),
        "SHA512" => unsalted::<Sha512>(password, data, encoding, Encoding::Base64),
        "SMD5" => salted::<Md5>(password, data, encoding),
        "SSHA" => salted::<Sha1>(password, data, encoding),
        "SSHA224" => salted::<Sha224>(password, data, encoding),
        "SSHA384" => salted::<Sha384>(password, data, encoding),
        "SSHA256" => salted::<Sha256>(password, data, encoding),
        "SSHA512" => salted::<Sha512>(password, data, encoding),
        other => Err(BadHash(format!("unknown password scheme {other:?}"))),
    }
}

/// The password itself, if it is stored as plain text: for mechanisms that need it.
pub(crate) fn plain_text(stored: &str) -> Option<Vec<u8>> {
    let (scheme, encoding, data) = split(stored).ok()?;
    let plain = matches!(scheme.as_str(), "PLAIN" | "CLEARTEXT" | "CLEAR");
    let text = decoded(data, encoding, Encoding::None).ok().filter(|_| plain)?;
    (1..=PASSWORD_MAX).contains(&text.len()).then_some(text)
}

/// A new hash of `password`, ready to be stored.
pub fn hash(password: &Secret) -> Result<String, BadHash> {
    let setting = crypt::new_setting("$y$").or_else(|| crypt::new_setting("$6$"));
    let made = setting.and_then(|setting| crypt::hash(password.expose(), &setting));
    let made =
        made.ok_or_else(|| BadHash("libcrypt makes neither yescrypt nor SHA-512 hashes".to_owned()))?;
    Ok(format!("{{CRYPT}}{made}"))
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
    let slow = ["ARGON2I", "ARGON2ID", "PBKDF2", "SCRAM-SHA-1", "SCRAM-SHA-256"];
    let slow_crypt = ["$5$", "$6$", "$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$"];
    let method = name.split_once('(').map(|(_, method)| method.trim_end_matches(')'));
    let is_strong =
        slow.contains(&name.as_str()) || method.is_some_and(|method| slow_crypt.contains(&method));
    if is_strong { Strength::Strong } else { Strength::Weak }
}

/// The scheme of `stored` for messages, such as `SSHA` or `CRYPT ($6$)`; never what is stored.
pub fn name(stored: &Secret) -> String {
    let Ok(Ok((scheme, _, data))) = std::str::from_utf8(stored.expose()).map(split) else {
        return "unreadable".to_owned();
    };
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
