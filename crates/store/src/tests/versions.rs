//! Files of other versions: a later one is left alone, and records that this version does not know
//! survive all that it does.
//!
//! Invariant S5 of crates/store/README.md.

use super::*;
use crate::CheckOptions;
use crate::Error;
use crate::ErrorKind;
use crate::FindingKind;
use crate::FlagChange;
use crate::Result;
use crate::take_over::Origin;
use crate::uid_list::framed;
use std::fs;

/// Records of a later program.
const FUTURE: [&str; 3] = ["Q 7 of a later program", "ZZ", "Y 1 2  3 "];

fn framed_line(text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    framed(&mut line, |out| out.extend_from_slice(text.as_bytes()));
    line
}

fn add_lines(path: &Path, texts: &[&str]) {
    let mut bytes = fs::read(path).unwrap();
    texts.iter().for_each(|text| bytes.extend_from_slice(&framed_line(text)));
    fs::write(path, bytes).unwrap();
}

fn list(site: &Site) -> PathBuf {
    site.root().join(".a/restante-uidlist")
}

/// A mailbox `a` with four messages, and `b` with one. Nothing of them is open.
fn site() -> Site {
    let site = Site::new();
    let account = site.account();
    for (mailbox, messages) in [("a", 4), ("b", 1)] {
        account.create(&name(mailbox)).unwrap();
        let mailbox = account.open(&name(mailbox)).unwrap();
        for n in 0..messages {
            append(&mailbox, &format!("message {n}\n"), flags(SystemFlags::NONE, &["k"]));
        }
    }
    site
}

type Operation = fn(&Arc<Account>) -> Result<()>;

fn open(account: &Arc<Account>, mailbox: &str) -> Arc<Mailbox> {
    account.open(&name(mailbox)).unwrap()
}

fn deliver(mailbox: &Arc<Mailbox>) -> Result<()> {
    let mut delivery = mailbox.deliver()?;
    delivery.write(b"new\r\n")?;
    mailbox.append(vec![(delivery, Flags::default(), None)]).map(drop)
}

fn check(account: &Arc<Account>, repair: bool) -> Result<()> {
    account.check(&name("a"), CheckOptions { repair, sizes: true }, &mut |_| {}).map(drop)
}

const OPERATIONS: [(&str, Operation); 16] = [
    ("EXAMINE", |account| open(account, "a").refresh(false).map(drop)),
    ("SELECT", |account| open(account, "a").refresh(true).map(drop)),
    ("STORE", |account| {
        let change = FlagChange::Add(flags(SystemFlags::DELETED, &["new"]));
        open(account, "a").store_flags(&uids(&[1, 2]), &change, None).map(drop)
    }),
    ("EXPUNGE", |account| open(account, "a").expunge(None).map(drop)),
    ("APPEND", |account| deliver(&open(account, "a"))),
    ("COPY from", |account| open(account, "a").copy(&uids(&[3]), &open(account, "b")).map(drop)),
    ("COPY to", |account| open(account, "b").copy(&uids(&[1]), &open(account, "a")).map(drop)),
    ("MOVE from", |account| open(account, "a").move_to(&uids(&[3]), &open(account, "b")).map(drop)),
    ("MOVE to", |account| open(account, "b").move_to(&uids(&[1]), &open(account, "a")).map(drop)),
    ("MOVE within", |account| open(account, "a").move_to(&uids(&[4]), &open(account, "a")).map(drop)),
    ("IDLE", |account| {
        let a = open(account, "a");
        let looked = a.refresh(false);
        drop(a.rest(a.snapshot()));
        looked.map(drop)
    }),
    ("reading", |account| open(account, "a").open_message(uid(4)).map(drop)),
    ("check", |account| check(account, false)),
    ("repair", |account| check(account, true)),
    ("survey", |account| account.survey(&name("a")).map(drop)),
    ("expunged", |account| open(account, "a").expunged_since(mail::ModSeq(1)).map(drop)),
];

/// Byte for byte, with and without an index, whether it was open before or not.
#[test]
fn a_later_list_is_refused_and_left_alone() {
    for is_indexed in [true, false] {
        let site = site();
        // It knew the mailbox before the later program came.
        let knowing = site.account();
        let known = open(&knowing, "a");
        known.refresh(false).unwrap();
        if !is_indexed {
            drop(fs::remove_file(site.root().join(".a/restante-index")));
        }
        let mut later = framed_line("V 3 17000000000 with more");
        FUTURE.iter().for_each(|text| later.extend_from_slice(&framed_line(text)));
        let beside = list(&site).with_extension("new");
        fs::write(&beside, &later).unwrap();
        fs::rename(&beside, list(&site)).unwrap();
        let names_before = names(&site.root().join(".a/cur"));
        for account in [&knowing, &site.account()] {
            for (what, operation) in OPERATIONS {
                let error = operation(account).expect_err(what);
                assert_eq!(error.kind, ErrorKind::Newer, "{what}: {error}");
                let text = error.to_string();
                assert!(text.contains("version 3") && text.contains("up to 1"), "{what}: {text}");
                assert_eq!(fs::read(list(&site)).unwrap(), later, "{what}");
            }
        }
        assert_eq!(names(&site.root().join(".a/cur")), names_before, "nor are messages touched");
        let account = site.account();
        assert_eq!(account.hand_over(&name("a"), Origin::Dovecot, false).unwrap_err().kind, ErrorKind::Newer);
        account.rename(&name("a"), &name("c"), &[]).unwrap();
        let moved = site.root().join(".c/restante-uidlist");
        assert_eq!(fs::read(&moved).unwrap(), later, "it goes with its mailbox");
        // What a user deletes is deleted, whoever wrote the list.
        account.delete(&name("c")).unwrap();
        assert!(!moved.exists());
    }
}

/// The error of a list that another program replaced, while the mailbox is in memory and at rest.
#[test]
fn a_list_that_becomes_a_later_one_ends_what_is_open() {
    let site = site();
    let account = site.account();
    let a = open(&account, "a");
    a.refresh(false).unwrap();
    add_lines(&list(&site), &["V 2 1700000000"]);
    let before = fs::read(list(&site)).unwrap();
    for _ in 0..2 {
        let newer = |error: Error| assert_eq!(error.kind, ErrorKind::Newer);
        newer(a.refresh(false).unwrap_err());
        newer(deliver(&a).unwrap_err());
    }
    assert_eq!(fs::read(list(&site)).unwrap(), before);
}

fn assert_kept(site: &Site, what: &str) {
    let path = [list(site), site.root().join(".c/restante-uidlist")].into_iter().find(|path| path.exists());
    let bytes = fs::read(path.unwrap()).unwrap();
    for text in FUTURE {
        let count = memchr::memmem::find_iter(&bytes, &framed_line(text)).count();
        assert_eq!(count, 1, "{what}: {text}");
    }
}

#[test]
fn unknown_records_survive_everything() {
    let site = site();
    add_lines(&list(&site), &FUTURE);
    for (what, operation) in OPERATIONS {
        operation(&site.account()).unwrap();
        assert_kept(&site, what);
    }
    let account = site.account();
    let checkpoints = |account: &Arc<Account>| {
        let a = open(account, "a");
        let length = || fs::metadata(list(&site)).unwrap().len();
        let mut before = length();
        for n in 0..3_000 {
            let seen = flags(SystemFlags::SEEN, &[]);
            let change = if n % 2 == 0 { FlagChange::Add(seen) } else { FlagChange::Remove(seen) };
            a.store_flags(
                &a.refresh(false).unwrap().snapshot.uids()[..1].iter().copied().collect(),
                &change,
                None,
            )
            .unwrap();
            if length() < before {
                return;
            }
            before = length();
        }
        panic!("no checkpoint");
    };
    checkpoints(&account);
    assert_kept(&site, "a checkpoint");
    // From the index, without the list's lines.
    drop(account);
    checkpoints(&site.account());
    assert_kept(&site, "a checkpoint of what the index had");
    let account = site.account();
    let a = open(&account, "a");
    a.refresh(false).unwrap();
    fs::remove_file(list(&site)).unwrap();
    a.refresh(false).unwrap();
    assert_kept(&site, "a list that was removed");
    drop((a, account));
    let mut bytes = fs::read(list(&site)).unwrap();
    bytes[3] ^= 1;
    fs::write(list(&site), &bytes).unwrap();
    check(&site.account(), true).unwrap();
    assert_kept(&site, "a repair of damage");
    let mut bytes = fs::read(list(&site)).unwrap();
    bytes.extend_from_slice(b"torn");
    fs::write(list(&site), &bytes).unwrap();
    open(&site.account(), "a").refresh(false).unwrap();
    assert_kept(&site, "a look that repairs");
    site.account().rename(&name("a"), &name("c"), &[]).unwrap();
    assert_kept(&site, "RENAME");
}

#[test]
fn later_indexes_and_caches_are_left_alone_and_not_used() {
    const KIND: CacheKind = CacheKind::named(b"TEXT");
    let site = site();
    let path = |name: &str| site.root().join(".a").join(name);
    let later: [(PathBuf, &[u8]); 2] = [
        (path("restante-index"), b"RSTNIX7\nof a later program"),
        (path("restante-cache"), b"RSTNCA7\nof a later program"),
    ];
    for (path, bytes) in &later {
        fs::write(path, bytes).unwrap();
    }
    for appended in 0..2 {
        let account = site.account();
        let a = open(&account, "a");
        assert_eq!(a.refresh(true).unwrap().snapshot.len(), 4 + appended);
        deliver(&a).unwrap();
        a.expunge(None).unwrap();
        let mut pass = a.pass();
        pass.keep(uid(1), KIND, b"text");
        drop(pass);
        drop(a.rest(a.snapshot()));
        a.store_flags(&uids(&[1]), &FlagChange::Add(flags(SystemFlags::DELETED, &[])), None).unwrap();
        drop((a, account));
        for repair in [false, true] {
            let options = CheckOptions { repair, sizes: true };
            let report = site.account().check(&name("a"), options, &mut |_| {}).unwrap();
            let newer = report.findings.iter().find(|finding| finding.kind == FindingKind::FileNewer);
            assert!(report.is_sound() && newer.is_some_and(|finding| finding.count == 2), "{report:?}");
        }
        for (path, bytes) in &later {
            assert_eq!(&fs::read(path).unwrap(), bytes, "{}", path.display());
        }
    }
}

#[test]
fn lines_behind_the_greatest_uid_validity_stay() {
    let site = site();
    let path = site.root().join("restante-uidvalidity");
    let text = fs::read_to_string(&path).unwrap();
    let greatest: u32 = text.trim().parse().unwrap();
    fs::write(&path, format!("{text}of a later program\n")).unwrap();
    let account = site.account();
    for n in 0..5 {
        account.create(&name(&format!("new{n}"))).unwrap();
        let validity = open(&account, &format!("new{n}")).refresh(false).unwrap().snapshot.uid_validity();
        assert!(validity.get() > greatest);
    }
    let text = fs::read_to_string(&path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.parse::<u32>().unwrap() > greatest);
    assert_eq!(rest, "of a later program\n");
}

#[test]
fn unknown_records_of_the_witness_survive() {
    let site = site();
    let path = site.root().join("restante-witness");
    add_lines(&path, &FUTURE);
    let account = site.account();
    // Each is noted, until the file is written anew.
    for n in 0..700 {
        account
            .rename(&name(if n % 2 == 0 { "a" } else { "c" }), &name(if n % 2 == 0 { "c" } else { "a" }), &[])
            .unwrap();
    }
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 60_000, "{} bytes", bytes.len());
    for text in FUTURE {
        assert_eq!(memchr::memmem::find_iter(&bytes, &framed_line(text)).count(), 1, "{text}");
    }
}
