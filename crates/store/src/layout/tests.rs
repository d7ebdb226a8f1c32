//! Tests of what becomes of Dovecot's other layouts.

use super::*;
use std::fs;

/// Makes files, and directories where the name ends in a slash.
fn make(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        match name.ends_with('/') {
            true => fs::create_dir_all(&path).unwrap(),
            false => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, *name).unwrap();
            }
        }
    }
}

/// All files, and directories that are empty, below a directory.
fn tree(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        let before = all.len() + left.len();
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => all.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
            }
        }
        if all.len() + left.len() == before {
            all.push(format!("{}/", directory.strip_prefix(root).unwrap().to_str().unwrap()));
        }
    }
    all.sort();
    all
}

fn converted(layout: &DovecotLayout, root: &Path) -> Result<()> {
    layout.conversion(root, None)?.carry_out()
}

#[test]
fn directories_below_one_another_become_maildirplusplus() {
    let site = tempfile::tempdir().unwrap();
    let root = site.path();
    let parts = |mailbox: &str| ["cur/", "new/", "tmp/"].map(|part| format!("{mailbox}{part}"));
    for mailbox in ["", "A/", "A/B/", "x.y/z w/", "&ANw-ml.&AOQ-ut/", ".Old/"] {
        make(root, &parts(mailbox).iter().map(String::as_str).collect::<Vec<_>>());
    }
    make(root, &["cur/1.i", "A/cur/1.a", "A/B/cur/1.b", "A/B/dovecot-uidlist", "x.y/z w/new/1.c", "notes/x"]);
    let layout = DovecotLayout { is_fs: true, ..DovecotLayout::default() };
    let before = tree(root);
    let conversion = layout.conversion(root, None).unwrap();
    let moves: Vec<String> = conversion
        .moves()
        .map(|(_, to)| to.strip_prefix(root).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(moves, [".x&AC4-y.z w", ".A.B", ".A", ".&ANw-ml&AC4A5A-ut"]);
    assert_eq!(tree(root), before, "nothing is done yet");
    assert_eq!(layout.unconverted(root, None).unwrap().unwrap().0, "LAYOUT=fs");
    conversion.carry_out().unwrap();
    let after = tree(root);
    for expected in [
        ".&ANw-ml&AC4A5A-ut/maildirfolder",
        ".A.B/cur/1.b",
        ".A.B/dovecot-uidlist",
        ".A.B/maildirfolder",
        ".A/cur/1.a",
        ".Old/cur/",
        ".x&AC4-y.z w/new/1.c",
        "cur/1.i",
        "notes/x",
    ] {
        assert!(after.iter().any(|name| name == expected), "{expected}: {after:?}");
    }
    assert!(!after.iter().any(|name| name.starts_with("x.y") || name.starts_with("A/")), "{after:?}");
    assert_eq!(layout.unconverted(root, None).unwrap(), None);
    converted(&layout, root).unwrap();
    assert_eq!(tree(root), after, "once more changes nothing");
}

#[test]
fn half_a_conversion_is_gone_on_with() {
    let site = tempfile::tempdir().unwrap();
    let root = site.path();
    make(root, &["cur/", "new/", "tmp/", "A/cur/1.a", "A/B/cur/1.b"]);
    fs::rename(root.join("A/B"), root.join(".A.B")).unwrap();
    let layout = DovecotLayout { is_fs: true, ..DovecotLayout::default() };
    converted(&layout, root).unwrap();
    assert!(root.join(".A/cur/1.a").exists() && root.join(".A.B/cur/1.b").exists());
}

#[test]
fn what_is_in_the_way_is_never_replaced() {
    for (names, kind) in [
        (&["A/B/cur/1.b", ".A.B/cur/1.x"][..], ErrorKind::AlreadyExists),
        (&["A/B/cur/1.b", ".A.B"], ErrorKind::AlreadyExists),
        // Two that would have one name.
        (&["A/cur/1.a", "a\u{1}b/cur/1.b"], ErrorKind::BadName),
        (&["inbox/cur/1.a"], ErrorKind::BadName),
    ] {
        let site = tempfile::tempdir().unwrap();
        make(site.path(), &["cur/", "new/", "tmp/"]);
        make(site.path(), names);
        let before = tree(site.path());
        let layout = DovecotLayout { is_fs: true, ..DovecotLayout::default() };
        assert_eq!(converted(&layout, site.path()).unwrap_err().kind, kind, "{names:?}");
        assert_eq!(tree(site.path()), before, "{names:?}");
    }
    let site = tempfile::tempdir().unwrap();
    make(site.path(), &["mail/.A/cur/1.a", "mail/cur/1.x", "inbox/cur/1.i"]);
    let layout = DovecotLayout { inbox: Some(site.path().join("inbox")), ..DovecotLayout::default() };
    let before = tree(site.path());
    let error = converted(&layout, &site.path().join("mail")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
    assert_eq!(tree(site.path()), before);
}

#[test]
fn an_inbox_elsewhere_comes_into_the_maildir() {
    let site = tempfile::tempdir().unwrap();
    make(
        site.path(),
        &[
            "mail/.A/cur/1.a",
            "inbox/cur/1.i",
            "inbox/new/",
            "inbox/tmp/",
            "inbox/dovecot-uidlist",
            "inbox/other",
        ],
    );
    let root = site.path().join("mail");
    let layout = DovecotLayout { inbox: Some(site.path().join("inbox")), ..DovecotLayout::default() };
    assert_eq!(layout.unconverted(&root, None).unwrap().unwrap().0, "INBOX=");
    converted(&layout, &root).unwrap();
    assert_eq!(
        tree(site.path()),
        ["inbox/other", "mail/.A/cur/1.a", "mail/cur/1.i", "mail/dovecot-uidlist", "mail/new/", "mail/tmp/"]
    );
    assert_eq!(layout.unconverted(&root, None).unwrap(), None);
}

#[test]
fn lists_elsewhere_come_with_the_mailboxes() {
    let site = tempfile::tempdir().unwrap();
    make(
        site.path(),
        &[
            "mail/cur/",
            "mail/new/",
            "mail/tmp/",
            "mail/A/B/cur/1.b",
            "control/INBOX/dovecot-uidlist",
            "control/A/B/dovecot-uidlist",
            "control/A/B/dovecot-keywords",
        ],
    );
    let (root, control) = (site.path().join("mail"), site.path().join("control"));
    let layout = DovecotLayout { is_fs: true, control: Some(control), inbox: None };
    converted(&layout, &root).unwrap();
    for name in ["dovecot-uidlist", ".A.B/dovecot-uidlist", ".A.B/dovecot-keywords"] {
        assert!(root.join(name).exists(), "{name}");
    }
    assert!(site.path().join("control/A/B/dovecot-uidlist").exists(), "what Dovecot has stays");
}
