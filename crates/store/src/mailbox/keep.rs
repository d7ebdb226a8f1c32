//! What stays: the index and cache on disk, and what of a mailbox is in memory.

use super::departed::Known;
use super::held::InnerGuard;
use super::look::{self, Seen};
use super::pass::Learned;
use super::state::State;
use super::{Inner, Mailbox, index};
use crate::cache::{self, Cache, Identity, Whose};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::packed::Packed;
use crate::scan::Stamp;
use crate::snapshot::Snapshot;
use mail::Uid;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

/// A session that rests: see [`Mailbox::rest`]. Dropping it ends that.
#[derive(Debug)]
#[must_use]
pub struct Rest {
    mailbox: Arc<Mailbox>,
    packed: Arc<Packed>,
}

/// There is none: no file has these numbers.
const NO_CACHE: Identity = (0, 0);

/// Records of a cache beyond those that are in use, from which on it is written anew.
const RECORDS_SPARE: usize = 1000;

/// Resting.
impl Mailbox {
    /// Says that a session which watches the mailbox waits and will do nothing before it is
    /// woken; its snapshot is kept in few bytes. When all of them rest, what only commands need is
    /// given up; the next look loads it again. Blocks like any look.
    pub fn rest(self: &Arc<Self>, snapshot: Arc<Snapshot>) -> Rest {
        let packed = self.lock().published.pack(&snapshot);
        drop(snapshot);
        self.resting.fetch_add(1, Relaxed);
        let rest = Rest { mailbox: self.clone(), packed };
        rest.settle();
        rest
    }

    /// Gives the state up, once the index has it.
    fn give_up(&self, inner: &mut Inner) -> Result<()> {
        let is_kept = inner.list.is_in_memory() || !matches!(inner.seen, Some(Seen::Followed));
        if inner.state.is_none() || is_kept {
            return Ok(());
        }
        if inner.unsaved {
            let _lock = self.lock_file()?;
            self.look(inner)?;
            self.save(inner)?;
        }
        inner.state = None;
        inner.published.rest();
        self.bytes.store(0, Relaxed);
        Ok(())
    }

    /// What is known, loaded again if it was given up.
    pub(super) fn awake(&self) -> Result<InnerGuard<'_>> {
        let mut inner = self.lock();
        if inner.state.is_none() {
            let _lock = self.lock_and_look(&mut inner)?;
            self.count_bytes(&inner);
        }
        Ok(inner)
    }

    pub(super) fn count_bytes(&self, inner: &Inner) {
        self.bytes.store(inner.state.as_ref().map_or(0, State::bytes), Relaxed);
    }

    /// Bytes of memory that its messages take; an estimate.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

impl Rest {
    /// Whether a look would find what the session knows; if so, it rests on.
    pub fn goes_on(&self) -> bool {
        let is_undisturbed = || {
            let _entered = self.mailbox.shared.enter()?;
            let inner = self.mailbox.lock();
            self.mailbox.check_identity()?;
            let is_known = inner.published.is(&self.packed) && !inner.read_only;
            Ok::<_, Error>(is_known && look::is_unchanged(&self.mailbox, &inner)?)
        };
        let goes_on = is_undisturbed().unwrap_or(false);
        if goes_on {
            self.settle();
        }
        goes_on
    }

    /// The snapshot that the session rests on.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.packed.unpack()
    }

    /// Gives up what commands of others may have loaded, if all rest.
    fn settle(&self) {
        let mailbox = &self.mailbox;
        if mailbox.resting.load(Relaxed) >= mailbox.watched.wakes()
            && let Ok(_entered) = mailbox.shared.enter()
            && let Err(error) = mailbox.give_up(&mut mailbox.lock())
        {
            tracing::debug!(%error, "a mailbox stays in memory");
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.mailbox.resting.fetch_sub(1, Relaxed);
    }
}

impl Drop for Mailbox {
    /// What was learned is kept for the next one that opens the mailbox, if that can be done at
    /// once: the index can be made again.
    fn drop(&mut self) {
        let mut inner = self.lock();
        if inner.state.is_none() || !inner.unsaved {
            return;
        }
        // Whoever lets go of it last: often a session of somebody else, who takes its room.
        let _entered = match self.shared.enter() {
            Ok(entered) => entered,
            // Nor is it said in the name of that session.
            Err(error) => {
                let mailbox = self.name.as_str();
                return tracing::warn!(parent: None, %error, mailbox, "the index stays as it was");
            }
        };
        if !self.is_there() {
            return;
        }
        let Ok(_lock) = Lock::take(&self.lock_path(), 0) else { return };
        if inner.list.is_current()
            && let Err(error) = self.save(&mut inner)
        {
            tracing::debug!(%error, "the index stays as it was");
        }
    }
}

/// The index.
impl Mailbox {
    /// Writes the index; the lock file is held.
    pub(super) fn save(&self, inner: &mut Inner) -> Result<()> {
        let stamp = self.settled_stamp(inner)?;
        if inner.has_spare_records() {
            self.rewrite_cache(inner)?;
        }
        let (Some(mark), Some(state)) = (inner.list.mark()?, &inner.state) else { return Ok(()) };
        index::save(self.index_to_write()?, &self.directory, state, &mark, stamp, inner.cache)?;
        inner.unsaved = false;
        self.note_reached(inner, true);
        Ok(())
    }

    /// Reads the index, whatever list it belongs to.
    pub(super) fn load_index(&self) -> Option<index::Saved> {
        index::load(self.index_to_read()?, &self.directory)
    }

    /// Where index and cache are read; `None` where they are not to be believed.
    fn index_to_read(&self) -> Option<&Path> {
        self.shared.trusts_index().then_some(&*self.index_directory)
    }

    /// Where they are written: made again where it is missing.
    fn index_to_write(&self) -> Result<&Path> {
        self.shared.make_index_directory(&self.index_directory)?;
        Ok(&self.index_directory)
    }

    /// The directories' times, if what is known is as of them.
    fn settled_stamp(&self, inner: &Inner) -> Result<Option<Stamp>> {
        let now = Stamp::of(&self.directory)?;
        let is_known = match inner.seen {
            Some(Seen::Followed) => self.watched.is_quiet() && now.is_settled_at(SystemTime::now()),
            Some(Seen::Stamped(stamp, scanned)) => stamp == now && stamp.is_settled_at(scanned),
            None => false,
        };
        Ok(is_known.then_some(now))
    }

    /// Takes the index as the state, if there is one that belongs to the list; the lock file is
    /// held. What the list has behind it is still to be read. What an index says that belongs to
    /// another list is returned.
    pub(super) fn restore(&self, inner: &mut Inner) -> Result<Option<State>> {
        // Of one that rests, the journal has all that happened since its index was written.
        let resting = matches!(inner.seen, Some(Seen::Followed));
        let followed = resting || self.watched.begin();
        inner.seen = None;
        let now = Stamp::of(&self.directory)?;
        let Some(saved) = self.load_index() else { return Ok(None) };
        if !inner.list.resume(&saved.mark)? {
            return Ok(Some(saved.state));
        }
        if resting {
            inner.seen = Some(Seen::Followed);
        } else if saved.stamp == Some(now) {
            inner.seen = Some(if followed { Seen::Followed } else { Seen::Stamped(now, SystemTime::now()) });
        }
        inner.cache = saved.cache;
        let mut state = saved.state;
        let is_published = state.share(&inner.published.wake());
        inner.state = Some(state);
        inner.records = inner.live_records();
        if !is_published {
            inner.publish();
        }
        inner.unsaved = false;
        Ok(None)
    }
}

/// The cache.
impl Mailbox {
    /// The cache, as the places in memory have it.
    pub(super) fn open_cache(&self) -> Option<Cache> {
        let _entered = self.shared.enter().ok()?;
        let mut inner = self.awake().ok()?;
        let mut cache = Cache::open(self.index_to_read()?, inner.uid_validity())?;
        if inner.cache != Some(cache.identity) {
            inner.adopt(&mut cache);
        }
        Some(cache)
    }

    /// Without an index that says it, what the cache has is found by reading it.
    fn find_cache(&self, inner: &mut Inner) {
        match self.index_to_read().and_then(|directory| Cache::open(directory, inner.uid_validity())) {
            Some(mut cache) => inner.adopt(&mut cache),
            None => inner.cache = Some(NO_CACHE),
        }
    }

    /// What is known of the messages from `uid` on, `count` of them at most; of expunged ones
    /// too, as far as it is remembered.
    pub(super) fn known_from(&self, uid: Uid, count: usize, known: &mut Vec<Known>) {
        known.clear();
        let Ok(_entered) = self.shared.enter() else { return };
        let Ok(mut inner) = self.awake() else { return };
        if inner.cache.is_none() {
            self.find_cache(&mut inner);
        }
        let Some(state) = inner.state.as_mut() else { return };
        let start = state.uids.partition_point(|of_row| *of_row < uid);
        known.extend((start..state.len().min(start + count)).map(|row| state.known(row)));
        known.extend(state.departed.from(uid).take(count));
        known.sort_by_key(|known| known.whose.uid);
        known.truncate(count);
    }

    /// Keeps what a pass found out. A cache that cannot be written is none.
    pub(super) fn keep(&self, learned: &[Learned], records: &[(Whose, Vec<u8>)]) {
        let Ok(_entered) = self.shared.enter() else { return };
        let mut places: Option<(Identity, Vec<u32>)> = None;
        if !records.is_empty() && self.is_there() {
            let validity = self.lock().published.head().uid_validity();
            places = self
                .index_to_write()
                .and_then(|directory| cache::append(directory, validity, records))
                .inspect_err(|error| tracing::debug!(%error, "not cached"))
                .ok();
        }
        let mut inner = self.lock();
        let Some(state) = inner.state.as_mut() else { return };
        learned.iter().for_each(|message| state.learn(message));
        inner.unsaved = true;
        let Some((identity, places)) = places else { return };
        inner.records += records.len();
        if inner.cache != Some(identity) {
            if let Some(mut cache) = Cache::open(&self.index_directory, inner.uid_validity()) {
                inner.adopt(&mut cache);
            }
            return;
        }
        let Some(state) = inner.state.as_mut() else { return };
        for ((whose, _), place) in records.iter().zip(places) {
            state.set_cached(*whose, place + 1);
        }
        // Who asks for ever new subsets of headers shall not fill the disk.
        if inner.has_spare_records()
            && let Err(error) = self.rewrite_cache(&mut inner)
        {
            tracing::debug!(%error, "the cache stays as it is");
        }
    }

    /// Writes the cache anew with the records that are in use, in the order of their messages.
    fn rewrite_cache(&self, inner: &mut Inner) -> Result<()> {
        let validity = inner.uid_validity();
        let directory = self.index_to_write()?;
        let Some(mut old) = Cache::open(directory, validity) else { return Ok(()) };
        if inner.cache != Some(old.identity) {
            inner.adopt(&mut old);
        }
        let state = inner.state()?;
        let live = state.facts.cached.iter().enumerate().filter_map(|(row, place)| {
            let whose = state.whose(row);
            Some((whose, old.record(place.checked_sub(1)?, whose)?.to_vec()))
        });
        cache::rewrite(directory, validity, live)?;
        if let Some(mut new) = Cache::open(directory, validity) {
            inner.adopt(&mut new);
        }
        Ok(())
    }
}

impl Inner {
    /// Takes a cache's places as those of the messages.
    fn adopt(&mut self, cache: &mut Cache) {
        let Some(state) = self.state.as_mut() else { return };
        state.facts.cached.fill(0);
        state.departed.forget_cached();
        let records = cache.all_records();
        for (whose, place) in &records {
            state.set_cached(*whose, place + 1);
        }
        (self.cache, self.records, self.unsaved) = (Some(cache.identity), records.len(), true);
    }

    /// Whether most of the cache's records were replaced by others.
    fn has_spare_records(&self) -> bool {
        self.records > 2 * self.live_records() + RECORDS_SPARE
    }

    /// Messages with a record in the cache.
    fn live_records(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.facts.cached.iter().filter(|place| **place != 0).count())
    }
}
