//! A mailbox: refreshing it, and all that changes it.
//!
//! One lock in the process (a mutex) and one between processes (a file) guard what is known
//! and the UID list; the message files are nobody's: other programs rename and remove them at
//! any time. So each operation takes both locks, takes in what others did, acts, and looks
//! again when a file is not where it was.
//!
//! Order of writing, so that a crash at any point loses nothing:
//!
//! * messages come in: their lines are durable before their files get their names in `cur/`. A
//!   line without a file is an expunge to the next look.
//! * flags: the file is renamed, then the line is written. A name without its line gets a new
//!   MODSEQ at the next look.
//! * expunge: the file is removed, then the line is written.

mod age;
mod append;
#[cfg(feature = "bench")]
pub(crate) mod bench;
mod check;
mod copy;
mod departed;
mod expunge;
mod flags;
pub(crate) mod hand_over;
mod held;
mod incoming;
mod index;
mod inner;
mod keep;
mod look;
mod misnamed;
mod moving;
mod pass;
mod read;
mod read_only;
mod room;
mod state;

pub use check::{CheckOptions, CheckReport, Finding, FindingKind};
pub use expunge::ExpungedSince;
pub use keep::Rest;
pub use pass::{Pass, SaveDate};

use crate::delivery::{Appended, Delivery};
use crate::directory::{self, clean_tmp};
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::Lock;
use crate::own_files;
use crate::scan::Place;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::watch::{Wake, WakeReason, Watch, Watched};
use append::Queue;
use inner::Inner;
use mail::flag::Flags;
use mail::{MailboxName, ModSeq, Uid, UidSet, UidValidity};
use state::State;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A mailbox that is open. Shared by the sessions that have it open; no lock is held between
/// calls.
pub struct Mailbox {
    name: MailboxName,
    shared: Arc<Shared>,
    directory: PathBuf,
    /// Where its index and its cache lie: mostly there too.
    index_directory: PathBuf,
    /// Device and inode of the directory: another one of the same name is another mailbox.
    identity: (u64, u64),
    watched: Arc<Watched>,
    inner: Mutex<Inner>,
    /// Messages that wait to come in.
    queue: Queue,
    /// Sessions that rest: see [`Mailbox::rest`].
    resting: AtomicUsize,
    /// Bytes of memory that its messages take, as of the last change.
    bytes: AtomicUsize,
    /// Its UIDs are in memory only: see [`read_only`].
    is_in_memory: AtomicBool,
    /// Who opens the mailbox next gets another object, which looks at it afresh.
    is_superseded: AtomicBool,
    /// It was said in the log that a message is compressed in a way that is not read.
    said_compressed: AtomicBool,
    /// Its UIDVALIDITY is another one by now: who opens the mailbox gets a new one of these.
    is_outlived: AtomicBool,
}

/// What [`Mailbox::refresh`] found.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The newest state.
    pub snapshot: Arc<Snapshot>,
    /// Messages that are recent to the caller's session and to no other. Empty without
    /// `claim`.
    pub claimed: UidSet,
}

/// How STORE changes flags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlagChange {
    /// These and no others.
    Replace(Flags),
    /// These too.
    Add(Flags),
    /// These not.
    Remove(Flags),
}

/// What [`Mailbox::store_flags`] did.
#[derive(Debug)]
pub struct FlagsStored {
    /// The state after it.
    pub snapshot: Arc<Snapshot>,
    /// Messages whose flags did change.
    pub changed: UidSet,
    /// Messages left alone, as their MODSEQ was above `unchanged_since`.
    pub modified: UidSet,
    /// Messages that are gone.
    pub gone: UidSet,
    /// Messages that keep their flags, as their files cannot be renamed.
    pub refused: UidSet,
    /// Why the first of these cannot: `Unchangeable`.
    pub refusal: Option<Error>,
}

/// What [`Mailbox::copy`] did.
#[derive(Clone, Debug)]
pub struct Copied {
    /// UIDVALIDITY of the destination.
    pub uid_validity: UidValidity,
    /// UIDs in the source, and those they have in the destination, pairwise.
    pub pairs: Vec<(Uid, Uid)>,
}

impl Mailbox {
    /// Opens the mailbox in `directory`, which is there. Reads none of its messages.
    pub(crate) fn open(name: MailboxName, shared: Arc<Shared>, directory: PathBuf) -> Result<Self> {
        let identity = identity_of(&directory)?;
        let index_directory = shared.index_directory(&directory);
        directory::refuse_strange(&directory)?;
        clean_tmp(&directory);
        let watched = shared
            .watcher
            .register(&directory, WakeReason { account: shared.id, mailbox: Some(name.clone()) });
        let inner = Mutex::new(Inner::new(&directory, shared.untold.hooks().clone()));
        let (queue, resting, bytes) = (Queue::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let (is_in_memory, is_superseded) = (AtomicBool::new(false), AtomicBool::new(false));
        let (said_compressed, is_outlived) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self {
            name,
            shared,
            directory,
            index_directory,
            identity,
            watched,
            inner,
            queue,
            resting,
            bytes,
            is_in_memory,
            is_superseded,
            said_compressed,
            is_outlived,
        })
    }

    /// Its name when it was opened.
    pub fn name(&self) -> &MailboxName {
        &self.name
    }

    /// Whether its directory is the one that was opened, as far as that can be told, and its
    /// UIDVALIDITY the one that was told.
    pub(crate) fn is_there(&self) -> bool {
        !self.check_identity().is_err_and(|error| error.kind == ErrorKind::Deleted)
    }

    /// `Damaged` where one of its directories is none any more, or a symbolic link.
    pub(crate) fn refuse_strange(&self) -> Result<()> {
        directory::refuse_strange(&self.directory)
    }

    /// Whether another object has to stand for the mailbox from now on.
    pub(crate) fn is_over(&self) -> bool {
        !self.is_there() || self.has_had_its_time()
    }

    /// Takes in what changed on disk, makes it durable, publishes and returns it. With
    /// `claim`, messages in `new/` are moved to `cur/` (RFC 3501's `\Recent`: SELECT claims,
    /// EXAMINE and STATUS do not).
    ///
    /// Costs two `stat` and a look at the watcher's queue where nothing changed, and what
    /// changed where something did. `Deleted` when the directory is gone or was replaced, or
    /// UIDVALIDITY changed under us.
    pub fn refresh(&self, claim: bool) -> Result<Refreshed> {
        let _entered = self.shared.enter()?;
        let mut inner = self.lock();
        look::refresh(self, &mut inner, claim)
    }

    /// The newest published state; empty before the first refresh. Touches no disk.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().published.snapshot()
    }

    /// A pass over messages, for a command that reads of many.
    pub fn pass(self: &Arc<Self>) -> Pass {
        Pass::new(self.clone())
    }

    /// Changes flags of messages, durably; those above `unchanged_since` stay as they are
    /// (RFC 7162), and those whose files cannot be renamed. All other failures change nothing.
    /// One call is one job: the caller bounds how many UIDs it gives.
    pub fn store_flags(
        &self,
        uids: &UidSet,
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsStored> {
        let _entered = self.shared.enter()?;
        flags::store_flags(self, uids, change, unchanged_since)
    }

    /// Begins a message: a file in `tmp/`, dropped unless given to [`Mailbox::append`].
    pub fn deliver(&self) -> Result<Delivery> {
        let _entered = self.shared.enter()?;
        self.check_identity()?;
        directory::check_tmp(&self.directory)?;
        Delivery::create(&self.directory, &self.shared.settings.hostname)
    }

    /// Likewise, of a message with these flags and so many octets as the client announces them:
    /// `OverQuota` where there is no room for it beside what is there and what is on its way. The
    /// room is kept until the delivery is appended or dropped.
    pub fn deliver_announced(&self, flags: &Flags, octets: u64) -> Result<Delivery> {
        let _entered = self.shared.enter()?;
        self.check_identity()?;
        let room = room::announced(self, flags.system, octets)?;
        Ok(Delivery::create(&self.directory, &self.shared.settings.hostname)?.with_room(room))
    }

    /// Brings messages in, all or none, durably: OK may be answered when this returns.
    pub fn append(&self, messages: Vec<(Delivery, Flags, Option<i64>)>) -> Result<Appended> {
        let _entered = self.shared.enter()?;
        append::append(self, messages)
    }

    /// Copies messages with flags and dates to `target`, all or none, durably. Messages that
    /// are gone are left out. The files are linked where the file system allows, else copied. A
    /// mailbox of another owner's account gets files of that owner.
    pub fn copy(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        let _entered = self.shared.enter()?;
        copy::copy(self, uids, target)
    }

    /// Moves messages to `target` (RFC 6851), durably: no crash loses one, or leaves two where a
    /// file can be renamed. Between file systems, or owners, it may leave one of them twice.
    pub fn move_to(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        let _entered = self.shared.enter()?;
        moving::move_to(self, uids, target)
    }

    /// Removes messages that have `\Deleted` now, of `uids` where given; returns the state
    /// after it. Removed is what was decided on, not what another session undeleted meanwhile.
    pub fn expunge(&self, uids: Option<&UidSet>) -> Result<Arc<Snapshot>> {
        let _entered = self.shared.enter()?;
        expunge::expunge(self, uids)
    }

    /// Which messages were expunged after this MODSEQ (RFC 7162 section 3.2.6), as of the last look.
    /// Some 50,000 ranges of UIDs that were expunged together are remembered; nothing from before a
    /// list was taken over from another server, repaired, or written by an earlier version.
    pub fn expunged_since(&self, modseq: ModSeq) -> Result<ExpungedSince> {
        let _entered = self.shared.enter()?;
        let inner = self.awake()?;
        Ok(inner.state()?.expunges.above(modseq).map_or(ExpungedSince::Unknown, ExpungedSince::Known))
    }

    /// Calls `wake` from another thread when something may have changed, until the guard is
    /// dropped. `wake` must be quick and must not call into the store.
    pub fn watch(&self, wake: Wake) -> Watch {
        self.watched.wake(wake)
    }
}

/// What the operations share.
impl Mailbox {
    fn lock_path(&self) -> PathBuf {
        self.directory.join(own_files::UID_LIST_LOCK)
    }

    fn lock_file(&self) -> Result<Lock> {
        let _entered = self.shared.enter()?;
        Lock::take(&self.lock_path(), self.shared.settings.lock_wait_ms_max)
            .map_err(|error| if self.is_there() { error } else { self.deleted() })
    }

    fn deleted(&self) -> Error {
        Error::new(ErrorKind::Deleted, "was deleted or replaced:", &self.directory)
    }

    /// The mailbox has another UIDVALIDITY now. Sessions believe what they were told under the old
    /// one.
    fn outlived(&self) -> Error {
        self.is_outlived.store(true, Ordering::Relaxed);
        self.deleted()
    }

    fn check_identity(&self) -> Result<()> {
        if self.has_lost_its_uids() || self.is_outlived.load(Ordering::Relaxed) {
            return Err(self.deleted());
        }
        match identity_of(&self.directory) {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) => Err(self.deleted()),
            Err(error) if error.kind == ErrorKind::NonExistent => Err(self.deleted()),
            // Whether it is there cannot be told: not now.
            Err(error) => Err(error),
        }
    }

    fn file_path(&self, place: Place, name: &[u8]) -> PathBuf {
        self.directory.join(place.directory()).join(OsStr::from_bytes(name))
    }

    fn path_of(&self, inner: &Inner, uid: Uid) -> Option<PathBuf> {
        let state = inner.state.as_ref()?;
        let (place, name) = state.file_name(state.row(uid)?)?;
        Some(self.file_path(place, &name))
    }

    /// Takes in what others did, if anything; the lock file is held.
    fn look(&self, inner: &mut Inner) -> Result<()> {
        inner.read_only = false;
        look::look(self, inner)
    }

    /// Reads the names in the Maildir, whatever is known of it, and takes them in; the lock
    /// file is held.
    fn scan_again(&self, inner: &mut Inner) -> Result<()> {
        look::scan_again(self, inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({})", self.directory.display())
    }
}

fn identity_of(directory: &Path) -> Result<(u64, u64)> {
    match std::fs::symlink_metadata(directory) {
        Ok(metadata) if metadata.is_dir() => Ok((metadata.dev(), metadata.ino())),
        Ok(_) => Err(Error::new(ErrorKind::NonExistent, "no directory:", directory)),
        Err(error) if is_missing(&error) => {
            Err(Error::new(ErrorKind::NonExistent, "no such directory:", directory))
        }
        Err(error) => Err(Error::reading("cannot look at", directory, error)),
    }
}
