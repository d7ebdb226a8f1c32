//! What checking a stored password costs, in words: for telling costs apart, not for measuring.

use super::form::Stored;

/// The scheme with what its cost depends on, such as `CRYPT $6$rounds=656000`; never a salt or a
/// hash. Stored passwords of one cost have the same text.
pub(crate) fn cost(stored: &str) -> Option<String> {
    let stored = Stored::read(stored).ok()?;
    let data = stored.text().ok()?;
    let parameters = match stored.scheme.as_str() {
        scheme if scheme.ends_with("CRYPT") => of_crypt(&data),
        scheme if scheme.starts_with("ARGON2") => before(&data, '$', 2),
        // Of Dovecot's form `$1$SALT$ROUNDS$HASH`, and of OpenLDAP's `ROUNDS$SALT$HASH`.
        scheme if scheme.starts_with("PBKDF2") => data.split('$').rev().nth(match data.starts_with('$') {
            true => 1,
            false => 2,
        })?,
        // RFC 5803's form has the scheme before it.
        scheme if scheme.starts_with("SCRAM") => {
            data.split_once('$').map_or(&*data, |(_, rest)| rest).split([',', ':']).next()?
        }
        _ => "",
    };
    Some(format!("{} {parameters}", stored.scheme))
}

/// libcrypt's method and its parameters.
fn of_crypt(data: &str) -> &str {
    let Some(method) = data.strip_prefix('$').and_then(|rest| rest.split('$').next()) else { return "" };
    match method {
        // Salt and hash are one field; or salt and parameters are.
        "2a" | "2b" | "2x" | "2y" => before(data, '$', 1),
        "7" => data.get(..14).unwrap_or_default(),
        _ => before(data, '$', 2),
    }
}

/// What stands before the last `fields` fields.
fn before(data: &str, separator: char, fields: usize) -> &str {
    data.rsplitn(fields + 1, separator).nth(fields).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_told_apart_and_salts_are_not() {
        for (stored, expected) in [
            ("{PLAIN}secret", Some("PLAIN ")),
            ("{SSHA}c2VjcmV0", Some("SSHA ")),
            ("$6$salt$hash", Some("CRYPT $6")),
            ("{CRYPT}$6$rounds=656000$salt$hash", Some("CRYPT $6$rounds=656000")),
            ("{SHA512-CRYPT}$6$rounds=656000$salt$hash", Some("SHA512-CRYPT $6$rounds=656000")),
            ("{BLF-CRYPT}$2y$12$saltandhash", Some("BLF-CRYPT $2y$12")),
            ("$y$j9T$salt$hash", Some("CRYPT $y$j9T")),
            ("$7$CU..../....salt$hash", Some("CRYPT $7$CU..../....")),
            ("abJnggxhB/yWI", Some("CRYPT ")),
            (
                "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdA$aGFzaA",
                Some("ARGON2ID $argon2id$v=19$m=65536,t=3,p=1"),
            ),
            ("{PBKDF2}$1$salt$5000$0123abcd", Some("PBKDF2 5000")),
            ("{PBKDF2-SHA256}60000$salt$hash", Some("PBKDF2-SHA256 60000")),
            ("{SCRAM-SHA-1}4096,salt,stored,server", Some("SCRAM-SHA-1 4096")),
            ("SCRAM-SHA-256$4096:salt$stored:server", Some("SCRAM-SHA-256 4096")),
            ("{PLAIN.XX}secret", None),
            ("{never ends", None),
        ] {
            assert_eq!(cost(stored).as_deref(), expected, "{stored}");
        }
    }
}
