//! `restante-witness`: how far each mailbox of an account was seen to get.
//!
//! A UID list that is put back from a backup, or cut short, would give UIDs out a second time.
//! This file lies with the account and not with the list, and says what the list must not fall
//! behind. It is text, appended to a line at a time; each line begins with the CRC-32 of what
//! follows, as in the UID list.
//!
//! | line | meaning |
//! |---|---|
//! | `V 1 ID` | the first line: version of the format, and what tells this file from the one before |
//! | `W UIDVALIDITY UIDNEXT MODSEQ DIRECTORY` | the mailbox in that directory got this far |
//! | `D DIRECTORY` | lines before this one do not count for it |
//!
//! Of lines with the same UIDVALIDITY the greatest numbers count, else the last line. DIRECTORY is
//! the name in the Maildir, `.` for the inbox, with `%XX` as in the UID list. Records of other kinds
//! are kept, and written again as they stand; a file of a later version is left alone.
//!
//! It is written with the index and, between, each time that a mailbox got [`UIDS_AHEAD`] or
//! [`MODSEQS_AHEAD`] further: before a client is told of what is further still. It is not synced.
//! What it says was so, and no more than that may have been told; lost, nobody is the wiser.

use crate::disk::replace;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::unique;
use crate::own_files;
use crate::uid_list::{escape, framed, unescape, unframed};
use mail::{ModSeq, Uid, UidValidity};
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// UIDs that may have been given out beyond what was noted.
pub(crate) const UIDS_AHEAD: u32 = 32;
/// MODSEQs, likewise.
pub(crate) const MODSEQS_AHEAD: u64 = 1_000;

/// Largest file that is read, in bytes: 100,000 mailboxes with long names, and then some.
const SIZE_MAX: u64 = 64 * 1024 * 1024;
/// Lines beyond four for each mailbox, from which on it is written anew.
const LINES_SPARE: usize = 1_000;

/// How far a mailbox got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reached {
    pub(crate) uid_validity: UidValidity,
    /// [`Uid::MAX`] also when all UIDs are used up.
    pub(crate) uid_next: Uid,
    pub(crate) highest_modseq: ModSeq,
}

impl Reached {
    /// Whether it is from before `other`: it lacks UIDs or MODSEQs of the same UIDVALIDITY, or its
    /// UIDVALIDITY is a lower one (RFC 3501 section 2.3.1.1: it only rises).
    pub(crate) fn is_behind(&self, other: &Self) -> bool {
        self.uid_validity < other.uid_validity
            || self.uid_validity == other.uid_validity
                && (self.uid_next < other.uid_next || self.highest_modseq < other.highest_modseq)
    }

    /// Whether so much was given out since `noted` that it is to be noted again.
    pub(crate) fn is_far_beyond(&self, noted: Option<&Self>) -> bool {
        let start = Self { uid_next: Uid::MIN, highest_modseq: ModSeq(1), ..*self };
        let noted = noted.filter(|noted| noted.uid_validity == self.uid_validity).unwrap_or(&start);
        self.uid_next.get() > noted.uid_next.get().saturating_add(UIDS_AHEAD)
            || self.highest_modseq.0 > noted.highest_modseq.0.saturating_add(MODSEQS_AHEAD)
    }

    /// The furthest of both, which have one UIDVALIDITY.
    pub(crate) fn or_further(self, other: Self) -> Self {
        let uid_next = self.uid_next.max(other.uid_next);
        Self { uid_next, highest_modseq: self.highest_modseq.max(other.highest_modseq), ..other }
    }
}

/// The file of an account, and what it said when it was last read. Writing wants the account's
/// lock.
#[derive(Debug)]
pub(crate) struct Witness {
    root: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default, Debug)]
struct Known {
    reached: HashMap<Box<[u8]>, Reached>,
    /// The file's first line, by which it is known again: inodes are used again.
    head: Vec<u8>,
    /// Up to where it was read, in bytes.
    read: u64,
    /// Lines up to there.
    lines: usize,
    /// Records that this program does not know.
    unknown: Vec<Box<str>>,
    /// It is one of a later version: it is neither read nor written.
    is_newer: bool,
}

/// A line.
enum Line {
    Version(u64, String),
    Reached(Box<[u8]>, Reached),
    Dropped(Box<[u8]>),
    Unknown(Box<str>),
}

impl Witness {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: Mutex::default() }
    }

    /// How far the mailbox in that directory was seen to get. A file that cannot be read says
    /// nothing.
    pub(crate) fn of(&self, directory: &Path) -> Option<Reached> {
        let mut known = self.lock();
        if let Err(error) = known.read(&self.path()) {
            tracing::debug!(%error, "nothing is known of how far mailboxes got");
        }
        let reached = known.reached.get(&self.key(directory)).copied();
        reached.filter(|_| !known.is_newer)
    }

    /// Notes how far the mailbox in that directory got; the account's lock is held.
    pub(crate) fn note(&self, directory: &Path, reached: Reached) -> Result<()> {
        self.append(&[Line::Reached(self.key(directory), reached)])
    }

    /// A mailbox's directory has another name now; likewise.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let reached = self.of(from);
        let (from, to) = (self.key(from), self.key(to));
        let mut lines = vec![Line::Dropped(to.clone()), Line::Dropped(from)];
        lines.extend(reached.map(|reached| Line::Reached(to, reached)));
        self.append(&lines)
    }

    fn append(&self, lines: &[Line]) -> Result<()> {
        let mut known = self.lock();
        let path = self.path();
        let is_torn = known.read(&path)?;
        if known.is_newer {
            return Ok(());
        }
        lines.iter().for_each(|line| known.take(line));
        if known.head.is_empty()
            || is_torn
            || known.lines > LINES_SPARE + 4 * (known.reached.len() + known.unknown.len())
        {
            return known.write(&self.root, &path);
        }
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| line.write(&mut bytes));
        let failed = |error| Error::io("cannot append to", &path, error);
        let mut file = open(&path, OFlags::WRONLY | OFlags::APPEND).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        known.lines += lines.len();
        known.read += bytes.len() as u64;
        Ok(())
    }

    /// What a mailbox is called in the file.
    fn key(&self, directory: &Path) -> Box<[u8]> {
        match directory.strip_prefix(&self.root).map(|name| name.as_os_str().as_bytes()) {
            Ok(b"") => (*b".").into(),
            Ok(name) => name.into(),
            Err(_) => directory.as_os_str().as_bytes().into(),
        }
    }

    fn path(&self) -> PathBuf {
        self.root.join(own_files::WITNESS)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes in what the file says by now; whether its last line does not end. Damaged lines are
    /// passed over.
    fn read(&mut self, path: &Path) -> Result<bool> {
        let failed = |error| Error::io("cannot read", path, error);
        let file = match open(path, OFlags::RDONLY) {
            Ok(file) => file,
            Err(error) => {
                *self = Self::default();
                return if crate::disk::is_missing(&error) { Ok(false) } else { Err(failed(error)) };
            }
        };
        let metadata = file.metadata().map_err(failed)?;
        let mut head = vec![0; self.head.len()];
        let is_same = !head.is_empty()
            && metadata.len() >= self.read
            && file.read_exact_at(&mut head, 0).is_ok()
            && head == self.head;
        if !is_same {
            *self = Self::default();
        }
        if !metadata.is_file() || metadata.len() > SIZE_MAX {
            return Err(Error::new(ErrorKind::Damaged, "no regular file of sensible size:", path));
        }
        let mut bytes = vec![0; usize::try_from(metadata.len() - self.read).unwrap_or(0)];
        file.read_exact_at(&mut bytes, self.read).map_err(failed)?;
        // A line that does not end is being written, or never will be whole.
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
        if self.head.is_empty() {
            self.head =
                bytes[..whole].split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().into();
        }
        for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.lines += 1;
            Line::parse(line).iter().for_each(|line| self.take(line));
        }
        self.read += whole as u64;
        Ok(whole < bytes.len())
    }

    fn take(&mut self, line: &Line) {
        match line {
            Line::Version(version, _) => self.is_newer = *version > VERSION,
            Line::Reached(mailbox, reached) => {
                let before = self.reached.get(mailbox);
                let before = before.filter(|before| before.uid_validity == reached.uid_validity);
                let reached = before.map_or(*reached, |before| before.or_further(*reached));
                self.reached.insert(mailbox.clone(), reached);
            }
            Line::Dropped(mailbox) => drop(self.reached.remove(mailbox)),
            Line::Unknown(text) => self.unknown.push(text.clone()),
        }
    }

    /// Writes the file anew, without mailboxes that are gone.
    fn write(&mut self, root: &Path, path: &Path) -> Result<()> {
        self.reached.retain(|mailbox, _| root.join(OsStr::from_bytes(mailbox)).is_dir());
        let mut bytes = Vec::new();
        Line::Version(VERSION, unique("")).write(&mut bytes);
        let head = bytes.clone();
        for (mailbox, reached) in &self.reached {
            Line::Reached(mailbox.clone(), *reached).write(&mut bytes);
        }
        self.unknown.iter().for_each(|text| Line::Unknown(text.clone()).write(&mut bytes));
        replace(path, |file| file.write_all(&bytes))?;
        let lines = 1 + self.reached.len() + self.unknown.len();
        (self.head, self.read, self.lines) = (head, bytes.len() as u64, lines);
        Ok(())
    }
}

/// Version of the format.
const VERSION: u64 = 1;

impl Line {
    fn write(&self, out: &mut Vec<u8>) {
        framed(out, |out| match self {
            Self::Version(version, id) => out.extend_from_slice(format!("V {version} {id}").as_bytes()),
            Self::Reached(mailbox, reached) => {
                let Reached { uid_validity, uid_next, highest_modseq } = reached;
                let text = format!("W {uid_validity} {uid_next} {} ", highest_modseq.0);
                out.extend_from_slice(text.as_bytes());
                escape(out, mailbox);
            }
            Self::Dropped(mailbox) => {
                out.extend_from_slice(b"D ");
                escape(out, mailbox);
            }
            Self::Unknown(text) => out.extend_from_slice(text.as_bytes()),
        });
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let text = unframed(line)?;
        let mut words = text.split(' ');
        let kind = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let line = match kind {
            "V" => Self::Version(number()?, words.next().unwrap_or_default().to_owned()),
            "W" => {
                let uid_validity = UidValidity::new(u32::try_from(number()?).ok()?)?;
                let uid_next = Uid::new(u32::try_from(number()?).ok()?).filter(|next| *next <= Uid::MAX)?;
                let highest_modseq = ModSeq(number().filter(|modseq| *modseq <= ModSeq::MAX.0)?);
                Self::Reached(
                    unescape(words.next()?)?.as_ref().into(),
                    Reached { uid_validity, uid_next, highest_modseq },
                )
            }
            "D" => Self::Dropped(unescape(words.next()?)?.as_ref().into()),
            _ => Self::Unknown(text.into()),
        };
        Some(line)
    }
}

fn open(path: &Path, access: OFlags) -> std::io::Result<File> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Maildir, and its mailboxes' directories.
    fn site() -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        (directory, move |name| if name.is_empty() { root.clone() } else { root.join(name) })
    }

    fn reached(validity: u32, next: u32, modseq: u64) -> Reached {
        Reached {
            uid_validity: UidValidity::new(validity).unwrap(),
            uid_next: Uid::new(next).unwrap(),
            highest_modseq: ModSeq(modseq),
        }
    }

    #[test]
    fn what_was_noted_is_known_to_others() {
        let (root, at) = site();
        let (a, b) = (Witness::new(root.path()), Witness::new(root.path()));
        assert_eq!(a.of(&at(".x")), None);
        a.note(&at(""), reached(7, 5, 9)).unwrap();
        b.note(&at(".ä b%.c"), reached(8, 1, 1)).unwrap();
        assert_eq!(b.of(&at("")), Some(reached(7, 5, 9)));
        assert_eq!(a.of(&at(".ä b%.c")), Some(reached(8, 1, 1)));
        // Of one UIDVALIDITY the greatest, of two the last.
        b.note(&at(""), reached(7, 9, 4)).unwrap();
        assert_eq!(a.of(&at("")), Some(reached(7, 9, 9)));
        b.note(&at(""), reached(6, 2, 2)).unwrap();
        assert_eq!(a.of(&at("")), Some(reached(6, 2, 2)));
        a.note(&at(".other"), reached(9, 90, 90)).unwrap();
        b.rename(&at(".ä b%.c"), &at(".other")).unwrap();
        assert_eq!((a.of(&at(".ä b%.c")), a.of(&at(".other"))), (None, Some(reached(8, 1, 1))));
    }

    #[test]
    fn security_22_any_bytes_are_survived_and_a_newer_file_is_left_alone() {
        let (root, at) = site();
        let (path, inbox) = (root.path().join(own_files::WITNESS), at(""));
        Witness::new(root.path()).note(&inbox, reached(7, 5, 9)).unwrap();
        Witness::new(root.path()).note(&inbox, reached(7, 6, 10)).unwrap();
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x11;
            std::fs::write(&path, &bytes).unwrap();
            let found = Witness::new(root.path()).of(&inbox);
            let possible = [None, Some(reached(7, 5, 9)), Some(reached(7, 6, 10))];
            assert!(possible.contains(&found), "byte {at}: {found:?}");
            std::fs::write(&path, &good[..at]).unwrap();
            let witness = Witness::new(root.path());
            assert!(possible.contains(&witness.of(&inbox)), "{at} bytes");
            // What does not end takes nothing with it that comes after.
            witness.note(&inbox, reached(7, 7, 10)).unwrap();
            assert_eq!(Witness::new(root.path()).of(&inbox), Some(reached(7, 7, 10)), "{at} bytes");
        }
        let mut newer = Vec::new();
        Line::Version(VERSION + 1, "x".to_owned()).write(&mut newer);
        std::fs::write(&path, &newer).unwrap();
        Witness::new(root.path()).note(&inbox, reached(7, 7, 11)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), newer);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(Witness::new(root.path()).of(&inbox), None);
        assert!(Witness::new(root.path()).note(&inbox, reached(7, 7, 11)).is_err());
    }

    #[test]
    fn a_file_full_of_what_was_overtaken_is_written_anew() {
        let (root, at) = site();
        std::fs::create_dir(at(".a")).unwrap();
        let (a, b) = (Witness::new(root.path()), Witness::new(root.path()));
        b.note(&at(".a"), reached(8, 8, 8)).unwrap();
        b.note(&at(".gone"), reached(9, 9, 9)).unwrap();
        let mut largest = 0;
        for next in 1..3_000 {
            a.note(&at(""), reached(7, next, 9)).unwrap();
            largest = largest.max(std::fs::metadata(root.path().join(own_files::WITNESS)).unwrap().len());
        }
        assert!(largest < 40_000, "{largest} bytes");
        assert_eq!(b.of(&at("")), Some(reached(7, 2_999, 9)));
        assert_eq!((b.of(&at(".a")), b.of(&at(".gone"))), (Some(reached(8, 8, 8)), None));
    }
}
