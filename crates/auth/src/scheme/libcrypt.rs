//! What libcrypt knows: `$6$…` and its like; and `$apr1$`, which stands in the same places.

use super::form::equal;
use super::{BadHash, apr1};
use crate::crypt;

pub(super) fn verify(password: &[u8], data: &str) -> Result<bool, BadHash> {
    if let Some(data) = data.strip_prefix("$apr1$") {
        return apr1::verify(password, data);
    }
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

/// Whether checking it would take a processor for more than some seconds, of the methods in which
/// the cost is a plain number.
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
