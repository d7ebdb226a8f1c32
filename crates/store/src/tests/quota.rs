//! Quotas: what counts, when everything is counted anew, and what others leave in the file.

use super::*;
use crate::{ErrorKind, FlagChange, Quota, QuotaLimits, QuotaStatus, QuotaUsage};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

/// A message of 10 bytes on disk.
const TEN: &str = "A: b\n\nabc\n";

fn limits(text: &str) -> QuotaLimits {
    QuotaLimits::parse(text).unwrap()
}

fn usage(account: &Account) -> (u64, u64) {
    let usage = account.quota().status().unwrap().expect("limits").usage;
    (usage.bytes, usage.messages)
}

fn recounted(account: &Account) -> (u64, u64) {
    let usage = account.quota().recalculate(&mut |_| {}).unwrap().usage;
    (usage.bytes, usage.messages)
}

fn try_append(mailbox: &Mailbox, content: &str, system: SystemFlags) -> crate::Result<()> {
    let mut delivery = mailbox.deliver()?;
    delivery.write(content.as_bytes())?;
    mailbox.append(vec![(delivery, flags(system, &[]), None)]).map(drop)
}

fn set_deleted(mailbox: &Mailbox, which: &[u32], deleted: bool) {
    let flags = flags(SystemFlags::DELETED, &[]);
    let change = if deleted { FlagChange::Add(flags) } else { FlagChange::Remove(flags) };
    mailbox.store_flags(&uids(which), &change, None).unwrap();
}

fn is_over(result: crate::Result<impl Sized>) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::OverQuota, "{error}");
            true
        }
    }
}

/// Each change is counted as Courier counts, and as Dovecot; the sum of what was appended is
/// always what counting gives.
#[test]
fn every_change_is_counted() {
    for (trash, after) in [
        // Four messages; one copied; one deleted, and one born so; both expunged; one in Trash;
        // another moved there; Trash renamed; and that deleted.
        (false, [(40, 4), (50, 5), (40, 4), (40, 4), (40, 4), (30, 3), (50, 5), (30, 3)]),
        (true, [(40, 4), (50, 5), (60, 6), (40, 4), (50, 5), (50, 5), (50, 5), (30, 3)]),
    ] {
        let site = Site::new();
        let account = site.account_that_counts(trash);
        account.quota().set_limits(Some(limits("100S,10C")));
        account.create(&name("Trash")).unwrap();
        account.create(&name("a")).unwrap();
        let open = |mailbox: &str| account.open(&name(mailbox)).unwrap();
        let (inbox, a) = (account.open(&MailboxName::inbox()).unwrap(), open("a"));
        let inode =
            || std::os::unix::fs::MetadataExt::ino(&fs::metadata(site.root().join("maildirsize")).unwrap());
        account.quota().status().unwrap();
        let file = inode();
        let mut found = Vec::new();
        let mut note = || {
            found.push(usage(&account));
            assert_eq!(inode(), file, "counted by what was appended");
        };
        (0..4).for_each(|_| {
            append(&inbox, TEN, Flags::default());
        });
        note();
        inbox.copy(&uids(&[1]), &a).unwrap();
        note();
        set_deleted(&inbox, &[2], true);
        try_append(&a, TEN, SystemFlags::DELETED).unwrap();
        note();
        inbox.expunge(None).unwrap();
        a.expunge(None).unwrap();
        note();
        try_append(&open("Trash"), TEN, SystemFlags::NONE).unwrap();
        note();
        inbox.move_to(&uids(&[3]), &open("Trash")).unwrap();
        note();
        account.rename(&name("Trash"), &name("Old"), &[]).unwrap();
        note();
        account.delete(&name("Old")).unwrap();
        note();
        assert_eq!(found, after, "trash counts: {trash}");
        assert_eq!(recounted(&account), after[7], "trash counts: {trash}");
    }
}

#[test]
fn what_would_pass_the_limit_is_refused_and_nothing_is_changed() {
    for (quota, is_bytes) in [("30S", true), ("3C", false)] {
        let site = Site::new();
        let account = site.account();
        account.quota().set_limits(Some(limits(quota)));
        account.create(&name("Trash")).unwrap();
        let (inbox, trash) =
            (account.open(&MailboxName::inbox()).unwrap(), account.open(&name("Trash")).unwrap());
        (0..3).for_each(|_| {
            append(&inbox, TEN, Flags::default());
        });
        let before = (shown(&inbox), site.names("cur"), usage(&account));
        assert!(is_over(try_append(&inbox, TEN, SystemFlags::NONE)));
        assert!(is_over(inbox.copy(&uids(&[1, 2]), &inbox)));
        let plain = Flags::default();
        assert!(is_over(inbox.deliver_announced(&plain, 10)));
        assert!(!is_over(trash.deliver_announced(&plain, 10)), "Trash does not count");
        let deleted = flags(SystemFlags::DELETED, &[]);
        assert!(!is_over(inbox.deliver_announced(&deleted, 10)), "nor does what is deleted");
        assert_eq!((shown(&inbox), site.names("cur"), usage(&account)), before, "{quota}");
        assert_eq!(site.names("tmp"), Vec::<String>::new());
        // A move within what counts, and into Trash, is room enough; out of it is not.
        inbox.move_to(&uids(&[1]), &inbox).unwrap();
        inbox.move_to(&uids(&[2]), &trash).unwrap();
        try_append(&inbox, if is_bytes { "A: b\n\nab\n" } else { TEN }, SystemFlags::NONE).unwrap();
        assert!(is_over(trash.move_to(&uids(&[1]), &inbox)));
        account.create(&name("full")).unwrap();
        account.rename(&MailboxName::inbox(), &name("all"), &[]).unwrap();
        assert!(is_over(account.rename(&name("Trash"), &name("other"), &[])));
        assert!(account.open(&name("Trash")).is_ok());
    }
}

#[test]
fn without_limits_and_without_a_file_nothing_is_written() {
    for configured in [None, Some(QuotaLimits::default())] {
        let site = Site::new();
        let account = site.account();
        account.quota().set_limits(configured);
        let inbox = account.open(&MailboxName::inbox()).unwrap();
        append(&inbox, TEN, Flags::default());
        set_deleted(&inbox, &[1], true);
        inbox.expunge(None).unwrap();
        assert_eq!(account.quota().status().unwrap(), None);
        assert_eq!(account.quota().recalculate(&mut |_| {}).unwrap().usage, QuotaUsage::default());
        assert!(!site.root().join("maildirsize").exists());
    }
}

/// Room is promised before bytes are taken, to all that is on its way together, and given back.
#[test]
fn what_is_on_its_way_counts_and_what_does_not_come_is_given_back() {
    let site = Site::new();
    let account = site.account();
    account.quota().set_limits(Some(limits("50S,100C")));
    account.create(&name("a")).unwrap();
    let (inbox, a) = (account.open(&MailboxName::inbox()).unwrap(), account.open(&name("a")).unwrap());
    let plain = Flags::default();
    let announce = |count: usize| -> Vec<crate::Delivery> {
        (0..count).filter_map(|n| [&inbox, &a][n % 2].deliver_announced(&plain, 10).ok()).collect()
    };
    let mut announced = announce(20);
    assert_eq!(announced.len(), 5);
    assert_eq!(usage(&account), (0, 0), "none is there yet");
    // Neither commits at once, copies, nor another command, take it from them.
    assert!(is_over(try_append(&inbox, TEN, SystemFlags::NONE)));
    announced.pop();
    assert!(!is_over(try_append(&inbox, TEN, SystemFlags::NONE)));
    assert!(is_over(inbox.copy(&uids(&[1]), &a)));
    announced.pop();
    inbox.copy(&uids(&[1]), &a).unwrap();
    assert_eq!(announce(20).len(), 0);
    // A message that is shorter on disk leaves the rest to others.
    let mut last = announced.pop().unwrap();
    last.write(b"A: b\n\n").unwrap();
    inbox.append(vec![(last, plain.clone(), None)]).unwrap();
    assert_eq!((usage(&account), announce(20).len()), ((26, 3), 0));
    announced.clear();
    assert_eq!(announce(20).len(), 2);
    assert_eq!(usage(&account), recounted(&account));
    // A command of several messages has room for all of them or none.
    let together = announce(2);
    assert_eq!(together.len(), 2);
    assert!(is_over(inbox.deliver_announced(&plain, 10)));
    drop(together);
    // Another process took it: what was promised is looked at again.
    let mut late = inbox.deliver_announced(&plain, 20).unwrap();
    late.write("12345678\n".repeat(2).as_bytes()).unwrap();
    let elsewhere = site.account();
    elsewhere.quota().set_limits(Some(limits("50S,100C")));
    append(&elsewhere.open(&name("a")).unwrap(), TEN, Flags::default());
    assert!(is_over(inbox.append(vec![(late, plain.clone(), None)])));
    assert_eq!((usage(&account), site.names("tmp").len()), ((36, 4), 0));
    assert_eq!(announce(20).len(), 1);
}

/// Threads of one server that all look before any has written: the limit holds for all of them.
#[test]
fn parallel_commands_do_not_pass_the_limit_together() {
    for round in 0..20 {
        let site = Site::new();
        let account = site.account();
        account.quota().set_limits(Some(limits("50S")));
        account.create(&name("a")).unwrap();
        append(&account.open(&name("a")).unwrap(), TEN, Flags::default());
        let together = std::sync::Barrier::new(20);
        let stored: usize = std::thread::scope(|scope| {
            let attempt = |n: usize| {
                let mailbox = account
                    .open(&if n.is_multiple_of(2) { MailboxName::inbox() } else { name("a") })
                    .unwrap();
                let a = account.open(&name("a")).unwrap();
                together.wait();
                match n % 3 {
                    0 => a.copy(&uids(&[1]), &mailbox).is_ok(),
                    1 => try_append(&mailbox, TEN, SystemFlags::NONE).is_ok(),
                    _ => {
                        let delivery = mailbox.deliver_announced(&Flags::default(), 10);
                        delivery.is_ok_and(|mut delivery| {
                            delivery.write(TEN.as_bytes()).unwrap();
                            mailbox.append(vec![(delivery, Flags::default(), None)]).is_ok()
                        })
                    }
                }
            };
            let threads: Vec<_> = (0..20).map(|n| scope.spawn(move || attempt(n))).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!((stored, usage(&account)), (4, (50, 5)), "round {round}");
        assert_eq!(recounted(&account), (50, 5));
    }
}

/// What the file says, and whether it is believed. In the Maildir are 20 bytes in 2 messages.
#[test]
fn the_file_is_believed_by_the_rules_of_maildir() {
    let long = format!("100S\n20 2\n{}", "1 0\n-1 0\n".repeat(600));
    let old = SystemTime::now() - Duration::from_secs(16 * 60);
    for (text, configured, modified, expected, is_replaced) in [
        (Some("100S\n70 7\n"), None, None, Some((100, 70, 7)), false),
        (Some("100S\n70 7\n"), Some("100S"), None, Some((100, 70, 7)), false),
        (Some("100S\n70 7\n-10 -1\n"), Some("100S,0C"), None, Some((100, 60, 6)), false),
        (Some("100S\n70 7\njunk\n"), None, None, Some((100, 70, 7)), false),
        // Missing, or of other limits.
        (None, Some("100S"), None, Some((100, 20, 2)), true),
        (None, None, None, None, false),
        (Some("100S\n70 7\n"), Some("200S"), None, Some((200, 20, 2)), true),
        (Some("junk\n70 7\n"), Some("200S"), None, Some((200, 20, 2)), true),
        (Some("junk\n70 7\n"), None, None, None, false),
        (Some("0S\n70 7\n"), None, None, None, false),
        // Too long, torn, negative.
        (Some(&*long), None, None, Some((100, 20, 2)), true),
        (Some("100S\n70 7\n10"), None, None, Some((100, 20, 2)), true),
        (Some("100S\n-1 7\n"), None, None, Some((100, 20, 2)), true),
        (Some("100S\n1 -7\n"), None, None, Some((100, 20, 2)), true),
        // Over the limits: by one count that is not old, or else not believed.
        (Some("100S\n101 1\n"), None, None, Some((100, 101, 1)), false),
        (Some("100S\n101 1\n"), None, Some(old), Some((100, 20, 2)), true),
        (Some("100S\n90 1\n11 1\n"), None, None, Some((100, 20, 2)), true),
        (Some("100S\n100 1\n"), None, Some(old), Some((100, 100, 1)), false),
    ] {
        let site = Site::new();
        site.deliver("1.a", TEN);
        site.deliver("2.b,S=10", "a lie of another program");
        let path = site.root().join("maildirsize");
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
            let time = modified.unwrap_or_else(SystemTime::now);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let quota = Quota::new(&site.root(), "host", false);
        quota.set_limits(configured.map(limits));
        let found = quota.status().unwrap();
        let shown =
            |QuotaStatus { limits, usage }: QuotaStatus| (limits.bytes.unwrap(), usage.bytes, usage.messages);
        assert_eq!(found.map(shown), expected, "{text:?} {configured:?}");
        let now = fs::read_to_string(&path).ok();
        assert_eq!(now.as_deref() != text, is_replaced, "{text:?}: {now:?}");
        if is_replaced {
            let limits = expected.unwrap().0;
            assert_eq!(now.unwrap(), format!("{limits}S\n          20            2\n"));
            assert_eq!(site.names("tmp"), Vec::<String>::new());
        }
    }
}

#[test]
fn security_22_only_a_regular_file_is_a_quota() {
    let make_link = |path: &Path| {
        fs::write(path.with_file_name("elsewhere"), "5S\n1 1\n").unwrap();
        symlink(path.with_file_name("elsewhere"), path).unwrap();
    };
    let make_fifo = |path: &Path| {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    };
    let make_directory = |path: &Path| fs::create_dir(path).unwrap();
    let make_binary = |path: &Path| fs::write(path, [0xFF; 6000]).unwrap();
    let makers: [&dyn Fn(&Path); 4] = [&make_link, &make_fifo, &make_directory, &make_binary];
    for (which, make) in makers.iter().enumerate() {
        let site = Site::new();
        make(&site.root().join("maildirsize"));
        let account = site.account();
        let inbox = account.open(&MailboxName::inbox()).unwrap();
        // By itself it limits nothing, and no command fails for it.
        append(&inbox, TEN, Flags::default());
        assert_eq!(account.quota().status().unwrap(), None, "{which}");
        account.quota().set_limits(Some(limits("20S")));
        append(&inbox, TEN, Flags::default());
        assert_eq!(usage(&account), (20, 2), "{which}");
        assert!(is_over(try_append(&inbox, TEN, SystemFlags::NONE)), "{which}");
        if let Ok(text) = fs::read_to_string(site.root().join("elsewhere")) {
            assert_eq!(text, "5S\n1 1\n", "what a link names is not touched");
        }
    }
}

/// What comes while everything is counted is not lost, and what cannot be counted in peace is
/// not kept.
#[test]
fn deliveries_while_it_is_counted() {
    for (times, is_kept) in [(0, true), (1, true), (9, false)] {
        let site = Site::new();
        site.deliver("1.a", TEN);
        let quota = Quota::new(&site.root(), "host", false);
        quota.set_limits(Some(limits("1000S")));
        let mut count = 0;
        let mut interfere = |_| {
            if count < times {
                count += 1;
                site.deliver(&format!("2.{count}"), TEN);
            }
        };
        let found = quota.recalculate(&mut interfere).unwrap().usage.messages;
        assert_eq!(site.root().join("maildirsize").exists(), is_kept, "{times}");
        let all = site.names("new").len() as u64;
        assert!(!is_kept || found == all, "{found} of {all}");
        assert_eq!(quota.status().unwrap().unwrap().usage.messages, all);
    }
}

#[test]
fn a_file_that_only_grows_is_counted_anew() {
    let site = Site::new();
    let account = site.account();
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    append(&inbox, TEN, Flags::default());
    let path = site.root().join("maildirsize");
    fs::write(&path, format!("0S\n{}", "1 0\n-1 0\n".repeat(8_000))).unwrap();
    set_deleted(&inbox, &[1], true);
    assert_eq!(fs::read_to_string(&path).unwrap(), "0S\n           0            0\n");
    set_deleted(&inbox, &[1], false);
    assert_eq!(recounted(&account), (10, 1));
}

#[derive(Clone, Debug)]
enum Step {
    Append { mailbox: usize, size: usize, deleted: bool },
    Copy { from: usize, to: usize, which: u32 },
    Move { from: usize, to: usize, which: u32 },
    Deleted { mailbox: usize, which: u32, on: bool },
    Replace { mailbox: usize, which: u32 },
    Expunge(usize),
    Rename,
    Delete,
}

fn step() -> impl Strategy<Value = Step> {
    let (mailbox, which) = (0_usize..3, 1_u32..6);
    prop_oneof![
        (mailbox.clone(), 0_usize..60, any::<bool>()).prop_map(|(mailbox, size, deleted)| Step::Append {
            mailbox,
            size,
            deleted
        }),
        (mailbox.clone(), mailbox.clone(), which.clone()).prop_map(|(from, to, which)| Step::Copy {
            from,
            to,
            which
        }),
        (mailbox.clone(), mailbox.clone(), which.clone()).prop_map(|(from, to, which)| Step::Move {
            from,
            to,
            which
        }),
        (mailbox.clone(), which.clone(), any::<bool>()).prop_map(|(mailbox, which, on)| Step::Deleted {
            mailbox,
            which,
            on
        }),
        (mailbox.clone(), which).prop_map(|(mailbox, which)| Step::Replace { mailbox, which }),
        mailbox.prop_map(Step::Expunge),
        Just(Step::Rename),
        Just(Step::Delete),
    ]
}

fn take(account: &Arc<Account>, step: &Step) {
    let names = [MailboxName::inbox(), name("Trash"), name("a")];
    for name in &names[1..] {
        let _ = account.create(name);
    }
    let open = |which: usize| account.open(&names[which]).unwrap();
    // Some steps are refused; what counts is that the sum stays right.
    let _ = match *step {
        Step::Append { mailbox, size, deleted } => {
            let flags = if deleted { SystemFlags::DELETED } else { SystemFlags::NONE };
            try_append(&open(mailbox), &format!("A: b\r\n\r\n{}", "x".repeat(size)), flags)
        }
        Step::Copy { from, to, which } => open(from).copy(&uids(&[which, which + 1]), &open(to)).map(drop),
        Step::Move { from, to, which } => open(from).move_to(&uids(&[which, which + 1]), &open(to)).map(drop),
        Step::Deleted { mailbox, which, on } => {
            set_deleted(&open(mailbox), &[which, which + 2], on);
            Ok(())
        }
        Step::Replace { mailbox, which } => {
            let change = FlagChange::Replace(flags(SystemFlags::SEEN, &[]));
            open(mailbox).store_flags(&uids(&[which]), &change, None).map(drop)
        }
        Step::Expunge(mailbox) => open(mailbox).expunge(None).map(drop),
        Step::Rename => account.delete(&names[2]).and_then(|()| account.rename(&names[1], &names[2], &[])),
        Step::Delete => account.delete(&names[2]),
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is done, and refused: what was appended is what counting gives.
    #[test]
    fn what_is_appended_is_what_is_there(trash in any::<bool>(), steps in proptest::collection::vec(step(), 1..25)) {
        let site = Site::new();
        let account = site.account_that_counts(trash);
        account.quota().set_limits(Some(limits("700S,20C")));
        steps.iter().for_each(|step| take(&account, step));
        let summed = usage(&account);
        prop_assert_eq!(summed, recounted(&account));
    }
}

/// Set for the processes of the next test: the Maildir, and the mailbox to append to.
const CHILD: &str = "RESTANTE_QUOTA_CHILD";

#[test]
fn two_processes_count_in_one_file() {
    const EACH: usize = 40;
    if let Ok(child) = std::env::var(CHILD) {
        let (root, mailbox) = child.split_once('|').unwrap();
        let account = store(false).account(Path::new(root), false).unwrap();
        account.quota().set_limits(Some(limits("1000000S")));
        let mailbox = account.open(&name(mailbox)).unwrap();
        (0..EACH).for_each(|_| {
            append(&mailbox, TEN, Flags::default());
        });
        return;
    }
    let site = Site::new();
    let account = site.account();
    account.quota().set_limits(Some(limits("1000000S")));
    assert_eq!(usage(&account), (0, 0));
    let children = ["a", "b"].map(|mailbox| {
        account.create(&name(mailbox)).unwrap();
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::quota::two_processes_count_in_one_file"])
            .env(CHILD, format!("{}|{mailbox}", site.root().display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = fs::read_to_string(site.root().join("maildirsize")).unwrap();
    assert_eq!(text.lines().count(), 2 + 2 * EACH, "one line a change, none torn: {text}");
    let all = (2 * EACH) as u64;
    assert_eq!(usage(&account), (10 * all, all));
    assert_eq!(recounted(&account), (10 * all, all));
}

/// Threads of one server that count and are counted at the same time.
#[test]
fn counting_anew_misses_no_change_of_the_same_server() {
    let site = Site::new();
    let account = site.account();
    account.quota().set_limits(Some(limits("1000000S")));
    assert_eq!(usage(&account), (0, 0));
    std::thread::scope(|scope| {
        for mailbox in ["a", "b"] {
            account.create(&name(mailbox)).unwrap();
            let account = account.clone();
            scope.spawn(move || {
                let mailbox = account.open(&name(mailbox)).unwrap();
                (0..30).for_each(|_| {
                    append(&mailbox, TEN, Flags::default());
                });
            });
        }
        (0..20).for_each(|_| {
            recounted(&account);
        });
    });
    assert_eq!(usage(&account), (600, 60));
}
