//! Tests of watching.

use super::watched::EVENTS_MAX;
use super::*;
use crate::scan::Place;
use std::sync::mpsc;

fn mailbox() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["new", "cur", "tmp"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
    }
    directory
}

fn bell() -> (Wake, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let wake: Wake = Arc::new(move |_: &WakeReason| {
        let _ = sender.send(());
    });
    (wake, receiver)
}

fn reason() -> WakeReason {
    WakeReason { account: AccountId::next(), mailbox: Some(MailboxName::inbox()) }
}

#[test]
fn a_delivery_rings_and_a_dropped_watch_is_silent() {
    let directory = mailbox();
    let (wake, rung) = bell();
    let watcher = Watcher::start();
    let watched = watcher.register(directory.path(), reason());
    assert!(watched.begin());
    let watch = watched.wake(wake);
    std::fs::write(directory.path().join("new/1.a"), "").unwrap();
    rung.recv_timeout(Duration::from_secs(20)).expect("a ring");
    drop(watch);
    assert!(watched.lock().wakes.is_empty());
    drop(watched);
    // The watcher's thread may be the last to let go of it.
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !watcher.lock().registered.is_empty() || !watcher.lock().directories.is_empty() {
        assert!(std::time::Instant::now() < until, "it stays registered");
        std::thread::yield_now();
    }
}

#[test]
fn all_that_happened_is_in_the_journal_at_once() {
    let directory = mailbox();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("new/1.a"), "").unwrap();
    let watcher = Watcher::start();
    let watched = watcher.register(directory.path(), reason());
    assert!(!watched.is_quiet(), "not begun");
    assert!(watched.begin() && watched.is_quiet());
    std::fs::rename(path("new/1.a"), path("cur/1.a:2,S")).unwrap();
    std::fs::remove_file(path("cur/1.a:2,S")).unwrap();
    std::fs::write(path("cur/.hidden"), "").unwrap();
    std::fs::create_dir(path("cur/directory")).unwrap();
    std::fs::write(path("restante-uidlist.lock"), "").unwrap();
    let event = |place, what, name: &str| Event { place, what, name: name.as_bytes().into() };
    let expected = [
        event(Place::New, What::Left, "1.a"),
        event(Place::Cur, What::Came, "1.a:2,S"),
        event(Place::Cur, What::Removed, "1.a:2,S"),
    ];
    assert_eq!(watched.take_journal().unwrap(), expected);
    assert!(watched.is_quiet());
}

#[test]
fn a_directory_that_is_replaced_ends_the_journal() {
    let directory = mailbox();
    let watcher = Watcher::start();
    let watched = watcher.register(directory.path(), reason());
    assert!(watched.begin());
    std::fs::remove_dir(directory.path().join("cur")).unwrap();
    assert_eq!(watched.take_journal(), None);
    assert!(!watched.begin(), "there is no cur/");
    std::fs::create_dir(directory.path().join("cur")).unwrap();
    assert!(watched.begin());
    std::fs::write(directory.path().join("cur/1.a"), "").unwrap();
    assert_eq!(watched.take_journal().map(|events| events.len()), Some(1));
}

#[test]
fn what_cannot_be_watched_is_polled() {
    let (wake, rung) = bell();
    let watcher = Watcher::start();
    let watched = watcher.register(Path::new("/nonexistent/mailbox"), reason());
    assert!(!watched.begin() && !watched.is_quiet());
    let _watch = watched.wake(wake);
    rung.recv_timeout(Duration::from_secs(20)).expect("a ring");
}

#[test]
fn a_flood_ends_in_a_scan_and_not_in_memory() {
    let directory = mailbox();
    let watcher = Watcher::start();
    let watched = watcher.register(directory.path(), reason());
    assert!(watched.begin());
    let path = |n: usize| directory.path().join(format!("cur/1.a:2,{}", ["", "S"][n % 2]));
    std::fs::write(path(0), "").unwrap();
    for n in 0..EVENTS_MAX {
        std::fs::rename(path(n), path(n + 1)).unwrap();
    }
    assert_eq!(watched.take_journal(), None);
    assert!(watched.begin() && watched.is_quiet());
}
