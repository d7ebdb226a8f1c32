//! The way back: writing Courier's or Dovecot's files from what we know, so that the other
//! server goes on with the same UIDs, UIDVALIDITY, UIDNEXT, keywords, subscriptions and POP3
//! UIDLs. And looking ahead, both ways, with nothing written.
//!
//! The other server's files are replaced as wholes, durably, under its own lock. Only when they
//! stand does our list give way: it is renamed to `restante-uidlist.handed-over`, so that who
//! comes back later takes over what the other server did meanwhile. A crash in between leaves
//! both, and the same command does the rest.
//!
//! No server may serve the account meanwhile; what programs deliver does no harm.

mod courier;
mod dot_lock;
mod dovecot;

use crate::account::Account;
use crate::compressed::{self, Compression};
use crate::directory;
use crate::directory_name::DirectoryNames;
use crate::disk::sync_directory;
use crate::error::{Error, Result};
use crate::extract::{Extract, ExtractRow};
use crate::mailbox::hand_over::peek;
use crate::rename::rename_new;
use crate::settings::StoreSettings;
use crate::subscriptions::Subscriptions;
use crate::take_over::{Faults, ForeignFiles, Origin};
use mail::{MailboxName, SpecialUse};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What is, or would be, taken over of a mailbox.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The mailbox has a list of ours already: nothing is to be taken over.
    pub is_ours: bool,
    /// Whose list it is; `None` when no other server has one that can be read.
    pub origin: Option<Origin>,
    /// The list's UIDVALIDITY is kept.
    pub keeps_uid_validity: bool,
    /// Messages in the Maildir.
    pub messages: usize,
    /// Those of them that keep their UIDs.
    pub kept: usize,
    /// Different keywords.
    pub keywords: usize,
    /// POP3 UIDLs that are not the ones by default.
    pub uidls: usize,
    /// What could not be taken.
    pub faults: Faults,
    /// Messages that cannot be served for the way they are compressed, by that.
    pub not_read: Vec<(Compression, usize)>,
    /// Files of access rights that grant something to others than the owner, and to whom: they
    /// stay where they are, and are not obeyed.
    pub rights: Vec<String>,
}

/// What was, or would be, written of a mailbox.
#[derive(Clone, Default, Debug)]
pub struct HandedOver {
    /// Messages.
    pub messages: usize,
    /// Different keywords.
    pub keywords: usize,
    /// POP3 UIDLs that are not the ones by default.
    pub uidls: usize,
    /// Files that were renamed to carry keywords.
    pub renamed: usize,
    /// What the other server cannot hold, a sentence each.
    pub left: Vec<String>,
}

/// What was, or would be, written of an account.
#[derive(Clone, Default, Debug)]
pub struct AccountHandedOver {
    /// Subscriptions.
    pub subscriptions: usize,
    /// Subscriptions of what is not in this account, such as shared mailboxes: each server's own
    /// file keeps its own.
    pub foreign: Vec<String>,
    /// Mailboxes whose directories were renamed, as the other server reads names otherwise.
    pub renamed: Vec<MailboxName>,
    /// Mailboxes whose special uses are remembered here, and not known to the other server.
    pub special_uses: Vec<(MailboxName, Vec<SpecialUse>)>,
}

/// Where and how to write.
pub(crate) struct Site<'a> {
    pub(crate) directory: &'a Path,
    /// Where Dovecot's lists go.
    pub(crate) dovecot: &'a Path,
    pub(crate) is_inbox: bool,
    pub(crate) settings: &'a StoreSettings,
    /// Say what would be done, and write nothing.
    pub(crate) is_dry: bool,
}

impl Account {
    /// What opening a mailbox for the first time takes over from another server. Nothing is
    /// written, and nothing locked.
    pub fn survey(&self, name: &MailboxName) -> Result<Survey> {
        let _entered = self.enter()?;
        let directory = self.find(name)?;
        let dovecot = self.shared().dovecot_lists(&directory);
        let files = ForeignFiles { directory: &directory, dovecot: &dovecot };
        peek(files, self.shared().settings.take_over)?.survey(&directory)
    }

    /// Writes a mailbox's files as `to` has them; our list gives way. With `is_dry` says what
    /// would be done and writes nothing. See the module.
    pub fn hand_over(self: &Arc<Self>, name: &MailboxName, to: Origin, is_dry: bool) -> Result<HandedOver> {
        let _entered = self.enter()?;
        if !is_dry {
            return self.open(name)?.hand_over(to);
        }
        let directory = self.find(name)?;
        let settings = &self.shared().settings;
        let lists = self.shared().dovecot_lists(&directory);
        let files = ForeignFiles { directory: &directory, dovecot: &lists };
        let extract = peek(files, settings.take_over)?.state.extract();
        let (directory, dovecot) = (&*directory, &*self.shared().dovecot_directory(&directory));
        write(&Site { directory, dovecot, is_inbox: name.is_inbox(), settings, is_dry }, &extract, to)
    }

    /// Writes what belongs to no mailbox: subscriptions, and the greatest UIDVALIDITY; and
    /// renames directories whose names `to` reads otherwise: Dovecot wants modified UTF-7,
    /// Courier what the settings say. Comes after all mailboxes.
    pub fn hand_over_account(&self, to: Origin, is_dry: bool) -> Result<AccountHandedOver> {
        let _entered = self.enter()?;
        let (root, settings) = (&self.shared().root, &self.shared().settings);
        let _lock = if is_dry { None } else { Some(self.shared().lock()?) };
        let special_uses = self.remembered_uses()?;
        let mut done = AccountHandedOver { special_uses, ..AccountHandedOver::default() };
        let names = names_for(to, settings);
        for listed in self.list()?.into_iter().filter(|listed| listed.selectable && !listed.name.is_inbox()) {
            let (from, to) = (self.find(&listed.name)?, directory::new_path(root, names, &listed.name)?);
            if from != to && std::fs::symlink_metadata(&to).is_err() {
                if !is_dry {
                    rename_new(&from, &to).map_err(|e| Error::io("cannot rename", &from, e))?;
                }
                done.renamed.push(listed.name);
            }
        }
        let control = self.shared().dovecot_root();
        let subscriptions = Subscriptions::read(root, control, settings.directory_names())?;
        done.foreign = subscriptions.foreign().collect();
        if !is_dry {
            match to {
                Origin::Courier => subscriptions.write(root, names)?,
                Origin::Dovecot => {
                    dovecot::make_directory(control)?;
                    subscriptions.write_for_dovecot(control, names)?;
                    dovecot::write_uid_validity(control, self.shared().greatest_uid_validity()?)?;
                    sync_directory(control)?;
                }
            }
            sync_directory(root)?;
        }
        done.subscriptions = subscriptions.names().len();
        Ok(done)
    }
}

/// How `to` reads directories' names: Dovecot in modified UTF-7, with escapes where it had them,
/// Courier as the settings say.
fn names_for(to: Origin, settings: &StoreSettings) -> DirectoryNames {
    match to {
        Origin::Courier => DirectoryNames { utf8: settings.utf8_names, escape: None },
        Origin::Dovecot => DirectoryNames { utf8: false, escape: settings.name_escape },
    }
}

/// Writes a mailbox's files as `to` has them.
pub(crate) fn write(site: &Site<'_>, extract: &Extract, to: Origin) -> Result<HandedOver> {
    let mut done = HandedOver {
        messages: extract.rows.len(),
        keywords: extract.rows.iter().flat_map(|row| &row.keywords).collect::<BTreeSet<_>>().len(),
        uidls: extract.rows.iter().filter(|row| row.uidl.is_some()).count(),
        ..HandedOver::default()
    };
    if to == Origin::Courier {
        let files = extract.rows.iter().map(|row| (row.place, &*row.base, &*row.suffix));
        for (kind, count) in compressed::count(site.directory, files)? {
            done.left
                .push(format!("{count} messages are compressed with {kind}, which Courier does not read"));
        }
    }
    let unlisted = extract.rows.iter().filter(|row| !can_be_listed(row)).count();
    if unlisted > 0 {
        done.left.push(format!("{unlisted} messages have a line end in their file's name and get new UIDs"));
    }
    match to {
        Origin::Courier => courier::write(site, extract, &mut done)?,
        Origin::Dovecot => dovecot::write(site, extract, &mut done)?,
    }
    Ok(done)
}

/// Whether a list of lines can hold it.
fn can_be_listed(row: &ExtractRow) -> bool {
    !row.base.contains(&b'\n')
}

#[cfg(test)]
mod tests;
