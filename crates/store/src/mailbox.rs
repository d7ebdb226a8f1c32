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

mod bring_in;
mod change;
mod state;

use crate::account::Shared;
use crate::delivery::{Appended, Delivery};
use crate::directory::{self, clean_tmp};
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::list_file::{ListFile, News, sync_directory};
use crate::lock::Lock;
use crate::message::MessageFile;
use crate::scan::{FoundFile, Place, Stamp, scan};
use crate::snapshot::Snapshot;
use crate::take_over::take_over;
use crate::uid_list::Line;
use crate::watch::{Wake, Watch};
use mail::flag::Flags;
use mail::{MailboxName, ModSeq, Uid, UidSet, UidValidity};
use state::State;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Bytes kept ready by [`Mailbox::cache`] in one mailbox.
const CACHE_MAX: usize = 8 * 1024 * 1024;

/// A mailbox that is open. Shared by the sessions that have it open; no lock is held between
/// calls.
pub struct Mailbox {
    name: MailboxName,
    shared: Arc<Shared>,
    directory: PathBuf,
    /// Device and inode of the directory: another one of the same name is another mailbox.
    identity: (u64, u64),
    inner: Mutex<Inner>,
    memory: Mutex<Memory>,
}

struct Inner {
    list: ListFile,
    /// `None` before the first look.
    state: Option<State>,
    snapshot: Arc<Snapshot>,
    /// The stamp of the last scan, and when that was.
    scanned: Option<(Stamp, SystemTime)>,
    /// The list was just made, from nothing.
    is_fresh: bool,
}

/// What was found out about messages and can be found out again.
#[derive(Default)]
struct Memory {
    sizes: HashMap<Uid, u64>,
    ready: HashMap<(Uid, &'static str), Arc<[u8]>>,
    ready_bytes: usize,
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
#[derive(Clone, Debug)]
pub struct FlagsStored {
    /// The state after it.
    pub snapshot: Arc<Snapshot>,
    /// Messages whose flags did change.
    pub changed: UidSet,
    /// Messages left alone, as their MODSEQ was above `unchanged_since`.
    pub modified: UidSet,
    /// Messages that are gone.
    pub gone: UidSet,
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
        clean_tmp(&directory);
        let nothing = State::new(UidValidity::new(1).expect("not 0")).snapshot(None);
        let list = ListFile::new(&directory);
        let inner = Inner { list, state: None, snapshot: nothing, scanned: None, is_fresh: false };
        Ok(Self { name, shared, directory, identity, inner: Mutex::new(inner), memory: Mutex::default() })
    }

    /// Its name when it was opened.
    pub fn name(&self) -> &MailboxName {
        &self.name
    }

    /// Whether its directory is the one that was opened.
    pub(crate) fn is_there(&self) -> bool {
        identity_of(&self.directory).is_ok_and(|identity| identity == self.identity)
    }

    /// Takes in what changed on disk, makes it durable, publishes and returns it. With
    /// `claim`, messages in `new/` are moved to `cur/` (RFC 3501's `\Recent`: SELECT claims,
    /// EXAMINE and STATUS do not).
    ///
    /// Costs three `stat` where nothing changed. `Deleted` when the directory is gone or was
    /// replaced, or UIDVALIDITY changed under us.
    pub fn refresh(&self, claim: bool) -> Result<Refreshed> {
        let mut inner = self.lock();
        self.check_identity()?;
        let quiet = inner.is_unchanged(&self.directory)?;
        let unclaimed = inner
            .state
            .as_ref()
            .is_none_or(|state| state.messages.last().is_some_and(|last| last.uid >= state.recent_from));
        if quiet && !(claim && unclaimed) {
            return Ok(Refreshed { snapshot: inner.snapshot.clone(), claimed: UidSet::new() });
        }
        let _lock = self.lock_file()?;
        self.look(&mut inner)?;
        let claimed = if claim { self.claim(&mut inner)? } else { UidSet::new() };
        Ok(Refreshed { snapshot: inner.snapshot.clone(), claimed })
    }

    /// The newest published state; empty before the first refresh. Touches no disk.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().snapshot.clone()
    }

    /// Opens a message's file. `None` when it is gone.
    pub fn open_message(&self, uid: Uid) -> Result<Option<MessageFile>> {
        for _ in 0..3 {
            let Some(path) = self.path_of(&self.lock(), uid) else { break };
            if let Some(file) = MessageFile::open(&path)? {
                return Ok(Some(file));
            }
            // Renamed by somebody, or gone.
            let mut inner = self.lock();
            let _lock = self.lock_file()?;
            self.scan_again(&mut inner)?;
        }
        Ok(None)
    }

    /// RFC822.SIZE: octets with CRLF. From the name's `,W=` or from memory, else the file is
    /// read once. `None` when it is gone.
    pub fn size(&self, uid: Uid) -> Result<Option<u64>> {
        let base = self.lock().state.as_ref().and_then(|state| Some(state.find(uid)?.base.clone()));
        if let Some(size) = base.as_deref().and_then(crate::file_name::wire_size) {
            return Ok(Some(size));
        }
        if let Some(size) = self.memory().sizes.get(&uid) {
            return Ok(Some(*size));
        }
        let Some(file) = self.open_message(uid)? else { return Ok(None) };
        let size = wire_octets(&file)?;
        self.memory().sizes.insert(uid, size);
        Ok(Some(size))
    }

    /// INTERNALDATE in seconds since 1970: the file's mtime. `None` when it is gone.
    pub fn internal_date(&self, uid: Uid) -> Result<Option<i64>> {
        Ok(self.open_message(uid)?.map(|file| file.internal_date()))
    }

    /// Bytes kept ready for a message under a name of the caller's (such as `ENVELOPE`).
    /// A cache: what was put may be gone.
    pub fn cached(&self, uid: Uid, item: &'static str) -> Option<Arc<[u8]>> {
        self.memory().ready.get(&(uid, item)).cloned()
    }

    /// Keeps bytes ready, in memory; see [`Mailbox::cached`]. When there are too many, all are
    /// forgotten.
    pub fn cache(&self, uid: Uid, item: &'static str, bytes: &[u8]) {
        let mut memory = self.memory();
        if memory.ready_bytes + bytes.len() > CACHE_MAX {
            memory.ready.clear();
            memory.ready_bytes = 0;
        }
        if bytes.len() <= CACHE_MAX && memory.ready.insert((uid, item), bytes.into()).is_none() {
            memory.ready_bytes += bytes.len();
        }
    }

    /// Changes flags of messages, durably; those above `unchanged_since` stay as they are
    /// (RFC 7162). One call is one job: the caller bounds how many UIDs it gives.
    pub fn store_flags(
        &self,
        uids: &UidSet,
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsStored> {
        change::store_flags(self, uids, change, unchanged_since)
    }

    /// Begins a message: a file in `tmp/`, dropped unless given to [`Mailbox::append`].
    pub fn deliver(&self) -> Result<Delivery> {
        self.check_identity()?;
        Delivery::create(&self.directory, &self.shared.settings.hostname)
    }

    /// Brings messages in, all or none, durably: OK may be answered when this returns.
    pub fn append(&self, messages: Vec<(Delivery, Flags, Option<i64>)>) -> Result<Appended> {
        bring_in::append(self, messages)
    }

    /// Copies messages with flags and dates to `target`, all or none, durably. Messages that
    /// are gone are left out. The files are linked where the file system allows, else copied.
    pub fn copy(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        bring_in::copy(self, uids, target)
    }

    /// Moves messages to `target` (RFC 6851), durably: no crash loses one or leaves two.
    pub fn move_to(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        bring_in::move_to(self, uids, target)
    }

    /// Removes messages that have `\Deleted` now, of `uids` where given; returns the state
    /// after it. Removed is what was decided on, not what another session undeleted meanwhile.
    pub fn expunge(&self, uids: Option<&UidSet>) -> Result<Arc<Snapshot>> {
        change::expunge(self, uids)
    }

    /// Calls `wake` from another thread when something may have changed, until the guard is
    /// dropped. `wake` must be quick and must not call into the store.
    pub fn watch(&self, wake: Wake) -> Watch {
        let (new, cur) = (self.directory.join("new"), self.directory.join("cur"));
        self.shared.watcher.watch(&[&self.directory, &new, &cur], wake)
    }
}

/// What the operations share.
impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_file(&self) -> Result<Lock> {
        let path = self.directory.join("restante-uidlist.lock");
        Lock::take(&path, self.shared.settings.lock_wait_ms_max)
            .map_err(|error| if self.is_there() { error } else { self.deleted() })
    }

    fn deleted(&self) -> Error {
        Error::new(ErrorKind::Deleted, "was deleted or replaced:", &self.directory)
    }

    fn check_identity(&self) -> Result<()> {
        if self.is_there() { Ok(()) } else { Err(self.deleted()) }
    }

    fn file_path(&self, place: Place, name: &[u8]) -> PathBuf {
        self.directory.join(place.directory()).join(OsStr::from_bytes(name))
    }

    fn path_of(&self, inner: &Inner, uid: Uid) -> Option<PathBuf> {
        let (place, name) = inner.state.as_ref()?.find(uid)?.file_name()?;
        Some(self.file_path(place, &name))
    }

    /// Takes in what others did, if anything; the lock file is held.
    fn look(&self, inner: &mut Inner) -> Result<()> {
        self.check_identity()?;
        self.read_list(inner)?;
        if !inner.is_unchanged(&self.directory)? {
            self.scan_again(inner)?;
        }
        Ok(())
    }

    /// Reads the list, as far as it is new; makes one where there is none.
    fn read_list(&self, inner: &mut Inner) -> Result<()> {
        match inner.list.news()? {
            News::Nothing => Ok(()),
            News::Appended(lines) => {
                if let Some(state) = inner.state.as_mut() {
                    state.apply(&lines);
                }
                // Files that came with these lines are found by a scan.
                inner.scanned = None;
                inner.publish();
                Ok(())
            }
            News::Whole { lines, damaged, torn } => self.take_whole(inner, &lines, damaged, torn),
            News::Missing => match inner.state.take() {
                // Somebody removed it: what we know of it is not lost.
                Some(state) => {
                    tracing::warn!(directory = %self.directory.display(), "restante-uidlist is gone: writing it again");
                    inner.list.replace(&state.checkpoint())?;
                    inner.state = Some(state);
                    Ok(())
                }
                None => self.make_list(inner),
            },
        }
    }

    fn take_whole(&self, inner: &mut Inner, lines: &[Line], damaged: usize, torn: bool) -> Result<()> {
        let directory = self.directory.display();
        let validity = lines.iter().find_map(|line| match line {
            Line::Validity(validity) => Some(*validity),
            _ => None,
        });
        let known = inner.state.as_ref().map(|state| state.uid_validity);
        if known.is_some() && validity.is_some() && known != validity {
            return Err(self.deleted());
        }
        let fresh = match validity.or(known) {
            Some(validity) => validity,
            None => {
                tracing::error!(%directory, "restante-uidlist has lost its UIDVALIDITY: clients will fetch all again");
                self.shared.new_uid_validity()?
            }
        };
        let mut state = State::new(fresh);
        let passed_over = damaged + state.apply(lines);
        if damaged > 0 {
            // Each damaged line may have given a UID, and two lines may have run into one.
            for _ in 0..2 * damaged {
                state.uid_next = state.uid_next.and_then(Uid::next);
            }
        }
        if passed_over > 0 {
            tracing::error!(%directory, lines = passed_over, "restante-uidlist was damaged: repaired from the Maildir");
        }
        if passed_over > 0 || torn || validity.is_none() {
            inner.list.replace(&state.checkpoint())?;
        }
        inner.state = Some(state);
        inner.scanned = None;
        Ok(())
    }

    /// The first list of a mailbox: with the UIDs that Courier or Dovecot gave, else empty.
    fn make_list(&self, inner: &mut Inner) -> Result<()> {
        let lines = match take_over(&self.directory)? {
            Some(lines) => lines,
            None => {
                inner.is_fresh = true;
                vec![Line::Validity(self.shared.new_uid_validity()?)]
            }
        };
        let mut state = State::new(UidValidity::new(1).expect("not 0"));
        state.apply(&lines);
        self.shared.note_uid_validity(state.uid_validity)?;
        inner.list.replace(&state.checkpoint())?;
        inner.state = Some(state);
        inner.scanned = None;
        Ok(())
    }

    /// Reads the names in the Maildir, whatever the times of change say, and takes them in.
    fn scan_again(&self, inner: &mut Inner) -> Result<()> {
        if inner.state.is_none() {
            self.read_list(inner)?;
        }
        let (stamp, now) = (Stamp::of(&self.directory)?, SystemTime::now());
        if !stamp.is_there() {
            // A Maildir without new/ or cur/ is made whole: programs expect both.
            directory::make(&self.directory, self.name.is_inbox())?;
        }
        let mut found = scan(&self.directory)?;
        let state = inner.state.as_mut().ok_or_else(|| self.deleted())?;
        let mut lines = state.differences(&found);
        if std::mem::take(&mut inner.is_fresh) {
            lines.push(first_recent(&lines, &found, state.uid_next));
        }
        if lines.iter().any(|line| matches!(line, Line::Expunged(..))) {
            // A file that is renamed while its directory is read may be seen under neither
            // name. What is gone twice is gone.
            found = scan(&self.directory)?;
            lines = state.differences(&found);
        }
        fault_point("look: before the lines");
        inner.list.append(&lines, true)?;
        state.apply(&lines);
        state.locate(&found);
        inner.scanned = Some((stamp, now));
        if !lines.is_empty() {
            self.forget(&lines);
            inner.publish();
            inner.checkpoint_if_due()?;
        } else if inner.snapshot.uid_validity() != inner.uid_validity() {
            inner.publish();
        }
        Ok(())
    }

    fn forget(&self, lines: &[Line]) {
        let mut memory = self.memory();
        for line in lines {
            if let Line::Expunged(uid, _) = line {
                memory.sizes.remove(uid);
            }
        }
    }

    /// Moves messages from `new/` to `cur/` and ends their being recent to others.
    fn claim(&self, inner: &mut Inner) -> Result<UidSet> {
        let Some(state) = inner.state.as_mut() else { return Ok(UidSet::new()) };
        let mut moved = false;
        let lying_new: Vec<(Uid, Vec<u8>, Vec<u8>)> = state
            .messages
            .iter()
            .filter_map(|message| match message.file_name()? {
                (Place::New, name) => Some((message.uid, name, message.name_with(message.flags))),
                (Place::Cur, _) => None,
            })
            .collect();
        for (uid, name, target) in lying_new {
            let (from, to) = (self.file_path(Place::New, &name), self.file_path(Place::Cur, &target));
            match std::fs::rename(&from, &to) {
                Ok(()) => {
                    moved = true;
                    let base = state.find(uid).map_or(0, |message| message.base.len());
                    state.set_file(uid, Place::Cur, &target[base..]);
                }
                // Somebody else was faster; the next look finds it.
                Err(error) if directory::is_missing(&error) => inner.scanned = None,
                Err(error) => return Err(Error::io("cannot move from new to cur", &from, error)),
            }
        }
        if moved {
            sync_directory(&self.directory.join("cur"))?;
        }
        let claimed: UidSet = state
            .messages
            .iter()
            .map(|message| message.uid)
            .filter(|uid| *uid >= state.recent_from)
            .collect();
        if !claimed.is_empty() {
            let line = Line::Recent(state.uid_next.unwrap_or(Uid::MAX));
            // Lost in a crash, messages are recent once more: no harm.
            inner.list.append(std::slice::from_ref(&line), false)?;
            state.apply(&[line]);
            inner.publish();
        }
        Ok(claimed)
    }
}

impl Inner {
    /// Whether list and directories are as they were at the last scan, as far as that can be
    /// told without reading them.
    fn is_unchanged(&self, directory: &Path) -> Result<bool> {
        let Some((stamp, scanned)) = self.scanned else { return Ok(false) };
        Ok(self.state.is_some()
            && self.list.is_current()
            && stamp.is_settled_at(scanned)
            && Stamp::of(directory)? == stamp)
    }

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
        self.state.as_ref().map_or(self.snapshot.uid_validity(), |state| state.uid_validity)
    }

    fn publish(&mut self) {
        if let Some(state) = &self.state {
            self.snapshot = state.snapshot(Some(&self.snapshot));
        }
    }

    fn checkpoint_if_due(&mut self) -> Result<()> {
        match &self.state {
            Some(state) if self.list.wants_checkpoint(state.messages.len()) => {
                fault_point("checkpoint: before it");
                self.list.replace(&state.checkpoint())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({})", self.directory.display())
    }
}

/// Of a Maildir seen for the first time, mail is recent from the oldest in `new/` on: what lies
/// in `cur/` was seen by somebody.
fn first_recent(lines: &[Line], found: &[FoundFile], uid_next: Option<Uid>) -> Line {
    let is_new = |base: &[u8]| {
        let at = found.binary_search_by(|file| (*file.base).cmp(base));
        at.is_ok_and(|at| found[at].place == Place::New)
    };
    let messages = lines.iter().filter_map(|line| match line {
        Line::Message { uid, base, .. } => Some((*uid, base)),
        _ => None,
    });
    let after_all = messages.clone().next_back().and_then(|(uid, _)| uid.next()).or(uid_next);
    let oldest = messages.clone().find(|(_, base)| is_new(base)).map(|(uid, _)| uid);
    Line::Recent(oldest.or(after_all).unwrap_or(Uid::MAX))
}

fn identity_of(directory: &Path) -> Result<(u64, u64)> {
    match std::fs::symlink_metadata(directory) {
        Ok(metadata) if metadata.is_dir() => Ok((metadata.dev(), metadata.ino())),
        Ok(_) => Err(Error::new(ErrorKind::NonExistent, "no directory:", directory)),
        Err(error) if directory::is_missing(&error) => {
            Err(Error::new(ErrorKind::NonExistent, "no such directory:", directory))
        }
        Err(error) => Err(Error::io("cannot look at", directory, error)),
    }
}

/// What a file's bytes are when sent.
fn wire_octets(file: &MessageFile) -> Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut offset, mut octets, mut last) = (0, 0, 0);
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        if count == 0 {
            return Ok(octets);
        }
        octets += mail::crlf::octets(&buffer[..count], last == b'\r');
        last = buffer[count - 1];
        offset += count as u64;
    }
}
