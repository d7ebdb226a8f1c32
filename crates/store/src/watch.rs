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

mod event;
mod watched;
mod whole_account;

pub(crate) use event::{Event, What};
pub use watched::Watch;
pub(crate) use watched::Watched;
pub use whole_account::{AccountChanges, AccountWatch};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use mail::MailboxName;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What is called on a change: "look again". Lost or doubled, it costs delay, never truth.
pub type Wake = Arc<dyn Fn(&WakeReason) + Send + Sync>;

/// What to look at again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WakeReason {
    /// See [`crate::Account::id`].
    pub account: AccountId,
    /// `None`: which mailboxes the account has, or any of them.
    pub mailbox: Option<MailboxName>,
}

/// An account that is open in this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AccountId(u64);

/// Wakes to be called, each once for a reason.
type Rung = Vec<(Wake, WakeReason)>;

/// Those whom events were given to, by their numbers.
type Held = HashMap<u64, Arc<dyn Listener>>;

/// Whoever events are given to.
trait Listener: Send + Sync {
    /// Takes an event of one of its directories.
    fn take(&self, event: &inotify::Event<&OsStr>, directory: usize, rung: &mut Rung);

    /// Events were lost.
    fn lose(&self, rung: &mut Rung);

    /// Calls wakes, if not all that happens is seen.
    fn ring_if_polled(&self);
}

/// Time between two rings for those who cannot be watched.
const POLL: Duration = Duration::from_secs(5);

/// How long the thread lets events gather before it rings.
const GATHER: Duration = Duration::from_millis(1);

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
    registered: HashMap<u64, Weak<dyn Listener>>,
    /// To whom a directory's events are given, and which of its directories it is.
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
    pub(crate) fn register(self: &Arc<Self>, directory: &Path, reason: WakeReason) -> Arc<Watched> {
        self.register_as(|watcher, number| Arc::new(Watched::new(watcher, directory, number, reason)))
    }

    fn register_as<T: Listener + 'static>(
        self: &Arc<Self>,
        make: impl FnOnce(Arc<Self>, u64) -> Arc<T>,
    ) -> Arc<T> {
        let mut state = self.lock();
        let number = state.next_number;
        state.next_number += 1;
        let listener = make(self.clone(), number);
        let registered: Arc<dyn Listener> = listener.clone();
        state.registered.insert(number, Arc::downgrade(&registered));
        listener
    }

    /// Takes what the kernel has queued, gives it to the journals, and rings.
    fn pump(&self) {
        let mut rung = Rung::new();
        // Whoever is the last to let go of a registration locks the state.
        let mut held = Held::new();
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
        rung.iter().for_each(|(wake, reason)| wake(reason));
    }

    fn start_polling(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().polling, true) {
            return;
        }
        let weak = Arc::downgrade(self);
        let poll = move || {
            while let Some(watcher) = weak.upgrade() {
                let all: Vec<Arc<dyn Listener>> =
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
    fn give(&self, event: &inotify::Event<&OsStr>, held: &mut Held, rung: &mut Rung) {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            for (number, listener) in &self.registered {
                let Some(listener) = listener.upgrade() else { continue };
                listener.lose(rung);
                held.insert(*number, listener);
            }
            return;
        }
        for (number, directory) in self.directories.get(&event.wd).into_iter().flatten() {
            if let Some(listener) = self.registered.get(number).and_then(Weak::upgrade) {
                listener.take(event, *directory, rung);
                held.insert(*number, listener);
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
        self.remove_if(descriptors, |(owner, _)| owner == number);
    }

    /// Likewise, of whoever `is_over` says.
    fn remove_if(&mut self, descriptors: Vec<WatchDescriptor>, is_over: impl Fn((u64, usize)) -> bool) {
        for descriptor in descriptors {
            let Some(owners) = self.directories.get_mut(&descriptor) else { continue };
            owners.retain(|owner| !is_over(*owner));
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

/// Notes that a wake is to be called for a reason.
fn ring(rung: &mut Rung, wake: &Wake, reason: &WakeReason) {
    if !rung.iter().any(|(other, known)| Arc::ptr_eq(other, wake) && known == reason) {
        rung.push((wake.clone(), reason.clone()));
    }
}

impl AccountId {
    /// One that no account of this process had before.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
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
mod tests;
