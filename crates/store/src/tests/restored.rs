//! What a mailbox knows after its state was given up, or came from an index that another wrote.

use super::*;
use crate::FlagChange;

#[test]
fn keywords_stay_with_their_messages() {
    let site = Site::new();
    let a = site.inbox();
    append(&a, "one\n", flags(SystemFlags::NONE, &["Work"]));
    append(&a, "two\n", flags(SystemFlags::NONE, &["Later"]));
    append(&a, "three\n", Flags::default());
    let set = |n: u32, k: &[&str]| {
        a.store_flags(&uids(&[n]), &FlagChange::Replace(flags(SystemFlags::NONE, k)), None).unwrap();
    };
    set(1, &["Later"]);
    set(2, &["Work"]);
    for _ in 0..600 {
        a.store_flags(&uids(&[3]), &FlagChange::Add(flags(SystemFlags::SEEN, &[])), None).unwrap();
        a.store_flags(&uids(&[3]), &FlagChange::Remove(flags(SystemFlags::SEEN, &[])), None).unwrap();
    }
    let before = shown(&a);
    let b = site.inbox();
    assert_eq!(shown(&b), before);
    let _rest = a.rest(a.snapshot());
    assert_eq!(a.bytes(), 0);
    b.pass().keep(uid(1), CacheKind::named(b"X"), b"x");
    drop(b);
    append(&a, "four\n", Flags::default());
    assert_eq!(shown(&a)[..3], before);
}

#[test]
fn a_list_removed_under_one_that_rests() {
    let site = Site::new();
    let a = site.inbox();
    append(&a, "one\n", flags(SystemFlags::SEEN, &["Work"]));
    append(&a, "two\n", Flags::default());
    a.store_flags(&uids(&[1]), &FlagChange::Add(flags(SystemFlags::DELETED, &[])), None).unwrap();
    a.expunge(None).unwrap();
    let before = a.snapshot();
    let _rest = a.rest(a.snapshot());
    std::fs::remove_file(site.root().join("restante-uidlist")).unwrap();
    match a.refresh(false) {
        Err(error) => assert_eq!(error.kind, crate::ErrorKind::Deleted),
        Ok(after) => {
            assert_eq!(after.snapshot.uid_validity(), before.uid_validity());
            assert_eq!(after.snapshot.uids(), before.uids());
        }
    }
}

#[test]
fn modseqs_with_an_index() {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "one", Flags::default());
    let add = |k: &str| FlagChange::Add(flags(SystemFlags::NONE, &[k]));
    inbox.store_flags(&uids(&[1]), &add("a"), None).unwrap();
    drop(inbox);
    let (list, index) = (site.root().join("restante-uidlist"), site.root().join("restante-index"));
    let (old_list, mut old_index) = (std::fs::read_to_string(&list).unwrap(), std::fs::read(&index).unwrap());
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    let told = inbox.store_flags(&uids(&[1]), &add("b"), None).unwrap().snapshot.highest_modseq();
    drop(inbox);
    // The machine went down: what was not synced is lost; and is up again.
    let boot = old_list.lines().find(|l| l.contains(" M ")).unwrap().rsplit(' ').next().unwrap().to_owned();
    let other = "x".repeat(boot.len());
    let mut text = String::new();
    for line in old_list.lines() {
        let of = line[9..].replace(&boot, &other);
        text.push_str(&format!("{:08x} {of}\n", crc32fast::hash(of.as_bytes())));
    }
    assert_eq!(text.len(), old_list.len());
    std::fs::write(&list, &text).unwrap();
    let at = memchr::memmem::find(&old_index, boot.as_bytes()).unwrap();
    old_index[at..at + boot.len()].copy_from_slice(other.as_bytes());
    let sum = u64::from(crc32fast::hash(&text.as_bytes()[text.len().saturating_sub(4096)..]));
    old_index[56..64].copy_from_slice(&sum.to_le_bytes());
    let end = old_index.len() - 4;
    let crc = crc32fast::hash(&old_index[..end]).to_le_bytes();
    old_index[end..].copy_from_slice(&crc);
    std::fs::write(&index, &old_index).unwrap();
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    let now = inbox.store_flags(&uids(&[1]), &add("c"), None).unwrap().snapshot.highest_modseq();
    assert!(now > told, "{now:?} after {told:?} was told");
}
