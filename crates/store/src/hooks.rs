//! Hooks: who is told of what was committed to mailboxes, such as a text index, a log of events,
//! or other nodes.
//!
//! They are told after the change was published, in the order of the commits of an account, with
//! no lock of a mailbox held, by the thread that committed, which works as the user whose mail it
//! is. What becomes of a hook changes nothing of the commit.

use crate::snapshot::Snapshot;
use mail::{MailboxName, ModSeq, Uid};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Is called with each commit. It must be quick, and must not call into the store: what takes long
/// is for a thread of its own.
pub type CommitHook = Arc<dyn Fn(&Commit) + Send + Sync>;

/// What a change made of a mailbox, whoever changed it: this process, another one, or another
/// program that was noticed by a look.
#[derive(Debug)]
pub struct Commit {
    /// The account's Maildir.
    pub root: PathBuf,
    /// The mailbox's name when it was opened.
    pub mailbox: MailboxName,
    /// What sessions saw before. `None` where this process does not know it: the mailbox was just
    /// opened, or has another UIDVALIDITY now. Then `changes` is empty.
    pub before: Option<Arc<Snapshot>>,
    /// What they see now.
    pub after: Arc<Snapshot>,
    /// The messages that differ, in the order of their UIDs.
    pub changes: Vec<MessageChange>,
}

/// What happened to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageChange {
    /// Its UID.
    pub uid: Uid,
    /// What happened.
    pub kind: MessageChangeKind,
    /// The change's MODSEQ.
    pub modseq: ModSeq,
}

/// See [`MessageChange`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MessageChangeKind {
    /// It came.
    Added,
    /// Its flags or keywords changed.
    Flags,
    /// It was expunged.
    Expunged,
}

/// The hooks of a store.
#[derive(Default)]
pub(crate) struct Hooks {
    all: RwLock<Vec<CommitHook>>,
    is_in_use: AtomicBool,
}

/// A state of a mailbox that was published, and the one before.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) before: Option<Arc<Snapshot>>,
    pub(crate) after: Arc<Snapshot>,
    /// Expunges in between, as far as the list remembers them: the first UID of each range, its
    /// last, and the MODSEQ.
    pub(crate) expunged: BTreeMap<Uid, (Uid, ModSeq)>,
}

/// What hooks are still to be told of an account.
#[derive(Default, Debug)]
pub(crate) struct Untold {
    hooks: Arc<Hooks>,
    queue: Mutex<VecDeque<(MailboxName, Publication)>>,
    /// Locked while hooks are told.
    telling: Mutex<()>,
}

impl Hooks {
    pub(crate) fn add(&self, hook: CommitHook) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).push(hook);
        self.is_in_use.store(true, Ordering::Release);
    }

    pub(crate) fn is_in_use(&self) -> bool {
        self.is_in_use.load(Ordering::Acquire)
    }

    fn tell(&self, commit: &Commit) {
        for hook in self.all.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let told = std::panic::catch_unwind(AssertUnwindSafe(|| hook(commit)));
            if told.is_err() {
                tracing::error!(mailbox = %commit.mailbox, "a hook panicked; the change is made all the same");
            }
        }
    }
}

impl Publication {
    fn changes(&self) -> Vec<MessageChange> {
        let Some(before) = &self.before else { return Vec::new() };
        let mut changes = Vec::new();
        if !Arc::ptr_eq(before.uids(), self.after.uids()) {
            let gone = before.uids().iter().filter(|uid| self.after.find(**uid).is_none());
            changes.extend(gone.map(|uid| MessageChange {
                uid: *uid,
                kind: MessageChangeKind::Expunged,
                modseq: self.modseq_of_expunge(*uid),
            }));
            let new = self.after.rows().filter(|row| before.find(row.uid()).is_none());
            changes.extend(new.map(|row| MessageChange {
                uid: row.uid(),
                kind: MessageChangeKind::Added,
                modseq: row.modseq(),
            }));
        }
        let changed = self.after.rows_above(before.highest_modseq());
        let changed = changed.filter(|row| before.find(row.uid()).is_some());
        changes.extend(changed.map(|row| MessageChange {
            uid: row.uid(),
            kind: MessageChangeKind::Flags,
            modseq: row.modseq(),
        }));
        changes.sort_unstable_by_key(|change| change.uid);
        changes
    }

    fn modseq_of_expunge(&self, uid: Uid) -> ModSeq {
        let range = self.expunged.range(..=uid).next_back();
        let modseq = range.filter(|(_, (last, _))| uid <= *last).map(|(_, (_, modseq))| *modseq);
        modseq.unwrap_or(self.after.highest_modseq())
    }
}

impl Untold {
    pub(crate) fn new(hooks: Arc<Hooks>) -> Self {
        Self { hooks, ..Self::default() }
    }

    pub(crate) fn hooks(&self) -> &Arc<Hooks> {
        &self.hooks
    }

    /// What was published of a mailbox, whose lock is held; whether that is anything.
    pub(crate) fn add(&self, mailbox: &MailboxName, published: Vec<Publication>) -> bool {
        let is_any = !published.is_empty();
        if is_any {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.extend(published.into_iter().map(|published| (mailbox.clone(), published)));
        }
        is_any
    }

    /// Tells the hooks of all that is to be told. No lock of a mailbox is held.
    pub(crate) fn tell(&self, root: &Path) {
        if !self.hooks.is_in_use() {
            return;
        }
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let next = || self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some((mailbox, published)) = next() {
            let changes = published.changes();
            let Publication { before, after, .. } = published;
            if before.is_some() && changes.is_empty() {
                continue;
            }
            self.hooks.tell(&Commit { root: root.to_owned(), mailbox, before, after, changes });
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}
