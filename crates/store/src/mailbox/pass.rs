//! A pass over messages: what a command needs of each, from memory, the cache or the file.
//!
//! What is found out on the way is kept in memory for the mailbox, and for later: sizes and dates
//! in its index, what is ready to send in its cache. It is written in batches; a pass that is dropped
//! writes what it has.

use super::Mailbox;
use super::departed::Known;
use crate::cache::{self, Cache, CacheKind};
use crate::error::Result;
use crate::message::{Looked, MessageFile};
use crate::owner::Guard;
use crate::sent_date::SentDate;
use mail::Uid;
use mail::date::DateTime;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// See the module. It is made for one command, and goes through messages in any order, but
/// fastest in theirs.
#[derive(Debug)]
pub struct Pass {
    mailbox: Arc<Mailbox>,
    /// What is known of some messages that follow one another.
    known: Vec<Known>,
    /// `cur/`: the way to it is gone once, and not for each message.
    cur: Option<OwnedFd>,
    /// Opened when a record is first needed.
    cache: Option<Cache>,
    /// What was found out and is not kept yet.
    learned: Vec<Learned>,
    learned_bytes: usize,
}

/// When a message came into its mailbox (RFC 8514 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaveDate {
    /// In seconds since 1970.
    At(i64),
    /// Its file's name does not say it.
    Unknown,
}

/// What was found out about a message.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) uid: Uid,
    pub(super) size: Option<u32>,
    pub(super) date: Option<u32>,
    pub(super) sent: Option<u64>,
    pub(super) items: Vec<(CacheKind, Box<[u8]>)>,
}

impl Pass {
    /// Messages that are looked up at once.
    const AHEAD: usize = 256;
    /// Messages and bytes after which what was found out is kept.
    const LEARNED_MAX: usize = 512;
    const LEARNED_BYTES_MAX: usize = 512 * 1024;

    pub(super) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, known: Vec::new(), cur: None, cache: None, learned: Vec::new(), learned_bytes: 0 }
    }

    /// Works as the one whose mail it is until the guard is dropped: for a thread that goes
    /// through many messages.
    pub fn enter(&self) -> Result<Option<Guard>> {
        self.mailbox.shared.enter()
    }

    /// RFC822.SIZE, octets with CRLF, where it is known: it was counted once, or is what the
    /// name of a file says that was looked at, and fits it.
    pub fn known_size(&mut self, uid: Uid) -> Option<u64> {
        self.known(uid).and_then(|known| known.size.checked_sub(1)).map(u64::from)
    }

    /// Likewise, after a look at the file where it was not known. It is not opened.
    pub fn size_unread(&mut self, uid: Uid) -> Result<Option<u64>> {
        match self.known_size(uid) {
            Some(octets) => Ok(Some(octets)),
            None => Ok(self.look(uid)?.and_then(|looked| looked.octets)),
        }
    }

    /// RFC822.SIZE: octets with CRLF; the file is read where nothing else tells. `None` when the
    /// message is gone.
    pub fn size(&mut self, uid: Uid) -> Result<Option<u64>> {
        if let Some(octets) = self.size_unread(uid)? {
            return Ok(Some(octets));
        }
        let Some(file) = self.open(uid)? else { return Ok(None) };
        let octets = file.count_octets()?;
        self.counted(uid, octets);
        Ok(Some(octets))
    }

    /// INTERNALDATE in seconds since 1970. `None` when the message is gone.
    pub fn internal_date(&mut self, uid: Uid) -> Result<Option<i64>> {
        if let Some(date) = self.known(uid).and_then(|known| known.date.checked_sub(1)) {
            return Ok(Some(date.into()));
        }
        Ok(self.look(uid)?.map(|looked| looked.date))
    }

    /// When the message came into this mailbox. `None` when it is gone.
    pub fn save_date(&mut self, uid: Uid) -> Option<SaveDate> {
        let saved = self.known(uid)?.saved;
        Some(if saved == 0 { SaveDate::Unknown } else { SaveDate::At(saved.into()) })
    }

    /// When the message was sent, if its header was read for that once. Neither file nor cache is
    /// looked at.
    pub fn sent_date(&mut self, uid: Uid) -> SentDate {
        let known = self.known(uid).and_then(|known| SentDate::from_bits(known.sent));
        known.unwrap_or(SentDate::Unknown)
    }

    /// The message's header was read: its first Date field gives that date, or none.
    pub fn keep_sent_date(&mut self, uid: Uid, date: Option<DateTime>) {
        let sent = SentDate::from(date).bits();
        let Some(known) = self.known_mut(uid) else { return };
        if std::mem::replace(&mut known.sent, sent) != sent {
            self.learned(uid).sent = Some(sent);
            self.flush_if_full();
        }
    }

    /// Opens a message's file. `None` when it is gone.
    pub fn open(&mut self, uid: Uid) -> Result<Option<MessageFile>> {
        let _entered = self.enter()?;
        let near = self.cur().and_then(|(mailbox, cur)| mailbox.open_in(cur, uid));
        let file = match near {
            Some(file) => Some(file),
            // It lies elsewhere, was renamed, or cannot be opened.
            None => self.mailbox.open_message(uid)?,
        };
        if let Some(file) = &file {
            self.learn_of_file(uid, file.internal_date(), file.octets_by_name());
        }
        Ok(file)
    }

    /// Looks at a message's file, which tells its date, and its size where the name fits.
    fn look(&mut self, uid: Uid) -> Result<Option<Looked>> {
        let _entered = self.enter()?;
        let near = self.cur().and_then(|(mailbox, cur)| mailbox.look_in(cur, uid));
        let looked = match near {
            Some(looked) => Some(looked),
            None => self.mailbox.look_at(uid)?,
        };
        if let Some(looked) = looked {
            self.learn_of_file(uid, looked.date, looked.octets);
        }
        Ok(looked)
    }

    fn cur(&mut self) -> Option<(&Mailbox, &OwnedFd)> {
        if self.cur.is_none() {
            self.cur = self.mailbox.open_cur();
        }
        self.cur.as_ref().map(|cur| (&*self.mailbox, cur))
    }

    /// What is kept ready of a message. It is not believed: the caller checks what it must.
    pub fn cached(&mut self, uid: Uid, kind: CacheKind) -> Option<&[u8]> {
        let known = self.known(uid)?;
        let at = known.cached.checked_sub(1)?;
        if self.cache.is_none() {
            self.cache = self.mailbox.open_cache();
        }
        let payload = self.cache.as_mut()?.record(at, known.whose)?;
        cache::items(payload).find(|(of_item, _)| *of_item == kind).map(|(_, bytes)| bytes)
    }

    /// Forgets what was looked up ahead: a message is gone since, and more is known of it.
    pub fn look_again(&mut self) {
        self.known.clear();
    }

    /// Keeps bytes ready for whoever asks next. What is too long is not kept.
    pub fn keep(&mut self, uid: Uid, kind: CacheKind, bytes: &[u8]) {
        if bytes.len() <= cache::ITEM_MAX {
            self.learned_bytes += bytes.len();
            self.learned(uid).items.push((kind, bytes.into()));
            self.flush_if_full();
        }
    }

    /// The message was read, and has so many octets with CRLF: that is its RFC822.SIZE from now
    /// on, whatever was believed before.
    pub fn counted(&mut self, uid: Uid, octets: u64) {
        let Some(size) = one_more(octets) else { return };
        let Some(known) = self.known_mut(uid) else { return };
        if std::mem::replace(&mut known.size, size) != size {
            self.learned(uid).size = Some(size);
            self.flush_if_full();
        }
    }

    /// Takes what a look tells, where it was not known.
    fn learn_of_file(&mut self, uid: Uid, date: i64, octets: Option<u64>) {
        let Some(known) = self.known_mut(uid) else { return };
        let size = octets.and_then(one_more).filter(|_| known.size == 0);
        let date = one_more(date).filter(|_| known.date == 0);
        known.size = size.unwrap_or(known.size);
        known.date = date.unwrap_or(known.date);
        if size.is_some() || date.is_some() {
            let learned = self.learned(uid);
            learned.size = size.or(learned.size);
            learned.date = date.or(learned.date);
            self.flush_if_full();
        }
    }

    fn known(&mut self, uid: Uid) -> Option<Known> {
        self.known_mut(uid).map(|known| *known)
    }

    fn known_mut(&mut self, uid: Uid) -> Option<&mut Known> {
        let find = |known: &[Known]| known.binary_search_by_key(&uid, |known| known.whose.uid);
        let at = find(&self.known).or_else(|_| {
            self.mailbox.known_from(uid, Self::AHEAD, &mut self.known);
            find(&self.known)
        });
        self.known.get_mut(at.ok()?)
    }

    fn learned(&mut self, uid: Uid) -> &mut Learned {
        if self.learned.last().is_none_or(|last| last.uid != uid) {
            self.learned.push(Learned { uid, size: None, date: None, sent: None, items: Vec::new() });
        }
        let last = self.learned.len() - 1;
        &mut self.learned[last]
    }

    /// Called with a message's first fact, and with each that follows: the last message may
    /// have more to come, and stays.
    fn flush_if_full(&mut self) {
        if self.learned.len() > Self::LEARNED_MAX || self.learned_bytes > Self::LEARNED_BYTES_MAX {
            let last = self.learned.pop();
            self.flush();
            self.learned.extend(last);
        }
    }

    fn flush(&mut self) {
        let learned = std::mem::take(&mut self.learned);
        self.learned_bytes = 0;
        if learned.is_empty() {
            return;
        }
        let mut records = Vec::new();
        for message in learned.iter().filter(|message| !message.items.is_empty()) {
            let new = message.items.iter().map(|(kind, bytes)| (*kind, &bytes[..]));
            // One that is gone needs no record.
            let Some(Known { whose, cached, .. }) = self.known(message.uid) else { continue };
            let at = cached.checked_sub(1);
            if at.is_some() && self.cache.is_none() {
                self.cache = self.mailbox.open_cache();
            }
            let old = at.and_then(|at| self.cache.as_mut()?.record(at, whose));
            records.push((whose, cache::payload(new.chain(cache::items(old.unwrap_or_default())))));
        }
        self.mailbox.keep(&learned, &records);
        // What was looked up ahead is not all there is to know any more.
        self.known.clear();
        self.cache = None;
    }
}

/// As columns have it, in which 0 stands for unknown. `None` where it does not fit in.
fn one_more(number: impl TryInto<u32>) -> Option<u32> {
    number.try_into().ok()?.checked_add(1)
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.flush();
    }
}
