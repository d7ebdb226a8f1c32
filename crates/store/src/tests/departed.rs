//! What is known of messages that are expunged, for sessions that have not announced it.

use super::*;
use crate::Wake;

const KIND: CacheKind = CacheKind::named(b"TEXT");

fn wake() -> Wake {
    Arc::new(|_| {})
}

/// Size, date and what was kept of a message.
fn known(inbox: &Arc<Mailbox>, of: u32) -> (Option<u64>, Option<i64>, bool) {
    let mut pass = inbox.pass();
    let (size, date) = (pass.size(uid(of)).unwrap(), pass.internal_date(uid(of)).unwrap());
    (size, date, pass.cached(uid(of), KIND) == Some(&b"kept"[..]))
}

/// Three messages whose names tell nothing, of a date; something is kept of the first.
fn mailbox() -> (Site, Arc<Mailbox>) {
    let site = Site::new();
    for n in 1..=3 {
        site.deliver(&format!("{n}.qmail"), "two\nlines\n");
        let file = std::fs::File::options().write(true).open(site.root().join(format!("new/{n}.qmail")));
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.unwrap().set_modified(date).unwrap();
    }
    let inbox = site.inbox();
    inbox.refresh(true).unwrap();
    inbox.pass().keep(uid(1), KIND, b"kept");
    (site, inbox)
}

fn expunge(inbox: &Mailbox, all: &[u32]) {
    let deleted = crate::FlagChange::Add(Flags::new(SystemFlags::DELETED, Vec::new()));
    inbox.store_flags(&uids(all), &deleted, None).unwrap();
    inbox.expunge(Some(&uids(all))).unwrap();
}

#[test]
fn what_an_expunged_message_was_is_known_to_those_who_have_the_mailbox_open() {
    let (site, inbox) = mailbox();
    let target = site.account().create(&name("Archive")).and_then(|()| site.account().open(&name("Archive")));
    let watches = (inbox.watch(wake()), inbox.watch(wake()));
    expunge(&inbox, &[1]);
    inbox.move_to(&uids(&[2]), &target.unwrap()).unwrap();
    assert_eq!(known(&inbox, 1), (Some(12), Some(1_000_000_000), true));
    assert_eq!(known(&inbox, 2), (Some(12), Some(1_000_000_000), false));
    assert!(inbox.open_message(uid(1)).unwrap().is_none(), "its content is gone");
    assert_eq!(shown(&inbox), ["3"]);
    drop(watches);
    expunge(&inbox, &[3]);
    for of in 1..=3 {
        assert_eq!(known(&inbox, of), (None, None, false), "{of}: nobody has it open any more");
    }
}

#[test]
fn what_was_asked_for_is_known_of_a_message_that_another_program_removed() {
    let (site, inbox) = mailbox();
    let _watch = inbox.watch(wake());
    assert_eq!(known(&inbox, 1), (Some(12), Some(1_000_000_000), true));
    for file in site.names("cur") {
        std::fs::remove_file(site.root().join("cur").join(file)).unwrap();
    }
    inbox.refresh(true).unwrap();
    assert_eq!(known(&inbox, 1), (Some(12), Some(1_000_000_000), true));
    assert_eq!(known(&inbox, 2), (None, None, false));
}

#[test]
fn records_of_expunged_messages_end_with_their_cache() {
    let (_site, inbox) = mailbox();
    let _watch = inbox.watch(wake());
    expunge(&inbox, &[1]);
    assert!(known(&inbox, 1).2);
    // So many records that the cache is written anew.
    (0..1_100).for_each(|_| inbox.pass().keep(uid(2), KIND, b"kept"));
    assert!(known(&inbox, 2).2);
    assert!(!known(&inbox, 1).2, "and nothing else is found in its place");
}

#[test]
fn a_pass_that_looked_ahead_looks_again() {
    let (_site, inbox) = mailbox();
    let _watches = (inbox.watch(wake()), inbox.watch(wake()));
    let mut pass = inbox.pass();
    assert_eq!(pass.size(uid(1)).unwrap(), Some(12));
    expunge(&inbox, &[2]);
    assert_eq!(pass.size(uid(2)).unwrap(), None);
    pass.look_again();
    assert_eq!(pass.size(uid(2)).unwrap(), Some(12));
}
