//! The hash functions of SCRAM and what is made with them (RFC 5802 section 2.2).

use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    /// The mechanism's and the scheme's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    /// Length of its output, in bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// `H(data)`.
    pub(crate) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    /// `HMAC(key, data)`.
    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, data),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
        }
    }

    /// StoredKey and ServerKey of a password. Takes two HMACs for each iteration.
    pub(crate) fn keys(self, password: &Secret, salt: &[u8], iterations: u32) -> (Secret, Secret) {
        let mut salted = zeroize::Zeroizing::new(vec![0; self.len()]);
        let prepared = prepared(password);
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(prepared.expose(), salt, iterations, &mut salted),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(prepared.expose(), salt, iterations, &mut salted),
        }
        let client_key = Secret::new(self.hmac(&salted, b"Client Key"));
        let stored_key = Secret::new(self.digest(client_key.expose()));
        (stored_key, Secret::new(self.hmac(&salted, b"Server Key")))
    }
}

/// SASLprep of a password (RFC 4013). One that it forbids stays as it is, as other servers and
/// clients have it: its owner could not come in otherwise.
fn prepared(password: &Secret) -> Secret {
    let text = std::str::from_utf8(password.expose()).ok();
    let prepared = text.and_then(|text| stringprep::saslprep(text).ok());
    prepared.map_or_else(|| password.clone(), |text| Secret::new(text.into_owned().into_bytes()))
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    <M as KeyInit>::new_from_slice(key)
        .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}
