//! Two stores on one Maildir, one of which has not looked for a while.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use mail::flag::Flags;
use mail::{Keyword, MailboxName, SystemFlags, UidSet};
use restante_tests::worker::{content, identity_of, rows, settings, temporary_directory};
use std::sync::Arc;
use store::{Account, FlagChange, Mailbox, Store};

/// Two inboxes of one Maildir, which know nothing of one another.
fn two() -> (tempfile::TempDir, [Arc<Account>; 2], [Arc<Mailbox>; 2]) {
    let directory = temporary_directory();
    let root = directory.path().join("mail");
    let accounts = [(); 2].map(|()| Store::new(settings()).account(&root, true).unwrap());
    let inboxes = [0, 1].map(|number| accounts[number].open(&MailboxName::inbox()).unwrap());
    (directory, accounts, inboxes)
}

fn flags(system: SystemFlags, keywords: &[&str]) -> Flags {
    Flags::new(system, keywords.iter().map(|keyword| Keyword::new(keyword).unwrap()).collect())
}

fn append(mailbox: &Mailbox, identity: &str, flags: Flags) -> UidSet {
    let mut delivery = mailbox.deliver().unwrap();
    delivery.write(content(identity).as_bytes()).unwrap();
    mailbox.append(vec![(delivery, flags, None)]).unwrap().uids
}

#[test]
fn a_message_is_opened_that_another_has_renamed_and_relabelled() {
    let (_directory, _accounts, [here, there]) = two();
    let uid = append(&here, "one", flags(SystemFlags::NONE, &["k0", "k1"]));
    there.refresh(false).unwrap();
    here.store_flags(&uid, &FlagChange::Replace(flags(SystemFlags::SEEN, &["k2"])), None).unwrap();
    let later = append(&here, "two", flags(SystemFlags::NONE, &["k3"]));
    let told = rows(&here.snapshot(), |_| true);
    // Its file has another name now; looking for it must not undo what is in the list.
    let first = uid.iter().next().unwrap();
    assert_eq!(identity_of(&there, first).unwrap().unwrap(), "one");
    for mailbox in [&there, &here] {
        assert_eq!(rows(&mailbox.refresh(false).unwrap().snapshot, |_| true), told);
    }
    assert_eq!(identity_of(&there, later.iter().next().unwrap()).unwrap().unwrap(), "two");
}

#[test]
fn a_message_is_copied_that_another_has_renamed_and_relabelled() {
    let (_directory, accounts, [here, there]) = two();
    let name = MailboxName::new("Archive").unwrap();
    accounts[0].create(&name).unwrap();
    let archive = accounts[1].open(&name).unwrap();
    let uid = append(&here, "one", flags(SystemFlags::NONE, &["k0", "k1"]));
    there.refresh(false).unwrap();
    here.store_flags(&uid, &FlagChange::Replace(flags(SystemFlags::SEEN, &["k2"])), None).unwrap();
    let told = rows(&here.snapshot(), |_| true);
    there.copy(&uid, &archive).unwrap();
    for mailbox in [&there, &here] {
        assert_eq!(rows(&mailbox.refresh(false).unwrap().snapshot, |_| true), told);
    }
}

#[test]
fn what_another_wrote_is_seen_also_when_it_wrote_the_list_anew() {
    let (_directory, _accounts, [here, there]) = two();
    let uid = append(&here, "one", flags(SystemFlags::NONE, &[]));
    for number in 0..1500 {
        // Keywords only: no file is renamed, so nothing but the list says it.
        let change = if number % 2 == 0 { FlagChange::Add } else { FlagChange::Remove };
        here.store_flags(&uid, &change(flags(SystemFlags::NONE, &["k"])), None).unwrap();
        let seen = there.refresh(false).unwrap().snapshot;
        assert_eq!(rows(&seen, |_| true), rows(&here.snapshot(), |_| true), "after {number} changes");
    }
}
