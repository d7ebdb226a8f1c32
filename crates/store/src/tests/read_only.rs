//! Maildirs that may be read and not be written; and messages that may not be read.

use super::*;
use crate::{ErrorKind, FlagChange, Owner};
use std::os::unix::fs::{PermissionsExt, chown};

const UID: u32 = 40_001;

/// Everything below a path, itself included.
fn tree(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if path.is_dir() {
        all.extend(std::fs::read_dir(path).unwrap().flat_map(|entry| tree(&entry.unwrap().path())));
    }
    all
}

/// Lets the user of [`account`] write there, or not. As root the files are made another user's, as
/// root may write anything.
fn set_writable(site: &Site, is_writable: bool) {
    let tempdir = site.directory.path();
    std::fs::set_permissions(tempdir, std::fs::Permissions::from_mode(0o755)).unwrap();
    for path in tree(&site.root()) {
        if crate::owner::can_enter_others() {
            chown(&path, Some(UID), Some(UID)).unwrap();
        }
        let mode = if path.is_dir() { 0o555 } else { 0o444 } | if is_writable { 0o200 } else { 0 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn account(site: &Site) -> Arc<Account> {
    let owner = crate::owner::can_enter_others().then(|| Owner::new(UID, UID, &[]).unwrap());
    store(false).account_of(&site.root(), true, owner).unwrap()
}

#[test]
fn a_mailbox_without_a_list_is_served_from_memory() {
    let site = Site::new();
    std::fs::write(site.root().join("cur/10.a:2,ST"), "ten").unwrap();
    std::fs::write(site.root().join("new/20.a"), "twenty").unwrap();
    std::fs::write(site.root().join("courierimapuiddb"), "1 1234567 21\n7 10.a\n").unwrap();
    set_writable(&site, false);
    let before = tree(&site.root());
    let account = account(&site);
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    let denied = |error: Option<crate::Error>| assert_eq!(error.unwrap().kind, ErrorKind::Denied);
    denied(inbox.refresh(true).err());
    assert_eq!(shown(&inbox), ["7 ST", "21"]);
    let snapshot = inbox.snapshot();
    assert_ne!(snapshot.uid_validity().get(), 1_234_567, "a list could give UID 21 to another message");
    assert_eq!(content(inbox.open_message(uid(21)).unwrap()), "twenty");
    assert_eq!(inbox.size(uid(7)).unwrap(), Some(3));
    // Whoever opens it again sees the same, and that it is read-only.
    let again = account.open(&MailboxName::inbox()).unwrap();
    denied(again.refresh(true).err());
    assert_eq!(again.snapshot().uid_validity(), snapshot.uid_validity());
    denied(inbox.store_flags(&uids(&[7]), &FlagChange::Add(flags(SystemFlags::FLAGGED, &[])), None).err());
    denied(inbox.expunge(None).err());
    denied(inbox.deliver().err());
    denied(account.create(&name("Box")).err());
    assert_eq!(tree(&site.root()), before);
    // Once it can be written, the list that is made is the other server's, and whoever knows
    // other UIDs is told to forget them.
    set_writable(&site, true);
    let opened = account.open(&MailboxName::inbox()).unwrap();
    assert_eq!(inbox.refresh(false).unwrap_err().kind, ErrorKind::Deleted);
    assert_eq!(opened.refresh(true).unwrap().snapshot.uid_validity().get(), 1_234_567);
    assert_eq!(shown(&opened), ["7 ST", "21"]);
    assert!(site.root().join("restante-uidlist").exists());
}

/// UIDs are those of the list as long as it has all messages; nobody is told others beside them.
#[test]
fn a_mailbox_with_a_list_is_served_by_it_as_long_as_it_says_all() {
    let site = Site::new();
    set_writable(&site, true);
    let mailbox = account(&site).open(&MailboxName::inbox()).unwrap();
    append(&mailbox, "one\n", flags(SystemFlags::SEEN, &["Key"]));
    append(&mailbox, "two\n", flags(SystemFlags::NONE, &[]));
    let validity = mailbox.refresh(true).unwrap().snapshot.uid_validity();
    drop(mailbox);
    for index in [true, false] {
        if !index {
            std::fs::remove_file(site.root().join("restante-index")).unwrap();
        }
        set_writable(&site, false);
        let account = account(&site);
        let inbox = account.open(&MailboxName::inbox()).unwrap();
        assert_eq!(inbox.refresh(true).unwrap_err().kind, ErrorKind::Denied);
        assert_eq!(shown(&inbox), ["1 S Key", "2"]);
        assert_eq!(inbox.snapshot().uid_validity(), validity);
        assert_eq!(content(inbox.open_message(uid(2)).unwrap()), "two\n");
        set_writable(&site, true);
        // Delivered by another user, who may.
        site.deliver("99999999999.a", "three");
        set_writable(&site, false);
        assert_eq!(
            inbox.refresh(false).unwrap_err().kind,
            ErrorKind::Denied,
            "it could get another UID later"
        );
        assert_eq!(inbox.snapshot().len(), 2);
        let from_memory = account.open(&MailboxName::inbox()).unwrap();
        assert_eq!(shown(&from_memory).len(), 3);
        assert_ne!(from_memory.snapshot().uid_validity(), validity);
        assert_eq!(shown(&from_memory), shown(&self::account(&site).open(&MailboxName::inbox()).unwrap()));
        set_writable(&site, true);
        let opened = account.open(&MailboxName::inbox()).unwrap();
        assert_eq!(opened.refresh(true).unwrap().snapshot.uid_validity(), validity);
        assert_eq!(shown(&opened).len(), 3);
        assert_eq!(shown(&inbox), shown(&opened));
        assert_eq!(from_memory.refresh(false).unwrap_err().kind, ErrorKind::Deleted);
        let gone = flags(SystemFlags::DELETED, &[]);
        let last = *opened.snapshot().uids().last().unwrap();
        opened.store_flags(&[last].into_iter().collect(), &FlagChange::Add(gone), None).unwrap();
        opened.expunge(None).unwrap();
    }
}

#[test]
fn a_message_that_may_not_be_read_says_so() {
    let site = Site::new();
    for name in ["1.a", "2.a"] {
        std::fs::write(site.root().join("cur").join(format!("{name}:2,")), name).unwrap();
    }
    set_writable(&site, true);
    let path = site.root().join("cur/1.a:2,");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    let inbox = account(&site).open(&MailboxName::inbox()).unwrap();
    assert_eq!(shown(&inbox), ["1", "2"]);
    let error = inbox.open_message(uid(1)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreadable, "{error}");
    assert_eq!(inbox.size(uid(1)).unwrap_err().kind, ErrorKind::Unreadable);
    assert_eq!(content(inbox.open_message(uid(2)).unwrap()), "2.a");
    std::fs::set_permissions(site.root().join("new"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let other = account(&site).open(&MailboxName::inbox()).unwrap();
    assert_eq!(other.refresh(false).unwrap_err().kind, ErrorKind::Unreadable);
}
