//! Looking at everything of a mailbox, and changing nothing.

mod index;

use super::list::{self, ListAudit};
use super::{FindingKind, Findings, Subject};
use crate::cache::audit::{Head, head};
use crate::cache::{Cache, Whose};
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::number_after;
use crate::index_root::IndexRoot;
use crate::mailbox::state::State;
use crate::message::MessageFile;
use crate::own_files;
use crate::scan::{FoundFiles, Place, Stamp, is_mail, is_nameless, scan};
use crate::special_uses::Remembered;
use crate::witness::Reached;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a look at everything gave: what is wrong, and what a repair goes on with.
pub(super) struct Audit {
    pub(super) findings: Findings,
    /// Message files.
    pub(super) messages: u64,
    /// `None` where there is no list.
    pub(super) list: Option<ListAudit>,
    /// What the index says, with what the list has behind it; `None` where there is none that
    /// can be read.
    pub(super) index: Option<State>,
    pub(super) found: FoundFiles,
    /// Directories' times under which the files were found, if nothing happened meanwhile.
    pub(super) stamp: Option<Stamp>,
}

/// Looks at everything. The lock is held, unless nobody has opened the mailbox yet.
pub(super) fn audit(subject: &Subject<'_>, progress: &mut dyn FnMut(u64)) -> Result<Audit> {
    let mut findings = Findings::default();
    let is_whole = directories(subject, &mut findings)?;
    own_files(subject, &mut findings)?;
    special_uses(subject, &mut findings)?;
    leftovers(subject, &mut findings);
    let (found, stamp) =
        if is_whole { files(subject, &mut findings)? } else { (FoundFiles::default(), None) };
    let mut list = read_list(subject, &mut findings)?;
    let mut of_index = None;
    if let Some(list) = &mut list {
        of_index = index::compare_index(subject, list, is_whole.then_some(&found), stamp, &mut findings)?;
        uid_validity(subject, list, &mut findings)?;
        behind_witness(subject, list, &mut findings);
        cache(subject, list, &mut findings);
    }
    let mut audit =
        Audit { findings, messages: found.files().len() as u64, list, index: of_index, found, stamp };
    audit.each_file(subject, progress)?;
    Ok(audit)
}

/// `cur/`, `new/` and `tmp/`; whether the messages can be looked for: the server makes `new/`
/// before it looks, and till then there is nothing to compare.
fn directories(subject: &Subject<'_>, findings: &mut Findings) -> Result<bool> {
    let mut is_whole = true;
    for name in ["cur", "new", "tmp"] {
        let path = subject.directory.join(name);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => {
                is_whole = false;
                let what = if metadata.is_symlink() { "is a symbolic link" } else { "is no directory" };
                findings.add(FindingKind::DirectoryStrange, || format!("{name} {what}"));
            }
            Err(error) if !crate::disk::is_missing(&error) => {
                return Err(Error::reading("cannot look at", &path, error));
            }
            _ => {
                is_whole &= name == "tmp";
                let kind =
                    if name == "cur" { FindingKind::CurMissing } else { FindingKind::DirectoryMissing };
                findings.add(kind, || format!("{name}/"));
            }
        }
    }
    Ok(is_whole)
}

/// Owner, permissions and kind of our own files.
pub(super) fn own_files(subject: &Subject<'_>, findings: &mut Findings) -> Result<()> {
    for (directory, name) in subject.own_files() {
        if let Some(fault) = own_file_fault(directory, name)? {
            findings.add(FindingKind::OwnFile, || format!("{name} {fault}"));
        }
    }
    let index = subject.shared.index.as_ref().filter(|_| subject.is_inbox);
    if let Some(fault) = index.and_then(IndexRoot::fault) {
        findings.add(FindingKind::OwnFile, || format!("{} {fault}", subject.index_directory.display()));
    }
    Ok(())
}

/// What is wrong with a file of ours; nothing, also where it is missing.
pub(super) fn own_file_fault(directory: &Path, name: &str) -> Result<Option<String>> {
    let path = directory.join(name);
    let failed = |error| Error::reading("cannot look at", &path, error);
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if crate::disk::is_missing(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let (uid, mode) = (metadata.uid(), metadata.permissions().mode() & 0o7777);
    // Whoever owns the Maildir, or is the server.
    let owner = directory.symlink_metadata().map_err(failed)?.uid();
    let me = rustix::process::geteuid().as_raw();
    Ok(if !metadata.is_file() {
        Some("is no regular file".to_owned())
    } else if uid != owner && uid != me {
        Some(format!("belongs to the user {uid}, the mailbox to {owner}"))
    } else if mode & 0o600 != 0o600 {
        Some(format!("has mode {mode:04o}: its owner must read and write it"))
    } else if mode & 0o022 != 0 {
        Some(format!("has mode {mode:04o}: others may write it"))
    } else {
        None
    })
}

/// What is remembered of special uses; it belongs to the account, and is looked at with the inbox.
fn special_uses(subject: &Subject<'_>, findings: &mut Findings) -> Result<()> {
    let root = &subject.shared.root;
    if !subject.is_inbox || own_file_fault(root, own_files::SPECIAL_USES)?.is_some() {
        return Ok(());
    }
    let remembered = match Remembered::read(root) {
        Err(error) if error.kind == ErrorKind::Damaged => {
            findings.add(FindingKind::SpecialUseDamaged, || "larger than any such file".to_owned());
            return Ok(());
        }
        remembered => remembered?,
    };
    for line in remembered.damaged {
        findings.add(FindingKind::SpecialUseDamaged, || format!("line {line}"));
    }
    if let Some(version) = remembered.later_version {
        findings.add(FindingKind::SpecialUseLater, || format!("version {version}"));
    }
    Ok(())
}

/// What deliveries, our own writing and mailboxes that are gone left behind.
fn leftovers(subject: &Subject<'_>, findings: &mut Findings) {
    for name in subject.indexes_left() {
        findings.add(FindingKind::IndexLeft, || escaped(name.as_bytes()));
    }
    for path in subject.leftovers() {
        let name = path.strip_prefix(&subject.directory).unwrap_or(&path);
        findings.add(FindingKind::Leftover, || escaped(name.as_os_str().as_bytes()));
    }
}

/// What lies in `new/` and `cur/`, and when they last changed, if that can be told.
fn files(subject: &Subject<'_>, findings: &mut Findings) -> Result<(FoundFiles, Option<Stamp>)> {
    let directory = &subject.directory;
    let (before, now) = (Stamp::of(directory)?, SystemTime::now());
    let mut found = scan(directory)?;
    for place in [Place::New, Place::Cur] {
        entries(subject, place, &found, findings)?;
    }
    if Stamp::of(directory)? != before {
        // A file that was renamed while its directory was read may be seen under neither name.
        found = scan(directory)?;
        return Ok((found, None));
    }
    Ok((found, Some(before).filter(|stamp| stamp.is_settled_at(now))))
}

/// Entries that are no mail, and doubles.
fn entries(subject: &Subject<'_>, place: Place, found: &FoundFiles, findings: &mut Findings) -> Result<()> {
    let path = subject.directory.join(place.directory());
    let failed = |error| Error::reading("cannot read", &path, error);
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let name = file_name.as_bytes();
        let shown = || format!("{}/{}", place.directory(), escaped(name));
        // What is gone meanwhile is nothing to speak of.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_file() && is_nameless(name) {
            findings.add(FindingKind::FileNameless, shown);
            continue;
        }
        if !kind.is_file() || !is_mail(name) {
            let what = match kind {
                kind if kind.is_file() => "no message's name",
                kind if kind.is_dir() => "a directory",
                kind if kind.is_symlink() => "a symbolic link",
                _ => "no regular file",
            };
            findings.add(FindingKind::EntryIgnored, || format!("{}: {what}", shown()));
            continue;
        }
        let base = crate::file_name::split(name).0;
        let Some(other) = found.find(base) else { continue };
        let is_other = other.place != place || found.suffix(other) != &name[base.len()..];
        if !is_other {
            continue;
        }
        let other_name = [base, found.suffix(other)].concat();
        let other_path = subject.directory.join(other.place.directory()).join(OsStr::from_bytes(&other_name));
        // Not one file on its way from one name to the other.
        let both = [entry.path(), other_path, entry.path()];
        if both.iter().all(|path| path.symlink_metadata().is_ok()) {
            let counts = || format!("{}/{}", other.place.directory(), escaped(&other_name));
            findings.add(FindingKind::FileDouble, || format!("{} beside {}", shown(), counts()));
        }
    }
    Ok(())
}

fn read_list(subject: &Subject<'_>, findings: &mut Findings) -> Result<Option<ListAudit>> {
    let path = subject.directory.join(own_files::UID_LIST);
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        // Said already.
        return Ok(None);
    }
    let list = list::read(&path, findings)?;
    if list.is_none() {
        let is_there = |path: PathBuf| path.symlink_metadata().is_ok();
        // One that lies elsewhere may be that of a mailbox that had the name before.
        let has_index = match subject.shared.index {
            Some(_) => subject.load_index().is_some(),
            None => is_there(subject.directory.join(own_files::INDEX)),
        };
        let was_there = has_index && !is_there(subject.directory.join(own_files::HANDED_OVER));
        let kind = if was_there { FindingKind::ListGone } else { FindingKind::ListNone };
        findings.add(kind, || own_files::UID_LIST.to_owned());
    }
    Ok(list)
}

fn uid_validity(subject: &Subject<'_>, list: &ListAudit, findings: &mut Findings) -> Result<()> {
    let noted = subject.shared.greatest_uid_validity()?;
    if let Some(validity) = list.uid_validity.filter(|validity| validity.get() > noted) {
        let example = || format!("UIDVALIDITY is {validity}, the greatest noted {noted}");
        findings.add(FindingKind::UidValidityNotNoted, example);
    }
    Ok(())
}

/// Whether clients were told of more than the list has, by what is noted with the account.
fn behind_witness(subject: &Subject<'_>, list: &ListAudit, findings: &mut Findings) {
    let (Some(noted), Some(_)) = (subject.noted(), list.uid_validity) else { return };
    let of_list = Reached::of(&list.state);
    if of_list.is_behind(&noted) {
        let shown = |of: Reached| {
            let Reached { uid_validity, uid_next, highest_modseq } = of;
            format!("UIDVALIDITY {uid_validity}, UIDNEXT {uid_next}, HIGHESTMODSEQ {}", highest_modseq.0)
        };
        let example = || format!("{}; clients were told {}", shown(of_list), shown(noted));
        findings.add(FindingKind::ListBehind, example);
    }
}

fn cache(subject: &Subject<'_>, list: &ListAudit, findings: &mut Findings) {
    let Some(directory) = subject.index_to_read() else { return };
    let is_there = directory.join(own_files::CACHE).is_file();
    let Some(validity) = list.uid_validity.filter(|_| is_there) else { return };
    match head(directory, validity) {
        Head::Missing => {}
        Head::Newer => findings.add(FindingKind::FileNewer, || own_files::CACHE.to_owned()),
        Head::Stale => findings.add(FindingKind::CacheStale, || own_files::CACHE.to_owned()),
        Head::Damaged => findings.add(FindingKind::CacheDamaged, || "byte 0: no cache's header".to_owned()),
        Head::Sound => {
            for fault in sound_records(directory, validity).1 {
                findings.add(FindingKind::CacheDamaged, || fault);
            }
        }
    }
}

/// Records of a cache that are sound, and what is wrong with it. Records are appended without
/// the lock: what is being written while we read may look damaged once, not twice.
pub(super) fn sound_records(
    directory: &Path,
    validity: mail::UidValidity,
) -> (Vec<(Whose, u32)>, Vec<String>) {
    const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(50);
    for attempt in 0.. {
        let Some(mut cache) = Cache::open(directory, validity) else { break };
        let audit = cache.audit();
        if audit.faults.is_empty() || attempt == 1 {
            return (audit.records, audit.faults);
        }
        std::thread::sleep(AGAIN_AFTER);
    }
    (Vec::new(), Vec::new())
}

impl Audit {
    /// What only the messages' files can say: dates, sizes, and whether they can be read.
    fn each_file(&mut self, subject: &Subject<'_>, progress: &mut dyn FnMut(u64)) -> Result<()> {
        for at in 0..self.found.files().len() {
            let file = self.found.files()[at];
            let base = self.found.base(&file).to_vec();
            let name = [&base[..], self.found.suffix(&file)].concat();
            let path = subject.directory.join(file.place.directory()).join(OsStr::from_bytes(&name));
            self.one_file(subject, &path, &base)?;
            progress(1);
        }
        Ok(())
    }

    fn one_file(&mut self, subject: &Subject<'_>, path: &Path, base: &[u8]) -> Result<()> {
        // One that was renamed or removed meanwhile is the next look's.
        let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
        let mut on_wire = None;
        // A file as long as its name says is not compressed.
        let is_doubtful = crate::file_name::disk_size(base) != Some(metadata.len());
        let file = match (subject.sizes || is_doubtful).then(|| MessageFile::open(path)).transpose() {
            Ok(file) => file.flatten(),
            Err(error) if error.is_of_compression() => {
                self.findings.add(FindingKind::Unreadable, || format!("{}: {error}", escaped(base)));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let size = file.as_ref().map_or(metadata.len(), MessageFile::size);
        if let Some(file) = file.filter(|_| subject.sizes) {
            let octets = file.count_octets()?;
            on_wire = Some(octets);
            for (key, right) in [(&b",S="[..], file.size()), (b",W=", octets)] {
                if let Some(said) = number_after(base, key).filter(|said| *said != right) {
                    let key = String::from_utf8_lossy(&key[1..]).into_owned();
                    let example = || format!("{}: {key}{said}, and it is {right}", escaped(base));
                    self.findings.add(FindingKind::NameSize, example);
                }
            }
        }
        let Some(row) = self.index.as_mut().and_then(|index| index.names.find(base)) else { return Ok(()) };
        let Some(index) = &mut self.index else { return Ok(()) };
        let uid = index.uids[row];
        let date = index.facts.dates[row].checked_sub(1).map(i64::from);
        if let Some(date) = date.filter(|date| *date != metadata.mtime()) {
            let example = || format!("UID {uid}: its date, {date} instead of {}", metadata.mtime());
            self.findings.add(FindingKind::IndexWrong, example);
        }
        let said = index.facts.sizes[row].checked_sub(1).map(u64::from);
        // What its name says is said of the name.
        let said = said.filter(|said| Some(*said) != crate::file_name::wire_size(base, size));
        let (least, most) = on_wire.map_or((size, size.saturating_mul(2)), |octets| (octets, octets));
        if let Some(said) = said.filter(|said| !(least..=most).contains(said)) {
            let example = || format!("UID {uid}: its size, {said} octets, of {size} bytes on disk");
            self.findings.add(FindingKind::IndexWrong, example);
        }
        // For a repair, which writes the index anew.
        if let Some(size) = on_wire.and_then(|octets| u32::try_from(octets).ok()?.checked_add(1)) {
            index.facts.sizes[row] = size;
        }
        Ok(())
    }
}

impl Subject<'_> {
    /// Where index and cache are read; `None` where they are not to be believed.
    pub(super) fn index_to_read(&self) -> Option<&Path> {
        self.shared.trusts_index().then_some(&*self.index_directory)
    }

    /// Reads the index, whatever list it belongs to.
    pub(super) fn load_index(&self) -> Option<crate::mailbox::index::Saved> {
        crate::mailbox::index::load(self.index_to_read()?, &self.directory)
    }

    /// Directories in which indexes of mailboxes lie that are gone; looked for with the inbox.
    pub(super) fn indexes_left(&self) -> Vec<std::ffi::OsString> {
        let Some(index) = self.shared.index.as_ref().filter(|_| self.is_inbox) else { return Vec::new() };
        // What is not there is looked at one by one.
        index.left_behind(&BTreeSet::new())
    }

    /// How far the mailbox was seen to get.
    pub(super) fn noted(&self) -> Option<Reached> {
        self.shared.witness.of(&self.directory)
    }

    /// Our own files: their directory and name.
    pub(super) fn own_files(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        let of_mailbox = own_files::OF_MAILBOX.into_iter().map(|name| (&*self.directory, name));
        let of_index = own_files::OF_INDEX.into_iter().map(|name| (&*self.index_directory, name));
        let of_account = own_files::OF_ACCOUNT.into_iter().filter(|_| self.is_inbox);
        of_mailbox.chain(of_index).chain(of_account.map(|name| (&*self.shared.root, name)))
    }

    /// What deliveries and our own writing left behind.
    pub(super) fn leftovers(&self) -> Vec<std::path::PathBuf> {
        let files = |directory: &Path, is_ours: &dyn Fn(&[u8]) -> bool| {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let old = entries.filter(|entry| is_ours(entry.file_name().as_bytes())).filter(|entry| {
                entry
                    .metadata()
                    .is_ok_and(|metadata| metadata.is_file() && crate::directory::is_left_over(&metadata))
            });
            old.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let temporary =
            |name: &[u8]| name.starts_with(b"restante") && memchr::memmem::find(name, b".tmp.").is_some();
        let tmp = self.directory.join("tmp");
        let is_own = tmp.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        let mut all = if is_own { files(&tmp, &|_| true) } else { Vec::new() };
        all.extend(files(&self.directory, &temporary));
        if self.index_directory != self.directory {
            all.extend(files(&self.index_directory, &temporary));
        }
        all.sort();
        all
    }
}

/// A name as it can be printed.
fn escaped(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
