//! Special uses of an account's mailboxes: who has which, and what is remembered when mailboxes are
//! renamed, made and deleted.

use super::{Remembered, SpecialUses, VERSION, path_in};
use crate::account::{Account, Listed};
use crate::changes;
use crate::directory;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::shared::Shared;
use mail::{MailboxName, SpecialUse, SpecialUseNames};
use std::collections::HashSet;

impl Account {
    /// The special uses of mailboxes, of which `mailboxes` are all. A file that cannot be read is
    /// said in the log once; names say all then.
    pub fn special_uses(&self, mailboxes: &[Listed], names: &[SpecialUseNames]) -> SpecialUses {
        let shared = self.shared();
        let remembered = shared.enter().and_then(|_entered| Remembered::read(&shared.root));
        let remembered = remembered.unwrap_or_else(|error| {
            shared.say_once(|| tracing::error!("{error}; special uses go by the names of mailboxes"));
            Remembered::default()
        });
        shared.say_faults(&remembered);
        remembered.resolve(&there(mailboxes), names)
    }

    /// The special uses that the file gives to mailboxes that are there.
    pub(crate) fn remembered_uses(&self) -> Result<Vec<(MailboxName, Vec<SpecialUse>)>> {
        let mailboxes = self.list()?;
        let uses = Remembered::read(&self.shared().root)?.resolve(&there(&mailboxes), &[]);
        let mut uses: Vec<_> = uses.0.into_iter().collect();
        uses.sort();
        Ok(uses)
    }

    /// Makes a mailbox for special uses, as [`Account::create`] makes one without. `UseTaken` where
    /// another mailbox has one of them. RFC 6154 section 3: without its uses it is not made.
    pub fn create_for(
        &self,
        name: &MailboxName,
        uses: &[SpecialUse],
        names: &[SpecialUseNames],
    ) -> Result<()> {
        let shared = self.shared();
        let _entered = shared.enter()?;
        let path = self.check_new(name)?;
        let _lock = shared.lock()?;
        let mut remembered = shared.remembered_to_change()?;
        let taken = remembered.resolve(&there(&self.list()?), names);
        if uses.iter().any(|special_use| taken.mailbox(*special_use).is_some()) {
            return Err(Error::new(ErrorKind::UseTaken, "another mailbox has the special use of", &path));
        }
        remembered.set(name, uses.iter().map(|special_use| special_use.attribute().to_owned()).collect());
        remembered.write(&shared.root)?;
        fault_point("the uses of a new mailbox are remembered");
        directory::make(&path, false)?;
        changes::created(name);
        Ok(())
    }

    /// Mailboxes are about to be renamed: remembers their uses for the new names. Those of the old
    /// names stay until [`Shared::forget_uses`].
    pub(crate) fn remember_renamed(
        &self,
        renamed: &[(MailboxName, MailboxName)],
        mailboxes: &[Listed],
        names: &[SpecialUseNames],
    ) -> Result<()> {
        let shared = self.shared();
        let _lock = shared.lock()?;
        let mut remembered = Remembered::read(&shared.root)?;
        shared.say_faults(&remembered);
        if remembered.later_version.is_some() {
            return Ok(());
        }
        let before = remembered.resolve(&there(mailboxes), names);
        let mut is_changed = false;
        for (from, to) in renamed {
            let known = before.of(from).iter().map(|special_use| special_use.attribute().to_owned());
            let uses = known.chain(remembered.unknown_uses(from)).collect();
            is_changed |= remembered.set(to, uses);
        }
        if is_changed { remembered.write(&shared.root) } else { Ok(()) }
    }
}

impl Shared {
    /// Drops what the file says of these mailboxes.
    pub(crate) fn forget_uses(&self, names: &[&MailboxName]) -> Result<()> {
        // Mostly there is nothing to drop, and no lock is needed to see that.
        let is_there = |remembered: &Remembered| names.iter().any(|name| remembered.entry(name).is_some());
        if !is_there(&Remembered::read(&self.root)?) {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut remembered = Remembered::read(&self.root)?;
        let before = remembered.entries.len();
        remembered.entries.retain(|entry| !names.contains(&&entry.name));
        if remembered.entries.len() == before { Ok(()) } else { remembered.write(&self.root) }
    }

    /// Likewise, of mailboxes that are gone: what stays in the file says nothing as long as they are.
    pub(crate) fn forget_uses_of_gone(&self, names: &[&MailboxName]) {
        if let Err(error) = self.forget_uses(names) {
            tracing::warn!("{error}; the special uses of mailboxes that are gone stay in the file");
        }
    }

    /// Writes the file without damaged lines; of one that is too large nothing is kept.
    pub(crate) fn repair_special_uses(&self) -> Result<()> {
        let _lock = self.lock()?;
        match self.remembered_to_change() {
            Err(error) if error.kind == ErrorKind::Damaged => Remembered::default().write(&self.root),
            remembered => remembered?.write(&self.root),
        }
    }

    fn remembered_to_change(&self) -> Result<Remembered> {
        let remembered = Remembered::read(&self.root)?;
        self.say_faults(&remembered);
        match remembered.later_version {
            None => Ok(remembered),
            Some(_) => {
                let path = path_in(&self.root);
                Err(Error::new(
                    ErrorKind::Io,
                    "of a later version than this server's, and left alone:",
                    &path,
                ))
            }
        }
    }

    fn say_faults(&self, remembered: &Remembered) {
        let (path, damaged) = (path_in(&self.root), remembered.damaged.len());
        if let Some(version) = remembered.later_version {
            self.say_once(|| {
                tracing::error!(
                    "{} has version {version}, and this server knows version {VERSION}: it is left \
                     alone, and special uses go by the names of mailboxes",
                    path.display()
                );
            });
        } else if damaged > 0 {
            self.say_once(|| {
                tracing::error!(
                    lines = damaged,
                    "{} has damaged lines, which are passed over; see restante mailbox check",
                    path.display()
                );
            });
        }
    }

    /// Says something of the file, once in the life of the process.
    fn say_once(&self, say: impl FnOnce()) {
        if self.said.add(path_in(&self.root)) {
            say();
        }
    }
}

/// Mailboxes that can be selected.
fn there(mailboxes: &[Listed]) -> HashSet<&MailboxName> {
    mailboxes.iter().filter(|listed| listed.selectable).map(|listed| &listed.name).collect()
}
