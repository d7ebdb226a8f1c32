//! Directories that hold messages and are no mailboxes: finding them, saying so, and giving
//! them names that work.
//!
//! No client sees them, whoever made them: an old server, a script, rsync from a Mac. They are
//! said once in the log when mailboxes are listed, and found by `restante mailbox` and
//! `restante migrate`. A repair renames them, and replaces nothing by that.

use crate::account::Account;
use crate::directory::{make, new_path, rename_to_new};
use crate::directory_name::DirectoryNames;
use crate::disk::sync_directory;
use crate::error::{Error, ErrorKind, Result};
use crate::own_files;
use crate::quota::Change;
use crate::root::{OddReason, contents, for_each_directory, messages};
use crate::shared::Shared;
use mail::mailbox_name::BadName;
use mail::{MailboxName, utf7};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How deep directories within directories are looked for.
const DEPTH_MAX: usize = 8;

/// Numbers tried behind a name that is taken.
const NUMBERS: std::ops::RangeInclusive<u32> = 2..=9_999;

/// A directory that holds messages and is no mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OddDirectory {
    /// Where it is, below the Maildir.
    pub path: PathBuf,
    /// Why it is no mailbox.
    pub reason: OddReason,
    /// How many messages it holds; `None` where that cannot be read.
    pub messages: Option<u64>,
    /// The name that a repair gives it; `None` where it needs somebody who knows better.
    pub becomes: Option<MailboxName>,
}

impl OddDirectory {
    /// Its path as it is said: what cannot be printed is escaped.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }
}

impl Account {
    /// Directories in the Maildir that hold messages and are no mailboxes, in the order of
    /// their paths; those that lie in others come first.
    pub fn odd_directories(&self) -> Result<Vec<OddDirectory>> {
        let _entered = self.enter()?;
        let (root, names) = (&self.shared().root, self.shared().settings.directory_names());
        let found = contents(root, names)?;
        let mut odd = Vec::new();
        let followed = found.others.iter().filter(|(_, reason)| *reason != OddReason::Link);
        for entry in found.mailboxes.values().chain(followed.map(|(entry, _)| entry)) {
            nested(root, Path::new(entry), 1, &mut odd);
        }
        odd.sort_by(|a, b| {
            let depth = |path: &Path| std::cmp::Reverse(path.components().count());
            (depth(&a.path), &a.path).cmp(&(depth(&b.path), &b.path))
        });
        odd.extend(found.others.into_iter().filter_map(|(entry, reason)| of_root(root, entry, reason)));
        let mut taken: BTreeSet<MailboxName> = found.mailboxes.into_keys().collect();
        for directory in &mut odd {
            directory.becomes = becomes(root, names, directory, &taken);
            taken.extend(directory.becomes.clone());
        }
        Ok(odd)
    }

    /// Gives a directory the name that it [becomes](OddDirectory::becomes); the mailbox can be
    /// opened then. `AlreadyExists` where something has that name meanwhile: nothing is done.
    pub fn repair_odd_directory(&self, odd: &OddDirectory) -> Result<MailboxName> {
        let _entered = self.enter()?;
        let (root, names) = (&self.shared().root, self.shared().settings.directory_names());
        let path = root.join(&odd.path);
        let Some(name) = &odd.becomes else {
            return Err(Error::new(ErrorKind::Forbidden, "is left as it is:", &path));
        };
        if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::new(ErrorKind::NonExistent, "is there no more:", &path));
        }
        if odd.reason == OddReason::NoCur {
            return make(&path, false).map(|()| name.clone());
        }
        let quota = &self.shared().quota;
        let is_new_to_quota = matches!(odd.reason, OddReason::NoDot | OddReason::Nested);
        let mut change = if is_new_to_quota { quota.begin() } else { Change::uncounted() };
        let target = new_path(root, names, name)?;
        rename_to_new(&path, &target)?;
        if change.is_counted() {
            change.add_all(quota.of_directory(&target).unwrap_or_default());
        }
        drop(change);
        make(&target, false)?;
        path.parent().map_or(Ok(()), sync_directory)?;
        Ok(name.clone())
    }
}

/// Says once in the log which of these directories hold messages.
pub(crate) fn say(shared: &Shared, others: &[(OsString, OddReason)]) {
    for (entry, reason) in others {
        let path = shared.root.join(entry);
        if shared.said.has(&path) {
            continue;
        }
        let Some(odd) = of_root(&shared.root, entry.clone(), reason.clone()) else { continue };
        if shared.said.add(path) {
            let (directory, reason) = (shown(&shared.root.join(entry)), &odd.reason);
            tracing::warn!(
                messages = odd.messages,
                "{directory} holds messages and is no mailbox: {reason}; see restante mailbox check"
            );
        }
    }
}

/// An entry of the Maildir's own directory, if there are messages in it that are nowhere else.
fn of_root(root: &Path, entry: OsString, reason: OddReason) -> Option<OddDirectory> {
    let path = root.join(&entry);
    if reason == OddReason::Link && leads_to_mailbox(root, &path) {
        return None;
    }
    let messages = messages(&path);
    // Of what cannot be read the worst is assumed, but not of what may lie anywhere.
    let holds_some = messages.map_or(reason != OddReason::Link, |count| count > 0);
    holds_some.then(|| OddDirectory { path: entry.into(), reason, messages, becomes: None })
}

/// Whether a link leads to the Maildir or to a directory in it, which are looked at anyway.
fn leads_to_mailbox(root: &Path, link: &Path) -> bool {
    match (root.canonicalize(), link.canonicalize()) {
        (Ok(root), Ok(target)) => target == root || target.parent() == Some(&root),
        _ => false,
    }
}

/// Adds directories with messages that lie in `directory`. What cannot be read is passed over.
fn nested(root: &Path, directory: &Path, depth: usize, odd: &mut Vec<OddDirectory>) {
    // An error is one of this directory, and of no other.
    let _ = for_each_directory(&root.join(directory), |entry, is_link| {
        if is_link {
            return Ok(());
        }
        let path = directory.join(entry);
        let messages = messages(&root.join(&path));
        if messages.is_some_and(|count| count > 0) {
            odd.push(OddDirectory { path: path.clone(), reason: OddReason::Nested, messages, becomes: None });
        }
        if depth < DEPTH_MAX {
            nested(root, &path, depth + 1, odd);
        }
        Ok(())
    });
}

/// The name that a repair gives: the one that was meant, as far as that can be told, with a
/// number where it is taken.
fn becomes(
    root: &Path,
    names: DirectoryNames,
    odd: &OddDirectory,
    taken: &BTreeSet<MailboxName>,
) -> Option<MailboxName> {
    if matches!(odd.reason, OddReason::Link | OddReason::LinkedCur) {
        return None;
    }
    if odd.reason == OddReason::NoCur {
        // With a UID list, messages of a `cur` that vanished would be taken for expunged.
        let has_list = root.join(&odd.path).join(own_files::UID_LIST).symlink_metadata().is_ok();
        return names.read(odd.path.as_os_str()).ok().filter(|_| !has_list);
    }
    let levels: Vec<String> =
        odd.path.components().flat_map(|component| levels(names, component.as_os_str())).collect();
    let wanted = meant(names, levels);
    let is_free = |name: &MailboxName| {
        let path = new_path(root, names, name);
        !name.is_inbox() && !taken.contains(name) && path.is_ok_and(|path| path.symlink_metadata().is_err())
    };
    let numbered = NUMBERS.filter_map(|number| MailboxName::new(&format!("{wanted}-{number}")).ok());
    std::iter::once(wanted.clone()).chain(numbered).find(is_free)
}

/// The levels that a directory's name means. What no mailbox's name can hold becomes `_`.
fn levels(names: DirectoryNames, entry: &OsStr) -> Vec<String> {
    if let Ok(name) = names.read(entry) {
        return name.levels().map(str::to_owned).collect();
    }
    let bytes = entry.as_bytes();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Latin-1, as systems of old had it.
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let levels: Vec<String> = match text.strip_prefix('.') {
        Some(text) => {
            let decoded = text.split('.').map(utf7::decode_level).collect::<Option<Vec<String>>>();
            decoded.unwrap_or_else(|| text.split('.').map(str::to_owned).collect())
        }
        None => vec![text],
    };
    let clean = |level: String| level.replace(|c: char| c.is_control() || c == '/', "_");
    levels.into_iter().map(clean).filter(|level| level.bytes().any(|b| b != b'.')).collect()
}

/// A name of these levels, with room left for a number.
fn meant(names: DirectoryNames, mut levels: Vec<String>) -> MailboxName {
    const ROOM: usize = MailboxName::LENGTH_MAX - "-9999".len();
    loop {
        match MailboxName::from_levels(&levels) {
            Ok(name) if name.as_str().len().max(names.own(&name).len()) <= ROOM => return name,
            Ok(_) | Err(BadName::TooLong) => {
                let is_empty = levels.last_mut().is_none_or(|level| level.pop().is_none());
                levels.truncate(levels.len() - usize::from(is_empty));
            }
            // A directory INBOX.Sub, without a dot before it.
            Err(BadName::Dots) => {
                levels = levels.iter().flat_map(|it| it.split('.')).map(str::to_owned).collect();
                levels.retain(|level| !level.is_empty());
            }
            Err(BadName::EmptyLevel | BadName::Character) if levels.iter().any(String::is_empty) => {
                levels.retain(|level| !level.is_empty());
            }
            Err(BadName::EmptyLevel | BadName::Character) => levels = vec!["Unnamed".to_owned()],
        }
    }
}

fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(text) => {
            let escaped =
                |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
            text.chars().map(escaped).collect()
        }
        None => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}
