//! Sessions over TLS while other programs deliver, rename and remove in the same Maildir.
//!
//! Each client believes only what it is told. Whatever happens on disk, what it believes must
//! hold together at every line, and be the truth once all is quiet.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::response::{Node, parse};
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{Connection, PASSWORD, Target, make_mailbox};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROUNDS: u64 = 400;
const CLIENTS: u64 = 3;

/// A small generator of numbers, so that a run can be told from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, max: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % max.max(1) as u64).unwrap()
    }
}

/// What a client was told: a UID for each number once it asked for it, and flags.
struct Client {
    connection: Box<dyn Connection + Send>,
    messages: Vec<Believed>,
    tag: u32,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Believed {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

impl Client {
    fn command(&mut self, text: &str) {
        self.tag += 1;
        let tag = format!("c{}", self.tag);
        self.connection.send(format!("{tag} {text}\r\n").as_bytes());
        let by_number = ["FETCH", "STORE", "SEARCH"].iter().any(|verb| text.starts_with(verb));
        loop {
            let line = self.connection.line().unwrap_or_else(|| panic!("closed in {text}"));
            let nodes = parse(line.trim_ascii_end(), false);
            if matches!(&nodes[0], Node::Atom(word) if *word == tag) {
                let answer = nodes[1].to_string();
                // A message may have gone that the client still has: NO, never BAD.
                assert!(answer == "OK" || answer == "NO", "{text}: {}", line.escape_ascii());
                return;
            }
            self.believe(&nodes, by_number, text);
        }
    }

    fn believe(&mut self, nodes: &[Node], by_number: bool, text: &str) {
        let word = |at: usize| nodes.get(at).map(ToString::to_string).unwrap_or_default();
        let number = word(1).parse::<usize>().ok();
        match (number, word(2).as_str()) {
            (Some(count), "EXISTS") => {
                assert!(count >= self.messages.len(), "EXISTS takes no message away");
                self.messages.resize(count, Believed::default());
            }
            (Some(number), "EXPUNGE") => {
                assert!(!by_number, "EXPUNGE during {text}");
                assert!(
                    (1..=self.messages.len()).contains(&number),
                    "EXPUNGE {number} of {}",
                    self.messages.len()
                );
                self.messages.remove(number - 1);
            }
            (Some(number), "FETCH") => {
                let message = self.messages.get_mut(number - 1).expect("a number that exists");
                let Some(Node::List(items)) = nodes.get(3) else { panic!("items") };
                for pair in items.chunks(2) {
                    match (pair[0].to_string().as_str(), &pair[1]) {
                        ("UID", uid) => {
                            let uid = uid.to_string().parse().unwrap();
                            assert!(
                                message.uid.is_none_or(|known| known == uid),
                                "number {number} was another message"
                            );
                            message.uid = Some(uid);
                        }
                        ("FLAGS", Node::List(flags)) => {
                            let flags =
                                flags.iter().map(ToString::to_string).filter(|flag| flag != "\\Recent");
                            message.flags = Some(flags.collect());
                        }
                        _ => {}
                    }
                }
                let uids: Vec<u32> = self.messages.iter().filter_map(|message| message.uid).collect();
                assert!(uids.is_sorted_by(|a, b| a < b), "UIDs ascend: {uids:?}");
            }
            _ => {}
        }
    }

    fn act(&mut self, random: &mut Random) {
        let count = self.messages.len();
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
            self.command(&command);
        }
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

fn connect(server: &Restante) -> Client {
    let mut connection: Box<dyn Connection + Send> = Box::new(server.tls());
    assert!(connection.line().unwrap().starts_with(b"* OK"));
    let mut client = Client { connection, messages: Vec::new(), tag: 0 };
    client.command(&format!("LOGIN {} \"{PASSWORD}\"", server.user()));
    client.command("SELECT INBOX");
    client
}

#[test]
fn sessions_and_other_programs_work_in_one_maildir() {
    let server = Restante::start("");
    let maildir = make_mailbox(&server.maildir(), "INBOX");
    hand_over(&server.directory().join("mail"));
    let clients: Vec<Client> = (0..CLIENTS).map(|_| connect(&server)).collect();
    let mut clients = std::thread::scope(|scope| {
        let disturber = scope.spawn(|| {
            let mut random = Random(0x9E37_79B9_7F4A_7C15);
            (0..ROUNDS * 4).for_each(|round| disturb(&maildir, round, &mut random));
        });
        let working: Vec<_> = (1..)
            .zip(clients)
            .map(|(seed, mut client)| {
                scope.spawn(move || {
                    let mut random = Random(seed);
                    (0..ROUNDS).for_each(|_| client.act(&mut random));
                    client
                })
            })
            .collect();
        disturber.join().unwrap();
        working.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    // All is quiet: each is told what it missed, and all believe the same.
    for client in &mut clients {
        client.command("NOOP");
        client.command("FETCH 1:* (UID FLAGS)");
    }
    let told: Vec<Vec<Believed>> = clients.iter().map(|client| client.messages.clone()).collect();
    assert!(told.iter().all(|messages| *messages == told[0]), "{told:#?}");
    let files = std::fs::read_dir(maildir.join("cur")).unwrap().count()
        + std::fs::read_dir(maildir.join("new")).unwrap().count();
    assert_eq!(told[0].len(), files);
    // And a fresh look says the same.
    let mut fresh = connect(&server);
    fresh.command("FETCH 1:* (UID FLAGS)");
    assert_eq!(fresh.messages, told[0]);
}
