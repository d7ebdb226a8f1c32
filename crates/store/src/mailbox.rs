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
#[cfg(feature = "bench")]
pub(crate) mod bench;
mod bring_in;
mod change;
mod check;
mod departed;
pub(crate) mod hand_over;
mod index;
mod keep;
mod look;
mod misnamed;
mod pass;
mod read_only;
mod room;
mod state;

pub use check::{CheckOptions, CheckReport, Finding, FindingKind};
pub use keep::Rest;
pub use pass::{Pass, SaveDate};

use crate::cache::Identity;
use crate::delivery::{Appended, Delivery};
use crate::directory::{self, clean_tmp};
use crate::disk::is_missing;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::list_file::ListFile;
use crate::lock::Lock;
use crate::message::{Looked, MessageFile};
use crate::own_files;
use crate::packed::Published;
use crate::scan::Place;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::take_over::Origin;
use crate::uid_list::Line;
use crate::watch::{Wake, WakeReason, Watch, Watched};
use crate::witness::Reached;
use bring_in::Queue;
use look::Seen;
use mail::flag::Flags;
use mail::{MailboxName, ModSeq, Uid, UidSet, UidValidity};
use rustix::fs::{Mode, OFlags};
use state::State;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// MODSEQs that are reserved at once: flags change that often without a wait for the disk.
const MODSEQS_RESERVED: u64 = 10_000;

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

struct Inner {
    list: ListFile,
    /// `None` before the first look.
    state: Option<State>,
    published: Published,
    /// How far the directories are known; `None`: a scan has to tell.
    seen: Option<Seen>,
    /// UIDVALIDITY as it was published.
    told: Option<UidValidity>,
    /// The list was just made, from nothing.
    is_fresh: bool,
    /// The list was just made from this server's, and what that did not have is not known yet.
    taken_from: Option<Origin>,
    /// Announced, and their files on the way: not to be taken for expunged.
    pending: Vec<Uid>,
    /// The cache that the places of records belong to.
    cache: Option<Identity>,
    /// Records written to it, replaced ones included.
    records: usize,
    /// Something is known that the index does not have.
    unsaved: bool,
    /// The log was told of what cannot be written.
    complained: bool,
    /// The last look was not allowed to write.
    read_only: bool,
    /// How far the mailbox is noted to have got.
    noted: Option<Reached>,
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
        let published = Published::Open(State::new(UidValidity::MIN).snapshot(), None);
        let list = ListFile::new(&directory);
        let watched = shared
            .watcher
            .register(&directory, WakeReason { account: shared.id, mailbox: Some(name.clone()) });
        let inner = Mutex::new(Inner {
            list,
            state: None,
            published,
            seen: None,
            told: None,
            is_fresh: false,
            taken_from: None,
            pending: Vec::new(),
            cache: None,
            records: 0,
            unsaved: false,
            complained: false,
            read_only: false,
            noted: None,
        });
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

    /// Opens a message's file. `None` when it is gone. `Compressed` for a message that is
    /// compressed in a way that is not read.
    pub fn open_message(&self, uid: Uid) -> Result<Option<MessageFile>> {
        let _entered = self.shared.enter()?;
        let opened = self.with_path(uid, MessageFile::open);
        if let Err(error) = &opened
            && error.kind == ErrorKind::Compressed
            && !self.said_compressed.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                %error, mailbox = self.name.as_str(),
                "messages cannot be served: decompress their files; restante mailbox check names them"
            );
        }
        opened
    }

    /// RFC822.SIZE: octets with CRLF, as the name says where it fits the file, else counted. `None`
    /// when it is gone. See [`Pass::size`], which remembers it.
    pub fn size(&self, uid: Uid) -> Result<Option<u64>> {
        let _entered = self.shared.enter()?;
        match self.look_at(uid)? {
            Some(Looked { octets: Some(octets), .. }) => Ok(Some(octets)),
            _ => self.open_message(uid)?.map(|file| file.count_octets()).transpose(),
        }
    }

    /// INTERNALDATE in seconds since 1970: the file's mtime. `None` when it is gone. See
    /// [`Pass::internal_date`], which remembers it.
    pub fn internal_date(&self, uid: Uid) -> Result<Option<i64>> {
        let _entered = self.shared.enter()?;
        Ok(self.look_at(uid)?.map(|looked| looked.date))
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
        change::store_flags(self, uids, change, unchanged_since)
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
        bring_in::append(self, messages)
    }

    /// Copies messages with flags and dates to `target`, all or none, durably. Messages that
    /// are gone are left out. The files are linked where the file system allows, else copied. A
    /// mailbox of another owner's account gets files of that owner.
    pub fn copy(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        let _entered = self.shared.enter()?;
        bring_in::copy(self, uids, target)
    }

    /// Moves messages to `target` (RFC 6851), durably: no crash loses one, or leaves two where a
    /// file can be renamed. Between file systems, or owners, it may leave one of them twice.
    pub fn move_to(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        let _entered = self.shared.enter()?;
        bring_in::move_to(self, uids, target)
    }

    /// Removes messages that have `\Deleted` now, of `uids` where given; returns the state
    /// after it. Removed is what was decided on, not what another session undeleted meanwhile.
    pub fn expunge(&self, uids: Option<&UidSet>) -> Result<Arc<Snapshot>> {
        let _entered = self.shared.enter()?;
        change::expunge(self, uids)
    }

    /// Calls `wake` from another thread when something may have changed, until the guard is
    /// dropped. `wake` must be quick and must not call into the store.
    pub fn watch(&self, wake: Wake) -> Watch {
        self.watched.wake(wake)
    }
}

/// What the operations share.
impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `cur/`, for [`Mailbox::open_in`].
    fn open_cur(&self) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(self.directory.join("cur"), flags, Mode::empty()).ok()
    }

    /// A message's file in `cur/`, if it is there under the name that is known.
    fn open_in(&self, cur: &OwnedFd, uid: Uid) -> Option<MessageFile> {
        let name = self.name_in_cur(uid)?;
        MessageFile::open_at(cur, &name, || self.file_path(Place::Cur, &name)).ok().flatten()
    }

    /// What a look at such a file tells; likewise.
    fn look_in(&self, cur: &OwnedFd, uid: Uid) -> Option<Looked> {
        let name = self.name_in_cur(uid)?;
        MessageFile::look_at(cur, &name, || self.file_path(Place::Cur, &name)).ok().flatten()
    }

    fn name_in_cur(&self, uid: Uid) -> Option<Vec<u8>> {
        let inner = self.awake().ok()?;
        let state = inner.state.as_ref()?;
        let (place, name) = state.file_name(state.row(uid)?)?;
        (place == Place::Cur).then_some(name)
    }

    /// What a look at a message's file tells. `None` when it is gone.
    fn look_at(&self, uid: Uid) -> Result<Option<Looked>> {
        self.with_path(uid, MessageFile::look)
    }

    /// Does something with a message's file, and again under its new name where somebody
    /// renamed it. `None` when it is gone.
    fn with_path<T>(&self, uid: Uid, act: impl Fn(&Path) -> Result<Option<T>>) -> Result<Option<T>> {
        for _ in 0..3 {
            let path = self.path_of(&*self.awake()?, uid);
            let Some(path) = path else { break };
            if let Some(done) = act(&path)? {
                return Ok(Some(done));
            }
            let mut inner = self.lock();
            let _lock = self.lock_and_look(&mut inner)?;
            if self.path_of(&inner, uid).is_some_and(|now| now == path) {
                // The watcher has not seen it, if there is one.
                self.scan_again(&mut inner)?;
            }
        }
        Ok(None)
    }

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

    /// What follows a change, once it is recorded and published.
    fn after_change(&self, inner: &mut Inner) {
        self.note_reached(inner, false);
        inner.checkpoint_if_due();
    }

    /// Notes with the account how far the mailbox got, if that is far, or with `exactly`, if it got
    /// any further.
    fn note_reached(&self, inner: &mut Inner, exactly: bool) {
        let Some(reached) = inner.state.as_ref().map(Reached::of) else { return };
        let noted = inner.noted.filter(|noted| noted.uid_validity == reached.uid_validity);
        let is_due = match exactly {
            true => noted.is_none_or(|noted| noted.is_behind(&reached)),
            false => reached.is_far_beyond(noted.as_ref()),
        };
        if is_due && self.shared.note_reached(&self.directory, reached) {
            inner.noted = Some(noted.map_or(reached, |noted| noted.or_further(reached)));
        }
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

impl Inner {
    /// What is known, after a look.
    fn state(&self) -> Result<&State> {
        self.state
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Io, "nothing is known yet of", Path::new("it")))
    }

    fn state_mut(&mut self) -> Result<&mut State> {
        self.state
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Io, "nothing is known yet of", Path::new("it")))
    }

    fn uid_validity(&self) -> UidValidity {
        self.state.as_ref().map_or(self.published.head().uid_validity(), |state| state.uid_validity)
    }

    fn publish(&mut self) {
        if let Some(state) = &mut self.state {
            self.published = Published::Open(state.snapshot(), None);
            self.told = Some(state.uid_validity);
            self.unsaved = true;
        }
    }

    /// Says in the log what cannot be written and ends no command; once, as it does not go away by
    /// itself.
    fn complain(&mut self, error: &Error, so: &'static str) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%error, "{so}");
        }
    }

    /// Writes what happened to the list, durably, and takes it in; then the file system's own
    /// order does not matter any more. On an error all is as before.
    fn record(&mut self, lines: &[Line<'_>]) -> Result<()> {
        self.list.append(lines.iter().cloned(), true)?;
        self.state_mut()?.apply(lines.iter().cloned());
        Ok(())
    }

    /// Like [`Inner::record`], for flags, which are in file names too: their lines need not be
    /// on the disk at once, as long as no MODSEQ that was told is ever given out again.
    fn record_flags(&mut self, mut lines: Vec<Line<'_>>) -> Result<()> {
        let state = self.state()?;
        let modseq = state.next_modseq();
        let boot = boot_id();
        let reserved =
            state.reserve.as_ref().is_some_and(|(upto, of)| *upto >= modseq && Some(of.as_str()) == boot);
        if let Some(boot) = boot.filter(|_| !reserved) {
            lines.push(Line::Reserve(ModSeq(modseq.0 + MODSEQS_RESERVED), boot.into()));
        }
        self.list.append(lines.iter().cloned(), !reserved)?;
        self.state_mut()?.apply(lines);
        Ok(())
    }

    /// A list that cannot be written anew goes on as it is: what was done is done, and said.
    fn checkpoint_if_due(&mut self) {
        let Some(state) = &self.state else { return };
        if self.list.wants_checkpoint(state.len() + state.expunged.len()) {
            fault_point("checkpoint: before it");
            if let Err(error) = self.list.replace(state.checkpoint()) {
                tracing::warn!(%error, "a checkpoint is left to the next change");
            }
        }
    }
}

/// Which boot of the machine this is (random(4)); `None` where the kernel does not tell.
fn boot_id() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let text = text.trim();
        let sound = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| text.to_owned())
    };
    BOOT.get_or_init(read).as_deref()
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
