//! PBKDF2 (RFC 8018 section 5.2) in the forms of Dovecot and of OpenLDAP.

use super::BadHash;
use super::form::{equal, random};
use data_encoding::{BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// Highest number of rounds that a stored hash may ask for: some seconds.
const ROUNDS_MAX: u32 = 5_000_000;
/// Rounds of new hashes: some 60 ms, of SHA-512 twice that.
const ROUNDS: u32 = 200_000;
/// Length of the salts of new hashes, in bytes.
const SALT_LENGTH: usize = 16;

/// The hash function below HMAC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    Sha1,
    Sha256,
    Sha512,
}

impl Below {
    fn derive(self, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
        let mut key = vec![0; self.length()];
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut key),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut key),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut key),
        }
        key
    }

    /// Of its output, in bytes.
    fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// `$1$SALT$ROUNDS$HEX` is Dovecot's, always of SHA-1 and with the salt as it stands there;
/// `ROUNDS$SALT$HASH` in adapted base64 is OpenLDAP's (slapd-pw-pbkdf2(5)) and passlib's.
pub(super) fn verify(password: &[u8], data: &str, below: Below) -> Result<bool, BadHash> {
    let bad = |text: &str| BadHash(format!("a PBKDF2 hash {text}"));
    let fields: Vec<&str> = data.split('$').collect();
    let (rounds, salt, key) = match fields[..] {
        ["", "1", salt, rounds, key] if below == Below::Sha1 => {
            (rounds, Some(salt.as_bytes().to_vec()), HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok())
        }
        [rounds, salt, key] => (rounds, from_adapted(salt), from_adapted(key)),
        _ => return Err(bad("that cannot be read")),
    };
    let (Some(salt), Some(key)) = (salt, key) else { return Err(bad("that is not encoded as it should be")) };
    let rounds: u32 = rounds.parse().map_err(|_| bad("with an impossible number of rounds"))?;
    if rounds == 0 || rounds > ROUNDS_MAX {
        return Err(bad("that costs too much, or nothing"));
    }
    if key.len() != below.length() {
        return Err(bad("of the wrong length"));
    }
    Ok(equal(&below.derive(password, &salt, rounds), &key))
}

/// A new hash in Dovecot's form.
pub(super) fn make_dovecot(password: &[u8]) -> Result<String, BadHash> {
    let salt = HEXLOWER.encode(&random::<SALT_LENGTH>()?);
    let key = Below::Sha1.derive(password, salt.as_bytes(), ROUNDS);
    Ok(format!("$1${salt}${ROUNDS}${}", HEXLOWER.encode(&key)))
}

/// A new hash in OpenLDAP's form.
pub(super) fn make_openldap(password: &[u8], below: Below) -> Result<String, BadHash> {
    let salt = random::<SALT_LENGTH>()?;
    let key = below.derive(password, &salt, ROUNDS);
    Ok(format!("{ROUNDS}${}${}", to_adapted(&salt), to_adapted(&key)))
}

/// Adapted base64 has `.` for `+` and no padding.
fn from_adapted(text: &str) -> Option<Vec<u8>> {
    BASE64_NOPAD.decode(text.trim_end_matches('=').replace('.', "+").as_bytes()).ok()
}

fn to_adapted(bytes: &[u8]) -> String {
    BASE64_NOPAD.encode(bytes).replace('+', ".")
}
