//! Directories as clients, scripts and old servers have left them: each is a mailbox under one
//! name, or is found and gets one.

use super::*;
use crate::{ErrorKind, OddReason};
use mail::mailbox_name::BadName;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

impl Site {
    /// A directory with a message that says where it is.
    fn odd(&self, entry: &[u8]) {
        let directory = self.root().join(OsStr::from_bytes(entry));
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(directory.join(part)).unwrap();
        }
        std::fs::write(directory.join("cur/1700000001.M1P1.h:2,S"), entry).unwrap();
    }
}

/// What the one message of a mailbox says.
fn said(account: &Arc<Account>, name: &MailboxName) -> Vec<u8> {
    let mailbox = account.open(name).unwrap();
    assert_eq!(mailbox.refresh(false).unwrap().snapshot.len(), 1, "{name}");
    mailbox.open_message(uid(1)).unwrap().expect("a message").read_all().unwrap()
}

/// Directories, the names under which they can be opened, and those that they get by a repair.
const DIRECTORIES: [(&[u8], Option<&str>, &str); 37] = [
    (b".[Gmail].All Mail", Some("[Gmail]/All Mail"), ""),
    (b".Trash.", None, "Trash"),
    (b"..Twodots", None, "Twodots"),
    (b".a..b", None, "a/b"),
    (b".INBOX", None, "INBOX-2"),
    (b".INBOX.Sub", Some("INBOX/Sub"), ""),
    (b".inbox.low", Some("INBOX/low"), ""),
    (b".inbox.Sub", None, "INBOX/Sub-2"),
    (b". leading", Some(" leading"), ""),
    (b".trailing ", Some("trailing "), ""),
    (b".per%cent", Some("per%cent"), ""),
    (b".st*ar", Some("st*ar"), ""),
    (b".qu\"ote", Some("qu\"ote"), ""),
    (b".back\\slash", Some("back\\slash"), ""),
    (b".amp&ersand", Some("amp&ersand"), ""),
    (b".amp&-ersand", None, "amp&ersand-2"),
    (b".slash&AC8-in", Some("slash&AC8-in"), ""),
    (b".dot&AC4-in", Some("dot.in"), ""),
    (b".nul&AAA-in", Some("nul&AAA-in"), ""),
    (b".&AGEAYgBj-", Some("&AGEAYgBj-"), ""),
    (b".&2D0-", Some("&2D0-"), ""),
    (b".&AOQ-", None, "\u{e4}-2"),
    (b".\xc3\xa4", Some("\u{e4}"), ""),
    (b".a\xcc\x88", None, "\u{e4}-3"),
    (b".o\xcc\x88", Some("\u{f6}"), ""),
    (b".latin\xe4", None, "latin\u{e4}"),
    (b".new\nline", None, "new_line"),
    (b".tab\tbed", None, "tab_bed"),
    (b".cur", Some("cur"), ""),
    (b".tmp", Some("tmp"), ""),
    (b".Sent", Some("Sent"), ""),
    (b".sent", Some("sent"), ""),
    (b"Plain without dot", None, "Plain without dot"),
    (b"plain.org", None, "plain.org"),
    (b"INBOX.Plain", None, "INBOX/Plain"),
    (b".example.org", Some("example/org"), ""),
    (b".example.org/.Sent", None, "example/org/Sent"),
];

#[test]
fn each_directory_with_mail_is_a_mailbox_or_found_and_repaired() {
    let site = Site::new();
    DIRECTORIES.iter().for_each(|(entry, ..)| site.odd(entry));
    let root = site.root();
    for directory in [".Only dir", ".Half/cur"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    std::fs::write(root.join(".File"), "").unwrap();
    for (target, link) in [(".Sent", ".Link"), (".Nowhere", ".Dangling"), (".", ".Self")] {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    let account = site.account();
    let selectable = |account: &Account| -> Vec<MailboxName> {
        let listed = account.list().unwrap().into_iter().filter(|listed| listed.selectable);
        listed.map(|listed| listed.name).collect()
    };
    let mut expected: Vec<MailboxName> = DIRECTORIES.iter().filter_map(|row| row.1).map(name).collect();
    expected.extend([name("INBOX"), name("Half")]);
    expected.sort();
    let mut listed = selectable(&account);
    listed.sort();
    assert_eq!(listed, expected);
    for (entry, shown, _) in DIRECTORIES {
        let Some(shown) = shown else { continue };
        assert_eq!(said(&account, &name(shown)), entry, "{shown}");
    }

    // What is no mailbox is found, and nothing else.
    let odd: BTreeMap<Vec<u8>, String> = account
        .odd_directories()
        .unwrap()
        .into_iter()
        .map(|odd| {
            assert_eq!(odd.messages, Some(1), "{}", odd.shown());
            (odd.path.as_os_str().as_bytes().to_vec(), odd.becomes.expect("a name").to_string())
        })
        .collect();
    let expected = DIRECTORIES.iter().filter(|row| row.1.is_none());
    let expected: BTreeMap<Vec<u8>, String> =
        expected.map(|(entry, _, becomes)| (entry.to_vec(), (*becomes).to_owned())).collect();
    assert_eq!(odd, expected);

    // Once repaired, all mail can be read, and none took another's place.
    for odd in account.odd_directories().unwrap() {
        account.repair_odd_directory(&odd).unwrap();
    }
    assert_eq!(account.odd_directories().unwrap(), []);
    let again = site.account();
    for (entry, shown, becomes) in DIRECTORIES {
        assert_eq!(said(&again, &name(shown.unwrap_or(becomes))), entry, "{becomes}");
    }
    assert_eq!(selectable(&again).len(), DIRECTORIES.len() + 2);
}

#[test]
fn why_a_directory_is_no_mailbox_is_told() {
    let site = Site::new();
    let entries: [&[u8]; 6] = [b".a.", b".x\xff", b".INBOX", b"plain", b".\xc3\xa4", b".&AOQ-"];
    entries.iter().for_each(|entry| site.odd(entry));
    std::fs::create_dir_all(site.root().join(".NoCur/new")).unwrap();
    std::fs::write(site.root().join(".NoCur/new/1.M1P1.h"), "x").unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("cur")).unwrap();
    std::fs::write(outside.path().join("cur/1.M1P1.h:2,"), "x").unwrap();
    std::os::unix::fs::symlink(outside.path(), site.root().join(".Outside")).unwrap();
    std::fs::create_dir(site.root().join(".Linked")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("cur"), site.root().join(".Linked/cur")).unwrap();
    let odd = site.account().odd_directories().unwrap();
    let reasons: Vec<(String, OddReason)> = odd.iter().map(|odd| (odd.shown(), odd.reason.clone())).collect();
    let expected = [
        (".&AOQ-", OddReason::SecondSpelling(name("ä"))),
        (".INBOX", OddReason::SecondInbox),
        (".Linked", OddReason::LinkedCur),
        (".NoCur", OddReason::NoCur),
        (".Outside", OddReason::Link),
        (".a.", OddReason::Name(BadName::EmptyLevel)),
        (".x\\xff", OddReason::NotUtf8),
        ("plain", OddReason::NoDot),
    ];
    assert_eq!(reasons, expected.map(|(path, reason)| (path.to_owned(), reason)));

    // A link stays; a mailbox without cur gets one, unless its list would take that for expunges.
    let account = site.account();
    let of = |path: &str| account.odd_directories().unwrap().into_iter().find(|odd| odd.shown() == path);
    for link in [".Outside", ".Linked"] {
        let link = of(link).unwrap();
        assert_eq!(account.repair_odd_directory(&link).unwrap_err().kind, ErrorKind::Forbidden);
    }
    std::fs::write(site.root().join(".NoCur/restante-uidlist"), "").unwrap();
    assert_eq!(of(".NoCur").unwrap().becomes, None);
    std::fs::remove_file(site.root().join(".NoCur/restante-uidlist")).unwrap();
    account.repair_odd_directory(&of(".NoCur").unwrap()).unwrap();
    assert_eq!(shown(&account.open(&name("NoCur")).unwrap()), ["1"]);
}

#[test]
fn a_repair_replaces_nothing() {
    let site = Site::new();
    site.odd(b".Trash.");
    let account = site.account();
    let odd = account.odd_directories().unwrap();
    // Somebody makes the mailbox meanwhile.
    account.create(&name("Trash")).unwrap();
    assert_eq!(account.repair_odd_directory(&odd[0]).unwrap_err().kind, ErrorKind::AlreadyExists);
    assert!(site.root().join(".Trash./cur/1700000001.M1P1.h:2,S").exists());
    let odd = account.odd_directories().unwrap();
    assert_eq!(account.repair_odd_directory(&odd[0]).unwrap(), name("Trash-2"));
    assert_eq!(account.repair_odd_directory(&odd[0]).unwrap_err().kind, ErrorKind::NonExistent);
}

#[test]
fn an_odd_directory_is_said_once_in_the_log() {
    let site = Site::new();
    site.odd(b".Trash.");
    std::fs::create_dir_all(site.root().join(".empty./cur")).unwrap();
    let store = store(false);
    // Two accounts of one store: log-ins that come one after the other.
    for time in 0..2 {
        let account = store.account(&site.root(), false).unwrap();
        let is_said = |entry: &str| account.shared().said.has(&site.root().join(entry));
        assert_eq!(is_said(".Trash."), time > 0);
        account.list().unwrap();
        assert!(is_said(".Trash.") && !is_said(".empty."));
    }
}

#[test]
fn more_mailboxes_and_levels_than_the_settings_allow_are_refused() {
    let site = Site::new();
    let settings = crate::StoreSettings { mailboxes_max: 3, levels_max: 2, ..Default::default() };
    let account = Store::new(settings).account(&site.root(), false).unwrap();
    let limit = |result: crate::Result<()>| assert_eq!(result.unwrap_err().kind, ErrorKind::Limit);
    limit(account.create(&name("a/b/c")));
    ["a", "a/b", "x"].iter().for_each(|it| account.create(&name(it)).unwrap());
    limit(account.create(&name("y")));
    limit(account.rename(&MailboxName::inbox(), &name("y"), &[]));
    limit(account.rename(&name("a"), &name("z/a"), &[]));
    assert_eq!(account.create(&name("a")).unwrap_err().kind, ErrorKind::AlreadyExists);
    account.rename(&name("x"), &name("z/x"), &[]).unwrap();
    account.delete(&name("z/x")).unwrap();
    account.create(&name("y")).unwrap();
    // What is there already stays, however much it is.
    site.odd(b".deep.deep.deep.deep");
    assert_eq!(said(&account, &name("deep/deep/deep/deep")), b".deep.deep.deep.deep");
}

#[test]
fn security_22_nothing_is_made_through_a_link_or_in_the_place_of_a_file() {
    let site = Site::new();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), site.root().join(".Link")).unwrap();
    std::fs::write(site.root().join(".File"), "").unwrap();
    std::fs::create_dir(site.root().join(".Cur")).unwrap();
    std::os::unix::fs::symlink(outside.path(), site.root().join(".Cur/cur")).unwrap();
    std::fs::create_dir(site.root().join(".Only dir")).unwrap();
    let account = site.account();
    for taken in ["Link", "File", "Cur"] {
        assert_eq!(account.create(&name(taken)).unwrap_err().kind, ErrorKind::Forbidden, "{taken}");
    }
    assert_eq!(names(outside.path()), Vec::<String>::new());
    account.create(&name("Only dir")).unwrap();
    account.create(&name("a")).unwrap();
    assert_eq!(account.rename(&name("a"), &name("Link"), &[]).unwrap_err().kind, ErrorKind::AlreadyExists);
}
