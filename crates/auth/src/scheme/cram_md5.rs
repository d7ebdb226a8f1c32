//! What CRAM-MD5 needs of a password: the two states of MD5 in which HMAC-MD5 (RFC 2104
//! section 4) goes on. They serve as the password does, and are of no use elsewhere.

use super::BadHash;
use super::form::{Encoding, Stored, equal};
use crate::secret::Secret;
use md5::digest::common::hazmat::{SerializableState, SerializedState};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// MD5's block, in bytes.
const BLOCK: usize = 64;
/// MD5's state, in bytes.
const STATE: usize = 16;

/// MD5 after the outer pad, and after the inner one: the order in which Dovecot stores them.
pub(crate) struct Contexts {
    outer: Md5,
    inner: Md5,
}

impl Contexts {
    /// Of a password.
    pub(crate) fn new(password: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; BLOCK]);
        match key.get_mut(..password.len()) {
            Some(start) => start.copy_from_slice(password),
            None => key[..STATE].copy_from_slice(&Md5::digest(password)),
        }
        let after = |pad: u8| {
            let padded = Zeroizing::new(key.map(|byte| byte ^ pad));
            Md5::new_with_prefix(&padded[..])
        };
        Self { outer: after(0x5c), inner: after(0x36) }
    }

    /// Those in `stored`, if that is what it has.
    pub(crate) fn of(stored: &Secret) -> Option<Self> {
        let stored = Stored::read(std::str::from_utf8(stored.expose()).ok()?).ok()?;
        let is_one = matches!(stored.scheme.as_str(), "CRAM-MD5" | "HMAC-MD5");
        Self::read(&stored.bytes(Encoding::Hex).ok().filter(|_| is_one)?)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (outer, inner) = bytes.split_at_checked(STATE)?;
        Some(Self { outer: resumed(outer)?, inner: resumed(inner)? })
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let (outer, inner) = (self.outer.serialize(), self.inner.serialize());
        Zeroizing::new([&outer[..STATE], &inner[..STATE]].concat())
    }

    /// HMAC-MD5 of `message`.
    pub(crate) fn hmac(self, message: &[u8]) -> [u8; STATE] {
        let inner = self.inner.chain_update(message).finalize();
        self.outer.chain_update(inner).finalize().into()
    }
}

/// MD5 with `state` after one block.
fn resumed(state: &[u8]) -> Option<Md5> {
    // The state, the number of blocks in eight bytes, and an empty buffer.
    let mut serialized = SerializedState::<Md5>::default();
    serialized[..STATE].copy_from_slice(Some(state).filter(|state| state.len() == STATE)?);
    serialized[STATE] = 1;
    Md5::deserialize(&serialized).ok()
}

/// Whether the contexts are those of `password`.
pub(super) fn verify(password: &[u8], bytes: &[u8]) -> Result<bool, BadHash> {
    if bytes.len() != 2 * STATE {
        return Err(BadHash("contexts of HMAC-MD5 of the wrong length".to_owned()));
    }
    Ok(equal(&Contexts::new(password).bytes(), bytes))
}
