//! Accounts: one user's Maildir with its mailboxes and subscriptions.

mod tree;

pub use tree::Listed;

use crate::directory_name::DirectoryNames;
use crate::error::{Error, ErrorKind, Result};
use crate::kept::Kept;
use crate::lock::Lock;
use crate::mailbox::Mailbox;
use crate::own_files;
use crate::owner::{Guard, Owner};
use crate::quota::Quota;
use crate::root;
use crate::shared::Shared;
use crate::subscriptions::Subscriptions;
use crate::watch::AccountId;
use mail::MailboxName;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// One user's Maildir. Sessions of one user share one.
#[derive(Debug)]
pub struct Account {
    shared: Arc<Shared>,
    kept: Arc<Kept>,
    mailboxes: Mutex<HashMap<MailboxName, Weak<Mailbox>>>,
    /// See [`Account::hold`].
    held: Mutex<Weak<Lock>>,
}

impl Account {
    pub(crate) fn new(shared: Shared, kept: Arc<Kept>) -> Self {
        Self { shared: Arc::new(shared), kept, mailboxes: Mutex::default(), held: Mutex::default() }
    }

    /// The account, as [`crate::WakeReason`] names it.
    pub fn id(&self) -> AccountId {
        self.shared.id
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
            self.kept.touch(self, &mailbox);
            return Ok(mailbox);
        }
        let directory = self.find(name)?;
        if mailboxes.len() == mailboxes.capacity() {
            mailboxes.retain(|_, mailbox| mailbox.strong_count() > 0);
        }
        let mailbox = Arc::new(Mailbox::open(name.clone(), self.shared.clone(), directory)?);
        mailboxes.insert(name.clone(), Arc::downgrade(&mailbox));
        drop(mailboxes);
        self.kept.touch(self, &mailbox);
        Ok(mailbox)
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

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The directory of a mailbox that is there; `NonExistent` when it is not.
    pub fn find(&self, name: &MailboxName) -> Result<PathBuf> {
        let _entered = self.shared.enter()?;
        self.look_up(name)?
            .ok_or_else(|| Error::new(ErrorKind::NonExistent, "no such mailbox:", &self.shared.path_of(name)))
    }

    pub(crate) fn look_up(&self, name: &MailboxName) -> Result<Option<PathBuf>> {
        root::find(&self.shared.root, self.shared.settings.directory_names(), name)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<MailboxName, Weak<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
