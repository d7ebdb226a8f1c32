//! Password schemes: checking and making hashes.
//!
//! A stored password is `{SCHEME}data`, or without a scheme what libcrypt knows (`$6$…`). New
//! ones are yescrypt where libcrypt has it (Debian's own choice: it resists cracking by
//! memory, and every program on the host that uses libcrypt can check it).

use crate::crypt;
use crate::secret::Secret;
use argon2::password_hash::{PasswordHash, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// Largest memory that a stored Argon2 hash may ask for, in KiB.
const ARGON2_MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Largest product of memory and passes.
const ARGON2_WORK_MAX: u64 = 4 * 1024 * 1024;
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    None,
    Base64,
    Hex,
}

/// Scheme in upper case, encoding if one is named, and data.
fn split(stored: &str) -> Result<(String, Option<Encoding>, &str), BadHash> {
    let Some(rest) = stored.strip_prefix('{') else {
        return Ok(("CRYPT".to_owned(), None, stored));
    };
    let (scheme, data) =
        rest.split_once('}').ok_or_else(|| BadHash("a scheme that never ends".to_owned()))?;
    let scheme = scheme.to_ascii_uppercase();
    let (scheme, encoding) = match scheme.split_once('.') {
        Some((scheme, "B64" | "BASE64")) => (scheme.to_owned(), Some(Encoding::Base64)),
        Some((scheme, "HEX")) => (scheme.to_owned(), Some(Encoding::Hex)),
        Some((_, other)) => return Err(BadHash(format!("unknown encoding {other:?}"))),
        None => (scheme, None),
    };
    Ok((scheme, encoding, data))
}

fn decoded(data: &str, encoding: Option<Encoding>, usual: Encoding) -> Result<Vec<u8>, BadHash> {
    let bad = || BadHash("a stored password that is not encoded as its scheme says".to_owned());
    match encoding.unwrap_or(usual) {
        Encoding::None => Ok(data.as_bytes().to_vec()),
        Encoding::Base64 => BASE64.decode(data.as_bytes()).map_err(|_| bad()),
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(data.as_bytes()).map_err(|_| bad()),
    }
}

fn verify_crypt(password: &[u8], data: &str) -> Result<bool, BadHash> {
    if password.contains(&0) {
        return Ok(false);
    }
    if costs_too_much(data) {
        return Err(BadHash("a hash that costs too much".to_owned()));
    }
    let made = crypt::hash(password, data);
    let made = made.ok_or_else(|| BadHash("a hash that libcrypt does not understand".to_owned()))?;
    Ok(equal(made.as_bytes(), data.as_bytes()))
}

/// Whether checking it would take a processor for more than some seconds.
fn costs_too_much(data: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let mut fields = data.split('$').skip(1);
    match (fields.next(), fields.next()) {
        (Some("5" | "6"), Some(field)) => {
            field.strip_prefix("rounds=").is_some_and(|n| number(n) > 5_000_000)
        }
        (Some("2a" | "2b" | "2x" | "2y"), Some(cost)) => number(cost) > 16,
        _ => false,
    }
}

/// Verifies only what a site could have meant: the costs come from the stored hash.
fn verify_argon2(password: &[u8], data: &str) -> Result<bool, BadHash> {
    let bad = |text: &str| BadHash(format!("an Argon2 hash {text}"));
    let parsed = PasswordHash::new(data).map_err(|_| bad("that cannot be read"))?;
    let params = Params::try_from(&parsed).map_err(|_| bad("with impossible costs"))?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > ARGON2_MEMORY_KIB_MAX || work > ARGON2_WORK_MAX {
        return Err(bad("that costs too much"));
    }
    let verifier = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(verifier.verify_password(password, &parsed).is_ok())
}

fn unsalted<D: Digest>(
    password: &[u8],
    data: &str,
    encoding: Option<Encoding>,
    usual: Encoding,
) -> Result<bool, BadHash> {
    let stored = decoded(data, encoding, usual)?;
    if stored.len() != <D as Digest>::output_size() {
        return Err(BadHash("a hash of the wrong length".to_owned()));
    }
    Ok(equal(&D::digest(password), &stored))
}

/// Digest, then the salt that was hashed behind the password.
fn salted<D: Digest>(password: &[u8], data: &str, encoding: Option<Encoding>) -> Result<bool, BadHash> {
    let stored = decoded(data, encoding, Encoding::Base64)?;
    let (digest, salt) = stored
        .split_at_checked(<D as Digest>::output_size())
        .ok_or_else(|| BadHash("a hash that is too short".to_owned()))?;
    Ok(equal(&D::new().chain_update(password).chain_update(salt).finalize(), digest))
}

/// Whether two secrets are equal, in time that depends on their lengths only.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &str) {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        assert_eq!(verify(&secret("secret pass"), stored), Ok(true), "{stored}");
        for wrong in ["secret pas", "Secret pass", "secret pass ", ""] {
            assert_eq!(verify(&secret(wrong), stored), Ok(false), "{stored} {wrong}");
        }
    }

    // Made with openssl, Python's hashlib and doveadm of the password "secret pass".
    #[test]
    fn hashes_that_others_made() {
        for stored in include_str!("../testdata/hashes").lines().filter(|line| !line.starts_with('#')) {
            check(stored);
        }
    }

    #[test]
    fn hashes_that_we_make() {
        let made = hash(&Secret::new(b"secret pass".to_vec())).unwrap();
        assert!(made.starts_with("{CRYPT}$"), "{made}");
        check(&made);
        assert_ne!(made, hash(&Secret::new(b"secret pass".to_vec())).unwrap());
    }

    #[test]
    fn schemes_are_named_and_weighed() {
        use Strength::{Strong, Weak};
        for (stored, scheme, expected) in [
            ("{SSHA}c2hvcnQ=", "SSHA", Weak),
            ("{plain}secret", "PLAIN", Weak),
            ("$6$salt$hash", "CRYPT ($6$)", Strong),
            ("{CRYPT}$y$j9T$x$y", "CRYPT ($y$)", Strong),
            ("{CRYPT}$1$salt$hash", "CRYPT ($1$)", Weak),
            ("abJnggxhB/yWI", "CRYPT", Weak),
            ("{ARGON2ID}$argon2id$v=19$x", "ARGON2ID", Strong),
            ("{the secret", "unreadable", Weak),
            ("{the secret}", "unreadable", Weak),
        ] {
            let secret = Secret::new(stored.as_bytes().to_vec());
            assert_eq!((name(&secret).as_str(), strength(&secret)), (scheme, expected), "{stored}");
        }
    }

    #[test]
    fn hashes_that_match_nothing() {
        for stored in [
            "",
            "{PLAIN}",
            "{SSHA}",
            "{SSHA}c2hvcnQ=",
            "{SSHA}!!!",
            "{SHA}c2hvcnQ=",
            "{NONSENSE}x",
            "{PLAIN.ROT13}x",
            "{PLAIN",
            "{CRYPT}$9$unknown$x",
            "$6$rounds=999999999$saltsalt$x",
            "$2b$31$f3RJhWssL6RIV9DvAdApP..3t0G9vdNK5OVZ7aThuXhTvffxrSJH.",
            "x",
            "*",
            "!",
            "{ARGON2ID}$argon2id$v=19$m=4194304,t=1000,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "{ARGON2ID}x",
        ] {
            let outcome = verify(&Secret::new(b"x".to_vec()), stored);
            assert!(outcome.is_err(), "{stored}: {outcome:?}");
        }
    }

    #[test]
    fn security_09_passwords_of_any_kind_are_survived() {
        for password in [&b"a\0b"[..], b"\xff\xfe", &[b'x'; 1025], &[b'x'; 1_000_000], b""] {
            for stored in
                ["{PLAIN}a", "{CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0", "{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g="]
            {
                assert_eq!(verify(&Secret::new(password.to_vec()), stored), Ok(false));
            }
        }
    }

    #[test]
    fn security_15_secrets_are_compared_in_constant_time() {
        // What can be tested is that the comparison is subtle's, whatever the prefix.
        assert!(equal(b"same", b"same") && !equal(b"same", b"sam") && !equal(b"same", b"tame"));
    }
}
