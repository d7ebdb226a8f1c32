//! Commands for the administrator beside a running server: reload, signals, pipes, manual pages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary};
use restante_tests::target::{PASSWORD, Target};
use restante_tests::users::{log_in, settings_file};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn restante(arguments: &[&str], settings: &Path) -> (bool, String) {
    let output = Command::new(binary()).args(arguments).arg("--config").arg(settings).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn reload_tells_whether_the_new_settings_are_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control");
    let server = Restante::start(&format!("[login]\ncontrol-socket = \"{}\"\n", socket.display()));
    let settings = settings_file(&server);
    let right = std::fs::read_to_string(&settings).unwrap();
    assert_eq!(restante(&["reload"], &settings), (true, "reloaded\n".to_owned()));
    server.wait_for_log(|line| line.contains("reloaded"));

    std::fs::write(&settings, right.replace("[login]", "[login]\ntiemout = \"1m\"")).unwrap();
    let (reloaded, said) = restante(&["reload"], &settings);
    assert!(!reloaded && said.contains("did you mean timeout?"), "{said}");
    std::fs::write(&settings, right.replace("key.pem", "gone.pem")).unwrap();
    let (reloaded, said) = restante(&["reload"], &settings);
    assert!(
        !reloaded && said.contains("the certificates in force stay") && said.contains("gone.pem"),
        "{said}"
    );
    let user = server.user();
    assert!(log_in(&server, &user, PASSWORD).starts_with("a OK"));
}

#[test]
fn first_log_ins_of_a_user_may_come_together() {
    let server = Restante::start("");
    for user in (100..120).map(|n| format!("user{n}@example.com")) {
        let answers: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..5).map(|_| scope.spawn(|| log_in(&server, &user, PASSWORD))).collect();
            clients.into_iter().map(|client| client.join().expect("an answer")).collect()
        });
        assert!(answers.iter().all(|answer| answer.starts_with("a OK")), "{user}: {answers:?}");
    }
}

#[test]
fn lines_about_a_connection_have_its_session_and_user() {
    let server = Restante::start("");
    let user = server.user();
    assert!(log_in(&server, &user, PASSWORD).starts_with("a OK"));
    let lines = ["logged in", "connection ended"].map(|text| server.wait_for_log(|line| line.contains(text)));
    let [logged_in, ended] = lines.map(|line| {
        assert!(line.contains(&format!("user={user:?}")), "{line}");
        let session = line.split(" session=").nth(1).and_then(|rest| rest.split(' ').next());
        session.map(str::to_owned).unwrap_or_else(|| panic!("no session in {line}"))
    });
    assert_eq!(logged_in, ended);
}

#[test]
fn signals_of_users_are_ignored() {
    let server = Restante::start("");
    for signal in ["USR1", "USR2"] {
        server.signal(signal);
    }
    let user = server.user();
    assert!(log_in(&server, &user, PASSWORD).starts_with("a OK"));
}

#[test]
fn a_command_whose_output_nobody_reads_ends_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    // More than a pipe holds.
    let lines: String = (0..20_000).map(|n| format!("user{n}@example.com:{{PLAIN}}x\n")).collect();
    std::fs::write(&users, lines).unwrap();
    let mut command = Command::new(binary());
    command.args(["user", "list", "--file"]).arg(&users).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), String::from_utf8_lossy(&output.stderr)), (Some(13), "".into()));
}

#[test]
fn the_manual_pages_are_clean() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../man");
    let mut pages: Vec<_> = std::fs::read_dir(pages).unwrap().map(|page| page.unwrap().path()).collect();
    pages.sort();
    let Ok(linted) = Command::new("mandoc").args(["-T", "lint"]).args(&pages).output() else {
        eprintln!("SKIPPED: mandoc is not installed");
        return;
    };
    assert!(
        linted.status.success() && linted.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&linted.stdout)
    );
}

#[test]
fn the_version_names_the_commit() {
    let output = Command::new(binary()).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let git = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    match git.map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned()) {
        Ok(commit) if !commit.is_empty() => assert!(version.contains(&commit), "{version}"),
        _ => eprintln!("SKIPPED: not in a checkout"),
    }
}
