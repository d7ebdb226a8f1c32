//! Twenty clients in one mailbox: they select, fetch, store, copy, expunge and append at once.
//!
//! What one of them expunges the others still have numbers for, until they are told. None of
//! them may see NO for that, but where it asks for what only the file had and nobody had asked
//! for before.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::believer::Believer;
use restante_tests::random::Random;
use restante_tests::target::restante::{Restante, hand_over};
use std::collections::BTreeMap;

const CLIENTS: u64 = 20;
const OPERATIONS: usize = 150;

/// How often commands of a kind were answered so.
type Answers = BTreeMap<(&'static str, String), usize>;

/// What a command asks for that a message's file alone may have.
const CONTENT: [&str; 3] = ["FETCH header", "FETCH body", "COPY"];

/// A command by a client that knows of `count` messages: its kind, and its text.
fn command(count: usize, random: &mut Random) -> (&'static str, String) {
    if count == 0 || random.below(8) == 0 {
        let text = format!("Subject: {}\n\ntext\n", random.below(1_000)).replace('\n', "\r\n");
        return ("APPEND", format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()));
    }
    let first = 1 + random.below(count);
    let last = (first + random.below(3)).min(count);
    let set = format!("{first}:{last}");
    match random.below(12) {
        0 => ("SELECT", "SELECT INBOX".to_owned()),
        1 => ("EXPUNGE", "EXPUNGE".to_owned()),
        2 => ("STORE", format!("STORE {first} +FLAGS (\\Deleted)")),
        3 => ("STORE", format!("STORE {set} +FLAGS ($Label1 \\Answered)")),
        4 => ("STORE .SILENT", format!("STORE {set} -FLAGS.SILENT (\\Seen)")),
        5 => ("UID STORE", format!("UID STORE {set} +FLAGS (\\Flagged)")),
        6 => ("FETCH flags", "FETCH 1:* (UID FLAGS)".to_owned()),
        7 => ("FETCH facts", format!("FETCH {set} (UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE)")),
        8 => ("FETCH header", format!("FETCH {set} (UID ENVELOPE)")),
        9 => ("FETCH body", format!("FETCH {first} (UID BODY[])")),
        10 => ("SEARCH", format!("SEARCH {set} UNDELETED")),
        _ => ("COPY", format!("COPY {set} Archive")),
    }
}

fn work(client: &mut Believer, seed: u64) -> Answers {
    let (mut random, mut answers) = (Random::new(seed), Answers::new());
    for _ in 0..OPERATIONS {
        let (kind, text) = command(client.messages.len(), &mut random);
        if kind == "SELECT" {
            client.messages.clear();
        }
        assert!(client.command(&text), "closed in {text}");
        let answer = client.answer.split_once(' ').unwrap().1;
        let answer = if answer.starts_with("OK") { "OK" } else { answer };
        *answers.entry((kind, answer.to_owned())).or_default() += 1;
    }
    answers
}

#[test]
fn twenty_clients_in_one_mailbox_are_refused_nothing_but_content_that_is_gone() {
    let server = Restante::start("");
    hand_over(&server.directory().join("mail"));
    let mut clients: Vec<Believer> =
        (0..CLIENTS).map(|_| Believer::connect(&server).expect("a session")).collect();
    assert!(clients[0].command("CREATE Archive"));
    for client in &mut clients {
        assert!(client.command("SELECT INBOX"));
    }
    let of_each: Vec<Answers> = std::thread::scope(|scope| {
        let work = |(seed, client)| scope.spawn(move || work(client, seed));
        let threads: Vec<_> = (1..).zip(&mut clients).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut answers = Answers::new();
    for (answer, count) in of_each.into_iter().flatten() {
        *answers.entry(answer).or_default() += count;
    }
    eprintln!("{answers:#?}");
    for ((kind, answer), _) in answers.iter().filter(|((_, answer), _)| answer != "OK") {
        assert!(CONTENT.contains(kind), "{kind}: {answer}");
        assert!(answer.starts_with("NO [EXPUNGEISSUED]"), "{kind}: {answer}");
    }
    // All is quiet: each is told what it missed, and all believe the same.
    for client in &mut clients {
        assert!(client.command("NOOP") && client.command("FETCH 1:* (UID FLAGS)"));
    }
    for client in &clients {
        assert_eq!(client.messages, clients[0].messages);
    }
}
