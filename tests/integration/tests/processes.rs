//! Several processes on one Maildir, killed at random, while another program delivers, marks
//! and removes: nothing that was answered is lost, whoever looks.
//!
//! The workers are this test again, told by the environment to be one. What they write down is
//! checked as [`restante_tests::journal`] says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::journal::{Check, Journal, Record};
use restante_tests::random::{Random, seed};
use restante_tests::target::mailbox_directory;
use restante_tests::worker::{self, MAILBOXES, identity_of, settings};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::Store;

/// Operations that are answered, in both tests together.
const OPERATIONS: [usize; 2] = [40_000, 60_000];
/// Answers that are taken at once, of workers that are still running.
const ANSWERED_MAX: usize = 200;
/// How long nothing may happen: only processes that wait for one another take it.
const HANG: Duration = Duration::from_secs(60);

#[test]
fn two_processes_killed_at_random() {
    Site::new().run(2, OPERATIONS[0], seed(1));
}

#[test]
fn three_processes_killed_at_random() {
    Site::new().run(3, OPERATIONS[1], seed(2));
}

/// Not a test: what the others start as their workers.
#[test]
fn worker() {
    worker::run_if_told();
}

/// A Maildir with a journal beside it.
struct Site {
    directory: tempfile::TempDir,
    journal: Journal,
    deliveries: usize,
}

impl Site {
    fn new() -> Self {
        let directory = worker::temporary_directory();
        let account = Store::new(settings()).account(&directory.path().join("mail"), true).unwrap();
        for name in &MAILBOXES[1..] {
            account.create(&mail::MailboxName::new(name).unwrap()).unwrap();
        }
        let journal = Journal::open(&directory.path().join("journal"));
        Self { directory, journal, deliveries: 0 }
    }

    fn maildir(&self) -> PathBuf {
        self.directory.path().join("mail")
    }

    fn run(mut self, workers: usize, operations: usize, seed: u64) {
        let began = Instant::now();
        let mut random = Random::new(seed);
        let mut reader = Follower::new(self.directory.path().join("journal"));
        let mut check = Check::default();
        let mut started = 0;
        let mut start = |random: &mut Random| {
            started += 1;
            Worker::start(self.directory.path(), started, random.below(usize::MAX))
        };
        let mut working: Vec<Worker> = (0..workers).map(|_| start(&mut random)).collect();
        let (mut answered, mut kills) = (0, 0);
        let (mut kill_at, mut disturb_at) = (100, 10);
        while answered < operations {
            answered += reader.take(&mut check, seed);
            if answered >= disturb_at {
                disturb_at = answered + random.within(1..30);
                disturb(
                    &self.directory.path().join("mail"),
                    &mut self.deliveries,
                    &mut self.journal,
                    &mut random,
                );
            }
            if answered >= kill_at {
                kill_at = answered + random.within(20..400);
                let victim = random.below(working.len());
                working[victim].kill(&mut self.journal);
                working[victim] = start(&mut random);
                kills += 1;
            }
        }
        working.into_iter().for_each(|mut worker| worker.kill(&mut self.journal));
        while reader.take(&mut check, seed) >= ANSWERED_MAX {}
        let found = self.look(&mut check, seed);
        if let Err(error) = check.end(&found) {
            self.fail(&error, seed);
        }
        eprintln!(
            "{answered} operations of {workers} processes, {kills} killed, {} in the middle, in {:?}: {:?}",
            check.cut_off,
            began.elapsed(),
            check.answered
        );
        assert!(check.cut_off > kills / 10, "too few died in the middle of something");
    }

    /// Two stores that know nothing look at all mailboxes, and agree with each other, with the
    /// journal, and with the files that are there.
    fn look(&self, check: &mut Check, seed: u64) -> BTreeMap<String, usize> {
        let mut shown = [Vec::new(), Vec::new()];
        let mut found = BTreeMap::new();
        for (process, shown) in (1_000_000..).zip(&mut shown) {
            let account = Store::new(settings()).account(&self.maildir(), false).unwrap();
            found.clear();
            for (number, listed) in
                (0..).zip(account.list().unwrap().into_iter().filter(|listed| listed.selectable))
            {
                let name = listed.name.as_str();
                let mailbox = account.open(&listed.name).unwrap();
                let snapshot = mailbox.refresh(false).unwrap().snapshot;
                let begun = format!("I {process} {number} refresh {name}");
                let rows = worker::rows(&snapshot, |_| true);
                let answered = format!("A {process} {number} {} all{rows}", worker::seen(&snapshot));
                let mut names = String::new();
                for uid in snapshot.uids().iter() {
                    let identity = identity_of(&mailbox, *uid).unwrap().expect("its file is there");
                    names.push_str(&format!(" i={uid}/{identity}"));
                    *found.entry(identity).or_default() += 1;
                }
                let opened = format!("I {process} {} open {name}", number + 1000);
                let content = format!("A {process} {} {}{names}", number + 1000, worker::seen(&snapshot));
                for record in [&begun, &answered, &opened, &content] {
                    if let Err(error) = check.take(Record::parse(record)) {
                        self.fail(&error, seed);
                    }
                }
                let directory = mailbox_directory(&self.maildir(), name);
                let files =
                    ["new", "cur"].map(|place| std::fs::read_dir(directory.join(place)).unwrap().count());
                assert_eq!(files[0] + files[1], snapshot.len(), "files in {name}");
                shown.push((name.to_owned(), rows, names));
            }
        }
        assert_eq!(shown[0], shown[1], "two fresh stores see the same");
        found
    }

    /// Keeps what is there for whoever looks into it.
    fn fail(&self, error: &str, seed: u64) -> ! {
        let kept = std::env::temp_dir().join(format!("restante-processes-{}", std::process::id()));
        let copied = Command::new("cp").arg("-a").arg(self.directory.path()).arg(&kept).status();
        panic!("seed {seed}: {error}; kept in {} ({copied:?})", kept.display());
    }
}

/// A worker, killed when dropped.
struct Worker {
    number: usize,
    process: Child,
}

impl Worker {
    fn start(directory: &Path, number: usize, seed: usize) -> Self {
        let process = Command::new(std::env::current_exe().expect("this test"))
            .args(["worker", "--exact", "--nocapture", "--test-threads=1"])
            .env(worker::DIRECTORY, directory)
            .env(worker::TASK, format!("{number} {seed}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("a worker");
        Self { number, process }
    }

    /// By SIGKILL, wherever it is.
    fn kill(&mut self, journal: &mut Journal) {
        let ended = self.process.try_wait().expect("its state");
        assert!(ended.is_none(), "worker {} ended by itself: {ended:?}", self.number);
        self.process.kill().expect("kill");
        self.process.wait().expect("its end");
        journal.write(&format!("D {}", self.number));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the journal as it grows.
struct Follower {
    path: PathBuf,
    read: u64,
    moved: Instant,
}

impl Follower {
    fn new(path: PathBuf) -> Self {
        Self { path, read: 0, moved: Instant::now() }
    }

    /// Takes what is new, some of it where it is much: on a busy machine workers write faster than
    /// this reads. How many operations were answered.
    fn take(&mut self, check: &mut Check, seed: u64) -> usize {
        let mut file = std::fs::File::open(&self.path).unwrap();
        file.seek(std::io::SeekFrom::Start(self.read)).unwrap();
        let mut reader = BufReader::new(file);
        let mut answered = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            self.read += line.len() as u64;
            let record = Record::parse(line.trim_end());
            answered += usize::from(matches!(record, Record::Answered { .. } | Record::Refused { .. }));
            if let Err(error) = check.take(record) {
                let kept = std::env::temp_dir().join(format!("restante-journal-{}", std::process::id()));
                let copied = std::fs::copy(&self.path, &kept);
                panic!(
                    "seed {seed}, at byte {} of the journal: {error}; kept in {} ({copied:?})",
                    self.read,
                    kept.display()
                );
            }
            line.clear();
            if answered >= ANSWERED_MAX {
                break;
            }
        }
        if answered > 0 {
            self.moved = Instant::now();
        } else {
            assert!(self.moved.elapsed() < HANG, "seed {seed}: nothing happens any more");
            std::thread::sleep(Duration::from_millis(1));
        }
        answered
    }
}

/// Somebody else's work: delivers like qmail or by rename, marks like mutt, removes like rm.
fn disturb(maildir: &Path, deliveries: &mut usize, journal: &mut Journal, random: &mut Random) {
    let mailbox = MAILBOXES[random.below(MAILBOXES.len())];
    let directory = mailbox_directory(maildir, mailbox);
    match random.below(5) {
        0..=2 => {
            *deliveries += 1;
            let identity = format!("foreign-{deliveries}");
            let name = format!("17{:08}.M{}P7.other", *deliveries, random.below(1_000_000));
            let (tmp, new) = (directory.join("tmp").join(&name), directory.join("new").join(&name));
            std::fs::write(&tmp, worker::content(&identity)).unwrap();
            journal.write(&format!("X deliver {identity}"));
            if random.one_in(2) {
                std::fs::hard_link(&tmp, &new).unwrap();
                std::fs::remove_file(&tmp).unwrap();
            } else {
                std::fs::rename(&tmp, &new).unwrap();
            }
            journal.write(&format!("Y deliver {identity}"));
        }
        3 => {
            let Some((path, identity)) = some_file(&directory.join("cur"), random) else { return };
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let flags = ["", "S", "FS", "RS", "T"][random.below(5)];
            let target = path.with_file_name(format!("{}:2,{flags}", name.split(':').next().unwrap()));
            journal.write(&format!("X flag {identity}"));
            // A worker may have been faster.
            let _ = std::fs::rename(&path, &target);
            journal.write(&format!("Y flag {identity}"));
        }
        _ => {
            let place = if random.one_in(4) { "new" } else { "cur" };
            let Some((path, identity)) = some_file(&directory.join(place), random) else { return };
            journal.write(&format!("X remove {identity}"));
            let _ = std::fs::remove_file(&path);
            journal.write(&format!("Y remove {identity}"));
        }
    }
}

fn some_file(directory: &Path, random: &mut Random) -> Option<(PathBuf, String)> {
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    let path = random.pick(&names)?.clone();
    let text = std::fs::read(&path).ok()?;
    Some((path, worker::identity_in(&text)?))
}
