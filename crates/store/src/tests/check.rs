//! Damage of each kind, made by hand: a check finds it and changes nothing, a repair ends it and
//! keeps UIDs, flags and keywords.

use super::*;
use crate::uid_list::{self, Line};
use crate::{CheckOptions, CheckReport, FindingKind};
use mail::{ModSeq, UidValidity};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

const KIND: CacheKind = CacheKind::named(b"ENVELOPE");

/// A mailbox with five messages and all that goes with it, closed an hour ago; and what it
/// shows.
fn closed() -> (Site, Vec<String>) {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "one\n", flags(SystemFlags::SEEN, &["Work"]));
    append(&inbox, "two\n", flags(SystemFlags::FLAGGED, &[]));
    append(&inbox, "three\n", flags(SystemFlags::NONE, &["Later", "Work"]));
    append(&inbox, "four\n", Flags::default());
    append(&inbox, "five\n", flags(SystemFlags::ANSWERED, &["Work"]));
    inbox.refresh(true).unwrap();
    let change = crate::FlagChange::Add(flags(SystemFlags::SEEN, &["Done"]));
    inbox.store_flags(&uids(&[4]), &change, None).unwrap();
    let mut pass = inbox.pass();
    for n in 1..=5 {
        pass.internal_date(uid(n)).unwrap();
        pass.size(uid(n)).unwrap();
        pass.keep(uid(n), KIND, format!("(envelope of {n})").as_bytes());
    }
    drop(pass);
    age(&site);
    let shown = shown(&inbox);
    drop(inbox);
    (site, shown)
}

/// As if nothing had happened for an hour.
fn age(site: &Site) {
    for directory in ["new", "cur"] {
        let directory = std::fs::File::open(site.root().join(directory)).unwrap();
        directory.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
}

fn check(site: &Site, repair: bool, sizes: bool) -> CheckReport {
    // Another store: what the command would have.
    let account = store(false).account(&site.root(), false).unwrap();
    account.check(&MailboxName::inbox(), CheckOptions { repair, sizes }, &mut |_| {}).unwrap()
}

fn kinds(report: &CheckReport) -> Vec<FindingKind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

/// All that can be seen of a tree: contents, modes, times, inodes.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let about = (metadata.ino(), metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content);
        all.insert(path, about);
    }
    all
}

fn list_path(site: &Site) -> PathBuf {
    site.root().join("restante-uidlist")
}

/// The list's lines, with line ends.
fn lines(site: &Site) -> Vec<String> {
    let text = std::fs::read_to_string(list_path(site)).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn position(lines: &[String], start: &str) -> usize {
    let found = lines.iter().position(|line| line[9..].starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {lines:?}"))
}

fn set_lines(site: &Site, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines = lines(site);
    change(&mut lines);
    std::fs::write(list_path(site), lines.concat()).unwrap();
}

fn line(line: &Line<'_>) -> String {
    let mut bytes = Vec::new();
    uid_list::write(&mut bytes, line);
    String::from_utf8(bytes).unwrap()
}

/// Damages the line of a message, whose length stays.
fn damage_line(site: &Site, start: &str) {
    set_lines(site, |lines| {
        let at = position(lines, start);
        lines[at].replace_range(10..11, "#");
    });
}

fn remove(site: &Site, name: &str) {
    let path = site.root().join(name);
    if path.is_dir() { std::fs::remove_dir(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
}

fn flip(site: &Site, name: &str, at_from_end: usize) {
    let path = site.root().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - at_from_end;
    bytes[at] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
}

/// Changes a byte of a column in the index, checksum and all: what a mistake of ours would do.
/// The columns begin with the UIDs 1 to 5.
fn forge_index(site: &Site, behind_uids: usize, value: u8) {
    let path = site.root().join("restante-index");
    let mut bytes = std::fs::read(&path).unwrap();
    let uids: Vec<u8> = (1..=5_u32).flat_map(u32::to_le_bytes).collect();
    let at = memchr::memmem::rfind(&bytes, &uids).expect("the column of UIDs") + uids.len() + behind_uids;
    let end = bytes.len() - 4;
    bytes[at] ^= value;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    std::fs::write(&path, bytes).unwrap();
}

fn mode(site: &Site, name: &str, mode: u32) {
    std::fs::set_permissions(site.root().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The file of a message in `cur/`.
fn file_of(site: &Site, nth: usize) -> PathBuf {
    let text = lines(site);
    let line = &text[position(&text, &format!("U {nth} "))];
    let base = line.trim_end().rsplit(' ').next().unwrap().to_owned();
    let names = site.names("cur");
    site.root().join("cur").join(names.iter().find(|name| name.starts_with(&base)).unwrap())
}

#[test]
fn what_is_sound_is_sound() {
    let (site, before) = closed();
    let report = check(&site, false, true);
    assert_eq!((report.findings, report.messages), (Vec::new(), 5));
    assert_eq!(shown(&site.inbox()), before);
    // Also while it is open, with lines behind the index.
    let inbox = site.inbox();
    append(&inbox, "six\n", flags(SystemFlags::NONE, &["New"]));
    inbox.store_flags(&uids(&[1]), &crate::FlagChange::Remove(flags(SystemFlags::SEEN, &[])), None).unwrap();
    assert_eq!(kinds(&check(&site, false, true)), []);
}

type Damage = (FindingKind, &'static str, fn(&Site));

/// Each ends with a mailbox that shows what it showed before.
const DAMAGES: &[Damage] = &[
    (FindingKind::LineDamaged, "the line of a message", |site| damage_line(site, "U 2 ")),
    (FindingKind::LineDamaged, "the line of flags", |site| damage_line(site, "F 4 ")),
    (FindingKind::LineDamaged, "the last message", |site| damage_line(site, "U 5 ")),
    (FindingKind::KeywordUndefined, "a keyword's definition", |site| {
        set_lines(site, |lines| drop(lines.remove(position(lines, "K 0 "))));
    }),
    (FindingKind::UidValidityLost, "the first line", |site| {
        set_lines(site, |lines| drop(lines.remove(0)));
    }),
    (FindingKind::LineTorn, "a torn line", |site| set_lines(site, |lines| lines.push("1f2e".to_owned()))),
    (FindingKind::ListBehind, "a lost end", |site| {
        set_lines(site, |lines| lines.truncate(position(lines, "U 4 ")));
    }),
    (FindingKind::ListBehind, "a lost end behind a checkpoint", |site| {
        damage_line(site, "U 1 ");
        check(site, true, false);
        set_lines(site, |lines| {
            let (fourth, last) = (position(lines, "U 4 "), position(lines, "U 5 "));
            lines.drain(fourth..=last);
        });
    }),
    (FindingKind::LineContradictory, "lines in another order, and no index", |site| {
        remove(site, "restante-index");
        set_lines(site, |lines| {
            let (second, third) = (position(lines, "U 2 "), position(lines, "U 3 "));
            lines.swap(second, third);
        });
    }),
    (FindingKind::LineContradictory, "a second line for a file", |site| {
        set_lines(site, |lines| {
            let first = lines[position(lines, "U 1 ")].trim_end().to_owned();
            let base = first.rsplit(' ').next().unwrap().to_owned();
            let (uid, modseq, flags) = (uid(9), ModSeq(90), SystemFlags::NONE);
            let base = base.as_bytes().into();
            lines.push(line(&Line::Message { uid, modseq, flags, keywords: Vec::new(), base }));
        });
    }),
    (FindingKind::UidNextLow, "an expunge of a UID that is still to come", |site| {
        set_lines(site, |lines| lines.push(line(&Line::Expunged(uid(50), ModSeq(60)))));
    }),
    (FindingKind::IndexDamaged, "a byte of the index", |site| flip(site, "restante-index", 40)),
    (FindingKind::IndexDamaged, "an empty index", |site| {
        std::fs::write(site.root().join("restante-index"), "").unwrap();
    }),
    (FindingKind::IndexWrong, "a MODSEQ in the index", |site| forge_index(site, 8, 1)),
    (FindingKind::IndexWrong, "flags in the index", |site| forge_index(site, 5 * 8 + 2, 1)),
    (FindingKind::IndexWrong, "a keyword set in the index", |site| forge_index(site, 5 * 9 + 4, 1)),
    (FindingKind::IndexWrong, "a date in the index", |site| forge_index(site, 5 * 21, 1)),
    (FindingKind::IndexWrong, "where a file lies, under the old time of change", |site| {
        let path = file_of(site, 3);
        let other = format!("{}a", path.display());
        std::fs::rename(&path, other).unwrap();
        let index = std::fs::read(site.root().join("restante-index")).unwrap();
        let stamp = u64::from_le_bytes(index[88..96].try_into().unwrap());
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(stamp);
        std::fs::File::open(site.root().join("cur")).unwrap().set_modified(time).unwrap();
    }),
    (FindingKind::CacheDamaged, "a byte of a record", |site| flip(site, "restante-cache", 70)),
    (FindingKind::CacheDamaged, "the cache's header", |site| {
        std::fs::write(site.root().join("restante-cache"), "no cache at all").unwrap();
    }),
    (FindingKind::CacheDamaged, "the cache's last record", |site| {
        let path = site.root().join("restante-cache");
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 8).unwrap();
    }),
    (FindingKind::DirectoryMissing, "new", |site| remove(site, "new")),
    (FindingKind::DirectoryMissing, "tmp", |site| remove(site, "tmp")),
    (FindingKind::OwnFile, "a list that all may write", |site| mode(site, "restante-uidlist", 0o666)),
    (FindingKind::OwnFile, "a list that nobody may write", |site| mode(site, "restante-uidlist", 0o400)),
    (FindingKind::OwnFile, "a lock that nobody may lock", |site| mode(site, "restante-uidlist.lock", 0o400)),
    (FindingKind::OwnFile, "a link for an index", |site| {
        remove(site, "restante-index");
        std::os::unix::fs::symlink("/etc/passwd", site.root().join("restante-index")).unwrap();
    }),
    (FindingKind::UidValidityNotNoted, "an older UIDVALIDITY", |site| {
        std::fs::write(site.root().join("restante-uidvalidity"), "7\n").unwrap();
    }),
    (FindingKind::UidValidityNotNoted, "no UIDVALIDITY", |site| remove(site, "restante-uidvalidity")),
    (FindingKind::SpecialUseDamaged, "a special use of nothing", |site| {
        std::fs::write(site.root().join("restante-specialuse"), "V 1\n\\Trash\t\n").unwrap();
    }),
    (FindingKind::SpecialUseDamaged, "a file of special uses that is too large", |site| {
        std::fs::write(site.root().join("restante-specialuse"), "x".repeat(2 << 20)).unwrap();
    }),
    (FindingKind::OwnFile, "special uses that all may write", |site| {
        std::fs::write(site.root().join("restante-specialuse"), "V 1\n").unwrap();
        mode(site, "restante-specialuse", 0o666);
    }),
];

#[test]
fn special_uses_of_a_later_version_are_no_damage_and_left_alone() {
    let (site, _) = closed();
    let path = site.root().join("restante-specialuse");
    std::fs::write(&path, "V 2\nwhatever\n").unwrap();
    let report = check(&site, true, false);
    assert!(report.is_sound() && kinds(&report) == [FindingKind::SpecialUseLater], "{report:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "V 2\nwhatever\n");
}

#[test]
fn damage_is_found_and_repaired_and_a_check_changes_nothing() {
    for (kind, what, damage) in DAMAGES {
        let (site, before) = closed();
        let validity = uid_validity(&site);
        damage(&site);
        let tree_before = tree(&site.root());
        let report = check(&site, false, false);
        assert!(tree(&site.root()) == tree_before, "{what}: a check changes nothing");
        assert!(kinds(&report).contains(kind) && !report.is_sound(), "{what}: {report:?}");
        let repaired = check(&site, true, false);
        let names: Vec<FindingKind> = repaired.repaired.iter().map(|finding| finding.kind).collect();
        assert!(repaired.is_sound() && names.contains(kind), "{what}: {repaired:?}");
        let after = check(&site, false, true);
        assert!(after.is_sound() && after.messages == 5, "{what}: {after:?}");
        assert_eq!(shown(&site.inbox()), before, "{what}");
        assert_eq!(uid_validity(&site), validity, "{what}");
        assert_eq!(kinds(&check(&site, false, true)), [], "{what}: once it was looked at");
    }
}

fn uid_validity(site: &Site) -> Option<UidValidity> {
    uid_list::parse(&std::fs::read(list_path(site)).unwrap()).lines.iter().find_map(|line| match line {
        Line::Validity(validity) => Some(*validity),
        _ => None,
    })
}

#[test]
fn a_repair_works_under_a_mailbox_that_is_open() {
    for (_, what, damage) in DAMAGES {
        let (site, _) = closed();
        // A keyword whose line is gone is known to the open mailbox, which made it.
        let inbox = site.inbox();
        let change = crate::FlagChange::Add(flags(SystemFlags::DRAFT, &[]));
        inbox.store_flags(&uids(&[2]), &change, None).unwrap();
        let before = shown(&inbox);
        if std::panic::catch_unwind(|| damage(&site)).is_err() {
            panic!("{what}: cannot be done");
        }
        assert!(check(&site, true, false).is_sound(), "{what}");
        assert_eq!(shown(&inbox), before, "{what}");
        append(&inbox, "another\n", Flags::default());
        assert_eq!(shown(&inbox), shown(&site.inbox()), "{what}");
        assert!(check(&site, false, true).is_sound(), "{what}");
    }
}

#[test]
fn without_an_index_what_is_sound_is_kept_and_no_uid_comes_again() {
    let (site, before) = closed();
    remove(&site, "restante-index");
    damage_line(&site, "U 5 ");
    assert!(check(&site, true, false).is_sound());
    let after = shown(&site.inbox());
    assert_eq!(after[..4], before[..4]);
    let last: u32 = after[4].split(' ').next().unwrap().parse().unwrap();
    assert!(last > 5, "the message whose UID is lost gets a new one: {after:?}");
}

#[test]
fn expunged_messages_do_not_come_back_from_the_index() {
    let (site, before) = closed();
    let index = std::fs::read(site.root().join("restante-index")).unwrap();
    let kept = std::fs::read(file_of(&site, 2)).unwrap();
    let name = file_of(&site, 2);
    let inbox = site.inbox();
    inbox.store_flags(&uids(&[2]), &crate::FlagChange::Add(flags(SystemFlags::DELETED, &[])), None).unwrap();
    inbox.expunge(None).unwrap();
    drop(inbox);
    // The old index, the file from a backup, and a reason to ask the index.
    std::fs::write(site.root().join("restante-index"), index).unwrap();
    std::fs::write(&name, kept).unwrap();
    damage_line(&site, "U 3 ");
    assert!(check(&site, true, false).is_sound());
    let after = shown(&site.inbox());
    assert_eq!(after[1], before[2], "the damaged line comes from the index: {after:?}");
    assert!(!after.iter().any(|row| row.starts_with("2 ")), "{after:?}");
    assert_eq!(after.len(), 5, "the file from the backup is new mail: {after:?}");
}

#[test]
fn news_and_what_is_no_mail_are_no_damage() {
    let (site, _) = closed();
    site.deliver("1.qmail", "delivered\n");
    std::fs::remove_file(file_of(&site, 1)).unwrap();
    let second = file_of(&site, 2);
    std::fs::rename(&second, second.display().to_string().replace(":2,F", ":2,FT")).unwrap();
    std::fs::write(site.root().join("cur/.hidden"), "").unwrap();
    std::fs::create_dir(site.root().join("cur/directory")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", site.root().join("new/link")).unwrap();
    let fifo = site.root().join("new/fifo");
    rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let before = tree(&site.root());
    let report = check(&site, false, true);
    let found: Vec<(FindingKind, u64)> =
        report.findings.iter().map(|finding| (finding.kind, finding.count)).collect();
    assert_eq!(
        found,
        [
            (FindingKind::FileNew, 1),
            (FindingKind::FileGone, 1),
            (FindingKind::FlagsNew, 1),
            (FindingKind::EntryIgnored, 4),
        ]
    );
    assert!(report.is_sound());
    assert!(check(&site, true, false).repaired.is_empty());
    assert!(tree(&site.root()) == before, "a repair takes in no news either");
    let shown = shown(&site.inbox());
    assert_eq!(shown, ["2 FT", "3 Later Work", "4 S Done", "5 R Work", "6"]);
}

#[test]
fn sizes_in_names_are_compared_when_asked_for() {
    let (site, _) = closed();
    let path = file_of(&site, 2);
    std::fs::write(&path, "two\nand more\n").unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    // What was believed when the name still fitted its file.
    assert_eq!(kinds(&check(&site, false, false)), [FindingKind::IndexWrong]);
    let report = check(&site, false, true);
    assert_eq!(kinds(&report), [FindingKind::IndexWrong, FindingKind::NameSize]);
    let finding = &report.findings[1];
    assert_eq!(finding.count, 2);
    assert!(finding.examples[0].ends_with("S=4, and it is 13"), "{finding:?}");
    assert!(finding.examples[1].ends_with("W=5, and it is 15"), "{finding:?}");
    let repaired = check(&site, true, true);
    assert!(path.exists(), "no message is renamed");
    assert_eq!(kinds(&repaired), [FindingKind::NameSize]);
    assert_eq!(site.inbox().pass().size(uid(2)).unwrap(), Some(15));
}

/// `,W=` is believed until somebody reads the message: a check with sizes does, and a repair
/// remembers it.
#[test]
fn sizes_that_a_repair_counted_are_known() {
    let site = Site::new();
    std::fs::write(site.root().join("cur/1.a,S=32,W=40:2,S"), "Subject: 8\r\n\r\nCRLF in the file\r\n")
        .unwrap();
    let size = || {
        let inbox = site.inbox();
        inbox.refresh(false).unwrap();
        inbox.pass().size(uid(1)).unwrap()
    };
    assert_eq!(size(), Some(40));
    assert_eq!(kinds(&check(&site, false, false)), []);
    assert_eq!(kinds(&check(&site, true, true)), [FindingKind::NameSize]);
    assert_eq!(size(), Some(32));
}

#[test]
fn lists_that_are_not_there() {
    let site = Site::new();
    assert_eq!(kinds(&check(&site, false, false)), [FindingKind::ListNone]);
    assert_eq!(names(&site.root()), ["cur", "new", "tmp"], "not even a lock is left behind");
    let (site, _) = closed();
    remove(&site, "restante-uidlist");
    assert_eq!(kinds(&check(&site, false, false)), [FindingKind::ListGone]);
    let before = tree(&site.root());
    assert!(!check(&site, true, false).is_sound(), "only a backup can help");
    assert!(tree(&site.root()) == before);
}

#[test]
fn a_mailbox_without_cur_is_left_as_it_is() {
    let (site, _) = closed();
    let account = site.account();
    account.create(&name("Lists")).unwrap();
    let lists = account.open(&name("Lists")).unwrap();
    append(&lists, "one\n", Flags::default());
    drop(lists);
    let directory = site.root().join(".Lists");
    std::fs::rename(directory.join("cur"), directory.join("cur.away")).unwrap();
    let checkable: Vec<String> =
        account.checkable().unwrap().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(checkable, ["INBOX", "Lists"]);
    let before = std::fs::read(directory.join("restante-uidlist")).unwrap();
    let options = CheckOptions { repair: true, sizes: false };
    let report = account.check(&name("Lists"), options, &mut |_| {}).unwrap();
    assert_eq!(report.findings[0].kind, FindingKind::CurMissing);
    assert!(!directory.join("cur").exists());
    assert_eq!(std::fs::read(directory.join("restante-uidlist")).unwrap(), before);
    std::fs::rename(directory.join("cur.away"), directory.join("cur")).unwrap();
    assert!(account.check(&name("Lists"), options, &mut |_| {}).unwrap().is_sound());
}

#[test]
fn any_byte_of_the_list_may_be_wrong() {
    let (site, before) = closed();
    let good = std::fs::read(list_path(&site)).unwrap();
    let index = std::fs::read(site.root().join("restante-index")).unwrap();
    for at in (0..good.len()).step_by(7) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x01;
        std::fs::write(list_path(&site), &bytes).unwrap();
        std::fs::write(site.root().join("restante-index"), &index).unwrap();
        age(&site);
        assert!(!check(&site, false, false).is_sound(), "byte {at}");
        assert!(check(&site, true, false).is_sound(), "byte {at}");
        assert_eq!(shown(&site.inbox()), before, "byte {at}");
    }
}
