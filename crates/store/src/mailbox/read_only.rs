//! Mailboxes that can be read and not be written: a file system that became read-only, a backup
//! that is looked at, permissions.
//!
//! What only looks (EXAMINE, STATUS, and SELECT, which then says READ-ONLY) does so without writing
//! anything. A UID that is in no list on disk could be given to another message later. So the list
//! counts only as long as it says all that is to be said; where it does not, or there is none, UIDs
//! are in memory, under a UIDVALIDITY of their own. Sessions that had the mailbox open before that
//! keep what they know; whoever opens it next sees everything. Once the list can be written,
//! sessions with UIDs of memory are told that their mailbox is gone. Whatever writes is refused
//! where it always was.

use super::{Inner, Mailbox, look};
use crate::error::{Error, ErrorKind, Result};
use crate::list_file::ListFile;
use crate::lock::Lock;
use mail::UidValidity;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};

impl Mailbox {
    /// Takes in what others did, and writes no more than it can; the lock that was held for it is
    /// returned. `None`: it could not be had, as there is no lock file or it cannot be opened.
    pub(super) fn lock_and_look(&self, inner: &mut Inner) -> Result<Option<Lock>> {
        let lock = match self.lock_file() {
            Err(error) if error.kind == ErrorKind::Denied => {
                inner.complain(&error, "the mailbox is served read-only");
                inner.read_only = true;
                // Others may write it all the same: as another user, or on another machine.
                match Lock::take_existing(&self.lock_path(), self.shared.settings.lock_wait_ms_max) {
                    Err(error) if error.kind == ErrorKind::Busy => return Err(error),
                    other => other.ok().flatten(),
                }
            }
            lock => {
                inner.read_only = false;
                Some(lock?)
            }
        };
        let was_told = inner.told.is_some();
        match look::look(self, inner) {
            Err(error) if inner.read_only && error.kind == ErrorKind::Denied => {
                self.list_is_short(inner, was_told, error)?;
            }
            looked => looked?,
        }
        Ok(lock)
    }

    /// What was found cannot be listed. Whoever was told UIDs of the list is told no others.
    fn list_is_short(&self, inner: &mut Inner, was_told: bool, error: Error) -> Result<()> {
        let Some(validity) = inner.state.as_ref().map(|state| state.uid_validity).filter(|_| !was_told)
        else {
            self.is_superseded.store(true, Relaxed);
            return Err(error);
        };
        let made_up = self.go_into_memory(&mut inner.list, Some(validity))?;
        inner.state_mut()?.uid_validity = made_up;
        inner.told = None;
        look::look(self, inner)
    }

    /// From here on UIDs are in memory only; the UIDVALIDITY that they get, which is not
    /// `of_list`.
    pub(super) fn go_into_memory(
        &self,
        list: &mut ListFile,
        of_list: Option<UidValidity>,
    ) -> Result<UidValidity> {
        list.go_into_memory()?;
        self.is_in_memory.store(true, Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        let greatest = self.shared.greatest_uid_validity()?.max(of_list.map_or(0, UidValidity::get));
        // The next list gets the time or one more than the greatest: neither is this one.
        let value = if now > greatest { now } else { greatest.saturating_add(2) };
        Ok(UidValidity::new(value).unwrap_or(UidValidity::MIN))
    }

    /// Whether its UIDs were in memory only, and count no more.
    pub(super) fn has_lost_its_uids(&self) -> bool {
        self.is_in_memory.load(Relaxed) && self.is_superseded.load(Relaxed)
    }

    /// Whether another object is to stand for the mailbox: the list is short of what is there and
    /// cannot be written, or can be written again.
    pub(super) fn has_had_its_time(&self) -> bool {
        if self.is_in_memory.load(Relaxed) && Lock::take(&self.lock_path(), 0).is_ok() {
            self.is_superseded.store(true, Relaxed);
        }
        self.is_superseded.load(Relaxed)
    }
}
