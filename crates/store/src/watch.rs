//! Telling sessions that a mailbox may have changed.
//!
//! One inotify instance and one thread for a whole [`crate::Store`]. Where a directory cannot
//! be watched (the user's limit of watches, a file system without inotify) a second thread
//! rings every few seconds: a wake only says "look again", and a look costs two `stat`.

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is called on a change: "look again". Lost or doubled, it costs delay, never truth.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Time between two rings for those who cannot be watched.
const POLL: Duration = Duration::from_secs(5);

/// Keeps a [`Wake`] registered; dropping it ends that.
#[must_use]
pub struct Watch {
    watcher: Arc<Watcher>,
    number: u64,
}

/// The watcher of a store.
pub(crate) struct Watcher {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watches: Option<Watches>,
    next_number: u64,
    wakes: HashMap<u64, Registered>,
    /// Who is rung for a directory.
    listeners: HashMap<WatchDescriptor, Vec<u64>>,
    polling: bool,
}

struct Registered {
    wake: Wake,
    descriptors: Vec<WatchDescriptor>,
    /// Some directory of it is not watched.
    polled: bool,
}

impl Watcher {
    /// Starts the watcher's thread. Without inotify everything is polled, which is said once.
    pub(crate) fn start() -> Arc<Self> {
        let watcher = Arc::new(Self { state: Mutex::default() });
        match Inotify::init() {
            Ok(inotify) => {
                watcher.lock().watches = Some(inotify.watches());
                let weak = Arc::downgrade(&watcher);
                let spawned = std::thread::Builder::new()
                    .name("watch".to_owned())
                    .spawn(move || listen(inotify, &weak));
                if let Err(error) = spawned {
                    watcher.lock().watches = None;
                    tracing::warn!(%error, "no thread to watch mailboxes: polling them");
                }
            }
            Err(error) => tracing::warn!(%error, "no inotify: polling mailboxes"),
        }
        watcher
    }

    /// Rings `wake` when something in one of `directories` may have changed.
    pub(crate) fn watch(self: &Arc<Self>, directories: &[&Path], wake: Wake) -> Watch {
        let mut state = self.lock();
        let number = state.next_number;
        state.next_number += 1;
        let descriptors: Vec<WatchDescriptor> =
            directories.iter().filter_map(|directory| state.add(directory)).collect();
        let polled = descriptors.len() < directories.len();
        for descriptor in &descriptors {
            state.listeners.entry(descriptor.clone()).or_default().push(number);
        }
        state.wakes.insert(number, Registered { wake, descriptors, polled });
        if polled && !state.polling {
            state.polling = true;
            let weak = Arc::downgrade(self);
            let poll = move || {
                while let Some(watcher) = weak.upgrade() {
                    watcher.ring(|registered| registered.polled);
                    drop(watcher);
                    std::thread::sleep(POLL);
                }
            };
            if let Err(error) = std::thread::Builder::new().name("poll".to_owned()).spawn(poll) {
                tracing::error!(%error, "no thread to poll mailboxes: new mail shows with the next command");
            }
        }
        Watch { watcher: self.clone(), number }
    }

    fn ring(&self, whom: impl Fn(&Registered) -> bool) {
        let wakes: Vec<Wake> = self
            .lock()
            .wakes
            .values()
            .filter(|registered| whom(registered))
            .map(|r| r.wake.clone())
            .collect();
        wakes.iter().for_each(|wake| wake());
    }

    fn ring_for(&self, descriptors: &[WatchDescriptor]) {
        let wakes: Vec<Wake> = {
            let state = self.lock();
            let mut numbers: Vec<u64> =
                descriptors.iter().filter_map(|wd| state.listeners.get(wd)).flatten().copied().collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers.iter().filter_map(|number| state.wakes.get(number)).map(|r| r.wake.clone()).collect()
        };
        wakes.iter().for_each(|wake| wake());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, directory: &Path) -> Option<WatchDescriptor> {
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::CLOSE_WRITE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR
            | WatchMask::DONT_FOLLOW;
        match self.watches.as_mut()?.add(directory, mask) {
            Ok(descriptor) => Some(descriptor),
            Err(error) => {
                tracing::debug!(%error, directory = %directory.display(), "cannot watch: polling");
                None
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.watcher.lock();
        let Some(registered) = state.wakes.remove(&self.number) else { return };
        for descriptor in registered.descriptors {
            let Some(listeners) = state.listeners.get_mut(&descriptor) else { continue };
            listeners.retain(|number| *number != self.number);
            if listeners.is_empty() {
                state.listeners.remove(&descriptor);
                if let Some(watches) = state.watches.as_mut() {
                    // The kernel has removed it already when the directory is gone.
                    let _ = watches.remove(descriptor);
                }
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.number)
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

fn listen(mut inotify: Inotify, watcher: &std::sync::Weak<Watcher>) {
    let mut buffer = [0; 4096];
    loop {
        let events = match inotify.read_events_blocking(&mut buffer) {
            Ok(events) => events,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::error!(%error, "watching mailboxes ends: new mail shows with the next command");
                return;
            }
        };
        let mut descriptors = Vec::new();
        let mut overflow = false;
        for event in events {
            overflow |= event.mask.contains(EventMask::Q_OVERFLOW);
            descriptors.push(event.wd);
        }
        let Some(watcher) = watcher.upgrade() else { return };
        if overflow { watcher.ring(|_| true) } else { watcher.ring_for(&descriptors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_delivery_rings_and_a_dropped_watch_is_silent() {
        let directory = tempfile::tempdir().unwrap();
        let (sender, receiver) = mpsc::channel();
        let wake: Wake = Arc::new(move || {
            let _ = sender.send(());
        });
        let watcher = Watcher::start();
        let watch = watcher.watch(&[directory.path()], wake);
        std::fs::write(directory.path().join("1.a"), "").unwrap();
        receiver.recv_timeout(Duration::from_secs(20)).expect("a ring");
        drop(watch);
        assert!(watcher.lock().wakes.is_empty() && watcher.lock().listeners.is_empty());
    }

    #[test]
    fn what_cannot_be_watched_is_polled() {
        let (sender, receiver) = mpsc::channel();
        let wake: Wake = Arc::new(move || {
            let _ = sender.send(());
        });
        let watcher = Watcher::start();
        let _watch = watcher.watch(&[Path::new("/nonexistent/mailbox")], wake);
        receiver.recv_timeout(Duration::from_secs(20)).expect("a ring");
    }
}
