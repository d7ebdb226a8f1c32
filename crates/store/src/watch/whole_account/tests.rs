//! An account that is watched, while mailboxes and messages come and go.

use super::*;
use crate::{Store, StoreSettings};
use std::sync::mpsc::{Receiver, channel};

struct Site {
    directory: tempfile::TempDir,
    account: Arc<Account>,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = StoreSettings { hostname: "host".to_owned(), ..StoreSettings::default() };
        let account = Store::new(settings).account(&directory.path().join("Maildir"), true).unwrap();
        Self { directory, account }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("Maildir").join(path)
    }

    /// As another program does.
    fn deliver(&self, path: &str) {
        std::fs::write(self.path(path), "Subject: a\n\nb\n").unwrap();
    }

    fn watch(&self) -> (AccountWatch, Receiver<WakeReason>) {
        let (sender, reasons) = channel();
        let watch = self.account.watch(Arc::new(move |reason: &WakeReason| {
            let _ = sender.send(reason.clone());
        }));
        (watch, reasons)
    }

    /// Waits for a wake of this mailbox, or of none alone.
    fn await_wake(&self, reasons: &Receiver<WakeReason>, mailbox: Option<&str>) {
        let expected = WakeReason { account: self.account.id(), mailbox: mailbox.map(name) };
        while reasons.recv_timeout(Duration::from_secs(20)).expect("a wake") != expected {}
    }
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

/// What a look should tell.
fn changes(tree: bool, mailboxes: &[&str]) -> AccountChanges {
    AccountChanges { tree, mailboxes: mailboxes.iter().map(|mailbox| name(mailbox)).collect() }
}

#[test]
fn a_wake_names_the_mailbox_that_changed() {
    let site = Site::new();
    site.account.create(&name("a")).unwrap();
    site.account.create(&name("b")).unwrap();
    let (watch, reasons) = site.watch();
    assert_eq!(watch.look().unwrap(), changes(true, &["INBOX", "a", "b"]));
    assert_eq!(watch.look().unwrap(), changes(false, &[]));
    site.deliver(".a/new/1.x");
    site.await_wake(&reasons, Some("a"));
    site.deliver("new/2.x");
    site.await_wake(&reasons, Some("INBOX"));
    std::fs::rename(site.path(".a/new/1.x"), site.path(".a/cur/1.x:2,S")).unwrap();
    std::fs::write(site.path(".b/cur/.hidden"), "").unwrap();
    std::fs::write(site.path(".b/tmp/3.x"), "").unwrap();
    assert_eq!(watch.look().unwrap(), changes(false, &["INBOX", "a"]));
    assert_eq!(watch.look().unwrap(), changes(false, &[]));
    // Keywords are in the list alone.
    std::fs::write(site.path(".b/restante-uidlist"), "").unwrap();
    assert_eq!(watch.look().unwrap(), changes(false, &["b"]));
    for mailbox in ["", ".a"] {
        assert!(!site.path(mailbox).join("restante-uidlist").exists(), "{mailbox} was opened");
    }
}

#[test]
fn mailboxes_and_subscriptions_that_change_are_told() {
    let site = Site::new();
    let (watch, reasons) = site.watch();
    watch.look().unwrap();
    site.account.create(&name("a")).unwrap();
    site.await_wake(&reasons, None);
    // Before the look that learns of the mailbox, and after it.
    site.deliver(".a/new/1.x");
    assert_eq!(watch.look().unwrap(), changes(true, &["a"]));
    site.deliver(".a/new/2.x");
    site.await_wake(&reasons, Some("a"));
    assert_eq!(watch.look().unwrap(), changes(false, &["a"]));
    site.account.rename(&name("a"), &name("b"), &[]).unwrap();
    assert_eq!(watch.look().unwrap(), changes(true, &["b"]));
    site.deliver(".b/cur/3.x:2,S");
    assert_eq!(watch.look().unwrap(), changes(false, &["b"]));
    site.account.subscribe(&name("b"), true).unwrap();
    assert_eq!(watch.look().unwrap(), changes(true, &[]));
    site.account.subscribe(&name("b"), true).unwrap();
    assert_eq!(watch.look().unwrap(), changes(false, &[]));
    site.account.delete(&name("b")).unwrap();
    let told = watch.look().unwrap();
    assert!(told.tree && !told.mailboxes.contains(&name("b")), "{told:?}");
    // By another program, step by step; only then it is a mailbox.
    std::fs::create_dir(site.path(".c")).unwrap();
    assert_eq!(watch.look().unwrap(), changes(true, &[]));
    ["new", "cur", "tmp"].iter().for_each(|part| std::fs::create_dir(site.path(".c").join(part)).unwrap());
    assert_eq!(watch.look().unwrap(), changes(true, &["c"]));
}

#[test]
fn those_who_have_a_mailbox_open_share_its_watches() {
    let site = Site::new();
    let inbox = site.account.open(&MailboxName::inbox()).unwrap();
    inbox.refresh(false).unwrap();
    let watcher = &site.account.shared().watcher;
    let watched = || watcher.lock().directories.len();
    assert_eq!(watched(), 3);
    let (watch, reasons) = site.watch();
    watch.look().unwrap();
    assert_eq!(watched(), 3, "the inbox's own, which the account needs too");
    drop(inbox);
    site.deliver("new/1.x");
    site.await_wake(&reasons, Some("INBOX"));
    let inbox = site.account.open(&MailboxName::inbox()).unwrap();
    assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 1);
    drop((watch, reasons));
    site.deliver("new/2.x");
    assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 2, "the mailbox keeps its own");
    drop(inbox);
}

#[test]
fn lost_events_are_told_as_changes_of_all() {
    let site = Site::new();
    site.account.create(&name("a")).unwrap();
    let (watch, reasons) = site.watch();
    watch.look().unwrap();
    watch.watched.lose(&mut Vec::new());
    assert_eq!(watch.look().unwrap(), changes(true, &["INBOX", "a"]));
    assert_eq!(watch.look().unwrap(), changes(false, &[]));
    drop(reasons);
}

#[test]
fn what_cannot_be_watched_is_compared() {
    let site = Site::new();
    site.account.create(&name("a")).unwrap();
    // As where the user's limit of watches is used up.
    site.account.shared().watcher.lock().watches = None;
    let (watch, reasons) = site.watch();
    assert_eq!(watch.look().unwrap(), changes(true, &["INBOX", "a"]));
    site.await_wake(&reasons, None);
    let old = SystemTime::now() - Duration::from_secs(60);
    let age = |path: &str| std::fs::File::open(site.path(path)).unwrap().set_modified(old).unwrap();
    let age_all = || {
        ["", "new", "cur", ".a/new", ".a/cur"].iter().for_each(|path| age(path));
    };
    // What is old cannot change unseen any more.
    age_all();
    watch.look().unwrap();
    age_all();
    assert_eq!(watch.look().unwrap(), changes(false, &[]));
    site.deliver(".a/new/1.x");
    assert_eq!(watch.look().unwrap(), changes(false, &["a"]));
    age(".a/new");
    watch.look().unwrap();
    site.account.create(&name("b")).unwrap();
    let told = watch.look().unwrap();
    assert!(told.tree && told.mailboxes.contains(&name("b")), "{told:?}");
}
