//! `restante-cache`: what was worked out about messages, as bytes ready to send.
//!
//! A file beside the UID list, append-only; lost, it is filled again as clients ask. Numbers
//! are little-endian.
//!
//! ```text
//! file   = "RSTNCA2\n" uidvalidity:u32 0:u32 *record
//! record = length:u32 crc:u32 uid:u32 0:u32 message:u64 payload padding    ; at a multiple of 8
//! payload = *( kind:u64 length:u32 bytes )                                 ; `length` octets in all
//! ```
//!
//! `message` is a hash of the base name: with a UID list that was put back from a backup, a UID may
//! come to stand for another message, which is not shown the first one's ENVELOPE. The checksum is
//! CRC-32 of UID, message and payload. All that is known of a message is in one record: what is
//! added later makes a new one with all of it. Where a message's newest record is, is
//! kept in memory and in the index; a record that is not what it should be is as good as none.

pub(crate) mod audit;

use crate::disk::begin_of;
use crate::disk::replace;
use crate::error::{Error, Result};
use crate::own_files;
use mail::{Uid, UidValidity};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Records begin at multiples of this (bytes).
pub(crate) const UNIT: u64 = 8;

/// Longest item that is kept, in bytes.
pub(crate) const ITEM_MAX: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"RSTNCA2\n";
/// What caches of all versions begin with.
const MAGIC_ALL: &[u8] = b"RSTNCA";
/// Where their version stands.
const VERSION_AT: usize = 6;
const FILE_HEADER: u64 = 16;
const RECORD_HEADER: usize = 24;
const ITEM_HEADER: usize = 12;
/// Longest payload, in bytes.
const PAYLOAD_MAX: usize = 1 << 20;
/// Items of a message: clients choose what they ask for, and may choose ever anew.
const ITEMS_MAX: usize = 12;

/// What a cached item is, such as an ENVELOPE: a number made from its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CacheKind(u64);

impl CacheKind {
    /// The kind of that name. Two names are two kinds, but for a chance of one in 2⁶⁴
    /// (FNV-1a, 64 bits); who chooses names to collide spoils what he himself is sent.
    pub const fn named(name: &[u8]) -> Self {
        Self(fnv_1a(name))
    }
}

/// Whose a record is: a UID, and the message that it stood for when the record was written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Whose {
    pub(crate) uid: Uid,
    message: u64,
}

impl Whose {
    /// The message of that UID and base name.
    pub(crate) fn new(uid: Uid, base: &[u8]) -> Self {
        Self { uid, message: fnv_1a(base) }
    }

    /// As a record's header has it.
    fn read(header: &[u8]) -> Option<Self> {
        let message = u64::from_le_bytes(header.get(16..24)?.try_into().ok()?);
        Some(Self { uid: Uid::new(u32_at(header, 8)?)?, message })
    }

    fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.uid.get().to_le_bytes());
        bytes[8..].copy_from_slice(&self.message.to_le_bytes());
        bytes
    }
}

const fn fnv_1a(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01B3);
        at += 1;
    }
    hash
}

/// Which file a cache is: device and inode.
pub(crate) type Identity = (u64, u64);

/// The cache of a mailbox, open for reading.
#[derive(Debug)]
pub(crate) struct Cache {
    file: File,
    pub(crate) identity: Identity,
    /// Bytes read ahead, and where they begin.
    window: Vec<u8>,
    window_start: u64,
    /// The record whose checksum was right.
    checked: Option<u32>,
}

impl Cache {
    const WINDOW: usize = 128 * 1024;
    /// What is read where records are asked for in no order.
    const SINGLE: usize = 4 * 1024;

    /// Opens it; `None` when there is none that is one of `validity`.
    pub(crate) fn open(directory: &Path, validity: UidValidity) -> Option<Self> {
        let file = open(&path_in(directory), OFlags::RDONLY).ok()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let mut header = [0; FILE_HEADER as usize];
        file.read_exact_at(&mut header, 0).ok()?;
        let identity = (metadata.dev(), metadata.ino());
        (header == file_header(validity)).then(|| Self {
            file,
            identity,
            window: Vec::new(),
            window_start: 0,
            checked: None,
        })
    }

    /// The payload of a message's record at `at` (in units); `None` when it is not there.
    pub(crate) fn record(&mut self, at: u32, whose: Whose) -> Option<&[u8]> {
        let start = u64::from(at) * UNIT;
        let header = self.bytes(start, RECORD_HEADER)?;
        let (length, checksum) = (u32_at(header, 0)? as usize, u32_at(header, 4)?);
        if Whose::read(header)? != whose || length > PAYLOAD_MAX {
            return None;
        }
        let is_checked = self.checked == Some(at);
        let payload = self.bytes(start + RECORD_HEADER as u64, length)?;
        if !is_checked && record_checksum(whose, payload) != checksum {
            return None;
        }
        self.checked = Some(at);
        self.bytes(start + RECORD_HEADER as u64, length)
    }

    /// Where the newest record of each message is, in units, by reading all of them.
    pub(crate) fn all_records(&mut self) -> Vec<(Whose, u32)> {
        let mut records = Vec::new();
        let mut start = FILE_HEADER;
        while let Some(header) = self.bytes(start, RECORD_HEADER) {
            let (Some(length), Some(whose)) = (u32_at(header, 0), Whose::read(header)) else { break };
            let Ok(at) = u32::try_from(start / UNIT) else { break };
            if length as usize > PAYLOAD_MAX || self.record(at, whose).is_none() {
                break;
            }
            records.push((whose, at));
            start += record_size(length as usize);
        }
        records
    }

    /// Bytes of the file, from the window or from the disk.
    fn bytes(&mut self, start: u64, length: usize) -> Option<&[u8]> {
        let end = start + length as u64;
        let window_end = self.window_start + self.window.len() as u64;
        if start < self.window_start || end > window_end {
            let in_order = start >= self.window_start && start <= window_end && !self.window.is_empty();
            let wanted = length.max(if in_order { Self::WINDOW } else { Self::SINGLE });
            self.window.resize(wanted, 0);
            let count = read_up_to(&self.file, &mut self.window, start);
            self.window.truncate(count);
            self.window_start = start;
        }
        self.window.get((start - self.window_start) as usize..)?.get(..length)
    }
}

/// Adds records of messages to a mailbox's cache, which is made where it is missing. Which file
/// it is, and where the records are, in units. The caller need not hold a lock: records are
/// written at the end, whole.
pub(crate) fn append(
    directory: &Path,
    validity: UidValidity,
    records: &[(Whose, Vec<u8>)],
) -> Result<(Identity, Vec<u32>)> {
    let path = path_in(directory);
    if Cache::open(directory, validity).is_none() {
        refuse_newer(&path)?;
        replace(&path, |file| file.write_all(&file_header(validity)))?;
    }
    let failed = |error| Error::io("cannot append to", &path, error);
    let mut file = open(&path, OFlags::WRONLY | OFlags::APPEND).map_err(failed)?;
    let mut bytes = Vec::new();
    let offsets: Vec<u64> = records
        .iter()
        .map(|(whose, payload)| {
            let offset = bytes.len() as u64;
            write_record(&mut bytes, *whose, payload);
            offset
        })
        .collect();
    file.write_all(&bytes).map_err(failed)?;
    let end = file.stream_position().map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let start = end - bytes.len() as u64;
    let at = |offset: u64| u32::try_from((start + offset) / UNIT).ok().filter(|_| start.is_multiple_of(UNIT));
    // A torn record of a process that died: nothing behind it can be found by reading on.
    let places: Option<Vec<u32>> = offsets.into_iter().map(at).collect();
    match places {
        Some(places) => Ok(((metadata.dev(), metadata.ino()), places)),
        None => {
            let _ = std::fs::remove_file(&path);
            Err(Error::new(crate::ErrorKind::Damaged, "is full or damaged, and begun anew:", &path))
        }
    }
}

/// Writes a new cache with just these records, in this order; likewise.
pub(crate) fn rewrite(
    directory: &Path,
    validity: UidValidity,
    records: impl Iterator<Item = (Whose, Vec<u8>)>,
) -> Result<()> {
    let path = path_in(directory);
    refuse_newer(&path)?;
    replace(&path, |file| {
        let mut bytes = file_header(validity).to_vec();
        for (whose, payload) in records {
            write_record(&mut bytes, whose, &payload);
            if bytes.len() > Cache::WINDOW {
                file.write_all(&bytes)?;
                bytes.clear();
            }
        }
        file.write_all(&bytes)
    })
}

/// `Newer` for a cache of a later version: it is neither read nor replaced.
pub(crate) fn refuse_newer(path: &Path) -> Result<()> {
    let begin = begin_of(path).filter(|begin| begin.starts_with(MAGIC_ALL));
    match begin.map(|begin| begin[VERSION_AT]).filter(|version| *version > MAGIC[VERSION_AT]) {
        Some(version) => Err(Error::newer(path, char::from(version), char::from(MAGIC[VERSION_AT]))),
        None => Ok(()),
    }
}

/// The items of a payload, in order.
pub(crate) fn items(mut payload: &[u8]) -> impl Iterator<Item = (CacheKind, &[u8])> {
    std::iter::from_fn(move || {
        let (header, rest) = payload.split_at_checked(ITEM_HEADER)?;
        let kind = u64::from_le_bytes(header[..8].try_into().ok()?);
        let (bytes, rest) = rest.split_at_checked(u32_at(header, 8)? as usize)?;
        payload = rest;
        Some((CacheKind(kind), bytes))
    })
}

/// A payload with these items, of a kind the first; no more and no longer than a record may have.
pub(crate) fn payload<'a>(all: impl Iterator<Item = (CacheKind, &'a [u8])>) -> Vec<u8> {
    let mut payload: Vec<u8> = Vec::new();
    let mut seen: Vec<CacheKind> = Vec::new();
    for (kind, bytes) in all {
        let fits = seen.len() < ITEMS_MAX
            && payload.len() + ITEM_HEADER + bytes.len() <= PAYLOAD_MAX
            && bytes.len() <= ITEM_MAX;
        if !fits || seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        payload.extend_from_slice(&kind.0.to_le_bytes());
        payload.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        payload.extend_from_slice(bytes);
    }
    payload
}

fn path_in(directory: &Path) -> PathBuf {
    directory.join(own_files::CACHE)
}

fn open(path: &Path, access: OFlags) -> std::io::Result<File> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn file_header(validity: UidValidity) -> [u8; FILE_HEADER as usize] {
    let mut header = [0; FILE_HEADER as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&validity.get().to_le_bytes());
    header
}

fn write_record(out: &mut Vec<u8>, whose: Whose, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&record_checksum(whose, payload).to_le_bytes());
    out.extend_from_slice(&whose.bytes());
    out.extend_from_slice(payload);
    out.resize(out.len() + (record_size(payload.len()) as usize - RECORD_HEADER - payload.len()), 0);
}

fn record_size(payload: usize) -> u64 {
    (RECORD_HEADER + payload).next_multiple_of(UNIT as usize) as u64
}

fn record_checksum(whose: Whose, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&whose.bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn read_up_to(file: &File, buffer: &mut [u8], start: u64) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], start + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // As good as not there.
            Err(_) => break,
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: CacheKind = CacheKind::named(b"ENVELOPE");
    const B: CacheKind = CacheKind::named(b"BODYSTRUCTURE");

    /// The message of that UID, with a base name that says it.
    fn uid(value: u32) -> Whose {
        Whose::new(Uid::new(value).unwrap(), value.to_string().as_bytes())
    }

    fn record(text: &str) -> Vec<u8> {
        payload([(A, text.as_bytes()), (B, b"(b)"), (A, b"later")].into_iter())
    }

    #[test]
    fn records_are_found_where_they_were_put() {
        let directory = tempfile::tempdir().unwrap();
        let validity = UidValidity::new(7).unwrap();
        let long = "x".repeat(3 * Cache::WINDOW / 8);
        let all: Vec<(Whose, Vec<u8>)> =
            (1..40).map(|n| (uid(n), record(if n % 5 == 0 { &long } else { "short" }))).collect();
        let (identity, places) = append(directory.path(), validity, &all[..20]).unwrap();
        let (again, more) = append(directory.path(), validity, &all[20..]).unwrap();
        assert_eq!(identity, again);
        let places: Vec<u32> = places.into_iter().chain(more).collect();
        let mut cache = Cache::open(directory.path(), validity).unwrap();
        for order in [(0..39).collect::<Vec<usize>>(), (0..39).rev().collect()] {
            for at in order {
                let found = cache.record(places[at], all[at].0).map(<[u8]>::to_vec);
                assert_eq!(found.as_ref(), Some(&all[at].1));
            }
        }
        assert_eq!(cache.record(places[0], uid(2)), None, "another message's");
        let other = Whose::new(Uid::MIN, b"other");
        assert_eq!(cache.record(places[0], other), None, "of another message with this UID");
        assert_eq!(cache.record(places[38] + 1000, uid(2)), None, "behind the end");
        let found: Vec<(Whose, u32)> = all.iter().map(|(uid, _)| *uid).zip(places).collect();
        assert_eq!(cache.all_records(), found);
        assert!(Cache::open(directory.path(), UidValidity::MIN).is_none(), "of another UIDVALIDITY");
    }

    #[test]
    fn items_come_back_and_the_first_of_a_kind_counts() {
        let bytes = record("(a)");
        let found: Vec<(CacheKind, &[u8])> = items(&bytes).collect();
        assert_eq!(found, [(A, &b"(a)"[..]), (B, b"(b)")]);
        let long = vec![0; ITEM_MAX + 1];
        assert_eq!(items(&payload([(A, &long[..]), (B, b"b")].into_iter())).count(), 1);
    }

    #[test]
    fn security_22_a_damaged_cache_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let validity = UidValidity::new(7).unwrap();
        let (_, places) =
            append(directory.path(), validity, &[(uid(1), record("a")), (uid(2), record("b"))]).unwrap();
        let path = path_in(directory.path());
        let good = std::fs::read(&path).unwrap();
        for at in 16..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0xFF;
            std::fs::write(&path, &bytes).unwrap();
            let mut cache = Cache::open(directory.path(), validity).unwrap();
            let right = |n: usize| {
                cache_of(&mut cache, places[n], n).is_none_or(|found| found == record(["a", "b"][n]))
            };
            fn cache_of(cache: &mut Cache, place: u32, n: usize) -> Option<Vec<u8>> {
                cache.record(place, uid(n as u32 + 1)).map(<[u8]>::to_vec)
            }
            let mut right = right;
            assert!(right(0) && right(1), "byte {at}");
        }
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            if let Some(mut cache) = Cache::open(directory.path(), validity) {
                assert!(cache.all_records().len() < 2 || good.len() - length < UNIT as usize);
            }
            // Appending to it works, or begins it anew.
            let added = append(directory.path(), validity, &[(uid(3), record("c"))])
                .or_else(|_| append(directory.path(), validity, &[(uid(3), record("c"))]));
            let place = added.unwrap().1[0];
            let mut cache = Cache::open(directory.path(), validity).unwrap();
            assert_eq!(cache.record(place, uid(3)), Some(&record("c")[..]));
        }
    }
}
