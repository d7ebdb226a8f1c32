//! Log-ins through the helper process: checkpassword programs and PAM behind the running server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, is_root};
use restante_tests::target::{Connection, PASSWORD};
use restante_tests::users::log_in;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long something may take that takes no time unless it hangs.
const WAIT: Duration = Duration::from_secs(30);

/// A checkpassword program: what it does depends on the name.
const PROGRAM: &str = r#"#!/usr/bin/env python3
import os, signal, sys, time
given = b""
while True:
    more = os.read(3, 600)
    if not more:
        break
    given += more
os.close(3)
assert len(given) <= 512
name, password, timestamp, rest = given.split(b"\0")
name = name.decode()
local = name.split("@")[0]
if local == "busy":
    sys.exit(111)
if local == "misused":
    sys.exit(2)
if local == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if local == "hang":
    time.sleep(1000)
if local == "silent":
    sys.exit(0)
if local == "garbage":
    os.write(0, b"\xff" * 1000)
    sys.exit(0)
if password.decode() != "pass word":
    sys.exit(1)
assert os.environ["PROTO"] == "TCP" and os.environ["TCPLOCALPORT"] == "993"
assert os.environ["TCPREMOTEIP"] == "127.0.0.1" and os.environ["SERVICE"] == "imap"
if local == "slow":
    time.sleep(0.1)
os.environ["USER"] = local
os.environ["HOME"] = os.path.dirname(sys.argv[0])
os.environ["MAILDIR"] = "mail/" + local
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// The program, where the server's user may run it.
fn program() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = directory.path().join("checkpassword");
    std::fs::write(&path, PROGRAM).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(directory.path().join("mail")).unwrap();
    restante_tests::target::restante::hand_over(&directory.path().join("mail"));
    (directory, path)
}

fn with_program(path: &Path, more: &str) -> Restante {
    Restante::start(&settings(path, more))
}

fn settings(path: &Path, more: &str) -> String {
    format!("[[users]]\n[users.checkpassword]\nprogram = [\"{}\"]\n{more}\n", path.display())
}

/// A server that never was root, whoever runs the tests.
fn by_an_ordinary_user(settings: &str) -> Restante {
    if !is_root() {
        return Restante::start(settings);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(binary());
    Restante::start_by(&mut command, settings)
}

/// The helper of a server: its only child.
fn helper_of(server: &Restante) -> u32 {
    let children = children_of(server.pid());
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

fn children_of(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    children
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn uid_of(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap().to_owned();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + WAIT;
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_checkpassword_program_says_is_answered() {
    let (directory, path) = program();
    let server = with_program(&path, "timeout = \"2s\"");
    for (name, password, expected) in [
        ("anna@example.org", PASSWORD, "a OK"),
        ("anna@example.org", "wrong", "a NO [AUTHENTICATIONFAILED]"),
        ("busy@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("misused@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("crash@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("silent@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("garbage@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("hang@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("anna@example.org", &"x".repeat(600), "a NO [AUTHENTICATIONFAILED]"),
        ("ben@example.org", PASSWORD, "a OK"),
        // Of the passwd file before it.
        ("user0@example.com", PASSWORD, "a OK"),
    ] {
        let answer = log_in(&server, name, password);
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
    assert!(directory.path().join("mail/anna/cur").is_dir(), "the Maildir that the program named");
    let helper = helper_of(&server);
    wait_until("what it ran is gone", || children_of(helper).is_empty());
    assert!(server.logged().iter().all(|line| !line.contains(PASSWORD)), "a password in the log");
}

#[test]
fn a_flood_is_answered_by_two_at_once() {
    let (_directory, path) = program();
    let server = with_program(
        &path, // What is remembered is not asked for: here each log-in is.
        "at-once = 2\n[login]\ncache-lifetime = \"0s\"\ncache-negative-lifetime = \"0s\"\n\
         [limits]\nconnections-per-address = 1000",
    );
    let helper = helper_of(&server);
    let most = std::sync::atomic::AtomicUsize::new(0);
    let over = std::sync::atomic::AtomicBool::new(false);
    use std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Who is in two looks was there in between, all at once: a look itself takes time, in
            // which one may end and another begin.
            let mut before = Vec::new();
            while !over.load(SeqCst) {
                let now = children_of(helper);
                most.fetch_max(now.iter().filter(|pid| before.contains(*pid)).count(), SeqCst);
                before = now;
                std::thread::yield_now();
            }
        });
        let asked: Vec<_> =
            (0..200).map(|_| scope.spawn(|| log_in(&server, "slow@example.org", PASSWORD))).collect();
        let answers: Vec<String> = asked.into_iter().map(|one| one.join().unwrap()).collect();
        over.store(true, SeqCst);
        let of = |start: &str| answers.iter().filter(|answer| answer.starts_with(start)).count();
        let (ok, unavailable) = (of("a OK"), of("a NO [UNAVAILABLE]"));
        eprintln!("{ok} logged in, {unavailable} unavailable, at most {most:?} at once");
        assert!(ok >= 2 && ok + unavailable == 200, "{answers:?}");
    });
    assert!((1..=2).contains(&most.load(SeqCst)), "{most:?} at once");
}

#[test]
fn security_23_the_helper_has_nothing_of_the_servers_and_ends_with_it() {
    let (_directory, path) = program();
    for by_kill in [true, false] {
        let mut server = with_program(&path, "timeout = \"60s\"");
        assert!(log_in(&server, "anna@example.org", PASSWORD).starts_with("a OK"));
        let helper = helper_of(&server);
        if is_root() {
            assert_eq!(uid_of(helper), "0", "the helper keeps root");
            assert_ne!(uid_of(server.pid()), "0", "the server does not");
            for descriptor in std::fs::read_dir(format!("/proc/{helper}/fd")).unwrap().flatten() {
                let number: u32 = descriptor.file_name().to_str().unwrap().parse().unwrap();
                let target = std::fs::read_link(descriptor.path()).unwrap().display().to_string();
                // Its own: a poller, a socket pair for signals, copies of its socket.
                let own = ["anon_inode:", "socket:", "pipe:"].iter().any(|kind| target.starts_with(kind));
                assert!(number <= 2 || own, "{number}: {target}");
            }
            let tcp = std::fs::read_to_string("/proc/net/tcp").unwrap();
            for descriptor in std::fs::read_dir(format!("/proc/{helper}/fd")).unwrap().flatten() {
                let target = std::fs::read_link(descriptor.path()).unwrap().display().to_string();
                let inode = target.trim_start_matches("socket:[").trim_end_matches(']');
                let has = tcp.lines().any(|line| line.split_whitespace().nth(9) == Some(inode));
                assert!(!has, "a TCP socket in the helper: {target}");
            }
        } else {
            eprintln!("SKIPPED: only root sees the helper's descriptors");
        }
        // One check runs while the server ends.
        let mut connection = server.tls();
        connection.line().unwrap();
        connection.send(format!("a LOGIN hang@example.org \"{PASSWORD}\"\r\n").as_bytes());
        wait_until("the program runs", || !children_of(helper).is_empty());
        let running = children_of(helper);
        if by_kill {
            server.kill();
        } else {
            server.signal("TERM");
            assert!(server.wait_until_it_ends());
        }
        wait_until("the helper ends with the server", || !is_there(helper));
        wait_until("what it ran ends, too", || !running.iter().any(|pid| is_there(*pid)));
    }
}

fn kill_helper(server: &Restante) {
    let status = Command::new("kill").args(["-KILL", &helper_of(server).to_string()]).status();
    assert!(status.unwrap().success());
    server.wait_for_log(|line| line.contains("the auth helper is gone"));
}

#[test]
fn checkpassword_works_without_root_and_its_helper_comes_back() {
    let (directory, path) = program();
    let server = by_an_ordinary_user(&settings(&path, "at-once = 2"));
    for (name, password, expected) in [
        ("anna@example.org", PASSWORD, "a OK"),
        ("anna@example.org", "wrong", "a NO [AUTHENTICATIONFAILED]"),
        ("busy@example.org", PASSWORD, "a NO [UNAVAILABLE]"),
        ("user0@example.com", PASSWORD, "a OK"),
    ] {
        let answer = log_in(&server, name, password);
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
    assert!(directory.path().join("mail/anna/cur").is_dir(), "the Maildir that the program named");
    let helper = helper_of(&server);
    assert_ne!(uid_of(helper), "0", "nobody has root");
    assert_eq!(uid_of(helper), uid_of(server.pid()));
    // Others each time, so that no answer is remembered.
    for (during, after) in [("ben", "carl"), ("dora", "emil")] {
        kill_helper(&server);
        let answer = log_in(&server, &format!("{during}@example.org"), PASSWORD);
        // Unless another one is there already.
        assert!(answer.starts_with("a NO [UNAVAILABLE]") || answer.starts_with("a OK"), "{answer}");
        wait_until("another helper is started", || {
            log_in(&server, &format!("{after}@example.org"), PASSWORD).starts_with("a OK")
        });
        assert_ne!(helper_of(&server), helper);
    }
}

#[test]
fn a_helper_that_dies_is_unavailable() {
    let (_directory, path) = program();
    let server = with_program(&path, "");
    assert!(log_in(&server, "anna@example.org", PASSWORD).starts_with("a OK"));
    kill_helper(&server);
    // As another user, so that no answer is remembered.
    assert!(log_in(&server, "ben@example.org", PASSWORD).starts_with("a NO [UNAVAILABLE]"));
    assert!(log_in(&server, "user0@example.com", PASSWORD).starts_with("a OK"), "others come in");
    if !is_root() {
        wait_until("another one is started", || {
            log_in(&server, "ben@example.org", PASSWORD).starts_with("a OK")
        });
    }
}

#[test]
fn pam_lets_in() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let check = directory.path().join("check");
    std::fs::write(
        &check,
        "#!/bin/sh\ngiven=$(tr -d '\\0')\n[ \"$given\" = \"pass word\" ] && [ \"$PAM_RHOST\" = 127.0.0.1 ]\n",
    )
    .unwrap();
    std::fs::set_permissions(&check, std::fs::Permissions::from_mode(0o755)).unwrap();
    // A program that fails is a system error to pam_exec: here it is a refusal.
    let service = format!(
        "auth [success=1 default=ignore] pam_exec.so expose_authtok quiet {}\nauth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_permit.so\n",
        check.display()
    );
    std::fs::write(directory.path().join("mail"), service).unwrap();
    let server = Restante::start(&format!(
        "[[users]]\n[users.pam]\nservice = \"mail\"\ndirectory = \"{}\"\n",
        directory.path().display()
    ));
    for (name, password, expected) in [
        ("anna@example.org", PASSWORD, "a OK"),
        ("anna@example.org", "wrong", "a NO [AUTHENTICATIONFAILED]"),
        // There, but with a small uid: PAM would let them in.
        ("root", PASSWORD, "a NO [AUTHENTICATIONFAILED]"),
        ("daemon", PASSWORD, "a NO [AUTHENTICATIONFAILED]"),
    ] {
        let answer = log_in(&server, name, password);
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
    wait_until("no worker is left", || children_of(helper_of(&server)).is_empty());
}
