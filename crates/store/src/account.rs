//! Accounts: one user's Maildir with its mailboxes and subscriptions.

use crate::error::Result;
use crate::mailbox::Mailbox;
use mail::MailboxName;
use std::path::Path;
use std::sync::Arc;

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
    /// Host name for names of new message files; `/` and `:` are escaped.
    pub hostname: String,
}

/// The store of a process: what its accounts share.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
}

/// One user's Maildir. Sessions of one user share one.
#[derive(Debug)]
pub struct Account {
    store: Arc<Store>,
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
        Arc::new(Self { settings })
    }

    /// The account whose Maildir is `root` (absolute). Makes it where it is missing if
    /// `create`; else that is `NonExistent`.
    pub fn account(self: &Arc<Self>, root: &Path, create: bool) -> Result<Arc<Account>> {
        let _ = (root, create, &self.settings);
        todo!()
    }
}

impl Account {
    /// All mailboxes, the inbox first, then in order of their names; parents without a
    /// directory included.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let _ = &self.store;
        todo!()
    }

    /// Opens a mailbox and shares it with those who have it open. Does not read its messages:
    /// [`Mailbox::refresh`] does.
    pub fn open(self: &Arc<Self>, name: &MailboxName) -> Result<Arc<Mailbox>> {
        let _ = name;
        todo!()
    }

    /// Makes a mailbox, durably. Parents are not made (Maildir++ needs none).
    pub fn create(&self, name: &MailboxName) -> Result<()> {
        let _ = name;
        todo!()
    }

    /// Removes a mailbox with its messages; children stay. A mailbox made again under the name
    /// gets a greater UIDVALIDITY. The inbox is `Forbidden`; a name that is only a parent is
    /// `NonExistent`.
    pub fn delete(&self, name: &MailboxName) -> Result<()> {
        let _ = name;
        todo!()
    }

    /// Renames a mailbox and all below it (RFC 3501 section 6.3.5); subscriptions stay as they
    /// are. The inbox: its messages move to the new mailbox, the inbox stays, empty.
    pub fn rename(self: &Arc<Self>, from: &MailboxName, to: &MailboxName) -> Result<()> {
        let _ = (from, to);
        todo!()
    }

    /// Subscribed names, in order; they need not exist.
    pub fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        todo!()
    }

    /// Adds or removes a subscription, durably. Both are idempotent.
    pub fn subscribe(&self, name: &MailboxName, subscribed: bool) -> Result<()> {
        let _ = (name, subscribed);
        todo!()
    }
}
