//! A thousand users of a directory of twenty thousand log in at the same time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::slapd::Slapd;
use restante_tests::target::Connection;
use restante_tests::target::restante::{Restante, under_tls};
use restante_tests::target::stream::Stream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};

const USERS: usize = 20_000;
/// Each with an address of its own, as the settings bound the connections of one address.
const CLIENTS: u8 = 10;
const CONNECTIONS: usize = 100;
/// Descriptors that the server and the clients may each need, and then some.
const DESCRIPTORS: u64 = 4096;

/// Whether so many files may be open.
fn may_open_enough() -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < DESCRIPTORS) {
        eprintln!("SKIPPED: {DESCRIPTORS} open files are needed, and {:?} allowed", limit.maximum);
        return false;
    }
    let current = limit.current.map(|current| current.max(DESCRIPTORS));
    setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum }).unwrap();
    true
}

/// A connection from `127.0.0.2` and so on, whose greeting has been read.
fn connect(server: &Restante, client: u8) -> impl Connection + use<> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own = Ipv4Addr::new(127, 0, 0, client + 2);
    socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, server.tls_port())).into()).unwrap();
    let stream = under_tls(socket.into(), &server.directory().join("cert.pem"));
    let mut connection = Stream::new(stream);
    connection.line().expect("a greeting");
    connection
}

/// Logs all in by their aliases, which no other source has; then reads the answers.
fn log_in_all(connections: &mut [impl Connection], first: usize) {
    let user = |number: usize| (first + number) * 19 % USERS;
    for (number, connection) in connections.iter_mut().enumerate() {
        let user = user(number);
        connection.send(format!("a LOGIN alias{user}@example.com secret{user}\r\n").as_bytes());
    }
    for (number, connection) in connections.iter_mut().enumerate() {
        let answer = connection.line().expect("an answer");
        assert!(answer.starts_with(b"a OK"), "alias{}: {}", user(number), answer.escape_ascii());
    }
}

#[test]
fn a_thousand_users_log_in_at_once() {
    if !may_open_enough() {
        return;
    }
    let Some(slapd) = Slapd::start(USERS, "") else { return };
    let server = Restante::start(&slapd.table());
    let connect_all = &|client| (0..CONNECTIONS).map(|_| connect(&server, client)).collect::<Vec<_>>();
    let mut clients: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || connect_all(client))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // All are connected: now they log in, and stay until the last one has.
    std::thread::scope(|scope| {
        for (client, connections) in clients.iter_mut().enumerate() {
            scope.spawn(move || log_in_all(connections, client * CONNECTIONS));
        }
    });
    let made = std::fs::read_dir(server.directory().join("mail")).unwrap().count();
    assert_eq!(made, usize::from(CLIENTS) * CONNECTIONS, "Maildirs, one a user");
}
