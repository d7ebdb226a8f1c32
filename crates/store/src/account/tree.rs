//! The mailboxes of an account: listing, making, deleting and renaming them.

use super::Account;
use crate::changes;
use crate::directory;
use crate::disk::sync_directory;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::odd;
use crate::own_files;
use crate::quota::{Change, QuotaUsage};
use crate::rename::rename_new;
use crate::root;
use mail::{MailboxName, SpecialUseNames, SystemFlags, UidSet};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

impl Account {
    /// All mailboxes, the inbox first, then in order of their names; parents without a
    /// directory included.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let _entered = self.shared.enter()?;
        let found = root::contents(&self.shared.root, self.shared.settings.directory_names())?;
        odd::say(&self.shared, &found.others);
        if let Some(index) = &self.shared.index {
            let others = found.others.iter().map(|(entry, _)| entry);
            index.sweep_once(found.mailboxes.values().chain(others).map(OsString::as_os_str));
        }
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

    /// Makes a mailbox, durably. Parents are not made (Maildir++ needs none). `Limit` where the
    /// account has too many, or the name too many levels; `Forbidden` where something that is no
    /// directory has the name, or takes the place of its `cur`.
    pub fn create(&self, name: &MailboxName) -> Result<()> {
        let _entered = self.shared.enter()?;
        let path = self.check_new(name)?;
        // Of a mailbox of that name that is gone.
        self.shared.forget_uses(&[name])?;
        directory::make(&path, false)?;
        changes::created(name);
        Ok(())
    }

    /// The directory of a mailbox that is to be made, if it can be; see [`Account::create`].
    pub(crate) fn check_new(&self, name: &MailboxName) -> Result<PathBuf> {
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
        Ok(path)
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
        changes::deleted(name, &grave);
        sync_directory(&self.shared.root)?;
        fault_point("a mailbox is deleted");
        self.shared.forget_uses_of_gone(&[name]);
        self.shared.index.iter().for_each(|index| index.remove(&directory));
        if let Err(error) = std::fs::remove_dir_all(&grave) {
            tracing::warn!(%error, mailbox = name.as_str(), directory = %grave.display(), "left of a deleted mailbox");
        }
        self.lock().remove(name);
        Ok(())
    }

    /// Renames a mailbox and all below it (RFC 3501 section 6.3.5); subscriptions stay as they
    /// are. Special uses go along, also those that only the old name said, by `names`. The inbox:
    /// its messages move to the new mailbox, the inbox stays, empty.
    pub fn rename(
        self: &Arc<Self>,
        from: &MailboxName,
        to: &MailboxName,
        names: &[SpecialUseNames],
    ) -> Result<()> {
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
        let (mut renames, mut renamed) = (Vec::new(), Vec::new());
        let listed = self.list()?;
        let is_counted = self.shared.quota.is_in_use();
        let (mut added, mut removed) = (QuotaUsage::default(), QuotaUsage::default());
        for listed in listed.iter().filter(|listed| listed.selectable) {
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
            renamed.push((listed.name.clone(), new_name));
        }
        if renames.is_empty() {
            return Err(Error::new(ErrorKind::NonExistent, "no such mailbox:", &path_of(from)));
        }
        let mut change = match (added == QuotaUsage::default(), removed == QuotaUsage::default()) {
            (true, true) => Change::uncounted(),
            (true, false) => self.shared.quota.begin(),
            (false, _) => self.shared.quota.begin_adding(added, Vec::new())?,
        };
        let (old_names, new_names): (Vec<_>, Vec<_>) = renamed.iter().map(|(from, to)| (from, to)).unzip();
        self.remember_renamed(&renamed, &listed, names)?;
        fault_point("the uses of mailboxes to be renamed are remembered");
        if let Err(error) = rename_all(&renames) {
            self.shared.forget_uses_of_gone(&new_names);
            return Err(error);
        }
        changes::renamed(from, to, renames.len());
        fault_point("mailboxes are renamed");
        change.add_all(added);
        change.remove_all(removed);
        self.shared.rename_witnessed(&renames);
        self.shared.index.iter().for_each(|index| index.rename(&renames));
        sync_directory(root)?;
        self.shared.forget_uses_of_gone(&old_names);
        Ok(())
    }

    fn check_levels(&self, name: &MailboxName) -> Result<()> {
        if name.levels().count() <= self.shared.settings.levels_max {
            return Ok(());
        }
        let path = self.shared.path_of(name);
        Err(Error::new(ErrorKind::Limit, "more levels than the settings allow:", &path))
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
