//! `restante-index`: the state of a mailbox as it was at one place of its UID list, in columns.
//!
//! A file beside the UID list that saves reading it, and the scan where the directories' times
//! say that nothing changed since. What the list has behind that place is taken in after it:
//! the list is the index's log. Lost, it is made again from list and Maildir. It is written as
//! a whole, beside the old one, and not synced; a checksum at its end says whether it is whole.
//!
//! Numbers are little-endian. A column is `rows` numbers without anything between them, and is
//! read as it is.

use super::state::{Expunged, FileAt, State};
use crate::cache::Identity;
use crate::disk::begin_of;
use crate::disk::replace;
use crate::error::Error;
use crate::error::Result;
use crate::list_file::ListMark;
use crate::own_files;
use crate::scan::Stamp;
use crate::sent_date::SentDate;
use crate::uid_list::{is_base_name, is_uidl};
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The version of the format. Version 4 had no sent dates. Version 3 had expunges one by one, and no
/// floor nor unknown records; version 2 does not say which directory it was made of either; sizes in
/// version 1 may be what names said that did not fit their files.
const VERSION: u8 = b'5';

/// Rows that an index may have: more are not believed.
const ROWS_MAX: u32 = 100_000_000;
/// Keywords, sets and suffixes: likewise.
const WORDS_MAX: u32 = 1_000_000;

/// An index as it was read.
pub(super) struct Saved {
    pub(super) state: State,
    /// The place in the list.
    pub(super) mark: ListMark,
    /// Of the directories whose files the state has, where that is known.
    pub(super) stamp: Option<Stamp>,
    /// The cache that the state's places are in.
    pub(super) cache: Option<Identity>,
    /// The mailbox's directory, where the version says it.
    made_of: Option<Identity>,
}

/// Writes the index of the mailbox in `of` to `directory`. On an error the old one stays.
pub(super) fn save(
    directory: &Path,
    of: &Path,
    state: &State,
    mark: &ListMark,
    stamp: Option<Stamp>,
    cache: Option<Identity>,
) -> Result<()> {
    let identity = identity_of(of);
    let path = directory.join(own_files::INDEX);
    refuse_newer(&path)?;
    replace(&path, |file| {
        let mut out =
            Out { file, piece: Vec::with_capacity(PIECE + 1024), checksum: crc32fast::Hasher::new() };
        write_head(&mut out, state, mark, stamp, cache)?;
        let (device, inode) = identity.unwrap_or_default();
        out.u64(device)?;
        out.u64(inode)?;
        write_words(&mut out, state)?;
        write_columns(&mut out, state)?;
        out.finish()
    })
}

/// Reads the index of the mailbox in `of`, which lies in `directory`; `None` when there is none that
/// can be believed.
///
/// One that lies elsewhere stays there when another program removes the mailbox, or another node
/// gives its name to another one: it says nothing of any directory but the one that it was made of.
pub(super) fn load(directory: &Path, of: &Path) -> Option<Saved> {
    read_in(directory).filter(|saved| directory == of || saved.is_made_of(of))
}

/// Reads the index in `directory`, whatever it was made of; `None` when there is none that is whole.
pub(super) fn read_in(directory: &Path) -> Option<Saved> {
    let path = directory.join(own_files::INDEX);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file: File = rustix::fs::open(&path, flags, Mode::empty()).ok()?.into();
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let saved = In::new(file, metadata.len()).and_then(read);
    if saved.is_none()
        && let Err(error) = refuse_newer(&path)
    {
        tracing::warn!("{error}: the mailbox is served without an index");
    } else if saved.is_none() {
        tracing::warn!(index = %path.display(), "cannot be read: made again from UID list and Maildir");
    }
    saved
}

impl Saved {
    /// Whether it was made of that directory.
    pub(super) fn is_made_of(&self, directory: &Path) -> bool {
        self.made_of.is_some() && self.made_of == identity_of(directory)
    }
}

/// Device and inode of a mailbox's directory.
fn identity_of(directory: &Path) -> Option<Identity> {
    let metadata = directory.symlink_metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn read(mut input: In) -> Option<Saved> {
    let magic = input.bytes(magic(VERSION).len())?;
    let version = version(&magic).filter(|version| (b'1'..=VERSION).contains(version))?;
    let (mut state, rows, mark, stamp, cache) = read_head(&mut input)?;
    let made_of = if version >= b'3' { Some((input.u64()?, input.u64()?)) } else { None };
    read_words(&mut input, &mut state, version)?;
    read_columns(&mut input, &mut state, rows, version)?;
    if version == b'1' {
        state.facts.sizes.fill(0);
    }
    input.ends_well()?.then_some(Saved { state, mark, stamp, cache, made_of })
}

/// What an index of that version begins with.
fn magic(version: u8) -> [u8; 8] {
    [b'R', b'S', b'T', b'N', b'I', b'X', version, b'\n']
}

/// The version of an index that begins with `bytes`.
fn version(bytes: &[u8]) -> Option<u8> {
    let version = *bytes.get(6)?;
    (bytes.get(..8)? == magic(version)).then_some(version)
}

/// `Newer` for an index of a later version: it is neither read nor replaced.
pub(super) fn refuse_newer(path: &Path) -> Result<()> {
    match begin_of(path).and_then(|bytes| version(&bytes)).filter(|version| *version > VERSION) {
        Some(version) => Err(Error::newer(path, char::from(version), char::from(VERSION))),
        None => Ok(()),
    }
}

fn write_head(
    out: &mut Out<'_>,
    state: &State,
    mark: &ListMark,
    stamp: Option<Stamp>,
    cache: Option<Identity>,
) -> std::io::Result<()> {
    out.bytes(&magic(VERSION))?;
    out.u32(state.len() as u32)?;
    out.u32(state.uid_validity.get())?;
    out.u32(state.uid_next.map_or(0, Uid::get))?;
    out.u32(state.recent_from.get())?;
    out.u64(state.highest_modseq.0)?;
    for number in [mark.device, mark.inode, mark.length, mark.checksum.into(), mark.lines] {
        out.u64(number)?;
    }
    let (is_stamped, [new, cur]) =
        stamp.and_then(|stamp| stamp.to_nanos()).map_or((0, [0; 2]), |nanos| (1, nanos));
    out.u64(is_stamped)?;
    out.u64(new)?;
    out.u64(cur)?;
    let (device, inode) = cache.unwrap_or_default();
    out.u64(device)?;
    out.u64(inode)
}

type Head = (State, usize, ListMark, Option<Stamp>, Option<Identity>);

fn read_head(input: &mut In) -> Option<Head> {
    let rows = input.u32().filter(|rows| *rows <= ROWS_MAX)?;
    let mut state = State::new(UidValidity::new(input.u32()?)?);
    state.uid_next = match input.u32()? {
        0 => None,
        next => Some(Uid::new(next)?),
    };
    state.recent_from = Uid::new(input.u32()?)?;
    state.highest_modseq = modseq(input)?;
    let (device, inode, length) = (input.u64()?, input.u64()?, input.u64()?);
    let (checksum, lines) = (u32::try_from(input.u64()?).ok()?, input.u64()?);
    let mark = ListMark { device, inode, length, checksum, lines };
    let (is_stamped, nanos) = (input.u64()? == 1, [input.u64()?, input.u64()?]);
    let cache = Some((input.u64()?, input.u64()?)).filter(|cache| *cache != (0, 0));
    Some((state, rows as usize, mark, is_stamped.then(|| Stamp::from_nanos(nanos)), cache))
}

/// What is of different lengths: keywords, their sets, suffixes, expunges, UIDLs, the reserve.
fn write_words(out: &mut Out<'_>, state: &State) -> std::io::Result<()> {
    out.u32(state.keywords.len() as u32)?;
    for keyword in &state.keywords {
        out.word(keyword.as_ref().map_or(b"", |keyword| keyword.as_str().as_bytes()))?;
    }
    out.u32(state.sets.all().len() as u32)?;
    for set in state.sets.all() {
        out.u32(set.len() as u32)?;
        set.iter().try_for_each(|index| out.u32(*index as u32))?;
    }
    out.u32(state.suffixes.all().len() as u32)?;
    state.suffixes.all().iter().try_for_each(|suffix| out.word(suffix))?;
    out.u32(state.expunges.ranges().len() as u32)?;
    for range in state.expunges.ranges() {
        out.u32(range.first.get())?;
        out.u32(range.last.get())?;
        out.u64(range.modseq.0)?;
    }
    // No MODSEQ is that high.
    out.u64(state.expunges.floor().map_or(u64::MAX, |floor| floor.0))?;
    out.u32(state.unknown.len() as u32)?;
    state.unknown.iter().try_for_each(|text| out.word(text.as_bytes()))?;
    out.u32(state.uidls.len() as u32)?;
    for (uid, uidl) in &state.uidls {
        out.u32(uid.get())?;
        out.word(uidl.as_bytes())?;
    }
    let (modseq, boot) = state.reserve.as_ref().map_or((0, ""), |(modseq, boot)| (modseq.0, boot.as_str()));
    out.u64(modseq)?;
    out.word(boot.as_bytes())
}

fn read_words(input: &mut In, state: &mut State, version: u8) -> Option<()> {
    for _ in 0..input.count()? {
        let word = input.word()?;
        let keyword =
            if word.is_empty() { None } else { Some(Keyword::new(std::str::from_utf8(&word).ok()?)?) };
        state.keywords.push(keyword);
    }
    for set in 0..input.count()? {
        let indices =
            (0..input.count()?).map(|_| Some(input.u32()? as usize)).collect::<Option<Vec<usize>>>()?;
        // Each set once, and the empty one first.
        if state.sets.number(&indices) != set {
            return None;
        }
    }
    for _ in 0..input.count()? {
        let suffix = input.word()?;
        if suffix.iter().any(|byte| matches!(byte, b'/' | 0)) || !matches!(suffix.first(), None | Some(b':'))
        {
            return None;
        }
        state.suffixes.add(&suffix);
    }
    read_expunges(input, state, version)?;
    for _ in 0..input.u32().filter(|count| *count <= ROWS_MAX)? {
        let (uid, uidl) = (Uid::new(input.u32()?)?, input.word().filter(|uidl| is_uidl(uidl))?);
        state.uidls.insert(uid, String::from_utf8(uidl).ok()?.into());
    }
    let (modseq, boot) = (modseq(input)?, String::from_utf8(input.word()?).ok()?);
    state.reserve = (!boot.is_empty()).then_some((modseq, boot));
    Some(())
}

fn read_expunges(input: &mut In, state: &mut State, version: u8) -> Option<()> {
    for _ in 0..input.count()? {
        let first = Uid::new(input.u32()?)?;
        let last = if version < b'4' { first } else { Uid::new(input.u32()?)? };
        state.expunges.add(Expunged { first, last, modseq: modseq(input)? });
    }
    if version < b'4' {
        return Some(());
    }
    match input.u64()? {
        u64::MAX => {}
        floor => state.expunges.raise_floor(Some(ModSeq(floor)).filter(|floor| *floor <= ModSeq::MAX)?),
    }
    for _ in 0..input.u32().filter(|count| *count <= ROWS_MAX)? {
        state.unknown.push(String::from_utf8(input.word()?).ok()?.into());
    }
    Some(())
}

fn write_columns(out: &mut Out<'_>, state: &State) -> std::io::Result<()> {
    state.uids.iter().try_for_each(|uid| out.u32(uid.get()))?;
    state.modseqs.iter().try_for_each(|modseq| out.u64(modseq.0))?;
    state.flags.iter().try_for_each(|flags| out.bytes(&[flags.bits()]))?;
    state.set_of.iter().try_for_each(|set| out.u32(set))?;
    state.files.iter().try_for_each(|at| out.u32(at.bits()))?;
    for column in [&state.facts.sizes, &state.facts.dates, &state.facts.cached] {
        column.iter().try_for_each(|value| out.u32(*value))?;
    }
    state.facts.sent.iter().try_for_each(|value| out.u64(*value))?;
    (0..state.len()).try_for_each(|row| out.bytes(&[state.names.get(row).len() as u8]))?;
    (0..state.len()).try_for_each(|row| out.bytes(state.names.get(row)))
}

fn read_columns(input: &mut In, state: &mut State, rows: usize, version: u8) -> Option<()> {
    let uids = input.u32s(rows)?.into_iter().map(Uid::new).collect::<Option<Vec<Uid>>>()?;
    let ascending = uids.windows(2).all(|pair| pair[0] < pair[1]);
    let below_next = uids.last().is_none_or(|last| state.uid_next.is_none_or(|next| *last < next));
    if !ascending || !below_next || uids.last().is_some_and(|last| *last > Uid::MAX) {
        return None;
    }
    state.uids = uids.into();
    for _ in 0..rows {
        state.modseqs.push(modseq(input)?);
    }
    state.flags = input.bytes(rows)?.into_iter().map(SystemFlags::from_bits).collect();
    let sets = state.sets.all().len() as u32;
    state.set_of = input
        .u32s(rows)?
        .into_iter()
        .map(|set| Some(set).filter(|set| *set < sets))
        .collect::<Option<_>>()?;
    let files = input.u32s(rows)?;
    state.files = files.into_iter().map(|bits| FileAt::from_bits(bits, &state.suffixes)).collect();
    state.facts.sizes = input.u32s(rows)?;
    state.facts.dates = input.u32s(rows)?;
    state.facts.cached = input.u32s(rows)?;
    state.facts.sent = if version < b'5' { vec![0; rows] } else { sent_dates(input, rows)? };
    let lengths = input.bytes(rows)?;
    let mut name = [0; 255];
    for length in lengths {
        let name = &mut name[..usize::from(length)];
        input.exact(&mut *name)?;
        // A path into somebody else's mail would be one too.
        if !is_base_name(name) || !state.names.push(name) {
            return None;
        }
    }
    state.names.shrink();
    Some(())
}

fn sent_dates(input: &mut In, rows: usize) -> Option<Vec<u64>> {
    // As many rows were read of other columns.
    let mut dates = Vec::with_capacity(rows);
    for _ in 0..rows {
        dates.push(input.u64().filter(|bits| SentDate::from_bits(*bits).is_some())?);
    }
    Some(dates)
}

fn modseq(input: &mut In) -> Option<ModSeq> {
    input.u64().map(ModSeq).filter(|modseq| *modseq <= ModSeq::MAX)
}

/// Bytes written or read at once.
const PIECE: usize = 256 * 1024;

/// Writes, and sums up.
struct Out<'a> {
    file: &'a mut File,
    piece: Vec<u8>,
    checksum: crc32fast::Hasher,
}

impl Out<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.checksum.update(&self.piece);
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Ends the file with its checksum.
    fn finish(mut self) -> std::io::Result<()> {
        self.flush()?;
        self.file.write_all(&self.checksum.finalize().to_le_bytes())
    }

    fn u32(&mut self, number: u32) -> std::io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    fn u64(&mut self, number: u64) -> std::io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    fn word(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.u32(bytes.len() as u32)?;
        self.bytes(bytes)
    }
}

/// Reads, and sums up. `None` for all that cannot be.
struct In {
    file: File,
    piece: Vec<u8>,
    /// What was given of the piece.
    given: usize,
    checksum: crc32fast::Hasher,
    /// Bytes that are not in the piece yet, the checksum not counted.
    left: u64,
}

impl In {
    fn new(file: File, length: u64) -> Option<Self> {
        let left = length.checked_sub(4)?;
        Some(Self { file, piece: Vec::new(), given: 0, checksum: crc32fast::Hasher::new(), left })
    }

    /// Whether all was read, and is as it was written.
    fn ends_well(mut self) -> Option<bool> {
        let mut checksum = [0; 4];
        self.file.read_exact(&mut checksum).ok()?;
        let ended = self.left == 0 && self.given == self.piece.len();
        Some(ended && u32::from_le_bytes(checksum) == self.checksum.finalize())
    }

    /// Bytes that are still to be given: nothing longer is asked for.
    fn rest(&self) -> u64 {
        self.left + (self.piece.len() - self.given) as u64
    }

    fn exact(&mut self, mut buffer: &mut [u8]) -> Option<()> {
        while !buffer.is_empty() {
            if self.given == self.piece.len() {
                self.refill()?;
            }
            let count = buffer.len().min(self.piece.len() - self.given);
            let (now, later) = buffer.split_at_mut(count);
            now.copy_from_slice(&self.piece[self.given..self.given + count]);
            self.given += count;
            buffer = later;
        }
        Some(())
    }

    fn refill(&mut self) -> Option<()> {
        let count = self.left.min(PIECE as u64);
        if count == 0 {
            return None;
        }
        self.piece.resize(count as usize, 0);
        self.file.read_exact(&mut self.piece).ok()?;
        self.checksum.update(&self.piece);
        (self.given, self.left) = (0, self.left - count);
        Some(())
    }

    fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        if count as u64 > self.rest() {
            return None;
        }
        let mut bytes = vec![0; count];
        self.exact(&mut bytes)?;
        Some(bytes)
    }

    fn u32s(&mut self, rows: usize) -> Option<Vec<u32>> {
        if 4 * rows as u64 > self.rest() {
            return None;
        }
        let mut numbers = Vec::with_capacity(rows);
        let mut piece = [0; 4096];
        while numbers.len() < rows {
            let piece = &mut piece[..4 * (rows - numbers.len()).min(1024)];
            self.exact(piece)?;
            numbers.extend(piece.chunks_exact(4).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]])));
        }
        Some(numbers)
    }

    fn u32(&mut self) -> Option<u32> {
        let mut bytes = [0; 4];
        self.exact(&mut bytes)?;
        Some(u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.exact(&mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    }

    fn count(&mut self) -> Option<u32> {
        self.u32().filter(|count| *count <= WORDS_MAX)
    }

    fn word(&mut self) -> Option<Vec<u8>> {
        let length = self.count()?;
        self.bytes(length as usize)
    }
}
