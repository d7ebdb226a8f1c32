//! What an account's mailboxes share: where its files are, and those that belong to no mailbox.

use crate::directory;
use crate::disk::{read_small, write_durably};
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::Untold;
use crate::index_root::IndexRoot;
use crate::lock::Lock;
use crate::own_files;
use crate::owner::{self, Guard, Owner};
use crate::quota::Quota;
use crate::root::{self, OddReason};
use crate::said::Said;
use crate::settings::StoreSettings;
use crate::subscriptions::Subscriptions;
use crate::take_over::{Origin, dovecot};
use crate::uid_validity::Reserve;
use crate::watch::{AccountId, Watcher};
use crate::witness::{Reached, Witness};
use mail::{MailboxName, UidValidity};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What an account's mailboxes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: AccountId,
    pub(crate) root: PathBuf,
    /// See [`crate::AccountPlace::control`].
    pub(crate) control: Option<PathBuf>,
    /// Where index and cache of its mailboxes lie, if not with the mail.
    pub(crate) index: Option<IndexRoot>,
    /// Whom the files belong to, if not to the user that the process runs as.
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) settings: StoreSettings,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) said: Arc<Said>,
    pub(crate) quota: Quota,
    /// How far mailboxes got.
    pub(crate) witness: Witness,
    /// What hooks are still to be told.
    pub(crate) untold: Untold,
    pub(crate) validities: Mutex<Reserve>,
}

/// What [`Shared::mailbox_directories`] finds.
pub(crate) struct MailboxDirectories {
    /// The inbox first.
    pub(crate) mailboxes: Vec<(MailboxName, PathBuf)>,
    /// Directories that are called like a mailbox and have no `cur`.
    pub(crate) unfinished: Vec<PathBuf>,
}

impl Shared {
    /// Works as the files' owner until the guard is dropped.
    pub(crate) fn enter(&self) -> Result<Option<Guard>> {
        owner::enter(self.owner.as_ref(), &self.root)
    }

    /// Tells hooks of what was published, as the one whose mail it is. No lock of a mailbox is held.
    pub(crate) fn tell_hooks(&self) {
        match self.enter() {
            Ok(_entered) => self.untold.tell(&self.root),
            Err(error) => tracing::warn!(%error, "hooks are told later of what changed"),
        }
    }

    /// The directory that a new mailbox gets.
    pub(crate) fn new_path(&self, name: &MailboxName) -> Result<PathBuf> {
        directory::new_path(&self.root, self.settings.directory_names(), name)
    }

    /// Likewise, to be named in an error: however long it is.
    pub(crate) fn path_of(&self, name: &MailboxName) -> PathBuf {
        self.root.join(format!(".{}", self.settings.directory_names().own(name)))
    }

    /// The directory of a mailbox; `None` when it is not there.
    pub(crate) fn directory_of(&self, name: &MailboxName) -> Result<Option<PathBuf>> {
        root::find(&self.root, self.settings.directory_names(), name)
    }

    /// All mailboxes, and what may become one.
    pub(crate) fn mailbox_directories(&self) -> Result<MailboxDirectories> {
        let found = root::contents(&self.root, self.settings.directory_names())?;
        let others = found.mailboxes.into_iter().map(|(name, directory)| (name, self.root.join(directory)));
        let mailboxes = std::iter::once((MailboxName::inbox(), self.root.clone())).chain(others).collect();
        let unfinished = found.others.into_iter().filter(|(_, reason)| *reason == OddReason::NoCur);
        let unfinished = unfinished.map(|(directory, _)| self.root.join(directory)).collect();
        Ok(MailboxDirectories { mailboxes, unfinished })
    }

    /// The account's own lock, for files that belong to no mailbox.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::take(&self.root.join(own_files::LOCK), self.settings.lock_wait_ms_max)
    }

    /// A UIDVALIDITY greater than all that this account's mailboxes ever had: the time, or one
    /// more than the greatest so far.
    pub(crate) fn new_uid_validity(&self) -> Result<UidValidity> {
        let _lock = self.lock()?;
        let mut reserve = self.validities.lock().unwrap_or_else(PoisonError::into_inner);
        let value = match reserve.next(self.noted_uid_validity()?) {
            Some(value) => value,
            None => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let greatest = self.greatest_uid_validity()?;
                let value = u32::try_from(now).unwrap_or(u32::MAX).max(greatest.saturating_add(1));
                let last = reserve.last_from(value);
                self.write_uid_validity(last)?;
                reserve.begin(value, last);
                value
            }
        };
        UidValidity::new(value)
            .ok_or_else(|| Error::new(ErrorKind::Limit, "no UIDVALIDITY is left in", &self.root))
    }

    /// Remembers a UIDVALIDITY that was not made here.
    pub(crate) fn note_uid_validity(&self, validity: UidValidity) -> Result<()> {
        let _lock = self.lock()?;
        if self.noted_uid_validity()? >= validity.get() {
            return Ok(());
        }
        // With Dovecot's, so that it is read once: it is in the name of a file, in a directory where
        // there may be thousands of mailboxes.
        self.write_uid_validity(self.greatest_uid_validity()?.max(validity.get()))
    }

    /// The greatest UIDVALIDITY that may have been given out here, by us or by Dovecot.
    pub(crate) fn greatest_uid_validity(&self) -> Result<u32> {
        let of_dovecot = [&*self.root, self.dovecot_root()].map(dovecot::greatest_uid_validity);
        Ok(of_dovecot.into_iter().fold(self.noted_uid_validity()?, u32::max))
    }

    fn noted_uid_validity(&self) -> Result<u32> {
        let text = self.uid_validity_text()?;
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(std::str::from_utf8(first).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
    }

    pub(crate) fn subscriptions(&self) -> Result<Subscriptions> {
        Subscriptions::read(&self.root, self.dovecot_root(), self.settings.directory_names())
    }

    /// Where Dovecot has what belongs to no mailbox: subscriptions, `dovecot-uidvalidity`.
    pub(crate) fn dovecot_root(&self) -> &Path {
        self.control.as_deref().unwrap_or(&self.root)
    }

    /// Where Dovecot has its lists of the mailbox in `directory`.
    pub(crate) fn dovecot_directory(&self, directory: &Path) -> PathBuf {
        let Some(control) = &self.control else { return directory.to_owned() };
        let name = directory.file_name().filter(|_| directory != self.root);
        control.join(name.unwrap_or(OsStr::new(".INBOX")))
    }

    /// Likewise, to read them: where there are none, those in the Maildir are older ones, and
    /// better than nothing.
    pub(crate) fn dovecot_lists(&self, directory: &Path) -> PathBuf {
        let lists = self.dovecot_directory(directory);
        let is_there = std::fs::symlink_metadata(lists.join(Origin::Dovecot.list_name())).is_ok();
        if is_there { lists } else { directory.to_owned() }
    }

    /// Where index and cache of the mailbox in `directory` lie.
    pub(crate) fn index_directory(&self, directory: &Path) -> PathBuf {
        self.index.as_ref().map_or_else(|| directory.to_owned(), |index| index.of(directory))
    }

    /// Whether what lies there may be believed.
    pub(crate) fn trusts_index(&self) -> bool {
        self.index.as_ref().is_none_or(IndexRoot::is_trusted)
    }

    /// Makes it ready to be written in.
    pub(crate) fn make_index_directory(&self, index_directory: &Path) -> Result<()> {
        self.index.as_ref().map_or(Ok(()), |index| index.make(index_directory))
    }

    /// Notes how far a mailbox got. That it cannot be is no failure: a list that is put back from
    /// a backup is told a little worse.
    pub(crate) fn note_reached(&self, directory: &Path, reached: Reached) -> bool {
        let noted = self.lock().and_then(|_lock| self.witness.note(directory, reached));
        if let Err(error) = &noted {
            tracing::debug!(%error, directory = %directory.display(), "how far it got is not noted");
        }
        noted.is_ok()
    }

    /// Mailboxes have other names now; likewise.
    pub(crate) fn rename_witnessed(&self, renames: &[(PathBuf, PathBuf)]) {
        let rename = |_lock| renames.iter().try_for_each(|(from, to)| self.witness.rename(from, to));
        if let Err(error) = self.lock().and_then(rename) {
            tracing::debug!(%error, "how far renamed mailboxes got is not known any more");
        }
    }

    fn write_uid_validity(&self, value: u32) -> Result<()> {
        let mut text = format!("{value}\n").into_bytes();
        // Lines of a later program stay.
        let old = self.uid_validity_text()?;
        let others = memchr::memchr(b'\n', &old).map_or(&[][..], |end| &old[end + 1..]);
        text.extend_from_slice(others);
        write_durably(&self.uid_validity_path(), &text)
    }

    fn uid_validity_text(&self) -> Result<Vec<u8>> {
        Ok(read_small(&self.uid_validity_path(), 4096)?.unwrap_or_default())
    }

    fn uid_validity_path(&self) -> PathBuf {
        self.root.join(own_files::UID_VALIDITY)
    }
}
