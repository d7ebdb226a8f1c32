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
    let site = Site::new();
    site.deliver("1.a", "text");
    fs::write(site.root().join("dovecot-uidlist"), b"3 V5 N7\n\xff\xff\0\n").unwrap();
    assert_eq!(shown(&site.inbox()), ["7"]);
    // Two messages with one UID: one of them gets a new one.
    let site = Site::new();
    site.deliver("1.a", "text");
    site.deliver("1.b", "text");
    fs::write(site.root().join("dovecot-uidlist"), "3 V5 N7\n3 :1.a\n3 :1.b\n").unwrap();
    assert_eq!(shown(&site.inbox()), ["3", "7"]);
    // The first line is lost: a new UIDVALIDITY, above all that Dovecot gave.
    let site = Site::new();
    site.deliver("1.a", "text");
    fs::write(site.root().join("courierimapuiddb"), "6 1.a\n").unwrap();
    fs::write(site.root().join("dovecot-uidvalidity"), "fffe0000").unwrap();
    let inbox = site.inbox();
    assert_eq!((shown(&inbox), inbox.snapshot().uid_validity().get()), (vec!["6".to_owned()], 0xFFFE_0001));
}

#[test]
fn pop3_uidls_are_remembered() {
    let site = Site::new();
    for name in ["1.a", "1.b", "1.c"] {
        site.deliver(name, "text");
    }
    fs::write(site.root().join("courierimapuiddb"), "1 5 9\n1 1.a\n2 1.b\n3 1.c\n").unwrap();
    fs::write(site.root().join("courierpop3dsizelist"), "/3 9 77\n1.a 4 6:77:0\n1.b 4 0:77:0\n").unwrap();
    let uidls = |inbox: &Mailbox| [1, 2, 3, 4].map(|n| inbox.pop3_uidl(uid(n)));
    let expected = [Some("UID6-77"), Some("1.b"), Some("0000000300000005"), None];
    let inbox = site.inbox();
    inbox.refresh(true).unwrap();
    assert_eq!(uidls(&inbox), expected.map(|uidl| uidl.map(str::to_owned)));
    // Another process reads them from our list; they go with their message.
    fs::remove_file(site.root().join("courierpop3dsizelist")).unwrap();
    fs::remove_file(site.root().join("cur/1.b:2,")).unwrap();
    let again = site.inbox();
    again.refresh(false).unwrap();
    assert_eq!(uidls(&again)[..2], [Some("UID6-77".to_owned()), None]);
}

/// A dot within a level and a child of the inbox: what the other server has of them, and that they
/// come back.
#[test]
fn names_with_dots_come_and_go() {
    use crate::take_over::Origin;
    let wanted = ["INBOX/low", "example.org", "Entwürfe/a.b"].map(name);
    for (to, escape, directories, list) in [
        (
            Origin::Courier,
            None,
            [".INBOX.low", ".example&AC4-org", ".Entw&APw-rfe.a&AC4-b"],
            "INBOX.INBOX.low\nINBOX.example&AC4-org\nINBOX.Entw&APw-rfe.a&AC4-b\n",
        ),
        (
            Origin::Dovecot,
            None,
            [".INBOX.low", ".example&AC4-org", ".Entw&APw-rfe.a&AC4-b"],
            "V\t2\n\nINBOX\tlow\nexample&AC4-org\nEntw&APw-rfe\ta&AC4-b\n",
        ),
        (
            Origin::Dovecot,
            Some('\\'),
            [".INBOX.low", ".example\\2eorg", ".Entw&APw-rfe.a\\2eb"],
            "V\t2\n\nINBOX\tlow\nexample\\2eorg\nEntw&APw-rfe\ta\\2eb\n",
        ),
    ] {
        let site = Site::new();
        let settings = crate::StoreSettings { name_escape: escape, ..crate::StoreSettings::default() };
        let account = || Store::new(settings.clone()).account(&site.root(), false).unwrap();
        for name in &wanted {
            account().create(name).unwrap();
            account().subscribe(name, true).unwrap();
        }
        account().hand_over_account(to, false).unwrap();
        let there = site.names("");
        assert!(directories.iter().all(|entry| there.contains(&(*entry).to_owned())), "{there:?}");
        let file = if to == Origin::Courier { "courierimapsubscribed" } else { "subscriptions" };
        assert_eq!(std::fs::read_to_string(site.root().join(file)).unwrap(), list);
        // Back again: nothing of ours tells the names.
        if to == Origin::Dovecot {
            std::fs::remove_file(site.root().join("courierimapsubscribed")).unwrap();
        }
        let mut sorted = wanted.to_vec();
        sorted.sort();
        assert_eq!(account().subscriptions().unwrap(), sorted);
        let listed = account().list().unwrap();
        let found = |name: &&MailboxName| listed.iter().any(|it| it.selectable && it.name == **name);
        assert_eq!(wanted.iter().filter(found).count(), wanted.len(), "{listed:?}");
        assert_eq!(account().hand_over_account(to, false).unwrap().renamed, []);
    }
}

#[test]
fn there_and_back_and_there_again() {
    use crate::take_over::Origin;
    for (to, list) in [(Origin::Courier, "courierimapuiddb"), (Origin::Dovecot, "dovecot-uidlist")] {
        let site = Site::new();
        let account = site.account();
        let inbox = account.open(&name("INBOX")).unwrap();
        append(&inbox, "a", flags(SystemFlags::SEEN, &["Work"]));
        let gone = append(&inbox, "b", flags(SystemFlags::DELETED, &[]));
        append(&inbox, "c", flags(SystemFlags::NONE, &["$Junk", "Work"]));
        inbox.expunge(Some(&[gone].into_iter().collect())).unwrap();
        account.create(&name("Entwürfe/neu")).unwrap();
        account.subscribe(&name("Entwürfe/neu"), true).unwrap();
        let before = (shown(&inbox), inbox.snapshot().uid_validity(), inbox.snapshot().uid_next());
        let modseq = inbox.snapshot().highest_modseq();
        let (tree, dry) = (tree(&site.root()), account.hand_over(&name("INBOX"), to, true).unwrap());
        let dry_account = account.hand_over_account(to, true).unwrap();
        account.survey(&name("INBOX")).unwrap();
        assert_eq!(self::tree(&site.root()), tree, "nothing was written");
        let done = account.hand_over(&name("INBOX"), to, false).unwrap();
        let renamed = account.hand_over_account(to, false).unwrap();
        assert_eq!((done.messages, dry.messages, done.keywords), (2, 2, 2));
        assert_eq!((renamed.subscriptions, &renamed.renamed), (1, &dry_account.renamed));
        let mailbox = if to == Origin::Courier { ".Entwürfe.neu" } else { ".Entw&APw-rfe.neu" };
        assert!(site.names("").contains(&mailbox.to_owned()), "{:?}", site.names(""));
        assert!(site.root().join(list).is_file() && !site.root().join("restante-uidlist").exists());
        // And back, with what came meanwhile, and mod-sequences above all that were told.
        site.deliver("9999999999.x", "text");
        let again = site.account();
        assert_eq!(again.subscriptions().unwrap(), [name("Entwürfe/neu")]);
        let survey = again.survey(&name("INBOX")).unwrap();
        assert_eq!((survey.is_ours, survey.origin, survey.messages, survey.kept), (false, Some(to), 3, 2));
        let inbox = again.open(&name("INBOX")).unwrap();
        let shown = shown(&inbox);
        assert_eq!((&shown[..2], inbox.snapshot().uid_validity()), (&before.0[..], before.1));
        assert_eq!(shown[2], before.2.get().to_string());
        assert!(inbox.snapshot().highest_modseq() > modseq);
        assert!(again.survey(&name("INBOX")).unwrap().is_ours);
    }
}

/// Every name under a directory with its time of change and content.
fn tree(root: &std::path::Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap().flatten() {
        let changed = entry.metadata().unwrap().modified().unwrap();
        let content = fs::read(entry.path()).unwrap_or_default();
        all.push(format!("{} {changed:?} {}", entry.path().display(), content.escape_ascii()));
        if entry.path().is_dir() {
            all.extend(tree(&entry.path()));
        }
    }
    all.sort();
    all
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
        take_over: crate::take_over::Preference::Newer,
        hostname: "h".repeat(200),
        quota_counts_trash: false,
        ..StoreSettings::default()
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
