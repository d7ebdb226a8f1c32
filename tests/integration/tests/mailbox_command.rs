//! `restante mailbox`, beside a running server: what it says is what clients are told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::{Connection, PASSWORD, Target, make_mailbox};
use std::path::Path;
use std::process::{Command, Output};

fn mailbox(server: &Restante, arguments: &[&str]) -> Output {
    let configuration = server.directory().join("restante.toml");
    Command::new(binary()).arg("mailbox").args(arguments).arg("--config").arg(configuration).output().unwrap()
}

fn lines_of(output: &Output) -> Vec<Vec<String>> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn command(connection: &mut dyn Connection, text: &str) -> String {
    connection.send(format!("a {text}\r\n").as_bytes());
    let mut all = String::new();
    while let Some(line) = connection.line() {
        all.push_str(&String::from_utf8_lossy(&line));
        if line.starts_with(b"a ") {
            break;
        }
    }
    assert!(all.contains("a OK"), "{text}: {all}");
    all
}

fn deliver(directory: &Path, name: &str) {
    std::fs::write(directory.join(name), "Subject: x\n\nx\n").unwrap();
}

#[test]
fn the_list_says_what_clients_are_told() {
    let mut server = Restante::start("");
    let maildir = server.maildir();
    let inbox = make_mailbox(&maildir, "INBOX");
    deliver(&inbox, "cur/1.M1P1.h:2,S");
    deliver(&inbox, "new/2.M1P1.h");
    let lists = make_mailbox(&maildir, "Lists.rust");
    deliver(&lists, "cur/1.M1P1.h:2,");
    let mut connection = server.connect();
    connection.line().expect("a greeting");
    command(&mut *connection, &format!("LOGIN {} \"{PASSWORD}\"", server.user()));
    command(&mut *connection, "SUBSCRIBE Lists/rust");
    command(&mut *connection, "SELECT INBOX");
    // The session that has it open does not disturb, and is not disturbed.
    let lines = lines_of(&mailbox(&server, &["list", &server.user()]));
    for (name, subscribed, ours) in [("INBOX", "no", "INBOX"), ("Lists/rust", "yes", "Lists.rust")] {
        let status =
            command(&mut *connection, &format!("STATUS {name} (MESSAGES UNSEEN UIDVALIDITY UIDNEXT)"));
        let number = |item: &str| {
            let rest = status.split(&format!("{item} ")).nth(1).unwrap();
            rest.split([' ', ')']).next().unwrap().to_owned()
        };
        let count = number("MESSAGES");
        let bytes = (count.parse::<usize>().unwrap() * 14).to_string();
        let expected = [
            ours.to_owned(),
            count,
            number("UNSEEN"),
            bytes,
            number("UIDVALIDITY"),
            number("UIDNEXT"),
            "ASCII".to_owned(),
            subscribed.to_owned(),
        ];
        assert!(lines.contains(&expected.to_vec()), "{expected:?} is not in {lines:?}");
    }
    // A message that came since then is in the next list, and in the session.
    deliver(&lists, "new/3.M1P1.h");
    hand_over(&maildir);
    let lines = lines_of(&mailbox(&server, &["list", &server.user()]));
    assert!(
        lines.iter().any(|line| line[0] == "Lists.rust" && line[1] == "2" && line[5] == "3"),
        "{lines:?}"
    );
    let status = command(&mut *connection, "STATUS Lists/rust (MESSAGES UIDNEXT)");
    assert!(status.contains("MESSAGES 2") && status.contains("UIDNEXT 3"), "{status}");
    // The server must be able to write what the command wrote.
    command(&mut *connection, "COPY 1 Lists/rust");
}

#[test]
fn who_is_not_there_is_an_error() {
    let server = Restante::start("");
    for (user, expected) in [("nobody@example.com", "no such user"), ("user7@example.com", "no Maildir")] {
        let output = mailbox(&server, &["list", user]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{user}: {said}");
    }
    assert!(!server.directory().join("mail/user7@example.com").exists(), "nothing is made");
}
