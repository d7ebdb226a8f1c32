//! `$apr1$` of Apache's htpasswd: MD5-crypt under another name, which libcrypt does not know.

use super::BadHash;
use super::form::equal;
use md5::{Digest, Md5};

const MAGIC: &[u8] = b"$apr1$";
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Bytes of the digest as they stand in the text, in threes; the last one stands alone.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// `data` is `SALT$HASH`: what stands behind `$apr1$`.
pub(super) fn verify(password: &[u8], data: &str) -> Result<bool, BadHash> {
    let bad = || BadHash("an $apr1$ hash that cannot be read".to_owned());
    let (salt, hash) = data.split_once('$').ok_or_else(bad)?;
    if salt.len() > 8 || hash.len() != 22 {
        return Err(bad());
    }
    Ok(equal(text(&digest(password, salt.as_bytes())).as_bytes(), hash.as_bytes()))
}

/// Poul-Henning Kamp's MD5-crypt, with 1000 rounds as ever.
fn digest(password: &[u8], salt: &[u8]) -> [u8; 16] {
    let alternate = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut md5 = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
    for chunk in password.chunks(16) {
        md5.update(&alternate[..chunk.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        md5.update(if bits & 1 == 1 { b"\0" } else { password.get(..1).unwrap_or_default() });
        bits >>= 1;
    }
    let mut last: [u8; 16] = md5.finalize().into();
    for round in 0..1000 {
        let (odd, mut md5) = (round % 2 == 1, Md5::new());
        md5.update(if odd { password } else { &last });
        if round % 3 != 0 {
            md5.update(salt);
        }
        if round % 7 != 0 {
            md5.update(password);
        }
        md5.update(if odd { &last } else { password });
        last = md5.finalize().into();
    }
    last
}

fn text(digest: &[u8; 16]) -> String {
    let threes = ORDER
        .map(|[a, b, c]| (u32::from(digest[a]) << 16 | u32::from(digest[b]) << 8 | u32::from(digest[c]), 4));
    let groups = threes.into_iter().chain([(u32::from(digest[11]), 2)]);
    groups
        .flat_map(|(bits, digits)| {
            (0..digits).map(move |n| char::from(DIGITS[(bits >> (6 * n) & 63) as usize]))
        })
        .collect()
}
