//! Password hashes that other programs make are checked here, and ours are checked by them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use auth::{Secret, scheme};
use restante_tests::target::restante::binary;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PASSWORD: &str = "secret päss";
/// The first eight bytes differ: DES sees no more.
const WRONG: &str = "secre7 päss";

/// Dovecot's schemes that are not checked here, and why.
const NOT_OURS: &[(&str, &str)] = &[
    ("OTP", "one-time passwords: what is stored changes at each log-in"),
    ("DIGEST-MD5", "a hash of user, realm and password: the user would have to keep their name"),
    ("PLAIN-MD4", "MD4 without a salt, for NTLM, which is not offered"),
    ("PLAIN-TRUNC", "lets in whoever knows how the password begins"),
];

/// Runs a program of one of the packages that tests/run installs, with `input`.
fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{program}: {error}: install what makes hashes (tests/run does)");
    });
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What it prints, which must be something.
fn made(program: &str, arguments: &[&str], input: &str) -> String {
    let output = run(program, arguments, input);
    let text = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !text.is_empty(), "{program} {arguments:?}: {said}");
    text
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// `stored` lets in who knows [`PASSWORD`] and nobody else.
fn check(stored: &str) {
    for (password, expected) in [(PASSWORD, true), (WRONG, false)] {
        assert_eq!(scheme::verify(&secret(password), stored), Ok(expected), "{stored} {password}");
    }
}

#[test]
fn all_methods_of_mkpasswd() {
    let help = made("mkpasswd", &["-m", "help"], "");
    let methods: Vec<&str> =
        help.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().next()).collect();
    assert!(methods.contains(&"yescrypt") && methods.contains(&"bcrypt"), "{help}");
    for method in methods {
        let hash = made("mkpasswd", &["-s", "-m", method], PASSWORD);
        check(&hash);
        check(&format!("{{CRYPT}}{hash}"));
    }
}

#[test]
fn all_schemes_of_doveadm() {
    let listed = made("doveadm", &["-O", "pw", "-l"], "");
    let mut checked = 0;
    for name in listed.split_ascii_whitespace() {
        if NOT_OURS.iter().any(|(scheme, _)| *scheme == name) {
            continue;
        }
        for encoding in ["", ".b64", ".hex"] {
            let scheme = format!("{name}{encoding}");
            check(&made("doveadm", &["-O", "pw", "-s", &scheme, "-p", PASSWORD], ""));
            checked += 1;
        }
    }
    assert!(checked >= 3 * 25, "{listed}");
    for (scheme, _) in NOT_OURS {
        let made = made("doveadm", &["-O", "pw", "-s", scheme, "-p", PASSWORD, "-u", "anna"], "");
        assert!(
            scheme::verify(&secret(PASSWORD), &made).is_err(),
            "{made}: {scheme} is checked: list it no more"
        );
    }
}

#[test]
fn methods_of_htpasswd() {
    for method in ["-m", "-B", "-s", "-d"] {
        let line = made("htpasswd", &["-n", "-i", method, "anna"], PASSWORD);
        check(line.strip_prefix("anna:").unwrap());
    }
}

#[test]
fn schemes_of_slappasswd() {
    let (sha2, pbkdf2, argon2) = ("module-load=pw-sha2", "module-load=pw-pbkdf2", "module-load=argon2");
    for (module, schemes) in [
        (None, &["{SSHA}", "{SMD5}", "{SHA}", "{MD5}", "{CRYPT}"][..]),
        (Some(sha2), &["{SHA256}", "{SHA384}", "{SHA512}", "{SSHA256}", "{SSHA384}", "{SSHA512}"]),
        (Some(pbkdf2), &["{PBKDF2}", "{PBKDF2-SHA1}", "{PBKDF2-SHA256}", "{PBKDF2-SHA512}"]),
        (Some(argon2), &["{ARGON2}"]),
    ] {
        for scheme in schemes {
            let mut arguments = vec!["-h", scheme, "-c", "$6$%.16s", "-s", PASSWORD];
            arguments.extend(module.iter().flat_map(|module| ["-o", module]));
            check(&made("/usr/sbin/slappasswd", &arguments, ""));
        }
    }
}

#[test]
fn kinds_of_argon2() {
    for kind in ["-i", "-d", "-id"] {
        let hash = made("argon2", &["some salt", kind, "-t", "2", "-m", "12", "-p", "2", "-e"], PASSWORD);
        check(&hash);
        check(&format!("{{ARGON2ID}}{hash}"));
    }
}

/// `restante` with these arguments.
fn restante(arguments: &[&str], input: &str) -> Output {
    run(binary().to_str().unwrap(), arguments, input)
}

fn hash_as(scheme: &str) -> String {
    made(binary().to_str().unwrap(), &["hash", "--scheme", scheme], &format!("{PASSWORD}\n"))
}

#[test]
fn dovecot_checks_what_we_make() {
    let listed = made("doveadm", &["-O", "pw", "-l"], "");
    let known: Vec<&str> = listed.split_ascii_whitespace().collect();
    for scheme in scheme::new_schemes() {
        let name = scheme.split('.').next().unwrap();
        if !known.contains(&name) {
            assert!(["PBKDF2-SHA256", "PBKDF2-SHA512"].contains(&name), "{name} is checked by nobody");
            continue;
        }
        let hash = hash_as(scheme);
        for (password, expected) in [(PASSWORD, true), (WRONG, false)] {
            let output = run("doveadm", &["-O", "pw", "-t", &hash, "-p", password], "");
            assert_eq!(output.status.success(), expected, "{hash} {password}: {output:?}");
        }
    }
}

/// A PBKDF2 in OpenLDAP's form, checked as slapd-pw-pbkdf2(5) says.
const PBKDF2: &str = r#"
import base64, hashlib, sys
scheme, rounds, salt, key = sys.argv[1].replace("}", "$").split("$")
decoded = lambda text: base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4))
name = scheme.removeprefix("{PBKDF2-").lower()
made = hashlib.pbkdf2_hmac(name, sys.argv[2].encode(), decoded(salt), int(rounds))
sys.exit(made != decoded(key))
"#;

#[test]
fn python_checks_what_dovecot_does_not_know() {
    for scheme in ["PBKDF2-SHA256", "PBKDF2-SHA512"] {
        let hash = hash_as(scheme);
        for (password, expected) in [(PASSWORD, true), (WRONG, false)] {
            let output = run("python3", &["-c", PBKDF2, &hash, password], "");
            assert_eq!(output.status.success(), expected, "{hash} {password}: {output:?}");
        }
    }
}

/// What is stored for the only user of a passwd file.
fn stored(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().split(':').nth(1).unwrap().to_owned()
}

#[test]
fn users_get_the_scheme_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users");
    let user = |command: &str, scheme: &str| {
        let file = ["--file", path.to_str().unwrap(), "--scheme", scheme, "anna@example.com"];
        restante(&[&["user", command], &file[..]].concat(), &format!("{PASSWORD}\n"))
    };
    for (command, scheme) in [("add", "ssha512"), ("passwd", "SCRAM-SHA-256"), ("passwd", "PLAIN")] {
        let output = user(command, scheme);
        assert!(output.status.success(), "{output:?}");
        let stored = stored(&path);
        assert!(stored.starts_with(&format!("{{{}}}", scheme.to_uppercase())), "{stored}");
        check(&stored);
    }
    let before = stored(&path);
    let refused = user("passwd", "ROT13");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("SHA512-CRYPT, "), "{said}");
    assert_eq!(stored(&path), before);
}
