use super::*;

fn check(stored: &str) {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    assert_eq!(verify(&secret("secret pass"), stored), Ok(true), "{stored}");
    for wrong in ["secret pas", "Secret pass", "secret pass ", ""] {
        assert_eq!(verify(&secret(wrong), stored), Ok(false), "{stored} {wrong}");
    }
}

// Made with openssl, htpasswd, hashlib of Python, and doveadm, of the password "secret pass".
#[test]
fn hashes_that_others_made() {
    for stored in include_str!("../../testdata/hashes").lines().filter(|line| !line.starts_with('#')) {
        check(stored);
    }
}

// From slapd-pw-pbkdf2(5).
#[test]
fn the_examples_of_openldap() {
    let right = Secret::new(b"secret".to_vec());
    for stored in [
        "{PBKDF2-SHA512}10000$/oQ4xZi382mk7kvCd3ZdkA$2wqjpuyV2l0U/a1QwoQPOtlQL.UcJGNACj1O24balruqQb/NgPW6OCvvrrJP8.SzA3/5iYvLnwWPzeX8IK/bEQ",
        "{PBKDF2-SHA256}10000$jq40ImWtmpTE.aYDYV1GfQ$mpiL4ui02ACmYOAnCjp/MI1gQk50xLbZ54RZneU0fCg",
        "{PBKDF2-SHA1}10000$QJTEclnXgh9Cz3ChCWpdAg$9.s98jwFJM.NXJK9ca/oJ5AyoAQ",
        "{PBKDF2}10000$QJTEclnXgh9Cz3ChCWpdAg$9.s98jwFJM.NXJK9ca/oJ5AyoAQ",
    ] {
        assert_eq!(verify(&right, stored), Ok(true), "{stored}");
        assert_eq!(verify(&Secret::new(b"secrets".to_vec()), stored), Ok(false), "{stored}");
    }
}

// SASLprep makes one word of the two, RFC 4013 section 3.
#[test]
fn passwords_are_prepared_for_scram() {
    let ix = |text: &str| Secret::new(text.as_bytes().to_vec());
    let (stored_key, server_key) = Hash::Sha256.keys(&ix("IX"), b"salt", 1);
    let [salt, stored, server] = [&b"salt"[..], stored_key.expose(), server_key.expose()]
        .map(|bytes| data_encoding::BASE64.encode(bytes));
    let stored = format!("{{SCRAM-SHA-256}}1,{salt},{stored},{server}");
    assert_eq!(verify(&ix("\u{2168}"), &stored), Ok(true));
    assert_eq!(verify(&ix("ix"), &stored), Ok(false));
}

#[test]
fn hashes_that_we_make() {
    let password = Secret::new(b"secret pass".to_vec());
    for scheme in new_schemes() {
        let made = hash_as(&password, &scheme.to_lowercase()).unwrap();
        assert!(made.starts_with(&format!("{{{scheme}}}")), "{made}");
        assert_eq!(verify(&password, &made), Ok(true), "{made}");
        assert_eq!(verify(&Secret::new(b"secret".to_vec()), &made), Ok(false), "{made}");
        let is_salted = !scheme.starts_with("PLAIN");
        assert_eq!(made != hash_as(&password, scheme).unwrap(), is_salted, "{scheme}");
    }
    assert!(hash(&password).unwrap().starts_with("{CRYPT}$"));
}

#[test]
fn hashes_that_we_do_not_make() {
    let check = |password: &[u8], scheme: &str, expected: &str| {
        let BadHash(said) = hash_as(&Secret::new(password.to_vec()), scheme).unwrap_err();
        assert!(said.contains(expected), "{said}");
    };
    check(b"x", "ROT13", "CRYPT, ARGON2ID, BLF-CRYPT");
    check(b"x", "", "PLAIN");
    check(b"a\0b", "CRYPT", "libcrypt");
    check(&[b'x'; 73], "BLF-CRYPT", "72");
    // They would be another field, or another line, of a passwd file.
    check(b"a:b", "PLAIN", "PLAIN.B64");
    check(b"a\nb:{PLAIN}x", "PLAIN", "PLAIN.B64");
    check(b"\xff", "PLAIN", "PLAIN.B64");
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
        ("{CRYPT.HEX}24362473616c74", "CRYPT ($6$)", Strong),
        ("{CRYPT.HEX}24312473616c74", "CRYPT ($1$)", Weak),
        ("{CRYPT.HEX}x", "CRYPT", Weak),
        ("abJnggxhB/yWI", "CRYPT", Weak),
        ("{ARGON2ID}$argon2id$v=19$x", "ARGON2ID", Strong),
        ("$argon2id$v=19$x", "ARGON2", Strong),
        ("{PBKDF2}$1$salt$5000$00", "PBKDF2", Strong),
        ("{PBKDF2-SHA512}10000$salt$hash", "PBKDF2-SHA512", Strong),
        ("{SCRAM-SHA-1.HEX}00", "SCRAM-SHA-1", Strong),
        ("SCRAM-SHA-256$4096:salt$key:key", "SCRAM-SHA-256", Strong),
        ("{CRAM-MD5}00", "CRAM-MD5", Weak),
        ("{HMAC-MD5}00", "HMAC-MD5", Weak),
        ("$apr1$salt$hash", "CRYPT ($apr1$)", Weak),
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
        "{PBKDF2}",
        "{PBKDF2}x",
        "{PBKDF2}$1$salt$0$284ce8ee0f43429bac6c84cc96e4c2c5f02d8587",
        "{PBKDF2}$1$salt$5000001$284ce8ee0f43429bac6c84cc96e4c2c5f02d8587",
        "{PBKDF2}$1$salt$99999999999$284ce8ee0f43429bac6c84cc96e4c2c5f02d8587",
        "{PBKDF2}$1$salt$5000$284c",
        "{PBKDF2}$2$salt$5000$284ce8ee0f43429bac6c84cc96e4c2c5f02d8587",
        "{PBKDF2-SHA256}$1$salt$5000$284ce8ee0f43429bac6c84cc96e4c2c5f02d8587",
        "{PBKDF2-SHA256}10000$QJTEclnXgh9Cz3ChCWpdAg$9.s98jwFJM.NXJK9ca/oJ5AyoAQ",
        "{PBKDF2}10000$!$9.s98jwFJM.NXJK9ca/oJ5AyoAQ",
        "{SCRAM-SHA-256}4096,x",
        "{SCRAM-SHA-1}4096,udWPbrJpRIQMNE3BI0mCpA==,MYYARXXeIS+U4dxLEWkxf5NPzXM=",
        "{SCRAM-SHA-1}0,udWPbrJpRIQMNE3BI0mCpA==,MYYARXXeIS+U4dxLEWkxf5NPzXM=,QMPQsaWHHJ09A2v165LGrKM1+Xs=",
        "{SCRAM-SHA-1}5000001,udWPbrJpRIQMNE3BI0mCpA==,MYYARXXeIS+U4dxLEWkxf5NPzXM=,QMPQsaWHHJ09A2v165LGrKM1+Xs=",
        "{SCRAM-SHA-256}4096,udWPbrJpRIQMNE3BI0mCpA==,MYYARXXeIS+U4dxLEWkxf5NPzXM=,QMPQsaWHHJ09A2v165LGrKM1+Xs=",
        "{CRAM-MD5}5c5e",
        "{CRAM-MD5}nothing in hexadecimal",
        "$apr1$saltsaltsalt$bxwQhG/2wCpaH3W9QNTeH1",
        "$apr1$salt",
    ] {
        let outcome = verify(&Secret::new(b"x".to_vec()), stored);
        assert!(outcome.is_err(), "{stored}: {outcome:?}");
    }
}

#[test]
fn security_09_passwords_of_any_kind_are_survived() {
    for password in [&b"a\0b"[..], b"\xff\xfe", &[b'x'; 1025], &[b'x'; 1_000_000], b""] {
        for stored in [
            "{PLAIN}a",
            "{CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            "{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g=",
            "$apr1$3hS9V8LZ$bxwQhG/2wCpaH3W9QNTeH1",
            "{CRAM-MD5}5c5e8dbd10626a25499ee4907c5f7dad2991f6e2093c44f0f7f8732802e3a963",
        ] {
            assert_eq!(verify(&Secret::new(password.to_vec()), stored), Ok(false));
        }
    }
}

#[test]
fn security_15_secrets_are_compared_in_constant_time() {
    // What can be tested is that the comparison is subtle's, whatever the prefix.
    assert!(equal(b"same", b"same") && !equal(b"same", b"sam") && !equal(b"same", b"tame"));
}
