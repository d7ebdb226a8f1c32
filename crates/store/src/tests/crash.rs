//! The process dies at each point between renaming, listing and answering; another opens the
//! Maildir, and nothing is lost, doubled or given the same UID.

use super::*;
use crate::FlagChange;
use crate::faults::testing::{dies_at, points_of};
use std::collections::{BTreeMap, BTreeSet};

/// What must hold for a message, whatever happened: its content is its identity here.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Seen {
    mailbox: &'static str,
    keywords: Vec<String>,
}

type Operation = fn(&Account);

/// Content by mailbox and UID.
type ByUid = BTreeMap<(&'static str, u32), String>;

fn each_operation() -> [(&'static str, Operation); 6] {
    [
        ("append", |account| {
            let inbox = account_open(account, "INBOX");
            append(&inbox, "appended", flags(SystemFlags::SEEN, &["new"]));
        }),
        ("flags", |account| {
            let change = FlagChange::Add(flags(SystemFlags::FLAGGED, &["late"]));
            account_open(account, "INBOX").store_flags(&uids(&[1, 2]), &change, None).unwrap();
        }),
        ("expunge", |account| {
            account_open(account, "INBOX").expunge(None).unwrap();
        }),
        ("copy", |account| {
            account_open(account, "INBOX").copy(&uids(&[1, 2]), &account_open(account, "Archive")).unwrap();
        }),
        ("move", |account| {
            account_open(account, "INBOX")
                .move_to(&uids(&[1, 2]), &account_open(account, "Archive"))
                .unwrap();
        }),
        ("look", |account| {
            account_open(account, "INBOX").refresh(true).unwrap();
        }),
    ]
}

/// Opens anew each time: nothing is known from before.
fn account_open(account: &Account, mailbox: &str) -> Arc<Mailbox> {
    let root = account.shared().root.clone();
    let settings = account.shared().settings.clone();
    Store::new(settings).account(&root, false).unwrap().open(&name(mailbox)).unwrap()
}

fn prepared() -> Site {
    let site = Site::new();
    let account = site.account();
    account.create(&name("Archive")).unwrap();
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    for (text, marked) in [("one", false), ("two", false), ("three", true), ("four", true)] {
        let system = if marked { SystemFlags::DELETED } else { SystemFlags::NONE };
        append(&inbox, text, flags(system, &["kept"]));
    }
    account.open(&name("Archive")).unwrap().refresh(false).unwrap();
    site.deliver("1.five", "five");
    site
}

/// Messages by content, in each mailbox; and each UID with the content that it showed.
fn look(site: &Site) -> (Vec<(String, Seen)>, ByUid) {
    let account = site.account();
    let mut seen = Vec::new();
    let mut by_uid = BTreeMap::new();
    for mailbox in ["INBOX", "Archive"] {
        let open = account.open(&name(mailbox)).unwrap();
        let snapshot = open.refresh(false).unwrap().snapshot;
        for row in snapshot.rows() {
            let text = content(open.open_message(row.uid()).unwrap());
            let keywords = row.keywords().iter().map(ToString::to_string).collect();
            seen.push((text.clone(), Seen { mailbox, keywords }));
            by_uid.insert((mailbox, row.uid().get()), text);
            assert!(row.modseq() <= snapshot.highest_modseq());
            assert!(row.uid() < snapshot.uid_next());
        }
    }
    (seen, by_uid)
}

#[test]
fn no_crash_loses_doubles_or_confuses() {
    let mut tried = 0;
    for (operation, run) in each_operation() {
        let points: BTreeSet<&'static str> = {
            let site = prepared();
            let account = site.account();
            points_of(|| run(&account)).into_iter().collect()
        };
        for point in points {
            for nth in 0.. {
                let site = prepared();
                let account = site.account();
                let (before, uids_before) = look(&site);
                if !dies_at(point, nth, || run(&account)) {
                    break;
                }
                tried += 1;
                check_after(
                    &site,
                    operation,
                    &format!("{operation}, {point}, time {nth}"),
                    &before,
                    &uids_before,
                );
            }
        }
    }
    assert!(tried >= 15, "only {tried} crashes were tried");
}

fn check_after(site: &Site, operation: &str, what: &str, before: &[(String, Seen)], uids_before: &ByUid) {
    let (after, uids_after) = look(site);
    for (key, text) in &uids_after {
        assert!(
            uids_before.get(key).is_none_or(|known| known == text),
            "{what}: UID {key:?} is another message"
        );
    }
    for (text, seen) in before {
        let now: Vec<&Seen> = after.iter().filter(|(t, _)| t == text).map(|(_, seen)| seen).collect();
        let may_go = operation == "expunge" && ["three", "four"].contains(&text.as_str());
        assert!(may_go || !now.is_empty(), "{what}: {text} is lost");
        assert!(operation == "copy" || now.len() <= 1, "{what}: {text} is there twice");
        for seen_now in now {
            let kept = seen.keywords.iter().all(|keyword| seen_now.keywords.contains(keyword));
            assert!(kept, "{what}: {text} lost its keywords: {seen_now:?}");
        }
    }
    // And the mailbox works: a new message gets a UID that no other had.
    let inbox = site.inbox();
    let next = inbox.refresh(false).unwrap().snapshot.uid_next();
    assert!(append(&inbox, "after", Flags::default()) >= next, "{what}");
}
