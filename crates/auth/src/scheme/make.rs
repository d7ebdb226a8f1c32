//! New hashes, in the scheme that a site wants.

use super::pbkdf2::{self, Below};
use super::scram_hash::Hash;
use super::{BadHash, argon2, digest, scram};
use crate::crypt;
use crate::secret::Secret;
use data_encoding::BASE64;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// bcrypt's cost: 2^10 rounds, some 50 ms.
const BCRYPT_COST: u32 = 10;
/// How much of a password bcrypt looks at, in bytes.
const BCRYPT_PASSWORD_MAX: usize = 72;
/// Rounds of SHA-256 and SHA-512 in libcrypt: some 40 ms.
const SHA_ROUNDS: u32 = 100_000;

/// Makes what stands behind `{SCHEME}`.
type Make = fn(&Secret) -> Result<String, BadHash>;

/// What can be made. `CRYPT` is the best that libcrypt has.
const MAKERS: &[(&str, Make)] = &[
    ("CRYPT", |password| libcrypt(password, "$y$", 0).or_else(|_| libcrypt(password, "$6$", SHA_ROUNDS))),
    ("ARGON2ID", |password| argon2::make(password.expose())),
    ("BLF-CRYPT", bcrypt),
    ("SHA512-CRYPT", |password| libcrypt(password, "$6$", SHA_ROUNDS)),
    ("SHA256-CRYPT", |password| libcrypt(password, "$5$", SHA_ROUNDS)),
    ("PBKDF2", |password| pbkdf2::make_dovecot(password.expose())),
    ("PBKDF2-SHA256", |password| pbkdf2::make_openldap(password.expose(), Below::Sha256)),
    ("PBKDF2-SHA512", |password| pbkdf2::make_openldap(password.expose(), Below::Sha512)),
    ("SCRAM-SHA-256", |password| scram::make(password, Hash::Sha256)),
    ("SCRAM-SHA-1", |password| scram::make(password, Hash::Sha1)),
    ("SSHA512", |password| digest::make_salted::<Sha512>(password.expose())),
    ("SSHA256", |password| digest::make_salted::<Sha256>(password.expose())),
    ("SSHA", |password| digest::make_salted::<Sha1>(password.expose())),
    // No colon and no end of a line, which mean something in a passwd file.
    ("PLAIN.B64", |password| Ok(BASE64.encode(password.expose()))),
    ("PLAIN", plain),
];

/// The schemes of [`hash_as`], the best first.
pub fn new_schemes() -> impl Iterator<Item = &'static str> {
    MAKERS.iter().map(|(name, _)| *name)
}

/// A new hash of `password`, ready to be stored: in the best scheme of libcrypt.
pub fn hash(password: &Secret) -> Result<String, BadHash> {
    hash_as(password, "CRYPT")
}

/// A new hash of `password` in the scheme of that name, one of [`new_schemes`] in any case.
pub fn hash_as(password: &Secret, scheme: &str) -> Result<String, BadHash> {
    let Some((name, make)) = MAKERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme)) else {
        let all: Vec<&str> = new_schemes().collect();
        return Err(BadHash(format!(
            "no hashes of the scheme {scheme:?} are made; there are {}",
            all.join(", ")
        )));
    };
    Ok(format!("{{{name}}}{}", make(password)?))
}

fn libcrypt(password: &Secret, prefix: &str, cost: u32) -> Result<String, BadHash> {
    let setting = crypt::new_setting(prefix, cost);
    let made = setting.and_then(|setting| crypt::hash(password.expose(), &setting));
    made.ok_or_else(|| BadHash(format!("libcrypt makes no {prefix} hash of this password")))
}

fn bcrypt(password: &Secret) -> Result<String, BadHash> {
    // What stands behind these bytes would be left out without a word.
    if password.expose().len() > BCRYPT_PASSWORD_MAX {
        return Err(BadHash(format!("bcrypt takes {BCRYPT_PASSWORD_MAX} bytes of a password at most")));
    }
    libcrypt(password, "$2y$", BCRYPT_COST)
}

fn plain(password: &Secret) -> Result<String, BadHash> {
    let text = std::str::from_utf8(password.expose()).ok();
    let fits = text.filter(|text| !text.contains(|c: char| c == ':' || c.is_control()));
    fits.map(str::to_owned).ok_or_else(|| BadHash("such a password can only be PLAIN.B64".to_owned()))
}
