//! A panic ends one connection only. Whole servers are tested in `tests/` of this repository.

use crate::listen::Listener;
use crate::serve::{Server, block_on, serve};
use crate::settings::{ListenTls, read_text};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
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

#[test]
fn a_panic_ends_one_connection_and_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display();
    let users: String =
        ["worker", "stepper", "anna"].map(|user| format!("{user}:{{PLAIN}}pw::::::\n")).concat();
    std::fs::write(directory.path().join("users"), users).expect("users");
    let text = format!(
        "[mail]\nmaildir = \"{path}/%u\"\ncreate = true\n[[users]]\npasswd-file = \"{path}/users\"\n\
         [login]\ncleartext-from = [\"127.0.0.1\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n"
    );
    let configuration = read_text(Path::new("r.toml"), &text).expect("it is right");
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

    let mut other = Client::new(address);
    other.send("a LOGIN anna pw\r\n");
    assert!(other.line().starts_with("a OK"));

    // While files are worked on: the client is told.
    let mut worker = Client::new(address);
    worker.send("a LOGIN worker pw\r\n");
    assert!(worker.line().starts_with("a OK"));
    worker.send("b STATUS INBOX (MESSAGES)\r\n");
    assert_eq!(worker.line(), "* BYE Internal error; it was logged\r\n");
    assert_eq!(worker.line(), "");
    assert_eq!(server.panics(), 1);

    // In the connection's own task.
    let mut stepper = Client::new(address);
    stepper.send("a LOGIN stepper pw\r\n");
    let mut rest = String::new();
    while let Ok(count) = stepper.0.read_line(&mut rest)
        && count > 0
    {}
    other.send("b NOOP\r\n");
    assert!(other.line().starts_with("b OK"), "the others go on");
    let _ = stop.send(());
    assert!(other.line().starts_with("* BYE"));
    thread.join().expect("no panic").expect("served");
    assert_eq!(server.panics(), 2);
}
