//! Messages that Dovecot compressed, in a mailbox.

use super::*;
use crate::{CheckOptions, ErrorKind, FindingKind};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

const TEXT: &str = "Subject: packed\n\nline\nline\nline\nline\nline\nline\nline\nline\nline\nline\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A message that is gzip, one that is bzip2, and one that is neither.
fn site() -> Site {
    let site = Site::new();
    let wire = TEXT.len() + TEXT.matches('\n').count();
    let cur = site.root().join("cur");
    std::fs::write(cur.join(format!("10.a,S={},W={wire}:2,S", TEXT.len())), gzip(TEXT)).unwrap();
    std::fs::write(cur.join("20.b,S=900,W=950:2,"), b"BZh91AY&SY\x00\x01\x02\x03").unwrap();
    std::fs::write(cur.join("30.c:2,"), "Subject: plain\n\nx\n").unwrap();
    site
}

#[test]
fn a_compressed_message_is_what_it_stands_for() {
    let site = site();
    let inbox = site.inbox();
    assert_eq!(shown(&inbox), ["1 S", "2", "3"]);
    assert_eq!(content(inbox.open_message(uid(1)).unwrap()), TEXT);
    assert_eq!(inbox.disk_size(uid(1)).unwrap(), Some(TEXT.len() as u64));
    let error = inbox.open_message(uid(2)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Compressed, "{error}");
    // Without sizes in its name, too.
    std::fs::write(site.root().join("cur/40.d:2,"), gzip(TEXT)).unwrap();
    inbox.refresh(false).unwrap();
    let wire = TEXT.len() + TEXT.matches('\n').count();
    assert_eq!(inbox.size(uid(4)).unwrap(), Some(wire as u64));
    assert_eq!(inbox.disk_size(uid(4)).unwrap(), Some(TEXT.len() as u64));
}

#[test]
fn a_copy_is_not_compressed_and_a_move_takes_the_file_as_it_is() {
    let site = site();
    let account = site.account();
    account.create(&name("Copies")).unwrap();
    account.create(&name("Moved")).unwrap();
    let (inbox, copies) =
        (account.open(&MailboxName::inbox()).unwrap(), account.open(&name("Copies")).unwrap());
    inbox.refresh(false).unwrap();
    let copied = inbox.copy(&uids(&[1, 2, 3]), &copies).unwrap();
    assert_eq!(copied.pairs.len(), 3);
    let files = || {
        let cur = site.root().join(".Copies/cur");
        let mut files: Vec<(String, Vec<u8>)> = names(&cur)
            .into_iter()
            .map(|name| {
                (name.split_once("host").unwrap().1.to_owned(), std::fs::read(cur.join(name)).unwrap())
            })
            .collect();
        files.sort_by_key(|(_, bytes)| bytes.len());
        files
    };
    let all = files();
    let wire = TEXT.len() + TEXT.matches('\n').count();
    assert_eq!(all[2], (format!(",S={},W={wire}:2,S", TEXT.len()), TEXT.into()));
    // As it was, but for the sizes in its name: they cannot be checked.
    assert_eq!(all[0], (":2,".to_owned(), b"BZh91AY&SY\x00\x01\x02\x03".to_vec()));
    assert_eq!(content(copies.open_message(copied.pairs[0].1).unwrap()), TEXT);
    assert_eq!(
        copies.internal_date(copied.pairs[0].1).unwrap(),
        inbox.internal_date(uid(1)).unwrap(),
        "and its date"
    );
    let moved = account.open(&name("Moved")).unwrap();
    let pairs = inbox.move_to(&uids(&[1]), &moved).unwrap().pairs;
    assert_eq!(content(moved.open_message(pairs[0].1).unwrap()), TEXT);
    let path = site.root().join(".Moved/cur").join(&names(&site.root().join(".Moved/cur"))[0]);
    assert_eq!(std::fs::metadata(path).unwrap().size(), gzip(TEXT).len() as u64);
}

#[test]
fn a_message_that_would_be_read_as_another_is_not_stored() {
    let site = Site::new();
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    for (bytes, is_stored) in [
        (gzip(TEXT), false),
        (b"BZh91AY&SY\x00\x01".to_vec(), false),
        (b"\x1f\x8b\x08\x01Subject: text\n\nx\n".to_vec(), true),
    ] {
        // In pieces, as they come from a client.
        let mut delivery = inbox.deliver().unwrap();
        bytes.iter().for_each(|byte| delivery.write(&[*byte]).unwrap());
        let outcome = inbox.append(vec![(delivery, Flags::default(), None)]);
        assert_eq!(
            outcome.as_ref().err().map(|error| error.kind),
            (!is_stored).then_some(ErrorKind::Compressed)
        );
    }
    assert_eq!((shown(&inbox).len(), site.names("tmp").len()), (1, 0));
    let stored = inbox.open_message(uid(1)).unwrap().unwrap().read_all().unwrap();
    assert_eq!(stored, b"\x1f\x8b\x08\x01Subject: text\n\nx\n");
}

#[test]
fn a_check_names_what_cannot_be_read() {
    let site = site();
    let torn = gzip(&TEXT.repeat(20));
    std::fs::write(site.root().join("cur/40.d,S=1,W=1:2,"), &torn[..torn.len() / 2]).unwrap();
    let account = site.account();
    for (is_open, sizes) in [(false, false), (true, false), (true, true)] {
        if is_open {
            account.open(&MailboxName::inbox()).unwrap().refresh(false).unwrap();
        }
        let options = CheckOptions { sizes, ..CheckOptions::default() };
        let report = account.check(&MailboxName::inbox(), options, &mut |_| {}).unwrap();
        let damage: Vec<_> = report.findings.iter().filter(|finding| finding.kind.is_damage()).collect();
        assert_eq!(damage.len(), 1, "{report:?}");
        assert_eq!((damage[0].kind, damage[0].count), (FindingKind::Unreadable, 2), "{report:?}");
        assert!(damage[0].examples.iter().any(|example| example.contains("bzip2 is not read")), "{report:?}");
    }
}
