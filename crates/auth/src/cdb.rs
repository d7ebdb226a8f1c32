//! Reading a constant database, as D. J. Bernstein's cdb(5) has it.
//!
//! 256 pairs of offset and number of slots, then records (length of key, length of value, key,
//! value), then hash tables of slots (hash, offset of a record); numbers are 32 bits, little
//! endian. Whoever makes one renames it into place, so an open file never changes.
//!
//! Nothing that the file says is believed: each offset and length is held against the file's
//! size, and what is read at once is bounded. A truncated file is an error for every key.

use crate::regular_file::{Links, open};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Size of the pairs at the beginning, in bytes; records begin behind it.
const HEADER_SIZE: u64 = 2048;
/// Size of a pair of numbers, in bytes.
const PAIR_SIZE: u64 = 8;
/// Longest key or value that is read, in bytes.
const LENGTH_MAX: u32 = 64 * 1024;
/// Most slots that are looked at for a key. Tables are at most half full, so few are needed.
const PROBES_MAX: u32 = 10_000;

/// An open constant database.
pub(crate) struct Cdb {
    file: File,
    size: u64,
    tables: Vec<Table>,
}

/// A hash table of the file. It lies within the file.
#[derive(Clone, Copy)]
struct Table {
    offset: u64,
    slots: u32,
}

/// A record. Values may be secrets.
pub(crate) struct Record {
    /// What it is found by.
    pub(crate) key: Vec<u8>,
    /// What is stored.
    pub(crate) value: Zeroizing<Vec<u8>>,
}

impl Cdb {
    /// Opens a file, and looks at the places of its tables.
    pub(crate) fn open(path: &Path, links: Links) -> io::Result<Self> {
        let file = open(path, links)?;
        let size = file.metadata()?.len();
        let mut header = [0; HEADER_SIZE as usize];
        if size < HEADER_SIZE {
            return Err(malformed("it is too short for a cdb: truncated?"));
        }
        file.read_exact_at(&mut header, 0)?;
        let (pairs, _) = header.as_chunks();
        let table = |pair: &[u8; 8]| {
            let (offset, slots) = numbers(*pair);
            let table = Table { offset: offset.into(), slots };
            let fits = slots == 0 || (table.offset >= HEADER_SIZE && table.end() <= size);
            fits.then_some(table).ok_or_else(|| malformed("a table lies outside of it: truncated, or no cdb"))
        };
        let tables: Vec<_> = pairs.iter().map(table).collect::<io::Result<_>>()?;
        // Records that no table leads to: a header that was never written, or lost in a crash.
        if size > HEADER_SIZE && tables.iter().all(|table| table.slots == 0) {
            return Err(malformed("it has no tables: only half written?"));
        }
        Ok(Self { file, size, tables })
    }

    /// The value of the first record with a key.
    pub(crate) fn find(&self, key: &[u8]) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let hash = hash(key);
        let table = self.tables.get((hash % 256) as usize).filter(|table| table.slots > 0);
        let Some(table) = table else { return Ok(None) };
        let mut slot = (hash >> 8) % table.slots;
        for _ in 0..table.slots.min(PROBES_MAX) {
            let (found, offset) = self.pair(table.offset + u64::from(slot) * PAIR_SIZE)?;
            if offset == 0 {
                return Ok(None);
            }
            if found == hash
                && let Some(value) = self.value_if(key, offset.into())?
            {
                return Ok(Some(value));
            }
            slot = (slot + 1) % table.slots;
        }
        if table.slots > PROBES_MAX { Err(malformed("a table is too full")) } else { Ok(None) }
    }

    /// The value of the record at an offset, if it has that key.
    fn value_if(&self, key: &[u8], offset: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let (key_length, value_length) = self.pair(offset)?;
        if u64::from(key_length) != key.len() as u64 {
            return Ok(None);
        }
        let key_offset = offset + PAIR_SIZE;
        if self.bytes(key_offset, key_length)?.as_slice() != key {
            return Ok(None);
        }
        self.bytes(key_offset + u64::from(key_length), value_length).map(Some)
    }

    /// All records, in the order of the file; none behind an error.
    pub(crate) fn records(&self) -> impl Iterator<Item = io::Result<Record>> {
        let offsets = self.tables.iter().filter(|table| table.slots > 0).map(|table| table.offset);
        let mut end = offsets.min().unwrap_or(HEADER_SIZE);
        let mut offset = HEADER_SIZE;
        std::iter::from_fn(move || {
            let record = (offset < end).then(|| self.record(offset, end))?;
            match &record {
                Ok(record) => offset += PAIR_SIZE + (record.key.len() + record.value.len()) as u64,
                Err(_) => end = offset,
            }
            Some(record)
        })
    }

    fn record(&self, offset: u64, end: u64) -> io::Result<Record> {
        let (key_length, value_length) = self.pair(offset)?;
        let key_offset = offset + PAIR_SIZE;
        let value_offset = key_offset + u64::from(key_length);
        if value_offset + u64::from(value_length) > end {
            return Err(malformed("a record reaches into the tables"));
        }
        let key = self.bytes(key_offset, key_length)?.to_vec();
        Ok(Record { key, value: self.bytes(value_offset, value_length)? })
    }

    fn pair(&self, offset: u64) -> io::Result<(u32, u32)> {
        let mut pair = [0; PAIR_SIZE as usize];
        self.file.read_exact_at(&mut pair, offset)?;
        Ok(numbers(pair))
    }

    fn bytes(&self, offset: u64, length: u32) -> io::Result<Zeroizing<Vec<u8>>> {
        if length > LENGTH_MAX {
            return Err(malformed("a record is too long"));
        }
        if offset + u64::from(length) > self.size {
            return Err(malformed("a record reaches beyond its end: truncated?"));
        }
        let mut bytes = Zeroizing::new(vec![0; length as usize]);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

impl Table {
    fn end(self) -> u64 {
        self.offset + u64::from(self.slots) * PAIR_SIZE
    }
}

fn numbers(pair: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = pair;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// cdb's hash of a key.
pub(crate) fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, byte| (hash << 5).wrapping_add(hash) ^ u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cdb;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::process::{Command, Output};

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn opened(bytes: &[u8]) -> io::Result<Cdb> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cdb");
        std::fs::write(&path, bytes).unwrap();
        Cdb::open(&path, Links::Refused)
    }

    fn read(database: &Cdb) -> io::Result<Pairs> {
        database.records().map(|record| record.map(|record| (record.key, record.value.to_vec()))).collect()
    }

    fn pairs() -> impl Strategy<Value = Pairs> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..20);
        proptest::collection::vec((bytes(), bytes()), 0..60)
    }

    /// Runs the program `cdb`.
    fn program(directory: &Path, arguments: &[&str]) -> Output {
        let output = Command::new("cdb").args(arguments).current_dir(directory).output();
        output.expect("the program cdb, of the package tinycdb: tests/run installs it")
    }

    proptest! {
        #[test]
        fn what_was_written_is_found(pairs in pairs(), other: Vec<u8>) {
            let database = opened(&cdb(&pairs)).unwrap();
            let mut first: HashMap<&[u8], &[u8]> = HashMap::new();
            for (key, value) in &pairs {
                first.entry(key).or_insert(value);
            }
            for key in pairs.iter().map(|(key, _)| key).chain([&other]) {
                let found = database.find(key).unwrap();
                prop_assert_eq!(found.as_ref().map(|found| found.as_slice()), first.get(&key[..]).copied());
            }
            prop_assert_eq!(read(&database).unwrap(), pairs);
        }

        #[test]
        fn security_22_any_bytes_are_survived(
            bytes in proptest::collection::vec(any::<u8>(), 0..4000),
            pairs in pairs(),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        ) {
            let mut damaged = cdb(&pairs);
            for (place, byte) in damage {
                let place = place.index(damaged.len());
                damaged[place] = byte;
            }
            for bytes in [bytes, damaged] {
                let Ok(database) = opened(&bytes) else { continue };
                let _ = read(&database);
                for (key, _) in &pairs {
                    let _ = database.find(key);
                }
            }
        }

        #[test]
        fn security_22_a_truncated_file_is_an_error(pairs in pairs(), length: prop::sample::Index) {
            let bytes = cdb(&pairs);
            prop_assert!(opened(&bytes[..length.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn security_22_lengths_are_bounded() {
        let record = |key: u32, value: u32| {
            let mut bytes = cdb(&[(b"anna".to_vec(), b"x".to_vec())]);
            bytes[2048..2052].copy_from_slice(&key.to_le_bytes());
            bytes[2052..2056].copy_from_slice(&value.to_le_bytes());
            opened(&bytes).unwrap()
        };
        for value in [1000, LENGTH_MAX + 1, u32::MAX] {
            assert!(record(4, value).find(b"anna").is_err(), "{value}");
        }
        for (key, value) in [(4, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX), (4, 2)] {
            let database = record(key, value);
            assert_eq!(database.records().count(), 1, "nothing behind an error");
            assert!(read(&database).is_err(), "{key} {value}");
        }
        // A table with no free slot: all of it is one key's hash.
        let slots = PROBES_MAX + 1;
        let mut bytes = vec![0; 2048];
        let hash = hash(b"anna");
        let place = (hash % 256) as usize * 8;
        bytes[place..place + 4].copy_from_slice(&2048_u32.to_le_bytes());
        bytes[place + 4..place + 8].copy_from_slice(&slots.to_le_bytes());
        for _ in 0..slots {
            bytes.extend(hash.to_le_bytes());
            bytes.extend(1_u32.to_le_bytes());
        }
        assert!(opened(&bytes).unwrap().find(b"anna").is_err());
    }

    #[test]
    fn the_program_cdb_and_this_reader_agree() {
        let directory = tempfile::tempdir().unwrap();
        let pairs: Pairs = (0..3000)
            .map(|number| (format!("key{}", number % 2900).into_bytes(), format!("{number}").into_bytes()))
            .collect();
        std::fs::write(directory.path().join("ours"), cdb(&pairs)).unwrap();
        let dump = program(directory.path(), &["-d", "ours"]);
        assert!(dump.status.success(), "{dump:?}");
        std::fs::write(directory.path().join("dump"), &dump.stdout).unwrap();
        let made = program(directory.path(), &["-c", "theirs", "dump"]);
        assert!(made.status.success(), "{made:?}");
        let theirs = Cdb::open(&directory.path().join("theirs"), Links::Refused).unwrap();
        assert_eq!(read(&theirs).unwrap(), pairs);
        for key in ["key0", "key99", "key100", "key2899", "key2900", ""] {
            let said = program(directory.path(), &["-q", "-n", "1", "theirs", key]);
            let said = said.status.success().then_some(said.stdout);
            let found = theirs.find(key.as_bytes()).unwrap();
            assert_eq!(found.map(|found| found.to_vec()), said, "{key}");
        }
    }
}
