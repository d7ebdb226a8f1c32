//! What hooks are told of commits is what became of the mailbox.

use super::*;
use crate::Commit;
use crate::CommitHook;
use crate::FlagChange;
use crate::MessageChangeKind;
use crate::Snapshot;
use mail::{ModSeq, UidValidity};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Deliver,
    Flag { which: usize, bits: u8, add: bool },
    Keyword { which: usize, add: bool },
    Expunge,
    MoveAway(usize),
    MoveWithin(usize),
    ForeignFlag { which: usize, bits: u8 },
    ForeignRemove(usize),
    Rest,
    ListGone,
    Claim,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..32).prop_map(Step::Append),
        Just(Step::Deliver),
        (0_usize..8, 0_u8..32, any::<bool>()).prop_map(|(which, bits, add)| Step::Flag { which, bits, add }),
        (0_usize..8, any::<bool>()).prop_map(|(which, add)| Step::Keyword { which, add }),
        Just(Step::Expunge),
        (0_usize..8).prop_map(Step::MoveAway),
        (0_usize..8).prop_map(Step::MoveWithin),
        (0_usize..8, 0_u8..32).prop_map(|(which, bits)| Step::ForeignFlag { which, bits }),
        (0_usize..8).prop_map(Step::ForeignRemove),
        Just(Step::Rest),
        Just(Step::ListGone),
        Just(Step::Claim),
    ]
}

/// A mailbox as its commits tell of it.
#[derive(Default, PartialEq, Eq, Debug)]
struct Told {
    validity: Option<UidValidity>,
    messages: BTreeMap<Uid, (SystemFlags, Vec<Keyword>, ModSeq)>,
}

impl Told {
    fn of(snapshot: &Snapshot) -> Self {
        let row = |row: crate::Row<'_>| (row.system_flags(), row.keywords().to_vec(), row.modseq());
        let messages = snapshot.rows().map(|at| (at.uid(), row(at))).collect();
        Self { validity: Some(snapshot.uid_validity()), messages }
    }

    /// Takes in what changed, and nothing else of the commit.
    fn take(&mut self, commit: &Commit) {
        let Some(before) = &commit.before else { return *self = Self::of(&commit.after) };
        assert_eq!(*self, Self::of(before), "what was told before");
        let of_after = Self::of(&commit.after);
        for change in &commit.changes {
            assert!(change.modseq <= commit.after.highest_modseq());
            assert!(change.modseq > before.highest_modseq(), "{change:?}");
            let known = self.messages.contains_key(&change.uid);
            assert_eq!(known, change.kind != MessageChangeKind::Added, "{change:?}");
            match of_after.messages.get(&change.uid) {
                Some(row) => {
                    assert!(change.kind != MessageChangeKind::Expunged && row.2 == change.modseq);
                    self.messages.insert(change.uid, row.clone());
                }
                None => {
                    assert_eq!(change.kind, MessageChangeKind::Expunged);
                    self.messages.remove(&change.uid);
                }
            }
        }
    }
}

type AllTold = Arc<Mutex<BTreeMap<MailboxName, Told>>>;

fn listening() -> (CommitHook, AllTold) {
    let all = AllTold::default();
    let told = all.clone();
    let hook: CommitHook = Arc::new(move |commit: &Commit| {
        told.lock().unwrap().entry(commit.mailbox.clone()).or_default().take(commit);
    });
    (hook, all)
}

fn uid_at(mailbox: &Mailbox, which: usize) -> UidSet {
    let snapshot = mailbox.refresh(false).unwrap().snapshot;
    let at = which % snapshot.len().max(1);
    snapshot.uids().get(at).copied().into_iter().collect()
}

fn file_at(site: &Site, which: usize) -> Option<PathBuf> {
    let mut all: Vec<PathBuf> = ["cur", "new"]
        .iter()
        .flat_map(|place| std::fs::read_dir(site.root().join(place)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    let at = which % all.len().max(1);
    all.into_iter().nth(at)
}

fn take(site: &Site, account: &Arc<Account>, step: &Step, count: usize) {
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    let other = account.open(&name("other")).unwrap();
    match step {
        Step::Append(bits) => {
            append(&inbox, &format!("{count}"), flags(SystemFlags::from_bits(*bits), &[]));
        }
        Step::Deliver => site.deliver(&format!("{count}.qmail"), "delivered"),
        Step::Flag { which, bits, add } => {
            let flags = flags(SystemFlags::from_bits(*bits), &[]);
            let change = if *add { FlagChange::Add(flags) } else { FlagChange::Remove(flags) };
            inbox.store_flags(&uid_at(&inbox, *which), &change, None).unwrap();
        }
        Step::Keyword { which, add } => {
            let flags = flags(SystemFlags::NONE, &["k"]);
            let change = if *add { FlagChange::Add(flags) } else { FlagChange::Remove(flags) };
            inbox.store_flags(&uid_at(&inbox, *which), &change, None).unwrap();
        }
        Step::Expunge => drop(inbox.expunge(None).unwrap()),
        Step::MoveAway(which) => drop(inbox.move_to(&uid_at(&inbox, *which), &other).unwrap()),
        Step::MoveWithin(which) => drop(inbox.move_to(&uid_at(&inbox, *which), &inbox).unwrap()),
        Step::ForeignFlag { which, bits } => {
            let Some(path) = file_at(site, *which) else { return };
            let file_name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let letters = String::from_utf8(crate::file_name::flag_letters(SystemFlags::from_bits(*bits)));
            let target = format!("{}:2,{}", file_name.split(':').next().unwrap(), letters.unwrap());
            std::fs::rename(path, site.root().join("cur").join(target)).unwrap();
        }
        Step::ForeignRemove(which) => {
            file_at(site, *which).iter().for_each(|path| std::fs::remove_file(path).unwrap())
        }
        Step::Rest => drop(inbox.rest(inbox.snapshot())),
        Step::ListGone => drop(std::fs::remove_file(site.root().join("restante-uidlist"))),
        Step::Claim => drop(inbox.refresh(true).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// With another process and other programs on the same Maildir.
    #[test]
    fn hooks_are_told_of_all_that_changes(steps in prop::collection::vec((step(), any::<bool>()), 1..40)) {
        let site = Site::new();
        let ours = store(false);
        let (hook, told) = listening();
        ours.on_commit(hook);
        let ours = ours.account(&site.root(), true).unwrap();
        let theirs = site.account();
        ours.create(&name("other")).unwrap();
        for (count, (step, is_ours)) in steps.iter().enumerate() {
            take(&site, if *is_ours { &ours } else { &theirs }, step, count);
            for mailbox in [MailboxName::inbox(), name("other")] {
                let mailbox = ours.open(&mailbox).unwrap();
                let snapshot = mailbox.refresh(false).unwrap().snapshot;
                let told = told.lock().unwrap();
                prop_assert_eq!(told.get(mailbox.name()), Some(&Told::of(&snapshot)), "after {:?}", step);
            }
        }
    }
}

#[test]
fn a_hook_that_panics_fails_no_commit() {
    let site = Site::new();
    let ours = store(false);
    let (hook, told) = listening();
    ours.on_commit(Arc::new(|_| panic!("as a test wants it")));
    ours.on_commit(hook);
    let inbox = ours.account(&site.root(), true).unwrap().open(&MailboxName::inbox()).unwrap();
    append(&inbox, "a", flags(SystemFlags::NONE, &[]));
    append(&inbox, "b", flags(SystemFlags::NONE, &[]));
    assert_eq!(told.lock().unwrap()[&MailboxName::inbox()].messages.len(), 2, "the next one is told");
}

/// Else a slow hook would stop everybody who has the mailbox open.
#[test]
fn no_lock_is_held_while_hooks_are_told() {
    let site = Site::new();
    let ours = store(false);
    let account = ours.account(&site.root(), true).unwrap();
    account.create(&name("other")).unwrap();
    let both = [account.open(&MailboxName::inbox()).unwrap(), account.open(&name("other")).unwrap()];
    let told = Arc::new(Mutex::new(0));
    let (mailboxes, count) = (both.clone(), told.clone());
    ours.on_commit(Arc::new(move |_| {
        let (sender, receiver) = mpsc::channel();
        let mailboxes = mailboxes.clone();
        std::thread::spawn(move || {
            let _ = sender.send(mailboxes.map(|mailbox| mailbox.snapshot().len()));
        });
        receiver.recv_timeout(Duration::from_secs(20)).expect("a mailbox is locked");
        *count.lock().unwrap() += 1;
    }));
    for mailbox in &both {
        append(mailbox, "a", flags(SystemFlags::NONE, &[]));
    }
    both[0].move_to(&uid_at(&both[0], 0), &both[1]).unwrap();
    both[1].move_to(&uid_at(&both[1], 0), &both[0]).unwrap();
    both[1].move_to(&uid_at(&both[1], 0), &both[1]).unwrap();
    assert!(*told.lock().unwrap() >= 8);
}
