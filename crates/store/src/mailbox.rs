//! A mailbox: refreshing it, and all that changes it.

use crate::delivery::{Appended, Delivery};
use crate::error::Result;
use crate::message::MessageFile;
use crate::snapshot::Snapshot;
use crate::watch::{Wake, Watch};
use mail::flag::Flags;
use mail::{MailboxName, ModSeq, Uid, UidSet, UidValidity};
use std::sync::Arc;

/// A mailbox that is open. Shared by the sessions that have it open; no lock is held between
/// calls.
#[derive(Debug)]
pub struct Mailbox {
    name: MailboxName,
}

/// What [`Mailbox::refresh`] found.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The newest state.
    pub snapshot: Arc<Snapshot>,
    /// Messages that this call moved from `new/` to `cur/`: recent to the caller's session and
    /// to no other. Empty without `claim`.
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
    /// Its name at the time it was opened.
    pub fn name(&self) -> &MailboxName {
        &self.name
    }

    /// Takes in what changed on disk, makes it durable, publishes and returns it. With
    /// `claim`, messages in `new/` are moved to `cur/` (RFC 3501's `\Recent`: SELECT claims,
    /// EXAMINE and STATUS do not).
    ///
    /// Costs two `stat` where nothing changed. `Deleted` when the directory is gone or was
    /// replaced, or UIDVALIDITY changed under us.
    pub fn refresh(&self, claim: bool) -> Result<Refreshed> {
        let _ = claim;
        todo!()
    }

    /// The newest published state; empty before the first refresh. Touches no disk.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        todo!()
    }

    /// Opens a message's file. `None` when it is gone.
    pub fn open_message(&self, uid: Uid) -> Result<Option<MessageFile>> {
        let _ = uid;
        todo!()
    }

    /// RFC822.SIZE: octets with CRLF. From the name's `,W=` or from memory, else the file is
    /// read once. `None` when it is gone.
    pub fn size(&self, uid: Uid) -> Result<Option<u64>> {
        let _ = uid;
        todo!()
    }

    /// INTERNALDATE in seconds since 1970: the file's mtime. `None` when it is gone.
    pub fn internal_date(&self, uid: Uid) -> Result<Option<i64>> {
        let _ = uid;
        todo!()
    }

    /// Bytes kept ready for a message under a name of the caller's (such as `ENVELOPE`).
    /// A cache: what was put may be gone.
    pub fn cached(&self, uid: Uid, item: &'static str) -> Option<Arc<[u8]>> {
        let _ = (uid, item);
        todo!()
    }

    /// Keeps bytes ready; see [`Mailbox::cached`]. Never fails: a cache that cannot be written
    /// is said in the log once.
    pub fn cache(&self, uid: Uid, item: &'static str, bytes: &[u8]) {
        let _ = (uid, item, bytes);
        todo!()
    }

    /// Changes flags of messages, durably; those above `unchanged_since` stay as they are
    /// (RFC 7162). One call is one job: the caller bounds how many UIDs it gives.
    pub fn store_flags(&self, uids: &UidSet, change: &FlagChange, unchanged_since: Option<ModSeq>) -> Result<FlagsStored> {
        let _ = (uids, change, unchanged_since);
        todo!()
    }

    /// Begins a message: a file in `tmp/`, dropped unless given to [`Mailbox::append`].
    pub fn deliver(&self) -> Result<Delivery> {
        todo!()
    }

    /// Brings messages in, all or none, durably: OK may be answered when this returns.
    pub fn append(&self, messages: Vec<(Delivery, Flags, Option<i64>)>) -> Result<Appended> {
        let _ = messages;
        todo!()
    }

    /// Copies messages with flags and dates to `target`, all or none, durably. Messages that
    /// are gone are left out. The files are linked where the file system allows, else copied.
    pub fn copy(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        let _ = (uids, target);
        todo!()
    }

    /// Moves messages to `target` (RFC 6851), durably: no crash loses one or leaves two.
    pub fn move_to(&self, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
        let _ = (uids, target);
        todo!()
    }

    /// Removes messages that have `\Deleted` now, of `uids` where given; returns the state
    /// after it. Removed is what was decided on, not what another session undeleted meanwhile.
    pub fn expunge(&self, uids: Option<&UidSet>) -> Result<Arc<Snapshot>> {
        let _ = uids;
        todo!()
    }

    /// Calls `wake` from another thread when something may have changed, until the guard is
    /// dropped. `wake` must be quick and must not call into the store.
    pub fn watch(&self, wake: Wake) -> Watch {
        let _ = wake;
        todo!()
    }
}
