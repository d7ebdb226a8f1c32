//! An account that is watched as a whole: which mailboxes there are, and which of them change,
//! also those that nobody has open.
//!
//! No mailbox is opened for it, and no journal is kept: three watches of the kernel for a mailbox,
//! which those who have it open share, and its name once. A wake names the mailbox, if one alone
//! changed; [`AccountWatch::look`] tells what changed since the last look. It empties the kernel's
//! queue first, so that it misses nothing. What cannot be watched is compared by its times of change.

use super::watched::is_local;
use super::{Listener, Rung, Wake, WakeReason, Watcher, ring};
use crate::account::Account;
use crate::error::Result;
use crate::own_files;
use crate::scan::is_mail;
use crate::shared::{MailboxDirectories, Shared};
use crate::subscriptions;
use inotify::{EventMask, WatchDescriptor};
use mail::MailboxName;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Age from which a time of change is believed: within it another change may leave it as it is.
const SETTLED: Duration = Duration::from_secs(2);

/// How often is looked again at directories that become mailboxes meanwhile.
const RENEWALS_MAX: usize = 3;

/// Watches an account until it is dropped.
#[must_use]
pub struct AccountWatch {
    shared: Arc<Shared>,
    watched: Arc<WatchedAccount>,
}

/// What changed in an account since the last look.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AccountChanges {
    /// Mailboxes were made, renamed or deleted, or subscriptions changed.
    pub tree: bool,
    /// Mailboxes whose messages or flags may have changed; those that are new among them.
    pub mailboxes: BTreeSet<MailboxName>,
}

/// The registration.
pub(super) struct WatchedAccount {
    watcher: Arc<Watcher>,
    number: u64,
    wake: Wake,
    /// Without a mailbox.
    reason: WakeReason,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    descriptors: Vec<WatchDescriptor>,
    /// Watched directories, by numbers that count on.
    directories: HashMap<usize, Directory>,
    next_directory: usize,
    /// Mailboxes as of the last look, and what is compared of those that are not watched.
    known: BTreeMap<MailboxName, Option<Stamp>>,
    /// Likewise of what is no mailbox's.
    tree: Option<Stamp>,
    changes: AccountChanges,
    /// Events were lost: anything may have changed.
    lost: bool,
    /// Not all is watched: rung from time to time.
    polled: bool,
}

/// What a directory is.
#[derive(Clone)]
enum Directory {
    /// The Maildir, which is the inbox's directory too.
    Root,
    /// Where Dovecot has its subscriptions.
    Control,
    /// A mailbox's own.
    Mailbox(MailboxName),
    /// `cur/` or `new/`.
    Messages(MailboxName),
    /// One that may become a mailbox: it has no `cur` yet.
    Unfinished,
}

/// Times of change of files and directories.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    times: Vec<Option<SystemTime>>,
    /// All of them are so old that a later change must show.
    is_settled: bool,
}

impl Account {
    /// Calls `wake` from another thread when something in the account may have changed, until the
    /// guard is dropped. `wake` must be quick and must not call into the store. Its first look
    /// tells of all mailboxes.
    pub fn watch(&self, wake: Wake) -> AccountWatch {
        let shared = self.shared().clone();
        let reason = WakeReason { account: shared.id, mailbox: None };
        let changes = AccountChanges { tree: true, ..AccountChanges::default() };
        let inner = Mutex::new(Inner { changes, ..Inner::default() });
        let watched = shared
            .watcher
            .register_as(|watcher, number| Arc::new(WatchedAccount { watcher, number, wake, reason, inner }));
        {
            let _entered = shared.enter();
            watched.add_watches(of_tree(&shared), &shared);
        }
        AccountWatch { shared, watched }
    }
}

impl AccountWatch {
    /// What changed since the last look. A change that is under way may show in two looks.
    pub fn look(&self) -> Result<AccountChanges> {
        let _entered = self.shared.enter()?;
        let watched = &self.watched;
        watched.watcher.pump();
        watched.compare(&self.shared);
        let (mut changes, lost) = {
            let mut inner = watched.lock();
            (std::mem::take(&mut inner.changes), std::mem::take(&mut inner.lost))
        };
        if changes.tree || lost {
            match watched.renew(&self.shared) {
                Ok(new) => changes.mailboxes.extend(new),
                Err(error) => {
                    // Told at the next look.
                    let mut inner = watched.lock();
                    inner.changes.tree = true;
                    inner.changes.mailboxes.append(&mut changes.mailboxes);
                    inner.lost |= lost;
                    return Err(error);
                }
            }
        }
        let inner = watched.lock();
        match lost {
            true => Ok(AccountChanges { tree: true, mailboxes: inner.known.keys().cloned().collect() }),
            false => {
                changes.mailboxes.retain(|name| inner.known.contains_key(name));
                Ok(changes)
            }
        }
    }
}

impl WatchedAccount {
    /// Watches the mailboxes that are there now; those that were not there before. The Maildir is
    /// watched already: a mailbox that is made later is seen by its event.
    fn renew(&self, shared: &Shared) -> Result<BTreeSet<MailboxName>> {
        let mut new = BTreeSet::new();
        for _ in 0..RENEWALS_MAX {
            let tree = Stamp::of_tree(shared);
            let found = shared.mailbox_directories()?;
            new.extend(self.renew_with(shared, tree, &found));
            // What it got before it was watched was seen by nobody.
            if !found.unfinished.iter().any(|directory| directory.join("cur").is_dir()) {
                break;
            }
        }
        Ok(new)
    }

    fn renew_with(&self, shared: &Shared, tree: Stamp, found: &MailboxDirectories) -> Vec<MailboxName> {
        let mut wanted = of_tree(shared);
        for (name, directory) in &found.mailboxes {
            if !name.is_inbox() {
                wanted.push((directory.clone(), Directory::Mailbox(name.clone())));
            }
            wanted
                .extend(["new", "cur"].map(|part| (directory.join(part), Directory::Messages(name.clone()))));
        }
        wanted.extend(found.unfinished.iter().map(|path| (path.clone(), Directory::Unfinished)));
        let is_complete = self.add_watches(wanted, shared);
        let stamp = |directory: &PathBuf| (!is_complete).then(|| Stamp::of_mailbox(directory));
        let known = found.mailboxes.iter().map(|(name, directory)| (name.clone(), stamp(directory)));
        let known: BTreeMap<MailboxName, Option<Stamp>> = known.collect();
        let mut inner = self.lock();
        inner.tree = (!is_complete).then_some(tree);
        inner.polled = !is_complete;
        let before = std::mem::replace(&mut inner.known, known);
        let new = inner.known.keys().filter(|name| !before.contains_key(*name)).cloned().collect();
        drop(inner);
        if !is_complete {
            self.watcher.start_polling();
        }
        new
    }

    /// Watches these directories, and those of before no more; whether all of them are watched.
    fn add_watches(&self, wanted: Vec<(PathBuf, Directory)>, shared: &Shared) -> bool {
        let (count, is_local) = (wanted.len(), is_local(&shared.root));
        let mut state = self.watcher.lock();
        let mut inner = self.lock();
        let first = inner.next_directory;
        let mut descriptors = Vec::with_capacity(wanted.len());
        let mut directories = HashMap::with_capacity(wanted.len());
        for (path, directory) in wanted.into_iter().filter(|_| is_local) {
            let Some(descriptor) = state.add(&path) else { continue };
            let at = first + directories.len();
            state.directories.entry(descriptor.clone()).or_default().push((self.number, at));
            directories.insert(at, directory);
            descriptors.push(descriptor);
        }
        let is_complete = directories.len() == count;
        inner.next_directory = first + directories.len();
        inner.directories = directories;
        let old = std::mem::replace(&mut inner.descriptors, descriptors);
        drop(inner);
        state.remove_if(old, |(number, at)| number == self.number && at < first);
        is_complete
    }

    /// Finds changes of what is not watched.
    fn compare(&self, shared: &Shared) {
        let (tree, known) = {
            let inner = self.lock();
            let of_mailbox =
                |(name, stamp): (&MailboxName, &Option<Stamp>)| Some((name.clone(), stamp.clone()?));
            (inner.tree.clone(), inner.known.iter().filter_map(of_mailbox).collect::<Vec<_>>())
        };
        if tree.is_some_and(|tree| tree.is_behind(&Stamp::of_tree(shared))) {
            self.lock().changes.tree = true;
        }
        for (name, before) in known {
            let Ok(Some(directory)) = shared.directory_of(&name) else {
                self.lock().changes.tree = true;
                continue;
            };
            let now = Stamp::of_mailbox(&directory);
            if before.is_behind(&now) {
                let mut inner = self.lock();
                inner.changes.mailboxes.insert(name.clone());
                inner.known.insert(name, Some(now));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, mailbox: Option<&MailboxName>, rung: &mut Rung) {
        ring(rung, &self.wake, &WakeReason { mailbox: mailbox.cloned(), ..self.reason.clone() });
    }
}

impl Listener for WatchedAccount {
    fn take(&self, event: &inotify::Event<&OsStr>, directory: usize, rung: &mut Rung) {
        let mut inner = self.lock();
        let Some(directory) = inner.directories.get(&directory).cloned() else { return };
        let is_gone =
            event.mask.intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::UNMOUNT);
        let name = event.name.map(OsStr::as_bytes).unwrap_or_default();
        let is_directory = event.mask.contains(EventMask::ISDIR);
        let is_list = name == own_files::UID_LIST.as_bytes();
        let changed = match directory {
            _ if is_gone => None,
            Directory::Root if is_list => Some(MailboxName::inbox()),
            Directory::Mailbox(mailbox) if is_list => Some(mailbox),
            // Also a `cur` or `new` that is replaced.
            Directory::Root | Directory::Mailbox(_) | Directory::Unfinished if is_directory => None,
            Directory::Root | Directory::Control if subscriptions::is_file(name) => None,
            Directory::Messages(mailbox) if is_mail(name) && !is_directory => Some(mailbox),
            _ => return,
        };
        match &changed {
            Some(mailbox) if inner.changes.mailboxes.contains(mailbox) => {}
            Some(mailbox) => drop(inner.changes.mailboxes.insert(mailbox.clone())),
            None => inner.changes.tree = true,
        }
        drop(inner);
        self.ring(changed.as_ref(), rung);
    }

    fn lose(&self, rung: &mut Rung) {
        self.lock().lost = true;
        self.ring(None, rung);
    }

    fn ring_if_polled(&self) {
        if self.lock().polled {
            (self.wake)(&self.reason);
        }
    }
}

/// The directories in which mailboxes and subscriptions are.
fn of_tree(shared: &Shared) -> Vec<(PathBuf, Directory)> {
    let root = (shared.root.clone(), Directory::Root);
    let control = Some(shared.dovecot_root()).filter(|control| *control != shared.root);
    let control = control.map(|control| (control.to_owned(), Directory::Control));
    std::iter::once(root).chain(control).collect()
}

impl Stamp {
    /// The Maildir, and the files of subscriptions.
    fn of_tree(shared: &Shared) -> Self {
        let files = subscriptions::FILES.into_iter();
        let files = files.flat_map(|file| [&*shared.root, shared.dovecot_root()].map(|at| at.join(file)));
        Self::of(std::iter::once(shared.root.clone()).chain(files))
    }

    fn of_mailbox(directory: &Path) -> Self {
        Self::of(["new", "cur", own_files::UID_LIST].map(|part| directory.join(part)))
    }

    fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let changed = |path: PathBuf| path.symlink_metadata().and_then(|metadata| metadata.modified()).ok();
        let times: Vec<_> = paths.into_iter().map(changed).collect();
        let is_old = |time: &SystemTime| time.elapsed().is_ok_and(|age| age > SETTLED);
        let is_settled = times.iter().flatten().all(is_old);
        Self { times, is_settled }
    }

    fn is_behind(&self, now: &Self) -> bool {
        !self.is_settled || self.times != now.times
    }
}

impl Drop for WatchedAccount {
    fn drop(&mut self) {
        let descriptors = std::mem::take(&mut self.lock().descriptors);
        let mut state = self.watcher.lock();
        state.registered.remove(&self.number);
        state.remove_if(descriptors, |(number, _)| number == self.number);
    }
}

impl fmt::Debug for AccountWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountWatch({})", self.watched.number)
    }
}

#[cfg(test)]
mod tests;
