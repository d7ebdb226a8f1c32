//! Users of files and directories that change while the server runs, and sources in a chain.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::PASSWORD;
use restante_tests::target::restante::Restante;
use restante_tests::users::{AT_ONCE, auth, check_log_ins, hashed, open_directory};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const OK: &str = "OK";
const WRONG: &str = "NO [AUTHENTICATIONFAILED]";
const UNAVAILABLE: &str = "NO [UNAVAILABLE]";

/// A server whose last sources are these lines.
fn server(sources: &str) -> Restante {
    Restante::start(&format!("{sources}\n{AT_ONCE}"))
}

/// A `[[users]]` with a source at a path, and more lines of it.
fn source(kind: &str, path: &Path, more: &str) -> String {
    format!("[[users]]\n{kind} = {:?}\n{more}\n", path.display().to_string())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn domains_come_change_and_go() {
    let directory = open_directory();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("one.example"), "anna:{PLAIN}of one\nboth:{PLAIN}one's\n").unwrap();
    fs::write(at("two.example"), "bert:{PLAIN}of two\nboth:{PLAIN}two's\n").unwrap();
    let server = server(&source("passwd-directory", directory.path(), ""));
    check_log_ins(
        &server,
        &[
            ("anna@one.example", "of one", OK),
            ("Anna@ONE.example", "of one", OK),
            ("anna@two.example", "of one", WRONG),
            ("both@one.example", "one's", OK),
            ("both@one.example", "two's", WRONG),
            ("both@two.example", "two's", OK),
            ("anna", "of one", WRONG),
            ("carl@three.example", "of three", WRONG),
        ],
    );
    fs::write(at("three.example"), "carl:{PLAIN}of three\n").unwrap();
    fs::write(at("one.example"), "anna:{PLAIN}another\n").unwrap();
    check_log_ins(
        &server,
        &[
            ("carl@three.example", "of three", OK),
            ("anna@one.example", "of one", WRONG),
            ("anna@one.example", "another", OK),
            ("both@one.example", "one's", WRONG),
        ],
    );
    // Replaced as editors do, of the same length.
    fs::write(at("one.example.new"), "anna:{PLAIN}anotheR\n").unwrap();
    fs::rename(at("one.example.new"), at("one.example")).unwrap();
    fs::remove_file(at("two.example")).unwrap();
    check_log_ins(
        &server,
        &[
            ("anna@one.example", "another", WRONG),
            ("anna@one.example", "anotheR", OK),
            ("bert@two.example", "of two", WRONG),
        ],
    );
    fs::write(at("two.example"), "bert:{PLAIN}of two\n").unwrap();
    check_log_ins(&server, &[("bert@two.example", "of two", OK)]);
}

#[test]
fn security_13_a_domain_is_no_path() {
    let outside = open_directory();
    fs::write(outside.path().join("users"), "thief:{PLAIN}x\n").unwrap();
    let directory = outside.path().join("domains");
    fs::create_dir_all(directory.join("sub")).unwrap();
    let at = |name: &str| directory.join(name);
    for name in ["sub/users", ".hidden", "has space", "star*", "per%u", "one.example", "jörg.example"] {
        fs::write(at(name), "thief:{PLAIN}x\n").unwrap();
    }
    for name in ["one.example.lock", "one.example.new", "UPPER.example", "a..b"] {
        fs::write(at(name), "thief:{PLAIN}x\n").unwrap();
    }
    symlink("../users", at("link.example")).unwrap();
    symlink("one.example", at("inner.example")).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo.example")).status().unwrap().success());
    let server = server(&source("passwd-directory", &directory, ""));
    for domain in [
        "../users",
        "..",
        ".",
        "sub/users",
        "./one.example",
        "/etc/passwd",
        "one.example/",
        ".hidden",
        "has space",
        "star*",
        "*",
        "per%u",
        "%d",
        "a..b",
        "one.example.lock",
        "one.example.new",
        "UPPER.example",
        "..\\users",
        "one.example\n",
        "",
        "@one.example",
        "sub/../one.example",
    ] {
        // White space around a name is not part of it.
        let expected = if domain == "one.example\n" { OK } else { WRONG };
        check_log_ins(&server, &[(&format!("thief@{domain}"), "x", expected)]);
    }
    check_log_ins(
        &server,
        &[
            ("thief@one.example", "x", OK),
            ("thief@JÖRG.example", "x", OK),
            // There, but no file that a domain may have: nobody knows who its users are.
            ("thief@link.example", "x", UNAVAILABLE),
            ("thief@inner.example", "x", UNAVAILABLE),
            ("thief@fifo.example", "x", UNAVAILABLE),
            ("thief@sub", "x", UNAVAILABLE),
        ],
    );
}

/// A line of a userdb for a user with a home of their own, below `homes`.
fn line(homes: &Path, name: &str, fields: &str) -> String {
    let home = homes.join(name).display().to_string();
    format!("{name}\tuid=5000|gid=5001|home={home}|shell=/bin/sh|{fields}\n")
}

#[test]
fn couriers_userdb_is_read_as_text() {
    let directory = open_directory();
    let homes = open_directory();
    set_mode(homes.path(), 0o777);
    let path = directory.path().join("userdb");
    let (system, imap) = (hashed("system's"), hashed("imap's"));
    let of = |name: &str, fields: &str| line(homes.path(), name, fields);
    let mail = homes.path().join("elsewhere").display().to_string();
    let text = [
        "# makeuserdb passes this over\n\n".to_owned(),
        of("anna@example.org", &format!("mail={mail}|quota=5000000S,100C|systempw={system}|imappw={imap}")),
        of("bert@example.org", &format!("systempw={system}|pop3pw={imap}|hmac-md5pw=00")),
        of("carl@example.org", &format!("pop3pw={imap}")),
        of("dora@example.org", "mail=Mail|imappw="),
        of("emil@example.org", &format!("imappw={imap}|options=disableimap=1")),
        format!("wrong@example.org\tuid=x|imappw={imap}\n"),
        format!("no tab@example.org imappw={imap}\n"),
    ];
    fs::write(&path, text.concat()).unwrap();
    let server = server(&source("userdb", &path, ""));
    check_log_ins(
        &server,
        &[
            // The service's own password, and where there is one, no other.
            ("anna@example.org", "imap's", OK),
            ("anna@example.org", "system's", WRONG),
            ("bert@example.org", "system's", OK),
            ("bert@example.org", "imap's", WRONG),
            ("bert@example.org", "00", WRONG),
            ("carl@example.org", "imap's", WRONG),
            ("dora@example.org", "", WRONG),
            ("dora@example.org", "x", WRONG),
            ("wrong@example.org", "imap's", UNAVAILABLE),
            ("no tab@example.org", "imap's", WRONG),
        ],
    );
    assert!(Path::new(&mail).join("cur").is_dir(), "the Maildir that the line names");
    let (_, said) = auth(&server, &["lookup", "anna@example.org"], "");
    for expected in [&format!("Maildir: {mail}\n"), "uid: 5000, gid: 5001", "5000000", "100"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // As long as it is the right password that is refused, it is not called wrong.
    let answer = restante_tests::users::log_in(&server, "emil@example.org", "imap's");
    assert!(answer.starts_with("a NO") && !answer.contains("AUTHENTICATIONFAILED"), "{answer}");

    fs::write(&path, of("anna@example.org", &format!("mail={mail}|imappw={system}"))).unwrap();
    check_log_ins(
        &server,
        &[
            ("anna@example.org", "imap's", WRONG),
            ("anna@example.org", "system's", OK),
            ("bert@example.org", "system's", WRONG),
        ],
    );
}

#[test]
fn a_userdb_may_be_a_directory() {
    let directory = open_directory();
    let homes = open_directory();
    set_mode(homes.path(), 0o777);
    let at = |name: &str| directory.path().join(name);
    let of = |name: &str, password: &str| {
        let mail = homes.path().join(name).display().to_string();
        line(homes.path(), name, &format!("mail={mail}|imappw={}", hashed(password)))
    };
    fs::create_dir(at("more")).unwrap();
    fs::write(at("a"), of("anna", "a")).unwrap();
    fs::write(at("more/b"), of("bert", "b") + &of("anna", "second")).unwrap();
    fs::write(at(".hidden"), of("carl", "c")).unwrap();
    let server = server(&source("userdb", directory.path(), ""));
    check_log_ins(
        &server,
        &[("anna", "a", OK), ("anna", "second", WRONG), ("bert", "b", OK), ("carl", "c", WRONG)],
    );
    fs::rename(at(".hidden"), at("c")).unwrap();
    fs::remove_file(at("a")).unwrap();
    check_log_ins(&server, &[("carl", "c", OK), ("anna", "a", WRONG), ("anna", "second", OK)]);
}

#[test]
fn a_chain_goes_on_with_the_unknown_only() {
    let directory = open_directory();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("first"), "anna@example.org:{PLAIN}first's\nfirst@example.net:{PLAIN}x\n").unwrap();
    fs::create_dir(at("second")).unwrap();
    fs::write(at("second/example.org"), "anna:{PLAIN}second's\nbert:{PLAIN}of bert\n").unwrap();
    fs::write(
        at("third"),
        line(directory.path(), "carl@example.net", &format!("mail=/nowhere|systempw={}", hashed("of carl")))
            + &line(directory.path(), "bert@example.org", &format!("imappw={}", hashed("third's"))),
    )
    .unwrap();
    let server = server(
        &[
            source("passwd-file", &at("first"), "domains = [\"Example.ORG\"]"),
            source("passwd-directory", &at("second"), ""),
            source("userdb", &at("third"), "domains = [\"example.net\"]"),
        ]
        .concat(),
    );
    check_log_ins(
        &server,
        &[
            ("anna@example.org", "first's", OK),
            // The first that knows her has the last word.
            ("anna@example.org", "second's", WRONG),
            ("bert@example.org", "of bert", OK),
            ("bert@example.org", "third's", WRONG),
            // There, but not asked for that domain.
            ("first@example.net", "x", WRONG),
            ("user1@example.com", PASSWORD, OK),
            ("nobody@example.com", PASSWORD, WRONG),
        ],
    );
    let path = |name: &str| at(name).display().to_string();
    let (first, second, third) = (path("first"), path("second"), path("third"));
    let rows = [
        (
            &["lookup", "anna@example.org"][..],
            "",
            true,
            vec![&first[..], "the file has anna"],
            vec![&second[..], &third],
        ),
        (&["lookup", "bert@example.org"], "", true, vec![&first, &second, "has no such user"], vec![&third]),
        (
            &["lookup", "carl@example.net"],
            "",
            true,
            vec![&second, "no file for the domain", &third],
            vec![&first],
        ),
        (
            &["test", "anna@example.org"],
            "second's\n",
            false,
            vec![&first, "does not match what is stored (PLAIN)"],
            vec![&second],
        ),
        (
            &["test", "bert@example.org"],
            "of bert\n",
            true,
            vec![&first, &second, "decision: comes in"],
            vec![&third],
        ),
    ];
    for (arguments, input, expected, there, absent) in rows {
        let (succeeded, said) = auth(&server, arguments, input);
        assert_eq!(succeeded, expected, "{arguments:?}: {said}");
        assert!(there.iter().all(|text| said.contains(text)), "{arguments:?} {there:?}: {said}");
        assert!(!absent.iter().any(|text| said.contains(text)), "{arguments:?} {absent:?}: {said}");
        for secret in ["first's", "second's", "of bert", "third's", "$6$"] {
            assert!(!said.contains(secret), "security 16: {said}");
        }
    }
}

#[test]
fn a_source_that_cannot_be_read_is_unavailable_until_it_can() {
    let directory = open_directory();
    let at = |name: &str| directory.path().join(name);
    let users = "anna@example.org:{PLAIN}a\nbert@example.org:{PLAIN}first's\n";
    let domain = "carl:{PLAIN}c\nbert:{PLAIN}second's\n";
    fs::write(at("first"), users).unwrap();
    fs::create_dir(at("second")).unwrap();
    set_mode(&at("second"), 0o755);
    fs::write(at("second/example.org"), domain).unwrap();
    let server =
        server(&(source("passwd-file", &at("first"), "") + &source("passwd-directory", &at("second"), "")));
    let all = |expected: &str| {
        let rows = [
            ("anna@example.org", "a"),
            ("bert@example.org", "second's"),
            ("carl@example.org", "c"),
            ("x@example.org", "x"),
        ];
        check_log_ins(&server, &rows.map(|(name, password)| (name, password, expected)));
    };
    let mended = || {
        let rows = [
            ("anna@example.org", "a", OK),
            ("bert@example.org", "first's", OK),
            ("bert@example.org", "second's", WRONG),
            ("carl@example.org", "c", OK),
        ];
        check_log_ins(&server, &rows);
    };
    mended();
    // Behind a source that is not there, nobody is asked: it may have known them.
    set_mode(&at("first"), 0);
    all(UNAVAILABLE);
    set_mode(&at("first"), 0o644);
    mended();
    fs::rename(at("first"), at("away")).unwrap();
    all(UNAVAILABLE);
    // A source before it answers for those whom it knows.
    check_log_ins(&server, &[("user1@example.com", PASSWORD, OK)]);
    let (succeeded, said) = auth(&server, &["lookup", "anna@example.org"], "");
    assert!(!succeeded && said.contains("No such file") && !said.contains("no user"), "{said}");
    let (succeeded, said) = auth(&server, &["test", "anna@example.org"], "a\n");
    assert!(!succeeded && said.contains("a source did not answer"), "{said}");
    fs::rename(at("away"), at("first")).unwrap();
    mended();
    set_mode(&at("second"), 0);
    check_log_ins(
        &server,
        &[
            ("anna@example.org", "a", OK),
            ("carl@example.org", "c", UNAVAILABLE),
            ("x@x.example", "x", UNAVAILABLE),
        ],
    );
    set_mode(&at("second"), 0o755);
    set_mode(&at("second/example.org"), 0);
    // Another domain's users are known to be unknown.
    check_log_ins(&server, &[("carl@example.org", "c", UNAVAILABLE), ("x@x.example", "x", WRONG)]);
    set_mode(&at("second/example.org"), 0o644);
    mended();
    assert!(server.logged().iter().all(|line| !line.contains("second's")), "a password in the log");
}
