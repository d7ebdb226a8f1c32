//! Taking over what Courier or Dovecot knew of a mailbox: UIDs, UIDVALIDITY, UIDNEXT, keywords,
//! POP3 UIDLs.
//!
//! Their files are read and left as they are: going back is free. They are input like any
//! other: what is sound is taken, the rest is counted ([`Faults`]) and said in the log, and the
//! mailbox opens all the same. A message whose record cannot be believed gets a new UID; a
//! mailbox whose UIDVALIDITY cannot be believed gets a new one. No UID is ever given to two
//! messages.
//!
//! [`courier`] and [`dovecot`] read the formats; this file chooses between them and turns what
//! they say into lines of our own list.

pub mod courier;
pub mod dovecot;
pub(crate) mod rights;

use crate::disk::read_small;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::split;
use crate::own_files;
use crate::uid_list::{KEYWORDS_MAX, Line, VERSION, is_base_name, parse};
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Largest list that is read, in bytes.
pub(crate) const SIZE_MAX: u64 = 1 << 28;

/// A server whose files are read or written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Origin {
    /// Courier-IMAP.
    Courier,
    /// Dovecot.
    Dovecot,
}

impl Origin {
    /// Its list of UIDs, in each mailbox.
    pub fn list_name(self) -> &'static str {
        match self {
            Self::Courier => "courierimapuiddb",
            Self::Dovecot => "dovecot-uidlist",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Courier => "Courier",
            Self::Dovecot => "Dovecot",
        })
    }
}

/// Which list counts where both servers' are there.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Preference {
    /// The one that was written last.
    #[default]
    Newer,
    /// This server's; the other's where it has none that can be read.
    First(Origin),
}

/// What another server's list says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Foreign {
    /// UIDVALIDITY; `None` when the first line cannot be believed: a new one is needed.
    pub uid_validity: Option<UidValidity>,
    /// UIDNEXT: above all UIDs of the list. `None` when all are used up.
    pub uid_next: Option<Uid>,
    /// Its messages by UID, each base name once.
    pub messages: BTreeMap<Uid, Listed>,
    /// What could not be taken.
    pub faults: Faults,
}

/// A message in another server's list.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Listed {
    /// Its base name.
    pub base: Box<[u8]>,
    /// Its POP3 UIDL, where the list says one.
    pub uidl: Option<Box<str>>,
    /// Dovecot's fields that mean nothing to us (`G`, `O`), as they stand there.
    pub fields: Box<str>,
}

/// What of other servers' files could not be taken, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[allow(missing_docs, reason = "the table of `Faults::kinds` says what each is")]
pub struct Faults {
    pub headers: usize,
    pub bad_lines: usize,
    pub torn_lines: usize,
    pub impossible_uids: usize,
    pub duplicate_uids: usize,
    pub not_ascending: usize,
    pub bad_names: usize,
    pub duplicate_names: usize,
    pub bad_keywords: usize,
    pub bad_uidls: usize,
}

impl Faults {
    /// Counts with what they count; the same order always.
    pub fn kinds(&self) -> [(usize, &'static str); 10] {
        [
            (self.headers, "first lines unreadable: a new UIDVALIDITY"),
            (self.bad_lines, "lines unreadable"),
            (self.torn_lines, "last lines cut off"),
            (self.impossible_uids, "UIDs 0 or too great: new UIDs"),
            (self.duplicate_uids, "UIDs listed twice: new UIDs"),
            (self.not_ascending, "UIDs out of order: taken all the same"),
            (self.bad_names, "names that cannot be files: passed over"),
            (self.duplicate_names, "names listed twice: the later line counts"),
            (self.bad_keywords, "keywords that IMAP cannot say or too many: left out"),
            (self.bad_uidls, "POP3 UIDLs that POP3 cannot say: left out"),
        ]
    }

    /// Whether nothing was wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parted = "";
        for (count, what) in self.kinds().into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{parted}{count} {what}")?;
            parted = "; ";
        }
        Ok(())
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.headers += other.headers;
        self.bad_lines += other.bad_lines;
        self.torn_lines += other.torn_lines;
        self.impossible_uids += other.impossible_uids;
        self.duplicate_uids += other.duplicate_uids;
        self.not_ascending += other.not_ascending;
        self.bad_names += other.bad_names;
        self.duplicate_names += other.duplicate_names;
        self.bad_keywords += other.bad_keywords;
        self.bad_uidls += other.bad_uidls;
    }
}

/// What was taken: the lines that our list begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// Whose list it was.
    pub(crate) origin: Origin,
    /// Where it is.
    pub(crate) list: PathBuf,
    /// `None`: a new one is needed.
    pub(crate) uid_validity: Option<UidValidity>,
    /// All lines but the first, which says UIDVALIDITY.
    pub(crate) lines: Vec<Line<'static>>,
    /// What could not be taken.
    pub(crate) faults: Faults,
}

/// Where other servers' files of a mailbox are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForeignFiles<'a> {
    /// The mailbox's directory.
    pub(crate) directory: &'a Path,
    /// That of Dovecot's `dovecot-uidlist` and `dovecot-keywords`: another one with `CONTROL=`.
    pub(crate) dovecot: &'a Path,
}

impl ForeignFiles<'_> {
    fn list(&self, origin: Origin) -> PathBuf {
        let directory = match origin {
            Origin::Courier => self.directory,
            Origin::Dovecot => self.dovecot,
        };
        directory.join(origin.list_name())
    }
}

/// What is taken over of a mailbox, and nothing is written; `None` when there is no list of
/// another server, or none in which anything is sound.
pub(crate) fn take_over(files: ForeignFiles<'_>, preference: Preference) -> Result<Option<Taken>> {
    let directory = files.directory;
    for origin in order(files, preference) {
        let path = files.list(origin);
        // A list that is a device or gigantic is as good as a damaged one.
        let Some(bytes) = sound(read_small(&path, SIZE_MAX), &mut Faults::default())? else { continue };
        let mut foreign = match origin {
            Origin::Courier => courier::parse_list(&bytes),
            Origin::Dovecot => dovecot::parse_list(&bytes),
        };
        if foreign.uid_validity.is_none() && foreign.messages.is_empty() {
            tracing::warn!(list = %path.display(), "cannot be read: its UIDs are not taken over");
            continue;
        }
        let keywords = match origin {
            Origin::Courier => courier::keywords(directory, &mut foreign.faults)?,
            Origin::Dovecot => dovecot::keywords(directory, files.dovecot, &mut foreign.faults)?,
        };
        if origin == Origin::Courier {
            courier::uidls(directory, &mut foreign)?;
        }
        let mut faults = foreign.faults;
        let modseq = earlier_modseq(directory, foreign.uid_validity)?;
        let lines = lines(&foreign, &keywords, modseq, &mut faults);
        return Ok(Some(Taken { origin, list: path, uid_validity: foreign.uid_validity, lines, faults }));
    }
    Ok(None)
}

impl Taken {
    /// Says in the log what was taken and what was not.
    pub(crate) fn log(&self) {
        let list = &self.list;
        let messages = self.lines.iter().filter(|line| matches!(line, Line::Message { .. })).count();
        tracing::info!(list = %list.display(), messages, "took over UIDs");
        if !self.faults.is_none() {
            tracing::warn!(list = %list.display(), "damaged, the rest was taken over: {}", self.faults);
        }
    }
}

/// Whose lists are there, the one to believe first.
fn order(files: ForeignFiles<'_>, preference: Preference) -> Vec<Origin> {
    let mut lists: Vec<(bool, SystemTime, Origin)> = [Origin::Courier, Origin::Dovecot]
        .into_iter()
        .filter_map(|origin| {
            let time = modified(&files.list(origin))?;
            Some((preference == Preference::First(origin), time, origin))
        })
        .collect();
    lists.sort();
    lists.into_iter().rev().map(|(_, _, origin)| origin).collect()
}

/// Collects records, and sees to it that each UID and each name is there once.
#[derive(Default)]
struct Records {
    messages: BTreeMap<Uid, Listed>,
    uid_of: HashMap<Box<[u8]>, Uid>,
    last: Option<Uid>,
    faults: Faults,
}

impl Records {
    /// A record as it was read. Of two with one name the later counts, as Dovecot reads it; of
    /// two with one UID the earlier, so that the other message gets a new one.
    fn push(&mut self, uid: &[u8], name: &[u8], rest: Listed) {
        let Some(uid) = number(uid).and_then(Uid::new).filter(|uid| *uid <= Uid::MAX) else {
            // A number that is none at all is a line that is none.
            if !uid.is_empty() && uid.iter().all(u8::is_ascii_digit) {
                self.faults.impossible_uids += 1;
            } else {
                self.faults.bad_lines += 1;
            }
            return;
        };
        let (base, _) = split(name);
        if !is_base_name(base) {
            self.faults.bad_names += 1;
            return;
        }
        if self.messages.contains_key(&uid) {
            self.faults.duplicate_uids += 1;
            return;
        }
        self.faults.not_ascending += usize::from(self.last.is_some_and(|last| last > uid));
        self.last = self.last.max(Some(uid));
        if let Some(earlier) = self.uid_of.insert(base.into(), uid) {
            self.faults.duplicate_names += 1;
            self.messages.remove(&earlier);
        }
        self.messages.insert(uid, Listed { base: base.into(), ..rest });
    }

    /// The whole; `header` is UIDVALIDITY and UIDNEXT, where the first line said both.
    fn finish(mut self, header: Option<(UidValidity, Uid)>) -> Foreign {
        // Records of messages that came twice and went spent their UIDs all the same.
        let after = self.last.map_or(Some(Uid::MIN), Uid::next);
        self.faults.headers = usize::from(header.is_none());
        Foreign {
            uid_validity: header.map(|(validity, _)| validity),
            // `None` is above all: all UIDs are used up.
            uid_next: after.map(|after| header.map_or(after, |(_, next)| next.max(after))),
            messages: self.messages,
            faults: self.faults,
        }
    }
}

/// A file that is a link or no regular file, or too large, is passed over and counted.
fn sound(read: Result<Option<Vec<u8>>>, faults: &mut Faults) -> Result<Option<Vec<u8>>> {
    let is_damaged = |error: &Error| {
        let code = error.source.as_ref().and_then(std::io::Error::raw_os_error);
        error.kind == ErrorKind::Damaged || code == Some(rustix::io::Errno::LOOP.raw_os_error())
    };
    match read {
        Err(error) if is_damaged(&error) => {
            tracing::warn!(%error, "nothing is taken over from it");
            faults.bad_lines += 1;
            Ok(None)
        }
        read => read,
    }
}

/// The lines of a list that end; one that does not is counted.
fn whole_lines<'a>(bytes: &'a [u8], faults: &mut Faults) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let end = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
    faults.torn_lines += usize::from(end < bytes.len());
    bytes[..end].split_inclusive(|b| *b == b'\n').map(|line| &line[..line.len() - 1])
}

/// A decimal number without sign.
fn number(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// Both numbers of a first line; `None` unless they can be what they should.
fn header(validity: Option<&[u8]>, next: Option<&[u8]>) -> Option<(UidValidity, Uid)> {
    let next = Uid::new(number(next?)?).filter(|next| *next <= Uid::MAX)?;
    Some((UidValidity::new(number(validity?)?)?, next))
}

/// A message's POP3 UIDL where the list has none of its own: Dovecot's default.
pub fn default_uidl(uid: Uid, uid_validity: UidValidity) -> String {
    format!("{:08x}{:08x}", uid.get(), uid_validity.get())
}

/// Keywords by base name.
pub(crate) type Keywords = HashMap<Box<[u8]>, Vec<Keyword>>;

fn lines(foreign: &Foreign, keywords: &Keywords, modseq: ModSeq, faults: &mut Faults) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut known: HashMap<Keyword, usize> = HashMap::new();
    let mut messages = Vec::new();
    let mut uidls = Vec::new();
    for (uid, listed) in &foreign.messages {
        let mut indices = Vec::new();
        for keyword in keywords.get(&listed.base).into_iter().flatten() {
            let count = known.len();
            if count >= KEYWORDS_MAX && !known.contains_key(keyword) {
                faults.bad_keywords += 1;
                continue;
            }
            indices.push(*known.entry(keyword.clone()).or_insert_with(|| {
                lines.push(Line::Keyword(count, keyword.clone()));
                count
            }));
        }
        indices.sort_unstable();
        indices.dedup();
        // The scan that follows takes the flags from the names.
        let (flags, base) = (SystemFlags::NONE, listed.base.clone());
        messages.push(Line::Message {
            uid: *uid,
            modseq,
            flags,
            keywords: indices,
            base: base.to_vec().into(),
        });
        let uidl = listed.uidl.as_ref().filter(|uidl| {
            // What can be computed is not noted.
            foreign.uid_validity.is_none_or(|validity| ***uidl != *default_uidl(*uid, validity))
        });
        uidls.extend(uidl.map(|uidl| Line::Uidl(*uid, uidl.clone())));
    }
    lines.extend(messages);
    lines.extend(uidls);
    let next = foreign.uid_next.unwrap_or(Uid::MAX);
    lines.push(Line::Next(next, modseq));
    lines.push(Line::Recent(next));
    lines
}

/// The MODSEQ that all messages get: where the mailbox was ours before, and handed over, one above
/// all that clients saw then.
fn earlier_modseq(directory: &Path, uid_validity: Option<UidValidity>) -> Result<ModSeq> {
    let path = directory.join(own_files::HANDED_OVER);
    let list = sound(read_small(&path, SIZE_MAX), &mut Faults::default())?;
    let list = list.unwrap_or_default();
    let parsed = parse(&list);
    if let Some(version) = parsed.newer {
        return Err(Error::newer(&path, version, VERSION));
    }
    let lines = parsed.lines;
    let is_same = lines.iter().any(|line| matches!(line, Line::Validity(v) if Some(*v) == uid_validity));
    let modseqs = lines.iter().filter_map(|line| match line {
        Line::Next(_, modseq) | Line::Message { modseq, .. } | Line::Flags { modseq, .. } => Some(*modseq),
        Line::Expunged(_, modseq) | Line::ExpungedRange(_, _, modseq) => Some(*modseq),
        _ => None,
    });
    Ok(modseqs.max().filter(|_| is_same).map_or(ModSeq(1), ModSeq::next))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?.modified().ok()
}

#[cfg(test)]
mod tests;
