//! The log of a running server: what an administrator finds there of a user's day, and that no
//! client can put a word of its own in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::client::Client;
use restante_tests::target::Target;
use restante_tests::target::restante::Restante;
use restante_tests::users::{AT_ONCE, log_in, settings_file};
use serde_json::Value;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Appends a message with this Message-ID.
fn append(client: &mut Client, mailbox: &str, id: &str) {
    let message = format!("Subject: x\r\nMessage-ID: {id}\r\n\r\ntext\r\n");
    client.ok(&format!("APPEND {mailbox} {{{}+}}\r\n{message}", message.len()));
}

fn append_numbered(client: &mut Client, mailbox: &str, count: usize) {
    (1..=count).for_each(|n| append(client, mailbox, &format!("<{n}@example.com>")));
}

/// The line's text and fields, without its time and level, and without those of the session. A
/// value in quotes counts as one.
fn event(line: &str) -> String {
    let text = line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ");
    text.split_once(" session=").map_or(text.clone(), |(event, _)| event.to_owned())
}

/// A directory that nobody may read, until it is dropped.
struct Closed(PathBuf);

impl Closed {
    fn new(path: PathBuf) -> Self {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        Self(path)
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.0, PermissionsExt::from_mode(0o700));
    }
}

#[test]
fn what_users_do_to_their_mail_is_logged() {
    let server = Restante::start(AT_ONCE);
    let user = server.user();
    let mut client = Client::log_in(&server, &user);
    append_numbered(&mut client, "INBOX", 20);
    for command in [
        "CREATE Work",
        "CREATE Work/old",
        "SELECT INBOX",
        "STORE 1:2,4 +FLAGS.SILENT (\\Deleted)",
        "UID EXPUNGE 2:9",
        "EXPUNGE",
        "UID MOVE 5:6,8 Work",
        "UID STORE 9:20 +FLAGS.SILENT (\\Deleted)",
        "CLOSE",
        "RENAME Work Done",
        "DELETE Done",
        "RENAME INBOX Moved",
    ] {
        client.ok(command);
    }
    let first_ten = (9..19).map(|n| format!("<{n}@example.com>")).collect::<Vec<_>>().join(" ");
    let source = format!("passwd-file {}/users", server.directory().display());
    let expected = [
        format!("logged in method=\"LOGIN command\" tls=\"1.3\" source=\"{source}\""),
        "mailbox created mailbox=\"Work\"".to_owned(),
        "mailbox created mailbox=\"Work/old\"".to_owned(),
        "messages expunged mailbox=\"INBOX\" uids=2,4 count=2 message_ids=\"<2@example.com> <4@example.com>\""
            .to_owned(),
        "messages expunged mailbox=\"INBOX\" uids=1 count=1 message_ids=\"<1@example.com>\"".to_owned(),
        "messages moved mailbox=\"INBOX\" uids=5:6,8 count=3 target=\"Work\" target_uids=1:3 \
         message_ids=\"<5@example.com> <6@example.com> <8@example.com>\""
            .to_owned(),
        format!("messages expunged mailbox=\"INBOX\" uids=9:20 count=12 message_ids=\"{first_ten}\""),
        "mailbox renamed mailbox=\"Work\" target=\"Done\" mailboxes=2".to_owned(),
        "mailbox deleted mailbox=\"Done\" count=3 \
         message_ids=\"<5@example.com> <6@example.com> <8@example.com>\""
            .to_owned(),
        "mailbox created mailbox=\"Moved\"".to_owned(),
        "messages moved mailbox=\"INBOX\" uids=3,7 count=2 target=\"Moved\" target_uids=1:2 \
         message_ids=\"<3@example.com> <7@example.com>\""
            .to_owned(),
    ];
    server.wait_for_log(|line| line.contains("target=\"Moved\""));
    let lines = server.logged();
    let of_user: Vec<&String> =
        lines.iter().filter(|line| line.contains(&format!("user=\"{user}\""))).collect();
    assert_eq!(of_user.iter().map(|line| event(line)).collect::<Vec<_>>(), expected);
    let whose: Vec<&str> = of_user.iter().map(|line| line.split_once(" session=").unwrap().1).collect();
    assert!(whose[0].contains(" peer=127.0.0.1:"), "{whose:?}");
    assert!(whose.iter().all(|one| *one == whose[0]), "{whose:?}");

    let starting = lines.iter().find(|line| line.contains("starting")).unwrap();
    let ports =
        format!("listeners=\"127.0.0.1:{} 127.0.0.1:{}\" sources=1", server.port(), server.tls_port());
    assert!(starting.contains(&ports) && starting.contains("/restante.toml"), "{starting}");
}

#[test]
fn changes_are_left_out_where_the_settings_say_so() {
    let server = Restante::start("[log]\nchanges = false\n");
    let mut client = Client::log_in(&server, &server.user());
    client.ok("CREATE Unseen");
    client.ok("DELETE Unseen");
    let settings = settings_file(&server);
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("changes = false", "changes = true")).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("reloaded"));
    client.ok("CREATE Seen");
    server.wait_for_log(|line| line.contains("mailbox created mailbox=\"Seen\""));
    assert!(server.logged().iter().all(|line| !line.contains("Unseen")), "{:?}", server.logged());
}

#[test]
fn refused_log_ins_and_damage_name_who_and_where() {
    let server = Restante::start(AT_ONCE);
    let user = server.user();
    assert!(log_in(&server, &user, "wrong").starts_with("a NO"));
    let line = server.wait_for_log(|line| line.contains("LOGIN FAILED"));
    assert!(line.contains(&format!("user={user}, service=imap, ip=[127.0.0.1] session=")), "{line}");

    let mut client = Client::log_in(&server, &user);
    for mailbox in ["Damaged", "Unreadable"] {
        client.ok(&format!("CREATE {mailbox}"));
        append_numbered(&mut client, mailbox, 3);
    }
    let list = server.maildir().join(".Damaged/restante-uidlist");
    let mut bytes = std::fs::read(&list).unwrap();
    let line = bytes.windows(3).position(|bytes| bytes == b"U 1").unwrap();
    bytes[line + 2] = b'7';
    std::fs::write(&list, bytes).unwrap();
    let _closed = Closed::new(server.maildir().join(".Unreadable/cur"));
    // One that knows nothing of them.
    let server = server.start_beside();
    let mut client = Client::log_in(&server, &user);
    client.ok("SELECT Damaged");
    assert_eq!(client.command("SELECT Unreadable").status, "NO");
    for (text, mailbox) in [("restante-uidlist was damaged", "Damaged"), ("a command failed", ".Unreadable")]
    {
        let line = server.wait_for_log(|line| line.contains(text));
        assert!(line.contains(mailbox) && line.contains(" peer=127.0.0.1:"), "{line}");
        assert!(line.contains(" session=") && line.ends_with(&format!("user=\"{user}\"")), "{line}");
    }
}

/// A line without what stands in quotes.
fn unquoted(line: &str) -> String {
    let (mut text, mut quoted, mut escaped) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            _ if !quoted => text.push(c),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    assert!(!quoted, "{line}");
    text
}

#[test]
fn security_16_no_name_and_no_message_id_forges_a_line_or_a_field() {
    let server = Restante::start("");
    let user = server.user();
    let mut client = Client::log_in(&server, &user);
    // As the client writes it, in quotes, and as it is.
    let (written, name) = (r#""x\" user=\"root\" peer=fe80 y""#, r#"x" user="root" peer=fe80 y"#);
    client.ok(&format!("CREATE {written}"));
    let forged = "2026-01-01T00:00:00.000000Z  INFO logged in user=\"root\"";
    for id in [
        "<a@x>\u{1b}[2J\u{2028}forged",
        &format!("<b@x>\r\n {forged}"),
        "<c@x>\" user=\"root\" y=\"",
        &format!("<{}@x>", "long".repeat(20_000)),
    ] {
        append(&mut client, written, id);
    }
    for bad in ["a\nb", "a\u{1b}b"] {
        let literal = format!("CREATE {{{}+}}\r\n{bad}", bad.len());
        assert_eq!(client.command(&literal).status, "NO", "{bad:?}");
    }
    client.ok(&format!("SELECT {written}"));
    client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
    client.ok("EXPUNGE");
    append(&mut client, written, "<d@x>");
    client.ok("UNSELECT");
    let _closed = Closed::new(server.maildir().join(format!(".{name}/cur")));
    let beside = server.start_beside();
    let mut client = Client::log_in(&beside, &user);
    assert_eq!(client.command(&format!("SELECT {written}")).status, "NO");
    beside.wait_for_log(|line| line.contains("a command failed"));

    let lines = [server.logged(), beside.logged()].concat();
    let mut about = String::new();
    for line in lines.iter().filter(|line| line.contains("root")) {
        let (fields, _) = (unquoted(line), writeln!(about, "{line}").unwrap());
        assert_eq!(fields.matches("user=").count(), 1, "{line}\n{fields}");
        assert!(!fields.contains("root") && !fields.contains("fe80"), "{line}\n{fields}");
        assert!(line.len() < 4_000 && line.ends_with(&format!("user=\"{user}\"")), "{line}");
    }
    for word in ["mailbox created", "messages expunged", "a command failed"] {
        assert!(about.contains(word), "{word} in {about}");
    }
    for line in &lines {
        assert!(!line.starts_with("2026-01-01") && !line.contains(['\u{1b}', '\u{2028}']), "{line}");
    }
}

#[test]
fn security_16_lines_in_json_say_the_same() {
    let server = Restante::start("[log]\nformat = \"json\"\n");
    let user = server.user();
    let mut client = Client::log_in(&server, &user);
    append(&mut client, "INBOX", "<1@example.com>\" \u{1b}\n user=\"root\"");
    for command in [
        "CREATE \"a\\\"b\"",
        "RENAME \"a\\\"b\" c",
        "DELETE c",
        "SELECT INBOX",
        "STORE 1 +FLAGS.SILENT (\\Deleted)",
        "EXPUNGE",
        "LOGOUT",
    ] {
        client.ok(command);
    }
    server.wait_for_log(|line| line.contains("connection ended"));
    let lines: Vec<Value> =
        server.logged().iter().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let of_user: Vec<&Value> = lines.iter().filter(|line| line["user"] == user).collect();
    let expected = [
        "logged in",
        "mailbox created",
        "mailbox renamed",
        "mailbox deleted",
        "messages expunged",
        "connection ended",
    ];
    assert_eq!(of_user.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    for line in &of_user {
        assert_eq!(
            (&line["session"], &line["peer"]),
            (&of_user[0]["session"], &of_user[0]["peer"]),
            "{line}"
        );
        assert!(
            line["session"].is_string() && line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
        assert!(line["time"].is_string() && line["level"] == "info", "{line}");
    }
    assert!(of_user[0]["source"].as_str().unwrap().starts_with("passwd-file /"), "{}", of_user[0]);
    assert_eq!((&of_user[2]["mailbox"], &of_user[2]["target"]), (&"a\"b".into(), &"c".into()));
    let expunged = of_user[4];
    assert_eq!((&expunged["uids"], &expunged["count"]), (&"1".into(), &1.into()));
    assert_eq!(expunged["message_ids"], "<1@example.com>\"___user=\"root\"");
}
