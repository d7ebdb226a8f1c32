//! What is wrong with a cache: its structure and checksums, record by record.

use super::{
    Cache, FILE_HEADER, ITEM_HEADER, MAGIC_ALL, PAYLOAD_MAX, RECORD_HEADER, Whose, file_header, items, open,
    path_in, record_size, refuse_newer, u32_at,
};
use mail::UidValidity;
use rustix::fs::OFlags;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What reading the whole cache gave.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Records that are sound, in the order of the file: whose they are, and where, in units.
    pub(crate) records: Vec<(Whose, u32)>,
    /// What is wrong, each with its place.
    pub(crate) faults: Vec<String>,
}

/// What the first bytes of a cache say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// There is none.
    Missing,
    /// As it should be.
    Sound,
    /// Of another UIDVALIDITY, or of an earlier version: whoever writes next begins it anew.
    Stale,
    /// Of a later version: it is left alone.
    Newer,
    /// No cache's.
    Damaged,
}

/// Looks at the first bytes of a mailbox's cache.
pub(crate) fn head(directory: &Path, validity: UidValidity) -> Head {
    let Ok(file) = open(&path_in(directory), OFlags::RDONLY) else { return Head::Missing };
    let mut header = [0; FILE_HEADER as usize];
    match file.read_exact_at(&mut header, 0) {
        Ok(()) if header == file_header(validity) => Head::Sound,
        Ok(()) if refuse_newer(&path_in(directory)).is_err() => Head::Newer,
        Ok(()) if header.starts_with(MAGIC_ALL) => Head::Stale,
        _ => Head::Damaged,
    }
}

impl Cache {
    /// Reads all records, also those behind a damaged one whose length can be believed.
    pub(crate) fn audit(&mut self) -> Audit {
        let mut audit = Audit::default();
        let end = self.file.metadata().map_or(0, |metadata| metadata.len());
        let mut start = FILE_HEADER;
        while start < end {
            let Some(header) = self.bytes(start, RECORD_HEADER) else {
                audit.faults.push(format!("byte {start}: the last record is cut off"));
                break;
            };
            let (length, whose) = (u32_at(header, 0).unwrap_or(u32::MAX) as usize, Whose::read(header));
            if length > PAYLOAD_MAX {
                audit.faults.push(format!("byte {start}: no record, and {} bytes behind it", end - start));
                break;
            }
            if start + RECORD_HEADER as u64 + length as u64 > end {
                audit.faults.push(format!("byte {start}: the last record is cut off"));
                break;
            }
            match (whose, u32::try_from(start / super::UNIT)) {
                (Some(whose), Ok(at)) if self.record(at, whose).is_some_and(is_payload) => {
                    audit.records.push((whose, at));
                }
                _ => audit.faults.push(format!("byte {start}: a record is damaged")),
            }
            start += record_size(length);
        }
        audit
    }
}

/// Whether the items of a payload fill it.
fn is_payload(payload: &[u8]) -> bool {
    items(payload).map(|(_, bytes)| ITEM_HEADER + bytes.len()).sum::<usize>() == payload.len()
}
