//! Names of files as other programs, crashes and people make them: each file is a message with a
//! UID of its own, and no file is ever replaced.

use super::*;
use crate::rename::{Lacks, on_a_file_system_without};
use crate::{CheckOptions, FindingKind, FlagChange};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SEEN: SystemFlags = SystemFlags::SEEN;

fn put(site: &Site, name: &str, content: &str) {
    let path = site.root().join(name);
    assert!(path.symlink_metadata().is_err(), "{name} is there");
    std::fs::write(path, content).unwrap();
}

/// The contents of all messages by UID.
fn contents(mailbox: &Mailbox) -> BTreeMap<u32, String> {
    let snapshot = mailbox.refresh(true).unwrap().snapshot;
    let content = |uid: &Uid| (uid.get(), content(mailbox.open_message(*uid).unwrap()));
    snapshot.uids().iter().map(content).collect()
}

/// The contents of all files in `new/` and `cur/`, sorted.
fn on_disk(site: &Site) -> Vec<String> {
    let mut all = Vec::new();
    for place in ["new", "cur"] {
        all.extend(
            site.names(place)
                .iter()
                .map(|name| std::fs::read_to_string(site.root().join(place).join(name)).unwrap()),
        );
    }
    all.sort();
    all
}

fn add(system: SystemFlags) -> FlagChange {
    FlagChange::Add(flags(system, &[]))
}

fn check(site: &Site, repair: bool) -> crate::CheckReport {
    let account = store(false).account(&site.root(), false).unwrap();
    account.check(&MailboxName::inbox(), CheckOptions { repair, sizes: false }, &mut |_| {}).unwrap()
}

/// What makes a Maildir with names that are there twice, and how many messages it has.
fn doubles(site: &Site) -> usize {
    put(site, "new/1.M1P1.h", "one in new");
    put(site, "cur/1.M1P1.h:2,S", "one in cur");
    put(site, "cur/2.M2P1.h:2,", "two without");
    put(site, "cur/2.M2P1.h:2,S", "two with");
    put(site, "cur/4.M4P1.h:2,S", "four");
    let link = |to: &str| {
        std::fs::hard_link(site.root().join("cur/4.M4P1.h:2,S"), site.root().join(to)).unwrap();
    };
    link("cur/4.M4P1.h:2,FS");
    link("new/5.M5P1.h");
    7
}

#[test]
fn of_two_files_with_one_base_name_both_are_messages() {
    let site = Site::new();
    let count = doubles(&site);
    let before = on_disk(&site);
    let inbox = site.inbox();
    let first = contents(&inbox);
    assert_eq!(first.len(), count);
    assert_eq!(first.values().cloned().collect::<std::collections::BTreeSet<_>>().len(), 5, "{first:?}");
    for change in [add(SEEN), add(SystemFlags::FLAGGED), FlagChange::Remove(flags(SEEN, &[]))] {
        let all: UidSet = inbox.snapshot().uids().iter().copied().collect();
        let stored = inbox.store_flags(&all, &change, None).unwrap();
        assert!(stored.refused.is_empty() && stored.gone.is_empty());
        assert_eq!(contents(&inbox), first);
    }
    // No other look sees it otherwise, and nothing is left to be done.
    assert_eq!(contents(&site.inbox()), first);
    assert_eq!(on_disk(&site), before);
    assert!(check(&site, false).is_sound());
}

#[test]
fn who_has_a_uid_keeps_name_and_uid_when_a_second_comes() {
    for followed in [true, false] {
        for second in ["cur/1.a:2,S", "cur/1.a:2,", "cur/1.a", "new/1.a"] {
            let site = Site::new();
            put(&site, "cur/1.a:2,F", "first");
            let mut inbox = site.inbox();
            assert_eq!(contents(&inbox).len(), 1);
            if !followed {
                drop(inbox);
            }
            put(&site, second, "second");
            if !followed {
                // Without an index the flags tell which one it is.
                std::fs::remove_file(site.root().join("restante-index")).unwrap();
                inbox = site.inbox();
            } else {
                inbox = site.account().open(&MailboxName::inbox()).unwrap();
            }
            let shown = contents(&inbox);
            assert_eq!(
                shown,
                BTreeMap::from([(1, "first".to_owned()), (2, "second".to_owned())]),
                "{second}"
            );
            inbox.store_flags(&uids(&[1, 2]), &add(SEEN), None).unwrap();
            assert_eq!(contents(&inbox), shown, "{second}");
            assert!(site.names("cur").contains(&"1.a:2,FS".to_owned()));
        }
    }
}

/// The look that finds it is a STORE's own, by the watcher's events.
#[test]
fn a_flag_never_replaces_what_came_meanwhile() {
    let site = Site::new();
    put(&site, "cur/1.a:2,", "first");
    let inbox = site.inbox();
    assert_eq!(contents(&inbox).len(), 1);
    put(&site, "cur/1.a:2,S", "second");
    let stored = inbox.store_flags(&uids(&[1]), &add(SEEN), None).unwrap();
    assert!(stored.refused.is_empty() && stored.changed == uids(&[1]));
    assert_eq!(shown(&inbox), ["1 S", "2 S"]);
    assert_eq!(on_disk(&site), ["first", "second"]);
    // What is no message can have the name too, and keeps it.
    std::fs::create_dir(site.root().join("cur/1.a:2,FS")).unwrap();
    let stored = inbox.store_flags(&uids(&[1, 2]), &add(SystemFlags::FLAGGED), None).unwrap();
    assert_eq!((stored.changed, stored.refused), (uids(&[2]), uids(&[1])));
    assert_eq!(stored.refusal.unwrap().kind, crate::ErrorKind::Unchangeable);
    assert_eq!(shown(&inbox), ["1 S", "2 FS"]);
}

#[test]
fn a_program_that_links_and_unlinks_makes_no_second_message() {
    let site = Site::new();
    site.deliver("1.a", "first");
    let inbox = site.inbox();
    assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 1);
    let rename = |from: &str, to: &str| {
        std::fs::hard_link(site.root().join(from), site.root().join(to)).unwrap();
        std::fs::remove_file(site.root().join(from)).unwrap();
    };
    rename("new/1.a", "cur/1.a:2,");
    rename("cur/1.a:2,", "cur/1.a:2,S");
    assert_eq!(shown(&inbox), ["1 S"]);
    assert_eq!(site.names("cur"), ["1.a:2,S"]);
}

#[test]
fn sizes_in_a_name_stay_where_they_fit() {
    let site = Site::new();
    for (name, content) in [
        ("1.a,S=6,W=7:2,FS", "first\n"),
        ("1.a,S=6,W=7:2,S", "again\n"),
        ("2.a,S=6,U=9:2,FS", "first\n"),
        ("2.a,S=6,U=9:2,S", "longer\n"),
        ("3.a,S=6,U=9:2,FS", "first\n"),
        ("3.a,S=6,U=9:2,S", "third\n"),
    ] {
        put(&site, &format!("cur/{name}"), content);
    }
    contents(&site.inbox());
    let mut ends = BTreeMap::new();
    for name in site.names("cur").iter().filter(|name| name.contains(".host")) {
        let content = std::fs::read_to_string(site.root().join("cur").join(name)).unwrap();
        ends.insert(content, name.split(".host").nth(1).unwrap().to_owned());
    }
    let expected = [("again\n", ",S=6,W=7:2,S"), ("longer\n", ":2,S"), ("third\n", ",S=6:2,S")];
    assert_eq!(ends, expected.map(|(content, end)| (content.to_owned(), end.to_owned())).into());
}

/// Names as mu4e, maildrop, courier-pop3d, offlineimap, mbsync and people make them; and flags.
const UNUSUAL: &[(&str, &str)] = &[
    ("cur/1700000001.M1P1.h,U=13:2,:2,S", "S"),
    ("cur/1700000002.M2P1.h:2,:::2:2::2,S", "S"),
    ("cur/1700000003.M3P1.h:2,TS", "ST"),
    ("cur/1700000004.M4P1.h:2,SSFF", "FS"),
    ("cur/1700000005.M5P1.h:2,PRSXYZ", "RS"),
    ("cur/1700000006.M6P1.h:2,Sabz", "S"),
    ("cur/1700000007.M7P1.h", ""),
    ("cur/1700000008.M8P1.h:1,S", ""),
    ("cur/1700000009.M9P1.h:2", ""),
    ("cur/1700000010", ""),
    ("cur/1700000011 with blank, and comma:2,S", "S"),
    ("cur/1700000012.M12P1.h!2,S", ""),
    ("cur/1700000013.M13P1.h;2,S", ""),
    ("cur/1700000014.M14P1.h:2,S,F=x", "S"),
    ("cur/1700000015.M15P1.h\nx:2,S", "S"),
    ("new/1700000016.M16P1.h:2,S", "S"),
    ("new/1700000017.M17P1.h:2,", ""),
    ("cur/:2,S", "S"),
    ("cur/:2,F", "F"),
    ("new/:", ""),
];

#[test]
fn unusual_names_are_messages() {
    let site = Site::new();
    for (name, _) in UNUSUAL {
        put(&site, name, name);
    }
    let long = |length: usize| format!("17000000{:02}.M1P1.{}", length % 100, "x".repeat(length - 16));
    let (no_room, in_new) = (format!("cur/{}:2,", long(252)), format!("new/{}", long(253)));
    put(&site, &no_room, &no_room);
    put(&site, &in_new, &in_new);
    for none in ["cur/.1700000021.M21P1.h:2,S", "tmp/1700000024.M24P1.h"] {
        put(&site, none, none);
    }
    std::fs::create_dir(site.root().join("cur/1700000022.M22P1.h:2,S")).unwrap();
    let inbox = site.inbox();
    let before = contents(&inbox);
    let letters: BTreeMap<String, String> = inbox
        .snapshot()
        .rows()
        .map(|row| {
            let letters = crate::file_name::flag_letters(row.system_flags());
            (before[&row.uid().get()].clone(), String::from_utf8(letters).unwrap())
        })
        .collect();
    for (name, expected) in UNUSUAL.iter().copied().chain([(&*no_room, ""), (&*in_new, "")]) {
        assert_eq!(letters.get(name).map(String::as_str), Some(expected), "{name}");
    }
    assert_eq!(before.len(), UNUSUAL.len() + 2);
    assert!(site.root().join(&in_new).exists(), "it stays in new/");
    let all: UidSet = inbox.snapshot().uids().iter().copied().collect();
    let uid_of = |content: &str| Uid::new(*before.iter().find(|(_, of)| *of == content).unwrap().0).unwrap();
    let stuck: UidSet = [uid_of(&no_room), uid_of(&in_new)].into_iter().collect();
    let change = add(SystemFlags::ANSWERED);
    let stored = inbox.store_flags(&all, &change, None).unwrap();
    assert_eq!(stored.refused, stuck);
    assert_eq!(stored.refusal.unwrap().kind, crate::ErrorKind::Unchangeable);
    assert_eq!(stored.changed.len() + stuck.len(), all.len() - 1, "one is answered already");
    let change = FlagChange::Add(flags(SystemFlags::NONE, &["Key"]));
    let stored = inbox.store_flags(&all, &change, None).unwrap();
    assert!(stored.refused.is_empty() && stored.changed == all, "keywords are in no name");
    // Everybody else sees the same.
    assert_eq!((contents(&inbox), contents(&site.inbox())), (before.clone(), before.clone()));
    assert_eq!(shown(&inbox), shown(&site.inbox()));
    // And they can be taken elsewhere, and removed.
    let account = site.account();
    account.create(&name("Box")).unwrap();
    let moved = inbox.move_to(&stuck, &account.open(&name("Box")).unwrap()).unwrap();
    assert_eq!(moved.pairs.len(), 2);
    assert_eq!(contents(&inbox).len(), UNUSUAL.len());
}

/// The one that has no base name comes while the mailbox is open.
#[test]
fn an_empty_base_name_is_seen_at_once() {
    let site = Site::new();
    let inbox = site.inbox();
    assert!(contents(&inbox).is_empty());
    put(&site, "cur/:2,S", "first");
    assert_eq!(contents(&inbox), BTreeMap::from([(1, "first".to_owned())]));
    put(&site, "cur/:2,S", "second");
    assert_eq!(contents(&inbox).len(), 2);
}

#[test]
fn a_check_names_misnamed_files_and_a_repair_ends_it() {
    let site = Site::new();
    let count = doubles(&site);
    put(&site, "cur/:2,F", "no base name");
    let before = on_disk(&site);
    let report = check(&site, false);
    let finding = |report: &crate::CheckReport, kind| {
        report.findings.iter().find(|finding| finding.kind == kind).map(|finding| finding.count)
    };
    assert_eq!(finding(&report, FindingKind::FileDouble), Some(3));
    assert_eq!(finding(&report, FindingKind::FileNameless), Some(1));
    assert!(!report.is_sound() && site.names("cur").contains(&":2,F".to_owned()), "nothing is changed");
    let repaired = check(&site, true);
    assert!(repaired.is_sound(), "{repaired:?}");
    assert_eq!(repaired.repaired.iter().map(|finding| finding.count).collect::<Vec<_>>(), [3, 1]);
    assert_eq!((on_disk(&site), contents(&site.inbox()).len()), (before, count + 1));
}

#[test]
fn all_operations_on_file_systems_that_lack_something() {
    for lacks in [Lacks::Flag, Lacks::Links] {
        on_a_file_system_without(lacks, || {
            let site = Site::new();
            doubles(&site);
            let account = site.account();
            account.create(&name("Box")).unwrap();
            let (inbox, target) =
                (account.open(&MailboxName::inbox()).unwrap(), account.open(&name("Box")).unwrap());
            let all = contents(&inbox);
            assert_eq!(all.len(), 7, "{lacks:?}");
            append(&inbox, "appended\n", flags(SEEN, &["Key"]));
            inbox.store_flags(&uids(&[1, 8]), &add(SystemFlags::FLAGGED), None).unwrap();
            assert_eq!(inbox.copy(&uids(&[1, 2]), &target).unwrap().pairs.len(), 2);
            assert_eq!(inbox.move_to(&uids(&[3, 8]), &target).unwrap().pairs.len(), 2);
            assert_eq!(target.move_to(&uids(&[1]), &target).unwrap().pairs.len(), 1);
            assert_eq!((contents(&inbox).len(), contents(&target).len()), (6, 4), "{lacks:?}");
            account.rename(&name("Box"), &name("Other"), &[]).unwrap();
            assert_eq!(contents(&account.open(&name("Other")).unwrap()).len(), 4);
            account.delete(&name("Other")).unwrap();
            assert_eq!(account.list().unwrap().len(), 1);
            assert!(check(&site, false).is_sound());
        });
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Another program makes a file.
    Put {
        new: bool,
        base: usize,
        suffix: usize,
    },
    /// Another program renames one.
    Rename {
        file: usize,
        suffix: usize,
    },
    Flags {
        message: usize,
        add: bool,
        flag: usize,
    },
    Move(usize),
    Look,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0..4_usize, 0..6_usize)
            .prop_map(|(new, base, suffix)| Step::Put { new, base, suffix }),
        1 => (any::<prop::sample::Index>(), 0..6_usize)
            .prop_map(|(file, suffix)| Step::Rename { file: file.index(1000), suffix }),
        4 => (0..20_usize, any::<bool>(), 0..2_usize)
            .prop_map(|(message, add, flag)| Step::Flags { message, add, flag }),
        1 => (0..20_usize).prop_map(Step::Move),
        2 => Just(Step::Look),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever names others make, and whatever is done to the messages: no content is ever lost
    /// or doubled, each is shown once, and keeps the UID that it was seen with.
    #[test]
    fn no_file_is_ever_replaced(steps in prop::collection::vec(step(), 1..30)) {
        const BASES: [&str; 4] = ["1.a", "2.b,S=3", "3", ""];
        const SUFFIXES: [&str; 6] = ["", ":2,", ":2,S", ":2,F", ":2,FS", ":2,:2,S"];
        let site = Site::new();
        let mut inbox = site.inbox();
        let mut written = Vec::new();
        let mut known: BTreeMap<u32, String> = BTreeMap::new();
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put { new, base, suffix } => {
                    let name = format!("{}{}", BASES[base], SUFFIXES[suffix]);
                    let path = site.root().join(if new { "new" } else { "cur" }).join(&name);
                    if !name.is_empty() && !path.exists() {
                        std::fs::write(path, at.to_string()).unwrap();
                        written.push(at.to_string());
                        written.sort();
                    }
                }
                Step::Rename { file, suffix } => {
                    let names = site.names("cur");
                    let Some(from) = names.get(file.checked_rem(names.len()).unwrap_or(0)) else { continue };
                    let base = from.split(':').next().unwrap();
                    let (from, to) = (site.root().join("cur").join(from), format!("{base}{}", SUFFIXES[suffix]));
                    let to = site.root().join("cur").join(to);
                    if !base.is_empty() && !to.exists() {
                        std::fs::rename(from, to).unwrap();
                    }
                    // Which of two it is cannot be told by whoever was not looking.
                    known = contents(&inbox);
                }
                Step::Flags { message, add, flag } => {
                    let change = flags([SEEN, SystemFlags::FLAGGED][flag], &[]);
                    let change = if add { FlagChange::Add(change) } else { FlagChange::Remove(change) };
                    let all: Vec<u32> = known.keys().copied().collect();
                    let Some(uid) = all.get(message.checked_rem(all.len()).unwrap_or(0)) else { continue };
                    let stored = inbox.store_flags(&uids(&[*uid]), &change, None).unwrap();
                    prop_assert!(stored.gone.is_empty() && stored.refused.is_empty());
                }
                Step::Move(message) => {
                    let all: Vec<u32> = known.keys().copied().collect();
                    let Some(uid) = all.get(message.checked_rem(all.len()).unwrap_or(0)) else { continue };
                    let moved = inbox.move_to(&uids(&[*uid]), &inbox).unwrap();
                    prop_assert_eq!(moved.pairs.len(), 1);
                    let content = known.remove(uid).unwrap();
                    known.insert(moved.pairs[0].1.get(), content);
                }
                Step::Look => {}
                Step::Reopen => {
                    drop(inbox);
                    inbox = site.inbox();
                }
            }
            prop_assert_eq!(&on_disk(&site), &written);
            if matches!(step, Step::Put { .. }) {
                continue;
            }
            let now = contents(&inbox);
            for (uid, content) in &known {
                prop_assert_eq!(now.get(uid), Some(content), "UID {}", uid);
            }
            let mut shown: Vec<String> = now.values().cloned().collect();
            shown.sort();
            prop_assert_eq!(&shown, &written);
            known = now;
        }
    }
}
