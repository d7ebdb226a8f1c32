//! How many messages lie in a mailbox that nobody has opened yet, by the names of their files:
//! without a UID list, which takes a wait for the disk to make.

use crate::account::Account;
use crate::disk::is_missing;
use crate::error::{Error, Result};
use crate::own_files;
use crate::scan::scan;
use mail::{MailboxName, SystemFlags};
use std::path::PathBuf;
use std::sync::Weak;

/// See [`Account::glance`]. All are counts of messages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Glance {
    /// All of them, those in `new/` included.
    pub messages: usize,
    /// With `\Seen`.
    pub seen: usize,
    /// With `\Deleted`.
    pub deleted: usize,
}

impl Account {
    /// Counts messages by the names of their files; writes nothing and opens none. `None` for a
    /// mailbox that is open or was so before: whoever opens it finds that out as fast, and more.
    pub fn glance(&self, name: &MailboxName) -> Result<Option<Glance>> {
        let Some(directory) = self.unopened(name)? else { return Ok(None) };
        let _entered = self.shared().enter()?;
        // What is wrong with it is found out, and said, when it is opened.
        let Ok(found) = scan(&directory) else { return Ok(None) };
        if !found.misnamed().is_empty() {
            return Ok(None);
        }
        let with = |flag| found.files().iter().filter(|file| found.info(file).flags.contains(flag)).count();
        Ok(Some(Glance {
            messages: found.files().len(),
            seen: with(SystemFlags::SEEN),
            deleted: with(SystemFlags::DELETED),
        }))
    }

    /// The directory of a mailbox that is not open and has no list yet.
    pub(crate) fn unopened(&self, name: &MailboxName) -> Result<Option<PathBuf>> {
        let _entered = self.shared().enter()?;
        if self.lock().get(name).is_some_and(|mailbox| Weak::strong_count(mailbox) > 0) {
            return Ok(None);
        }
        let directory = self.find(name)?;
        let list = directory.join(own_files::UID_LIST);
        match std::fs::symlink_metadata(&list) {
            Err(error) if is_missing(&error) => Ok(Some(directory)),
            Ok(_) => Ok(None),
            Err(error) => Err(Error::io("cannot look at", &list, error)),
        }
    }
}
