//! Two servers on one Maildir, killed and started again under clients that believe only what
//! they are told, while another program delivers, marks and removes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::believer::Believer;
use restante_tests::client::Client;
use restante_tests::random::{Random, seed};
use restante_tests::response::Node;
use restante_tests::target::restante::{Restante, hand_over};
use restante_tests::target::{Target, make_mailbox};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Clients of each server.
const CLIENTS: usize = 2;
/// Commands of all clients together.
const COMMANDS: usize = 2_500;
/// How often a server is killed.
const KILLS: usize = 12;

/// What all clients know.
#[derive(Default)]
struct Known {
    /// Whose content a UID names, for good.
    contents: BTreeMap<u32, String>,
    /// Subjects that nobody removes: whether an append of them was answered with OK.
    kept: BTreeMap<String, bool>,
    /// UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ, the greatest that was told.
    told: BTreeMap<String, u64>,
}

struct Site {
    servers: [Mutex<Restante>; 2],
    maildir: PathBuf,
    known: Mutex<Known>,
    commands: AtomicUsize,
    /// No client has failed.
    lives: AtomicBool,
}

/// Says that a client failed, unless it is forgotten.
struct Alive<'a>(&'a AtomicBool);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no other thread failed")
}

#[test]
fn two_servers_killed_and_started_again() {
    killed_and_started_again(3, |server, _| server.start_beside());
}

/// As two nodes have it: each has its indexes on a disk of its own.
#[test]
fn two_servers_with_an_index_directory_each() {
    let text = Mutex::new(None);
    let directory = killed_and_started_again(4, |server, node| {
        let path = server.directory().join("restante.toml");
        let mut text = lock(&text);
        let text = text.get_or_insert_with(|| std::fs::read_to_string(&path).unwrap());
        let index = format!("index = \"{}/index-{node}/%u\"\nmaildir = ", server.directory().display());
        std::fs::write(&path, text.replacen("maildir = ", &index, 1)).unwrap();
        server.start_beside()
    });
    let names = |path: PathBuf| -> BTreeSet<String> {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let user = "user0@example.com";
    for node in 0..2 {
        let found = names(directory.path().join(format!("index-{node}")).join(user));
        assert!(found.contains("restante-index"), "{found:?}");
    }
    let beside = names(directory.path().join("mail").join(user));
    assert!(beside.contains("restante-uidlist") && beside.contains("restante-witness"), "{beside:?}");
    assert!(!beside.contains("restante-index") && !beside.contains("restante-cache"), "{beside:?}");
}

/// `start` starts server 0 or 1 beside another; where all of it lies.
fn killed_and_started_again(
    first_seed: u64,
    start: impl Fn(&Restante, usize) -> Restante,
) -> Arc<tempfile::TempDir> {
    let seed = seed(first_seed);
    let began = Instant::now();
    let first = Restante::start("");
    let maildir = make_mailbox(&first.maildir(), "INBOX");
    hand_over(&first.directory().join("mail"));
    let (server, beside) = (start(&first, 0), start(&first, 1));
    let directory = first.shared_directory();
    drop(first);
    let site = Site {
        servers: [Mutex::new(server), Mutex::new(beside)],
        maildir,
        known: Mutex::default(),
        commands: AtomicUsize::new(0),
        lives: AtomicBool::new(true),
    };
    std::thread::scope(|scope| {
        for number in 0..2 * CLIENTS {
            let site = &site;
            scope.spawn(move || {
                let alive = Alive(&site.lives);
                site.work(number, Random::new(seed + number as u64));
                std::mem::forget(alive);
            });
        }
        let mut random = Random::new(seed + 100);
        let (mut disturbed, mut next) = (0, 0);
        for kill in 1..=KILLS {
            loop {
                let commands = site.commands.load(Ordering::Relaxed);
                if commands >= kill * COMMANDS / (KILLS + 1) {
                    break;
                }
                if commands >= next {
                    disturbed += 1;
                    next = commands + random.within(1..10);
                    site.disturb(disturbed, &mut random);
                }
                assert!(site.lives.load(Ordering::Relaxed), "a client failed");
                std::thread::sleep(Duration::from_millis(1));
            }
            let node = random.below(2);
            let mut server = lock(&site.servers[node]);
            server.kill();
            *server = start(&server, node);
        }
    });
    site.end();
    eprintln!("{COMMANDS} commands, {KILLS} kills in {:?}", began.elapsed());
    directory
}

#[test]
fn special_uses_are_known_to_both() {
    let server = Restante::start("");
    let beside = server.start_beside();
    let mut clients = [&server, &beside].map(|it| Client::log_in(it, &server.user()));
    let listed = |client: &mut Client| {
        let answer = client.ok("LIST (SPECIAL-USE) \"\" *");
        let line = |nodes: &Vec<Node>| nodes.iter().map(Node::to_string).collect::<Vec<_>>().join(" ");
        answer.untagged.iter().map(line).collect::<Vec<_>>()
    };
    clients[0].ok("CREATE Trash");
    clients[1].ok("CREATE Sent");
    clients[0].ok("RENAME Trash Bin");
    clients[1].ok("RENAME Sent Out");
    clients[1].ok("RENAME Bin Dust");
    clients[0].ok("CREATE Trash");
    for client in &mut clients {
        assert_eq!(listed(client), ["* LIST (\\Trash) / Dust", "* LIST (\\Sent) / Out"]);
    }
    clients[1].ok("DELETE Dust");
    for client in &mut clients {
        assert_eq!(listed(client), ["* LIST (\\Sent) / Out", "* LIST (\\Trash) / Trash"]);
    }
}

impl Site {
    /// Works with one server, and comes back to it when it was killed.
    fn work(&self, number: usize, mut random: Random) {
        let mut appended = 0;
        while self.commands.load(Ordering::Relaxed) < COMMANDS {
            let before = lock(&self.known).told.clone();
            let connected = Believer::connect(&lock(&self.servers[number % 2]));
            let Some(mut client) = connected else { continue };
            if !client.command("SELECT INBOX (CONDSTORE)") {
                continue;
            }
            self.hold(&before, &client.told);
            while self.commands.fetch_add(1, Ordering::Relaxed) < COMMANDS {
                if !self.act(&mut client, number, &mut appended, &mut random) {
                    break;
                }
            }
        }
    }

    /// Numbers do not go back behind what was told to anyone before.
    fn hold(&self, before: &BTreeMap<String, u64>, told: &BTreeMap<String, u64>) {
        let mut known = lock(&self.known);
        for name in ["UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"] {
            let (was, is) = (before.get(name).copied().unwrap_or_default(), told[name]);
            assert!(
                is >= was && (name != "UIDVALIDITY" || was == 0 || is == was),
                "{name} was {was} and is {is}"
            );
            let greatest = known.told.entry(name.to_owned()).or_default();
            *greatest = is.max(*greatest);
        }
    }

    /// One command; `false` when the server is gone.
    fn act(&self, client: &mut Believer, number: usize, appended: &mut usize, random: &mut Random) -> bool {
        let count = client.messages.len();
        let at = 1 + random.below(count);
        let alive = match random.below(10) {
            0 => client.command("NOOP"),
            1 => client.command("EXPUNGE"),
            2 if count > 0 => match self.disposable(client, random) {
                Some(uid) => client.command(&format!("UID STORE {uid} +FLAGS (\\Deleted)")),
                None => client.command("CHECK"),
            },
            3 if count > 0 => client.command(&format!("STORE {at} -FLAGS.SILENT (\\Seen)")),
            4 if count > 0 => client.command(&format!("STORE {at}:* +FLAGS ($Label1 \\Answered)")),
            5 if count > 0 => client.command(&format!("FETCH {at}:* (UID FLAGS)")),
            6 => client.command("UID SEARCH UNSEEN"),
            7 | 8 => self.append(client, number, appended, random),
            _ if count > 0 => {
                client.command(&format!("UID FETCH {at}:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
            }
            _ => client.command("NOOP"),
        };
        let mut known = lock(&self.known);
        for (uid, content) in std::mem::take(&mut client.contents) {
            let was = known.contents.entry(uid).or_insert_with(|| content.clone());
            assert_eq!(*was, content, "UID {uid} is another message");
        }
        alive
    }

    /// The UID of a message that may go.
    fn disposable(&self, client: &Believer, random: &mut Random) -> Option<u32> {
        let uids: Vec<u32> = client.messages.iter().filter_map(|message| message.uid).collect();
        let known = lock(&self.known);
        let may_go = |uid: &&u32| known.contents.get(uid).is_some_and(|content| !content.contains("kept"));
        random.pick(&uids.iter().filter(may_go).collect::<Vec<_>>()).map(|uid| **uid)
    }

    fn append(
        &self,
        client: &mut Believer,
        number: usize,
        appended: &mut usize,
        random: &mut Random,
    ) -> bool {
        *appended += 1;
        let kind = if random.one_in(3) { "kept" } else { "passing" };
        let subject = format!("{kind} {number} {appended}");
        if kind == "kept" {
            lock(&self.known).kept.insert(subject.clone(), false);
        }
        let text = format!("Subject: {subject}\r\n\r\ntext\r\n");
        let alive = client.command(&format!("APPEND INBOX (\\Flagged $Kept) {{{}+}}\r\n{text}", text.len()));
        if alive {
            // TAG OK [APPENDUID VALIDITY UID] …
            let uid = client.answer.split([' ', ']']).nth(4).and_then(|uid| uid.parse().ok());
            let uid: u32 = uid.unwrap_or_else(|| panic!("APPENDUID in {}", client.answer));
            let mut known = lock(&self.known);
            let header = format!("Subject: {subject}\r\n\r\n");
            let was = known.contents.entry(uid).or_insert_with(|| header.clone());
            assert_eq!(*was, header, "UID {uid} is another message");
            if kind == "kept" {
                known.kept.insert(subject, true);
            }
        }
        alive
    }

    /// Another program's work, at what may go.
    fn disturb(&self, number: usize, random: &mut Random) {
        let some = |random: &mut Random| -> Option<PathBuf> {
            let mut paths: Vec<PathBuf> = std::fs::read_dir(self.maildir.join("cur"))
                .unwrap()
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect();
            paths.sort();
            let path = random.pick(&paths)?.clone();
            (!std::fs::read_to_string(&path).ok()?.contains("kept")).then_some(path)
        };
        match random.below(6) {
            0 => {
                let name = format!("17{number:08}.M{}P9.other", random.below(1_000_000));
                let tmp = self.maildir.join("tmp").join(&name);
                let kind = if random.one_in(4) { "kept" } else { "passing" };
                let subject = format!("{kind} delivered {number}");
                std::fs::write(&tmp, format!("Subject: {subject}\n\ntext\n")).unwrap();
                hand_over(&tmp);
                std::fs::rename(&tmp, self.maildir.join("new").join(&name)).unwrap();
                if kind == "kept" {
                    lock(&self.known).kept.insert(subject, true);
                }
            }
            1..=3 => {
                let Some(path) = some(random) else { return };
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let flags = ["", "S", "FS", "RS", "T"][random.below(5)];
                // A server may have been faster.
                let _ = std::fs::rename(
                    &path,
                    path.with_file_name(format!("{}:2,{flags}", name.split(':').next().unwrap())),
                );
            }
            _ => drop(some(random).map(std::fs::remove_file)),
        }
    }

    /// All is quiet: both servers and a third that knows nothing say the same, and it is true.
    fn end(self) {
        let [mut first, mut second] = self.servers.map(|server| server.into_inner().unwrap());
        let user = first.user();
        let third = first.start_beside();
        let inboxes = [&first, &second, &third].map(|server| Client::log_in(server, &user).contents("INBOX"));
        assert_eq!(inboxes[0], inboxes[1]);
        assert_eq!(inboxes[0], inboxes[2]);
        let known = self.known.into_inner().unwrap();
        let mut subjects: BTreeMap<&str, usize> = BTreeMap::new();
        for (uid, message) in &inboxes[0].messages {
            let subject = message.content.lines().next().unwrap().strip_prefix("Subject: ").unwrap();
            *subjects.entry(subject).or_default() += 1;
            let uid = u32::try_from(*uid).unwrap();
            if let Some(content) = known.contents.get(&uid) {
                assert_eq!(*content, format!("Subject: {subject}\r\n\r\n"), "UID {uid}");
            }
            if subject.starts_with("kept") && !subject.contains("delivered") {
                let flags: BTreeSet<&str> = message.flags.iter().map(String::as_str).collect();
                assert!(flags.contains("\\Flagged") && flags.contains("$Kept"), "{subject}: {flags:?}");
            }
        }
        assert!(subjects.values().all(|count| *count == 1), "a message twice: {subjects:?}");
        for (subject, _) in known.kept.iter().filter(|(_, answered)| **answered) {
            assert!(subjects.contains_key(subject.as_str()), "{subject} is lost");
        }
        let files = count(&self.maildir.join("cur")) + count(&self.maildir.join("new"));
        assert_eq!(files, inboxes[0].messages.len());
        eprintln!("{} messages, {} kept", files, known.kept.len());
        // What they know is on the disk then.
        for server in [&mut first, &mut second] {
            server.signal("TERM");
            assert!(server.wait_until_it_ends());
        }
    }
}

fn count(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}
