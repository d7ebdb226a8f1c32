//! What lies in a Maildir that we did not put there: other servers' files, and damage.

use super::*;
use crate::ErrorKind;
use std::fs;

#[test]
fn couriers_uids_and_keywords_are_taken_over() {
    let site = Site::new();
    for base in ["1748123400.M1P2V3I4.host,S=5", "1748123460.M9P2V3I5.host,S=5", "1748123470.new"] {
        fs::write(site.root().join("cur").join(format!("{base}:2,S")), "text\n").unwrap();
    }
    let list = "1 748123456 9\n1 1748123400.M1P2V3I4.host,S=5\n3 1748123460.M9P2V3I5.host,S=5\n5 1.gone\n";
    fs::write(site.root().join("courierimapuiddb"), list).unwrap();
    let keywords = site.root().join("courierimapkeywords");
    fs::create_dir(&keywords).unwrap();
    fs::write(
        keywords.join(":list"),
        "$Forwarded\nWork\n\n1748123400.M1P2V3I4.host,S=5:0 1\n1748123460.M9P2V3I5.host,S=5:0\n",
    )
    .unwrap();
    fs::write(keywords.join("1748123460.M9P2V3I5.host,S=5"), "Later\n").unwrap();
    let inbox = site.inbox();
    assert_eq!(shown(&inbox), ["1 S $Forwarded Work", "3 S Later", "9 S"]);
    assert_eq!(inbox.snapshot().uid_validity().get(), 748_123_456);
    assert!(!inbox.snapshot().row(0).unwrap().is_new() && inbox.snapshot().row(2).unwrap().is_new());
    assert!(site.root().join("courierimapuiddb").is_file(), "going back is free");
}

#[test]
fn dovecots_uids_and_keywords_are_taken_over() {
    let site = Site::new();
    for name in ["1276528487.M364837P9451.host,S=5,W=6:2,Sb", "1276533073.M242911P3632.host:2,"] {
        fs::write(site.root().join("cur").join(name), "text\n").unwrap();
    }
    let list = "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n\
        25006 :1276528487.M364837P9451.host,S=5,W=6\n25017 W2481 P12 :1276533073.M242911P3632.host:2,\n";
    fs::write(site.root().join("dovecot-uidlist"), list).unwrap();
    fs::write(site.root().join("dovecot-keywords"), "0 $Junk\n1 $NonJunk\n").unwrap();
    let inbox = site.inbox();
    assert_eq!(shown(&inbox), ["25006 S $NonJunk", "25017"]);
    let snapshot = inbox.snapshot();
    assert_eq!((snapshot.uid_validity().get(), snapshot.uid_next()), (1_275_660_208, uid(25022)));
}

#[test]
fn security_22_hostile_lists_of_others_are_survived() {
    for (list, expected) in [
        ("3 V5 N4294967296\n", None),
        ("3 V0 N7\n", None),
        ("1 5\n", None),
        ("2 5 7\n", None),
        ("", None),
        ("3 V5 N7\n0 :1.a\n4294967296 :1.a\n3 :../../x\n4 :\n5 :.a\nx\n6 1.a\n", Some(0)),
        ("3 V5 N2\n9 :1.a\n9 :1.b\n", Some(1)),
    ] {
        let parsed = crate::take_over::parse_list(list.as_bytes());
        assert_eq!(parsed.map(|list| list.messages.len()), expected, "{list:?}");
    }
    let site = Site::new();
    site.deliver("1.a", "text");
    fs::write(site.root().join("dovecot-uidlist"), b"3 V5 N7\n\xff\xff\0\n").unwrap();
    assert_eq!(shown(&site.inbox()), ["7"]);
}

#[test]
fn security_22_a_link_fifo_or_device_is_not_opened_as_mail() {
    let site = Site::new();
    site.deliver("1.a", "text");
    let inbox = site.inbox();
    inbox.refresh(true).unwrap();
    let path = site.root().join("cur/1.a:2,");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(inbox.open_message(uid(1)).is_err());
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(inbox.open_message(uid(1)).is_err());
}

#[test]
fn security_22_our_own_list_is_checked() {
    let site = Site::new();
    let list = site.root().join("restante-uidlist");
    append(&site.inbox(), "a", Flags::default());
    append(&site.inbox(), "b", flags(SystemFlags::SEEN, &["Work"]));
    let validity = site.inbox().refresh(false).unwrap().snapshot.uid_validity();
    // A line in the middle is damaged: its message comes anew, and no UID is given twice.
    let mut bytes = fs::read(&list).unwrap();
    let line = bytes.windows(3).position(|w| w == b"U 1").unwrap();
    bytes[line + 2] = b'7';
    fs::write(&list, &bytes).unwrap();
    let inbox = site.inbox();
    let seen = shown(&inbox);
    assert!(seen.contains(&"2 S Work".to_owned()), "{seen:?}");
    assert_eq!((seen.len(), inbox.snapshot().uid_validity()), (2, validity));
    assert!(inbox.snapshot().uids()[1] > uid(2));
    // A torn last line is repaired.
    let mut bytes = fs::read(&list).unwrap();
    bytes.extend_from_slice(b"1234abcd F 2 99");
    fs::write(&list, &bytes).unwrap();
    assert_eq!(shown(&site.inbox()), seen);
    append(&site.inbox(), "c", Flags::default());
    assert_eq!(shown(&site.inbox()).len(), 3);
    // No list at all: a greater UIDVALIDITY.
    fs::remove_file(&list).unwrap();
    let fresh = site.inbox().refresh(false).unwrap().snapshot;
    assert!(fresh.uid_validity() > validity && fresh.len() == 3);
    // A list that is no file.
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    assert_eq!(site.inbox().refresh(false).unwrap_err().kind, ErrorKind::Damaged);
}

#[test]
fn a_list_removed_while_open_is_written_again() {
    let site = Site::new();
    let inbox = site.inbox();
    append(&inbox, "a", flags(SystemFlags::NONE, &["Work"]));
    let validity = inbox.snapshot().uid_validity();
    fs::remove_file(site.root().join("restante-uidlist")).unwrap();
    assert_eq!(shown(&inbox), ["1 Work"]);
    let other = site.inbox();
    assert_eq!((shown(&other), other.snapshot().uid_validity()), (vec!["1 Work".to_owned()], validity));
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    // A limit on file sizes is a disk that is full for large files only, so that no file
    // system has to be mounted. It holds for the whole process: a child takes it.
    let Ok(root) = std::env::var("RESTANTE_TEST_FULL") else {
        let directory = tempfile::tempdir().unwrap();
        let test = "tests::foreign::a_full_disk_leaves_everything_as_it_was";
        let status = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--quiet"])
            .env("RESTANTE_TEST_FULL", directory.path())
            .output()
            .unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        return;
    };
    let store = Store::new(StoreSettings {
        utf8_names: true,
        lock_wait_ms_max: 1000,
        keywords_max: 1000,
        kept_bytes_max: 1 << 20,
        hostname: "h".repeat(200),
        quota_counts_trash: false,
    });
    let account = store.account(&std::path::Path::new(&root).join("Maildir"), true).unwrap();
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    let mut delivery = inbox.deliver().unwrap();
    assert!(delivery.write(&[b'x'; 64 * 1024]).is_err(), "the message is too large");
    drop(delivery);
    // The list grows until it is full: the append that fails leaves no trace.
    let mut appended = 0;
    let failed = loop {
        let mut delivery = inbox.deliver().unwrap();
        delivery.write(b"small\r\n").unwrap();
        match inbox.append(vec![(delivery, Flags::default(), None)]) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
        assert!(appended < 100, "the list is never full");
    };
    assert!(appended > 3, "{failed}");
    let names = names(&std::path::Path::new(&root).join("Maildir/cur"));
    assert_eq!((names.len(), inbox.snapshot().len()), (appended, appended));
    let again = store.account(&std::path::Path::new(&root).join("Maildir"), false).unwrap();
    assert_eq!(again.open(&MailboxName::inbox()).unwrap().refresh(false).unwrap().snapshot.len(), appended);
}
