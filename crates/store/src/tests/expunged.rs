//! Which messages were expunged since a MODSEQ: all of them, or "not known".
//!
//! Invariant S6 of crates/store/README.md.

use super::*;
use crate::CheckOptions;
use crate::ExpungedSince;
use crate::FlagChange;
use crate::take_over::Origin;
use mail::ModSeq;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;

fn since(mailbox: &Mailbox, modseq: ModSeq) -> Option<UidSet> {
    mailbox.refresh(false).unwrap();
    match mailbox.expunged_since(modseq).unwrap() {
        ExpungedSince::Known(uids) => Some(uids),
        ExpungedSince::Unknown => None,
    }
}

fn modseq(mailbox: &Mailbox) -> ModSeq {
    mailbox.refresh(false).unwrap().snapshot.highest_modseq()
}

/// Files in `cur/`, which are listed at the next look; their base names begin with `from` on.
fn fill(site: &Site, numbers: std::ops::Range<u32>) {
    for n in numbers {
        fs::write(site.root().join("cur").join(format!("{}.x:2,", 1_000_000 + n)), "").unwrap();
    }
}

fn remove_files(site: &Site, of: impl Fn(u32) -> bool) {
    for entry in names(&site.root().join("cur")) {
        let number: u32 = entry.split('.').next().unwrap().parse().unwrap();
        if of(number - 1_000_000) {
            fs::remove_file(site.root().join("cur").join(entry)).unwrap();
        }
    }
}

/// And after a checkpoint, from the index, from the list alone, and in another process.
#[test]
fn twelve_thousand_expunges_are_known() {
    let site = Site::new();
    fill(&site, 0..13_000);
    let ours = site.inbox();
    let before = modseq(&ours);
    let theirs = site.inbox();
    theirs.refresh(false).unwrap();
    // Scattered: no two of them are neighbours, half at once and half later.
    remove_files(&site, |n| n < 12_000 && n % 4 == 1);
    let between = modseq(&ours);
    remove_files(&site, |n| n < 12_000 && n % 4 == 3);
    modseq(&ours);
    remove_files(&site, |n| n < 12_000);
    let after = modseq(&ours);
    assert!(before < between && between < after);
    let known = |mailbox: &Mailbox, what: &str| {
        let counts = [before, between, after].map(|modseq| since(mailbox, modseq).map(|uids| uids.len()));
        assert_eq!(counts, [Some(12_000), Some(9_000), Some(0)], "{what}");
        assert_eq!(since(mailbox, before).unwrap().to_string(), "1:12000", "{what}");
    };
    known(&ours, "in memory");
    known(&theirs, "in another process");
    drop((ours, theirs));
    let length = fs::metadata(site.root().join("restante-uidlist")).unwrap().len();
    assert!(length < 1_000_000, "a checkpoint was made: {length} bytes");
    known(&site.inbox(), "from the index");
    fs::remove_file(site.root().join("restante-index")).unwrap();
    known(&site.inbox(), "from the list");
}

#[test]
fn what_another_server_expunged_is_not_known() {
    let site = Site::new();
    fs::write(site.root().join("cur/1.a:2,"), "a").unwrap();
    fs::write(site.root().join("cur/2.b:2,"), "b").unwrap();
    fs::write(site.root().join("courierimapuiddb"), "1 1700000000 9\n5 1.a\n7 2.b\n").unwrap();
    let inbox = site.inbox();
    let taken = modseq(&inbox);
    assert_eq!(since(&inbox, ModSeq(0)), None);
    fs::remove_file(site.root().join("cur/1.a:2,")).unwrap();
    assert_eq!(since(&inbox, taken), Some(uids(&[5])));
    let account = site.account();
    drop(inbox);
    account.hand_over(&MailboxName::inbox(), Origin::Courier, false).unwrap();
    drop(account);
    let inbox = site.inbox();
    assert_eq!(since(&inbox, taken), None, "what was done elsewhere meanwhile");
    assert_eq!(since(&inbox, modseq(&inbox)), Some(UidSet::new()));
}

#[test]
fn a_repair_and_a_list_of_an_earlier_program_begin_anew() {
    let site = Site::new();
    fill(&site, 0..10);
    let inbox = site.inbox();
    let before = modseq(&inbox);
    remove_files(&site, |n| n < 3);
    assert_eq!(since(&inbox, before), Some(uids(&[1, 2, 3])));
    drop(inbox);
    let path = site.root().join("restante-uidlist");
    // Without the floor, as it was written before there was one.
    let list = fs::read_to_string(&path).unwrap();
    let earlier: String = list.split_inclusive('\n').filter(|line| !line[9..].starts_with('E')).collect();
    assert!(earlier.len() < list.len());
    fs::write(&path, &earlier).unwrap();
    fs::remove_file(site.root().join("restante-index")).unwrap();
    let inbox = site.inbox();
    assert_eq!(since(&inbox, before), None);
    let floor = modseq(&inbox);
    remove_files(&site, |n| n == 5);
    assert_eq!(since(&inbox, floor), Some(uids(&[6])));
    drop(inbox);
    assert_eq!(since(&site.inbox(), floor), Some(uids(&[6])), "it is in the list now");
    // A line that is lost may have been of an expunge.
    let mut list = fs::read(&path).unwrap();
    let at = memchr::memmem::find(&list, b" X 6 ").unwrap();
    list[at + 3] = b'7';
    fs::write(&path, list).unwrap();
    fs::remove_file(site.root().join("restante-index")).unwrap();
    let repaired =
        site.account().check(&MailboxName::inbox(), CheckOptions { repair: true, sizes: false }, &mut |_| {});
    assert!(repaired.unwrap().is_sound());
    let inbox = site.inbox();
    assert_eq!(since(&inbox, floor), None);
    let now = modseq(&inbox);
    remove_files(&site, |n| n == 8);
    assert_eq!(since(&inbox, now), Some(uids(&[9])));
}

/// After a checkpoint a line is the only word of an expunge.
#[test]
fn an_expunge_in_a_damaged_line_is_not_passed_over_in_silence() {
    let site = Site::new();
    fill(&site, 0..10);
    let inbox = site.inbox();
    let before = modseq(&inbox);
    remove_files(&site, |n| n == 5);
    assert_eq!(since(&inbox, before), Some(uids(&[6])));
    drop(inbox);
    let path = site.root().join("restante-uidlist");
    let torn = [fs::read(&path).unwrap().as_slice(), b"torn"].concat();
    fs::write(&path, torn).unwrap();
    fs::remove_file(site.root().join("restante-index")).unwrap();
    assert_eq!(since(&site.inbox(), before), Some(uids(&[6])), "after a checkpoint");
    let mut list = fs::read(&path).unwrap();
    let at = memchr::memmem::find(&list, b" X 6 ").unwrap();
    list[at + 3] = b'7';
    fs::write(&path, list).unwrap();
    fs::remove_file(site.root().join("restante-index")).unwrap();
    let _ = fs::remove_file(site.root().join("restante-witness"));
    let inbox = site.inbox();
    assert_eq!(since(&inbox, before), None);
    let now = modseq(&inbox);
    remove_files(&site, |n| n == 8);
    assert_eq!(since(&inbox, now), Some(uids(&[9])));
}

#[derive(Clone, Debug)]
enum Step {
    Append,
    Mark(usize),
    Expunge,
    ForeignRemove(usize),
    Reopen,
    Rest,
    ListGone,
    IndexGone,
    Checkpoint,
    Move(usize),
    Repair,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Append),
        3 => (0_usize..8).prop_map(Step::Mark),
        3 => Just(Step::Expunge),
        2 => (0_usize..8).prop_map(Step::ForeignRemove),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rest),
        1 => Just(Step::ListGone),
        1 => Just(Step::IndexGone),
        1 => Just(Step::Checkpoint),
        1 => (0_usize..8).prop_map(Step::Move),
        1 => Just(Step::Repair),
    ]
}

struct World {
    site: Site,
    mailboxes: [Arc<Mailbox>; 2],
    /// What was there at each MODSEQ that somebody was told.
    told: Vec<(ModSeq, BTreeSet<Uid>, Uid)>,
}

impl World {
    fn uid_at(&self, who: usize, which: usize) -> UidSet {
        let snapshot = self.mailboxes[who].refresh(false).unwrap().snapshot;
        snapshot.uids().get(which % snapshot.len().max(1)).copied().into_iter().collect()
    }

    fn take(&mut self, step: &Step, who: usize) {
        let mailbox = self.mailboxes[who].clone();
        let path = |name: &str| self.site.root().join(name);
        match step {
            Step::Append => drop(append(&mailbox, "message", Flags::default())),
            Step::Mark(which) => {
                let change = FlagChange::Add(flags(SystemFlags::DELETED, &[]));
                mailbox.store_flags(&self.uid_at(who, *which), &change, None).unwrap();
            }
            Step::Expunge => drop(mailbox.expunge(None).unwrap()),
            Step::ForeignRemove(which) => {
                let names = names(&path("cur"));
                names.get(which % names.len().max(1)).iter().for_each(|name| {
                    fs::remove_file(path("cur").join(name)).unwrap();
                });
            }
            Step::Reopen => self.mailboxes[who] = self.site.inbox(),
            Step::Rest => drop(mailbox.rest(mailbox.snapshot())),
            // Somebody has the mailbox open, and knows what the list said.
            Step::ListGone => {
                mailbox.refresh(false).unwrap();
                drop(fs::remove_file(path("restante-uidlist")));
                mailbox.refresh(false).unwrap();
            }
            Step::IndexGone => drop(fs::remove_file(path("restante-index"))),
            Step::Checkpoint => {
                // A torn end, which has the list written anew.
                let mut bytes = fs::read(path("restante-uidlist")).unwrap_or_default();
                bytes.extend_from_slice(b"torn");
                fs::write(path("restante-uidlist"), bytes).unwrap();
            }
            Step::Move(which) => drop(mailbox.move_to(&self.uid_at(who, *which), &mailbox).unwrap()),
            Step::Repair => {
                let options = CheckOptions { repair: true, sizes: false };
                let account = self.site.account();
                assert!(account.check(&MailboxName::inbox(), options, &mut |_| {}).unwrap().is_sound());
            }
        }
    }

    fn check(&mut self) {
        for mailbox in self.mailboxes.clone() {
            let snapshot = mailbox.refresh(false).unwrap().snapshot;
            let now: BTreeSet<Uid> = snapshot.uids().iter().copied().collect();
            self.told.push((snapshot.highest_modseq(), now.clone(), snapshot.uid_next()));
            for (modseq, then, next) in &self.told {
                let ExpungedSince::Known(uids) = mailbox.expunged_since(*modseq).unwrap() else {
                    // Only a repair forgets, in a mailbox of this size, and nothing of what comes after.
                    assert!(*modseq < snapshot.highest_modseq() || self.told.is_empty());
                    continue;
                };
                for uid in then.difference(&now) {
                    assert!(uids.contains(*uid), "UID {uid} of {modseq:?} is gone");
                }
                for uid in uids.iter() {
                    assert!(!now.contains(&uid), "UID {uid} is there");
                    assert!(then.contains(&uid) || uid >= *next, "UID {uid} was gone at {modseq:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn expunges_are_all_known_or_not_known(steps in prop::collection::vec((step(), 0_usize..2), 1..40)) {
        let site = Site::new();
        let mailboxes = [site.inbox(), site.inbox()];
        let mut world = World { site, mailboxes, told: Vec::new() };
        for (step, who) in &steps {
            world.take(step, *who);
            world.check();
        }
        let repairs = steps.iter().filter(|(step, _)| matches!(step, Step::Repair)).count();
        if repairs == 0 {
            for (modseq, ..) in &world.told {
                let known = world.mailboxes[0].expunged_since(*modseq).unwrap();
                prop_assert!(known != ExpungedSince::Unknown, "{:?}", modseq);
            }
        }
    }
}
