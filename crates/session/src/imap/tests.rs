//! Whole sessions in memory.

use crate::testing::{CLEAR, Client, Site, TLS};
use std::path::Path;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines of an answer.
fn lines(answer: &str) -> Vec<&str> {
    answer.split_terminator("\r\n").collect()
}

fn site() -> (tempfile::TempDir, Site) {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::new(directory.path());
    (directory, site)
}

/// A site whose user has a mailbox with messages; each name ends in its flags.
fn site_with(messages: &[&str]) -> (tempfile::TempDir, Site) {
    let (directory, site) = site();
    site.account("user");
    for (n, flags) in messages.iter().enumerate() {
        let path = site.maildir("user").join(format!("cur/1700000000.M{n}P1.host:2,{flags}"));
        std::fs::write(path, format!("Subject: {n}\n\nbody\n")).unwrap();
    }
    (directory, site)
}

fn deliver(site: &Site, name: &str) {
    std::fs::write(site.maildir("user").join("new").join(name), "Subject: new\n\nbody\n").unwrap();
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

fn greeted(site: &Site, connection: crate::Connection) -> Client {
    let mut client = site.connect(connection);
    let greeting = text(client.take());
    assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "), "{greeting}");
    client
}

/// A driver moves its sessions between threads.
#[test]
fn sessions_can_be_sent() {
    fn check<T: Send>() {}
    check::<crate::Session>();
}

#[test]
fn capabilities_follow_the_state() {
    let (_directory, site) = site();
    let has = |answer: &str, name: &str| answer.split([' ', '\r', ']']).any(|word| word == name);
    for (connection, expected) in [
        (CLEAR, [("STARTTLS", true), ("LOGINDISABLED", true), ("AUTH=PLAIN", false), ("SASL-IR", true)]),
        (TLS, [("STARTTLS", false), ("LOGINDISABLED", false), ("AUTH=PLAIN", true), ("SASL-IR", true)]),
        (
            crate::Connection { tls: false, cleartext_allowed: true, ..crate::testing::TLS },
            [("STARTTLS", false), ("LOGINDISABLED", false), ("AUTH=PLAIN", true), ("SASL-IR", true)],
        ),
    ] {
        let mut client = site.connect(connection);
        let greeting = text(client.take());
        let answer = client.command("CAPABILITY");
        for (name, shown) in expected {
            assert_eq!(has(&greeting, name), shown, "{name} in {greeting}");
            assert_eq!(has(&answer, name), shown, "{name} in {answer}");
        }
        assert!(!has(&answer, "CONDSTORE"), "{answer}");
    }
    let mut client = greeted(&site, TLS);
    let login = client.command("LOGIN user {9}\r\npass word");
    let answer = client.command("CAPABILITY");
    for name in ["CONDSTORE", "UIDPLUS", &format!("APPENDLIMIT={}", site.settings.limits.append_max)] {
        assert!(has(&login, name) && has(&answer, name), "{name}: {login}{answer}");
    }
    assert!(!has(&answer, "AUTH=PLAIN") && !has(&answer, "STARTTLS"), "{answer}");
}

#[test]
fn no_password_without_tls() {
    let (_directory, site) = site();
    let mut client = greeted(&site, CLEAR);
    for command in
        ["LOGIN user \"pass word\"", "AUTHENTICATE PLAIN", "AUTHENTICATE PLAIN AHVzZXIAcGFzcyB3b3Jk"]
    {
        let answer = client.command(command);
        assert!(answer.starts_with("a NO [PRIVACYREQUIRED]"), "{answer}");
    }
    assert_eq!(client.asked, 0);
    assert!(client.command("SELECT INBOX").starts_with("a BAD"));
}

#[test]
fn security_01_what_came_before_the_handshake_is_thrown_away() {
    let (_directory, site) = site();
    for pipelined in
        ["b NOOP\r\n", "b LOGIN user \"pass word\"\r\n", "b LOGIN us", "b APPEND INBOX {3+}\r\nab"]
    {
        let mut client = greeted(&site, CLEAR);
        let answer = text(client.send(format!("a STARTTLS\r\n{pipelined}").as_bytes()));
        assert!(answer.starts_with("a OK") && lines(&answer).len() == 1, "{answer}");
        assert!(client.wants_tls());
        // What the driver reads before it hears of the step goes nowhere either.
        assert!(client.send(b"c NOOP\r\n").is_empty());
        client.start_tls();
        let answer = text(client.send(b"d NOOP\r\n"));
        assert!(answer.starts_with("d OK") && lines(&answer).len() == 1, "{answer}");
        assert_eq!(client.asked, 0);
    }
}

#[test]
fn security_02_nothing_from_before_tls_is_kept() {
    let (_directory, site) = site();
    let mut client = greeted(&site, CLEAR);
    client.command("ID (\"name\" \"in the middle\")");
    client.command("STARTTLS");
    client.start_tls();
    assert_eq!(client.stats().client, None);
    let answer = client.command("CAPABILITY");
    assert!(answer.contains("AUTH=PLAIN") && !answer.contains("STARTTLS"), "{answer}");
    assert!(!answer.contains("LOGINDISABLED"), "{answer}");
    assert!(client.command("STARTTLS").starts_with("a BAD"));
    assert!(client.command("LOGIN user \"pass word\"").starts_with("a OK"));
}

#[test]
fn security_07_literals_before_log_in_are_small() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    let answer = client.command("LOGIN {100000}");
    assert!(!answer.starts_with('+'), "{answer}");
    let mut client = greeted(&site, TLS);
    let answer = text(client.send(&[b'x'; 100_000]));
    assert!(answer.contains("* BYE") && client.closed(), "{answer}");
    assert!(client.session_holds() <= 100_000);
}

#[test]
fn security_06_nesting_is_capped() {
    let (_directory, site) = site_with(&[""]);
    let mut client = site.select("INBOX");
    let answer = client.command(&format!("SEARCH {}ALL{}", "(".repeat(20_000), ")".repeat(20_000)));
    assert!(answer.contains("a BAD"), "{answer}");
    assert!(client.command("NOOP").ends_with("a OK Nothing done\r\n"));
}

#[test]
fn security_08_bytes_of_a_refused_literal_are_no_commands() {
    let (_directory, site) = site();
    let mut client = site.log_in();
    for command in ["APPEND Nowhere", "APPEND INBOX (\\Seen", "NONSENSE", "SELECT"] {
        let answer = text(
            client.send(format!("a {command} {{19+}}\r\nevil LOGOUT\r\nmore.\r\nb NOOP\r\n").as_bytes()),
        );
        assert!(!answer.contains("evil") && !answer.contains("BYE"), "{command}: {answer}");
        assert!(answer.starts_with("a NO") || answer.starts_with("a BAD"), "{command}: {answer}");
        assert!(answer.contains("\r\nb OK"), "{command}: {answer}");
    }
    // In a wrong state too.
    let mut client = greeted(&site, TLS);
    let answer = text(client.send(b"a APPEND INBOX {13+}\r\nevil LOGOUT\r\n\r\nb NOOP\r\n"));
    assert!(
        answer.starts_with("a BAD") && answer.contains("\r\nb OK") && !answer.contains("evil"),
        "{answer}"
    );
}

#[test]
fn security_09_broken_sasl_exchanges_end_and_leave_nothing() {
    let (_directory, mut site) = site();
    site.settings.failed_logins_max = 100;
    site.settings.bad_commands_max = 100;
    let mut client = greeted(&site, TLS);
    for (mechanism, response, expected) in [
        ("PLAIN", "*", "a BAD"),
        ("PLAIN", "not base64!", "a BAD"),
        ("PLAIN", "", "a BAD"),
        ("PLAIN", "AHVzZXI=", "a BAD"),
        ("PLAIN", "AHVzZXIAd3Jvbmc=", "a NO [AUTHENTICATIONFAILED]"),
        ("PLAIN", "AP//AP//", "a NO [AUTHENTICATIONFAILED]"),
        ("LOGIN", "dXNlcg==", "+ UGFzc3dvcmQ6"),
    ] {
        let answer = client.command(&format!("AUTHENTICATE {mechanism}"));
        assert!(answer.starts_with("+ "), "{answer}");
        let answer = text(client.send(format!("{response}\r\n").as_bytes()));
        assert!(answer.starts_with(expected), "{mechanism} {response:?}: {answer}");
    }
    // The last exchange is under way; giving it up leaves a session as new.
    assert!(text(client.send(b"*\r\n")).starts_with("a BAD"));
    assert!(client.command("AUTHENTICATE NONSENSE").starts_with("a NO [CANNOT]"));
    assert!(client.command("AUTHENTICATE PLAIN =").starts_with("a BAD"));
    assert!(client.command("AUTHENTICATE PLAIN AHVzZXIAcGFzcyB3b3Jk").starts_with("a OK [CAPABILITY "));
    assert_eq!(client.stats().user.as_deref(), Some("user"));
}

#[test]
fn mechanisms_may_ask_more_than_once() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    assert_eq!(client.command("AUTHENTICATE LOGIN"), "+ VXNlcm5hbWU6\r\n");
    assert_eq!(text(client.send(b"dXNlcg==\r\n")), "+ UGFzc3dvcmQ6\r\n");
    assert!(text(client.send(b"cGFzcyB3b3Jk\r\n")).starts_with("a OK [CAPABILITY "));
    assert!(client.command("AUTHENTICATE LOGIN").starts_with("a BAD"));
}

#[test]
fn wrong_passwords_are_counted() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    for _ in 1..site.settings.failed_logins_max {
        let answer = client.command("LOGIN user wrong");
        assert!(answer.starts_with("a NO [AUTHENTICATIONFAILED]") && lines(&answer).len() == 1, "{answer}");
    }
    let answer = client.command("LOGIN user wrong");
    assert!(lines(&answer)[0].starts_with("a NO") && lines(&answer)[1].starts_with("* BYE"), "{answer}");
    assert!(client.closed());
}

#[test]
fn commands_in_a_wrong_state_are_bad() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    for command in ["SELECT INBOX", "FETCH 1 FLAGS", "IDLE", "ENABLE CONDSTORE", "LIST \"\" *", "CLOSE"] {
        assert!(client.command(command).starts_with("a BAD"), "{command}");
    }
    let mut client = site.log_in();
    for command in [
        "LOGIN user \"pass word\"",
        "STARTTLS",
        "AUTHENTICATE PLAIN",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
    ] {
        assert!(client.command(command).starts_with("a BAD"), "{command}");
    }
    assert!(client.command("NOOP").starts_with("a OK"));
}

#[test]
fn commands_that_are_none_end_the_connection() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    for _ in 0..100 {
        // A good one in between starts the count again.
        for _ in 1..site.settings.bad_commands_max {
            assert!(client.command("NONSENSE").starts_with("a BAD"));
        }
        assert!(client.command("NOOP").starts_with("a OK"));
        if client.stats().commands > 200 {
            break;
        }
    }
    let mut answer = String::new();
    for _ in 0..site.settings.bad_commands_max {
        answer = client.command("NONSENSE");
    }
    assert!(answer.contains("* BYE") && client.closed(), "{answer}");
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let (_directory, site) = site_with(&["S", ""]);
    let mut client = greeted(&site, TLS);
    let answer = text(client.send(
        b"1 LOGIN user \"pass word\"\r\n2 SELECT INBOX\r\n3 NOOP\r\n4 IDLE\r\nDONE\r\n5 CLOSE\r\n6 LOGOUT\r\n7 NOOP\r\n",
    ));
    let tagged: Vec<&str> = lines(&answer).into_iter().filter(|line| !line.starts_with(['*', '+'])).collect();
    let tags: Vec<&str> = tagged.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(tags, ["1", "2", "3", "4", "5", "6"], "{answer}");
    assert!(tagged.iter().all(|line| line[2..].starts_with("OK")), "{answer}");
    assert!(client.closed());
    assert_eq!(client.stats().ended, Some("logged out"));
    assert_eq!(client.stats().commands, 6);
}

#[test]
fn commands_may_come_a_byte_at_a_time() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    let mut answer = String::new();
    for byte in b"a LOGIN user {9}\r\npass word\r\nb SELECT INBOX\r\nc APPEND INBOX {5+}\r\nS: x\n\r\n" {
        answer += &text(client.send(&[*byte]));
    }
    for expected in ["+ ", "a OK", "b OK [READ-WRITE]", "* 1 EXISTS", "c OK [APPENDUID "] {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
}

#[test]
fn silence_ends_a_session() {
    let (_directory, site) = site();
    let mut client = greeted(&site, TLS);
    assert_eq!(client.deadline_ms(), Some(site.settings.login_timeout_ms));
    client.wait(site.settings.login_timeout_ms / 2);
    client.command("NOOP");
    // Being busy without logging in does not help.
    let answer = text(client.wait(site.settings.login_timeout_ms / 2));
    assert!(answer.starts_with("* BYE") && client.closed(), "{answer}");

    let mut client = site.log_in();
    assert_eq!(client.deadline_ms(), Some(site.settings.idle_timeout_ms));
    assert!(client.wait(site.settings.idle_timeout_ms - 1).is_empty());
    client.command("NOOP");
    assert!(client.wait(site.settings.idle_timeout_ms - 1).is_empty());
    let answer = text(client.wait(1));
    assert!(answer.starts_with("* BYE") && client.closed(), "{answer}");
    assert_eq!(client.stats().ended, Some("idle timeout"));
}

#[test]
fn an_idle_that_rests_tells_what_happened_meanwhile() {
    let (_directory, site) = site_with(&["S", "ST", "", "F"]);
    let mut clients = [site.select("INBOX"), site.select("INBOX")];
    let rest = |client: &mut Client| {
        assert!(client.command("IDLE").starts_with("+ "));
        assert!(client.wait(10_000).is_empty() && client.watches());
    };
    clients.iter_mut().for_each(rest);
    // Nothing happened: the client is told so, and all is as before.
    let told = text(clients[0].send(b"DONE\r\n"));
    assert_eq!(told, "a OK Idle ended\r\n");
    assert!(clients[0].command("FETCH 4 FLAGS").starts_with("* 4 FETCH (FLAGS (\\Flagged"));
    rest(&mut clients[0]);
    assert_eq!(text(clients[0].wait(site.settings.idle_keepalive_ms)), "* OK Still here\r\n");
    let mut other = site.select("INBOX");
    assert!(other.command("EXPUNGE").contains("* 2 EXPUNGE\r\n"));
    assert!(other.command("STORE 2 +FLAGS (\\Seen work)").contains("a OK"));
    assert!(other.command("APPEND INBOX (\\Answered) {5+}\r\nS: x\n").contains("a OK"));
    for client in &mut clients {
        let told = text(client.take());
        for expected in ["* 2 EXPUNGE\r\n", "* 4 EXISTS\r\n", "* 2 FETCH (FLAGS (\\Seen work"] {
            assert!(told.contains(expected), "{expected}: {told}");
        }
        assert!(!told.contains("* 1 FETCH") && !told.contains("* 3 FETCH"), "{told}");
        assert!(client.wait(10_000).is_empty());
    }
    // Woken by DONE alone.
    assert!(other.command("STORE 1 +FLAGS.SILENT (\\Deleted)").contains("a OK"));
    assert!(other.command("EXPUNGE").contains("* 1 EXPUNGE\r\n"));
    for client in &mut clients {
        let told = text(client.send(b"DONE\r\n"));
        assert!(told.contains("* 1 EXPUNGE\r\n") && told.ends_with("a OK Idle ended\r\n"), "{told}");
        assert!(client.command("FETCH 3 FLAGS").contains("* 3 FETCH (FLAGS (\\Answered"));
    }
}

#[test]
fn idle_tells_of_changes_and_that_it_is_there() {
    let (_directory, site) = site_with(&["S"]);
    let mut client = site.select("INBOX");
    assert!(client.command("IDLE").starts_with("+ "));
    assert!(client.watches());
    let mut other = site.select("INBOX");
    assert!(other.command("APPEND INBOX (\\Seen) {5+}\r\nS: x\n").contains("a OK"));
    let told = text(client.take());
    assert!(told.starts_with("* 2 EXISTS\r\n"), "{told}");
    for _ in 0..40 {
        assert_eq!(text(client.wait(site.settings.idle_keepalive_ms)), "* OK Still here\r\n");
    }
    assert!(client.wait(1000).is_empty());
    assert!(text(client.send(b"done\r\nb NOOP\r\n")).starts_with("a OK"));
    assert!(client.command("IDLE").starts_with("+ "));
    assert!(text(client.send(b"x NOOP\r\n")).starts_with("a BAD"));
}

#[test]
fn idle_without_a_mailbox_waits_for_the_keepalive() {
    let (_directory, site) = site();
    let mut client = site.log_in();
    assert!(client.command("IDLE").starts_with("+ "));
    assert!(client.wait(site.settings.idle_keepalive_ms / 2).is_empty());
    assert_eq!(client.deadline_ms(), Some(site.settings.idle_keepalive_ms / 2));
    assert_eq!(text(client.wait(site.settings.idle_keepalive_ms / 2)), "* OK Still here\r\n");
}

#[test]
fn a_server_that_goes_down_says_so() {
    let (_directory, site) = site();
    let mut client = site.log_in();
    assert_eq!(text(client.shut_down("Going down")), "* BYE Going down\r\n");
    assert!(client.closed());
    assert!(client.shut_down("Twice").is_empty());
}

/// What would touch files elsewhere panics in tests: see `DropInWork`.
#[test]
fn a_session_that_ends_touches_no_file_before_it_is_dropped() {
    type End = fn(&Site, &mut Client) -> Vec<u8>;
    let ways: [(&str, End); 4] = [
        ("it logs out", |_, client| client.send(b"a LOGOUT\r\n")),
        ("it is silent", |site, client| client.wait(site.settings.idle_timeout_ms)),
        ("the server stops", |_, client| client.shut_down("Going down")),
        ("it sends no commands", |_, client| client.send(&b"x\r\n".repeat(100))),
    ];
    for begun in ["NOOP", "IDLE", "APPEND INBOX {9}\r\nhalf", "FETCH 1 BODY[]"] {
        for (way, end) in &ways {
            let (_directory, site) = site_with(&["S"]);
            let mut client = site.select("INBOX");
            client.command(begun);
            end(&site, &mut client);
            // In IDLE silence is right, a LOGOUT is no DONE, and an APPEND takes what comes.
            let goes_on = matches!(
                (begun, *way),
                ("IDLE", "it is silent" | "it logs out") | ("APPEND INBOX {9}\r\nhalf", "it logs out")
            );
            assert_eq!(client.closed(), !goes_on, "{begun}, and {way}");
            let tmp = site.maildir("user").join("tmp");
            let is_left = begun.starts_with("APPEND") && matches!(*way, "it is silent" | "the server stops");
            if is_left {
                assert_eq!(files(&tmp), 1, "{way}");
            }
            drop(client);
            assert_eq!(files(&tmp), 0, "{begun}, and {way}");
        }
    }
}

#[test]
fn select_tells_what_is_there() {
    let (_directory, site) = site_with(&["S", "F", "S"]);
    // Nothing is recent to a second session.
    site.select("INBOX");
    let mut client = site.log_in();
    let answer = client.command("SELECT INBOX");
    let starts = |answer: &str, expected: &[&str]| {
        let lines = lines(answer);
        assert_eq!(lines.len(), expected.len(), "{answer}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line:?} is not {expected:?}");
        }
    };
    let plain = [
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)]",
        "* 3 EXISTS",
        "* 0 RECENT",
        "* OK [UNSEEN 2]",
        "* OK [UIDVALIDITY ",
        "* OK [UIDNEXT 4]",
        "* OK [HIGHESTMODSEQ ",
    ];
    starts(&answer, &[&plain[..], &["a OK [READ-WRITE]"]].concat());
    let answer = client.command("EXAMINE INBOX (CONDSTORE)");
    let mut examined = [&["* OK [CLOSED]"][..], &plain[..], &["a OK [READ-ONLY]"]].concat();
    examined[2] = "* OK [PERMANENTFLAGS ()]";
    starts(&answer, &examined);
    starts(&client.command("SELECT Nowhere"), &["* OK [CLOSED]", "a NO [NONEXISTENT]"]);
    starts(&client.command("CHECK"), &["a BAD"]);
    starts(&client.command("SELECT Nowhere"), &["a NO [NONEXISTENT]"]);
    starts(&client.command("SELECT ../../etc"), &["a NO "]);
}

#[test]
fn what_is_new_is_recent_once() {
    let (_directory, site) = site_with(&["S"]);
    site.select("INBOX");
    deliver(&site, "1700000001.M1P1.host");
    let mut reader = site.log_in();
    for _ in 0..2 {
        assert!(reader.command("EXAMINE INBOX").contains("* 1 RECENT\r\n"));
    }
    let mut first = site.log_in();
    assert!(first.command("SELECT INBOX").contains("* 1 RECENT\r\n"));
    assert!(site.log_in().command("SELECT INBOX").contains("* 0 RECENT\r\n"));
    deliver(&site, "1700000002.M1P1.host");
    assert_eq!(first.command("NOOP"), "* 3 EXISTS\r\n* 2 RECENT\r\na OK Nothing done\r\n");
}

#[test]
fn close_expunges_and_unselect_does_not() {
    for (command, read_only, left) in [("CLOSE", false, 1), ("UNSELECT", false, 2), ("CLOSE", true, 2)] {
        let (_directory, site) = site_with(&["S", "T"]);
        let mut client = site.log_in();
        client.command(if read_only { "EXAMINE INBOX" } else { "SELECT INBOX" });
        let answer = client.command(command);
        assert!(answer.starts_with("a OK"), "{answer}");
        assert_eq!(files(&site.maildir("user").join("cur")), left, "{command}");
        assert!(client.command("CHECK").starts_with("a BAD"));
    }
}

#[test]
fn a_mailbox_that_is_deleted_ends_its_sessions() {
    let (_directory, site) = site();
    let mut owner = site.log_in();
    assert!(owner.command("CREATE Work").starts_with("a OK"));
    let mut client = site.select("Work");
    let mut idler = site.select("Work");
    idler.command("IDLE");
    assert!(owner.command("DELETE Work").starts_with("a OK"));
    let answer = client.command("NOOP");
    assert!(lines(&answer)[0].starts_with("a OK") && lines(&answer)[1].starts_with("* BYE"), "{answer}");
    assert!(client.closed());
    let told = text(idler.wait(site.settings.idle_keepalive_ms));
    assert!(told.contains("* BYE") && idler.closed(), "{told}");
    assert!(owner.command("NOOP").starts_with("a OK"));
}

#[test]
fn highestmodseq_is_told_when_condstore_is_enabled() {
    let (_directory, site) = site_with(&["S"]);
    let mut client = site.select("INBOX");
    let answer = client.command("ENABLE X-NONSENSE CONDSTORE");
    assert!(
        answer.contains("* OK [HIGHESTMODSEQ ") && answer.contains("* ENABLED CONDSTORE\r\n"),
        "{answer}"
    );
    assert_eq!(lines(&client.command("ENABLE CONDSTORE"))[0], "* ENABLED CONDSTORE");
    assert_eq!(lines(&client.command("ENABLE X-NONSENSE"))[0].trim_end(), "* ENABLED");
}

#[test]
fn append_takes_flags_and_date() {
    let (_directory, site) = site();
    let mut client = site.select("INBOX");
    let answer = client.command("APPEND INBOX (\\Seen $Work) \"05-Feb-1994 21:52:25 -0800\" {10}");
    assert!(answer.starts_with("+ "), "{answer}");
    let answer = text(client.send(b"S: x\r\n\r\nab\r\n"));
    assert!(answer.contains("\r\n* 1 EXISTS\r\n* 1 RECENT\r\na OK [APPENDUID "), "{answer}");
    assert!(answer.contains(" 1] "), "{answer}");
    let account = site.account("user");
    let mailbox = account.open(&mail::MailboxName::inbox()).unwrap();
    let snapshot = mailbox.refresh(false).unwrap().snapshot;
    let row = snapshot.row(0).unwrap();
    assert_eq!(row.system_flags(), mail::SystemFlags::SEEN);
    assert_eq!(row.keywords(), [mail::Keyword::new("$Work").unwrap()]);
    assert_eq!(mailbox.internal_date(row.uid()).unwrap(), Some(760_513_945));
    assert_eq!(mailbox.size(row.uid()).unwrap(), Some(10));
}

#[test]
fn appends_are_refused_before_their_bytes_are_asked_for() {
    let (_directory, mut site) = site();
    site.settings.limits.append_max = 1000;
    let mut client = site.log_in();
    for (command, expected) in [
        ("APPEND Nowhere {10}", "a NO [TRYCREATE]"),
        ("APPEND INBOX {1001}", "a NO [TOOBIG]"),
        ("APPEND \"a//b\" {10}", "a NO [CANNOT]"),
    ] {
        let answer = client.command(command);
        assert!(answer.starts_with(expected) && lines(&answer).len() == 1, "{command}: {answer}");
        assert!(client.command("NOOP").starts_with("a OK"));
    }
    let big = format!("APPEND INBOX {{1001+}}\r\n{}", "x".repeat(1001));
    assert!(client.command(&big).starts_with("a NO [TOOBIG]"));
    assert!(client.command("NOOP").starts_with("a OK"));
}

#[test]
fn an_append_that_fails_leaves_nothing() {
    let (_directory, site) = site();
    let mut client = site.log_in();
    let maildir = site.maildir("user");
    // Broken off in the middle.
    assert!(client.command("APPEND INBOX {100}").starts_with("+ "));
    client.send(b"half of it");
    assert_eq!(files(&maildir.join("tmp")), 1);
    client.shut_down("Going down");
    drop(client);
    assert_eq!(files(&maildir.join("tmp")), 0);
    // Nowhere to write it: refused, and the session goes on.
    let mut client = site.log_in();
    std::fs::remove_dir(maildir.join("tmp")).unwrap();
    std::fs::write(maildir.join("tmp"), "").unwrap();
    let answer = client.command("APPEND INBOX {5+}\r\nS: x\n");
    assert!(answer.starts_with("a NO ["), "{answer}");
    assert!(!answer.contains(&*maildir.to_string_lossy()), "{answer}");
    std::fs::remove_file(maildir.join("tmp")).unwrap();
    std::fs::create_dir(maildir.join("tmp")).unwrap();
    assert_eq!(files(&maildir.join("cur")) + files(&maildir.join("new")), 0);
    assert!(client.command("APPEND INBOX {5+}\r\nS: x\n").starts_with("a OK"));
}

#[test]
fn an_append_that_fails_at_its_end_leaves_nothing() {
    let (_directory, site) = site();
    let maildir = site.maildir("user");
    let mut client = site.log_in();
    assert!(client.command("CREATE Work").starts_with("a OK"));
    assert!(client.command("APPEND Work {5}").starts_with("+ "));
    // Deleted while the message is on its way: the client may make it, and try again.
    assert!(site.log_in().command("DELETE Work").starts_with("a OK"));
    let answer = text(client.send(b"S: x\n\r\n"));
    assert!(answer.starts_with("a NO [TRYCREATE]"), "{answer}");
    assert!(!maildir.join(".Work").exists());
    assert!(client.command("NOOP").starts_with("a OK"));
}

#[test]
fn new_keywords_are_told_before_messages_that_have_them() {
    let (_directory, site) = site_with(&["S"]);
    let mut client = site.select("INBOX");
    let answer = client.command("APPEND INBOX ($New) {5+}\r\nS: x\n");
    let lines = lines(&answer);
    assert!(lines[0].starts_with("* FLAGS (") && lines[0].ends_with(" $New)"), "{answer}");
    assert!(lines[1].starts_with("* OK [PERMANENTFLAGS (") && lines[1].contains(" $New \\*)]"), "{answer}");
    assert_eq!(lines[2], "* 2 EXISTS");
    assert!(!client.command("NOOP").contains("FLAGS"));
}

#[test]
fn a_large_append_is_held_nowhere() {
    let (_directory, site) = site();
    let mut client = site.log_in();
    let piece = [b"x".repeat(78), b"\r\n".to_vec()].concat().repeat(400);
    let pieces = 50_000_000 / piece.len();
    let start = format!("APPEND INBOX {{{}}}", pieces * piece.len());
    assert!(client.command(&start).starts_with("+ "));
    for _ in 0..pieces {
        assert!(client.send(&piece).is_empty());
        assert!(client.session_holds() <= 2 * piece.len(), "{}", client.session_holds());
    }
    assert!(text(client.send(b"\r\n")).starts_with("a OK [APPENDUID "));
}

/// Commands cut, joined and spoilt at random, in pieces of random length: whatever comes, the
/// session answers in whole lines, or ends.
#[test]
fn no_bytes_upset_a_session() {
    const WORDS: [&[u8]; 24] = [
        b"a ",
        b"b NOOP\r\n",
        b"LOGIN user \"pass word\"\r\n",
        b"c LOGIN user {9+}\r\npass word\r\n",
        b"d IDLE\r\n",
        b"DONE\r\n",
        b"e SELECT INBOX\r\n",
        b"f AUTHENTICATE PLAIN\r\n",
        b"AHVzZXIAcGFzcyB3b3Jk\r\n",
        b"*\r\n",
        b"g APPEND INBOX {7+}\r\nS: x\r\n\n\r\n",
        b"h APPEND Nowhere {3}\r\n",
        b"i APPEND INBOX (",
        b"j ENABLE CONDSTORE\r\n",
        b"k EXAMINE INBOX (CONDSTORE)\r\n",
        b"l CLOSE\r\n",
        b"{100000}\r\n",
        b"{5+}\r\n",
        b"\"",
        b"\0",
        b"\xff",
        b"\r\n",
        b"m ID (\"name\" \"x\")\r\n",
        b"((((((((",
    ];
    let (_directory, site) = site_with(&["S", "F"]);
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for round in 0..300 {
        let mut client = if round % 2 == 0 { greeted(&site, TLS) } else { site.select("INBOX") };
        let input: Vec<u8> = (0..30).flat_map(|_| WORDS[below(WORDS.len())].iter().copied()).collect();
        let mut rest = &input[..];
        let mut written = Vec::new();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + below(rest.len()));
            written.extend(client.send(piece));
            rest = after;
        }
        written.extend(client.wait(site.settings.idle_timeout_ms));
        let written = text(written);
        assert!(written.is_empty() || written.ends_with("\r\n"), "{written}");
        for line in lines(&written) {
            assert!(line.starts_with(['*', '+']) || line.contains(' '), "{line:?}");
        }
        assert!(client.closed() || client.deadline_ms().is_some());
    }
}

#[test]
fn security_21_what_was_opened_read_only_is_not_written_at_use() {
    let (_directory, site) = site_with(&["T", "S"]);
    site.account("user").create(&mail::MailboxName::new("Other").unwrap()).unwrap();
    let mut client = site.log_in();
    assert!(client.command("EXAMINE INBOX").contains("a OK [READ-ONLY]"));
    for command in [
        "STORE 1:* +FLAGS (\\Flagged)",
        "STORE 1 FLAGS.SILENT ()",
        "UID STORE 1 -FLAGS (\\Deleted)",
        "EXPUNGE",
        "UID EXPUNGE 1",
        "MOVE 1 Other",
        "UID MOVE 1 Other",
    ] {
        let answer = client.command(command);
        assert!(answer.starts_with("a NO [READ-ONLY]"), "{command}: {answer}");
    }
    // Reading a body marks nothing, closing expunges nothing; copying takes nothing away.
    assert!(client.command("FETCH 1 BODY[]").contains("a OK"));
    assert!(client.command("COPY 1 Other").contains("a OK"));
    assert!(client.command("CLOSE").contains("a OK"));
    let mut names: Vec<_> = std::fs::read_dir(site.maildir("user").join("cur"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["1700000000.M0P1.host:2,T", "1700000000.M1P1.host:2,S"]);
    // No such mailbox, and one that there is only as a parent: the same answer.
    let missing = client.command("SELECT Nowhere");
    assert_eq!(missing, client.command("SELECT Nowhere/below"));
}

/// RFC 3501 sets no limit on a set's text, and clients send megabytes.
#[test]
fn security_31_a_long_command_is_parsed_as_a_piece_of_work() {
    let (_directory, site) = site_with(&["S", "S", "S"]);
    let mut client = site.select("INBOX");
    let uids: String = (0..150_000).map(|n| format!("{},", 3 + 2 * n)).collect();
    for (command, expected) in [
        (
            format!("UID FETCH {uids}1 FLAGS"),
            "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 3 FETCH (UID 3 FLAGS (\\Seen))\r\na OK",
        ),
        (format!("UID FETCH {uids} FLAGS"), "a BAD Expected a set"),
        (format!("NOOP {uids}"), "a BAD Unexpected text"),
    ] {
        let before = client.worked;
        let answer = client.command(&command);
        assert!(answer.starts_with(expected), "{answer}");
        assert!(client.worked > before, "the thread that steps has not parsed it");
    }
    let before = client.stats().commands;
    client.command("NOOP");
    assert_eq!(client.stats().commands, before + 1);
    assert_eq!(client.session_holds(), 0);
}
