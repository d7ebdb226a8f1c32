//! Sessions over TLS while other programs deliver, rename and remove in the same Maildir.
//!
//! Each client believes only what it is told. Whatever happens on disk, what it believes must
//! hold together at every line, and be the truth once all is quiet.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::believer::{Believed, Believer};
use restante_tests::random::Random;
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{Target, make_mailbox};
use std::path::{Path, PathBuf};

const ROUNDS: u64 = 400;
const CLIENTS: u64 = 3;

fn act(client: &mut Believer, random: &mut Random) {
    let count = client.messages.len();
    let number = 1 + random.below(count);
    let command = match random.below(9) {
        0 => "NOOP".to_owned(),
        1 => "EXPUNGE".to_owned(),
        2 if count > 0 => format!("STORE {number} +FLAGS (\\Deleted)"),
        3 if count > 0 => format!("STORE {number} -FLAGS.SILENT (\\Seen)"),
        4 if count > 0 => format!("STORE {number}:* +FLAGS ($Label1 \\Answered)"),
        5 if count > 0 => format!("FETCH {number} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"),
        6 if count > 0 => format!("UID FETCH {number}:* (FLAGS)"),
        7 => "UID SEARCH UNSEEN".to_owned(),
        _ => "FETCH 1:* (UID FLAGS)".to_owned(),
    };
    if count > 0 || !command.starts_with("FETCH") {
        assert!(client.command(&command), "closed in {command}");
    }
}

/// Somebody else's work in the Maildir: delivers like qmail, marks like mutt, removes like rm.
fn disturb(maildir: &Path, round: u64, random: &mut Random) {
    let names = |place: &str| -> Vec<PathBuf> {
        std::fs::read_dir(maildir.join(place)).unwrap().filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    let pick = |paths: Vec<PathBuf>, random: &mut Random| {
        let at = random.below(paths.len());
        paths.into_iter().nth(at)
    };
    match random.below(4) {
        0 | 1 => {
            let name = format!("18{round:08}.M{}P9.other", random.below(1_000_000));
            std::fs::write(maildir.join("tmp").join(&name), format!("Subject: {round}\n\ntext\n")).unwrap();
            hand_over(&maildir.join("tmp").join(&name));
            std::fs::rename(maildir.join("tmp").join(&name), maildir.join("new").join(&name)).unwrap();
        }
        2 => {
            if let Some(path) = pick(names("cur"), random) {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let flags = ["", "S", "FS", "RS"][random.below(4)];
                let to = maildir.join("cur").join(format!("{}:2,{flags}", name.split(':').next().unwrap()));
                // The server may have been faster.
                let _ = std::fs::rename(path, to);
            }
        }
        _ => {
            if let Some(path) = pick(names("cur"), random) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

fn connect(server: &Restante) -> Believer {
    let mut client = Believer::connect(server).expect("a session");
    assert!(client.command("SELECT INBOX"), "the server goes on");
    client
}

#[test]
fn sessions_and_other_programs_work_in_one_maildir() {
    let server = Restante::start("");
    let maildir = make_mailbox(&server.maildir(), "INBOX");
    hand_over(&server.directory().join("mail"));
    let clients: Vec<Believer> = (0..CLIENTS).map(|_| connect(&server)).collect();
    let mut clients = std::thread::scope(|scope| {
        let disturber = scope.spawn(|| {
            let mut random = Random::new(0);
            (0..ROUNDS * 4).for_each(|round| disturb(&maildir, round, &mut random));
        });
        let working: Vec<_> = (1..)
            .zip(clients)
            .map(|(seed, mut client)| {
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    (0..ROUNDS).for_each(|_| act(&mut client, &mut random));
                    client
                })
            })
            .collect();
        disturber.join().unwrap();
        working.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    // All is quiet: each is told what it missed, and all believe the same.
    for client in &mut clients {
        assert!(client.command("NOOP") && client.command("FETCH 1:* (UID FLAGS)"));
    }
    let told: Vec<Vec<Believed>> = clients.iter().map(|client| client.messages.clone()).collect();
    assert!(told.iter().all(|messages| *messages == told[0]), "{told:#?}");
    let files = std::fs::read_dir(maildir.join("cur")).unwrap().count()
        + std::fs::read_dir(maildir.join("new")).unwrap().count();
    assert_eq!(told[0].len(), files);
    // And a fresh look says the same.
    let mut fresh = connect(&server);
    assert!(fresh.command("FETCH 1:* (UID FLAGS)"));
    assert_eq!(fresh.messages, told[0]);
}
