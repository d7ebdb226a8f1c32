//! Quotas beside Dovecot's and Courier's, in one `maildirsize`; and `restante quota`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use mail::flag::Flags;
use mail::{MailboxName, SystemFlags};
use restante_tests::target::dovecot::Dovecot;
use restante_tests::target::restante::{Restante, binary, hand_over, is_root};
use restante_tests::target::{Connection, PASSWORD, Target, make_mailbox};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use store::{Account, ErrorKind, QuotaLimits, Store, StoreSettings};

/// 20 bytes on disk, 23 octets when sent.
const MESSAGE: &str = "Subject: a\r\n\r\nabcdefg\r\n";

/// What both count: bytes and messages.
type Usage = (u64, u64);

fn command(connection: &mut dyn Connection, text: &str) -> String {
    connection.send(format!("a {text}\r\n").as_bytes());
    let mut all = String::new();
    while let Some(line) = connection.line() {
        all.push_str(&String::from_utf8_lossy(&line));
        if line.starts_with(b"a ") || line.starts_with(b"+") {
            break;
        }
    }
    all
}

fn done(connection: &mut dyn Connection, text: &str) {
    let answer = command(connection, text);
    assert!(answer.contains("a OK"), "{text}: {answer}");
}

fn append(connection: &mut dyn Connection, mailbox: &str) -> String {
    command(connection, &format!("APPEND {mailbox} {{{}+}}\r\n{MESSAGE}", MESSAGE.len()))
}

fn logged_in(target: &mut impl Target) -> Box<dyn Connection> {
    let mut connection = target.connect();
    assert!(connection.line().unwrap().starts_with(b"* OK"));
    let user = target.user();
    done(&mut *connection, &format!("LOGIN {user} \"{PASSWORD}\""));
    connection
}

/// The messages that Dovecot tells of.
fn told_by(dovecot: &mut Dovecot) -> u64 {
    let answer = command(&mut *logged_in(dovecot), "GETQUOTA \"User quota\"");
    let number = answer.split("MESSAGE ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{answer}"))
}

fn account(maildir: &Path, quota_counts_trash: bool) -> Arc<Account> {
    let settings = StoreSettings {
        utf8_names: false,
        lock_wait_ms_max: 10_000,
        keywords_max: 10,
        kept_bytes_max: 1 << 20,
        take_over: store::take_over::Preference::Newer,
        hostname: "host".to_owned(),
        quota_counts_trash,
        ..StoreSettings::default()
    };
    let account = Store::new(settings).account(maildir, true).unwrap();
    account.quota().set_limits(Some(QuotaLimits::parse("100000S,9C").unwrap()));
    account
}

fn usage(account: &Account) -> Usage {
    let usage = account.quota().status().unwrap().unwrap().usage;
    (usage.bytes, usage.messages)
}

fn append_ours(account: &Arc<Account>, mailbox: &str) -> store::Result<()> {
    let mailbox = account.open(&MailboxName::new(mailbox).unwrap())?;
    let mut delivery = mailbox.deliver()?;
    delivery.write(MESSAGE.as_bytes())?;
    mailbox.append(vec![(delivery, Flags::default(), None)]).map(drop)
}

#[test]
fn dovecot_and_we_keep_one_count() {
    let mut dovecot = match Dovecot::start() {
        Ok(dovecot) => dovecot,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let maildir = dovecot.maildir();
    ["INBOX", "Trash"].iter().for_each(|mailbox| drop(make_mailbox(&maildir, mailbox)));
    let account = account(&maildir, true);
    assert_eq!(usage(&account), (0, 0));
    let file = || std::fs::metadata(maildir.join("maildirsize")).unwrap().ino();
    let ours = file();

    // What we add, Dovecot reads; what it adds, to the same file, we read.
    for (round, mailbox) in (1_u64..).zip(["INBOX", "Trash", "INBOX"]) {
        append_ours(&account, mailbox).unwrap();
        assert_eq!(told_by(&mut dovecot), 2 * round - 1);
        let answer = append(&mut *logged_in(&mut dovecot), mailbox);
        assert!(answer.contains("a OK"), "{answer}");
        assert_eq!(usage(&account), (2 * round * 20, 2 * round));
    }
    assert_eq!(file(), ours, "nobody had to count anew");

    // Expunged by either.
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    let first = inbox.refresh(true).unwrap().snapshot.uids()[0];
    let deleted = store::FlagChange::Add(Flags::new(SystemFlags::DELETED, Vec::new()));
    inbox.store_flags(&[first].into_iter().collect(), &deleted, None).unwrap();
    inbox.expunge(None).unwrap();
    assert_eq!((usage(&account), told_by(&mut dovecot)), ((100, 5), 5));
    let mut connection = logged_in(&mut dovecot);
    done(&mut *connection, "SELECT INBOX");
    done(&mut *connection, "STORE 1 +FLAGS.SILENT (\\Deleted)");
    done(&mut *connection, "EXPUNGE");
    done(&mut *connection, "LOGOUT");
    assert_eq!((usage(&account), told_by(&mut dovecot)), ((80, 4), 4));

    // Both refuse at the same limit, and count the same when they count anew.
    (0..5).for_each(|_| append_ours(&account, "INBOX").unwrap());
    let refused = append(&mut *logged_in(&mut dovecot), "INBOX");
    assert!(refused.contains("a NO [OVERQUOTA]"), "{refused}");
    assert_eq!(append_ours(&account, "INBOX").unwrap_err().kind, ErrorKind::OverQuota);
    std::fs::remove_file(maildir.join("maildirsize")).unwrap();
    assert_eq!(usage(&account), (180, 9));
    let text = std::fs::read_to_string(maildir.join("maildirsize")).unwrap();
    assert_eq!(text, "100000S,9C\n         180            9\n");
    std::fs::write(maildir.join("maildirsize"), format!("100000S,9C\n{}", "1 0\n-1 0\n".repeat(1000)))
        .unwrap();
    assert_eq!(told_by(&mut dovecot), 9);
    assert_eq!(usage(&account), (180, 9), "by what Dovecot wrote");
}

/// Courier's program for deliveries, as the package maildrop has it.
fn deliverquota() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories.map(|directory| directory.join("deliverquota.maildrop")).find(|program| program.is_file())
}

/// Delivers; whether there was room.
fn deliver(program: &Path, maildir: &Path) -> bool {
    let mut child = Command::new(program)
        .arg(maildir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("deliverquota");
    child.stdin.take().unwrap().write_all(MESSAGE.replace('\r', "").as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn couriers_deliveries_and_we_keep_one_count() {
    let Some(program) = deliverquota() else {
        return eprintln!("SKIPPED: deliverquota.maildrop is not installed (maildrop)");
    };
    let directory = tempfile::tempdir().unwrap();
    let maildir = directory.path().join("Maildir");
    let account = account(&maildir, false);
    assert_eq!(usage(&account), (0, 0));
    let file = || std::fs::metadata(maildir.join("maildirsize")).unwrap().ino();
    let ours = file();
    for round in 1..=4 {
        append_ours(&account, "INBOX").unwrap();
        assert!(deliver(&program, &maildir));
        assert_eq!(usage(&account), (round * 40, round * 2));
    }
    assert_eq!(file(), ours, "nobody had to count anew");
    // One has \Deleted and does not count, nor what is in Trash.
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    let first = inbox.refresh(true).unwrap().snapshot.uids()[0];
    let deleted = store::FlagChange::Add(Flags::new(SystemFlags::DELETED, Vec::new()));
    inbox.store_flags(&[first].into_iter().collect(), &deleted, None).unwrap();
    account.create(&MailboxName::new("Trash").unwrap()).unwrap();
    append_ours(&account, "Trash").unwrap();
    assert_eq!(usage(&account), (140, 7));
    assert!(deliver(&program, &maildir) && deliver(&program, &maildir));
    assert!(!deliver(&program, &maildir), "nine are there");
    assert_eq!(append_ours(&account, "INBOX").unwrap_err().kind, ErrorKind::OverQuota);
    assert_eq!(usage(&account), (180, 9));
    // With the right count too when it counts anew.
    std::fs::write(maildir.join("maildirsize"), format!("100000S,9C\n{}", "1 0\n-1 0\n".repeat(1000)))
        .unwrap();
    assert!(!deliver(&program, &maildir));
    assert_eq!(usage(&account), (180, 9));
}

/// Both deliver while both count anew, again and again: no message is lost or refused, and what
/// is counted in the end is what is there.
#[test]
fn counting_beside_couriers_deliveries_loses_nothing() {
    const EACH: u64 = 40;
    let Some(program) = deliverquota() else {
        return eprintln!("SKIPPED: deliverquota.maildrop is not installed (maildrop)");
    };
    let directory = tempfile::tempdir().unwrap();
    let maildir = directory.path().join("Maildir");
    let account = account(&maildir, false);
    account.quota().set_limits(Some(QuotaLimits::parse("100000S,1000C").unwrap()));
    assert_eq!(usage(&account), (0, 0));
    std::thread::scope(|scope| {
        let delivering = scope.spawn(|| (0..EACH).all(|_| deliver(&program, &maildir)));
        (0..EACH).for_each(|_| {
            append_ours(&account, "INBOX").unwrap();
            account.quota().recalculate(&mut |_| {}).unwrap();
        });
        assert!(delivering.join().unwrap());
    });
    let counted = account.quota().recalculate(&mut |_| {}).unwrap().usage;
    assert_eq!((counted.bytes, counted.messages), (2 * EACH * 20, 2 * EACH));
    assert_eq!(usage(&account), (counted.bytes, counted.messages));
}

/// The command's output, and what it said on standard error.
fn quota(server: &Restante, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(binary())
        .arg("quota")
        .args(arguments)
        .arg("--config")
        .arg(server.directory().join("restante.toml"))
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// Twenty clients of one user append 1 MB each at the same time into a quota of 5 MB. Half of them
/// ask first, half send at once; messages are kept as long as there is room, and refused before
/// they are stored.
#[test]
fn parallel_appends_do_not_pass_the_limit_together() {
    const CLIENTS: usize = 20;
    const SIZE: usize = 1_000_000;
    let mut server = Restante::start("");
    let users = server.directory().join("users");
    let text = std::fs::read_to_string(&users).unwrap();
    std::fs::write(&users, text.replacen("::::::\n", "::::::quota=5000000S\n", 1)).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("reloaded"));
    for round in 0..3 {
        let connections: Vec<_> = (0..CLIENTS).map(|_| logged_in(&mut server)).collect();
        let together = std::sync::Barrier::new(CLIENTS);
        let message = format!("Subject: a\r\n\r\n{}", "x".repeat(SIZE - 14));
        let send = |mut connection: Box<dyn Connection>, asks: bool| {
            together.wait();
            let command = format!("APPEND INBOX {{{SIZE}{}}}", if asks { "" } else { "+" });
            if !asks {
                return self::command(&mut *connection, &format!("{command}\r\n{message}"));
            }
            let answer = self::command(&mut *connection, &command);
            if answer.starts_with('+') {
                connection.send(format!("{message}\r\n").as_bytes());
                return String::from_utf8(connection.line().unwrap()).unwrap();
            }
            answer
        };
        let answers: Vec<String> = std::thread::scope(|scope| {
            let clients = connections.into_iter().enumerate();
            let threads: Vec<_> = clients
                .map(|(n, connection)| scope.spawn(move || send(connection, n.is_multiple_of(2))))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let stored = answers.iter().filter(|answer| answer.contains("a OK")).count();
        let refused = answers.iter().filter(|answer| answer.contains("a NO [OVERQUOTA]")).count();
        println!("round {round}: {stored} of {CLIENTS} messages are stored");
        // CRLF becomes LF on disk: there is never room for six.
        assert_eq!((stored, refused), (5, CLIENTS - 5), "{answers:?}");
        let mut connection = logged_in(&mut server);
        let told = command(&mut *connection, "STATUS INBOX (MESSAGES)");
        assert!(told.contains("(MESSAGES 5)"), "{told}");
        done(&mut *connection, "SELECT INBOX");
        done(&mut *connection, "STORE 1:* +FLAGS.SILENT (\\Deleted)");
        done(&mut *connection, "EXPUNGE");
    }
    // Whoever goes away with a message announced leaves its room to others.
    for _ in 0..5 {
        let mut gone = logged_in(&mut server);
        let answer = command(&mut *gone, &format!("APPEND INBOX {{{SIZE}}}"));
        assert!(answer.starts_with('+'), "{answer}");
    }
    let mut connection = logged_in(&mut server);
    let append = format!("APPEND INBOX {{{}}}", 5 * SIZE);
    let is_room = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        command(&mut *connection, &append).starts_with('+')
    });
    assert!(is_room, "all of it");
}

#[test]
fn the_command_reports_and_counts_anew() {
    let mut server = Restante::start("");
    let directory = server.directory().to_owned();
    // The first user has limits of their own, the second none, the third nothing at all.
    let users = std::fs::read_to_string(directory.join("users")).unwrap();
    let mut lines: Vec<String> = users.lines().take(3).map(str::to_owned).collect();
    lines[0].push_str("quota_rule=*:storage=10:messages=5");
    std::fs::write(directory.join("users"), lines.join("\n")).unwrap();
    let maildir = server.maildir();
    for user in [&maildir, &maildir.with_file_name("user1@example.com")] {
        make_mailbox(user, "INBOX");
        std::fs::write(user.join("cur/1.host:2,S"), [b'x'; 2048]).unwrap();
    }
    hand_over(&directory);
    let name = server.user();
    let (_, printed, said) = quota(&server, &[&name]);
    assert_eq!(said, "");
    let all = |messages: u64, bytes: u64, part: u64| {
        format!(
            "{name}\n  storage:  {}.0 KiB of 10.0 KiB, {part}% ({bytes} of 10240 bytes)\n  messages: {messages} of 5, {}%\n",
            bytes / 1024,
            messages * 20
        )
    };
    assert_eq!(printed, all(1, 2048, 20));
    let file = maildir.join("maildirsize");
    let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
    assert_eq!(owner(&file), owner(&maildir), "written as the user of [mail]");
    // Another program says nothing of what it does: the file is believed until it is counted.
    std::fs::write(maildir.join("new/2.host"), [b'x'; 1024]).unwrap();
    assert_eq!(quota(&server, &[&name]).1, all(1, 2048, 20));
    assert_eq!(quota(&server, &[&name, "--recalculate"]).1, all(2, 3072, 30));
    assert_eq!(quota(&server, &[&name]).1, all(2, 3072, 30));

    // A log-in has the same limits.
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("reloaded"));
    let mut connection = logged_in(&mut server);
    let answer = command(&mut *connection, "GETQUOTAROOT INBOX");
    assert!(answer.contains("* QUOTA \"User quota\" (STORAGE 3 10 MESSAGE 2 5)"), "{answer}");
    let answer = command(&mut *connection, "APPEND INBOX {8000}");
    assert!(answer.starts_with("a NO [OVERQUOTA]"), "{answer}");

    let (fine, printed, said) = quota(&server, &["--all", "--recalculate"]);
    assert!(!fine && said.contains("user2@example.com: there is no Maildir at"), "{said}");
    assert!(printed.contains("user1@example.com\n  storage:  2.0 KiB, no limit (2048 bytes)\n"), "{printed}");
    assert!(!maildir.with_file_name("user1@example.com").join("maildirsize").exists());
    let (fine, _, said) = quota(&server, &["nobody@example.com"]);
    assert!(!fine && said.contains("nobody@example.com: no such user"), "{said}");
    if !is_root() {
        eprintln!("SKIPPED: only root can show that files get the owner of [mail]");
    }
}
