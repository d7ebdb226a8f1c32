//! A user whose clients make the server work as hard as they may, and another who only reads mail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::client::Client;
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{Connection, PASSWORD, Target, make_mailbox};
use std::time::{Duration, Instant};

/// Connections of the hostile user; one user may have 50.
const CONNECTIONS: usize = 40;
const ROUNDS: usize = 40;
const MESSAGES: usize = 2_000;

/// The user of the server now, with an inbox of so many messages of so many lines.
fn user_with_mail(server: &Restante, messages: usize, lines: usize) -> String {
    let inbox = make_mailbox(&server.maildir(), "INBOX");
    let body = "Some words of text, and others.\n".repeat(lines);
    for n in 0..messages {
        let path = inbox.join(format!("cur/1700000000.M{n}P1.host:2,S"));
        std::fs::write(path, format!("From: a@example.org\nSubject: {n}\n\n{body}")).unwrap();
    }
    hand_over(&server.maildir());
    server.user()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Other users' commands are answered while all of one user's connections search. How long they
/// take is printed; what is asserted is that nothing of the searches was over before.
#[test]
fn security_28_one_users_searches_keep_nobody_waiting() {
    let mut server = Restante::start("");
    let hostile = user_with_mail(&server, MESSAGES, 500);
    server.next_user();
    let anna = user_with_mail(&server, 100, 20);

    let keys: String = (0..490).map(|n| format!("NOT BODY nothing{n} ")).collect();
    let mut hostile: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = server.tls();
            connection.line().expect("a greeting");
            for command in [format!("LOGIN {hostile} \"{PASSWORD}\""), "SELECT INBOX".to_owned()] {
                connection.send(format!("a {command}\r\n").as_bytes());
                while !connection.line().expect("an answer").starts_with(b"a OK") {}
            }
            connection
        })
        .collect();
    let mut client = Client::log_in(&server, &anna);
    client.ok("SELECT INBOX");
    let searches: &[u8] = &format!("b SEARCH {keys}\r\n").into_bytes();
    hostile.iter_mut().for_each(|connection| connection.send(searches));
    for command in
        ["NOOP", "STATUS INBOX (MESSAGES UNSEEN UIDNEXT)", "FETCH 1:50 (FLAGS ENVELOPE)", "FETCH 7 BODY[]"]
    {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                client.ok(command);
                begun.elapsed()
            })
            .collect();
        let median = median(&mut times);
        eprintln!("{command}: {median:?} at the median, {:?} at most", times[ROUNDS - 1]);
    }
    for connection in &mut hostile {
        assert_eq!(connection.surplus(), None, "a search was over already");
    }
}
