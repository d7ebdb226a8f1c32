//! Argon2 (RFC 9106) in the form of its reference implementation.

use super::BadHash;
use super::form::random;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// Largest memory that a stored Argon2 hash may ask for, in KiB.
const ARGON2_MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Largest product of memory and passes.
const ARGON2_WORK_MAX: u64 = 4 * 1024 * 1024;

/// Verifies only what a site could have meant: the costs come from the stored hash.
pub(super) fn verify(password: &[u8], data: &str) -> Result<bool, BadHash> {
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

/// A new hash by Argon2id, with the costs that the library holds for right: 19 MiB, two passes.
pub(super) fn make(password: &[u8]) -> Result<String, BadHash> {
    let failed = |error: argon2::password_hash::Error| BadHash(format!("Argon2 failed: {error}"));
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(failed)?;
    Ok(Argon2::default().hash_password(password, &salt).map_err(failed)?.to_string())
}
