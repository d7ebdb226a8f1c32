//! A pass over messages: what a command needs of each, from memory, the cache or the file.
//!
//! What is found out on the way (sizes, dates, what is ready to send) is kept: in memory for
//! the mailbox, and in its cache for later. It is written in batches; a pass that is dropped
//! writes what it has.

use super::Mailbox;
use super::departed::Known;
use crate::cache::{self, Cache, Kind};
use crate::error::Result;
use crate::message::MessageFile;
use crate::owner::Guard;
use mail::Uid;
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

/// What was found out about a message.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) uid: Uid,
    pub(super) size: Option<u32>,
    pub(super) date: Option<u32>,
    pub(super) items: Vec<(Kind, Box<[u8]>)>,
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

    /// RFC822.SIZE, octets with CRLF, where no file has to be read for it.
    pub fn known_size(&mut self, uid: Uid) -> Option<u64> {
        self.known(uid).and_then(|known| known.size.checked_sub(1)).map(u64::from)
    }

    /// RFC822.SIZE: octets with CRLF. `None` when the message is gone.
    pub fn size(&mut self, uid: Uid) -> Result<Option<u64>> {
        if let Some(octets) = self.known_size(uid) {
            return Ok(Some(octets));
        }
        let Some(octets) = self.mailbox.size(uid)? else { return Ok(None) };
        self.learn_size(uid, octets);
        Ok(Some(octets))
    }

    /// INTERNALDATE in seconds since 1970. `None` when the message is gone.
    pub fn internal_date(&mut self, uid: Uid) -> Result<Option<i64>> {
        if let Some(date) = self.known(uid).and_then(|known| known.date.checked_sub(1)) {
            return Ok(Some(date.into()));
        }
        let Some(date) = self.mailbox.internal_date(uid)? else { return Ok(None) };
        self.learn_date(uid, date);
        Ok(Some(date))
    }

    /// Opens a message's file. `None` when it is gone.
    pub fn open(&mut self, uid: Uid) -> Result<Option<MessageFile>> {
        let _entered = self.enter()?;
        if self.cur.is_none() {
            self.cur = self.mailbox.open_cur();
        }
        let near = self.cur.as_ref().and_then(|cur| self.mailbox.open_in(cur, uid));
        let file = match near {
            Some(file) => Some(file),
            // It lies elsewhere, was renamed, or cannot be opened.
            None => self.mailbox.open_message(uid)?,
        };
        if let Some(file) = &file
            && self.known(uid).is_some_and(|known| known.date == 0)
        {
            self.learn_date(uid, file.internal_date());
        }
        Ok(file)
    }

    /// What is kept ready of a message. It is not believed: the caller checks what it must.
    pub fn cached(&mut self, uid: Uid, kind: Kind) -> Option<&[u8]> {
        let at = self.known(uid)?.cached.checked_sub(1)?;
        if self.cache.is_none() {
            self.cache = self.mailbox.open_cache();
        }
        let payload = self.cache.as_mut()?.record(at, uid)?;
        cache::items(payload).find(|(of_item, _)| *of_item == kind).map(|(_, bytes)| bytes)
    }

    /// Forgets what was looked up ahead: a message is gone since, and more is known of it.
    pub fn look_again(&mut self) {
        self.known.clear();
    }

    /// Keeps bytes ready for whoever asks next. What is too long is not kept.
    pub fn keep(&mut self, uid: Uid, kind: Kind, bytes: &[u8]) {
        if bytes.len() <= cache::ITEM_MAX {
            self.learned_bytes += bytes.len();
            self.learned(uid).items.push((kind, bytes.into()));
            self.flush_if_full();
        }
    }

    /// The size is known from something else.
    pub fn learn_size(&mut self, uid: Uid, octets: u64) {
        if let Some(size) = u32::try_from(octets).ok().and_then(|octets| octets.checked_add(1)) {
            self.learned(uid).size = Some(size);
            self.flush_if_full();
        }
    }

    fn learn_date(&mut self, uid: Uid, date: i64) {
        if let Some(date) = u32::try_from(date).ok().and_then(|date| date.checked_add(1)) {
            self.learned(uid).date = Some(date);
            self.flush_if_full();
        }
    }

    fn known(&mut self, uid: Uid) -> Option<Known> {
        let find =
            |known: &[Known]| known.binary_search_by_key(&uid, |known| known.uid).ok().map(|at| known[at]);
        if let Some(known) = find(&self.known) {
            return Some(known);
        }
        self.mailbox.known_from(uid, Self::AHEAD, &mut self.known);
        find(&self.known)
    }

    fn learned(&mut self, uid: Uid) -> &mut Learned {
        if self.learned.last().is_none_or(|last| last.uid != uid) {
            self.learned.push(Learned { uid, size: None, date: None, items: Vec::new() });
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
            let at = self.known(message.uid).and_then(|known| known.cached.checked_sub(1));
            if at.is_some() && self.cache.is_none() {
                self.cache = self.mailbox.open_cache();
            }
            let old = at.and_then(|at| self.cache.as_mut()?.record(at, message.uid));
            records.push((message.uid, cache::payload(new.chain(cache::items(old.unwrap_or_default())))));
        }
        self.mailbox.keep(&learned, &records);
        // What was looked up ahead is not all there is to know any more.
        self.known.clear();
        self.cache = None;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.flush();
    }
}
