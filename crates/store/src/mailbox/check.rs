//! Checking what lies beside a mailbox's messages (UID list, index, cache) against the Maildir,
//! and making it right again.
//!
//! A check changes nothing at all, down to the last byte: it takes in no news, makes no lock
//! file where there is none, and clears no `tmp/`. So it does not open the mailbox as sessions
//! do, but reads the files for itself, under the mailbox's lock.
//!
//! A repair writes what is ours and makes directories that are missing. It moves and removes no
//! message, renames only files that cannot be messages under their names, and leaves to the next
//! look what other programs did meanwhile. It works beside a running server, for which the new
//! list is one that another process wrote.

mod audit;
mod list;
mod repair;

use crate::account::Account;
use crate::directory;
use crate::directory_name::DirectoryNames;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::Lock;
use crate::own_files;
use crate::root;
use crate::shared::Shared;
use audit::Audit;
use mail::MailboxName;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Examples of a finding that are kept.
const EXAMPLES_MAX: usize = 3;

/// How [`Account::check`] checks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CheckOptions {
    /// Damage is repaired, as far as that can be done.
    pub repair: bool,
    /// Sizes are compared with the messages: each is read, to its end.
    pub sizes: bool,
}

/// What [`Account::check`] found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CheckReport {
    /// Message files that are there.
    pub messages: u64,
    /// How it is now, after a repair where one was made.
    pub findings: Vec<Finding>,
    /// Damage that was found and is no more.
    pub repaired: Vec<Finding>,
}

/// Something that a check found, once or often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// How often, at least 1.
    pub count: u64,
    /// Some places where it is; names in them are escaped.
    pub examples: Vec<String>,
}

/// The kinds of findings: first damage, then what is no damage but worth saying.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FindingKind {
    /// `cur/` is missing. It is not made by a repair: with it, all messages would be taken for
    /// expunged.
    CurMissing,
    /// `cur/`, `new/` or `tmp/` is a symbolic link, or no directory at all: the mailbox is not
    /// served. It is left alone by a repair, as what it leads to may be somebody's mail.
    DirectoryStrange,
    /// `new/` or `tmp/` is missing.
    DirectoryMissing,
    /// A file of ours belongs to somebody else, has unsuitable permissions, or is no file.
    OwnFile,
    /// The list is gone, though there was one. Nothing can bring it back but a backup.
    ListGone,
    /// Lines of the list with a wrong checksum, or that make no sense.
    LineDamaged,
    /// The last line of the list has no end.
    LineTorn,
    /// Lines that contradict others: UIDs that do not ascend, two lines for one file, flags of
    /// a message that has no line.
    LineContradictory,
    /// The list has no UIDVALIDITY.
    UidValidityLost,
    /// The index, or what is noted with the account, knows of UIDs or MODSEQs that the list does not
    /// have: its end was lost, or an older one put in its place. Where the index does not have all
    /// that is noted, a repair gives a new UIDVALIDITY.
    ListBehind,
    /// UIDNEXT is not above all UIDs that were given.
    UidNextLow,
    /// Messages with a keyword that the list does not define.
    KeywordUndefined,
    /// `restante-uidvalidity` is below the mailbox's UIDVALIDITY: made again, it could get the
    /// same.
    UidValidityNotNoted,
    /// Lines of `restante-specialuse` that make no sense.
    SpecialUseDamaged,
    /// The index cannot be read.
    IndexDamaged,
    /// The index says something else than list and Maildir.
    IndexWrong,
    /// Records of the cache that are damaged.
    CacheDamaged,
    /// Files of the same base name: only one of them can be a message.
    FileDouble,
    /// Files without a base name (`:2,S`).
    FileNameless,
    /// Messages that are compressed in a way that is not read, or whose compressed files are
    /// damaged.
    Unreadable,
    /// `,S=` or `,W=` in a file's name is not the message's size. A repair does not rename it.
    NameSize,
    /// `restante-specialuse` is of a later version: it is left alone.
    SpecialUseLater,
    /// The mailbox has no list yet: it gets one when it is first opened.
    ListNone,
    /// Files without a line: mail that came since the last look.
    FileNew,
    /// Lines without a file: messages that other programs removed since the last look.
    FileGone,
    /// Files whose flags other programs changed since the last look.
    FlagsNew,
    /// Entries of `new/` and `cur/` that are never mail.
    EntryIgnored,
    /// Leftovers of deliveries and of our own writing, older than 36 hours.
    Leftover,
    /// Indexes of mailboxes that are gone, in a directory of their own: other nodes, or other
    /// programs, removed or renamed these.
    IndexLeft,
    /// There is no index, or one of another list: it is made again at the next opening.
    IndexNone,
    /// The cache is one of another UIDVALIDITY: it is begun anew.
    CacheStale,
    /// Index or cache are of a later version: they are left alone, and the mailbox is served without
    /// them.
    FileNewer,
}

impl FindingKind {
    /// Whether it is damage; else it is news, or a remark.
    pub fn is_damage(self) -> bool {
        self <= Self::NameSize
    }
}

impl CheckReport {
    /// Whether there is no damage.
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|finding| finding.kind.is_damage())
    }
}

/// A mailbox that is checked.
struct Subject<'a> {
    shared: &'a Shared,
    directory: PathBuf,
    /// Where its index and its cache lie.
    index_directory: PathBuf,
    is_inbox: bool,
    sizes: bool,
}

/// What is found, on its way into a report.
#[derive(Default)]
struct Findings {
    by_kind: BTreeMap<FindingKind, (u64, Vec<String>)>,
}

impl Account {
    /// Mailboxes that can be checked, in the order of LIST: those that are there, and those
    /// whose `cur/` has vanished; each with how many entries `new/` and `cur/` have.
    pub fn checkable(&self) -> Result<Vec<(MailboxName, u64)>> {
        let _entered = self.enter()?;
        let (root, spellings) = (&self.shared().root, self.shared().settings.directory_names());
        let mut names = vec![MailboxName::inbox()];
        let entries = std::fs::read_dir(root).map_err(|error| Error::reading("cannot read", root, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Error::reading("cannot read", root, error))?;
            let is_there = || is_checkable(&entry.path());
            names.extend(spellings.read(&entry.file_name()).ok().filter(|_| is_there()));
        }
        names[1..].sort();
        names.dedup();
        let count = |path: PathBuf| std::fs::read_dir(path).map_or(0, |entries| entries.count() as u64);
        let counted = |name: MailboxName| {
            let directory = directory_of(root, spellings, &name)?;
            let entries = count(directory.join("cur")) + count(directory.join("new"));
            Ok((name, entries))
        };
        names.into_iter().map(counted).collect()
    }

    /// Checks a mailbox, and repairs it if `options` say so; see the module's description.
    /// `progress` is called with numbers of messages that are done.
    ///
    /// Errors say that it could not be checked: that is no finding. What a repair could not
    /// repair is a finding.
    pub fn check(
        &self,
        name: &MailboxName,
        options: CheckOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CheckReport> {
        let _entered = self.enter()?;
        let shared = self.shared();
        let directory = directory_of(&shared.root, shared.settings.directory_names(), name)?;
        let index_directory = shared.index_directory(&directory);
        let (is_inbox, sizes) = (name.is_inbox(), options.sizes);
        let subject = Subject { shared, directory, index_directory, is_inbox, sizes };
        if !options.repair {
            return Ok(subject.check(progress)?.report());
        }
        // What is not ours cannot be locked, or not be read.
        let mut own = Findings::default();
        audit::own_files(&subject, &mut own)?;
        if own.has(FindingKind::OwnFile) {
            repair::make_all_ours(&subject);
        }
        let _lock = Lock::take(&subject.lock_path(), shared.settings.lock_wait_ms_max)?;
        let mut before = audit::audit(&subject, progress)?;
        before.findings.by_kind.extend(own.by_kind);
        if before.findings.is_quiet() {
            return Ok(before.report());
        }
        repair::repair(&subject, &mut before)?;
        let mut report = audit::audit(&subject, &mut |_| {})?.report();
        let left = |finding: &Finding| report.findings.iter().find(|left| left.kind == finding.kind);
        for mut finding in before.report().findings.into_iter().filter(|finding| finding.kind.is_damage()) {
            finding.count = finding.count.saturating_sub(left(&finding).map_or(0, |left| left.count));
            report.repaired.extend(Some(finding).filter(|finding| finding.count > 0));
        }
        Ok(report)
    }
}

impl Subject<'_> {
    fn check(&self, progress: &mut dyn FnMut(u64)) -> Result<Audit> {
        let lock = || Lock::take_existing(&self.lock_path(), self.shared.settings.lock_wait_ms_max);
        let held = lock()?;
        let audit = audit::audit(self, progress)?;
        if held.is_some() {
            return Ok(audit);
        }
        // Nobody had opened the mailbox yet, and a check leaves no lock file behind; but somebody
        // may have done so meanwhile.
        match lock()? {
            Some(_held) => audit::audit(self, &mut |_| {}),
            None => Ok(audit),
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.directory.join(own_files::UID_LIST_LOCK)
    }
}

impl Findings {
    fn add(&mut self, kind: FindingKind, example: impl FnOnce() -> String) {
        let (count, examples) = self.by_kind.entry(kind).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(example());
        }
    }

    fn has(&self, kind: FindingKind) -> bool {
        self.by_kind.contains_key(&kind)
    }

    /// Whether a repair has nothing to do.
    fn is_quiet(&self) -> bool {
        let is_work = |kind: &FindingKind| {
            kind.is_damage()
                || [FindingKind::Leftover, FindingKind::IndexLeft, FindingKind::IndexNone].contains(kind)
        };
        !self.by_kind.keys().any(is_work)
    }
}

impl Audit {
    fn report(&self) -> CheckReport {
        let finding = |(kind, (count, examples)): (&FindingKind, &(u64, Vec<String>))| Finding {
            kind: *kind,
            count: *count,
            examples: examples.clone(),
        };
        let findings = self.findings.by_kind.iter().map(finding).collect();
        CheckReport { messages: self.messages, findings, repaired: Vec::new() }
    }
}

/// The directory of a mailbox, also of one without `cur/`.
fn directory_of(root: &Path, names: DirectoryNames, name: &MailboxName) -> Result<PathBuf> {
    if let Some(directory) = root::find(root, names, name)? {
        return Ok(directory);
    }
    let mut found = None;
    root::for_each_directory(root, |entry, _| {
        let path = root.join(&entry);
        if found.is_none() && names.read(&entry).as_ref() == Ok(name) && is_checkable(&path) {
            found = Some(path);
        }
        Ok(())
    })?;
    found.ok_or_else(|| {
        Error::new(ErrorKind::NonExistent, "no such mailbox:", &root.join(format!(".{}", names.own(name))))
    })
}

/// Whether a directory is a mailbox, or was one: with a list or Maildir++'s marker in it.
fn is_checkable(path: &Path) -> bool {
    let is_there = |name: &str| path.join(name).symlink_metadata().is_ok();
    let is_directory = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    let was_one = || is_there(own_files::UID_LIST) || is_there("maildirfolder");
    directory::is_mailbox(path).unwrap_or(false) || (is_directory && was_one())
}
