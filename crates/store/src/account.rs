//! Accounts: one user's Maildir with its mailboxes and subscriptions.

use crate::directory::{self, is_missing, name_of};
use crate::error::{Error, ErrorKind, Result};
use crate::kept::Kept;
use crate::list_file::{read_small, sync_directory, write_durably};
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::owner::{self, Guard, Owner};
use crate::quota::{Change, Quota, QuotaUsage};
use crate::subscriptions::Subscriptions;
use crate::take_over::{Preference, dovecot};
use crate::uid_validity::Reserve;
use crate::watch::Watcher;
use mail::{MailboxName, SystemFlags, UidSet, UidValidity};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

/// How new directories and files are made, and other settings of the whole store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Names of new mailboxes on disk in UTF-8 (Courier 5 and later); else in modified UTF-7
    /// (Dovecot, older Couriers). Both are read.
    pub utf8_names: bool,
    /// Longest wait for a lock, in milliseconds.
    pub lock_wait_ms_max: u64,
    /// Keywords in one mailbox at most.
    pub keywords_max: usize,
    /// Which of two other servers' lists is taken over where both are there.
    pub take_over: Preference,
    /// Host name for names of new message files; `/` and `:` are escaped.
    pub hostname: String,
    /// Memory that mailboxes may take which nobody has open any more, in bytes.
    pub kept_bytes_max: usize,
    /// `Trash` and messages with `\Deleted` count for the quota, as Dovecot counts; else they do
    /// not, as Courier counts.
    pub quota_counts_trash: bool,
}

/// The store of a process: what its accounts share.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
    watcher: Arc<Watcher>,
    kept: Arc<Kept>,
    accounts: Mutex<HashMap<AccountKey, Weak<Account>>>,
}

/// An account's Maildir and owner.
type AccountKey = (PathBuf, Option<Arc<Owner>>);

/// One user's Maildir. Sessions of one user share one.
#[derive(Debug)]
pub struct Account {
    shared: Arc<Shared>,
    mailboxes: Mutex<HashMap<MailboxName, Weak<Mailbox>>>,
}

/// What an account's mailboxes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: PathBuf,
    /// Whom the files belong to, if not to the user that the process runs as.
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) settings: StoreSettings,
    pub(crate) watcher: Arc<Watcher>,
    kept: Arc<Kept>,
    pub(crate) quota: Quota,
    validities: Mutex<Reserve>,
}

/// A mailbox as LIST needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its name.
    pub name: MailboxName,
    /// Whether it can be selected: a directory is there. Parents that exist only through their
    /// children are listed with `false`.
    pub selectable: bool,
    /// Whether mailboxes lie below it.
    pub has_children: bool,
}

impl Store {
    /// A store; starts the watcher (one inotify instance, one thread).
    pub fn new(settings: StoreSettings) -> Arc<Self> {
        let kept = Arc::new(Kept::new(settings.kept_bytes_max));
        Arc::new(Self { settings, watcher: Watcher::start(), kept, accounts: Mutex::default() })
    }

    /// Keeps nothing in memory any more that is not in use, and writes what it knows of it to
    /// disk: so that the next process need not find it out again.
    pub fn close(&self) {
        self.kept.close();
    }

    /// The account whose Maildir is `root` (absolute). Makes it where it is missing if
    /// `create`; else that is `NonExistent`.
    pub fn account(self: &Arc<Self>, root: &Path, create: bool) -> Result<Arc<Account>> {
        self.account_of(root, create, None)
    }

    /// Likewise, with files that belong to `owner`: whatever is done to them is done as that
    /// user. Two owners of one Maildir get an account each.
    pub fn account_of(
        self: &Arc<Self>,
        root: &Path,
        create: bool,
        owner: Option<Arc<Owner>>,
    ) -> Result<Arc<Account>> {
        let _entered = owner::enter(owner.as_ref(), root)?;
        if !directory::is_mailbox(root)? {
            if !create {
                return Err(Error::new(ErrorKind::NonExistent, "no Maildir:", root));
            }
            if let Some(parent) = root.parent() {
                make_parents(parent)?;
            }
            directory::make(root, true)?;
        }
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (root.to_owned(), owner.clone());
        if let Some(account) = accounts.get(&key).and_then(Weak::upgrade) {
            return Ok(account);
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let quota = Quota::new(root, &self.settings.hostname, self.settings.quota_counts_trash);
        let quota = quota.owned_by(owner.clone());
        let shared = Shared {
            root: root.to_owned(),
            owner,
            settings: self.settings.clone(),
            watcher: self.watcher.clone(),
            kept: self.kept.clone(),
            quota,
            validities: Mutex::default(),
        };
        let account = Arc::new(Account { shared: Arc::new(shared), mailboxes: Mutex::default() });
        accounts.insert(key, Arc::downgrade(&account));
        Ok(account)
    }
}

/// What is kept in memory refers to its accounts, and they to it.
impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl Account {
    /// All mailboxes, the inbox first, then in order of their names; parents without a
    /// directory included.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let _entered = self.shared.enter()?;
        let root = &self.shared.root;
        let mut selectable: BTreeMap<MailboxName, bool> = BTreeMap::new();
        let entries = std::fs::read_dir(root).map_err(|error| Error::io("cannot read", root, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("cannot read", root, error))?;
            let Some(name) = name_of(&entry.file_name()) else { continue };
            if directory::is_mailbox(&entry.path())? {
                selectable.insert(name, true);
            }
        }
        let mut with_children = std::collections::BTreeSet::new();
        for name in selectable.keys().cloned().collect::<Vec<_>>() {
            let mut above = name.parent();
            while let Some(parent) = above {
                above = parent.parent();
                selectable.entry(parent.clone()).or_insert(false);
                with_children.insert(parent);
            }
        }
        let inbox = Listed { name: MailboxName::inbox(), selectable: true, has_children: false };
        let others = selectable.into_iter().filter(|(name, _)| !name.is_inbox()).map(|(name, selectable)| {
            let has_children = with_children.contains(&name);
            Listed { name, selectable, has_children }
        });
        Ok(std::iter::once(inbox).chain(others).collect())
    }

    /// Opens a mailbox and shares it with those who have it open. Does not read its messages:
    /// [`Mailbox::refresh`] does.
    pub fn open(self: &Arc<Self>, name: &MailboxName) -> Result<Arc<Mailbox>> {
        let _entered = self.shared.enter()?;
        let mut mailboxes = self.lock();
        if let Some(mailbox) = mailboxes.get(name).and_then(Weak::upgrade)
            && mailbox.is_there()
        {
            drop(mailboxes);
            self.shared.kept.touch(self, &mailbox);
            return Ok(mailbox);
        }
        let directory = self.find(name)?;
        if mailboxes.len() == mailboxes.capacity() {
            mailboxes.retain(|_, mailbox| mailbox.strong_count() > 0);
        }
        let mailbox = Arc::new(Mailbox::open(name.clone(), self.shared.clone(), directory)?);
        mailboxes.insert(name.clone(), Arc::downgrade(&mailbox));
        drop(mailboxes);
        self.shared.kept.touch(self, &mailbox);
        Ok(mailbox)
    }

    /// Makes a mailbox, durably. Parents are not made (Maildir++ needs none).
    pub fn create(&self, name: &MailboxName) -> Result<()> {
        let _entered = self.shared.enter()?;
        let root = &self.shared.root;
        if directory::find(root, name)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", &root.join(name.as_str())));
        }
        directory::make(&directory::new_path(root, name, self.shared.settings.utf8_names)?, false)
    }

    /// Removes a mailbox with its messages; children stay. A mailbox made again under the name
    /// gets a greater UIDVALIDITY. The inbox is `Forbidden`; a name that is only a parent is
    /// `NonExistent`.
    pub fn delete(&self, name: &MailboxName) -> Result<()> {
        let _entered = self.shared.enter()?;
        if name.is_inbox() {
            return Err(Error::new(ErrorKind::Forbidden, "cannot delete the inbox", &self.shared.root));
        }
        let directory = self.find(name)?;
        let mut change = self.shared.quota.begin();
        // One rename, and it is gone; what takes long comes after.
        let unique = crate::file_name::unique(&self.shared.settings.hostname);
        let grave = self.shared.root.join("tmp").join(format!("{}{unique}", directory::DELETED_PREFIX));
        std::fs::rename(&directory, &grave).map_err(|error| Error::io("cannot delete", &directory, error))?;
        if change.is_counted() && self.shared.quota.counts(name, SystemFlags::NONE) {
            change.remove_all(self.shared.quota.of_directory(&grave).unwrap_or_default());
        }
        drop(change);
        sync_directory(&self.shared.root)?;
        if let Err(error) = std::fs::remove_dir_all(&grave) {
            tracing::warn!(%error, directory = %grave.display(), "left of a deleted mailbox");
        }
        self.lock().remove(name);
        Ok(())
    }

    /// Renames a mailbox and all below it (RFC 3501 section 6.3.5); subscriptions stay as they
    /// are. The inbox: its messages move to the new mailbox, the inbox stays, empty.
    pub fn rename(self: &Arc<Self>, from: &MailboxName, to: &MailboxName) -> Result<()> {
        let _entered = self.shared.enter()?;
        let root = &self.shared.root;
        if from.is_inbox() {
            self.create(to)?;
            let (inbox, target) = (self.open(from)?, self.open(to)?);
            let all: UidSet = inbox.refresh(false)?.snapshot.uids().iter().copied().collect();
            return inbox.move_to(&all, &target).map(drop);
        }
        if to.is_inbox() || directory::find(root, to)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", &root.join(to.as_str())));
        }
        if to.is_below(from) {
            return Err(Error::new(
                ErrorKind::Forbidden,
                "cannot move below itself",
                &root.join(to.as_str()),
            ));
        }
        let mut renames = Vec::new();
        let is_counted = self.shared.quota.is_in_use();
        let (mut added, mut removed) = (QuotaUsage::default(), QuotaUsage::default());
        for listed in self.list()?.into_iter().filter(|listed| listed.selectable) {
            let tail = if listed.name == *from {
                ""
            } else {
                listed.name.as_str().trim_start_matches(from.as_str())
            };
            if listed.name != *from && !listed.name.is_below(from) {
                continue;
            }
            let new_name = MailboxName::new(&format!("{to}{tail}")).map_err(|_| {
                Error::new(ErrorKind::BadName, "cannot be a mailbox:", &root.join(to.as_str()))
            })?;
            if directory::find(root, &new_name)?.is_some() {
                let path = root.join(new_name.as_str());
                return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", &path));
            }
            let new_path = directory::new_path(root, &new_name, self.shared.settings.utf8_names)?;
            let path = self.find(&listed.name)?;
            // To or from Trash: what did not count may count now.
            let counts = |name| is_counted && self.shared.quota.counts(name, SystemFlags::NONE);
            match (counts(&listed.name), counts(&new_name)) {
                (false, true) => added = added.plus(self.shared.quota.of_directory(&path)?),
                (true, false) => removed = removed.plus(self.shared.quota.of_directory(&path)?),
                _ => {}
            }
            renames.push((path, new_path));
        }
        if renames.is_empty() {
            return Err(Error::new(ErrorKind::NonExistent, "no such mailbox:", &root.join(from.as_str())));
        }
        let mut change = match (added == QuotaUsage::default(), removed == QuotaUsage::default()) {
            (true, true) => Change::uncounted(),
            (true, false) => self.shared.quota.begin(),
            (false, _) => self.shared.quota.begin_adding(added)?,
        };
        rename_all(&renames)?;
        change.add_all(added);
        change.remove_all(removed);
        sync_directory(root)
    }

    /// Subscribed names, in order; they need not exist.
    pub fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        let _entered = self.shared.enter()?;
        Ok(Subscriptions::read(&self.shared.root)?.names())
    }

    /// Adds or removes a subscription, durably. Both are idempotent.
    pub fn subscribe(&self, name: &MailboxName, subscribed: bool) -> Result<()> {
        let _entered = self.shared.enter()?;
        let _lock = self.shared.lock()?;
        let mut subscriptions = Subscriptions::read(&self.shared.root)?;
        if subscriptions.set(name, subscribed) {
            subscriptions.write(&self.shared.root, true)
        } else {
            Ok(())
        }
    }

    /// The user's quota.
    pub fn quota(&self) -> &Quota {
        &self.shared.quota
    }

    /// Whom the files belong to, if not to the user that the process runs as.
    pub fn owner(&self) -> Option<&Arc<Owner>> {
        self.shared.owner.as_ref()
    }

    /// Works as the one whose mail it is until the guard is dropped, if that is not the user of
    /// the process: what is done meanwhile need not change users each time.
    pub fn enter(&self) -> Result<Option<Guard>> {
        self.shared.enter()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn find(&self, name: &MailboxName) -> Result<PathBuf> {
        directory::find(&self.shared.root, name)?.ok_or_else(|| {
            Error::new(ErrorKind::NonExistent, "no such mailbox:", &self.shared.root.join(name.as_str()))
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<MailboxName, Weak<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Works as the files' owner until the guard is dropped.
    pub(crate) fn enter(&self) -> Result<Option<Guard>> {
        owner::enter(self.owner.as_ref(), &self.root)
    }

    /// The account's own lock, for files that belong to no mailbox.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::take(&self.root.join("restante.lock"), self.settings.lock_wait_ms_max)
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
        Ok(dovecot::greatest_uid_validity(&self.root).max(self.noted_uid_validity()?))
    }

    fn noted_uid_validity(&self) -> Result<u32> {
        let text = read_small(&self.uid_validity_path(), 100)?.unwrap_or_default();
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
    }

    fn write_uid_validity(&self, value: u32) -> Result<()> {
        write_durably(&self.uid_validity_path(), format!("{value}\n").as_bytes())
    }

    fn uid_validity_path(&self) -> PathBuf {
        self.root.join("restante-uidvalidity")
    }
}

/// Renames in order; on an error what was done is undone.
fn rename_all(renames: &[(PathBuf, PathBuf)]) -> Result<()> {
    for (done, (from, to)) in renames.iter().enumerate() {
        if let Err(error) = std::fs::rename(from, to) {
            for (from, to) in renames[..done].iter().rev() {
                let _ = std::fs::rename(to, from);
            }
            return Err(Error::io("cannot rename", from, error));
        }
    }
    Ok(())
}

/// Makes the directories above a Maildir, for its owner only.
fn make_parents(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if !is_missing(&error) || !path.is_dir() => Err(Error::io("cannot make", path, error)),
        _ => Ok(()),
    }
}
