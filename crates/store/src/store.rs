//! The store of a process, and how an account is opened.

use crate::account::Account;
use crate::directory;
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::{CommitHook, Hooks, Untold};
use crate::index_root::IndexRoot;
use crate::kept::Kept;
use crate::owner::{self, Owner};
use crate::quota::Quota;
use crate::said::Said;
use crate::settings::StoreSettings;
use crate::shared::Shared;
use crate::watch::{AccountId, Watcher};
use crate::witness::Witness;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The store of a process: what its accounts share.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
    watcher: Arc<Watcher>,
    kept: Arc<Kept>,
    said: Arc<Said>,
    hooks: Arc<Hooks>,
    accounts: Mutex<HashMap<AccountKey, Weak<Account>>>,
}

/// Where an account's files are, and whose they are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AccountPlace {
    /// The Maildir, absolute.
    pub root: PathBuf,
    /// Where Dovecot has `dovecot-uidlist` and the like, if not in the Maildir (`CONTROL=`).
    pub control: Option<PathBuf>,
    /// Where index and cache of its mailboxes lie, if not with the mail: a directory of this account
    /// and no other.
    pub index: Option<PathBuf>,
    /// Whom the files belong to, if not to the user that the process runs as.
    pub owner: Option<Arc<Owner>>,
}

/// An account's Maildir and owner.
type AccountKey = (PathBuf, Option<Arc<Owner>>);

impl Store {
    /// A store; starts the watcher (one inotify instance, one thread).
    pub fn new(settings: StoreSettings) -> Arc<Self> {
        let kept = Arc::new(Kept::new(settings.kept_bytes_max));
        let (watcher, said, hooks) = (Watcher::start(), Arc::default(), Arc::default());
        Arc::new(Self { settings, watcher, kept, said, hooks, accounts: Mutex::default() })
    }

    /// Keeps nothing in memory any more that is not in use, and writes what it knows of it to
    /// disk: so that the next process need not find it out again.
    pub fn close(&self) {
        self.kept.close();
    }

    /// Has a hook told of what is committed to mailboxes from now on, in all accounts; see
    /// [`CommitHook`].
    pub fn on_commit(&self, hook: CommitHook) {
        self.hooks.add(hook);
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
        self.account_at(AccountPlace { root: root.to_owned(), control: None, index: None, owner }, create)
    }

    /// Likewise, with Dovecot's lists, or indexes of ours, elsewhere.
    pub fn account_at(self: &Arc<Self>, place: AccountPlace, create: bool) -> Result<Arc<Account>> {
        let AccountPlace { root, control, index, owner } = place;
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
        let index = index.filter(|index| index != root && index != named);
        let index = index.map(|index| IndexRoot::new(index, root, owner.as_deref()));
        let shared = Shared {
            id: AccountId::next(),
            root: root.to_owned(),
            control,
            index,
            owner,
            settings: self.settings.clone(),
            watcher: self.watcher.clone(),
            said: self.said.clone(),
            quota,
            witness: Witness::new(root),
            untold: Untold::new(self.hooks.clone()),
            validities: Mutex::default(),
        };
        let account = Arc::new(Account::new(shared, self.kept.clone()));
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

/// Makes a Maildir, or what it lacks; where it is then.
fn make_maildir(root: &Path, found: Option<PathBuf>) -> Result<PathBuf> {
    if let (None, Some(parent)) = (&found, root.parent()) {
        directory::make_private(parent)?;
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
