//! As root these change users for real; as anybody else only what needs no right is tried.

use super::*;
use crate::{Account, Store, StoreSettings};
use mail::MailboxName;
use mail::flag::Flags;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// Uid, gid and groups by which the kernel checks this thread's access to files.
fn by_the_kernel() -> (String, String, Vec<String>) {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    (field("Uid:")[3].clone(), field("Gid:")[3].clone(), field("Groups:"))
}

fn as_owner(uid: u32, gid: u32, groups: &[u32]) -> (String, String, Vec<String>) {
    (uid.to_string(), gid.to_string(), groups.iter().map(u32::to_string).collect())
}

fn is_skipped() -> bool {
    let is_skipped = !can_enter_others();
    if is_skipped {
        eprintln!("SKIPPED: only root can work as others");
    }
    is_skipped
}

fn owner(uid: u32) -> Arc<Owner> {
    Owner::new(uid, uid + 1000, &[uid + 1000, uid + 2000]).unwrap()
}

#[test]
fn root_owns_no_mail() {
    for (uid, gid, groups, expected) in [
        (0, 5, &[][..], None),
        (5, 0, &[], None),
        (u32::MAX, 5, &[], None),
        (5, u32::MAX, &[], None),
        (5, 6, &[0, 7, 6, 7], Some(&[6, 7][..])),
    ] {
        let found = Owner::new(uid, gid, groups);
        assert_eq!(found.as_ref().map(|owner| owner.groups()), expected, "{uid} {gid} {groups:?}");
    }
}

#[test]
fn who_may_not_enter_stays_who_they_are() {
    if can_enter_others() {
        eprintln!("SKIPPED: root may enter");
        return;
    }
    let before = by_the_kernel();
    assert!(owner(40_001).enter().is_err());
    assert_eq!(by_the_kernel(), before);
    assert!(step_out().is_ok_and(|guard| guard.is_none()));
}

#[test]
fn guards_nest_and_go_back() {
    if is_skipped() {
        return;
    }
    let before = by_the_kernel();
    let (a, b) = (owner(40_001), owner(40_002));
    {
        let _a = a.enter().unwrap();
        assert_eq!(by_the_kernel(), as_owner(40_001, 41_001, &[41_001, 42_001]));
        {
            let _again = owner(40_001).enter().unwrap();
            let _b = b.enter().unwrap();
            assert_eq!(by_the_kernel(), as_owner(40_002, 41_002, &[41_002, 42_002]));
            {
                let _outside = step_out().unwrap();
                assert_eq!(by_the_kernel(), before);
                let _b = b.enter().unwrap();
                assert_eq!(by_the_kernel().0, "40002");
            }
            assert_eq!(by_the_kernel().0, "40002");
        }
        assert_eq!(by_the_kernel(), as_owner(40_001, 41_001, &[41_001, 42_001]));
    }
    assert_eq!(by_the_kernel(), before);
    assert!(current().is_none());
}

#[test]
fn nothing_is_left_set_after_a_panic() {
    if is_skipped() {
        return;
    }
    let before = by_the_kernel();
    let (a, b) = (owner(40_001), owner(40_002));
    let panicked = std::panic::catch_unwind(|| {
        let _a = a.enter().unwrap();
        let _b = b.enter().unwrap();
        assert_ne!(by_the_kernel(), by_the_kernel(), "a panic is wanted");
    });
    assert!(panicked.is_err());
    assert_eq!(by_the_kernel(), before);
}

#[test]
fn threads_are_different_users_at_the_same_time() {
    if is_skipped() {
        return;
    }
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            scope.spawn(move || {
                let before = by_the_kernel();
                for round in 0..500_u32 {
                    let uid = 40_000 + thread * 1000 + round % 7;
                    let entered = owner(uid).enter().unwrap();
                    assert_eq!(by_the_kernel(), as_owner(uid, uid + 1000, &[uid + 1000, uid + 2000]));
                    drop(entered);
                    assert_eq!(by_the_kernel(), before);
                }
            });
        }
    });
}

/// Two users, each with a home directory that nobody else can enter.
struct Homes {
    directory: tempfile::TempDir,
    store: Arc<Store>,
}

impl Homes {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for uid in [40_001, 40_002] {
            let home = directory.path().join(uid.to_string());
            std::fs::create_dir(&home).unwrap();
            std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
            std::os::unix::fs::chown(&home, Some(uid), Some(uid + 1000)).unwrap();
        }
        let store = Store::new(StoreSettings {
            utf8_names: true,
            lock_wait_ms_max: 5_000,
            keywords_max: 100,
            take_over: crate::take_over::Preference::Newer,
            kept_bytes_max: 0,
            hostname: "host".to_owned(),
            quota_counts_trash: false,
            ..StoreSettings::default()
        });
        Self { directory, store }
    }

    fn maildir(&self, uid: u32) -> PathBuf {
        self.directory.path().join(uid.to_string()).join("Maildir")
    }

    fn account(&self, uid: u32) -> Arc<Account> {
        self.store.account_of(&self.maildir(uid), true, Some(owner(uid))).unwrap()
    }

    fn assert_owned(&self, uid: u32) {
        let mut directories = vec![self.maildir(uid)];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                let metadata = std::fs::symlink_metadata(&path).unwrap();
                assert_eq!((metadata.uid(), metadata.gid()), (uid, uid + 1000), "{}", path.display());
                if metadata.is_dir() {
                    directories.push(path);
                }
            }
        }
    }
}

fn append(account: &Arc<Account>) {
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    inbox.refresh(true).unwrap();
    let mut delivery = inbox.deliver().unwrap();
    delivery.write(b"Subject: a\r\n\r\nb\r\n").unwrap();
    inbox.append(vec![(delivery, Flags::default(), None)]).unwrap();
    // One that is given up, by a thread that is nobody in particular.
    drop(inbox.deliver().unwrap());
}

#[test]
fn files_belong_to_their_user_also_when_others_let_go_of_them() {
    if is_skipped() {
        return;
    }
    let homes = Homes::new();
    let before = by_the_kernel();
    let sent = MailboxName::new("Sent").unwrap();
    for _ in 0..3 {
        for uid in [40_001, 40_002] {
            // Opening this one lets go of the other one's, whose index is written then.
            let account = homes.account(uid);
            append(&account);
            if account.create(&sent).is_ok() {
                account.subscribe(&sent, true).unwrap();
            }
            account.quota().set_limits(crate::QuotaLimits::parse("50M").ok());
            account.quota().status().unwrap();
        }
    }
    homes.store.close();
    assert_eq!(by_the_kernel(), before);
    for uid in [40_001, 40_002] {
        homes.assert_owned(uid);
        for name in ["restante-index", "restante-uidlist", "maildirsize", ".Sent/cur"] {
            assert!(homes.maildir(uid).join(name).exists(), "{uid}: {name}");
        }
        assert_eq!(std::fs::read_dir(homes.maildir(uid).join("tmp")).unwrap().count(), 0, "{uid}");
    }
}

#[test]
fn the_kernel_refuses_what_is_another_users() {
    if is_skipped() {
        return;
    }
    let homes = Homes::new();
    homes.account(40_002).create(&MailboxName::new("Private").unwrap()).unwrap();
    let ours = homes.account(40_001);
    append(&ours);
    append(&homes.account(40_002));
    let refused = |error: crate::Error| assert_eq!(error.kind, ErrorKind::Unreadable, "{error}");
    // Their Maildir as ours, found by a path or by a link.
    let store = &homes.store;
    refused(store.account_of(&homes.maildir(40_002), true, Some(owner(40_001))).unwrap_err());
    let link = homes.maildir(40_001).with_file_name("link");
    std::os::unix::fs::symlink(homes.maildir(40_002), &link).unwrap();
    assert!(store.account_of(&link, true, Some(owner(40_001))).is_err());
    // Neither where permissions would let us in.
    let open = |path: PathBuf| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    for name in ["..", "", "cur", "new", "tmp"] {
        open(homes.maildir(40_002).join(name));
    }
    let error = store.account_of(&link, true, Some(owner(40_001))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("symbolic link"), "{error}");
    std::fs::set_permissions(homes.maildir(40_002), std::fs::Permissions::from_mode(0o700)).unwrap();
    // One's own may lie elsewhere.
    let elsewhere = homes.maildir(40_001).with_file_name("elsewhere");
    std::os::unix::fs::symlink(homes.maildir(40_001), &elsewhere).unwrap();
    assert!(Arc::ptr_eq(&ours, &store.account_of(&elsewhere, true, Some(owner(40_001))).unwrap()));
    // Whatever the store's own checks would say of it: the kernel's word alone.
    let entered = owner(40_001).enter().unwrap();
    for path in [homes.maildir(40_002).join("cur"), link.join("cur")] {
        let error = std::fs::read_dir(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
    drop(entered);
    // In our Maildir, a mailbox that is theirs.
    let mailbox = homes.maildir(40_001).join(".Theirs");
    std::os::unix::fs::symlink(homes.maildir(40_002).join(".Private"), mailbox).unwrap();
    assert!(ours.open(&MailboxName::new("Theirs").unwrap()).is_err());
}

#[test]
fn two_owners_of_one_maildir_do_not_share_an_account() {
    if is_skipped() {
        return;
    }
    let homes = Homes::new();
    let root = homes.maildir(40_001);
    let first = homes.account(40_001);
    assert!(Arc::ptr_eq(&first, &homes.account(40_001)));
    let other_group = Owner::new(40_001, 45_000, &[]);
    let other = homes.store.account_of(&root, false, other_group).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    assert_eq!(other.owner().map(|owner| owner.gid()), Some(45_000));
}

const TEXT: &str = "Subject: one of another\n\ntext\n";

/// A file of 40,001 in `cur/`, as another program leaves it, and dated.
fn put(homes: &Homes, name: &str, content: &[u8]) {
    let path = homes.maildir(40_001).join("cur").join(name);
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut file, content).unwrap();
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    file.set_modified(date).unwrap();
    std::os::unix::fs::chown(&path, Some(40_001), Some(41_001)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Text, flags and date of all messages.
fn messages(mailbox: &Arc<crate::Mailbox>) -> Vec<(String, String, i64)> {
    let snapshot = mailbox.refresh(false).unwrap().snapshot;
    let of_row = |row: crate::Row<'_>| {
        let file = mailbox.open_message(row.uid()).unwrap().unwrap();
        let keywords = row.keywords().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let text = String::from_utf8(file.read_all().unwrap()).unwrap();
        (text, format!("{:?} {keywords}", row.system_flags()), file.internal_date())
    };
    snapshot.rows().map(of_row).collect()
}

fn all(mailbox: &crate::Mailbox) -> mail::UidSet {
    mailbox.refresh(false).unwrap().snapshot.uids().iter().copied().collect()
}

#[test]
fn messages_go_to_another_owner_and_come_back() {
    if is_skipped() {
        return;
    }
    let (homes, before) = (Homes::new(), by_the_kernel());
    let (ours, theirs) = (homes.account(40_001), homes.account(40_002));
    theirs.quota().set_limits(crate::QuotaLimits::parse("4C").ok());
    put(&homes, "1.plain:2,FS", TEXT.as_bytes());
    put(&homes, &format!("2.gzip,S={}:2,R", TEXT.len()), &gzip(TEXT));
    let inbox = ours.open(&MailboxName::inbox()).unwrap();
    let there = theirs.open(&MailboxName::inbox()).unwrap();
    let keyword = mail::Keyword::new("Project").unwrap();
    let change = crate::FlagChange::Add(Flags::new(mail::SystemFlags::NONE, vec![keyword]));
    inbox.refresh(true).unwrap();
    inbox.store_flags(&all(&inbox), &change, None).unwrap();
    let expected = messages(&inbox);
    assert_eq!(expected.len(), 2);
    assert!(
        expected.iter().all(|(text, flags, date)| {
            text == TEXT && flags.ends_with("Project") && *date == 1_600_000_000
        })
    );

    // As a server does it: the thread works as the user who asks, whichever that is.
    for asks in [&ours, &theirs] {
        let _entered = asks.enter().unwrap();
        assert_eq!(inbox.copy(&all(&inbox), &there).unwrap().pairs.len(), 2);
    }
    assert_eq!(messages(&there), [&expected[..], &expected[..]].concat());
    let full = inbox.copy(&all(&inbox), &there).unwrap_err();
    assert_eq!(full.kind, ErrorKind::OverQuota);
    assert_eq!(inbox.move_to(&all(&inbox), &there).unwrap_err().kind, ErrorKind::OverQuota);
    let two = all(&there).iter().take(2).collect();
    assert_eq!(there.move_to(&two, &inbox).unwrap().pairs.len(), 2);
    assert_eq!(inbox.move_to(&two, &there).unwrap().pairs.len(), 2);
    assert_eq!((messages(&inbox), messages(&there).len()), (expected.clone(), 4));
    let counted = theirs.quota().status().unwrap().unwrap().usage.messages;
    assert_eq!(counted, 4);
    let gone = there.move_to(&all(&there), &inbox).unwrap();
    assert_eq!((gone.pairs.len(), messages(&inbox).len(), messages(&there).len()), (4, 6, 0));
    assert_eq!(theirs.quota().status().unwrap().unwrap().usage.messages, 0);

    assert_eq!(by_the_kernel(), before);
    for uid in [40_001, 40_002] {
        homes.assert_owned(uid);
        assert_eq!(std::fs::read_dir(homes.maildir(uid).join("tmp")).unwrap().count(), 0, "{uid}");
        for entry in std::fs::read_dir(homes.maildir(uid).join("cur")).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().nlink(), 1, "a file has one owner");
        }
    }
}

#[test]
fn what_another_owner_cannot_take_stays() {
    if is_skipped() {
        return;
    }
    let homes = Homes::new();
    let ours = homes.account(40_001);
    put(&homes, "1.plain:2,S", TEXT.as_bytes());
    let inbox = ours.open(&MailboxName::inbox()).unwrap();
    let there = homes.account(40_002).open(&MailboxName::inbox()).unwrap();
    there.refresh(true).unwrap();
    let set_mode = |mode| {
        for name in ["cur", "tmp"] {
            let path = homes.maildir(40_002).join(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set_mode(0o500);
    for outcome in [inbox.copy(&all(&inbox), &there), inbox.move_to(&all(&inbox), &there)] {
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Denied);
    }
    set_mode(0o700);
    assert_eq!((messages(&inbox).len(), messages(&there).len()), (1, 0));
    // A crash between the copy and the removal leaves the message in both, and never in none.
    let crashed = crate::faults::testing::dies_at("move: after a copy", 0, || {
        inbox.move_to(&all(&inbox), &there).unwrap();
    });
    assert!(crashed);
    let store = Store::new(ours.shared().settings.clone());
    let count = |uid| {
        let account = store.account_of(&homes.maildir(uid), false, Some(owner(uid))).unwrap();
        messages(&account.open(&MailboxName::inbox()).unwrap()).len()
    };
    assert_eq!((count(40_001), count(40_002)), (1, 1));
    homes.assert_owned(40_001);
    homes.assert_owned(40_002);
}

#[test]
fn security_indexes_elsewhere_belong_to_their_user_and_to_nobody_else() {
    if is_skipped() {
        return;
    }
    let homes = Homes::new();
    let shared = homes.directory.path().join("cache");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    // One was made by another user ahead of time.
    let foreign = shared.join("40002");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::set_permissions(&foreign, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::chown(&foreign, Some(40_003), Some(41_003)).unwrap();
    for uid in [40_001, 40_002] {
        let (root, index) = (homes.maildir(uid), Some(shared.join(uid.to_string())));
        let place = crate::AccountPlace { root, control: None, index, owner: Some(owner(uid)) };
        append(&homes.store.account_at(place, true).unwrap());
    }
    homes.store.close();
    for path in [shared.join("40001"), shared.join("40001/restante-index")] {
        let metadata = path.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (40_001, 41_001), "{}", path.display());
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
    }
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 0, "nothing is put there");
}
