//! Accounts: one user's Maildir with its mailboxes and subscriptions.

use crate::directory;
use crate::directory_name::DirectoryNames;
use crate::disk::{is_missing, read_small, sync_directory, write_durably};
use crate::error::{Error, ErrorKind, Result};
use crate::kept::Kept;
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::odd::{self, Said};
use crate::own_files;
use crate::owner::{self, Guard, Owner};
use crate::quota::{Change, Quota, QuotaUsage};
use crate::rename::rename_new;
use crate::root;
use crate::settings::StoreSettings;
use crate::subscriptions::Subscriptions;
use crate::take_over::{Origin, dovecot};
use crate::uid_validity::Reserve;
use crate::watch::Watcher;
use crate::witness::{Reached, Witness};
use mail::{MailboxName, SystemFlags, UidSet, UidValidity};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

/// The store of a process: what its accounts share.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
    watcher: Arc<Watcher>,
    kept: Arc<Kept>,
    said: Arc<Said>,
    accounts: Mutex<HashMap<AccountKey, Weak<Account>>>,
}

/// Where an account's files are, and whose they are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AccountPlace {
    /// The Maildir, absolute.
    pub root: PathBuf,
    /// Where Dovecot has `dovecot-uidlist` and the like, if not in the Maildir (`CONTROL=`).
    pub control: Option<PathBuf>,
    /// Whom the files belong to, if not to the user that the process runs as.
    pub owner: Option<Arc<Owner>>,
}

/// An account's Maildir and owner.
type AccountKey = (PathBuf, Option<Arc<Owner>>);

/// One user's Maildir. Sessions of one user share one.
#[derive(Debug)]
pub struct Account {
    shared: Arc<Shared>,
    mailboxes: Mutex<HashMap<MailboxName, Weak<Mailbox>>>,
    /// See [`Account::hold`].
    held: Mutex<Weak<Lock>>,
}

/// What an account's mailboxes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: PathBuf,
    /// See [`AccountPlace::control`].
    control: Option<PathBuf>,
    /// Whom the files belong to, if not to the user that the process runs as.
    pub(crate) owner: Option<Arc<Owner>>,
    pub(crate) settings: StoreSettings,
    pub(crate) watcher: Arc<Watcher>,
    kept: Arc<Kept>,
    pub(crate) said: Arc<Said>,
    pub(crate) quota: Quota,
    /// How far mailboxes got.
    pub(crate) witness: Witness,
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
        let (watcher, said) = (Watcher::start(), Arc::default());
        Arc::new(Self { settings, watcher, kept, said, accounts: Mutex::default() })
    }

    /// Keeps nothing in memory any more that is not in use, and writes what it knows of it to
    /// disk: so that the next process need not find it out again.
    pub fn close(&self) {
        self.kept.close();
    }

    /// The account whose Maildir is `root` (absolute), which may be a symbolic link to it. Makes it
    /// where it is missing if `create`; else that is `NonExistent`.
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
        self.account_at(AccountPlace { root: root.to_owned(), control: None, owner }, create)
    }

    /// Likewise, with Dovecot's lists elsewhere.
    pub fn account_at(self: &Arc<Self>, place: AccountPlace, create: bool) -> Result<Arc<Account>> {
        let AccountPlace { root, control, owner } = place;
        let root = root.as_path();
        let _entered = owner::enter(owner.as_ref(), root)?;
        let named = root;
        let root = &match directory::resolve(named)? {
            Some(found) if directory::has_cur(&found)? => found,
            _ if !create => return Err(Error::new(ErrorKind::NonExistent, "no Maildir:", named)),
            found => make_maildir(named, found)?,
        };
        if root != named {
            check_owner(root, owner.as_deref())?;
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
            control,
            owner,
            settings: self.settings.clone(),
            watcher: self.watcher.clone(),
            kept: self.kept.clone(),
            said: self.said.clone(),
            quota,
            witness: Witness::new(root),
            validities: Mutex::default(),
        };
        let account = Arc::new(Account {
            shared: Arc::new(shared),
            mailboxes: Mutex::default(),
            held: Mutex::default(),
        });
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
        let found = root::contents(&self.shared.root, self.shared.settings.directory_names())?;
        odd::say(&self.shared, &found.others);
        let mut selectable: BTreeMap<MailboxName, bool> =
            found.mailboxes.into_keys().map(|name| (name, true)).collect();
        let mut with_children = BTreeSet::new();
        for name in selectable.keys().cloned().collect::<Vec<_>>() {
            for parent in std::iter::successors(name.parent(), MailboxName::parent) {
                selectable.entry(parent.clone()).or_insert(false);
                with_children.insert(parent);
            }
        }
        let listed = |name, selectable| {
            let has_children = with_children.contains(&name);
            Listed { name, selectable, has_children }
        };
        selectable.remove(&MailboxName::inbox());
        let inbox = listed(MailboxName::inbox(), true);
        let others = selectable.into_iter().map(|(name, selectable)| listed(name, selectable));
        Ok(std::iter::once(inbox).chain(others).collect())
    }

    /// Opens a mailbox and shares it with those who have it open. Does not read its messages:
    /// [`Mailbox::refresh`] does.
    pub fn open(self: &Arc<Self>, name: &MailboxName) -> Result<Arc<Mailbox>> {
        let _entered = self.shared.enter()?;
        let mut mailboxes = self.lock();
        if let Some(mailbox) = mailboxes.get(name).and_then(Weak::upgrade)
            && !mailbox.is_over()
        {
            drop(mailboxes);
            mailbox.refuse_strange()?;
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

    /// Makes a mailbox, durably. Parents are not made (Maildir++ needs none). `Limit` where the
    /// account has too many, or the name too many levels; `Forbidden` where something that is no
    /// directory has the name, or takes the place of its `cur`.
    pub fn create(&self, name: &MailboxName) -> Result<()> {
        let _entered = self.shared.enter()?;
        let root = &self.shared.root;
        let path = self.shared.new_path(name)?;
        if self.look_up(name)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", &path));
        }
        self.check_levels(name)?;
        if root::dotted_directories(root)? >= self.shared.settings.mailboxes_max {
            return Err(Error::new(ErrorKind::Limit, "no more mailboxes than the settings allow:", root));
        }
        // Nothing is made through a symbolic link, nor taken for made where something else has
        // the place of `cur`.
        let is_taken = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir());
        if is_taken(&path) || is_taken(&path.join("cur")) {
            return Err(Error::new(ErrorKind::Forbidden, "something else has the name of a mailbox:", &path));
        }
        directory::make(&path, false)
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
        directory::check_tmp(&self.shared.root)?;
        let mut change = self.shared.quota.begin();
        // One rename, and it is gone; what takes long comes after.
        let unique = crate::file_name::unique(&self.shared.settings.hostname);
        let grave = self.shared.root.join("tmp").join(format!("{}{unique}", own_files::DELETED_PREFIX));
        rename_new(&directory, &grave).map_err(|error| Error::io("cannot delete", &directory, error))?;
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
        let path_of = |name: &MailboxName| self.shared.path_of(name);
        if to.is_inbox() || self.look_up(to)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", &path_of(to)));
        }
        if to.is_below(from) {
            return Err(Error::new(ErrorKind::Forbidden, "cannot move below itself", &path_of(to)));
        }
        let mut renames = Vec::new();
        let is_counted = self.shared.quota.is_in_use();
        let (mut added, mut removed) = (QuotaUsage::default(), QuotaUsage::default());
        for listed in self.list()?.into_iter().filter(|listed| listed.selectable) {
            let Some(new_name) = listed.name.renamed(from, to) else { continue };
            let new_name =
                new_name.map_err(|_| Error::new(ErrorKind::BadName, "cannot be a mailbox:", &path_of(to)))?;
            self.check_levels(&new_name)?;
            let new_path = self.shared.new_path(&new_name)?;
            if self.look_up(&new_name)?.is_some() || new_path.symlink_metadata().is_ok() {
                return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", &new_path));
            }
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
            return Err(Error::new(ErrorKind::NonExistent, "no such mailbox:", &path_of(from)));
        }
        let mut change = match (added == QuotaUsage::default(), removed == QuotaUsage::default()) {
            (true, true) => Change::uncounted(),
            (true, false) => self.shared.quota.begin(),
            (false, _) => self.shared.quota.begin_adding(added, Vec::new())?,
        };
        rename_all(&renames)?;
        change.add_all(added);
        change.remove_all(removed);
        self.shared.rename_witnessed(&renames);
        sync_directory(root)
    }

    /// Subscribed names, in order; they need not exist.
    pub fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        let _entered = self.shared.enter()?;
        Ok(self.shared.subscriptions()?.names())
    }

    /// Subscriptions that are kept and are not of this account, such as shared mailboxes, as they
    /// stand in Courier's or Dovecot's file.
    pub fn foreign_subscriptions(&self) -> Result<Vec<String>> {
        let _entered = self.shared.enter()?;
        Ok(self.shared.subscriptions()?.foreign().collect())
    }

    /// Adds or removes a subscription, durably. Both are idempotent.
    pub fn subscribe(&self, name: &MailboxName, subscribed: bool) -> Result<()> {
        let _entered = self.shared.enter()?;
        let _lock = self.shared.lock()?;
        let names = DirectoryNames { utf8: true, ..self.shared.settings.directory_names() };
        let mut subscriptions = Subscriptions::read(&self.shared.root, self.shared.dovecot_root(), names)?;
        if subscriptions.set(name, subscribed) {
            subscriptions.write(&self.shared.root, names)
        } else {
            Ok(())
        }
    }

    /// Tells other processes that a server has the account open, until the guard is dropped.
    /// Sessions share one. `Busy` while the account is handed over to another server. `None` where
    /// that cannot be told, as nothing can be written.
    pub fn hold(&self) -> Result<Option<Arc<Lock>>> {
        let _entered = self.shared.enter()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = held.upgrade() {
            return Ok(Some(lock));
        }
        match Lock::try_take(&self.shared.root.join(own_files::SERVED_LOCK), true) {
            Ok(lock) => {
                let lock = Arc::new(lock);
                *held = Arc::downgrade(&lock);
                Ok(Some(lock))
            }
            Err(error) if error.kind == ErrorKind::Busy => Err(error),
            Err(error) => {
                tracing::debug!(%error, "that the account is open is told to nobody");
                Ok(None)
            }
        }
    }

    /// Keeps servers from opening the account, until the guard is dropped. `Busy` if one has it
    /// open.
    pub fn keep_closed(&self) -> Result<Lock> {
        let _entered = self.shared.enter()?;
        Lock::try_take(&self.shared.root.join(own_files::SERVED_LOCK), false)
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

    /// The directory of a mailbox that is there; `NonExistent` when it is not.
    pub fn find(&self, name: &MailboxName) -> Result<PathBuf> {
        let _entered = self.shared.enter()?;
        self.look_up(name)?
            .ok_or_else(|| Error::new(ErrorKind::NonExistent, "no such mailbox:", &self.shared.path_of(name)))
    }

    fn look_up(&self, name: &MailboxName) -> Result<Option<PathBuf>> {
        root::find(&self.shared.root, self.shared.settings.directory_names(), name)
    }

    fn check_levels(&self, name: &MailboxName) -> Result<()> {
        if name.levels().count() <= self.shared.settings.levels_max {
            return Ok(());
        }
        let path = self.shared.path_of(name);
        Err(Error::new(ErrorKind::Limit, "more levels than the settings allow:", &path))
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

    /// The directory that a new mailbox gets.
    fn new_path(&self, name: &MailboxName) -> Result<PathBuf> {
        directory::new_path(&self.root, self.settings.directory_names(), name)
    }

    /// Likewise, to be named in an error: however long it is.
    fn path_of(&self, name: &MailboxName) -> PathBuf {
        self.root.join(format!(".{}", self.settings.directory_names().own(name)))
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
        let text = read_small(&self.uid_validity_path(), 100)?.unwrap_or_default();
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
    }

    fn subscriptions(&self) -> Result<Subscriptions> {
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
    fn rename_witnessed(&self, renames: &[(PathBuf, PathBuf)]) {
        let rename = |_lock| renames.iter().try_for_each(|(from, to)| self.witness.rename(from, to));
        if let Err(error) = self.lock().and_then(rename) {
            tracing::debug!(%error, "how far renamed mailboxes got is not known any more");
        }
    }

    fn write_uid_validity(&self, value: u32) -> Result<()> {
        write_durably(&self.uid_validity_path(), format!("{value}\n").as_bytes())
    }

    fn uid_validity_path(&self) -> PathBuf {
        self.root.join(own_files::UID_VALIDITY)
    }
}

/// Renames in order; on an error what was done is undone.
fn rename_all(renames: &[(PathBuf, PathBuf)]) -> Result<()> {
    for (done, (from, to)) in renames.iter().enumerate() {
        if let Err(error) = rename_new(from, to) {
            for (from, to) in renames[..done].iter().rev() {
                let _ = rename_new(to, from);
            }
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                return Err(Error::new(ErrorKind::AlreadyExists, "is there already:", to));
            }
            return Err(Error::io("cannot rename", from, error));
        }
    }
    Ok(())
}

/// Makes a Maildir, or what it lacks; where it is then.
fn make_maildir(root: &Path, found: Option<PathBuf>) -> Result<PathBuf> {
    if let (None, Some(parent)) = (&found, root.parent()) {
        make_parents(parent)?;
    }
    directory::make(found.as_deref().unwrap_or(root), true)?;
    let missing = || Error::new(ErrorKind::NonExistent, "no Maildir:", root);
    directory::resolve(root)?.ok_or_else(missing)
}

/// A user of the system may make links, and so let the Maildir be whatever permissions let them
/// into: where a link led there, it must belong to them.
fn check_owner(root: &Path, owner: Option<&Owner>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let Some(owner) = owner else { return Ok(()) };
    let of_root = root.symlink_metadata().map_err(|error| Error::reading("cannot look at", root, error))?;
    match of_root.uid() == owner.uid() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Denied,
            "is reached by a symbolic link and belongs to another user:",
            root,
        )),
    }
}

/// Makes the directories above a Maildir, for its owner only.
fn make_parents(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if !is_missing(&error) || !path.is_dir() => Err(Error::io("cannot make", path, error)),
        _ => Ok(()),
    }
}
