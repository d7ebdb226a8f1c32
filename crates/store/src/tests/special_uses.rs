//! Special uses go along with a mailbox that is renamed, whatever happens in between.

use super::*;
use crate::ErrorKind;
use crate::faults::testing::{dies_at, points_of};
use crate::own_files::SPECIAL_USES;
use crate::special_uses::Remembered;
use mail::{SpecialUse, SpecialUseNames};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

/// What the settings say.
fn by_name() -> Vec<SpecialUseNames> {
    [
        (SpecialUse::Sent, &["Sent", "Sent Items"][..]),
        (SpecialUse::Trash, &["Trash", "Mail/Trash"]),
        (SpecialUse::Archive, &["Archive", "INBOX"]),
    ]
    .map(|(special_use, names)| SpecialUseNames {
        special_use,
        names: names.iter().map(|it| name(it)).collect(),
    })
    .to_vec()
}

fn rename(account: &Arc<Account>, from: &str, to: &str) {
    account.rename(&name(from), &name(to), &by_name()).unwrap();
}

/// Mailboxes that have uses, as `NAME: \Use \Use`.
fn uses(account: &Account) -> Vec<String> {
    let listed = account.list().unwrap();
    let uses = account.special_uses(&listed, &by_name());
    let with_uses = listed.iter().filter(|listed| !uses.of(&listed.name).is_empty());
    let attributes = |name| uses.of(name).iter().map(|it| it.attribute()).collect::<Vec<_>>().join(" ");
    with_uses.map(|listed| format!("{}: {}", listed.name, attributes(&listed.name))).collect()
}

/// What other processes see.
fn seen(site: &Site) -> Vec<String> {
    uses(&site.account())
}

fn site(mailboxes: &[&str]) -> Site {
    let site = Site::new();
    mailboxes.iter().for_each(|it| site.account().create(&name(it)).unwrap());
    site
}

fn file(site: &Site) -> String {
    std::fs::read_to_string(site.root().join(SPECIAL_USES)).unwrap_or_default()
}

fn write(site: &Site, text: &str) {
    std::fs::write(site.root().join(SPECIAL_USES), text).unwrap();
}

#[test]
fn names_say_it_where_nothing_is_remembered() {
    let site = site(&["Sent Items", "Trash", "Work"]);
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Sent Items: \\Sent", "Trash: \\Trash"]);
    let account = site.account();
    account.create(&name("Sent")).unwrap();
    rename(&account, "Work", "Archive");
    assert_eq!(seen(&site), ["Archive: \\Archive", "Sent: \\Sent", "Trash: \\Trash"]);
    account.delete(&name("Sent")).unwrap();
    assert_eq!(uses(&account), ["Archive: \\Archive", "Sent Items: \\Sent", "Trash: \\Trash"]);
    assert!(!site.root().join(SPECIAL_USES).exists(), "nothing has to be remembered");
}

#[test]
fn a_renamed_mailbox_keeps_its_use_and_is_the_only_one() {
    let site = site(&["Trash", "Trash/old", "Archive"]);
    let account = site.account();
    rename(&account, "Trash", "Müll/Eimer");
    assert_eq!(seen(&site), ["Archive: \\Archive", "Müll/Eimer: \\Trash"]);
    assert_eq!(file(&site), "V 1\n\\Trash\tMüll/Eimer\n");
    let mode = site.root().join(SPECIAL_USES).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads it");
    // A new mailbox of the old name is no second one.
    account.create(&name("Trash")).unwrap();
    rename(&account, "Müll/Eimer", "Bin");
    assert_eq!(seen(&site), ["Archive: \\Archive", "Bin: \\Trash"]);
    // The name would say another use: the line says which.
    rename(&account, "Bin", "Sent");
    assert_eq!(seen(&site), ["Archive: \\Archive", "Sent: \\Trash"]);
    // Deleted, it frees the use.
    account.delete(&name("Sent")).unwrap();
    assert_eq!(seen(&site), ["Archive: \\Archive", "Trash: \\Trash"]);
    assert_eq!(file(&site), "V 1\n");
    account.create(&name("Sent")).unwrap();
    assert_eq!(seen(&site), ["Archive: \\Archive", "Sent: \\Sent", "Trash: \\Trash"]);
}

#[test]
fn there_and_back() {
    let site = site(&["Sent Items"]);
    let account = site.account();
    rename(&account, "Sent Items", "Post");
    account.create(&name("Sent")).unwrap();
    rename(&account, "Post", "Sent Items");
    // A name that goes before it in the settings does not take the use away.
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Sent Items: \\Sent"]);
}

#[test]
fn children_take_theirs_along_and_the_inbox_stays() {
    let site = site(&["Mail", "Mail/Trash", "Mail/Work"]);
    let account = site.account();
    rename(&account, "Mail", "Post/2026");
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Post/2026/Trash: \\Trash"]);
    rename(&account, "Post", "Mail");
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Mail/2026/Trash: \\Trash"]);
    // Its messages go, and it is the archive still.
    rename(&account, "INBOX", "Old");
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Mail/2026/Trash: \\Trash"]);
}

#[test]
fn mailboxes_that_other_programs_remove_free_their_uses() {
    let site = site(&["Trash", "Work"]);
    let account = site.account();
    rename(&account, "Trash", "Bin");
    let elsewhere = site.directory.path().join("away");
    std::fs::rename(site.root().join(".Bin"), &elsewhere).unwrap();
    account.create(&name("Trash")).unwrap();
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Trash: \\Trash"]);
    // What comes back is what it was: its directory may have been on a disk that was away.
    std::fs::rename(&elsewhere, site.root().join(".Bin")).unwrap();
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Bin: \\Trash"]);
    // But a new mailbox of that name is not it.
    std::fs::rename(site.root().join(".Bin"), &elsewhere).unwrap();
    rename(&account, "Work", "Bin");
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Trash: \\Trash"]);
    write(&site, "V 1\n\\Trash\tMade\n");
    account.create(&name("Made")).unwrap();
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Trash: \\Trash"]);
}

#[test]
fn two_processes_see_each_others() {
    let site = site(&["Trash", "Sent"]);
    let (a, b) = (site.account(), site.account());
    rename(&a, "Trash", "Bin");
    rename(&b, "Sent", "Out");
    rename(&b, "Bin", "Dust");
    rename(&a, "Out", "Post");
    for account in [&a, &b] {
        assert_eq!(uses(account), ["INBOX: \\Archive", "Dust: \\Trash", "Post: \\Sent"]);
    }
    assert_eq!(file(&site), "V 1\n\\Trash\tDust\n\\Sent\tPost\n");
}

#[test]
fn many_threads_of_two_processes_lose_no_use() {
    let site = site(&["Trash", "Sent", "Archive"]);
    std::thread::scope(|scope| {
        for start in ["Trash", "Sent", "Archive"] {
            let account = site.account();
            scope.spawn(move || {
                let mut from = start.to_owned();
                for round in 0..10 {
                    let to = format!("{start} {round}");
                    rename(&account, &from, &to);
                    from = to;
                }
            });
        }
    });
    assert_eq!(seen(&site), ["Archive 9: \\Archive", "Sent 9: \\Sent", "Trash 9: \\Trash"]);
    assert_eq!(file(&site).lines().count(), 4);
}

#[test]
fn a_mailbox_is_made_for_a_use_that_is_free() {
    let site = site(&["Trash"]);
    let account = site.account();
    let create_for = |it: &str, uses: &[SpecialUse]| account.create_for(&name(it), uses, &by_name());
    create_for("Post", &[SpecialUse::Sent, SpecialUse::Junk]).unwrap();
    create_for("Plain", &[]).unwrap();
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Post: \\Sent \\Junk", "Trash: \\Trash"]);
    // One that is taken, by name or by line; the mailbox is not made.
    for (taken, special_use) in [("Bin", SpecialUse::Trash), ("Spam", SpecialUse::Junk)] {
        assert_eq!(create_for(taken, &[special_use]).unwrap_err().kind, ErrorKind::UseTaken);
        assert_eq!(account.find(&name(taken)).unwrap_err().kind, ErrorKind::NonExistent);
    }
    assert_eq!(create_for("Post", &[SpecialUse::Drafts]).unwrap_err().kind, ErrorKind::AlreadyExists);
    account.delete(&name("Trash")).unwrap();
    create_for("Bin", &[SpecialUse::Trash]).unwrap();
    account.create(&name("Trash")).unwrap();
    assert_eq!(seen(&site), ["INBOX: \\Archive", "Bin: \\Trash", "Post: \\Sent \\Junk"]);
}

#[test]
fn what_others_know_of_a_mailbox_is_kept() {
    let site = site(&["Bin", "Sent"]);
    write(&site, "V 1\n\\Important \\trash\tBin\n\\Scheduled\tLater\n");
    let account = site.account();
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Bin: \\Trash", "Sent: \\Sent"]);
    rename(&account, "Bin", "Dust");
    assert_eq!(file(&site), "V 1\n\\Scheduled\tLater\n\\Trash \\Important\tDust\n");
}

#[test]
fn security_22_any_bytes_are_survived() {
    let good = "V 1\n\\Trash\tBin\n\\Sent\tÄ\n";
    for (text, expected) in [
        ("", &["INBOX: \\Archive"][..]),
        ("\\Trash\tBin\n", &["INBOX: \\Archive", "Bin: \\Trash"]),
        ("\\Trash\tBin", &["INBOX: \\Archive", "Bin: \\Trash"]),
        ("V x\n\\Trash\tBin\n", &["INBOX: \\Archive", "Bin: \\Trash"]),
        ("V 1\n\\Trash\tWork\n\\Trash\tBin\n", &["INBOX: \\Archive", "Bin: \\Trash"]),
        ("V 1\n\\Trash\tBin\n\\Sent\tBin\n", &["INBOX: \\Archive", "Bin: \\Sent"]),
        ("V 1\n\\Trash Bin\n\\\tBin\nTrash\tBin\n\\Tr\"ash\tBin\n\\Trash\ta//b\n\n", &["INBOX: \\Archive"]),
    ] {
        let site = site(&["Bin", "Work"]);
        write(&site, text);
        assert_eq!(seen(&site), expected, "{text:?}");
    }
    for at in 0..good.len() {
        let site = site(&["Bin", "Trash"]);
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] ^= 0x91;
        std::fs::write(site.root().join(SPECIAL_USES), &bytes).unwrap();
        let account = site.account();
        let is_one = |uses: &[String]| uses.iter().filter(|it| it.contains("\\Trash")).count() == 1;
        assert!(is_one(&uses(&account)), "byte {at}");
        rename(&account, "Bin", "Dust");
        rename(&account, "Trash", "Old");
        assert!(is_one(&uses(&account)), "byte {at}");
        assert!(Remembered::read(&site.root()).unwrap().damaged.is_empty(), "byte {at}");
    }
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let site = site(&["Bin", "Trash"]);
    let later = "V 2\nwhatever\n\\Trash\tBin\n";
    write(&site, later);
    let account = site.account();
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Trash: \\Trash"]);
    let made = account.create_for(&name("Post"), &[SpecialUse::Sent], &by_name());
    assert_eq!(made.unwrap_err().kind, ErrorKind::Io);
    assert!(account.find(&name("Post")).is_err());
    rename(&account, "Trash", "Dust");
    account.create(&name("Other")).unwrap();
    account.delete(&name("Dust")).unwrap();
    assert_eq!(file(&site), later);
}

#[test]
fn what_cannot_be_written_is_not_renamed() {
    let site = site(&["Trash"]);
    std::fs::create_dir(site.root().join(SPECIAL_USES)).unwrap();
    let account = site.account();
    assert_eq!(uses(&account), ["INBOX: \\Archive", "Trash: \\Trash"]);
    let renamed = account.rename(&name("Trash"), &name("Bin"), &by_name());
    assert_eq!(renamed.unwrap_err().kind, ErrorKind::Damaged);
    assert!(account.find(&name("Trash")).is_ok());
}

/// Whatever is between the steps of a rename, one mailbox has the use.
#[test]
fn no_crash_loses_a_use_or_doubles_it() {
    type Operation = fn(&Arc<Account>);
    let operations: [(&str, Operation, usize); 3] = [
        ("by name", |account| rename(account, "Trash", "Bin"), 1),
        ("by line", |account| rename(account, "Post", "Out"), 1),
        ("made", |account| account.create_for(&name("New"), &[SpecialUse::Drafts], &by_name()).unwrap(), 0),
    ];
    let prepared = || {
        let site = site(&["Trash", "Sent", "Archive"]);
        rename(&site.account(), "Sent", "Post");
        site
    };
    let mut tried = 0;
    for (what, run, least) in operations {
        let site = prepared();
        let account = site.account();
        for point in points_of(|| run(&account)).into_iter().collect::<BTreeSet<_>>() {
            let site = prepared();
            let account = site.account();
            assert!(dies_at(point, 0, || run(&account)), "{what}, {point}");
            tried += 1;
            let seen = seen(&site);
            for (attribute, least) in [("\\Trash", 1), ("\\Sent", 1), ("\\Drafts", 0)] {
                let count = seen.iter().filter(|it| it.ends_with(attribute)).count();
                assert!((least..=1).contains(&count), "{what}, {point}: {seen:?}");
            }
            assert!(seen.len() >= 2 + least, "{what}, {point}: {seen:?}");
            // And what is left of it is in nobody's way.
            let account = site.account();
            for mailbox in ["Bin", "Out", "New"] {
                let _ = account.create(&name(mailbox));
            }
            assert_eq!(uses(&account), seen, "{what}, {point}");
        }
    }
    assert!(tried >= 5, "only {tried} crashes were tried");
}
