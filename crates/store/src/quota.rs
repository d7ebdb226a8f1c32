//! Quotas: how much mail a user may keep, as Maildir++ counts it in `maildirsize`.
//!
//! The file lies in the Maildir. Its first line has the limits; every other line is a change of
//! bytes and messages, and their sum is what there is. A change is one line, appended with one
//! write; from time to time everything is counted anew and the file replaced. Courier, maildrop,
//! Exim, Dovecot and vpopmail read and write the same file, none with a lock: see `quota/file.rs`
//! for its form and `quota/count.rs` for how counting beside them is safe.
//!
//! What counts is a matter of the site. Courier leaves out the mailbox `Trash` and messages with
//! `\Deleted`; Dovecot counts all. Programs that share a file must agree.
//!
//! A user without limits and without a file costs one look for the file a change, and nothing
//! else. That the file cannot be read or written changes no command's outcome: it is logged, and
//! counted anew once it can be.
//!
//! In one process the limits hold for all that is on its way together: whoever is about to add
//! mail has its room [promised](Room) first, before any of its bytes are taken. Two processes see of
//! one another what is in the file.
//!
//! What other programs do to the Maildir without saying so in the file (mutt, `rm`, deliveries
//! without quota) is found when it is counted anew, and not before.

mod count;
mod file;
mod limits;

pub use limits::QuotaLimits;

use crate::error::{Error, ErrorKind, Result};
use crate::owner::{self, Owner};
use count::Stamps;
use file::Contents;
use mail::{MailboxName, SystemFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// Age from which a file that says "over quota" is not believed (the Maildir++ rule).
const STALE: Duration = Duration::from_secs(15 * 60);

/// A file that grew to this many bytes by expunges alone is counted anew after a change too, as
/// nobody may ever ask.
const OVERGROWN: u64 = 64 * 1024;

/// How often is counted while others change the Maildir, before the sum is taken as it is.
const COUNTS_MAX: usize = 3;

/// Bytes on disk and messages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct QuotaUsage {
    /// Sum of the messages' sizes on disk.
    pub bytes: u64,
    /// How many messages.
    pub messages: u64,
}

/// What a user has, and may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotaStatus {
    /// What they may have.
    pub limits: QuotaLimits,
    /// What they have.
    pub usage: QuotaUsage,
}

/// One user's quota. No call is made with a mailbox's lock held, but for those of [`Change`].
#[derive(Debug)]
pub struct Quota {
    root: PathBuf,
    /// Whom it belongs to, if not to the user that the process runs as.
    owner: Option<Arc<Owner>>,
    hostname: String,
    /// `Trash` and messages with `\Deleted` count too.
    counts_trash: bool,
    /// Limits from the user source or the settings; without them, those in the file.
    configured: Mutex<Option<QuotaLimits>>,
    /// Held together by changes, from before the first file until the line is appended; held
    /// alone while everything is counted: in this process no change is counted twice or missed.
    counting: RwLock<()>,
    /// What is promised to mail on its way, and not in the file yet. Whoever holds it waits for no
    /// count: it may be taken while `counting` is held, and not the other way round.
    promised: Arc<Mutex<QuotaUsage>>,
}

/// Room that is promised to mail on its way; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    promised: Arc<Mutex<QuotaUsage>>,
    usage: QuotaUsage,
}

/// A change of the Maildir that is under way. What it adds and removes is appended when it is
/// dropped, whatever became of the command.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// `None` where nothing is to be counted.
    counted: Option<(&'a Quota, RwLockReadGuard<'a, ()>)>,
    /// What it may add.
    room: Option<Room>,
    bytes: i64,
    messages: i64,
}

/// What is known, by the file or by counting.
struct Known {
    /// `None` without limits.
    status: Option<QuotaStatus>,
    has_file: bool,
}

/// The file cannot be believed: everything is to be counted, under these limits.
struct Due(QuotaLimits);

impl QuotaUsage {
    /// With so much more.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(more.bytes),
            messages: self.messages.saturating_add(more.messages),
        }
    }

    fn minus(self, less: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(less.bytes),
            messages: self.messages.saturating_sub(less.messages),
        }
    }
}

impl Quota {
    /// The quota of the Maildir `root`. With `counts_trash`, `Trash` and messages with
    /// `\Deleted` count too. `hostname` goes into the names of temporary files.
    pub fn new(root: &Path, hostname: &str, counts_trash: bool) -> Self {
        Self {
            root: root.to_owned(),
            owner: None,
            hostname: hostname.to_owned(),
            counts_trash,
            configured: Mutex::default(),
            counting: RwLock::default(),
            promised: Arc::default(),
        }
    }

    /// The same, of a Maildir whose files belong to `owner`.
    #[must_use]
    pub fn owned_by(self, owner: Option<Arc<Owner>>) -> Self {
        Self { owner, ..self }
    }

    /// Sets the limits that the user source or the settings give. `None`: the file's own are
    /// obeyed, where there is one.
    pub fn set_limits(&self, limits: Option<QuotaLimits>) {
        *self.configured.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// What the user has and may have; `None` without limits. Counts everything where the file
    /// cannot be believed, which takes as long as reading all names.
    pub fn status(&self) -> Result<Option<QuotaStatus>> {
        let _entered = self.enter()?;
        Ok(self.known()?.status)
    }

    /// Whether the limits are passed, now that messages lost `\Deleted` that did not count with
    /// it. Costs reading the file.
    pub fn is_passed_by_undeleting(&self) -> bool {
        let status = if self.counts_trash { None } else { self.status().ok().flatten() };
        status.is_some_and(|status| !status.limits.allow(status.usage))
    }

    /// Counts everything, and writes the file where there are limits or a file. `progress` is
    /// told how many messages were counted since the last time.
    pub fn recalculate(&self, progress: &mut dyn FnMut(u64)) -> Result<QuotaStatus> {
        let _entered = self.enter()?;
        let _alone = self.counting.write().unwrap_or_else(PoisonError::into_inner);
        let contents = self.read();
        let of_file = contents.as_ref().and_then(|contents| contents.limits);
        let limits = self.configured().or(of_file).unwrap_or_default();
        if contents.is_none() && limits.is_none() {
            let usage =
                count::everything(&Stamps::of(&self.root, self.counts_trash)?, self.counts_trash, progress)?;
            return Ok(QuotaStatus { limits, usage });
        }
        self.count_anew(limits, progress)
    }

    /// Whether a message in that mailbox counts.
    pub(crate) fn counts(&self, mailbox: &MailboxName, flags: SystemFlags) -> bool {
        self.counts_trash || !(is_trash(mailbox) || flags.contains(SystemFlags::DELETED))
    }

    /// Whether all messages count, wherever they are and whatever their flags.
    pub(crate) fn counts_all(&self) -> bool {
        self.counts_trash
    }

    /// Whether there is anything to count: limits, or a file. Costs one `lstat` at most.
    pub(crate) fn is_in_use(&self) -> bool {
        let Ok(_entered) = self.enter() else { return false };
        self.configured().is_some_and(|limits| !limits.is_none()) || file::is_there(&self.path())
    }

    /// Begins a change that adds nothing.
    pub(crate) fn begin(&self) -> Change<'_> {
        self.change(self.enter().is_ok_and(|_entered| file::is_there(&self.path())))
    }

    /// Keeps room for so much more: `OverQuota` where that is too much, beside what is promised to
    /// others. `None` where nothing is counted. No lock of a mailbox may be held, nor a change.
    pub(crate) fn promise(&self, more: QuotaUsage) -> Result<Option<Room>> {
        self.admit(more, Vec::new())
    }

    /// Begins a change that adds so much at most; likewise. What was promised to it before, in
    /// `rooms`, is room that it has.
    pub(crate) fn begin_adding(&self, more: QuotaUsage, rooms: Vec<Room>) -> Result<Change<'_>> {
        let room = self.admit(more, rooms)?;
        let mut change = self.change(room.is_some());
        change.room = room;
        Ok(change)
    }

    fn change(&self, is_counted: bool) -> Change<'_> {
        let guard = is_counted.then(|| self.counting.read().unwrap_or_else(PoisonError::into_inner));
        Change { counted: guard.map(|guard| (self, guard)), room: None, bytes: 0, messages: 0 }
    }

    /// What the mailbox in that directory counts for, by its messages' names.
    pub(crate) fn of_directory(&self, directory: &Path) -> Result<QuotaUsage> {
        count::mailbox(directory, self.counts_trash, &mut |_| {})
    }

    /// Promises room for so much, in the place of `rooms`.
    fn admit(&self, more: QuotaUsage, rooms: Vec<Room>) -> Result<Option<Room>> {
        let _entered = self.enter()?;
        let had = rooms.iter().fold(QuotaUsage::default(), |sum, room| sum.plus(room.usage));
        // What is in the file and what is promised are looked at together.
        let promised = self.promised();
        let (known, mut promised, alone) = match self.judge(promised.minus(had).plus(more)) {
            Ok(known) => (known, promised, None),
            Err(_) => {
                // Nobody waits for a count with this held.
                drop(promised);
                let alone = self.counting.write().unwrap_or_else(PoisonError::into_inner);
                let expected = self.promised().minus(had).plus(more);
                match self.known_alone(expected) {
                    Ok(known) => (known, self.promised(), Some(alone)),
                    // What cannot be counted cannot be refused: mail is worth more than its count.
                    Err(error) => {
                        tracing::warn!(%error, "the quota could not be counted");
                        return Ok(None);
                    }
                }
            }
        };
        let Known { status, has_file } = known;
        let others = promised.minus(had);
        if status.is_some_and(|status| !status.limits.allow(status.usage.plus(others).plus(more))) {
            drop((promised, alone));
            return Err(Error::new(ErrorKind::OverQuota, "no room is left by the limits of", &self.path()));
        }
        if has_file {
            *promised = others.plus(more);
        }
        drop((promised, alone));
        for mut room in rooms {
            // It is part of the new one.
            room.usage = if has_file { QuotaUsage::default() } else { room.usage };
        }
        Ok(has_file.then(|| Room { promised: self.promised.clone(), usage: more }))
    }

    /// What the file says, or where it cannot be believed, what counting gives.
    fn known(&self) -> Result<Known> {
        if let Ok(known) = self.judge(QuotaUsage::default()) {
            return Ok(known);
        }
        let _alone = self.counting.write().unwrap_or_else(PoisonError::into_inner);
        self.known_alone(QuotaUsage::default())
    }

    /// Likewise, if so much more is to come; the caller holds `counting` alone.
    fn known_alone(&self, more: QuotaUsage) -> Result<Known> {
        // Perhaps another thread has counted meanwhile.
        match self.judge(more) {
            Ok(known) => Ok(known),
            Err(Due(limits)) => {
                let status = self.count_anew(limits, &mut |_| {})?;
                Ok(Known { status: (!limits.is_none()).then_some(status), has_file: true })
            }
        }
    }

    fn promised(&self) -> MutexGuard<'_, QuotaUsage> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file can be believed, by the rules of Maildir++.
    fn judge(&self, more: QuotaUsage) -> std::result::Result<Known, Due> {
        let configured = self.configured();
        let Some(contents) = self.read() else {
            return match configured.filter(|limits| !limits.is_none()) {
                Some(limits) => Err(Due(limits)),
                None => Ok(Known { status: None, has_file: false }),
            };
        };
        let limits = configured.or(contents.limits).unwrap_or_default();
        if contents.is_full || contents.is_torn {
            return Err(Due(limits));
        }
        if limits.is_none() {
            return Ok(Known { status: None, has_file: true });
        }
        let (Ok(bytes), Ok(messages)) = (u64::try_from(contents.bytes), u64::try_from(contents.messages))
        else {
            return Err(Due(limits));
        };
        let usage = QuotaUsage { bytes, messages };
        let is_fresh = contents.deltas <= 1 && contents.modified.elapsed().is_ok_and(|age| age <= STALE);
        let is_over = !limits.allow(usage.plus(more));
        if contents.limits != Some(limits) || is_over && !is_fresh {
            return Err(Due(limits));
        }
        Ok(Known { status: Some(QuotaStatus { limits, usage }), has_file: true })
    }

    /// Counts everything and replaces the file; the caller holds `counting` alone.
    fn count_anew(&self, limits: QuotaLimits, progress: &mut dyn FnMut(u64)) -> Result<QuotaStatus> {
        for _ in 0..COUNTS_MAX {
            let before = Stamps::settled(&self.root, self.counts_trash)?;
            let usage = count::everything(&before, self.counts_trash, progress)?;
            let status = QuotaStatus { limits, usage };
            if let Err(error) = file::replace(&self.root, &self.hostname, status) {
                tracing::warn!(%error, "what was counted for the quota could not be written");
                return Ok(status);
            }
            // What another program did meanwhile it has told the old file, or will tell the new
            // one though it was counted: such a sum is not to be kept.
            if Stamps::of(&self.root, self.counts_trash)? == before {
                return Ok(status);
            }
        }
        let stamps = Stamps::of(&self.root, self.counts_trash)?;
        let usage = count::everything(&stamps, self.counts_trash, progress)?;
        // Without configured limits, they would be gone with the file.
        if self.configured().is_some() {
            file::remove(&self.path());
        }
        Ok(QuotaStatus { limits, usage })
    }

    /// Works as the owner of the Maildir.
    fn enter(&self) -> Result<Option<owner::Guard>> {
        owner::enter(self.owner.as_ref(), &self.root)
    }

    fn configured(&self) -> Option<QuotaLimits> {
        *self.configured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file; `None` where it is missing or cannot be read.
    fn read(&self) -> Option<Contents> {
        file::read(&self.path()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the quota's file is of no use");
            None
        })
    }

    fn path(&self) -> PathBuf {
        self.root.join(file::NAME)
    }
}

impl Change<'_> {
    /// A change of which nothing is counted.
    pub(crate) fn uncounted() -> Self {
        Change { counted: None, room: None, bytes: 0, messages: 0 }
    }

    /// Whether somebody wants to know sizes.
    pub(crate) fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    /// A message came in.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(signed(bytes));
        self.messages += 1;
    }

    /// A message went.
    pub(crate) fn remove(&mut self, bytes: u64) {
        self.remove_all(QuotaUsage { bytes, messages: 1 });
    }

    /// Messages came in.
    pub(crate) fn add_all(&mut self, usage: QuotaUsage) {
        self.bytes = self.bytes.saturating_add(signed(usage.bytes));
        self.messages = self.messages.saturating_add(signed(usage.messages));
    }

    /// Messages went.
    pub(crate) fn remove_all(&mut self, usage: QuotaUsage) {
        self.bytes = self.bytes.saturating_sub(signed(usage.bytes));
        self.messages = self.messages.saturating_sub(signed(usage.messages));
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        let Some((quota, guard)) = self.counted.take() else { return };
        if (self.bytes, self.messages) == (0, 0) {
            return;
        }
        // Without it the file cannot be appended to, which is said.
        let _entered = quota.enter();
        let appended = {
            // Nobody sees it both in the file and promised.
            let mut promised = quota.promised();
            if let Some(room) = &mut self.room {
                *promised = promised.minus(std::mem::take(&mut room.usage));
            }
            file::append(&quota.path(), self.bytes, self.messages)
        };
        drop(guard);
        match appended {
            Ok(Some(length)) if length >= OVERGROWN => {
                if let Err(error) = quota.status() {
                    tracing::warn!(%error, "the quota could not be counted");
                }
            }
            // Without a file all is counted when it is next asked for.
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "a change is missing from the quota until it is counted anew")
            }
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut promised = self.promised.lock().unwrap_or_else(PoisonError::into_inner);
        *promised = promised.minus(self.usage);
    }
}

/// Courier's trash: the mailbox of that name, and not what lies below it.
fn is_trash(mailbox: &MailboxName) -> bool {
    mailbox.as_str() == "Trash"
}

/// A message's size on disk: as its name says, else by one `lstat`. 0 when it is gone.
pub(crate) fn size_of(base: &[u8], path: &Path) -> u64 {
    crate::file_name::disk_size(base)
        .unwrap_or_else(|| std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.len()))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
