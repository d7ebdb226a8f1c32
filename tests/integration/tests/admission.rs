//! Who gets a connection, and for how long: attackers from one address beside clients of others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, under_tls};
use restante_tests::target::stream::Stream;
use restante_tests::target::{Connection, PASSWORD, Target};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Only a server that hangs takes as long.
const WAIT: Duration = Duration::from_secs(30);

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A connection from an address of this host.
fn connect(from: Ipv4Addr, port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    socket.into()
}

/// The first line; empty where there is none.
fn first_line(socket: TcpStream) -> String {
    Stream::new(socket).line().map(|line| String::from_utf8(line).unwrap()).unwrap_or_default()
}

/// Logs in under TLS from an address; the connection, if the server serves it.
fn log_in(server: &Restante, from: Ipv4Addr) -> Option<impl Connection + use<>> {
    let socket = connect(from, server.tls_port());
    let mut connection = Stream::new(under_tls(socket, &server.directory().join("cert.pem")));
    connection.line()?;
    connection.send(format!("a LOGIN {} \"{PASSWORD}\"\r\n", server.user()).as_bytes());
    connection.line()?.starts_with(b"a OK").then_some(connection)
}

/// How many of these the server cut off without a word, and without waiting for one.
fn cut_off(sockets: &mut [TcpStream]) -> usize {
    let is_cut_off = |socket: &mut TcpStream| {
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        match socket.read(&mut [0]) {
            Ok(count) => panic!("{count} bytes without a handshake"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
            Err(_) => false,
        }
    };
    sockets.iter_mut().filter_map(|socket| is_cut_off(socket).then_some(())).count()
}

#[test]
fn security_25_silent_connections_from_one_address_keep_nobody_out() {
    let server = Restante::start("[limits]\nconnections = 20\n");
    let mut silent: Vec<TcpStream> = (0..40).map(|_| connect(ATTACKER, server.tls_port())).collect();
    // The others come in while all of these are still open: those that the attacker may not have
    // are kept, and nobody waits for the handshakes that never come.
    assert!(log_in(&server, OTHER).is_some());
    assert_eq!(cut_off(&mut silent), 25);
    let bye = first_line(connect(ATTACKER, server.port()));
    assert_eq!(bye, "* BYE [LIMIT] Too many connections: at most 20\r\n");
    let lines = server.logged().iter().filter(|line| line.contains("connections refused")).count();
    assert_eq!(lines, 1, "{:?}", server.logged());
    let line = server.wait_for_log(|line| line.contains("connections refused"));
    assert!(line.contains("WARN") && line.contains("127.0.0.1"), "{line}");
}

#[test]
fn security_25_without_a_password_an_address_holds_less() {
    let server = Restante::start("[limits]\nconnections-before-login = 3\n");
    let known: Vec<_> = (0..5).map(|_| log_in(&server, ATTACKER).expect("logged in")).collect();
    let silent: Vec<_> = (0..3).map(|_| Stream::new(connect(ATTACKER, server.port()))).collect();
    let silent: Vec<_> = silent.into_iter().map(|mut one| (one.line().expect("a greeting"), one)).collect();
    let bye = first_line(connect(ATTACKER, server.port()));
    assert!(bye.contains("[LIMIT] Too many connections from one address that did not log in"), "{bye}");
    assert!(log_in(&server, OTHER).is_some());
    drop(silent);
    let until = Instant::now() + WAIT;
    while first_line(connect(ATTACKER, server.port())).starts_with("* BYE") {
        assert!(Instant::now() < until, "no room comes back");
    }
    drop(known);
}

#[test]
fn a_failed_log_in_whose_client_hung_up_frees_its_slot_and_counts() {
    const GUESSES: usize = 6;
    let server = Restante::start("[limits]\nconnections = 8\nconnections-before-login = 6\n");
    let count = |wanted: &str| server.logged().iter().filter(|line| line.contains(wanted)).count();
    let wait_for = |wanted: &str, number: usize| {
        let until = Instant::now() + WAIT;
        while count(wanted) < number {
            assert!(Instant::now() < until, "{wanted}: {} of {number}", count(wanted));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let guesses: Vec<_> = (0..GUESSES)
        .map(|number| {
            let socket = connect(ATTACKER, server.tls_port());
            let mut guess = Stream::new(under_tls(socket, &server.directory().join("cert.pem")));
            guess.line().expect("a greeting");
            guess.send(format!("a LOGIN {} wrong{number}\r\n", server.user()).as_bytes());
            guess
        })
        .collect();
    wait_for("LOGIN FAILED", GUESSES);
    drop(guesses);
    // Six failures in a row are answered after a minute. The connections end before that.
    wait_for("the client hung up", GUESSES);
    let others: Vec<TcpStream> = (0..GUESSES).map(|_| connect(OTHER, server.port())).collect();
    for other in others {
        let greeting = first_line(other);
        assert!(greeting.starts_with("* OK"), "the slots are free: {greeting}");
    }
    // For the address they count until then: hanging up makes no guess cheaper.
    let bye = first_line(connect(ATTACKER, server.port()));
    assert!(bye.contains("[LIMIT] Too many connections from one address that did not log in"), "{bye}");
}

#[test]
fn a_renegotiation_is_refused_at_once() {
    let server = Restante::start("");
    let mut client = Command::new("timeout")
        .args([
            "20",
            "openssl",
            "s_client",
            "-tls1_2",
            "-connect",
            &format!("127.0.0.1:{}", server.tls_port()),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl");
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.find(|line| line.starts_with("* OK")).expect("a greeting");
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(b"R\n").unwrap();
    // The server says nothing else: without the alert, the client would wait for it.
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no renegotiation"), "{said}");
    assert_ne!(output.status.code(), Some(124), "it waited: {said}");
}

#[test]
fn the_system_asks_whether_a_silent_client_is_still_there() {
    let server = Restante::start("");
    let client = connect(OTHER, server.port());
    let ours = format!(":{:04X}", client.local_addr().unwrap().port());
    // proc_net_tcp(5): the timer of the server's end, 02 for keep-alive.
    let timer = || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let row =
            table.lines().find(|line| line.split_whitespace().nth(2).is_some_and(|r| r.ends_with(&ours)));
        row.and_then(|row| row.split_whitespace().nth(5)?.split(':').next().map(str::to_owned))
    };
    let until = Instant::now() + WAIT;
    while timer().as_deref() != Some("02") {
        assert!(Instant::now() < until, "the timer is {:?}", timer());
        std::thread::sleep(Duration::from_millis(20));
    }
}
