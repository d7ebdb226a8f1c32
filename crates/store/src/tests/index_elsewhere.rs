//! Index and cache in another directory than the mail: kept there, made again, and believed only for
//! the mailbox that they were made of.

use super::*;
use crate::faults::testing::points_of;
use crate::own_files::{CACHE, INDEX};
use crate::{AccountPlace, CacheKind, CheckOptions, FindingKind};
use mail::UidValidity;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

/// A Maildir, and two nodes that have a directory for indexes each.
struct Nodes {
    site: Site,
}

impl Nodes {
    fn new() -> Self {
        Self { site: Site::new() }
    }

    fn index(&self, node: &str) -> PathBuf {
        self.site.directory.path().join(node).join("user")
    }

    /// The account, as a new process on the node has it.
    fn account(&self, node: &str) -> Arc<Account> {
        let (root, index) = (self.site.root(), Some(self.index(node)));
        store(false).account_at(AccountPlace { root, control: None, index, owner: None }, true).unwrap()
    }

    /// Fills a mailbox on a node, with an index and a cache that stay there.
    fn fill(&self, node: &str, mailbox: &str, contents: &[&str]) {
        let account = self.account(node);
        let _ = account.create(&name(mailbox));
        let open = account.open(&name(mailbox)).unwrap();
        for content in contents {
            append(&open, content, Flags::default());
        }
        open.refresh(true).unwrap();
        age(&account.find(&name(mailbox)).unwrap());
        drop((open, account));
        self.look(node, mailbox);
    }

    /// Opens a mailbox on a node as a new process does, and caches something of each message; what a
    /// client is shown.
    fn look(&self, node: &str, mailbox: &str) -> Vec<String> {
        let open = self.account(node).open(&name(mailbox)).unwrap();
        open.refresh(true).unwrap();
        let mut pass = open.pass();
        let kind = CacheKind::named(b"TEST");
        let all: Vec<Uid> = open.refresh(false).unwrap().snapshot.uids().iter().copied().collect();
        let seen = all.into_iter().map(|uid| {
            let content = content(open.open_message(uid).unwrap());
            match pass.cached(uid, kind) {
                Some(cached) => assert_eq!(cached, content.as_bytes(), "what is cached is this message's"),
                None => pass.keep(uid, kind, content.as_bytes()),
            }
            format!("{uid} {content}")
        });
        seen.collect()
    }

    fn validity(&self, node: &str, mailbox: &str) -> UidValidity {
        let open = self.account(node).open(&name(mailbox)).unwrap();
        open.refresh(false).unwrap().snapshot.uid_validity()
    }
}

/// Names in a directory; none where it is missing.
fn names_in(directory: &Path) -> Vec<String> {
    if directory.is_dir() { names(directory) } else { Vec::new() }
}

/// As if nothing had happened for an hour.
fn age(mailbox: &Path) {
    for directory in ["new", "cur"] {
        let directory = fs::File::open(mailbox.join(directory)).unwrap();
        directory.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }
}

/// How many scans it takes to open a mailbox.
fn scans(nodes: &Nodes, node: &str, mailbox: &str) -> usize {
    let points = points_of(|| drop(nodes.look(node, mailbox)));
    points.into_iter().filter(|point| *point == "look: before the lines").count()
}

#[test]
fn index_and_cache_lie_elsewhere_and_spare_the_scan() {
    let nodes = Nodes::new();
    nodes.fill("a", "INBOX", &["one"]);
    nodes.fill("a", "Sent", &["two", "three"]);
    assert_eq!(names_in(&nodes.index("a")), [".Sent", CACHE, INDEX]);
    assert_eq!(names_in(&nodes.index("a").join(".Sent")), [CACHE, INDEX]);
    for mailbox in ["", ".Sent"] {
        assert!(!names_in(&nodes.site.root().join(mailbox)).iter().any(|it| [CACHE, INDEX].contains(&&**it)));
        for name in ["", CACHE, INDEX] {
            let path = nodes.index("a").join(mailbox).join(name);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }
    assert_eq!(scans(&nodes, "a", "Sent"), 0, "the index is believed");
    // Another node knows nothing yet, and then as much.
    assert!(scans(&nodes, "b", "Sent") > 0);
    assert_eq!(scans(&nodes, "b", "Sent"), 0);
    // What is lost is made again.
    fs::remove_dir_all(nodes.index("a").parent().unwrap()).unwrap();
    assert_eq!(nodes.look("a", "Sent"), ["1 two", "2 three"]);
    assert_eq!(names_in(&nodes.index("a").join(".Sent")), [CACHE, INDEX]);
    assert_eq!(scans(&nodes, "a", "Sent"), 0);
}

#[test]
fn renames_take_them_along_and_deletes_remove_them() {
    let nodes = Nodes::new();
    nodes.fill("a", "Work", &["one"]);
    nodes.fill("a", "Work/deep", &["two"]);
    // Left by a mailbox that had the name before.
    fs::create_dir_all(nodes.index("a").join(".Play.deep")).unwrap();
    fs::write(nodes.index("a").join(".Play.deep").join(INDEX), "old").unwrap();
    nodes.account("a").rename(&name("Work"), &name("Play"), &[]).unwrap();
    assert_eq!(names_in(&nodes.index("a")), [".Play", ".Play.deep"]);
    assert_eq!(scans(&nodes, "a", "Play/deep"), 0, "the index is still believed");
    nodes.account("a").delete(&name("Play")).unwrap();
    assert_eq!(names_in(&nodes.index("a")), [".Play.deep"]);
}

#[test]
fn no_index_is_believed_of_a_mailbox_that_had_the_name_before() {
    let nodes = Nodes::new();
    nodes.fill("b", "Old", &["of old"]);
    nodes.fill("b", "Work", &["one", "two"]);
    let (old, work) = (nodes.validity("b", "Old"), nodes.validity("b", "Work"));
    assert!(old < work);
    // The other node deletes it and makes it again: as many messages, in as long a list.
    nodes.account("a").delete(&name("Work")).unwrap();
    nodes.fill("a", "Work", &["ONE", "TWO"]);
    let new = nodes.validity("a", "Work");
    assert!(new > work);
    assert_eq!(nodes.look("b", "Work"), ["1 ONE", "2 TWO"]);
    assert_eq!(nodes.validity("b", "Work"), new);
    // It gives the name to a mailbox with a lower UIDVALIDITY, which is no list put back from a backup.
    nodes.account("a").delete(&name("Work")).unwrap();
    nodes.account("a").rename(&name("Old"), &name("Work"), &[]).unwrap();
    assert_eq!(nodes.look("b", "Work"), ["1 of old"]);
    assert_eq!(nodes.validity("b", "Work"), old);
    // Another program makes it anew, without a list.
    fs::remove_dir_all(nodes.site.root().join(".Work")).unwrap();
    for part in ["", "cur", "new", "tmp"] {
        fs::create_dir(nodes.site.root().join(".Work").join(part)).unwrap();
    }
    fs::write(nodes.site.root().join(".Work/cur/9.x:2,"), "fresh").unwrap();
    let check = |node: &str| {
        let options = CheckOptions::default();
        nodes.account(node).check(&name("Work"), options, &mut |_| {}).unwrap()
    };
    let report = check("a");
    assert!(report.is_sound(), "an older mailbox's index is no sign of a lost list: {report:?}");
    assert_eq!(nodes.look("b", "Work"), ["1 fresh"]);
    assert!(nodes.validity("b", "Work") > new);
}

#[test]
fn a_list_put_back_is_written_again_from_the_index() {
    let nodes = Nodes::new();
    nodes.fill("a", "Work", &["one"]);
    let list = nodes.site.root().join(".Work/restante-uidlist");
    let backup = fs::read(&list).unwrap();
    nodes.fill("a", "Work", &["two"]);
    let (validity, seen) = (nodes.validity("a", "Work"), nodes.look("a", "Work"));
    fs::write(&list, backup).unwrap();
    assert_eq!(nodes.look("a", "Work"), seen);
    assert_eq!(nodes.validity("a", "Work"), validity);
    // The other node has no index, but the witness lies with the mail: no UID comes again.
    let backup = fs::read(&list).unwrap();
    nodes.fill("a", "Work", &["three"]);
    fs::write(&list, backup).unwrap();
    nodes.look("b", "Work");
    assert!(nodes.validity("b", "Work") > validity);
}

#[test]
fn what_mailboxes_that_are_gone_left_is_removed() {
    let nodes = Nodes::new();
    for mailbox in ["INBOX", "Work", "Play"] {
        nodes.fill("b", mailbox, &["one"]);
    }
    fs::create_dir(nodes.index("b").join(".theirs")).unwrap();
    fs::write(nodes.index("b").join(".theirs/file"), "").unwrap();
    nodes.account("a").delete(&name("Work")).unwrap();
    let check = |repair| {
        let options = CheckOptions { repair, sizes: false };
        let report = nodes.account("b").check(&name("INBOX"), options, &mut |_| {}).unwrap();
        assert!(report.is_sound(), "{report:?}");
        report.findings.iter().any(|finding| finding.kind == FindingKind::IndexLeft)
    };
    assert!(check(false) && names_in(&nodes.index("b")).contains(&".Work".to_owned()));
    assert!(!check(true));
    assert_eq!(names_in(&nodes.index("b")), [".Play", ".theirs", CACHE, INDEX]);
    nodes.account("a").delete(&name("Play")).unwrap();
    nodes.account("b").list().unwrap();
    assert_eq!(names_in(&nodes.index("b")), [".theirs", CACHE, INDEX]);
}

#[test]
fn check_and_repair_look_there() {
    let nodes = Nodes::new();
    nodes.fill("a", "INBOX", &["one", "two"]);
    let check = |repair| {
        let options = CheckOptions { repair, sizes: false };
        nodes.account("a").check(&name("INBOX"), options, &mut |_| {}).unwrap()
    };
    for (name, kind) in [(INDEX, FindingKind::IndexDamaged), (CACHE, FindingKind::CacheDamaged)] {
        let path = nodes.index("a").join(name);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 10;
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let found = check(false);
        assert!(found.findings.iter().any(|finding| finding.kind == kind), "{name}: {found:?}");
        let repaired = check(true);
        assert!(repaired.is_sound() && repaired.repaired.iter().any(|it| it.kind == kind), "{repaired:?}");
        assert_eq!(nodes.look("a", "INBOX"), ["1 one", "2 two"]);
    }
    assert!(!nodes.site.root().join(INDEX).exists());
    fs::remove_dir_all(nodes.index("a")).unwrap();
    assert!(check(true).is_sound() && nodes.index("a").join(INDEX).is_file());
}

#[test]
fn security_where_others_may_write_nothing_is_read_or_kept() {
    let nodes = Nodes::new();
    nodes.fill("a", "INBOX", &["one"]);
    let index = nodes.index("a");
    let kept = fs::read(index.join(INDEX)).unwrap();
    let open_to_others = |mode| fs::set_permissions(&index, fs::Permissions::from_mode(mode)).unwrap();
    open_to_others(0o777);
    nodes.site.deliver("1.x", "two");
    assert_eq!(nodes.look("a", "INBOX"), ["1 one", "2 two"]);
    nodes.fill("a", "Work", &["three"]);
    nodes.account("a").rename(&name("Work"), &name("Play"), &[]).unwrap();
    nodes.account("a").delete(&name("Play")).unwrap();
    assert_eq!(fs::read(index.join(INDEX)).unwrap(), kept);
    assert!(!index.join(".Work").join(INDEX).exists());
    assert!(
        nodes.account("a").check(&name("INBOX"), CheckOptions::default(), &mut |_| {}).is_ok_and(|report| {
            report.findings.iter().any(|finding| finding.kind == FindingKind::OwnFile)
        })
    );
    let options = CheckOptions { repair: true, sizes: false };
    assert!(nodes.account("a").check(&name("INBOX"), options, &mut |_| {}).unwrap().is_sound());
    assert_eq!(index.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    // Nor through a symbolic link.
    let elsewhere = nodes.site.directory.path().join("elsewhere");
    fs::rename(&index, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &index).unwrap();
    let before = fs::read(elsewhere.join(INDEX)).unwrap();
    nodes.fill("a", "INBOX", &["three"]);
    assert_eq!(fs::read(elsewhere.join(INDEX)).unwrap(), before);
}
