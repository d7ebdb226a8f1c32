//! Each operation, alone.

use super::*;
use crate::{ErrorKind, FlagChange};
use mail::ModSeq;

#[test]
fn mail_is_delivered_claimed_and_read() {
    let site = Site::new();
    site.deliver("20.b", "second\n");
    site.deliver("10.a", "first\n");
    let inbox = site.inbox();
    assert_eq!(shown(&inbox), ["1", "2"]);
    assert_eq!(site.names("new"), ["10.a", "20.b"], "a look leaves mail where it is");
    assert_eq!(inbox.refresh(true).unwrap().claimed, uids(&[1, 2]));
    assert!(inbox.refresh(true).unwrap().claimed.is_empty(), "recent to one session only");
    assert_eq!(site.names("cur"), ["10.a:2,", "20.b:2,"]);
    assert_eq!(content(inbox.open_message(uid(1)).unwrap()), "first\n");
    assert_eq!(inbox.size(uid(1)).unwrap(), Some(7));
    assert_eq!(inbox.open_message(uid(3)).unwrap().map(|_| ()), None);
}

#[test]
fn of_a_maildir_seen_first_what_lies_in_new_is_recent() {
    let site = Site::new();
    for (place, name) in [("cur", "10.a:2,"), ("cur", "20.b:2,S"), ("new", "30.c")] {
        std::fs::write(site.root().join(place).join(name), "x").unwrap();
    }
    let inbox = site.inbox();
    let snapshot = inbox.refresh(false).unwrap().snapshot;
    let recent: Vec<bool> = snapshot.rows().map(|row| row.is_new()).collect();
    assert_eq!(recent, [false, false, true]);
    assert_eq!(inbox.refresh(true).unwrap().claimed, uids(&[3]));
    let appended = append(&inbox, "d", Flags::default());
    assert!(inbox.snapshot().find(appended).unwrap().is_new(), "RFC 3501 section 6.3.11");
}

#[test]
fn another_library_reads_what_we_leave() {
    let site = Site::new();
    let inbox = site.inbox();
    append(
        &inbox,
        "Subject: one\r\n\r\ntext\r\n",
        flags(SystemFlags::SEEN.with(SystemFlags::FLAGGED), &["Work"]),
    );
    site.deliver("10.b", "Subject: two\n\n");
    inbox.refresh(false).unwrap();
    let other = maildir::Maildir::from(site.root());
    assert_eq!((other.count_cur(), other.count_new()), (1, 1));
    let entry = other.list_cur().next().unwrap().unwrap();
    assert!(entry.is_seen() && entry.is_flagged() && !entry.is_trashed());
    // And we read what it leaves.
    other.store_new(b"Subject: three\n\n").unwrap();
    other.set_flags(other.list_cur().next().unwrap().unwrap().id(), "RS").unwrap();
    let seen = shown(&inbox);
    assert_eq!((seen.len(), seen[0].as_str()), (3, "1 RS Work"));
}

#[test]
fn uids_are_kept_and_never_given_twice() {
    let site = Site::new();
    let inbox = site.inbox();
    for text in ["a", "b", "c"] {
        append(&inbox, text, Flags::default());
    }
    inbox.store_flags(&uids(&[2, 3]), &FlagChange::Add(flags(SystemFlags::DELETED, &[])), None).unwrap();
    inbox.expunge(None).unwrap();
    drop(inbox);
    let again = site.inbox();
    let snapshot = again.refresh(false).unwrap().snapshot;
    assert_eq!((shown(&again), snapshot.uid_next()), (vec!["1".to_owned()], uid(4)));
    assert_eq!(append(&again, "d", Flags::default()), uid(4));
}

#[test]
fn append_keeps_flags_keywords_date_and_size() {
    let site = Site::new();
    let inbox = site.inbox();
    let appended = append(&inbox, "a\r\nb\r\n", flags(SystemFlags::SEEN.with(SystemFlags::DRAFT), &["Work"]));
    assert_eq!(shown(&inbox), ["1 DS Work"]);
    assert_eq!(inbox.internal_date(appended).unwrap(), Some(1_000_000_000));
    assert_eq!(inbox.size(appended).unwrap(), Some(6));
    assert_eq!(content(inbox.open_message(appended).unwrap()), "a\nb\n");
    let names = site.names("cur");
    assert!(names[0].ends_with(",S=4,W=6:2,DS"), "{names:?}");
    assert_eq!(site.names("tmp"), Vec::<String>::new());
}

#[test]
fn a_delivery_that_is_dropped_leaves_nothing() {
    let site = Site::new();
    let mut delivery = site.inbox().deliver().unwrap();
    delivery.write(b"half a mess").unwrap();
    drop(delivery);
    assert_eq!(site.names("tmp"), Vec::<String>::new());
}

#[test]
fn flags_are_in_names_and_keywords_in_the_list() {
    let site = Site::new();
    let inbox = site.inbox();
    let first = append(&inbox, "a", Flags::default());
    let modseq = |inbox: &Mailbox| inbox.snapshot().find(first).unwrap().modseq();
    let before = modseq(&inbox);
    let change = FlagChange::Add(flags(SystemFlags::FLAGGED, &["Work", "$Junk"]));
    let stored = inbox.store_flags(&uids(&[1, 9]), &change, None).unwrap();
    assert_eq!((stored.changed, stored.gone), (uids(&[1]), uids(&[9])));
    assert!(modseq(&inbox) > before);
    let same = inbox.store_flags(&uids(&[1]), &change, None).unwrap();
    assert!(same.changed.is_empty(), "what was so already did not change");
    let refused =
        inbox.store_flags(&uids(&[1]), &FlagChange::Remove(Flags::default()), Some(before)).unwrap();
    assert_eq!(refused.modified, uids(&[1]));
    inbox.store_flags(&uids(&[1]), &FlagChange::Remove(flags(SystemFlags::NONE, &["work"])), None).unwrap();
    assert_eq!(shown(&site.inbox()), ["1 F $Junk"], "also to another process");
    inbox.store_flags(&uids(&[1]), &FlagChange::Replace(flags(SystemFlags::SEEN, &[])), None).unwrap();
    assert_eq!(shown(&site.inbox()), ["1 S"]);
    assert!(site.names("cur")[0].ends_with(":2,S"));
}

#[test]
fn keywords_have_a_limit() {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "a", Flags::default());
    let many: Vec<String> = (0..101).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let change = FlagChange::Add(flags(SystemFlags::SEEN, &many));
    assert_eq!(inbox.store_flags(&uids(&[1]), &change, None).unwrap_err().kind, ErrorKind::Limit);
    assert_eq!(shown(&inbox), ["1"], "nothing was done");
}

#[test]
fn what_other_programs_do_is_taken_in() {
    let site = Site::new();
    let inbox = site.inbox();
    site.deliver("10.a", "a");
    site.deliver("20.b", "b");
    inbox.refresh(true).unwrap();
    let before = inbox.snapshot().highest_modseq();
    std::fs::rename(site.root().join("cur/10.a:2,"), site.root().join("cur/10.a:2,FSab")).unwrap();
    std::fs::remove_file(site.root().join("cur/20.b:2,")).unwrap();
    site.deliver("30.c", "c");
    assert_eq!(shown(&inbox), ["1 FS", "3"]);
    assert!(inbox.snapshot().find(uid(1)).unwrap().modseq() > before);
    inbox.store_flags(&uids(&[1]), &FlagChange::Remove(flags(SystemFlags::SEEN, &[])), None).unwrap();
    assert_eq!(site.names("cur"), ["10.a:2,Fab"], "letters that are not ours stay");
}

#[test]
fn a_file_that_was_renamed_is_found_again() {
    let site = Site::new();
    let inbox = site.inbox();
    site.deliver("10.a", "text");
    inbox.refresh(true).unwrap();
    std::fs::rename(site.root().join("cur/10.a:2,"), site.root().join("cur/10.a:2,S")).unwrap();
    assert_eq!(content(inbox.open_message(uid(1)).unwrap()), "text");
    std::fs::rename(site.root().join("cur/10.a:2,S"), site.root().join("cur/10.a:2,T")).unwrap();
    let stored =
        inbox.store_flags(&uids(&[1]), &FlagChange::Add(flags(SystemFlags::FLAGGED, &[])), None).unwrap();
    assert_eq!(stored.changed, uids(&[1]));
    assert_eq!(site.names("cur"), ["10.a:2,FT"]);
}

#[test]
fn two_processes_see_each_other() {
    let site = Site::new();
    let (one, other) = (site.inbox(), site.inbox());
    append(&one, "a", flags(SystemFlags::SEEN, &["Work"]));
    assert_eq!(append(&other, "b", Flags::default()), uid(2));
    assert_eq!(append(&one, "c", Flags::default()), uid(3));
    one.store_flags(&uids(&[2]), &FlagChange::Add(flags(SystemFlags::NONE, &["work", "x"])), None).unwrap();
    let expected = ["1 S Work", "2 Work x", "3"];
    assert_eq!(
        (shown(&one), shown(&other)),
        (expected.map(str::to_owned).to_vec(), expected.map(str::to_owned).to_vec())
    );
    assert_eq!(one.snapshot().highest_modseq(), other.snapshot().highest_modseq());
}

#[test]
fn copy_keeps_what_a_message_is() {
    let site = Site::new();
    let account = site.account();
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    append(&inbox, "a\r\n", flags(SystemFlags::SEEN, &["Work"]));
    site.deliver("10.b", "b");
    account.create(&name("Archive")).unwrap();
    let archive = account.open(&name("Archive")).unwrap();
    inbox.refresh(false).unwrap();
    let copied = inbox.copy(&uids(&[1, 2, 7]), &archive).unwrap();
    assert_eq!(copied.pairs, [(uid(1), uid(1)), (uid(2), uid(2))]);
    assert_eq!(shown(&archive), ["1 S Work", "2"]);
    assert_eq!(archive.internal_date(uid(1)).unwrap(), Some(1_000_000_000));
    assert_eq!(archive.size(uid(1)).unwrap(), Some(3));
    assert_eq!(shown(&inbox), ["1 S Work", "2"]);
    assert_eq!(names(&site.root().join(".Archive/tmp")), Vec::<String>::new());
    assert_eq!(inbox.copy(&uids(&[1]), &inbox).unwrap().pairs, [(uid(1), uid(3))]);
}

#[test]
fn move_leaves_no_message_in_two_places() {
    let site = Site::new();
    let account = site.account();
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    append(&inbox, "a\r\n", flags(SystemFlags::SEEN, &["Work"]));
    append(&inbox, "b\r\n", Flags::default());
    account.create(&name("Archive")).unwrap();
    let archive = account.open(&name("Archive")).unwrap();
    assert_eq!(inbox.move_to(&uids(&[1]), &archive).unwrap().pairs, [(uid(1), uid(1))]);
    assert_eq!((shown(&inbox), shown(&archive)), (vec!["2".to_owned()], vec!["1 S Work".to_owned()]));
    assert_eq!(archive.move_to(&uids(&[1]), &inbox).unwrap().pairs, [(uid(1), uid(3))]);
    assert_eq!(inbox.move_to(&uids(&[2]), &inbox).unwrap().pairs, [(uid(2), uid(4))]);
    assert_eq!(shown(&inbox), ["3 S Work", "4"]);
    assert_eq!(content(inbox.open_message(uid(4)).unwrap()), "b\n");
}

#[test]
fn expunge_removes_what_is_marked_and_named() {
    let site = Site::new();
    let inbox = site.inbox();
    for text in ["a", "b", "c"] {
        append(&inbox, text, flags(SystemFlags::DELETED, &[]));
    }
    inbox.expunge(Some(&uids(&[2]))).unwrap();
    assert_eq!(shown(&inbox), ["1 T", "3 T"]);
    // Another program takes the mark away in the last moment.
    let is_first =
        |name: &String| std::fs::read_to_string(site.root().join("cur").join(name)).unwrap() == "a";
    let first = site.names("cur").into_iter().find(is_first).unwrap();
    let unmarked = first.replace(":2,T", ":2,");
    std::fs::rename(site.root().join("cur").join(first), site.root().join("cur").join(unmarked)).unwrap();
    inbox.expunge(None).unwrap();
    assert_eq!(shown(&inbox), ["1"]);
}

#[test]
fn mailboxes_are_made_listed_renamed_and_deleted() {
    let site = Site::new();
    let account = site.account();
    for mailbox in ["Lists/rust", "Lists/c", "Entwürfe"] {
        account.create(&name(mailbox)).unwrap();
    }
    let listed = |account: &Account| -> Vec<String> {
        let text = |l: crate::Listed| {
            format!(
                "{}{}{}",
                l.name,
                if l.selectable { "" } else { " -" },
                if l.has_children { " +" } else { "" }
            )
        };
        account.list().unwrap().into_iter().map(text).collect()
    };
    assert_eq!(listed(&account), ["INBOX", "Entwürfe", "Lists - +", "Lists/c", "Lists/rust"]);
    assert_eq!(account.create(&name("Lists/c")).unwrap_err().kind, ErrorKind::AlreadyExists);
    account.rename(&name("Lists"), &name("Old/Lists"), &[]).unwrap();
    assert_eq!(
        listed(&account),
        ["INBOX", "Entwürfe", "Old - +", "Old/Lists - +", "Old/Lists/c", "Old/Lists/rust"]
    );
    assert_eq!(account.rename(&name("Nowhere"), &name("x"), &[]).unwrap_err().kind, ErrorKind::NonExistent);
    assert_eq!(
        account.rename(&name("Entwürfe"), &name("Old/Lists/c"), &[]).unwrap_err().kind,
        ErrorKind::AlreadyExists
    );
    account.delete(&name("Old/Lists/c")).unwrap();
    assert_eq!(account.delete(&name("Old")).unwrap_err().kind, ErrorKind::NonExistent);
    assert_eq!(account.delete(&MailboxName::inbox()).unwrap_err().kind, ErrorKind::Forbidden);
    assert!(site.root().join(".Old.Lists.rust/maildirfolder").is_file());
    assert_eq!(site.names("tmp"), Vec::<String>::new());
}

#[test]
fn a_mailbox_made_again_has_a_greater_uidvalidity() {
    let site = Site::new();
    let account = site.account();
    let mut last = 0;
    for _ in 0..3 {
        account.create(&name("x")).unwrap();
        let mailbox = account.open(&name("x")).unwrap();
        let validity = mailbox.refresh(false).unwrap().snapshot.uid_validity().get();
        assert!(validity > last);
        last = validity;
        account.delete(&name("x")).unwrap();
        assert_eq!(mailbox.refresh(false).unwrap_err().kind, ErrorKind::Deleted);
    }
}

#[test]
fn renaming_the_inbox_moves_its_messages() {
    let site = Site::new();
    let account = site.account();
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    append(&inbox, "a", flags(SystemFlags::SEEN, &["Work"]));
    account.rename(&MailboxName::inbox(), &name("Old"), &[]).unwrap();
    assert_eq!(shown(&inbox), Vec::<String>::new());
    assert_eq!(shown(&account.open(&name("Old")).unwrap()), ["1 S Work"]);
}

#[test]
fn a_missing_maildir_is_made_only_where_that_is_wished() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(StoreSettings {
        utf8_names: true,
        lock_wait_ms_max: 10,
        keywords_max: 10,
        kept_bytes_max: 1 << 20,
        take_over: crate::take_over::Preference::Newer,
        hostname: "h".to_owned(),
        quota_counts_trash: false,
        ..StoreSettings::default()
    });
    let root = directory.path().join("example.com/anna/Maildir");
    assert_eq!(store.account(&root, false).unwrap_err().kind, ErrorKind::NonExistent);
    store.account(&root, true).unwrap();
    assert!(root.join("cur").is_dir() && root.join("new").is_dir() && root.join("tmp").is_dir());
}

#[test]
fn leftovers_in_tmp_are_removed_and_nothing_else() {
    let site = Site::new();
    std::fs::write(site.root().join("tmp/1.fresh"), "").unwrap();
    site.inbox();
    assert_eq!(site.names("tmp"), ["1.fresh"]);
}

#[test]
fn a_lock_that_is_held_for_long_is_said() {
    let site = Site::new();
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    let store = Store::new(StoreSettings {
        utf8_names: true,
        lock_wait_ms_max: 20,
        keywords_max: 10,
        kept_bytes_max: 1 << 20,
        take_over: crate::take_over::Preference::Newer,
        hostname: "h".to_owned(),
        quota_counts_trash: false,
        ..StoreSettings::default()
    });
    let other = store.account(&site.root(), false).unwrap().open(&MailboxName::inbox()).unwrap();
    let _held = crate::lock::Lock::take(&site.root().join("restante-uidlist.lock"), 100).unwrap();
    assert_eq!(other.refresh(false).unwrap_err().kind, ErrorKind::Busy);
}

#[test]
fn a_list_grows_no_longer_than_it_must() {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "a", Flags::default());
    let size = || std::fs::metadata(site.root().join("restante-uidlist")).unwrap().len();
    let mut greatest = 0;
    for round in 0..1200 {
        let change = if round % 2 == 0 {
            FlagChange::Add(flags(SystemFlags::NONE, &["x"]))
        } else {
            FlagChange::Remove(flags(SystemFlags::NONE, &["x"]))
        };
        inbox.store_flags(&uids(&[1]), &change, None).unwrap();
        greatest = size().max(greatest);
    }
    assert!(size() < greatest, "it was checkpointed");
    let modseq = inbox.snapshot().highest_modseq();
    assert!(modseq > ModSeq(1200));
    let again = site.inbox();
    assert_eq!(again.refresh(false).unwrap().snapshot.highest_modseq(), modseq);
    assert_eq!(again.snapshot().uid_validity(), inbox.snapshot().uid_validity());
}
