//! A process that works in a Maildir at random and writes down what it does, until it is
//! killed. A test starts itself again as one.

use crate::journal::Journal;
use crate::random::Random;
use mail::flag::Flags;
use mail::{Keyword, MailboxName, ModSeq, SystemFlags, Uid, UidSet};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Account, Copied, FlagChange, Mailbox, MessageFile, Snapshot, Store, StoreSettings};

/// Tells a worker the directory with the Maildir, `mail`, and the `journal`.
pub const DIRECTORY: &str = "RESTANTE_TEST_WORKER_DIRECTORY";
/// Tells a worker its number and its seed.
pub const TASK: &str = "RESTANTE_TEST_WORKER_TASK";
/// The mailboxes that stay.
pub const MAILBOXES: [&str; 3] = ["INBOX", "Archive", "Lists/rust"];
/// Those that come and go.
const ASIDE: [&str; 2] = ["Side/a", "Side/b"];
/// From how many messages on they are rather removed.
const MANY: usize = 30;

/// The settings of all stores on the Maildir.
pub fn settings() -> StoreSettings {
    StoreSettings {
        kept_bytes_max: 1 << 20,
        take_over: store::take_over::Preference::Newer,
        quota_counts_trash: false,
        utf8_names: true,
        lock_wait_ms_max: 60_000,
        keywords_max: 100,
        hostname: "host.example".to_owned(),
        ..StoreSettings::default()
    }
}

/// A temporary directory, in memory where that can be: there, fsync costs nothing.
pub fn temporary_directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("restante-");
    let made = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() };
    made.expect("a temporary directory")
}

/// A message that says who it is.
pub fn content(identity: &str) -> String {
    format!("Subject: {identity}\n\nThe body of {identity}.\n")
}

/// Who a message says it is, if all of it is there.
pub fn identity_in(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let identity = text.strip_prefix("Subject: ")?.lines().next()?;
    (text == content(identity)).then(|| identity.to_owned())
}

/// Who a message is; `None` when it is gone.
pub fn identity_of(mailbox: &Mailbox, uid: Uid) -> store::Result<Option<String>> {
    let Some(file) = mailbox.open_message(uid)? else { return Ok(None) };
    let text = MessageFile::read_all(&file)?;
    Ok(Some(identity_in(&text).unwrap_or_else(|| panic!("content of UID {uid}: {}", text.escape_ascii()))))
}

/// A snapshot's state as the journal has it.
pub fn seen(snapshot: &Snapshot) -> String {
    format!("{} {} {}", snapshot.uid_validity(), snapshot.uid_next(), snapshot.highest_modseq().0)
}

/// Rows of a snapshot as the journal has them.
pub fn rows(snapshot: &Snapshot, wanted: impl Fn(Uid) -> bool) -> String {
    let mut text = String::new();
    for row in snapshot.rows().filter(|row| wanted(row.uid())) {
        let _ = write!(text, " {}", row_text(row.uid(), row.modseq(), row.system_flags(), row.keywords()));
    }
    text
}

fn row_text(uid: Uid, modseq: ModSeq, system: SystemFlags, keywords: &[Keyword]) -> String {
    let keywords: Vec<&str> = keywords.iter().map(Keyword::as_str).collect();
    format!("r={uid}/{}/{}/{}", modseq.0, system.bits(), keywords.join("+"))
}

/// Becomes a worker, and never returns, if the environment says so.
pub fn run_if_told() {
    let (Some(directory), Ok(task)) = (std::env::var_os(DIRECTORY), std::env::var(TASK)) else { return };
    let (number, seed) = task.split_once(' ').expect("number and seed");
    let directory = PathBuf::from(directory);
    let mut worker = Worker {
        maildir: directory.join("mail"),
        number: number.parse().expect("a number"),
        random: Random::new(seed.parse().expect("a seed")),
        journal: Journal::open(&directory.join("journal")),
        account: open_account(&directory.join("mail")),
        open: HashMap::new(),
        known: HashMap::new(),
        operations: 0,
        messages: 0,
    };
    loop {
        worker.act();
    }
}

fn open_account(maildir: &Path) -> Arc<Account> {
    Store::new(settings()).account(maildir, false).expect("the account")
}

struct Worker {
    maildir: PathBuf,
    number: u32,
    random: Random,
    journal: Journal,
    account: Arc<Account>,
    /// Mailboxes are kept open, so that there is something to fall behind with.
    open: HashMap<String, Arc<Mailbox>>,
    /// Identities of messages that were opened once, by mailbox.
    known: HashMap<(u32, Uid), String>,
    operations: u32,
    messages: u32,
}

impl Worker {
    fn act(&mut self) {
        let name = MAILBOXES[self.random.below(MAILBOXES.len())];
        let mailbox = self.mailbox(name);
        let count = mailbox.snapshot().len();
        match self.random.below(if count > MANY { 24 } else { 18 }) {
            0 | 1 => self.refresh(name, &mailbox),
            2..=4 => drop(self.append(name, &mailbox)),
            5..=8 => self.store(name, &mailbox),
            9 | 10 => self.copy(name, &mailbox, false),
            11 | 12 => self.copy(name, &mailbox, true),
            13 => self.read(name, &mailbox),
            14 => self.come_and_go(),
            15 if self.random.one_in(10) => {
                self.open.clear();
                self.account = open_account(&self.maildir);
            }
            _ => self.expunge(name, &mailbox),
        }
    }

    /// Writes down what is about to be done, does it, writes down what came of it.
    fn operation<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Self) -> store::Result<T>,
        tell: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        self.operations += 1;
        let key = format!("{} {}", self.number, self.operations);
        let operations = self.operations;
        self.journal.write(&format!("I {key} {what}"));
        let done = act(self);
        assert_eq!(operations, self.operations, "one operation at a time");
        match done {
            Ok(done) => {
                self.journal.write(&format!("A {key} {}", tell(&done)));
                Some(done)
            }
            Err(error) => {
                self.journal.write(&format!("N {key} {:?} {error}", error.kind));
                None
            }
        }
    }

    fn mailbox(&mut self, name: &str) -> Arc<Mailbox> {
        let name = name.to_owned();
        let account = &self.account;
        let opened = self.open.entry(name).or_insert_with_key(|name| {
            account.open(&MailboxName::new(name).expect("a name")).expect("a mailbox that stays")
        });
        opened.clone()
    }

    fn refresh(&mut self, name: &str, mailbox: &Mailbox) {
        let claim = self.random.one_in(2);
        let all = self.random.one_in(2);
        self.operation(
            &format!("refresh {name}"),
            |_| mailbox.refresh(claim),
            |refreshed| {
                let snapshot = &refreshed.snapshot;
                format!(
                    "{}{}",
                    seen(snapshot),
                    if all { format!(" all{}", rows(snapshot, |_| true)) } else { String::new() }
                )
            },
        );
    }

    /// What was given a UID need not be opened to be known.
    fn learn(&mut self, validity: u32, uid: Uid, identity: &str) {
        let known = self.known.entry((validity, uid)).or_insert_with(|| identity.to_owned());
        assert_eq!(known, identity, "UID {uid} is another message");
    }

    fn append(&mut self, name: &str, mailbox: &Mailbox) -> Option<()> {
        let count = self.random.within(1..3);
        let messages: Vec<(String, Flags, Option<i64>)> = (0..count)
            .map(|_| {
                self.messages += 1;
                let date = self.random.one_in(2).then(|| 1_000_000_000 + i64::from(self.messages));
                (format!("w{}-{}", self.number, self.messages), self.flags(), date)
            })
            .collect();
        let identities: String = messages.iter().map(|(identity, ..)| format!(" i=0/{identity}")).collect();
        let told = messages.clone();
        let appended = self.operation(
            &format!("append {name}{identities}"),
            |_| {
                let mut deliveries = Vec::new();
                for (identity, flags, date) in messages {
                    let mut delivery = mailbox.deliver()?;
                    delivery.write(content(&identity).replace('\n', "\r\n").as_bytes())?;
                    deliveries.push((delivery, flags, date));
                }
                mailbox.append(deliveries)
            },
            |appended| {
                let snapshot = mailbox.snapshot();
                assert_eq!(appended.uids.len(), told.len() as u64, "a UID for each");
                let pairs = appended.uids.iter().zip(&told);
                let identities: String =
                    pairs.map(|(uid, (identity, ..))| format!(" i={uid}/{identity}")).collect();
                let mut rows = String::new();
                for (uid, (_, flags, date)) in appended.uids.iter().zip(&told) {
                    // It may be changed or gone by now: the journal knows whether somebody tried.
                    // So may the mailbox be: another process deletes and renames.
                    let found = match mailbox.internal_date(uid) {
                        Err(error) if error.kind == store::ErrorKind::Deleted => None,
                        found => found.expect("its date"),
                    };
                    assert!(date.is_none() || found.is_none() || found == *date, "{found:?}, not {date:?}");
                    let Some(row) = snapshot.find(uid) else { continue };
                    let _ = write!(rows, " {}", row_text(uid, row.modseq(), flags.system, flags.keywords()));
                }
                format!("{}{identities}{rows}", seen(&snapshot))
            },
        )?;
        for (uid, (identity, ..)) in appended.uids.iter().zip(&told) {
            self.learn(appended.uid_validity.get(), uid, identity);
        }
        Some(())
    }

    fn store(&mut self, name: &str, mailbox: &Mailbox) {
        let Some((uids, identities)) = self.choose(name, mailbox) else { return };
        let flags = self.flags();
        let change = match self.random.below(3) {
            0 => FlagChange::Replace(flags),
            1 => FlagChange::Remove(flags),
            _ => FlagChange::Add(flags),
        };
        self.change(name, mailbox, &uids, &identities, &change);
    }

    fn change(
        &mut self,
        name: &str,
        mailbox: &Mailbox,
        uids: &UidSet,
        identities: &str,
        change: &FlagChange,
    ) {
        self.operation(
            &format!("store {name}{identities}"),
            |_| mailbox.store_flags(uids, change, None),
            |stored| {
                for row in stored.snapshot.rows().filter(|row| stored.changed.contains(row.uid())) {
                    assert!(
                        did(change, row.system_flags(), row.keywords()),
                        "{change:?} of UID {}",
                        row.uid()
                    );
                }
                let changed: String = stored.changed.iter().map(|uid| format!(" i={uid}/")).collect();
                let rows = rows(&stored.snapshot, |uid| uids.contains(uid));
                format!("{}{changed}{rows}", seen(&stored.snapshot))
            },
        );
    }

    fn expunge(&mut self, name: &str, mailbox: &Mailbox) {
        let Some((uids, identities)) = self.choose(name, mailbox) else { return };
        let deleted = Flags::new(SystemFlags::DELETED, Vec::new());
        self.change(name, mailbox, &uids, &identities, &FlagChange::Add(deleted));
        self.operation(
            &format!("expunge {name}{identities}"),
            |_| mailbox.expunge(Some(&uids)),
            |left| seen(left),
        );
    }

    fn copy(&mut self, name: &str, mailbox: &Mailbox, moves: bool) {
        let Some((uids, identities)) = self.choose(name, mailbox) else { return };
        let to = MAILBOXES[self.random.below(MAILBOXES.len())];
        let target = self.mailbox(to);
        let what = if moves { "move" } else { "copy" };
        let copied = self.operation(
            &format!("{what} {name}{identities}"),
            |_| if moves { mailbox.move_to(&uids, &target) } else { mailbox.copy(&uids, &target) },
            |copied: &Copied| {
                let pairs: String = copied.pairs.iter().map(|(from, to)| format!(" p={from}/{to}")).collect();
                let target = seen(&target.snapshot()).replace(' ', "/");
                format!("{} t={target}{pairs}", seen(&mailbox.snapshot()))
            },
        );
        let from = mailbox.snapshot().uid_validity().get();
        if let Some(Copied { uid_validity, pairs }) = copied {
            for (old, new) in pairs {
                if let Some(identity) = self.known.get(&(from, old)).cloned() {
                    self.learn(uid_validity.get(), new, &identity);
                }
            }
        }
    }

    fn read(&mut self, name: &str, mailbox: &Mailbox) {
        if let Some(uid) = self.random.pick(mailbox.snapshot().uids()).copied() {
            self.identity(name, mailbox, uid);
        }
    }

    /// Opens a message; whose identity it has.
    fn identity(&mut self, name: &str, mailbox: &Mailbox, uid: Uid) -> Option<String> {
        let opened = self.operation(
            &format!("open {name}"),
            |_| {
                let snapshot = mailbox.refresh(false)?.snapshot;
                Ok((snapshot, identity_of(mailbox, uid)?))
            },
            |(snapshot, identity)| {
                let identity = identity.as_ref().map(|identity| format!(" i={uid}/{identity}"));
                format!("{}{}", seen(snapshot), identity.unwrap_or_default())
            },
        );
        let (snapshot, identity) = opened?;
        let identity = identity?;
        self.learn(snapshot.uid_validity().get(), uid, &identity);
        Some(identity)
    }

    /// Some messages that are there, as far as is known, with their identities for the journal.
    fn choose(&mut self, name: &str, mailbox: &Mailbox) -> Option<(UidSet, String)> {
        let snapshot = mailbox.snapshot();
        let (mut uids, mut identities) = (UidSet::new(), String::new());
        for _ in 0..self.random.within(1..4) {
            let uid = *self.random.pick(snapshot.uids())?;
            let known = self.known.get(&(snapshot.uid_validity().get(), uid)).cloned();
            let Some(identity) = known.or_else(|| self.identity(name, mailbox, uid)) else { continue };
            if !uids.contains(uid) {
                uids.insert(uid);
                let _ = write!(identities, " i={uid}/{identity}");
            }
        }
        (!uids.is_empty()).then_some((uids, identities))
    }

    /// Mailboxes are made, filled, renamed and deleted.
    fn come_and_go(&mut self) {
        let name = ASIDE[self.random.below(ASIDE.len())];
        let other = ASIDE[self.random.below(ASIDE.len())];
        let (mailbox_name, other_name) =
            (MailboxName::new(name).expect("a name"), MailboxName::new(other).expect("a name"));
        let nothing = |(): &()| "0 0 0".to_owned();
        match self.random.below(8) {
            0 | 1 => drop(self.operation(
                &format!("create {name}"),
                |this| this.account.create(&mailbox_name),
                nothing,
            )),
            2 => drop(self.operation(
                &format!("delete {name}"),
                |this| this.account.delete(&mailbox_name),
                nothing,
            )),
            3 if name != other => {
                self.operation(
                    &format!("rename {name}"),
                    |this| this.account.rename(&mailbox_name, &other_name, &[]),
                    nothing,
                );
            }
            _ => {
                let opened = self.operation(
                    &format!("list {name}"),
                    |this| this.account.open(&mailbox_name),
                    |_| "0 0 0".to_owned(),
                );
                if let Some(mailbox) = opened
                    && self.append(name, &mailbox).is_some()
                {
                    self.refresh(name, &mailbox);
                }
            }
        }
    }

    fn flags(&mut self) -> Flags {
        let system = SystemFlags::from_bits(u8::try_from(self.random.below(32)).expect("five bits"));
        let keywords = (0..self.random.below(3)).map(|_| format!("k{}", self.random.below(6)));
        let keywords = keywords.map(|keyword| Keyword::new(&keyword).expect("a keyword")).collect();
        // Most messages stay a while.
        Flags::new(
            if self.random.one_in(3) { system } else { system.without(SystemFlags::DELETED) },
            keywords,
        )
    }
}

/// Whether flags are what a change makes of any.
fn did(change: &FlagChange, system: SystemFlags, keywords: &[Keyword]) -> bool {
    match change {
        FlagChange::Replace(flags) => system == flags.system && keywords == flags.keywords(),
        FlagChange::Add(flags) => {
            system.contains(flags.system) && flags.keywords().iter().all(|keyword| keywords.contains(keyword))
        }
        FlagChange::Remove(flags) => {
            system.without(flags.system) == system
                && !flags.keywords().iter().any(|keyword| keywords.contains(keyword))
        }
    }
}
