//! A mailbox that is watched: its journal, and the wakes of those who have it open.

use super::{Event, Listener, Rung, Wake, WakeReason, Watcher, What, ring};
use crate::own_files;
use crate::scan::{Place, is_mail, is_nameless};
use inotify::{EventMask, WatchDescriptor};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that a journal holds at most; when there are more, a scan is cheaper.
pub(super) const EVENTS_MAX: usize = 50_000;

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
    /// Which mailbox it is.
    reason: WakeReason,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    descriptors: Vec<WatchDescriptor>,
    journal: Vec<Event>,
    /// The journal does not have everything: only a scan can tell.
    incomplete: bool,
    /// Not all is seen: rung from time to time.
    polled: bool,
    next_wake: u64,
    pub(super) wakes: Vec<(u64, Wake)>,
}

impl Watched {
    pub(super) fn new(watcher: Arc<Watcher>, directory: &Path, number: u64, reason: WakeReason) -> Self {
        let paths = [directory.to_owned(), directory.join("new"), directory.join("cur")];
        let inner = Mutex::new(Inner { incomplete: true, ..Inner::default() });
        Self { watcher, paths, number, reason, inner }
    }

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

    /// A change was made here: wakes are called where the kernel does not tell of it.
    pub(crate) fn changed(&self) {
        self.ring_if_polled();
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

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Watched {
    fn take(&self, event: &inotify::Event<&OsStr>, directory: usize, rung: &mut Rung) {
        let mask = event.mask;
        if mask.intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::UNMOUNT) {
            return self.lose(rung);
        }
        let Some(name) = event.name.map(OsStr::as_bytes) else { return };
        let place = match directory {
            0 if name == own_files::UID_LIST.as_bytes() => return self.lock().ring(&self.reason, rung),
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
        inner.ring(&self.reason, rung);
        let most = if inner.wakes.is_empty() { EVENTS_UNWATCHED_MAX } else { EVENTS_MAX };
        if inner.journal.len() >= most {
            inner.incomplete = true;
            inner.journal = Vec::new();
        } else if !inner.incomplete {
            inner.journal.push(Event { place, what, name: name.into() });
        }
    }

    fn lose(&self, rung: &mut Rung) {
        let mut inner = self.lock();
        inner.incomplete = true;
        inner.journal = Vec::new();
        inner.ring(&self.reason, rung);
    }

    fn ring_if_polled(&self) {
        let mut rung = Rung::new();
        let inner = self.lock();
        if inner.polled {
            inner.ring(&self.reason, &mut rung);
        }
        drop(inner);
        rung.iter().for_each(|(wake, reason)| wake(reason));
    }
}

impl Inner {
    fn ring(&self, reason: &WakeReason, rung: &mut Rung) {
        self.wakes.iter().for_each(|(_, wake)| ring(rung, wake, reason));
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

/// Whether all changes of a file system are made on this machine, and so seen by inotify.
pub(super) fn is_local(path: &Path) -> bool {
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
