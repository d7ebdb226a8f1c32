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
    for (name, subscribed) in [("INBOX", "no"), ("Lists/rust", "yes")] {
        let status =
            command(&mut *connection, &format!("STATUS {name} (MESSAGES UNSEEN UIDVALIDITY UIDNEXT)"));
        let number = |item: &str| {
            let rest = status.split(&format!("{item} ")).nth(1).unwrap();
            rest.split([' ', ')']).next().unwrap().to_owned()
        };
        let count = number("MESSAGES");
        let bytes = (count.parse::<usize>().unwrap() * 14).to_string();
        let expected = [
            name.to_owned(),
            count,
            number("UNSEEN"),
            bytes,
            number("UIDVALIDITY"),
            number("UIDNEXT"),
            "ASCII".to_owned(),
            subscribed.to_owned(),
            "-".to_owned(),
        ];
        assert!(lines.contains(&expected.to_vec()), "{expected:?} is not in {lines:?}");
    }
    // A message that came since then is in the next list, and in the session.
    deliver(&lists, "new/3.M1P1.h");
    hand_over(&maildir);
    let lines = lines_of(&mailbox(&server, &["list", &server.user()]));
    assert!(
        lines.iter().any(|line| line[0] == "Lists/rust" && line[1] == "2" && line[5] == "3"),
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

/// Exit code, and what was said on standard output.
fn checked(server: &Restante, arguments: &[&str]) -> (Option<i32>, String) {
    let output = mailbox(server, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

fn append(connection: &mut dyn Connection, mailbox: &str) {
    let message = "Subject: x\r\n\r\nx\r\n";
    let literal = format!("APPEND {mailbox} (\\Flagged $Work) {{{}+}}\r\n{message}", message.len());
    command(connection, &literal);
}

#[test]
fn damage_is_found_and_repaired_beside_a_running_server() {
    let mut server = Restante::start("");
    let maildir = server.maildir();
    let inbox = make_mailbox(&maildir, "INBOX");
    let lists = make_mailbox(&maildir, "Lists.rust");
    deliver(&lists, "cur/1.M1P1.h:2,");
    hand_over(&maildir);
    let user = server.user();
    let mut connection = server.connect();
    connection.line().expect("a greeting");
    command(&mut *connection, &format!("LOGIN {user} \"{PASSWORD}\""));
    for _ in 0..5 {
        append(&mut *connection, "INBOX");
    }
    command(&mut *connection, "SELECT INBOX");
    command(&mut *connection, "STORE 2 +FLAGS.SILENT ($Later)");
    command(&mut *connection, "STATUS Lists/rust (MESSAGES)");
    let (code, said) = checked(&server, &["check", &user]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("INBOX: sound, 5 messages\n"), "{said}");
    assert!(said.contains("Lists/rust: sound, 1 message\n"), "{said}");
    assert!(said.ends_with("2 mailboxes, 6 messages: all sound\n"), "{said}");

    // What the client knows must be true afterwards.
    let before = command(&mut *connection, "UID FETCH 1:* (FLAGS)");
    let list = inbox.join("restante-uidlist");
    let mut bytes = std::fs::read(&list).unwrap();
    bytes.extend_from_slice(b"no line of ours\n0badc0de torn");
    std::fs::write(&list, &bytes).unwrap();
    std::fs::write(inbox.join("restante-index"), "no index").unwrap();
    hand_over(&inbox.join("restante-index"));
    let (code, said) = checked(&server, &["check", &user, "inbox"]);
    assert!(code == Some(1) && said.contains("INBOX: DAMAGED, 5 messages\n"), "{code:?} {said}");
    for part in ["damage: damaged lines", "is torn", "the index cannot be read", "1 damaged"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(std::fs::read(&list).unwrap(), bytes, "a check changes nothing");
    // One that is not damaged says so all the same.
    assert_eq!(checked(&server, &["check", &user, "Lists/rust"]).0, Some(0));
    let (code, said) = checked(&server, &["repair", &user]);
    assert!(code == Some(0) && said.contains("INBOX: repaired, 5 messages\n"), "{code:?} {said}");
    assert!(said.ends_with("1 repaired\n"), "{said}");
    assert_eq!(checked(&server, &["check", "--sizes", &user]).0, Some(0));

    // The session that had it open goes on, and so does a new one.
    assert_eq!(command(&mut *connection, "UID FETCH 1:* (FLAGS)"), before);
    append(&mut *connection, "INBOX");
    command(&mut *connection, "STORE 1 +FLAGS (\\Seen)");
    let mut another = server.connect();
    another.line().expect("a greeting");
    command(&mut *another, &format!("LOGIN {user} \"{PASSWORD}\""));
    command(&mut *another, "SELECT INBOX");
    let after = command(&mut *another, "UID FETCH 1:* (FLAGS)");
    assert!(after.lines().any(|line| line.contains("UID 2 ") && line.contains("$Later")), "{after}");
    assert_eq!(after.matches("FETCH (").count(), 6, "{after}");
    assert_eq!(checked(&server, &["check", &user]).0, Some(0));
}

/// Before any server has seen them.
#[test]
fn misnamed_files_and_links_are_named() {
    let server = Restante::start("");
    let maildir = server.maildir();
    let (inbox, lists) = (make_mailbox(&maildir, "INBOX"), make_mailbox(&maildir, "Lists.rust"));
    for name in ["cur/1.M1P1.h:2,", "cur/1.M1P1.h:2,S", "new/1.M1P1.h", "cur/:2,S"] {
        deliver(&inbox, name);
    }
    std::fs::create_dir(maildir.join("elsewhere")).unwrap();
    std::fs::remove_dir(lists.join("tmp")).unwrap();
    std::os::unix::fs::symlink(maildir.join("elsewhere"), lists.join("tmp")).unwrap();
    hand_over(&maildir);
    let user = server.user();
    let (code, said) = checked(&server, &["check", &user]);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "damage: files with the base name of another",
        "new/1.M1P1.h beside cur/1.M1P1.h:2,",
        "damage: files without a base name",
        "Lists/rust: DAMAGED",
        "tmp is a symbolic link",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(inbox.join("cur/:2,S").exists(), "a check changes nothing");
    let (code, said) = checked(&server, &["repair", &user, "INBOX"]);
    assert!(code == Some(0) && said.contains("INBOX: repaired, 4 messages\n"), "{code:?} {said}");
    let (code, said) = checked(&server, &["repair", &user]);
    assert!(code == Some(1) && said.contains("tmp is a symbolic link"), "{code:?} {said}");
}

/// What a Maildir may be and what may be in it, as `restante check` has it and as clients see it.
#[test]
fn a_maildir_may_be_a_link_and_nothing_in_it() {
    let mut server = Restante::start("");
    let (maildir, user) = (server.maildir(), server.user());
    let there = server.directory().join("there");
    make_mailbox(&there, "INBOX");
    deliver(&there, "new/1.M1P1.h");
    hand_over(&there);
    if maildir.exists() {
        std::fs::remove_dir_all(&maildir).unwrap();
    }
    std::fs::create_dir_all(maildir.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&there, &maildir).unwrap();
    let configuration = server.directory().join("restante.toml");
    let check = |expected: Option<&str>| {
        let output = Command::new(binary()).args(["check", "--config"]).arg(&configuration).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.contains("symbolic link"), expected.is_some(), "{said}");
        assert!(said.contains(expected.unwrap_or_default()), "{said}");
    };
    check(None);
    let mut connection = server.connect();
    connection.line().expect("a greeting");
    command(&mut *connection, &format!("LOGIN {user} \"{PASSWORD}\""));
    let selected = command(&mut *connection, "SELECT INBOX");
    assert!(selected.contains("* 1 EXISTS") && selected.contains("[READ-WRITE]"), "{selected}");
    std::fs::remove_dir_all(there.join("tmp")).unwrap();
    std::os::unix::fs::symlink("/tmp", there.join("tmp")).unwrap();
    check(Some("tmp must be a directory, and no symbolic link"));
    std::fs::rename(&there, there.with_file_name("away")).unwrap();
    check(Some("is a symbolic link that leads to no directory"));
}

#[test]
fn a_check_beside_busy_sessions_raises_no_false_alarm() {
    let mut server = Restante::start("");
    let inbox = make_mailbox(&server.maildir(), "INBOX");
    deliver(&inbox, "cur/1.M1P1.h:2,");
    hand_over(&server.maildir());
    let user = server.user();
    let mut connection = server.connect();
    connection.line().expect("a greeting");
    command(&mut *connection, &format!("LOGIN {user} \"{PASSWORD}\""));
    command(&mut *connection, "SELECT INBOX");
    for round in 0..10 {
        // The server works on these while the check is under way.
        let mut all = String::new();
        for n in 0..20 {
            let message = "Subject: x\r\n\r\nx\r\n";
            all.push_str(&format!("b APPEND INBOX ($K{n}) {{{}+}}\r\n{message}\r\n", message.len()));
            all.push_str(&format!("c UID STORE 1:* +FLAGS.SILENT ($K{n} \\Deleted)\r\nd NOOP\r\n"));
            all.push_str("e FETCH 1:* (ENVELOPE INTERNALDATE RFC822.SIZE)\r\n");
            all.push_str("f EXPUNGE\r\n");
        }
        connection.send(all.as_bytes());
        let (code, said) = checked(&server, &[if round % 3 == 2 { "repair" } else { "check" }, &user]);
        assert_eq!(code, Some(0), "round {round}: {said}");
        command(&mut *connection, "NOOP");
    }
}

#[test]
fn what_cannot_be_checked_has_its_own_exit_code() {
    let server = Restante::start("");
    make_mailbox(&server.maildir(), "INBOX");
    hand_over(&server.maildir());
    let user = server.user();
    for (arguments, expected) in [
        (vec!["check", "nobody@example.com"], "no such user"),
        (vec!["check", "user7@example.com"], "no Maildir"),
        (vec!["check", &user, "INBOX", "Gone"], "Gone: no such mailbox"),
        (vec!["repair", &user, "Gone"], "Gone: no such mailbox"),
    ] {
        let (code, said) = checked(&server, &arguments);
        assert!(code == Some(2) && said.contains(expected), "{arguments:?}: {code:?} {said}");
    }
}

/// Directories that no client sees are named by each command and once in the log; a repair makes
/// mailboxes of them that the running server shows at once.
#[test]
fn directories_that_no_client_sees_are_found_and_repaired() {
    let mut server = Restante::start("");
    let maildir = server.maildir();
    make_mailbox(&maildir, "INBOX");
    for directory in ["Trash", "Trash.", "INBOX", "x\u{7}y"] {
        let made = maildir.join(format!(".{directory}"));
        ["cur", "new", "tmp"].iter().for_each(|part| std::fs::create_dir_all(made.join(part)).unwrap());
        deliver(&made, "cur/1.M1P1.h:2,");
    }
    hand_over(&maildir);
    let user = server.user();
    let mut connection = server.connect();
    connection.line().expect("a greeting");
    command(&mut *connection, &format!("LOGIN {user} \"{PASSWORD}\""));
    let listed = command(&mut *connection, "LIST \"\" *");
    assert_eq!(listed.matches("* LIST").count(), 2, "{listed}");

    let (code, said) = checked(&server, &["check", &user]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        ".INBOX: NO MAILBOX, 1 message that no client sees: it is called like the inbox, which is the Maildir itself; restante mailbox repair makes it the mailbox INBOX-2\n",
        ".Trash.: NO MAILBOX, 1 message that no client sees: ",
        "makes it the mailbox Trash-2\n",
        ".x\\u{7}y: NO MAILBOX, ",
        "2 mailboxes, 1 message: 3 directories with mail that no client sees",
    ] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    let (_, said) = checked(&server, &["list", &user]);
    assert!(said.contains("\nno mailboxes:\n  .INBOX: 1 message that no client sees"), "{said}");
    let migrate = Command::new(binary())
        .args(["migrate", "--from", "courier", "--dry-run", &user, "--config"])
        .arg(server.directory().join("restante.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&migrate.stdout).into_owned();
    assert!(said.contains("  .Trash.: 1 message that no client sees"), "{said}");
    assert_eq!(migrate.status.code(), Some(1), "somebody has to look");
    let (_, said) = checked(&server, &["repair", &user]);
    assert!(said.contains(".Trash.: repaired, it is the mailbox Trash-2 now\n"), "{said}");
    let (code, said) = checked(&server, &["check", &user]);
    assert_eq!(code, Some(0), "{said}");
    for name in ["Trash", "Trash-2", "INBOX-2", "x_y"] {
        let status = command(&mut *connection, &format!("STATUS {name} (MESSAGES)"));
        assert!(status.contains("(MESSAGES 1)"), "{status}");
    }
    // A second list of the same account says nothing again.
    command(&mut *connection, "LIST \"\" *");
    let log = server.logged().concat();
    assert_eq!(log.matches("holds messages and is no mailbox").count(), 3, "{log}");
}
