//! Users of Courier's authdaemond, as Debian has it, behind the running server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::authdaemond::Authdaemond;
use restante_tests::target::PASSWORD;
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::users::{AT_ONCE, auth, check_log_ins, hashed, log_in, open_directory};
use std::path::Path;

const OK: &str = "OK";
const WRONG: &str = "NO [AUTHENTICATIONFAILED]";
const UNAVAILABLE: &str = "NO [UNAVAILABLE]";

/// Names and passwords.
const USERS: [(&str, &str); 3] = [
    ("anna@example.org", PASSWORD),
    ("bert@example.org", " pässwörd €  with spaces "),
    ("carl", "\"quoted\\\" {5} % = |"),
];

/// A daemon with [`USERS`], who have their mail in `homes`, and a server that asks it.
fn start(homes: &Path) -> Option<(Authdaemond, Restante)> {
    let line = |name: &str, fields: &str| {
        let mail = homes.join(name).display().to_string();
        format!("{name}\tuid=5000|gid=5001|home={}|mail={mail}|{fields}\n", homes.display())
    };
    let mut lines: String =
        USERS.iter().map(|(name, password)| line(name, &format!("systempw={}", hashed(password)))).collect();
    lines += &line("none@example.org", "quota=1000000S");
    lines += &line("off@example.org", &format!("imappw={}|options=disableimap=1", hashed(PASSWORD)));
    lines +=
        &line("own@example.org", &format!("systempw={}|imappw={}", hashed("system's"), hashed("imap's")));
    let daemon = Authdaemond::start(&lines)?;
    let socket = daemon.socket().display().to_string();
    hand_over(homes);
    let server = Restante::start(&format!("[[users]]\nauthdaemon = {socket:?}\n{AT_ONCE}"));
    Some((daemon, server))
}

#[test]
fn authdaemond_decides() {
    let homes = open_directory();
    let Some((_daemon, server)) = start(homes.path()) else { return };
    for (name, password) in USERS {
        let wrong = format!("{password}x");
        check_log_ins(
            &server,
            &[
                (name, password, OK),
                (name, password, OK),
                (name, &wrong, WRONG),
                (name, password.trim_end_matches(' '), if password.ends_with(' ') { WRONG } else { OK }),
                (name, "", WRONG),
            ],
        );
        assert!(homes.path().join(name).join("cur").is_dir(), "{name}: the Maildir that it names");
    }
    let long = "x".repeat(4000);
    check_log_ins(
        &server,
        &[
            ("nobody@example.org", PASSWORD, WRONG),
            ("nobody@example.org", "", WRONG),
            ("anna@example.com", PASSWORD, WRONG),
            ("none@example.org", "", WRONG),
            ("none@example.org", PASSWORD, WRONG),
            ("own@example.org", "imap's", OK),
            ("own@example.org", "system's", WRONG),
            ("anna@example.org", &long, WRONG),
            // Nothing of a password becomes a line of the protocol.
            ("nobody@example.org", "x\nlogin\nanna@example.org\npass word", WRONG),
            ("anna@example.org", "x\npass word", WRONG),
            ("anna@example.org\nPRE . imap x", PASSWORD, WRONG),
            // The source before it.
            ("user1@example.com", PASSWORD, OK),
        ],
    );
    let answer = log_in(&server, "off@example.org", PASSWORD);
    assert!(answer.starts_with("a NO") && !answer.starts_with(&format!("a {WRONG}")), "{answer}");
    for (arguments, input, expected, text) in [
        (&["lookup", "anna@example.org"][..], "", true, "uid: 5000, gid: 5001"),
        (&["lookup", "none@example.org"], "", true, "1000000"),
        (&["lookup", "off@example.org"], "", true, "may not use imap"),
        (&["lookup", "nobody@example.org"], "", false, "no user nobody@example.org"),
        (&["test", "anna@example.org"], "pass word\n", true, "decision: comes in"),
        (&["test", "anna@example.org"], "wrong\n", false, "AUTH anna@example.org: FAIL"),
    ] {
        let (succeeded, said) = auth(&server, arguments, input);
        assert!(succeeded == expected && said.contains(text), "{arguments:?}: {said}");
        assert!(!said.contains(PASSWORD) && !said.contains("$6$"), "security 16: {said}");
    }
    assert!(server.logged().iter().all(|line| !line.contains(PASSWORD)), "a password in the log");
}

#[test]
fn a_daemon_that_is_away_is_unavailable() {
    let homes = open_directory();
    let Some((mut daemon, server)) = start(homes.path()) else { return };
    let right = ("anna@example.org", PASSWORD, OK);
    let away = [
        ("anna@example.org", PASSWORD, UNAVAILABLE),
        ("anna@example.org", "wrong", UNAVAILABLE),
        ("nobody@example.org", "wrong", UNAVAILABLE),
        ("user1@example.com", PASSWORD, OK),
    ];
    check_log_ins(&server, &[right]);
    daemon.kill();
    check_log_ins(&server, &away);
    let (succeeded, said) = auth(&server, &["lookup", "anna@example.org"], "");
    assert!(!succeeded && said.contains("Connection refused") && !said.contains("no user"), "{said}");
    daemon.start_again();
    check_log_ins(&server, &[right, ("anna@example.org", "wrong", WRONG)]);
    std::fs::remove_file(daemon.socket()).unwrap();
    check_log_ins(&server, &away);
    daemon.kill();
    daemon.start_again();
    check_log_ins(&server, &[right]);
}

#[test]
fn a_frozen_daemon_is_unavailable_in_time() {
    let homes = open_directory();
    let Some((daemon, server)) = start(homes.path()) else { return };
    check_log_ins(&server, &[("anna@example.org", PASSWORD, OK)]);
    daemon.signal("STOP");
    std::thread::scope(|scope| {
        for password in [PASSWORD, "wrong"] {
            let server = &server;
            scope.spawn(move || check_log_ins(server, &[("anna@example.org", password, UNAVAILABLE)]));
        }
        check_log_ins(&server, &[("user1@example.com", PASSWORD, OK)]);
    });
    daemon.signal("CONT");
    check_log_ins(&server, &[("anna@example.org", PASSWORD, OK), ("anna@example.org", "wrong", WRONG)]);
}
