//! When messages were sent: what their headers said when they were read.

use super::*;
use crate::SentDate;
use mail::date::DateTime;

/// Names of messages, whose size they say wrong.
const NAMES: [&str; 4] = ["1.a,S=8,W=10", "2.a,S=8,W=10", "3.a,S=8,W=10", "4.a,S=8,W=10"];

/// What is found out of each: before 1970, none, after 2038, nothing yet.
const FOUND: [SentDate; 4] = [
    SentDate::At(DateTime { unix: -1_000_000_000, offset_minutes: 330 }),
    SentDate::None,
    SentDate::At(DateTime { unix: 5_000_000_000, offset_minutes: -720 }),
    SentDate::Unknown,
];

/// A mailbox with the four messages, of which that is known.
fn site() -> (Site, Arc<Mailbox>) {
    let site = Site::new();
    for name in NAMES {
        std::fs::write(site.root().join("cur").join(format!("{name}:2,S")), "content\n").unwrap();
    }
    let inbox = refreshed(&site);
    let mut pass = inbox.pass();
    for (found, n) in FOUND.into_iter().zip(1..) {
        match found {
            SentDate::Unknown => continue,
            SentDate::None => pass.keep_sent_date(uid(n), None),
            SentDate::At(date) => pass.keep_sent_date(uid(n), Some(date)),
        }
        assert_eq!(pass.sent_date(uid(n)), found, "in the same pass");
        // That it was counted shows later whether an index was believed.
        pass.counted(uid(n), 100);
    }
    drop(pass);
    (site, inbox)
}

fn refreshed(site: &Site) -> Arc<Mailbox> {
    let inbox = site.inbox();
    inbox.refresh(false).unwrap();
    inbox
}

fn sent_dates(inbox: &Arc<Mailbox>, of: &[u32]) -> Vec<SentDate> {
    let mut pass = inbox.pass();
    of.iter().map(|n| pass.sent_date(uid(*n))).collect()
}

/// Another program writes the list anew.
fn replace_list(site: &Site) {
    let list = site.root().join("restante-uidlist");
    let text = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    std::fs::write(&list, text).unwrap();
}

#[test]
fn sent_dates_are_kept_until_the_index_is_lost() {
    let (site, inbox) = site();
    let all = [1, 2, 3, 4];
    assert_eq!(sent_dates(&inbox, &all), FOUND);
    drop(inbox);
    let inbox = refreshed(&site);
    assert_eq!(sent_dates(&inbox, &all), FOUND, "of the index");
    replace_list(&site);
    inbox.refresh(false).unwrap();
    assert_eq!(sent_dates(&inbox, &all), FOUND, "in memory");
    drop(inbox);
    replace_list(&site);
    let inbox = refreshed(&site);
    assert_eq!(sent_dates(&inbox, &all), FOUND, "of an index of another list");
    drop(inbox);
    std::fs::remove_file(site.root().join("restante-index")).unwrap();
    let inbox = refreshed(&site);
    assert_eq!(sent_dates(&inbox, &all), [SentDate::Unknown; 4]);
    inbox.pass().keep_sent_date(uid(4), None);
    drop(inbox);
    assert_eq!(sent_dates(&refreshed(&site), &[3, 4]), [SentDate::Unknown, SentDate::None], "made again");
}

#[test]
fn sent_dates_stay_with_their_messages() {
    let (site, inbox) = site();
    let deleted = crate::FlagChange::Add(Flags::new(SystemFlags::DELETED, Vec::new()));
    inbox.store_flags(&uids(&[1]), &deleted, None).unwrap();
    inbox.expunge(Some(&uids(&[1]))).unwrap();
    let appended = append(&inbox, "new\n", Flags::default());
    assert_eq!(appended, uid(5));
    let expected = [SentDate::Unknown, FOUND[1], FOUND[2], FOUND[3], SentDate::Unknown];
    assert_eq!(sent_dates(&inbox, &[1, 2, 3, 4, 5]), expected);
    drop(inbox);
    assert_eq!(sent_dates(&refreshed(&site), &[1, 2, 3, 4, 5]), expected);
}

/// Puts `bytes` into the index in place of those in `range`, with a checksum that is right.
fn write_index(site: &Site, range: impl Fn(usize) -> std::ops::Range<usize>, bytes: &[u8]) {
    let path = site.root().join("restante-index");
    let mut index = std::fs::read(&path).unwrap();
    let names: usize = NAMES.iter().map(|name| name.len() + 1).sum();
    let end = index.len() - 4;
    index.splice(range(end - names), bytes.iter().copied());
    let end = index.len() - 4;
    let checksum = crc32fast::hash(&index[..end]).to_le_bytes();
    index[end..].copy_from_slice(&checksum);
    std::fs::write(&path, index).unwrap();
}

#[test]
fn an_index_of_the_version_without_sent_dates_is_read() {
    let (site, inbox) = site();
    drop(inbox);
    write_index(&site, |_| 0..8, b"RSTNIX4\n");
    write_index(&site, |end| end - 8 * NAMES.len()..end, &[]);
    let inbox = refreshed(&site);
    assert_eq!(inbox.pass().known_size(uid(1)), Some(100), "the index is believed");
    assert_eq!(sent_dates(&inbox, &[1, 2, 3, 4]), [SentDate::Unknown; 4]);
}

#[test]
fn security_22_an_index_with_dates_that_cannot_be_is_as_good_as_none() {
    let (site, inbox) = site();
    drop(inbox);
    write_index(&site, |end| end - 8..end, &2_u64.to_le_bytes());
    let inbox = refreshed(&site);
    assert_eq!(inbox.pass().known_size(uid(1)), None, "the index is not believed");
    assert_eq!(sent_dates(&inbox, &[1, 2, 3, 4]), [SentDate::Unknown; 4]);
}
