//! Courier's files from ours: `courierimapuiddb`, `courierimapkeywords/`,
//! `courierpop3dsizelist`.

use super::dot_lock::DotLock;
use super::{HandedOver, Site, can_be_listed};
use crate::disk::{is_missing, sync_directory, write_durably};
use crate::error::{Error, Result};
use crate::extract::{Extract, ExtractRow};
use crate::message::{Looked, MessageFile};
use crate::take_over::courier::{numbers_of_uidl, update};
use mail::{Keyword, Uid};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Writes the files of a mailbox under Courier's lock.
pub(super) fn write(site: &Site<'_>, extract: &Extract, done: &mut HandedOver) -> Result<()> {
    let sizes = pop3_list(site, extract, done)?;
    if site.is_dry {
        return Ok(());
    }
    let holder = format!("{} {}\n", std::process::id(), site.settings.hostname);
    let path = site.directory.join("tmp/courier.lock");
    let _lock = DotLock::take(&path, &holder, site.settings.lock_wait_ms_max)?;
    write_keywords(&site.directory.join("courierimapkeywords"), &keywords(extract))?;
    if let Some(sizes) = sizes {
        write_durably(&site.directory.join("courierpop3dsizelist"), &sizes)?;
    }
    write_durably(&site.directory.join("courierimapuiddb"), &uid_list(extract))
}

fn listed(extract: &Extract) -> impl Iterator<Item = &ExtractRow> {
    extract.rows.iter().filter(|row| can_be_listed(row))
}

/// `courierimapuiddb`.
pub(super) fn uid_list(extract: &Extract) -> Vec<u8> {
    let next = extract.uid_next.unwrap_or(Uid::MAX);
    let mut bytes = format!("1 {} {next}\n", extract.uid_validity).into_bytes();
    for row in listed(extract) {
        bytes.extend_from_slice(format!("{} ", row.uid).as_bytes());
        bytes.extend_from_slice(&row.base);
        bytes.push(b'\n');
    }
    bytes
}

/// `courierimapkeywords/:list`.
pub(super) fn keywords(extract: &Extract) -> Vec<u8> {
    let mut known: Vec<&Keyword> = listed(extract).flat_map(|row| &row.keywords).collect();
    known.sort();
    known.dedup();
    let mut bytes = Vec::new();
    for keyword in &known {
        bytes.extend_from_slice(keyword.as_str().as_bytes());
        bytes.push(b'\n');
    }
    bytes.push(b'\n');
    for row in listed(extract).filter(|row| !row.keywords.is_empty()) {
        let mut indices = String::new();
        for index in row.keywords.iter().filter_map(|keyword| known.binary_search(&keyword).ok()) {
            let _ = write!(indices, "{}{index}", if indices.is_empty() { ":" } else { " " });
        }
        bytes.extend_from_slice(&row.base);
        bytes.extend_from_slice(indices.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// The list first, then updates of single messages, which would go before it, are removed.
fn write_keywords(directory: &Path, list: &[u8]) -> Result<()> {
    match std::fs::read_dir(directory) {
        Err(error) if is_missing(&error) && list == b"\n" => return Ok(()),
        Err(error) if is_missing(&error) => DirBuilder::new()
            .mode(0o700)
            .create(directory)
            .map_err(|error| Error::io("cannot make", directory, error))?,
        Err(error) => return Err(Error::io("cannot read", directory, error)),
        Ok(_) => {}
    }
    write_durably(&directory.join(":list"), list)?;
    let entries = std::fs::read_dir(directory).map_err(|error| Error::io("cannot read", directory, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("cannot read", directory, error))?;
        if update(entry.file_name().as_bytes()).is_some() {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(|error| Error::io("cannot remove", &path, error))?;
        }
    }
    sync_directory(directory)
}

/// `courierpop3dsizelist`, where Courier does not have one already, whose UIDLs it then goes on
/// with, and where there is something to say in it.
fn pop3_list(site: &Site<'_>, extract: &Extract, done: &mut HandedOver) -> Result<Option<Vec<u8>>> {
    let has_list = std::fs::symlink_metadata(site.directory.join("courierpop3dsizelist")).is_ok();
    if !site.is_inbox || has_list {
        return Ok(None);
    }
    let (mut records, mut greatest, mut unsayable) = (Vec::new(), 0, 0_usize);
    for row in listed(extract) {
        let Some(uidl) = &row.uidl else { continue };
        let Some((n, validity)) = numbers_of_uidl(uidl, &row.base) else {
            unsayable += 1;
            continue;
        };
        let Some(size) = size(site, row)? else { continue };
        greatest = greatest.max(n);
        records.extend_from_slice(&row.base);
        records.extend_from_slice(format!(" {size} {n}:{validity}\n").as_bytes());
    }
    if unsayable > 0 {
        done.left.push(format!("{unsayable} POP3 UIDLs cannot be said in Courier's list: new ones follow"));
    }
    if records.is_empty() {
        return Ok(None);
    }
    let mut bytes = format!("/2 {} {}\n", greatest.saturating_add(1), extract.uid_validity).into_bytes();
    bytes.append(&mut records);
    Ok(Some(bytes))
}

/// Octets on the wire; `None` when the file is gone.
fn size(site: &Site<'_>, row: &ExtractRow) -> Result<Option<u64>> {
    let name = [&row.base[..], &row.suffix].concat();
    let path = site.directory.join(row.place.directory()).join(OsStr::from_bytes(&name));
    if let Some(Looked { octets: Some(size), .. }) = MessageFile::look(&path)? {
        return Ok(Some(size));
    }
    let file = match MessageFile::open(&path) {
        Err(error) if error.is_of_compression() => None,
        file => file?,
    };
    file.map(|file| file.count_octets()).transpose()
}
