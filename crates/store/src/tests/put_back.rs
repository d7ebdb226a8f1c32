//! UID lists that are older than what clients were told: put back from a backup, or cut short. No
//! UID ever names two messages under one UIDVALIDITY, and no message shows another's ENVELOPE.

use super::*;
use crate::take_over::Origin;
use crate::{CheckOptions, ErrorKind, FindingKind, FlagChange};
use mail::UidValidity;
use std::collections::HashMap;
use std::fs;
use std::process::Command;

const ENVELOPE: CacheKind = CacheKind::named(b"ENVELOPE");

/// What a client was told: which message a UID of a UIDVALIDITY is.
#[derive(Default)]
struct Client {
    messages: HashMap<(UidValidity, Uid), String>,
    next: HashMap<UidValidity, Uid>,
    validities: Vec<UidValidity>,
}

impl Client {
    /// Looks at a mailbox as a client does that fetches what is new, ENVELOPEs included; its
    /// UIDVALIDITY.
    fn look(&mut self, mailbox: &Arc<Mailbox>) -> UidValidity {
        let snapshot = mailbox.refresh(false).unwrap().snapshot;
        let validity = snapshot.uid_validity();
        let next = self.next.entry(validity).or_insert(Uid::MIN);
        assert!(snapshot.uid_next() >= *next, "UIDNEXT fell from {next} to {}", snapshot.uid_next());
        *next = snapshot.uid_next();
        if self.validities.last() != Some(&validity) {
            assert!(self.validities.iter().all(|before| *before < validity));
            self.validities.push(validity);
        }
        let mut pass = mailbox.pass();
        for uid in snapshot.uids().iter().copied() {
            let Some(file) = pass.open(uid).unwrap() else { continue };
            let text = String::from_utf8(file.read_all().unwrap()).unwrap();
            match pass.cached(uid, ENVELOPE) {
                Some(envelope) => assert_eq!(envelope, text.as_bytes(), "the ENVELOPE of UID {uid}"),
                None => pass.keep(uid, ENVELOPE, text.as_bytes()),
            }
            let told = self.messages.entry((validity, uid)).or_insert_with(|| text.clone());
            assert_eq!(*told, text, "UID {uid} of {validity}");
        }
        validity
    }
}

/// A mailbox `a` with three messages, copied as a backup does; then with seven, all of which the
/// client saw.
struct History {
    site: Site,
    client: Client,
    backup: tempfile::TempDir,
    appended: u32,
}

impl History {
    fn new() -> Self {
        let site = Site::new();
        site.account().create(&name("a")).unwrap();
        let backup = tempfile::tempdir().unwrap();
        let mut history = Self { site, client: Client::default(), backup, appended: 0 };
        history.append(3);
        copy(&history.site.root(), history.backup.path());
        // One of them is gone since.
        let a = history.open();
        a.store_flags(&uids(&[2]), &FlagChange::Add(flags(SystemFlags::DELETED, &[])), None).unwrap();
        a.expunge(None).unwrap();
        drop(a);
        history.append(4);
        history
    }

    /// As a process that begins now.
    fn open(&self) -> Arc<Mailbox> {
        self.site.account().open(&name("a")).unwrap()
    }

    fn append(&mut self, count: u32) {
        let a = self.open();
        for _ in 0..count {
            self.appended += 1;
            append(&a, &format!("Subject: {}\n\n", self.appended), Flags::default());
        }
        self.client.look(&a);
    }

    fn path(&self, of: &str) -> PathBuf {
        self.site.root().join(".a").join(of)
    }

    fn put_back(&self, of: &str) {
        fs::copy(self.backup.path().join(".a").join(of), self.path(of)).unwrap();
    }

    /// The client looks again, more messages come, and another process looks: whether it is still
    /// the same UIDVALIDITY.
    fn goes_on(&mut self) -> bool {
        let before = *self.client.validities.last().unwrap();
        let a = self.open();
        let after = self.client.look(&a);
        drop(a);
        self.append(50);
        let account = self.site.account();
        let checked = account.check(&name("a"), CheckOptions::default(), &mut |_| {}).unwrap();
        assert!(checked.is_sound(), "{checked:?}");
        assert_eq!(self.client.look(&self.open()), after, "once is enough");
        before == after
    }
}

fn copy(from: &Path, to: &Path) {
    let from = format!("{}/.", from.display());
    assert!(Command::new("cp").args(["-a", &from]).arg(to).status().unwrap().success());
}

fn cut(path: &Path, lines: usize) {
    let text = fs::read_to_string(path).unwrap();
    let kept: String = text.split_inclusive('\n').take(lines).collect();
    assert!(kept.len() < text.len());
    fs::write(path, kept).unwrap();
}

type Deed = fn(&mut History);

/// What is done while nobody has the mailbox open, and whether its UIDVALIDITY stays.
const DEEDS: &[(&str, bool, Deed)] = &[
    ("nothing", true, |_| {}),
    ("the list is put back: the index knows it all", true, |history| history.put_back("restante-uidlist")),
    ("the list is put back by a rename", true, |history| {
        let other = history.path("other");
        fs::copy(history.backup.path().join(".a/restante-uidlist"), &other).unwrap();
        fs::rename(&other, history.path("restante-uidlist")).unwrap();
    }),
    ("list and index are put back", false, |history| {
        history.put_back("restante-uidlist");
        history.put_back("restante-index");
    }),
    ("the list is put back, and the index gone", false, |history| {
        history.put_back("restante-uidlist");
        fs::remove_file(history.path("restante-index")).unwrap();
    }),
    ("the directory is put back", false, |history| {
        fs::remove_dir_all(history.path("")).unwrap();
        copy(&history.backup.path().join(".a"), &history.path(""));
    }),
    ("the directory is put back after it was deleted", false, |history| {
        history.site.account().delete(&name("a")).unwrap();
        copy(&history.backup.path().join(".a"), &history.path(""));
    }),
    ("the directory is put back from before the mailbox was made anew", false, |history| {
        let account = history.site.account();
        account.delete(&name("a")).unwrap();
        account.create(&name("a")).unwrap();
        history.append(3);
        fs::remove_dir_all(history.path("")).unwrap();
        copy(&history.backup.path().join(".a"), &history.path(""));
        let checked = account.check(&name("a"), CheckOptions::default(), &mut |_| {}).unwrap();
        assert!(checked.findings.iter().any(|finding| finding.kind == FindingKind::ListBehind));
    }),
    ("the list is cut short", true, |history| cut(&history.path("restante-uidlist"), 5)),
    ("the list is cut within a line", true, |history| {
        let path = history.path("restante-uidlist");
        let length = fs::metadata(&path).unwrap().len();
        fs::File::options().write(true).open(path).unwrap().set_len(length - 10).unwrap();
    }),
    ("the list is cut short, and the index gone", false, |history| {
        cut(&history.path("restante-uidlist"), 5);
        fs::remove_file(history.path("restante-index")).unwrap();
    }),
    ("the list is cut within a line, and the index gone", false, |history| {
        let path = history.path("restante-uidlist");
        let length = fs::metadata(&path).unwrap().len();
        fs::File::options().write(true).open(path).unwrap().set_len(length - 90).unwrap();
        fs::remove_file(history.path("restante-index")).unwrap();
    }),
    ("the list is empty", true, |history| fs::write(history.path("restante-uidlist"), "").unwrap()),
    ("the list is gone", false, |history| fs::remove_file(history.path("restante-uidlist")).unwrap()),
    ("the index is gone", true, |history| fs::remove_file(history.path("restante-index")).unwrap()),
    ("nothing is noted with the account", true, |history| {
        fs::remove_file(history.site.root().join("restante-witness")).unwrap();
    }),
    ("what is noted is from before", true, |history| {
        let noted = history.backup.path().join("restante-witness");
        fs::copy(noted, history.site.root().join("restante-witness")).unwrap();
    }),
    ("all is copied to another place", true, |history| {
        let elsewhere = history.site.root().with_file_name("elsewhere");
        fs::rename(history.site.root(), &elsewhere).unwrap();
        fs::create_dir(history.site.root()).unwrap();
        copy(&elsewhere, &history.site.root());
    }),
    ("a repair comes first", false, |history| {
        history.put_back("restante-uidlist");
        history.put_back("restante-index");
        repair(history);
    }),
    ("a repair comes first, and the index knows it all", true, |history| {
        history.put_back("restante-uidlist");
        repair(history);
    }),
    ("it is handed over to Courier, and comes back", true, |history| {
        history.site.account().hand_over(&name("a"), Origin::Courier, false).unwrap();
    }),
    ("it is handed over to Dovecot, and comes back", true, |history| {
        history.site.account().hand_over(&name("a"), Origin::Dovecot, false).unwrap();
    }),
    ("the list of Courier is there from before", false, |history| {
        let account = history.site.account();
        account.hand_over(&name("a"), Origin::Courier, false).unwrap();
        history.append(2);
        fs::remove_file(history.path("restante-uidlist")).unwrap();
    }),
    ("it is renamed, and its list put back", false, |history| {
        let account = history.site.account();
        account.rename(&name("a"), &name("b"), &[]).unwrap();
        for file in ["restante-uidlist", "restante-index"] {
            fs::copy(history.backup.path().join(".a").join(file), history.site.root().join(".b").join(file))
                .unwrap();
        }
        account.rename(&name("b"), &name("a"), &[]).unwrap();
    }),
    ("it is renamed, and back", true, |history| {
        let account = history.site.account();
        account.rename(&name("a"), &name("b"), &[]).unwrap();
        account.open(&name("b")).unwrap().refresh(false).unwrap();
        account.rename(&name("b"), &name("a"), &[]).unwrap();
    }),
];

fn repair(history: &History) {
    let account = history.site.account();
    let options = CheckOptions { repair: true, sizes: false };
    let before = account.check(&name("a"), CheckOptions::default(), &mut |_| {}).unwrap();
    assert!(before.findings.iter().any(|finding| finding.kind == FindingKind::ListBehind), "{before:?}");
    let report = account.check(&name("a"), options, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn no_uid_is_given_twice_whatever_is_put_back() {
    for (what, keeps, deed) in DEEDS {
        let mut history = History::new();
        deed(&mut history);
        assert_eq!(history.goes_on(), *keeps, "{what}: the same UIDVALIDITY");
    }
}

/// Neither index nor witness is there to tell: UIDs come again, which nobody can notice, but what
/// is in the cache for them is not another message's.
#[test]
fn an_envelope_is_that_of_its_message_also_where_nobody_can_tell() {
    let mut history = History::new();
    history.put_back("restante-uidlist");
    fs::remove_file(history.path("restante-index")).unwrap();
    fs::remove_file(history.site.root().join("restante-witness")).unwrap();
    // The messages that UIDs 4 to 7 stood for are gone, and others come.
    for entry in fs::read_dir(history.path("cur")).unwrap().flatten() {
        if !fs::read_to_string(entry.path()).unwrap().contains(['1', '3']) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    history.client = Client::default();
    history.append(4);
    assert_eq!(history.client.messages.len(), 6);
}

/// A process that dies without a word leaves an index and a note that lag behind: what may have
/// been told after them is not given out again.
#[test]
fn what_was_told_after_the_index_is_not_given_again() {
    for count in [1, 5, 20, 31, 32, 33, 40, 70] {
        let mut history = History::new();
        let a = history.open();
        for n in 0..count {
            append(&a, &format!("late {n}\n"), Flags::default());
        }
        history.client.look(&a);
        let told = a.snapshot().uid_next();
        // It is killed.
        std::mem::forget(a);
        history.put_back("restante-uidlist");
        for entry in fs::read_dir(history.path("cur")).unwrap().flatten() {
            if fs::read_to_string(entry.path()).unwrap().starts_with("late") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        let kept = history.goes_on();
        assert_eq!(kept, count <= 32, "{count} of them");
        let validity = history.client.validities[0];
        assert!(!kept || history.client.next[&validity] > told, "{count} of them");
    }
}

/// MODSEQs alone may be what the list lacks.
#[test]
fn modseqs_do_not_fall() {
    for index in [true, false] {
        let history = History::new();
        copy(&history.path(""), history.backup.path());
        let a = history.open();
        let add = |keyword: &str| FlagChange::Add(flags(SystemFlags::NONE, &[keyword]));
        let told = a.store_flags(&uids(&[1]), &add("told"), None).unwrap().snapshot;
        drop(a);
        for file in ["restante-uidlist", "restante-index"] {
            fs::copy(history.backup.path().join(file), history.path(file)).unwrap();
            if index {
                break;
            }
        }
        let after = history.open().refresh(false).unwrap().snapshot;
        assert_eq!(after.uid_validity() == told.uid_validity(), index);
        if index {
            assert!(after.highest_modseq() > told.highest_modseq());
            assert!(after.find(uid(1)).unwrap().modseq() > told.highest_modseq(), "clients ask again");
            assert_eq!(after.find(uid(1)).unwrap().keywords().len(), 1);
        }
    }
}

/// While sessions have the mailbox open.
#[test]
fn under_a_running_server_its_memory_is_the_witness() {
    for rests in [false, true] {
        let mut history = History::new();
        let a = history.open();
        let validity = history.client.look(&a);
        let rest = rests.then(|| a.rest(a.snapshot()));
        history.put_back("restante-uidlist");
        assert_eq!(history.client.look(&a), validity);
        append(&a, "Subject: new\n\n", Flags::default());
        assert_eq!(history.client.look(&a), validity);
        drop((rest, a));
        assert!(history.goes_on());
    }
}

/// It knows as much as the list that was put back, and another process told more.
#[test]
fn sessions_of_a_mailbox_with_a_new_uidvalidity_are_told_that_it_is_gone() {
    let mut history = History::new();
    let account = history.site.account();
    let a = account.open(&name("a")).unwrap();
    let old = a.refresh(false).unwrap().snapshot.uid_validity();
    copy(&history.path(""), history.backup.path());
    history.append(60);
    fs::rename(history.backup.path().join("restante-uidlist"), history.path("restante-uidlist")).unwrap();
    for _ in 0..2 {
        assert_eq!(a.refresh(false).unwrap_err().kind, ErrorKind::Deleted);
        assert!(a.deliver().is_err());
    }
    // And who opens it then sees the new one, in the same process too.
    let again = account.open(&name("a")).unwrap();
    let new = history.client.look(&again);
    assert!(new > old);
    append(&again, "Subject: new\n\n", Flags::default());
    drop((a, again));
    assert_eq!(history.client.look(&history.open()), new);
}

/// Two servers append, each ahead of what the other has in memory: nothing is ever behind.
#[test]
fn two_processes_are_not_mistaken_for_a_backup() {
    let site = Site::new();
    let (a, b) = (site.inbox(), site.inbox());
    let mut client = Client::default();
    let validity = client.look(&a);
    std::thread::scope(|scope| {
        for mailbox in [&a, &b] {
            scope.spawn(move || {
                for n in 0..150 {
                    let appended = append(mailbox, "x", Flags::default());
                    if n % 3 == 0 {
                        let flags = flags(SystemFlags::DELETED, &["k"]);
                        mailbox
                            .store_flags(&[appended].into_iter().collect(), &FlagChange::Add(flags), None)
                            .unwrap();
                        mailbox.expunge(None).unwrap();
                    }
                }
            });
        }
    });
    drop(a);
    assert_eq!(client.look(&site.inbox()), validity);
    assert_eq!(client.look(&b), validity);
    assert_eq!(b.snapshot().uid_next(), uid(301));
}

/// The account's file is not written for each message.
#[test]
fn notes_are_few() {
    let site = Site::new();
    let inbox = site.inbox();
    let lines =
        || fs::read_to_string(site.root().join("restante-witness")).map_or(0, |text| text.lines().count());
    for n in 0..200 {
        append(&inbox, "x", Flags::default());
        inbox.store_flags(&uids(&[n + 1]), &FlagChange::Add(flags(SystemFlags::SEEN, &[])), None).unwrap();
    }
    assert!((2..=8).contains(&lines()), "{} lines", lines());
    drop(inbox);
    assert!(lines() <= 9, "{} lines", lines());
}
