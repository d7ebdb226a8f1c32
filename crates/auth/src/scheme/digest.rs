//! Digests without a cost: of the password alone, or of it and a salt.

use super::BadHash;
use super::form::{Encoding, Stored, equal, random};
use data_encoding::BASE64;
use md5::Digest;

/// Length of the salts of new hashes, in bytes.
const SALT_LENGTH: usize = 16;

pub(super) fn unsalted<D: Digest>(
    password: &[u8],
    stored: &Stored,
    usual: Encoding,
) -> Result<bool, BadHash> {
    let stored = stored.bytes(usual)?;
    if stored.len() != <D as Digest>::output_size() {
        return Err(BadHash("a hash of the wrong length".to_owned()));
    }
    Ok(equal(&D::digest(password), &stored))
}

/// Digest, then the salt that was hashed behind the password.
pub(super) fn salted<D: Digest>(password: &[u8], stored: &Stored) -> Result<bool, BadHash> {
    let stored = stored.bytes(Encoding::Base64)?;
    let (digest, salt) = stored
        .split_at_checked(<D as Digest>::output_size())
        .ok_or_else(|| BadHash("a hash that is too short".to_owned()))?;
    Ok(equal(&D::new().chain_update(password).chain_update(salt).finalize(), digest))
}

/// A new digest and its salt.
pub(super) fn make_salted<D: Digest>(password: &[u8]) -> Result<String, BadHash> {
    let salt = random::<SALT_LENGTH>()?;
    let digest = D::new().chain_update(password).chain_update(salt).finalize();
    Ok(BASE64.encode(&[&digest[..], &salt].concat()))
}
