//! Taking over what Courier or Dovecot knew of a mailbox: UIDs, UIDVALIDITY, keywords.
//!
//! Their files are read and left as they are: going back is free.

use crate::directory::is_missing;
use crate::error::Result;
use crate::file_name::split;
use crate::list_file::read_small;
use crate::uid_list::{Line, is_base_name};
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

/// Largest list that is read, in bytes.
const SIZE_MAX: u64 = 1 << 30;

/// What another server's list says.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign {
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// Base names by UID.
    pub messages: BTreeMap<Uid, Box<[u8]>>,
}

/// The lines that our list begins with, from the newer of the other servers' lists; `None`
/// when there is none that can be believed.
pub(crate) fn take_over(directory: &Path) -> Result<Option<Vec<Line<'static>>>> {
    let mut lists: Vec<(Option<SystemTime>, &str)> = ["courierimapuiddb", "dovecot-uidlist"]
        .into_iter()
        .map(|name| (modified(&directory.join(name)), name))
        .filter(|(time, _)| time.is_some())
        .collect();
    lists.sort();
    for (_, name) in lists.into_iter().rev() {
        let path = directory.join(name);
        match read_small(&path, SIZE_MAX)?.as_deref().and_then(parse_list) {
            Some(foreign) => {
                tracing::info!(list = %path.display(), messages = foreign.messages.len(), "took over UIDs");
                let keywords = keywords_of(directory, name, &foreign)?;
                return Ok(Some(lines(&foreign, &keywords)));
            }
            None => tracing::warn!(list = %path.display(), "cannot be read: its UIDs are not taken over"),
        }
    }
    Ok(None)
}

/// Reads either server's list: version 1 is Courier's (and old Dovecot's), version 3 Dovecot's.
pub fn parse_list(bytes: &[u8]) -> Option<Foreign> {
    let mut lines = bytes.split(|b| *b == b'\n');
    let header = std::str::from_utf8(lines.next()?).ok()?;
    let mut words = header.split_ascii_whitespace();
    let (mut validity, mut next) = (None, None);
    let version = words.next()?;
    match version {
        "1" => {
            validity = words.next()?.parse().ok();
            next = words.next()?.parse().ok();
        }
        "3" => {
            for word in words {
                match word.split_at_checked(1) {
                    Some(("V", value)) => validity = value.parse().ok(),
                    Some(("N", value)) => next = value.parse().ok(),
                    _ => {}
                }
            }
        }
        _ => return None,
    }
    let mut foreign = Foreign {
        uid_validity: UidValidity::new(validity?)?,
        uid_next: Uid::new(next?)?,
        messages: BTreeMap::new(),
    };
    for line in lines {
        let Some((uid, base)) = record(line, version) else { continue };
        foreign.messages.insert(uid, base);
    }
    if let Some(above) = foreign.messages.last_key_value().and_then(|(last, _)| last.next()) {
        foreign.uid_next = foreign.uid_next.max(above);
    }
    Some(foreign)
}

/// `uid base` of version 1, `uid [fields] :name` of version 3.
fn record(line: &[u8], version: &str) -> Option<(Uid, Box<[u8]>)> {
    let blank = memchr::memchr(b' ', line)?;
    let uid = Uid::new(std::str::from_utf8(&line[..blank]).ok()?.parse().ok()?)?;
    let rest = &line[blank + 1..];
    let name = if version == "1" { rest } else { &rest[memchr::memchr(b':', rest)? + 1..] };
    let (base, _) = split(name);
    is_base_name(base).then(|| (uid, base.into()))
}

fn lines(foreign: &Foreign, keywords: &BTreeMap<Box<[u8]>, Vec<Keyword>>) -> Vec<Line<'static>> {
    let mut lines = vec![Line::Validity(foreign.uid_validity)];
    let mut known: Vec<Keyword> = Vec::new();
    let mut messages = Vec::new();
    for (uid, base) in &foreign.messages {
        let mut indices = Vec::new();
        for keyword in keywords.get(base).into_iter().flatten() {
            let index = known.iter().position(|k| k == keyword).unwrap_or_else(|| {
                lines.push(Line::Keyword(known.len(), keyword.clone()));
                known.push(keyword.clone());
                known.len() - 1
            });
            indices.push(index);
        }
        // The scan that follows takes the flags from the names.
        let (flags, base) = (SystemFlags::NONE, base.to_vec().into());
        messages.push(Line::Message { uid: *uid, modseq: ModSeq(1), flags, keywords: indices, base });
    }
    lines.extend(messages);
    lines.push(Line::Next(foreign.uid_next, ModSeq(1)));
    lines.push(Line::Recent(foreign.uid_next));
    lines
}

fn keywords_of(directory: &Path, list: &str, foreign: &Foreign) -> Result<BTreeMap<Box<[u8]>, Vec<Keyword>>> {
    if list == "courierimapuiddb" {
        courier_keywords(directory)
    } else {
        dovecot_keywords(directory, foreign)
    }
}

/// Letters in file names, whose meaning is in `dovecot-keywords`.
fn dovecot_keywords(directory: &Path, foreign: &Foreign) -> Result<BTreeMap<Box<[u8]>, Vec<Keyword>>> {
    let mut of_letter: BTreeMap<u8, Keyword> = BTreeMap::new();
    let text = read_small(&directory.join("dovecot-keywords"), SIZE_MAX)?.unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((index, keyword)) = line.split_once(' ') else { continue };
        if let (Some(index @ 0..=25), Some(keyword)) = (index.parse::<u8>().ok(), Keyword::new(keyword)) {
            of_letter.insert(b'a' + index, keyword);
        }
    }
    let mut keywords = BTreeMap::new();
    if of_letter.is_empty() {
        return Ok(keywords);
    }
    let found = crate::scan::scan(directory)?;
    for file in found.files() {
        let letters = found.info(file).foreign;
        let of_file: Vec<Keyword> =
            letters.iter().filter_map(|letter| of_letter.get(letter).cloned()).collect();
        if !of_file.is_empty() {
            keywords.insert(found.base(file).into(), of_file);
        }
    }
    let known: std::collections::BTreeSet<_> = foreign.messages.values().collect();
    keywords.retain(|base, _| known.contains(base));
    Ok(keywords)
}

/// Courier's directory of keywords: a list, and updates that go before it.
fn courier_keywords(directory: &Path) -> Result<BTreeMap<Box<[u8]>, Vec<Keyword>>> {
    let directory = directory.join("courierimapkeywords");
    let mut keywords = BTreeMap::new();
    if let Some(text) = read_small(&directory.join(":list"), SIZE_MAX)? {
        parse_courier_list(&text, &mut keywords);
    }
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(keywords),
        Err(error) => return Err(crate::Error::io("cannot read", &directory, error)),
    };
    // Aged updates `.N.base` in order of N, then the plain ones: the last counts.
    let mut updates: Vec<(u64, Box<[u8]>, std::path::PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.as_bytes();
        let update = match name.strip_prefix(b".") {
            None => Some((u64::MAX, name)),
            Some(aged) => memchr::memchr(b'.', aged)
                .and_then(|at| Some((std::str::from_utf8(&aged[..at]).ok()?.parse().ok()?, &aged[at + 1..]))),
        };
        if let Some((age, base)) = update.filter(|(_, base)| is_base_name(base)) {
            updates.push((age, base.into(), entry.path()));
        }
    }
    updates.sort();
    for (_, base, path) in updates {
        let Some(text) = read_small(&path, 64 * 1024)? else { continue };
        let names = String::from_utf8_lossy(&text);
        keywords.insert(base, names.lines().filter_map(Keyword::new).collect());
    }
    Ok(keywords)
}

fn parse_courier_list(text: &[u8], keywords: &mut BTreeMap<Box<[u8]>, Vec<Keyword>>) {
    let mut lines = text.split(|b| *b == b'\n');
    let mut names: Vec<Option<Keyword>> = Vec::new();
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
        names.push(Keyword::new(&String::from_utf8_lossy(line)));
    }
    for line in lines {
        let Some(colon) = memchr::memrchr(b':', line) else { continue };
        let indices = String::from_utf8_lossy(&line[colon + 1..]);
        let of_message = indices
            .split_ascii_whitespace()
            .filter_map(|index| names.get(index.parse::<usize>().ok()?)?.clone())
            .collect();
        if is_base_name(&line[..colon]) {
            keywords.insert(line[..colon].into(), of_message);
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?.modified().ok()
}
