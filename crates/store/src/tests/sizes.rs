//! Sizes that names give, and those that messages have.

use super::*;
use crate::file_name::wire_size;

/// A message of 17 bytes, 20 octets when sent.
const MESSAGE: &str = "Subject: 1\n\nbody\n";

/// Names, contents, and RFC822.SIZE before and after the message is read.
const WRONG: &[(&str, &str, u64, u64)] = &[
    ("1.a,S=12,W=15", MESSAGE, 20, 20),
    ("2.a,S=99,W=105", MESSAGE, 20, 20),
    ("3.a,S=17,W=17", MESSAGE, 20, 20),
    ("4.a,S=,W=", MESSAGE, 20, 20),
    ("5.a,S=99999999999999999999,W=-1", MESSAGE, 20, 20),
    ("6.a,W=20,S=17,S=18", MESSAGE, 20, 20),
    ("7.a,S=0", MESSAGE, 20, 20),
    ("8.a,S=0,W=0", MESSAGE, 20, 20),
    ("9.a,S=0,W=0", "", 0, 0),
    // It fits, and only who reads it knows better.
    ("10.a,S=17,W=19", MESSAGE, 19, 20),
    ("11.a,S=32,W=40", "Subject: 8\r\n\r\nCRLF in the file\r\n", 40, 32),
    ("12.a,S=17,W=20", MESSAGE, 20, 20),
];

/// The mailbox with these messages, the UIDs in their order.
fn site() -> (Site, Arc<Mailbox>) {
    let site = Site::new();
    for (name, content, ..) in WRONG {
        std::fs::write(site.root().join("cur").join(format!("{name}:2,S")), content).unwrap();
    }
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    (site, inbox)
}

fn sizes(mailbox: &Arc<Mailbox>) -> Vec<u64> {
    let mut pass = mailbox.pass();
    (1..=WRONG.len() as u32).map(|n| pass.size(uid(n)).unwrap().unwrap()).collect()
}

/// As a FETCH of BODY[] does.
fn read(mailbox: &Arc<Mailbox>) {
    let mut pass = mailbox.pass();
    for n in 1..=WRONG.len() as u32 {
        let octets = pass.open(uid(n)).unwrap().unwrap().count_octets().unwrap();
        pass.counted(uid(n), octets);
        assert_eq!(pass.known_size(uid(n)), Some(octets), "in the same pass");
    }
}

#[test]
fn a_name_that_does_not_fit_its_file_is_not_believed_and_what_was_counted_is_kept() {
    let (site, inbox) = site();
    let (before, after): (Vec<u64>, Vec<u64>) = WRONG.iter().map(|wrong| (wrong.2, wrong.3)).unzip();
    for _ in 0..2 {
        assert_eq!(sizes(&inbox), before);
    }
    read(&inbox);
    for _ in 0..2 {
        assert_eq!(sizes(&inbox), after);
    }
    // Whoever comes next is told the same: from the index, and after another process wrote the
    // list anew.
    drop(inbox);
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    assert_eq!(sizes(&inbox), after);
    let list = site.root().join("restante-uidlist");
    let text = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    std::fs::write(&list, text).unwrap();
    inbox.refresh(false).unwrap();
    assert_eq!(sizes(&inbox), after, "in memory");
    drop(inbox);
    let text = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    std::fs::write(&list, text).unwrap();
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    assert_eq!(sizes(&inbox), after, "of an index of another list");
}

/// An index of the first version may have sizes that names gave and nobody checked; dates in it
/// are as good as any.
#[test]
fn sizes_of_an_index_of_the_first_version_are_found_out_anew() {
    let (site, inbox) = site();
    read(&inbox);
    let date = inbox.pass().internal_date(uid(1)).unwrap();
    drop(inbox);
    let path = site.root().join("restante-index");
    std::fs::write(&path, as_first_version(std::fs::read(&path).unwrap())).unwrap();
    let file = site.root().join("cur").join(format!("{}:2,S", WRONG[0].0));
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1)).unwrap();
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    assert_eq!(inbox.pass().internal_date(uid(1)).unwrap(), date, "the index is believed");
    assert_eq!(sizes(&inbox), WRONG.iter().map(|wrong| wrong.2).collect::<Vec<u64>>());
}

/// What later versions brought is cut out of an index, the last first.
fn as_first_version(mut index: Vec<u8>) -> Vec<u8> {
    let names: usize = WRONG.iter().map(|wrong| wrong.0.len() + 1).sum();
    let sent_dates = index.len() - 4 - names;
    index.drain(sent_dates - 8 * WRONG.len()..sent_dates);
    // No expunges, their floor, no unknown records, no UIDLs.
    let words = [[0; 4].as_slice(), &1_u64.to_le_bytes(), &[0; 8]].concat();
    let floor = memchr::memmem::find(&index, &words).unwrap() + 4;
    index.drain(floor..floor + 12);
    // The directory, behind the head.
    index.drain(112..128);
    index[..8].copy_from_slice(b"RSTNIX1\n");
    let end = index.len() - 4;
    let checksum = crc32fast::hash(&index[..end]).to_le_bytes();
    index[end..].copy_from_slice(&checksum);
    index
}

/// A look at the file tells all that most clients ask for: nothing is opened.
#[test]
fn a_size_that_fits_is_taken_from_the_name() {
    let site = Site::new();
    let inbox = site.inbox();
    let appended = append(&inbox, MESSAGE, Flags::default());
    let mut pass = inbox.pass();
    assert_eq!((pass.known_size(appended), pass.size_unread(appended).unwrap()), (None, Some(20)));
    assert_eq!(pass.known_size(appended), Some(20));
}

/// Copies and moves get names that are right.
#[test]
fn wrong_sizes_do_not_spread() {
    let (site, inbox) = site();
    read(&inbox);
    let account = site.account();
    account.create(&name("a")).unwrap();
    let a = account.open(&name("a")).unwrap();
    let all: UidSet = (1..=WRONG.len() as u32).map(uid).collect();
    inbox.copy(&all, &a).unwrap();
    inbox.move_to(&all, &a).unwrap();
    let all: UidSet = (1..=2 * WRONG.len() as u32).map(uid).collect();
    a.move_to(&all, &a).unwrap();
    for name in site.names(".a/cur") {
        let base = name.split(':').next().unwrap().as_bytes();
        let content = std::fs::read(site.root().join(".a/cur").join(&name)).unwrap();
        let octets = mail::crlf::octets(&content, false);
        if let Some(said) = wire_size(base, content.len() as u64) {
            assert_eq!(said, octets, "{name}");
        }
        let on_disk = crate::file_name::disk_size(base);
        assert!(on_disk.is_none_or(|said| said == content.len() as u64), "{name}");
    }
    assert_eq!(site.names(".a/cur").len(), 2 * WRONG.len());
}
