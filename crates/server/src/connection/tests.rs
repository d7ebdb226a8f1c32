//! A panic ends one connection only, and a client that hung up is not worked for. Whole servers are tested in `tests/` of this repository.

use crate::listen::Listener;
use crate::runtime::block_on;
use crate::serve::serve;
use crate::server::Server;
use crate::settings::{ListenTls, read_text};
use session::{NamespaceClass, OtherNamespace, Rights, SessionSettings};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where the driver asks whether a test wants a panic.
pub(super) fn panic_if(wanted: bool) {
    assert!(!wanted, "a panic that a test wanted");
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a read time-out");
        let mut client = Self(BufReader::new(stream));
        assert!(client.line().starts_with("* OK"));
        client
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
        Self::with_others(users, &[])
    }

    /// Likewise, and these accounts are in a namespace beside the users' own.
    fn with_others(users: &[&str], others: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().display();
        let users: String = users.iter().map(|user| format!("{user}:{{PLAIN}}pw::::::\n")).collect();
        std::fs::write(directory.path().join("users"), users).expect("users");
        let text = format!(
            "[mail]\nmaildir = \"{path}/%u\"\ncreate = true\n[[users]]\npasswd-file = \"{path}/users\"\n\
             [login]\ncleartext-from = [\"127.0.0.1\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n"
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
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = Server::new(configuration, None, None);
        let served = server.clone();
        let thread = std::thread::spawn(move || {
            let listeners = vec![Listener { socket, tls: ListenTls::StartTls }];
            block_on(async { serve(served, listeners, None, async { drop(stopped.await) }).await })
        });
        Self { server, address, directory, stop, thread }
    }

    fn log_in(&self, user: &str) -> Client {
        let mut client = Client::new(self.address);
        client.send(&format!("a LOGIN {user} pw\r\n"));
        assert!(client.line().starts_with("a OK"));
        client
    }
}

#[test]
fn a_panic_ends_one_connection_and_is_counted() {
    let running = Running::new(&["worker", "stepper", "anna"]);
    let Running { server, address, .. } = &running;

    let mut other = running.log_in("anna");

    // While files are worked on: the client is told.
    let mut worker = running.log_in("worker");
    worker.send("b STATUS INBOX (MESSAGES)\r\n");
    assert_eq!(worker.line(), "* BYE Internal error; it was logged\r\n");
    assert_eq!(worker.line(), "");
    assert_eq!(server.panics(), 1);

    // In the connection's own task.
    let mut stepper = Client::new(*address);
    stepper.send("a LOGIN stepper pw\r\n");
    let mut rest = String::new();
    while let Ok(count) = stepper.0.read_line(&mut rest)
        && count > 0
    {}
    other.send("b NOOP\r\n");
    assert!(other.line().starts_with("b OK"), "the others go on");
    let server = server.clone();
    let _ = running.stop.send(());
    assert!(other.line().starts_with("* BYE"));
    running.thread.join().expect("no panic").expect("served");
    assert_eq!(server.panics(), 2);
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
    let _ = running.stop.send(());
    running.thread.join().expect("no panic").expect("served");
}

/// The driver opens the account of whoever is named, and for nobody whom no source knows.
#[test]
fn other_accounts_are_opened_when_they_are_named() {
    let running = Running::with_others(&["anna", "bob", "carl"], &["bob", "carl", "dora"]);
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
