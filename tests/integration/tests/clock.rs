//! A clock that jumps by hours and years, forward and back, under a running server.
//!
//! UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ never go back, names of files stay apart, and nothing
//! that comes in is overlooked, though the times of change of directories lie in the future or
//! long ago.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::client::{Client, Contents, status_numbers};
use restante_tests::shim::Clock;
use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::{Target, make_mailbox};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

/// Seconds ahead of the machine's clock, one after the other.
const JUMPS: [i64; 9] = [0, 5 * HOUR, -3 * HOUR, 10 * YEAR, -20 * YEAR, 60, -60, YEAR, 0];

/// A server by a clock of its own, and the clock.
fn start() -> Option<(Restante, Clock, tempfile::TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    let clock = match Clock::new(directory.path()) {
        Ok(clock) => clock,
        Err(error) => {
            eprintln!("SKIPPED: {error}");
            return None;
        }
    };
    let mut command = Command::new(binary());
    command.stdin(Stdio::null());
    clock.rule(&mut command);
    let server = Restante::start_by(&mut command, "");
    make_mailbox(&server.maildir(), "INBOX");
    hand_over(&server.directory().join("mail"));
    Some((server, clock, directory))
}

fn append(client: &mut Client, mailbox: &str, number: usize) {
    let text = format!("Subject: {number}\r\n\r\ntext\r\n");
    client.ok(&format!("APPEND {mailbox} (k1) {{{}+}}\r\n{text}", text.len()));
}

fn deliver(maildir: &Path, number: usize) {
    let name = format!("17{number:08}.M1P1.other");
    let tmp = maildir.join("tmp").join(&name);
    std::fs::write(&tmp, format!("Subject: delivered {number}\n\ntext\n")).unwrap();
    hand_over(&tmp);
    std::fs::rename(&tmp, maildir.join("new").join(&name)).unwrap();
}

#[test]
fn numbers_never_go_back() {
    let Some((server, clock, _directory)) = start() else { return };
    let maildir = server.maildir();
    let mut client = Client::log_in(&server, &server.user());
    let mut other = Client::log_in(&server, &server.user());
    let mut greatest = 0;
    let mut inbox = Contents::default();
    for (number, jump) in JUMPS.into_iter().enumerate() {
        clock.set(jump);
        // The server lives by that clock: its log says so, or the names of its files.
        for turn in 0..3 {
            client.ok("CREATE Again");
            append(&mut client, "Again", turn);
            let again = client.contents("Again");
            assert!(again.validity > greatest, "UIDVALIDITY {} after {greatest}", again.validity);
            greatest = again.validity;
            client.ok("DELETE Again");
        }
        other.ok("SELECT INBOX");
        for turn in 0..5 {
            append(&mut client, "INBOX", turn);
            deliver(&maildir, number * 10 + turn);
            let noop = other.ok("NOOP");
            assert_eq!(noop.exists(), Some(inbox.messages.len() + 2), "{jump}: {noop:?}");
            other.ok("UID STORE 1:* +FLAGS (k2)");
            other.ok("UID STORE 1:* -FLAGS (k2)");
            let now = client.contents("INBOX");
            assert_eq!(now.messages.len(), inbox.messages.len() + 2, "{jump}: what came in is seen");
            assert!(inbox.validity == 0 || now.validity == inbox.validity, "{jump}: {now:?}");
            assert!(now.next > inbox.next && now.highest > inbox.highest, "{jump}: {now:?}");
            for (uid, message) in &inbox.messages {
                assert_eq!(now.messages[uid].content, message.content, "{jump}: UID {uid}");
                assert!(now.messages[uid].modseq > inbox.highest, "{jump}: UID {uid}: {message:?}");
            }
            inbox = now;
        }
        other.ok("UNSELECT");
    }
    let names = |place: &str| std::fs::read_dir(maildir.join(place)).unwrap().count();
    assert_eq!(names("cur") + names("new"), inbox.messages.len(), "no file took another's name");
    let beside = server.start_beside();
    assert_eq!(Client::log_in(&beside, &server.user()).contents("INBOX"), inbox);
    // Names say what the clock said.
    let years: BTreeMap<i64, usize> =
        std::fs::read_dir(maildir.join("cur")).unwrap().fold(BTreeMap::new(), |mut all, entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let seconds: i64 = name.split('.').next().unwrap().parse().unwrap();
            *all.entry(seconds / YEAR).or_default() += 1;
            all
        });
    assert!(years.len() >= 4, "the clock did jump: {years:?}");
}

/// A clock that is ahead makes each directory look long unchanged, at the moment it changes.
#[test]
fn what_comes_in_quick_succession_is_seen() {
    let Some((server, clock, _directory)) = start() else { return };
    let mut client = Client::log_in(&server, &server.user());
    let mut delivered = 0;
    for jump in [0, 24 * HOUR, 10 * YEAR, -24 * HOUR] {
        clock.set(jump);
        for _ in 0..100 {
            deliver(&server.maildir(), delivered);
            delivered += 1;
            let status = client.ok("STATUS INBOX (MESSAGES)");
            assert_eq!(status_numbers(&status)["MESSAGES"], delivered as u64, "ahead by {jump} s");
        }
    }
}

/// Another machine's clock, or a restored backup, dates directories as it likes.
#[test]
fn directories_dated_in_the_future_are_read_again() {
    let server = Restante::start("");
    let maildir = make_mailbox(&server.maildir(), "INBOX");
    hand_over(&server.directory().join("mail"));
    let mut client = Client::log_in(&server, &server.user());
    let now = SystemTime::now();
    let year = Duration::from_secs(YEAR.unsigned_abs());
    let mut delivered = 0;
    for date in
        [now + year, now + Duration::from_secs(30), now - year, SystemTime::UNIX_EPOCH, now + 50 * year]
    {
        for _ in 0..5 {
            for place in ["new", "cur"] {
                std::fs::File::open(maildir.join(place)).unwrap().set_modified(date).unwrap();
            }
            client.ok("STATUS INBOX (MESSAGES)");
            deliver(&maildir, delivered);
            delivered += 1;
            let status = client.ok("STATUS INBOX (MESSAGES)");
            assert_eq!(status_numbers(&status)["MESSAGES"], delivered as u64, "dated {date:?}");
        }
    }
}
