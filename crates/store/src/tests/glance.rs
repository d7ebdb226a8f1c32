//! Mailboxes that nobody has opened: what their names tell, and many opened at once.

use super::*;
use crate::{ErrorKind, Glance};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

fn named(name: &str) -> MailboxName {
    MailboxName::new(name).unwrap()
}

#[test]
fn a_glance_counts_what_names_tell_and_leaves_nothing() {
    let site = Site::new();
    let account = site.account();
    let root = site.root();
    for (name, file) in [("a", "cur/1.a:2,S"), ("a", "cur/2.a:2,ST"), ("a", "new/3.a"), ("b", "cur/.4")] {
        let _ = account.create(&named(name));
        std::fs::write(root.join(format!(".{name}")).join(file), "Subject: x\n\n").unwrap();
    }
    let glance = Glance { messages: 3, seen: 2, deleted: 1 };
    for (name, expected) in [("a", glance), ("b", Glance::default())] {
        assert_eq!(account.glance(&named(name)).unwrap(), Some(expected));
        assert!(!names(&root.join(format!(".{name}"))).iter().any(|name| name.starts_with("restante-")));
    }
    assert_eq!(account.glance(&named("none")).unwrap_err().kind, ErrorKind::NonExistent);
    let open = account.open(&named("a")).unwrap();
    assert_eq!(account.glance(&named("a")).unwrap(), None, "it is open");
    open.refresh(false).unwrap();
    drop((open, account));
    assert_eq!(site.account().glance(&named("a")).unwrap(), None, "it was open, and has a list");
}

/// The file that has the greatest UIDVALIDITY is written durably each time, so seldom.
#[test]
fn many_mailboxes_are_opened_at_once() {
    let site = Site::new();
    let account = site.account();
    let all: Vec<MailboxName> = (0..300).map(|n| named(&format!("m{n}"))).collect();
    all.iter().for_each(|name| account.create(name).unwrap());
    std::fs::write(site.root().join(".m7/cur/1.a:2,S"), "Subject: x\n\n").unwrap();
    let noted = site.root().join("restante-uidvalidity");
    let (mut written, mut validities) = (BTreeSet::new(), BTreeSet::new());
    for some in all.chunks(10) {
        let opened = account.open_ahead(some);
        assert_eq!(opened.len(), some.len());
        validities.extend(opened.iter().map(|mailbox| mailbox.snapshot().uid_validity()));
        let metadata = std::fs::metadata(&noted).unwrap();
        written.insert((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
        assert!(account.open_ahead(some).is_empty(), "they are open");
    }
    assert_eq!(validities.len(), all.len(), "none is given out twice");
    assert!(written.len() < 12, "written {} times", written.len());
    let greatest: u32 = std::fs::read_to_string(&noted).unwrap().trim().parse().unwrap();
    assert!(validities.iter().all(|validity| validity.get() <= greatest));
    assert_eq!(account.open(&named("m7")).unwrap().refresh(false).unwrap().snapshot.len(), 1);
    // Another process knows none of what was reserved.
    let other = site.account();
    other.create(&named("other")).unwrap();
    let validity = other.open(&named("other")).unwrap().refresh(false).unwrap().snapshot.uid_validity();
    assert!(validity.get() > greatest);
    account.create(&named("late")).unwrap();
    let late = account.open(&named("late")).unwrap().refresh(false).unwrap().snapshot.uid_validity();
    assert!(late > validity, "a mailbox made again has a greater one, whoever made it before");
}
