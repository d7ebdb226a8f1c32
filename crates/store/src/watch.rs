//! Watching mailboxes: what happens in their directories, and whom to tell.
//!
//! One inotify instance for a whole [`crate::Store`]. Each mailbox that is open has a
//! *journal*: the names that came and went in `cur/` and `new/` since it last looked. The
//! kernel queues an event before the system call that causes it returns, and whoever looks
//! empties that queue first: so a look that finds its journal empty has missed nothing, and one
//! that finds names in it needs no scan.
//!
//! A thread empties the queue when nobody looks, and rings the sessions that wait: a wake says
//! "look again". Where a directory cannot be watched (the user's limit of watches, a network's
//! file system, whose changes elsewhere are not seen here) there is no journal; times of change
//! serve instead, and another thread rings every few seconds.

use crate::own_files;
use crate::scan::{Place, is_mail, is_nameless};
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What is called on a change: "look again". Lost or doubled, it costs delay, never truth.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Time between two rings for those who cannot be watched.
const POLL: Duration = Duration::from_secs(5);

/// How long the thread lets events gather before it rings.
const GATHER: Duration = Duration::from_millis(1);

/// Events that a journal holds at most; when there are more, a scan is cheaper.
const EVENTS_MAX: usize = 50_000;

/// The same while nobody has the mailbox open: there may be thousands of them.
const EVENTS_UNWATCHED_MAX: usize = 2_000;

/// Keeps a [`Wake`] registered; dropping it ends that.
#[must_use]
pub struct Watch {
    watched: Arc<Watched>,
    number: u64,
}

/// A mailbox's registration: its journal, and the wakes of those who have it open.
pub(crate) struct Watched {
    watcher: Arc<Watcher>,
    /// The mailbox's directory, `new` and `cur`.
    paths: [PathBuf; 3],
    number: u64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    descriptors: Vec<WatchDescriptor>,
    journal: Vec<Event>,
    /// The journal does not have everything: only a scan can tell.
    incomplete: bool,
    /// Not all is seen: rung from time to time.
    polled: bool,
    next_wake: u64,
    wakes: Vec<(u64, Wake)>,
}

/// Something that happened to a name in `cur/` or `new/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) what: What,
    pub(crate) name: Box<[u8]>,
}

/// What happened to a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// It was made, or renamed to this.
    Came,
    /// It was renamed from this.
    Left,
    /// It was removed.
    Removed,
}

/// The watcher of a store.
pub(crate) struct Watcher {
    /// Locked while events are taken from the kernel and given to journals: whoever has it sees
    /// all that was queued before.
    queue: Mutex<Option<Inotify>>,
    state: Mutex<State>,
    /// Written to when the store ends.
    end: Option<OwnedFd>,
}

#[derive(Default)]
struct State {
    watches: Option<Watches>,
    next_number: u64,
    registered: HashMap<u64, Weak<Watched>>,
    /// Whose journal a directory's events go to, and which of its directories it is.
    directories: HashMap<WatchDescriptor, Vec<(u64, usize)>>,
    polling: bool,
}

impl Watcher {
    /// Starts the watcher's thread. Without inotify everything is polled, which is said once.
    pub(crate) fn start() -> Arc<Self> {
        let inotify = Inotify::init().inspect_err(|error| {
            tracing::warn!(%error, "no inotify: polling mailboxes");
        });
        let inotify = inotify.ok();
        let state = State { watches: inotify.as_ref().map(Inotify::watches), ..State::default() };
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        let watcher = Arc::new(Self { queue: Mutex::new(inotify), state: Mutex::new(state), end });
        if let Some(fds) = watcher.descriptors() {
            let weak = Arc::downgrade(&watcher);
            let spawned =
                std::thread::Builder::new().name("watch".to_owned()).spawn(move || listen(&fds, &weak));
            if let Err(error) = spawned {
                tracing::warn!(%error, "no thread to watch mailboxes: new mail shows with the next command");
            }
        }
        watcher
    }

    /// Copies of the descriptors that the thread waits for.
    fn descriptors(&self) -> Option<[OwnedFd; 2]> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let inotify = queue.as_ref()?.as_fd().try_clone_to_owned().ok()?;
        Some([inotify, self.end.as_ref()?.try_clone().ok()?])
    }

    /// Registers a mailbox. Its journal begins with [`Watched::begin`].
    pub(crate) fn register(self: &Arc<Self>, directory: &Path) -> Arc<Watched> {
        let mut state = self.lock();
        let number = state.next_number;
        state.next_number += 1;
        let watched = Arc::new(Watched {
            watcher: self.clone(),
            paths: [directory.to_owned(), directory.join("new"), directory.join("cur")],
            number,
            inner: Mutex::new(Inner { incomplete: true, ..Inner::default() }),
        });
        state.registered.insert(number, Arc::downgrade(&watched));
        watched
    }

    /// Takes what the kernel has queued, gives it to the journals, and rings.
    fn pump(&self) {
        let mut rung: Vec<Wake> = Vec::new();
        // Whoever is the last to let go of a registration locks the state.
        let mut held: Vec<Arc<Watched>> = Vec::new();
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(inotify) = queue.as_mut() else { return };
            let mut buffer = [0; 16 * 1024];
            while let Ok(events) = inotify.read_events(&mut buffer) {
                let state = self.lock();
                for event in events {
                    state.give(&event, &mut held, &mut rung);
                }
            }
        }
        rung.iter().for_each(|wake| wake());
    }

    fn start_polling(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().polling, true) {
            return;
        }
        let weak = Arc::downgrade(self);
        let poll = move || {
            while let Some(watcher) = weak.upgrade() {
                let all: Vec<Arc<Watched>> =
                    watcher.lock().registered.values().filter_map(Weak::upgrade).collect();
                drop(watcher);
                all.iter().for_each(|watched| watched.ring_if_polled());
                drop(all);
                std::thread::sleep(POLL);
            }
        };
        // A user's watch may be the first that is refused, and the thread is everybody's.
        let spawned = crate::owner::step_out()
            .and_then(|_outside| std::thread::Builder::new().name("poll".to_owned()).spawn(poll));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to poll mailboxes: new mail shows with the next command");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(end) = &self.end {
            let _ = rustix::io::write(end, &1_u64.to_ne_bytes());
        }
    }
}

impl State {
    /// Gives an event to those whose directory it is.
    fn give(&self, event: &inotify::Event<&OsStr>, held: &mut Vec<Arc<Watched>>, rung: &mut Vec<Wake>) {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            for watched in self.registered.values().filter_map(Weak::upgrade) {
                watched.lose(rung);
                held.push(watched);
            }
            return;
        }
        for (number, directory) in self.directories.get(&event.wd).into_iter().flatten() {
            if let Some(watched) = self.registered.get(number).and_then(Weak::upgrade) {
                watched.take(event, *directory, rung);
                if held.last().is_none_or(|last| !Arc::ptr_eq(last, &watched)) {
                    held.push(watched);
                }
            }
        }
    }

    fn add(&mut self, path: &Path) -> Option<WatchDescriptor> {
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::CLOSE_WRITE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR
            | WatchMask::DONT_FOLLOW;
        match self.watches.as_mut()?.add(path, mask) {
            Ok(descriptor) => Some(descriptor),
            Err(error) => {
                tracing::debug!(%error, directory = %path.display(), "cannot watch: polling");
                None
            }
        }
    }

    /// Ends the watches of a mailbox that nobody else has.
    fn remove(&mut self, number: u64, descriptors: Vec<WatchDescriptor>) {
        for descriptor in descriptors {
            let Some(owners) = self.directories.get_mut(&descriptor) else { continue };
            owners.retain(|(owner, _)| *owner != number);
            if owners.is_empty() {
                self.directories.remove(&descriptor);
                if let Some(watches) = self.watches.as_mut() {
                    // The kernel has removed it already when the directory is gone.
                    let _ = watches.remove(descriptor);
                }
            }
        }
    }
}

impl Watched {
    /// Begins the journal anew: what happens from now on is in it. To be called before a scan.
    /// `false` when there can be none.
    pub(crate) fn begin(&self) -> bool {
        let complete = self.add_watches();
        self.watcher.pump();
        let mut inner = self.lock();
        inner.journal.clear();
        (inner.incomplete, inner.polled) = (!complete, !complete);
        drop(inner);
        if !complete {
            self.watcher.start_polling();
        }
        complete
    }

    /// Watches the directories that are there now, and those of before no more; whether all of
    /// them are watched. Adding a watch that is there gives the same one: it is noted as ours
    /// under the same lock, else another registration of the directory that ends meanwhile
    /// would take it along.
    fn add_watches(&self) -> bool {
        let trusted = is_local(&self.paths[0]);
        let mut state = self.watcher.lock();
        let mut descriptors = Vec::with_capacity(self.paths.len());
        for (directory, path) in self.paths.iter().enumerate().filter(|_| trusted) {
            let Some(descriptor) = state.add(path) else { continue };
            let owners = state.directories.entry(descriptor.clone()).or_default();
            if !owners.contains(&(self.number, directory)) {
                owners.push((self.number, directory));
            }
            descriptors.push(descriptor);
        }
        let complete = descriptors.len() == self.paths.len();
        let mut old = std::mem::replace(&mut self.lock().descriptors, descriptors.clone());
        old.retain(|old| !descriptors.contains(old));
        state.remove(self.number, old);
        complete
    }

    /// Whether nothing happened since the journal was last taken or begun.
    pub(crate) fn is_quiet(&self) -> bool {
        self.watcher.pump();
        let inner = self.lock();
        inner.journal.is_empty() && !inner.incomplete
    }

    /// What happened since the journal was last taken or begun; `None` when it does not have
    /// everything.
    pub(crate) fn take_journal(&self) -> Option<Vec<Event>> {
        self.watcher.pump();
        let mut inner = self.lock();
        (!inner.incomplete).then(|| std::mem::take(&mut inner.journal))
    }

    /// How many wakes are registered.
    pub(crate) fn wakes(&self) -> usize {
        self.lock().wakes.len()
    }

    /// Has `wake` called when something may have changed.
    pub(crate) fn wake(self: &Arc<Self>, wake: Wake) -> Watch {
        let mut inner = self.lock();
        let number = inner.next_wake;
        inner.next_wake += 1;
        inner.wakes.push((number, wake));
        Watch { watched: self.clone(), number }
    }

    fn take(&self, event: &inotify::Event<&OsStr>, directory: usize, rung: &mut Vec<Wake>) {
        let mask = event.mask;
        if mask.intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::UNMOUNT) {
            return self.lose(rung);
        }
        let Some(name) = event.name.map(OsStr::as_bytes) else { return };
        let place = match directory {
            0 if name == own_files::UID_LIST.as_bytes() => return self.lock().ring(rung),
            // Locks and temporary files.
            0 => return,
            1 => Place::New,
            _ => Place::Cur,
        };
        let what = match mask {
            _ if mask.contains(EventMask::ISDIR) => return,
            // It has no base name by which it could be followed: a scan gives it one.
            _ if is_nameless(name) && mask.intersects(EventMask::CREATE | EventMask::MOVED_TO) => {
                return self.lose(rung);
            }
            _ if !is_mail(name) => return,
            _ if mask.intersects(EventMask::CREATE | EventMask::MOVED_TO) => What::Came,
            _ if mask.contains(EventMask::MOVED_FROM) => What::Left,
            _ if mask.contains(EventMask::DELETE) => What::Removed,
            _ => return,
        };
        let mut inner = self.lock();
        inner.ring(rung);
        let most = if inner.wakes.is_empty() { EVENTS_UNWATCHED_MAX } else { EVENTS_MAX };
        if inner.journal.len() >= most {
            inner.incomplete = true;
            inner.journal = Vec::new();
        } else if !inner.incomplete {
            inner.journal.push(Event { place, what, name: name.into() });
        }
    }

    fn lose(&self, rung: &mut Vec<Wake>) {
        let mut inner = self.lock();
        inner.incomplete = true;
        inner.journal = Vec::new();
        inner.ring(rung);
    }

    fn ring_if_polled(&self) {
        let mut rung = Vec::new();
        let inner = self.lock();
        if inner.polled {
            inner.ring(&mut rung);
        }
        drop(inner);
        rung.iter().for_each(|wake| wake());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn ring(&self, rung: &mut Vec<Wake>) {
        for (_, wake) in &self.wakes {
            if !rung.iter().any(|other| Arc::ptr_eq(other, wake)) {
                rung.push(wake.clone());
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let descriptors = std::mem::take(&mut self.lock().descriptors);
        let mut state = self.watcher.lock();
        state.registered.remove(&self.number);
        state.remove(self.number, descriptors);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.lock().wakes.retain(|(number, _)| *number != self.number);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.number)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({})", self.paths[0].display())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

/// Whether all changes of a file system are made on this machine, and so seen by inotify.
fn is_local(path: &Path) -> bool {
    /// NFS, SMB, CIFS, AFS, Coda, 9P, FUSE, Ceph, Lustre, GFS2, OCFS2 (statfs(2)).
    const SHARED: [u32; 13] = [
        0x6969,
        0x517B,
        0xFE53_4D42,
        0xFF53_4D42,
        0x5346_414F,
        0x7375_7245,
        0x0102_1997,
        0x6573_5546,
        0x00C3_6400,
        0x0BD0_0BD0,
        0x0116_1970,
        0x7461_636F,
        0x6B41_4653,
    ];
    rustix::fs::statfs(path).is_ok_and(|stat| !SHARED.contains(&(stat.f_type as u32)))
}

fn listen(descriptors: &[OwnedFd; 2], watcher: &Weak<Watcher>) {
    loop {
        let mut waiting =
            [PollFd::new(&descriptors[0], PollFlags::IN), PollFd::new(&descriptors[1], PollFlags::IN)];
        match poll(&mut waiting, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "watching mailboxes ends: new mail shows with the next command");
                return;
            }
        }
        // Events come in flocks: one look at all of them costs less than one at each.
        std::thread::sleep(GATHER);
        // None: the store has ended.
        let Some(watcher) = watcher.upgrade() else { return };
        watcher.pump();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let wake: Wake = Arc::new(move || {
            let _ = sender.send(());
        });
        (wake, receiver)
    }

    #[test]
    fn a_delivery_rings_and_a_dropped_watch_is_silent() {
        let directory = mailbox();
        let (wake, rung) = bell();
        let watcher = Watcher::start();
        let watched = watcher.register(directory.path());
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
        let watched = watcher.register(directory.path());
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
        let watched = watcher.register(directory.path());
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
        let watched = watcher.register(Path::new("/nonexistent/mailbox"));
        assert!(!watched.begin() && !watched.is_quiet());
        let _watch = watched.wake(wake);
        rung.recv_timeout(Duration::from_secs(20)).expect("a ring");
    }

    #[test]
    fn a_flood_ends_in_a_scan_and_not_in_memory() {
        let directory = mailbox();
        let watcher = Watcher::start();
        let watched = watcher.register(directory.path());
        assert!(watched.begin());
        let path = |n: usize| directory.path().join(format!("cur/1.a:2,{}", ["", "S"][n % 2]));
        std::fs::write(path(0), "").unwrap();
        for n in 0..EVENTS_MAX {
            std::fs::rename(path(n), path(n + 1)).unwrap();
        }
        assert_eq!(watched.take_journal(), None);
        assert!(watched.begin() && watched.is_quiet());
    }
}
