//! Coming from Courier and Dovecot, and going back: a client that synchronises with mbsync
//! fetches nothing anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::observer::{Client, USER};
use restante_tests::target::courier::Courier;
use restante_tests::target::dovecot::Dovecot;
use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::stream::Stream;
use restante_tests::target::{PASSWORD, Target, make_mailbox};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The server that mail comes from and goes back to.
enum Peer {
    Courier(Courier),
    Dovecot(Dovecot),
}

impl Peer {
    fn name(&self) -> &'static str {
        match self {
            Self::Courier(_) => "courier",
            Self::Dovecot(_) => "dovecot",
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Courier(courier) => courier.port(),
            Self::Dovecot(dovecot) => dovecot.port(),
        }
    }

    fn maildir(&self) -> PathBuf {
        match self {
            Self::Courier(courier) => courier.maildir(),
            Self::Dovecot(dovecot) => dovecot.maildir(),
        }
    }

    fn owner(&self) -> &'static str {
        match self {
            Self::Courier(_) => "5000:5000",
            Self::Dovecot(_) => "nobody:nogroup",
        }
    }

    /// A mailbox's name as it is said to this server.
    fn wire_name(&self, name: &str) -> String {
        match self {
            Self::Courier(_) if name != "INBOX" => format!("INBOX.{}", name.replace('/', ".")),
            _ => name.to_owned(),
        }
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        Client::new(Box::new(Stream::new(stream)))
    }
}

/// mbsync with a Maildir of its own and its memory of what it has.
struct Mbsync {
    directory: tempfile::TempDir,
}

impl Mbsync {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("local")).unwrap();
        Self { directory }
    }

    /// Synchronises, and returns what lies on this side then: without mbsync's memory.
    fn sync(&self, port: u16, security: &str) -> Vec<String> {
        let local = self.directory.path().join("local");
        let configuration = self.directory.path().join("mbsyncrc");
        let text = format!(
            "IMAPAccount a\nHost localhost\nPort {port}\nUser {USER}\nPass \"{PASSWORD}\"\n{security}\n\n\
             IMAPStore remote\nAccount a\n\nMaildirStore local\nPath {local}/\nInbox {local}/INBOX\n\
             SubFolders Verbatim\n\nChannel c\nFar :remote:\nNear :local:\nPatterns *\nCreate Near\n\
             Expunge Both\nSyncState *\n",
            local = local.display(),
        );
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new("timeout");
        command.args(["120", "mbsync", "-a", "-c"]).arg(&configuration).env("LC_ALL", "C.UTF-8");
        succeed(&mut command);
        let mut files: Vec<String> = tree(&local, false)
            .into_iter()
            .filter(|path| path.contains("/cur/") || path.contains("/new/"))
            .collect();
        files.sort();
        files
    }

    fn sync_with_peer(&self, peer: &Peer) -> Vec<String> {
        self.sync(peer.port(), "SSLType None\nAuthMechs LOGIN")
    }

    fn sync_with_restante(&self, server: &Restante) -> Vec<String> {
        let certificate = server.directory().join("cert.pem");
        self.sync(server.tls_port(), &format!("SSLType IMAPS\nCertificateFile {}", certificate.display()))
    }
}

/// Every path under a directory, with what it is: bytes and time of change if wanted.
fn tree(root: &Path, whole: bool) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let (path, metadata) = (entry.path(), entry.metadata().unwrap());
        let mut line = path.display().to_string();
        if whole {
            let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            line += &format!(" {:?} {}", metadata.modified().unwrap(), content.escape_ascii());
        }
        all.push(line);
        if metadata.is_dir() {
            all.extend(tree(&path, whole));
        }
    }
    all.sort();
    all
}

fn succeed(command: &mut Command) -> String {
    let output: Output = command.output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

fn copy(from: &Path, to: &Path, owner: &str) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    succeed(Command::new("cp").arg("-a").args([from, to]));
    succeed(Command::new("chown").args(["-R", owner]).arg(to));
}

fn migrate(server: &Restante, arguments: &[&str]) -> String {
    let configuration = server.directory().join("restante.toml");
    succeed(
        Command::new(binary()).arg("migrate").args(arguments).arg(USER).arg("--config").arg(configuration),
    )
}

/// A report's figure.
fn figure(report: &str, what: &str) -> usize {
    let line = report.lines().find_map(|line| line.trim().strip_prefix(&format!("{what}:")));
    line.unwrap_or_else(|| panic!("{what}: {report}")).trim().parse().unwrap()
}

/// Mail, flags, keywords, gaps and subscriptions, made through the server itself.
fn fill(peer: &Peer) {
    let mut client = peer.client();
    let name = |name: &str| peer.wire_name(name);
    for mailbox in ["Entw&APw-rfe", "Lists/rust", "Empty"] {
        client.command(&format!("CREATE \"{}\"", name(mailbox)));
    }
    for mailbox in ["Entw&APw-rfe", "Lists/rust"] {
        client.command(&format!("SUBSCRIBE \"{}\"", name(mailbox)));
    }
    for (subject, flags) in [
        ("one", "\\Seen Work"),
        ("two", "\\Deleted"),
        ("three", "\\Flagged $Forwarded Work"),
        ("four", ""),
        ("five", "\\Deleted"),
    ] {
        client.append("INBOX", flags, subject);
    }
    client.append(&name("Entw&APw-rfe"), "\\Draft \\Seen", "draft");
    client.append(&name("Lists/rust"), "\\Answered $Forwarded", "list-1");
    client.append(&name("Lists/rust"), "", "list-2");
    client.command("SELECT INBOX");
    client.command("EXPUNGE");
    client.command("STORE 3 +FLAGS (Later)");
    client.command("LOGOUT");
}

/// What a user does while Restante serves.
fn live(client: &mut Client) {
    client.append("INBOX", "\\Seen Fresh", "six");
    client.append("Entw&APw-rfe", "\\Draft", "draft-2");
    client.command("SELECT INBOX");
    client.command("STORE 1 -FLAGS (Work)");
    client.command("STORE 1 +FLAGS (\\Flagged Fresh)");
    client.command("STORE 2 +FLAGS (\\Deleted)");
    client.command("EXPUNGE");
    client.command("SUBSCRIBE Empty");
    client.command("UNSUBSCRIBE \"Lists/rust\"");
}

fn there_and_back(peer: &Peer) {
    let from = peer.name();
    fill(peer);
    let mbsync = Mbsync::new();
    let first = mbsync.sync_with_peer(peer);
    assert_eq!(first.len(), 6, "{from}: {first:?}");
    let before = peer.client().observe();
    assert_eq!(before["INBOX"].len(), 2 + 3, "{from}: {before:?}");
    assert!(before["INBOX"].iter().any(|line| line.ends_with("Later")), "{from}: {before:?}");

    // There.
    if let Peer::Courier(courier) = peer {
        courier.stop();
    }
    let encoded = peer.maildir().join(".Entw&APw-rfe").exists();
    assert_eq!(encoded, from == "dovecot", "both ways to name directories are tried");
    let opening = Restante::start("");
    copy(&peer.maildir(), &opening.maildir(), "nobody:nogroup");
    let opened = Client::new(Box::new(opening.tls())).observe();
    assert_eq!(opened, before, "{from}: opening a mailbox takes it over");
    drop(opening);
    let mut server = Restante::start("");
    copy(&peer.maildir(), &server.maildir(), "nobody:nogroup");
    let untouched = tree(&server.maildir(), true);
    let dry = migrate(&server, &["--from", from, "--dry-run"]);
    assert_eq!(tree(&server.maildir(), true), untouched, "{from}: nothing was written");
    let report = migrate(&server, &["--from", from]);
    for report in [&dry, &report] {
        let figures = ["mailboxes", "messages", "UIDs kept", "new UIDs", "new UIDVALIDITY", "already ours"];
        let figures = figures.map(|what| figure(report, what));
        assert_eq!(figures, [4, 6, 6, 0, 0, 0], "{from}: {report}");
    }
    let owner = |name: &str| std::fs::metadata(server.maildir().join(name)).unwrap().uid();
    assert_eq!(owner("restante-uidlist"), owner("cur"), "{from}: files belong to the user of [mail]");
    assert_eq!(figure(&migrate(&server, &["--from", from]), "already ours"), 4);
    assert_eq!(
        Client::new(Box::new(server.tls())).observe(),
        before,
        "{from}: what clients remember is kept"
    );
    assert_eq!(mbsync.sync_with_restante(&server), first, "{from}: nothing is fetched anew");
    live(&mut Client::new(Box::new(server.tls())));
    let during = mbsync.sync_with_restante(&server);
    assert_eq!(during.len(), 7, "{from}: {during:?}");
    let after = Client::new(Box::new(server.tls())).observe();
    assert_ne!(after, before);

    // And back.
    server.signal("TERM");
    assert!(server.wait_until_it_ends());
    let untouched = tree(&server.maildir(), true);
    migrate(&server, &["--to", from, "--dry-run"]);
    assert_eq!(tree(&server.maildir(), true), untouched, "{from}: nothing was written");
    let report = migrate(&server, &["--to", from]);
    assert_eq!(figure(&report, "messages"), 7, "{report}");
    copy(&server.maildir(), &peer.maildir(), peer.owner());
    if let Peer::Courier(courier) = peer {
        courier.serve().unwrap();
    }
    assert_eq!(peer.client().observe(), after, "{from}: what clients remember is kept");
    assert_eq!(mbsync.sync_with_peer(peer), during, "{from}: nothing is fetched anew");
    peer.client().append("INBOX", "", "seven");
    let mut last = mbsync.sync_with_peer(peer);
    last.retain(|file| !during.contains(file));
    assert_eq!(last.len(), 1, "{from}: what is new is fetched");
}

#[test]
fn from_courier_and_back() {
    match Courier::start(USER) {
        Ok(courier) => there_and_back(&Peer::Courier(courier)),
        Err(why) => eprintln!("SKIPPED: {why}"),
    }
}

#[test]
fn from_dovecot_and_back() {
    match Dovecot::start() {
        Ok(dovecot) => {
            make_mailbox(&dovecot.maildir(), "INBOX");
            hand_over(dovecot.maildir().parent().unwrap());
            there_and_back(&Peer::Dovecot(dovecot));
        }
        Err(why) => eprintln!("SKIPPED: {why}"),
    }
}

#[test]
fn what_a_migration_cannot_do_is_said() {
    let server = Restante::start("");
    let configuration = server.directory().join("restante.toml");
    let run = |arguments: &[&str]| {
        let output = Command::new(binary())
            .arg("migrate")
            .args(arguments)
            .arg("--config")
            .arg(&configuration)
            .output();
        let output = output.unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), text)
    };
    let maildir = server.maildir();
    for place in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(maildir.join(place)).unwrap();
    }
    std::fs::write(maildir.join("cur/1.a:2,S"), "a\n").unwrap();
    std::fs::write(maildir.join("dovecot-uidlist"), "3 V5 N7\n3 :1.a\nrubbish\n0 :1.b\n").unwrap();
    hand_over(&maildir);
    for (arguments, ok, expected) in [
        (&["--from", "dovecot", "nobody@example.com"][..], false, "nobody@example.com: no such user"),
        (&["--from", "dovecot", "user1@example.com"], false, "no Maildir"),
        (&["--from", "dovecot", "--to", "courier", USER], false, "cannot be used with"),
        (&[USER], false, "required"),
        (&["--from", "dovecot", "--dry-run", USER], false, "INBOX: 1 lines unreadable"),
        (&["--from", "dovecot", USER], false, "INBOX: 1 UIDs 0 or too great"),
        (&["--from", "dovecot", USER], true, "INBOX: has a restante-uidlist already"),
    ] {
        let (success, text) = run(arguments);
        assert_eq!(success, ok, "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let list = std::fs::read_to_string(maildir.join("restante-uidlist")).unwrap();
    assert!(list.contains(" U 3 ") && list.contains("1.a"), "{list}");
}
