//! What the index and the watcher's journal spare, and that neither is believed too much.

use super::*;
use crate::FlagChange;
use crate::faults::testing::points_of;
use std::time::{Duration, SystemTime};

/// How many scans an operation makes.
fn scans(operation: impl FnOnce()) -> usize {
    points_of(operation).into_iter().filter(|point| *point == "look: before the lines").count()
}

/// As if nothing had happened for an hour.
fn age(site: &Site) {
    for directory in ["new", "cur"] {
        let directory = std::fs::File::open(site.root().join(directory)).unwrap();
        directory.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
}

/// A mailbox with some messages that was closed, with its index.
fn closed() -> (Site, Vec<String>) {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "one\n", flags(SystemFlags::SEEN, &["Work"]));
    append(&inbox, "two\n", flags(SystemFlags::FLAGGED, &[]));
    append(&inbox, "three\n", Flags::default());
    inbox.refresh(true).unwrap();
    let shown = shown(&inbox);
    age(&site);
    drop(inbox);
    assert!(site.root().join("restante-index").exists());
    (site, shown)
}

#[test]
fn what_we_and_others_change_needs_no_scan() {
    let site = Site::new();
    let inbox = site.inbox();
    for n in 0..20 {
        append(&inbox, &format!("message {n}"), Flags::default());
    }
    inbox.refresh(true).unwrap();
    let scanned = scans(|| {
        let change = FlagChange::Add(flags(SystemFlags::SEEN, &["Work"]));
        inbox.store_flags(&uids(&[1, 2, 3]), &change, None).unwrap();
        append(&inbox, "another", Flags::default());
        site.deliver("1.qmail", "delivered");
        assert_eq!(inbox.refresh(true).unwrap().claimed.len(), 22 - 20);
        let names = site.names("cur");
        let theirs = names.iter().find(|name| name.starts_with("1.qmail")).unwrap();
        std::fs::rename(site.root().join("cur").join(theirs), site.root().join("cur/1.qmail:2,FS")).unwrap();
        assert!(shown(&inbox).contains(&"22 FS".to_owned()));
        std::fs::remove_file(site.root().join("cur/1.qmail:2,FS")).unwrap();
        assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 21);
        inbox.store_flags(&uids(&[4]), &FlagChange::Add(flags(SystemFlags::DELETED, &[])), None).unwrap();
        inbox.expunge(None).unwrap();
        assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 20);
    });
    assert_eq!(scanned, 0);
}

#[test]
fn an_index_spares_reading_and_scanning() {
    let (site, before) = closed();
    let inbox = site.inbox();
    assert_eq!(scans(|| assert_eq!(shown(&inbox), before)), 0);
    assert_eq!(content(inbox.open_message(uid(2)).unwrap()), "two\n");
    // And what happens from then on is seen.
    site.deliver("1.qmail", "delivered");
    assert_eq!(scans(|| assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 4)), 0);
}

#[test]
fn what_happened_while_nobody_looked_is_found() {
    let (site, before) = closed();
    site.deliver("1.qmail", "delivered");
    let inbox = site.inbox();
    assert_eq!(scans(|| assert_eq!(shown(&inbox)[..3], before)), 1);
    assert_eq!(inbox.snapshot().len(), 4);
}

#[test]
fn the_list_counts_and_not_the_index() {
    // Another server went on with the list.
    let (site, _) = closed();
    let index = std::fs::read(site.root().join("restante-index")).unwrap();
    let other = site.inbox();
    let change = FlagChange::Replace(flags(SystemFlags::NONE, &["Later"]));
    other.store_flags(&uids(&[1]), &change, None).unwrap();
    let after = shown(&other);
    drop(other);
    std::fs::write(site.root().join("restante-index"), &index).unwrap();
    assert_eq!(shown(&site.inbox()), after);
    // Another list of the same length is not the index's.
    let list = site.root().join("restante-uidlist");
    let text = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    std::fs::write(&list, &text).unwrap();
    assert_eq!(shown(&site.inbox()), after);
}

#[test]
fn security_22_a_damaged_index_is_as_good_as_none() {
    let (site, before) = closed();
    let path = site.root().join("restante-index");
    let good = std::fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x41;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(shown(&site.inbox()), before, "byte {at}");
    }
    for length in (0..good.len()).step_by(17) {
        std::fs::write(&path, &good[..length]).unwrap();
        assert_eq!(shown(&site.inbox()), before, "{length} bytes");
    }
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(shown(&site.inbox()), before);
}

#[test]
fn security_22_names_in_an_index_are_no_paths() {
    let (site, before) = closed();
    let path = site.root().join("restante-index");
    let mut bytes = std::fs::read(&path).unwrap();
    let name = site.names("cur")[0].split(':').next().unwrap().to_owned();
    let at = memchr::memmem::find(&bytes, name.as_bytes()).unwrap();
    bytes[at..at + 6].copy_from_slice(b"../new");
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(shown(&site.inbox()), before);
}

#[test]
fn who_rests_wakes_to_what_happened() {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "one\n", flags(SystemFlags::SEEN, &["Work"]));
    append(&inbox, "two\n", Flags::default());
    inbox.refresh(true).unwrap();
    let (before, snapshot) = (shown(&inbox), inbox.snapshot());
    let rest = inbox.rest(inbox.snapshot());
    assert_eq!(inbox.bytes(), 0, "the state is given up");
    for claim in [false, true] {
        let looked = inbox.refresh(claim).unwrap().snapshot;
        assert!(Arc::ptr_eq(&looked, &snapshot), "nothing is new");
        assert_eq!(inbox.bytes(), 0, "nothing is loaded for a look");
    }
    assert_eq!(content(inbox.open_message(uid(2)).unwrap()), "two\n");
    assert!(Arc::ptr_eq(inbox.snapshot().uids(), snapshot.uids()));
    drop(rest);
    let rest = inbox.rest(inbox.snapshot());
    site.deliver("1.qmail", "delivered");
    let scanned = scans(|| assert_eq!(inbox.refresh(true).unwrap().claimed.len(), 1));
    assert_eq!((scanned, &shown(&inbox)[..2]), (0, &before[..]));
    drop(rest);
    // Nor is the index needed: list and scan do as well.
    let _rest = inbox.rest(inbox.snapshot());
    std::fs::remove_file(site.root().join("restante-index")).unwrap();
    site.deliver("2.qmail", "delivered");
    assert_eq!(inbox.refresh(false).unwrap().snapshot.len(), 4);
}

#[test]
fn a_cache_outlives_the_process_and_its_replacement() {
    const KIND: CacheKind = CacheKind::named(b"TEXT");
    let (site, _) = closed();
    let kept = |inbox: &Arc<Mailbox>| -> Vec<bool> {
        let mut pass = inbox.pass();
        (1..=3).map(|n| pass.cached(uid(n), KIND) == Some(&b"kept"[..])).collect()
    };
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    let mut pass = inbox.pass();
    pass.keep(uid(1), KIND, b"kept");
    pass.keep(uid(3), KIND, b"kept");
    drop(pass);
    assert_eq!(kept(&inbox), [true, false, true]);
    drop(inbox);
    assert_eq!(kept(&refreshed(&site)), [true, false, true]);
    // Without an index, the cache's records are found by reading it.
    std::fs::remove_file(site.root().join("restante-index")).unwrap();
    assert_eq!(kept(&refreshed(&site)), [true, false, true]);
    std::fs::write(site.root().join("restante-cache"), "nonsense").unwrap();
    let inbox = refreshed(&site);
    assert_eq!(kept(&inbox), [false; 3]);
    inbox.pass().keep(uid(2), KIND, b"kept");
    assert_eq!(kept(&inbox), [false, true, false]);
}

#[test]
fn a_cache_full_of_what_was_replaced_is_written_anew() {
    let (site, _) = closed();
    let inbox = refreshed(&site);
    let size = || std::fs::metadata(site.root().join("restante-cache")).unwrap().len();
    let kind = |n: u32| CacheKind::named(&n.to_le_bytes());
    let mut largest = 0;
    for n in 0..2_500_u32 {
        inbox.pass().keep(uid(1 + n % 3), kind(n), &[b'x'; 100]);
        largest = largest.max(size());
    }
    // A record has some 1,400 bytes; a thousand of them may be of no use.
    assert!(largest < 1_500_000, "{largest} bytes");
    assert_eq!(inbox.pass().cached(uid(1), kind(2_499)), Some(&[b'x'; 100][..]));
    drop(inbox);
    assert_eq!(refreshed(&site).pass().cached(uid(1), kind(2_499)), Some(&[b'x'; 100][..]));
}

fn refreshed(site: &Site) -> Arc<Mailbox> {
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    inbox
}

#[test]
fn modseqs_are_not_given_out_twice_when_the_machine_goes_down() {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "one", Flags::default());
    let list = site.root().join("restante-uidlist");
    let change = FlagChange::Add(flags(SystemFlags::SEEN, &["k"]));
    let told = inbox.store_flags(&uids(&[1]), &change, None).unwrap().snapshot.highest_modseq();
    // The reserve is on the disk; lines behind it are lost, and the boot is another one.
    let text = std::fs::read_to_string(&list).unwrap();
    let boot = boot_of(&text);
    drop(inbox);
    std::fs::remove_file(site.root().join("restante-index")).unwrap();
    let reserve = text.lines().find(|line| line.contains(" M ")).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains(" F ") && *line != reserve).collect();
    let other = reserve.split_once(' ').unwrap().1.replace(&boot, "another-boot");
    let reserve = format!("{:08x} {other}", crc32fast::hash(other.as_bytes()));
    std::fs::write(&list, format!("{}\n{reserve}\n", kept.join("\n"))).unwrap();
    let after = site.inbox().refresh(false).unwrap().snapshot;
    assert!(after.highest_modseq() > told, "{:?} was told", told);
    assert!(after.find(uid(1)).unwrap().modseq() > told, "its file's name says more than the list");
}

fn boot_of(list: &str) -> String {
    let reserve = list.lines().find(|line| line.contains(" M ")).expect("a reserve");
    reserve.rsplit(' ').next().unwrap().to_owned()
}
