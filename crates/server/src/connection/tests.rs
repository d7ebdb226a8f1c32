//! The driver with IMAP's machine, and with one of a protocol of its own. Whole servers are tested
//! in `tests/` of this repository.

mod echo;

use crate::listen::Listener;
use crate::runtime::block_on;
use crate::serve::serve;
use crate::server::Server;
use crate::settings::{ListenTls, read_text};
use crate::tls;
use session::{NamespaceClass, OtherNamespace, Protocol, Rights, SessionSettings};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a read time-out");
        Self(BufReader::new(stream))
    }

    fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(line.as_bytes()).expect("it is written");
    }

    /// The next line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }
}

/// A server of this process, with users whose password is `pw`.
struct Running {
    server: Arc<Server>,
    address: SocketAddr,
    directory: tempfile::TempDir,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<Result<(), String>>,
}

impl Running {
    fn new(users: &[&str]) -> Self {
        Self::with(Protocol::DEFAULT, users, "", &[])
    }

    /// With settings beside the usual ones, and with these accounts in a namespace beside the
    /// users' own.
    fn with(protocol: &'static Protocol, users: &[&str], settings: &str, others: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().display();
        let users: String =
            users.iter().map(|user| format!("{user}:{{PLAIN}}pw::::::{}\n", extra(user))).collect();
        std::fs::write(directory.path().join("users"), users).expect("users");
        let text = format!(
            "[mail]\nmaildir = \"{path}/%u\"\ncreate = true\n[[users]]\npasswd-file = \"{path}/users\"\n\
             [login]\ncleartext-from = [\"127.0.0.1\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n{settings}"
        );
        let mut configuration = read_text(Path::new("r.toml"), &text).expect("it is right");
        let mut session = SessionSettings::clone(&configuration.session);
        session.other_namespaces.push(OtherNamespace {
            class: NamespaceClass::OtherUsers,
            root: "Other".to_owned(),
            accounts: others.iter().map(|name| ((*name).to_owned(), Rights::ALL)).collect(),
        });
        configuration.session = session.into();
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket for tokio");
        let address = socket.local_addr().expect("its address");
        let tls = tls::configure(&configuration).expect("certificates");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = Server::new(configuration, tls, None);
        let served = server.clone();
        let thread = std::thread::spawn(move || {
            let listeners = vec![Listener { socket, protocol, tls: ListenTls::StartTls }];
            block_on(async { serve(served, listeners, None, async { drop(stopped.await) }).await })
        });
        Self { server, address, directory, stop, thread }
    }

    fn log_in(&self, user: &str) -> Client {
        let mut client = Client::connect(self.address);
        assert!(client.line().starts_with("* OK"));
        client.send(&format!("a LOGIN {user} pw\r\n"));
        assert!(client.line().starts_with("a OK"));
        client
    }

    /// Stops it, once all clients are gone or told.
    fn stop(self) {
        let _ = self.stop.send(());
        self.thread.join().expect("no panic").expect("served");
    }
}

/// What the source says of a user beside the password.
fn extra(user: &str) -> &'static str {
    if user == "moved" { "host=there.example" } else { "" }
}

/// A search of many pieces, told by their number: those that a client waits for, and those that
/// begin for one that does not.
#[test]
fn security_28_a_client_that_hung_up_is_not_worked_for() {
    let running = Running::new(&["anna"]);
    let jobs = &running.server.jobs;
    let mut patient = running.log_in("anna");
    let body = "some words of text\n".repeat(10_000);
    let path = running.directory.path().join("anna/cur/1700000000.M1P1.host:2,S");
    std::fs::write(path, format!("Subject: long\n\n{body}")).expect("a message");
    let keys: String = (0..490).map(|n| format!("NOT BODY w{n} ")).collect();
    patient.send("b SELECT INBOX\r\n");
    while !patient.line().starts_with("b OK") {}
    let before = jobs.count();
    patient.send(&format!("c SEARCH {keys}\r\n"));
    assert_eq!(patient.line(), "* SEARCH 1\r\n");
    let of_search = jobs.count() - before;
    assert!(of_search > 20, "{of_search} pieces");

    let connected = Arc::strong_count(&running.server);
    let mut hasty = running.log_in("anna");
    hasty.send("b SELECT INBOX\r\n");
    while !hasty.line().starts_with("b OK") {}
    let before = jobs.count();
    hasty.send(&format!("c SEARCH {keys}\r\n"));
    while jobs.count() < before + 3 {
        std::thread::yield_now();
    }
    drop(hasty);
    while Arc::strong_count(&running.server) > connected {
        std::thread::sleep(Duration::from_millis(1));
    }
    let until_dropped = jobs.count() - before;
    assert!(until_dropped < of_search / 2, "{until_dropped} of {of_search} pieces");
    patient.send("d NOOP\r\n");
    while !patient.line().starts_with("d OK") {}
    running.stop();
}

/// The driver opens the account of whoever is named, and for nobody whom no source knows.
#[test]
fn other_accounts_are_opened_when_they_are_named() {
    let running = Running::with(Protocol::DEFAULT, &["anna", "bob", "carl"], "", &["bob", "carl", "dora"]);
    let _bob = running.log_in("bob");
    let path = running.directory.path().join("bob/cur/1700000000.M1P1.host:2,S");
    std::fs::write(path, "Subject: a\n\nb\n").expect("a message");
    let mut anna = running.log_in("anna");
    for (command, expected) in [
        ("STATUS Other/bob (MESSAGES)", "* STATUS Other/bob (MESSAGES 1)\r\n"),
        ("STATUS Other/bob (MESSAGES)", "* STATUS Other/bob (MESSAGES 1)\r\n"),
        ("STATUS Other/dora (MESSAGES)", "b NO [NONEXISTENT] There is no such mailbox\r\n"),
        ("STATUS Other/emil (MESSAGES)", "b NO [NONEXISTENT] There is no such mailbox\r\n"),
        ("STATUS Other/carl (MESSAGES)", "b NO [UNAVAILABLE] This mailbox cannot be opened now\r\n"),
    ] {
        anna.send(&format!("b {command}\r\n"));
        assert_eq!(anna.line(), expected);
        if expected.starts_with('*') {
            assert!(anna.line().starts_with("b OK"));
        }
    }
    assert!(!running.directory.path().join("carl").exists(), "it is not made by naming it");
    let _ = running.stop.send(());
    assert!(anna.line().starts_with("* BYE"));
    running.thread.join().expect("no panic").expect("served");
}
