use super::*;

fn check(stored: &str) {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    assert_eq!(verify(&secret("secret pass"), stored), Ok(true), "{stored}");
    for wrong in ["secret pas", "Secret pass", "secret pass ", ""] {
        assert_eq!(verify(&secret(wrong), stored), Ok(false), "{stored} {wrong}");
    }
}

// Made with openssl, Python's hashlib and doveadm of the password "secret pass".
#[test]
fn hashes_that_others_made() {
    for stored in include_str!("../../testdata/hashes").lines().filter(|line| !line.starts_with('#')) {
        check(stored);
    }
}

#[test]
fn hashes_that_we_make() {
    let made = hash(&Secret::new(b"secret pass".to_vec())).unwrap();
    assert!(made.starts_with("{CRYPT}$"), "{made}");
    check(&made);
    assert_ne!(made, hash(&Secret::new(b"secret pass".to_vec())).unwrap());
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
        ("abJnggxhB/yWI", "CRYPT", Weak),
        ("{ARGON2ID}$argon2id$v=19$x", "ARGON2ID", Strong),
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
    ] {
        let outcome = verify(&Secret::new(b"x".to_vec()), stored);
        assert!(outcome.is_err(), "{stored}: {outcome:?}");
    }
}

#[test]
fn security_09_passwords_of_any_kind_are_survived() {
    for password in [&b"a\0b"[..], b"\xff\xfe", &[b'x'; 1025], &[b'x'; 1_000_000], b""] {
        for stored in
            ["{PLAIN}a", "{CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0", "{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g="]
        {
            assert_eq!(verify(&Secret::new(password.to_vec()), stored), Ok(false));
        }
    }
}

#[test]
fn security_15_secrets_are_compared_in_constant_time() {
    // What can be tested is that the comparison is subtle's, whatever the prefix.
    assert!(equal(b"same", b"same") && !equal(b"same", b"sam") && !equal(b"same", b"tame"));
}
