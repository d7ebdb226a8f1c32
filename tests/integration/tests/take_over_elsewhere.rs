//! Taking over from a Dovecot that keeps mail or lists elsewhere; what a migration reports; and
//! that a server that runs is not migrated away from under its clients.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::observer::{Client, USER};
use restante_tests::target::courier::Courier;
use restante_tests::target::dovecot::Dovecot;
use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::stream::Stream;
use restante_tests::target::{PASSWORD, Target, make_mailbox};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

fn client_of(port: u16) -> Client {
    Client::new(Box::new(Stream::new(TcpStream::connect(("127.0.0.1", port)).unwrap())))
}

/// What a command of ours says, and whether it went well.
fn run(server: &Restante, arguments: &[&str]) -> (bool, String) {
    let configuration = server.directory().join("restante.toml");
    let output = Command::new(binary()).args(arguments).arg("--config").arg(configuration).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Copies what a server has of the user to where Restante has it.
fn copy(from: &Path, to: &Path, owner: &str) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    assert!(Command::new("chown").args(["-R", owner]).arg(to).status().unwrap().success());
}

/// The names and contents of all files below a directory.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => all.push((path.clone(), std::fs::read(&path).unwrap())),
            }
        }
    }
    all.sort();
    all
}

/// A Dovecot whose location has these words more, and mail in it.
fn dovecot(words: &str) -> Result<Dovecot, String> {
    let dovecot = Dovecot::start_with(&format!("mail_location = maildir:DIRECTORY/mail/%u{words}\n"))?;
    for directory in ["mail", "control", "inbox", "index"] {
        std::fs::create_dir_all(dovecot.directory().join(directory)).unwrap();
        hand_over(&dovecot.directory().join(directory));
    }
    make_mailbox(&dovecot.maildir(), "INBOX");
    hand_over(dovecot.maildir().parent().unwrap());
    let mut client = client_of(dovecot.port());
    for mailbox in ["Lists/rust", "Lists", "Entw&APw-rfe"] {
        client.command(&format!("CREATE \"{mailbox}\""));
        client.append(mailbox, "\\Seen Work", "one");
        client.append(mailbox, "\\Deleted", "two");
        client.append(mailbox, "", "three");
        client.command(&format!("SELECT \"{mailbox}\""));
        client.command("EXPUNGE");
    }
    client.command("SUBSCRIBE \"Lists/rust\"");
    client.append("INBOX", "Work", "one");
    client.append("INBOX", "\\Flagged", "two");
    Ok(dovecot)
}

/// A server whose user has the location that Dovecot's user had, with the mail copied.
fn server_for(dovecot: &Dovecot, words: &str) -> Restante {
    let server = Restante::start("");
    let directory = server.directory().to_string_lossy().into_owned();
    let location =
        format!("maildir:{directory}/mail/%u{words}").replace("DIRECTORY", &directory).replace("%u", USER);
    let line = format!("{USER}:{{PLAIN}}{PASSWORD}::::::userdb_mail={location}\n");
    std::fs::write(server.directory().join("users"), line).unwrap();
    for part in ["mail", "control", "inbox"] {
        let from = dovecot.directory().join(part).join(USER);
        if from.exists() {
            copy(&from, &server.directory().join(part).join(USER), "nobody:nogroup");
            hand_over(&server.directory().join(part));
        }
    }
    server
}

#[test]
fn lists_in_another_directory_are_taken_over_and_written_there_again() {
    let words = ":CONTROL=DIRECTORY/control/%u:INDEX=DIRECTORY/index/%u";
    let dovecot = match dovecot(words) {
        Ok(dovecot) => dovecot,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let before = client_of(dovecot.port()).observe();
    assert!(!dovecot.maildir().join("dovecot-uidlist").exists() && before.len() == 5, "{before:?}");
    let mut server = server_for(&dovecot, words);
    let control = server.directory().join("control").join(USER);
    let untouched = tree(&control);
    let (is_done, report) = run(&server, &["migrate", "--from", "dovecot", USER]);
    assert!(
        is_done && report.contains("UIDs kept:         8") && report.contains("new UIDs:          0"),
        "{report}"
    );
    assert_eq!(tree(&control), untouched, "what Dovecot has stays");
    let mut client = Client::new(Box::new(server.tls()));
    assert_eq!(client.observe(), before, "what clients remember is kept");
    client.append("INBOX", "Fresh", "three");
    client.command("SUBSCRIBE \"Lists\"");
    let after = client.observe();
    // And back, to where Dovecot looks.
    server.signal("TERM");
    assert!(server.wait_until_it_ends());
    let (is_done, report) = run(&server, &["migrate", "--to", "dovecot", USER]);
    assert!(is_done, "{report}");
    assert!(!server.maildir().join("dovecot-uidlist").exists());
    for part in ["mail", "control"] {
        let from = server.directory().join(part).join(USER);
        copy(&from, &dovecot.directory().join(part).join(USER), "nobody:nogroup");
    }
    let _ = std::fs::remove_dir_all(dovecot.directory().join("index").join(USER));
    assert_eq!(client_of(dovecot.port()).observe(), after);
}

#[test]
fn other_layouts_are_converted_with_all_uids() {
    for words in [":LAYOUT=fs", ":LAYOUT=fs:CONTROL=DIRECTORY/control/%u", ":INBOX=DIRECTORY/inbox/%u"] {
        let dovecot = match dovecot(words) {
            Ok(dovecot) => dovecot,
            Err(why) => return eprintln!("SKIPPED: {why}"),
        };
        let before = client_of(dovecot.port()).observe();
        assert_eq!(before.len(), 5, "{words}: {before:?}");
        if words.contains("INBOX") {
            // What make_mailbox made is not in use, and would be in the way.
            for part in ["cur", "new", "tmp"] {
                std::fs::remove_dir(dovecot.maildir().join(part)).unwrap();
            }
        }
        let server = server_for(&dovecot, words);
        let word = if words.contains("LAYOUT") { "LAYOUT=fs" } else { "INBOX=" };
        // Not one mailbox, or an empty one, but none.
        let mut stream = server.tls();
        let refused = log_in(&mut stream);
        assert!(refused.starts_with("a NO "), "{words}: {refused}");
        server.wait_for_log(|line| line.contains(word) && line.contains(USER));
        let (is_done, text) = run(&server, &["mailbox", "list", USER]);
        assert!(!is_done && text.contains(USER) && text.contains(word), "{words}: {text}");
        let untouched = tree(server.directory().join("mail").as_path());
        let (_, dry) = run(&server, &["migrate", "--from", "dovecot", "--dry-run", USER]);
        assert!(
            dry.contains("its directory becomes ") && dry.contains("nothing was written"),
            "{words}: {dry}"
        );
        assert!(dry.contains("new UIDs:          0"), "{words}: {dry}");
        assert_eq!(tree(server.directory().join("mail").as_path()), untouched, "{words}");
        let (is_done, report) = run(&server, &["migrate", "--from", "dovecot", USER]);
        assert!(is_done && report.contains("UIDs kept:         8"), "{words}: {report}");
        assert!(report.contains("new UIDVALIDITY:   0"), "{words}: {report}");
        let found = Client::new(Box::new(server.tls())).observe();
        assert_eq!(found, before, "{words}: what clients remember is kept");
    }
}

fn log_in(connection: &mut dyn restante_tests::target::Connection) -> String {
    assert!(connection.line().unwrap().starts_with(b"* OK"));
    connection.send(format!("a LOGIN {USER} \"{PASSWORD}\"\r\n").as_bytes());
    String::from_utf8_lossy(&connection.line().unwrap()).into_owned()
}

#[test]
fn a_word_that_is_not_supported_stops_and_is_named() {
    let server = Restante::start("");
    let mail = server.directory().join("mail").join(USER);
    let location = format!("maildir:{}:DIRNAME=mAildir", mail.display());
    let line = format!("{USER}:{{PLAIN}}{PASSWORD}::::::userdb_mail={location}\n");
    std::fs::write(server.directory().join("users"), line).unwrap();
    assert!(log_in(&mut server.tls()).starts_with("a NO "));
    server.wait_for_log(|line| line.contains(USER) && line.contains("DIRNAME=mAildir"));
    let (is_done, text) = run(&server, &["migrate", "--from", "dovecot", USER]);
    assert!(!is_done && text.contains(USER) && text.contains("DIRNAME=mAildir"), "{text}");
    assert!(!mail.exists());
}

#[test]
fn mailboxes_that_a_server_has_open_are_not_handed_over() {
    let mut server = Restante::start("");
    let mut client = Client::new(Box::new(server.tls()));
    client.append("INBOX", "", "one");
    let list = server.maildir().join("restante-uidlist");
    for to in ["courier", "dovecot"] {
        let (is_done, text) = run(&server, &["migrate", "--to", to, USER]);
        assert!(
            !is_done && text.contains(USER) && text.contains("a server has the mailboxes open"),
            "{text}"
        );
        assert!(list.exists(), "{text}");
    }
    let (is_done, text) = run(&server, &["migrate", "--to", "courier", "--dry-run", USER]);
    assert!(is_done, "{text}");
    let (is_done, text) = run(&server, &["migrate", "--from", "courier", "--force", USER]);
    assert!(!is_done, "only with --to: {text}");
    let (is_done, text) = run(&server, &["migrate", "--to", "courier", "--force", USER]);
    assert!(is_done && !list.exists(), "{text}");
    drop(client);
    server.signal("TERM");
    assert!(server.wait_until_it_ends());
    let (is_done, text) = run(&server, &["migrate", "--to", "courier", USER]);
    assert!(is_done, "{text}");
}

#[test]
fn special_uses_that_the_other_server_cannot_know_are_named() {
    for (to, remedy) in [("courier", "Courier has no special uses"), ("dovecot", "set special_use")] {
        let mut server = Restante::start("");
        let mut client = Client::new(Box::new(server.tls()));
        client.command("CREATE Trash");
        client.command("RENAME Trash Bin");
        drop(client);
        server.signal("TERM");
        assert!(server.wait_until_it_ends());
        for words in [&["migrate", "--to", to, "--dry-run", USER][..], &["migrate", "--to", to, USER]] {
            let (is_done, text) = run(&server, words);
            let note = "Bin: its special use \\Trash is known to restante-specialuse only: ";
            assert!(!is_done && text.contains(note) && text.contains(remedy), "{words:?}: {text}");
        }
        assert!(server.maildir().join("restante-specialuse").exists(), "for the way back");
    }
}

#[test]
fn what_is_not_as_it_was_is_reported_and_kept() {
    let mut server = Restante::start("");
    let maildir = server.maildir();
    make_mailbox(&maildir, "INBOX");
    let folder = make_mailbox(&maildir, "Team");
    make_mailbox(&maildir, "Fresh");
    let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
    write(maildir.join("courierimapuiddb"), "1 5 9\n3 1700000000.M1.h\n");
    for name in
        ["cur/1700000000.M1.h:2,S", "cur/1700000009.M7P1.h:2,", "new/1700000009.M10P1.h", ".Fresh/cur/1.x:2,"]
    {
        write(maildir.join(name), "Subject: x\n\nx\n");
    }
    write(folder.join("courierimapacl"), "owner aceilrstwx\nuser=bert lr\n");
    write(folder.join("dovecot-acl"), "anyone lr\n");
    write(maildir.join("courierimapacl"), "owner aceilrstwx\nadministrators aceilrstwx\n");
    write(maildir.join("courierimapsubscribed"), "INBOX.Team\n#shared.bert.Plans\n");
    hand_over(&maildir);
    let expected = [
        "INBOX: 2 messages get new UIDs: courierimapuiddb does not have them; they get those that Courier would give",
        "Fresh: 1 messages get new UIDs: there is no list of UIDs that can be read",
        "Team: courierimapacl has rights of user=bert: kept, and not obeyed here",
        "Team: dovecot-acl has rights of anyone: kept, and not obeyed here",
        "subscriptions: #shared.bert.Plans is not in this account: kept in the file, and not shown",
    ];
    let (_, dry) = run(&server, &["migrate", "--from", "courier", "--dry-run", USER]);
    let (is_done, report) = run(&server, &["migrate", "--from", "courier", USER]);
    assert!(is_done, "{report}");
    for report in [&dry, &report] {
        let found: Vec<&str> = report.lines().map(str::trim).collect();
        for expected in expected {
            assert!(found.contains(&expected), "{expected}\n{report}");
        }
        assert!(!report.contains("INBOX: courierimapacl"), "the owner's own rights are nothing to speak of");
    }
    // Courier puts M10 before M7: by bytes.
    let list = std::fs::read_to_string(maildir.join("restante-uidlist")).unwrap();
    let uid_of = |base: &str| {
        let line = list.lines().find(|line| line.contains(base)).unwrap();
        line.split(' ').skip_while(|word| *word != "U").nth(1).unwrap().to_owned()
    };
    assert_eq!([uid_of("1700000009.M10P1.h"), uid_of("1700000009.M7P1.h")], ["9", "10"], "{list}");
    // A change of subscriptions, and back.
    let mut client = Client::new(Box::new(server.tls()));
    client.command("SUBSCRIBE INBOX");
    drop(client);
    server.signal("TERM");
    assert!(server.wait_until_it_ends());
    for to in ["courier", "dovecot"] {
        let (is_done, report) = run(&server, &["migrate", "--to", to, USER]);
        assert!(is_done && report.contains("#shared.bert.Plans is not in this account"), "{report}");
        let text = std::fs::read_to_string(maildir.join("courierimapsubscribed")).unwrap();
        assert!(text.contains("#shared.bert.Plans\n") && text.contains("INBOX.Team\n"), "{text}");
    }
    assert_eq!(
        std::fs::read_to_string(folder.join("courierimapacl")).unwrap(),
        "owner aceilrstwx\nuser=bert lr\n"
    );
    assert!(folder.join("dovecot-acl").exists());
}

#[test]
fn uids_that_courier_has_shown_and_not_written_are_the_same() {
    let courier = match Courier::start(USER) {
        Ok(courier) => courier,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let mut client = client_of(courier.port());
    client.append("INBOX", "", "one");
    client.command("SELECT INBOX");
    let maildir = courier.maildir();
    let list = std::fs::read(maildir.join("courierimapuiddb")).unwrap();
    for name in ["1700000009.M7P1.h", "1700000009.M10P1.h", "1700000003.5.h", "1700000009.M100P1.h"] {
        std::fs::write(maildir.join(format!("cur/{name}:2,S")), format!("Subject: {name}\n\nx\n")).unwrap();
    }
    assert!(Command::new("chown").args(["-R", "5000:5000"]).arg(&maildir).status().unwrap().success());
    let ask = |client: &mut Client| {
        client.command("EXAMINE INBOX");
        let mut lines = client.command("UID FETCH 1:* (UID BODY.PEEK[HEADER])");
        lines.retain(|line| line.contains(" FETCH "));
        lines
    };
    let shown = ask(&mut client_of(courier.port()));
    assert_eq!(shown.len(), 5, "{shown:?}");
    assert_eq!(std::fs::read(maildir.join("courierimapuiddb")).unwrap(), list, "not written yet");
    courier.stop();
    let server = Restante::start("");
    copy(&maildir, &server.maildir(), "nobody:nogroup");
    assert_eq!(ask(&mut Client::new(Box::new(server.tls()))), shown);
}
