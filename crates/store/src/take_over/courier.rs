//! Courier's files: `courierimapuiddb`, `courierimapkeywords/`, `courierpop3dsizelist`.

use super::{Faults, Foreign, Keywords, Listed, Records, SIZE_MAX, header, number, sound, whole_lines};
use crate::disk::{is_missing, read_small};
use crate::error::{Error, Result};
use crate::file_name::split;
use crate::uid_list::{is_base_name, is_uidl};
use mail::{Keyword, Uid};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Largest file of one message's keywords, in bytes.
const UPDATE_MAX: u64 = 64 * 1024;

/// Reads `courierimapuiddb`, which is also the first version of `dovecot-uidlist`:
/// `1 UIDVALIDITY UIDNEXT`, then `UID BASENAME` a line.
///
/// Some lists of that form have `:2,FLAGS` behind the name; it is dropped.
pub fn parse_list(bytes: &[u8]) -> Foreign {
    let mut records = Records::default();
    let mut lines = whole_lines(bytes, &mut records.faults);
    let first = lines.next().unwrap_or_default();
    let words: Vec<&[u8]> = first.split(|b| *b == b' ').filter(|word| !word.is_empty()).collect();
    let header = match words[..] {
        [b"1", validity, next, ..] => header(Some(validity), Some(next)),
        _ => None,
    };
    // Where the first line was lost, the first that is left may be a message's.
    if header.is_none() && !words.iter().all(|word| word.iter().all(u8::is_ascii_digit)) {
        record(first, &mut records);
    }
    lines.for_each(|line| record(line, &mut records));
    records.finish(header)
}

fn record(line: &[u8], records: &mut Records) {
    match memchr::memchr(b' ', line) {
        Some(blank) => records.push(&line[..blank], &line[blank + 1..], Listed::default()),
        None => records.faults.bad_lines += 1,
    }
}

/// Keywords of the messages: `:list`, and files of single messages that go before it.
pub(crate) fn keywords(directory: &Path, faults: &mut Faults) -> Result<Keywords> {
    let directory = directory.join("courierimapkeywords");
    let mut keywords = match sound(read_small(&directory.join(":list"), SIZE_MAX), faults)? {
        Some(text) => parse_keywords(&text, faults),
        None => HashMap::new(),
    };
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(keywords),
        Err(error) => return Err(Error::io("cannot read", &directory, error)),
    };
    // Aged updates `.N.base` in order of N, then the plain ones: the last counts.
    let mut updates: Vec<(u64, Box<[u8]>, std::path::PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("cannot read", &directory, error))?;
        let name = entry.file_name();
        if let Some((age, base)) = update(name.as_bytes()) {
            updates.push((age, base.into(), entry.path()));
        }
    }
    updates.sort();
    for (_, base, path) in updates {
        let Some(text) = sound(read_small(&path, UPDATE_MAX), faults)? else { continue };
        let of_message = text.split(|b| *b == b'\n').filter(|name| !name.is_empty());
        let of_message = of_message.filter_map(|name| keyword(name, faults)).collect();
        keywords.insert(base, of_message);
    }
    Ok(keywords)
}

/// The age and base name that an update's name gives; `None` for `:list` and leftovers.
pub(crate) fn update(name: &[u8]) -> Option<(u64, &[u8])> {
    let update = match name.strip_prefix(b".") {
        None => (u64::MAX, name),
        Some(aged) => {
            let dot = memchr::memchr(b'.', aged)?;
            (std::str::from_utf8(&aged[..dot]).ok()?.parse().ok()?, &aged[dot + 1..])
        }
    };
    Some(update).filter(|(_, base)| is_base_name(base))
}

/// Reads `:list`: a keyword a line, an empty line, then `BASENAME:INDEX INDEX…` a line.
pub fn parse_keywords(text: &[u8], faults: &mut Faults) -> HashMap<Box<[u8]>, Vec<Keyword>> {
    let mut keywords = HashMap::new();
    let mut lines = whole_lines(text, faults);
    let mut names: Vec<Option<Keyword>> = Vec::new();
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
        names.push(keyword(line, faults));
    }
    for line in lines {
        let Some(colon) = memchr::memrchr(b':', line) else {
            faults.bad_lines += 1;
            continue;
        };
        let base = &line[..colon];
        if !is_base_name(base) {
            faults.bad_names += 1;
            continue;
        }
        let mut of_message = Vec::new();
        for index in line[colon + 1..].split(|b| *b == b' ').filter(|index| !index.is_empty()) {
            match number(index).and_then(|index| names.get(usize::try_from(index).ok()?)) {
                Some(keyword) => of_message.extend(keyword.clone()),
                None => faults.bad_keywords += 1,
            }
        }
        keywords.insert(base.into(), of_message);
    }
    keywords
}

fn keyword(name: &[u8], faults: &mut Faults) -> Option<Keyword> {
    let keyword = std::str::from_utf8(name).ok().and_then(Keyword::new);
    faults.bad_keywords += usize::from(keyword.is_none());
    keyword
}

/// Adds the UIDLs that Courier's POP3 server gave; only the main Maildir has them.
pub(crate) fn uidls(directory: &Path, foreign: &mut Foreign) -> Result<()> {
    let path = directory.join("courierpop3dsizelist");
    let Some(text) = sound(read_small(&path, SIZE_MAX), &mut foreign.faults)? else { return Ok(()) };
    let mut of_name = parse_sizes(&text, &mut foreign.faults);
    for listed in foreign.messages.values_mut() {
        if let Some(uidl) = of_name.remove(&listed.base) {
            listed.uidl = Some(uidl);
        }
    }
    Ok(())
}

/// Reads `courierpop3dsizelist`: UIDLs by base name. Versions 2 and 3 are known.
pub fn parse_sizes(text: &[u8], faults: &mut Faults) -> HashMap<Box<[u8]>, Box<str>> {
    let mut uidls = HashMap::new();
    let mut lines = whole_lines(text, faults);
    let first = lines.next().unwrap_or_default();
    if !first.starts_with(b"/2 ") && !first.starts_with(b"/3 ") {
        faults.bad_lines += 1;
        return uidls;
    }
    for line in lines {
        // A name may have blanks in it.
        let mut words = line.rsplitn(3, |b| *b == b' ');
        let (Some(ids), Some(_size), Some(name)) = (words.next(), words.next(), words.next()) else {
            faults.bad_lines += 1;
            continue;
        };
        let name = memchr::memrchr(b'/', name).map_or(name, |at| &name[at + 1..]);
        let (base, _) = split(name);
        let mut numbers = ids.split(|b| *b == b':').map(number);
        let (Some(Some(n)), Some(Some(validity))) = (numbers.next(), numbers.next()) else {
            faults.bad_lines += 1;
            continue;
        };
        if !is_base_name(base) {
            faults.bad_names += 1;
            continue;
        }
        let uidl = match (n, validity) {
            (0, _) => uidl_of_name(base),
            (n, 0) => format!("UID{n}"),
            (n, validity) => format!("UID{n}-{validity}"),
        };
        if is_uidl(uidl.as_bytes()) {
            uidls.insert(base.into(), uidl.into());
        } else {
            faults.bad_uidls += 1;
        }
    }
    uidls
}

/// The UIDL that Courier makes of a base name.
pub(crate) fn uidl_of_name(base: &[u8]) -> String {
    let mut uidl = String::with_capacity(base.len());
    for &byte in base {
        if byte.is_ascii_graphic() && !b"'\"+".contains(&byte) {
            uidl.push(char::from(byte));
        } else {
            uidl.push_str(&format!("+{byte:02X}"));
        }
    }
    uidl
}

/// The numbers that stand for a UIDL in `courierpop3dsizelist`; `None` for one that cannot be
/// said there.
pub(crate) fn numbers_of_uidl(uidl: &str, base: &[u8]) -> Option<(u32, u32)> {
    if uidl == uidl_of_name(base) {
        return Some((0, 0));
    }
    let numbers = uidl.strip_prefix("UID")?;
    let (n, validity) = match numbers.split_once('-') {
        Some((n, validity)) => (number(n.as_bytes())?, number(validity.as_bytes())?),
        None => (number(numbers.as_bytes())?, 0),
    };
    let again = if validity == 0 { format!("UID{n}") } else { format!("UID{n}-{validity}") };
    (Uid::new(n).is_some() && again == uidl).then_some((n, validity))
}
