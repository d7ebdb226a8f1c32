//! Symbolic links: one may lead to the Maildir, and none is followed in it.

use super::*;
use crate::{CheckOptions, ErrorKind, FindingKind};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

/// A Maildir `there` with a message, and `Maildir`, a link to it.
fn linked() -> (Site, PathBuf) {
    let site = Site { directory: tempfile::tempdir().unwrap() };
    let there = site.directory.path().join("volumes/there");
    store(false).account(&there, true).unwrap();
    std::fs::write(there.join("new/1.a"), "first").unwrap();
    symlink("volumes/there", site.root()).unwrap();
    (site, there)
}

#[test]
fn security_22_a_maildir_that_is_a_link_is_served() {
    let (site, there) = linked();
    let store = store(false);
    let account = store.account(&site.root(), true).unwrap();
    assert!(Arc::ptr_eq(&account, &store.account(&there, true).unwrap()), "one account, one lock");
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    assert_eq!(shown(&inbox), ["1"]);
    append(&inbox, "second\n", Flags::default());
    account.create(&name("Box")).unwrap();
    assert_eq!(account.list().unwrap().len(), 2);
    assert!(there.join(".Box/cur").is_dir() && there.join("restante-uidlist").is_file());
    assert!(site.root().symlink_metadata().unwrap().is_symlink());
    // Also where something above it is one.
    symlink("volumes", site.directory.path().join("above")).unwrap();
    let above = site.directory.path().join("above/there");
    assert!(Arc::ptr_eq(&account, &store.account(&above, false).unwrap()));
    // Where it leads to is found once: a link that changes changes nothing for who has it open.
    std::fs::remove_file(site.root()).unwrap();
    symlink("/nowhere", site.root()).unwrap();
    assert_eq!(shown(&inbox).len(), 2);
}

/// A volume that is not mounted is no empty Maildir.
#[test]
fn a_link_to_nowhere_is_an_error_and_nothing_is_made() {
    let (site, there) = linked();
    std::fs::rename(&there, there.with_file_name("away")).unwrap();
    for create in [true, false] {
        let error = store(false).account(&site.root(), create).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert_eq!(names(&site.directory.path().join("volumes")), ["away"]);
    // An empty directory is a Maildir to be made.
    std::fs::create_dir(&there).unwrap();
    assert_eq!(store(false).account(&site.root(), false).unwrap_err().kind, ErrorKind::NonExistent);
    store(false).account(&site.root(), true).unwrap();
    assert!(there.join("cur").is_dir());
}

/// Another user's directory, with an old file in it that looks like a leftover.
fn foreign(site: &Site) -> PathBuf {
    let foreign = site.directory.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("1.theirs:2,S"), "secret").unwrap();
    foreign
}

#[test]
fn security_22_directories_of_a_mailbox_that_are_links_are_refused() {
    for mailbox in ["INBOX", "Box"] {
        for directory in ["cur", "new", "tmp"] {
            let site = Site::new();
            site.account().create(&name("Box")).unwrap();
            let foreign = foreign(&site);
            let root = if mailbox == "INBOX" { site.root() } else { site.root().join(".Box") };
            std::fs::remove_dir(root.join(directory)).unwrap();
            symlink(&foreign, root.join(directory)).unwrap();
            // The account opens: its other mailboxes are not to blame.
            let account = site.account();
            let error = account.open(&name(mailbox)).unwrap_err();
            let expected = match (mailbox, directory) {
                // It is not listed either.
                ("Box", "cur") => ErrorKind::NonExistent,
                _ => ErrorKind::Damaged,
            };
            assert_eq!(error.kind, expected, "{mailbox} {directory}: {error}");
            if (mailbox, directory) == ("INBOX", "tmp") {
                assert_eq!(account.delete(&name("Box")).unwrap_err().kind, ErrorKind::Damaged);
            }
            let other = if mailbox == "INBOX" { "Box" } else { "INBOX" };
            assert!(account.open(&name(other)).is_ok(), "{mailbox} {directory}");
            for repair in [false, true] {
                let options = CheckOptions { repair, sizes: true };
                let report = account.check(&name(mailbox), options, &mut |_| {}).unwrap();
                let found =
                    report.findings.iter().find(|finding| finding.kind == FindingKind::DirectoryStrange);
                let example = format!("{directory} is a symbolic link");
                assert_eq!(found.unwrap().examples, [example], "{mailbox}: {report:?}");
                assert!(!report.is_sound() && report.messages == 0);
            }
            assert_eq!(names(&foreign), ["1.theirs:2,S"]);
            assert_eq!(crate::strange_directories(&root), [root.join(directory)]);
        }
    }
}

/// Somebody puts a link in a directory's place while the mailbox is open.
#[test]
fn security_22_a_link_that_comes_later_is_not_followed() {
    for directory in ["cur", "new", "tmp"] {
        let site = Site::new();
        let foreign = foreign(&site);
        let inbox = site.inbox();
        append(&inbox, "first\n", Flags::default());
        inbox.refresh(true).unwrap();
        std::fs::rename(site.root().join(directory), site.root().join("away")).unwrap();
        symlink(&foreign, site.root().join(directory)).unwrap();
        let refused = match directory {
            "tmp" => inbox.deliver().err(),
            _ => inbox.refresh(true).err(),
        };
        assert_eq!(refused.map(|error| error.kind), Some(ErrorKind::Damaged), "{directory}");
        assert_eq!(names(&foreign), ["1.theirs:2,S"]);
    }
}

/// Leftovers are removed from `tmp/`, and never by way of a link in its place.
#[test]
fn security_22_nothing_is_cleaned_through_a_link() {
    let site = Site::new();
    let foreign = foreign(&site);
    std::fs::create_dir(foreign.join(format!("{}1.M1", crate::own_files::DELETED_PREFIX))).unwrap();
    let (tmp, link) = (site.root().join("tmp"), site.directory.path().join("mailbox"));
    std::fs::create_dir(&link).unwrap();
    symlink(&foreign, link.join("tmp")).unwrap();
    crate::directory::clean_tmp(&link);
    assert_eq!(names(&foreign).len(), 2);
    std::fs::create_dir_all(tmp.join(format!("{}1.M1/cur", crate::own_files::DELETED_PREFIX))).unwrap();
    std::fs::write(tmp.join("2.fresh"), "").unwrap();
    std::fs::File::open(tmp.join("2.fresh"))
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(1))
        .unwrap();
    crate::directory::clean_tmp(&site.root());
    assert_eq!(names(&tmp), ["2.fresh"]);
}
