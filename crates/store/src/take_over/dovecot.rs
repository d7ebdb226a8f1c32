//! Dovecot's files: `dovecot-uidlist`, `dovecot-keywords`, `dovecot-uidvalidity`.

use super::{
    Faults, Foreign, Keywords, Listed, Records, SIZE_MAX, courier, header, number, sound, whole_lines,
};
use crate::disk::read_small;
use crate::error::Result;
use crate::uid_list::is_uidl;
use mail::Keyword;
use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Greatest UIDVALIDITY of `dovecot-uidvalidity` that is believed: one that is damaged must not
/// use up all that are left.
const UID_VALIDITY_MAX: u32 = 0xFFFF_0000;

/// Reads `dovecot-uidlist`, version 3: `3 V… N… G…`, then `UID [FIELD…] :NAME` a line; or
/// version 1, which is Courier's form.
pub fn parse_list(bytes: &[u8]) -> Foreign {
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    if first.starts_with(b"1 ") && number(first.split(|b| *b == b' ').nth(1).unwrap_or_default()).is_some() {
        return courier::parse_list(bytes);
    }
    let mut records = Records::default();
    let mut lines = whole_lines(bytes, &mut records.faults);
    let first = lines.next().unwrap_or_default();
    let header = first.strip_prefix(b"3 ").and_then(|words| {
        let words = words.split(|b| *b == b' ');
        let value = |key: u8| words.clone().find_map(|word| word.strip_prefix(&[key]));
        header(value(b'V'), value(b'N'))
    });
    if header.is_none() && !first.starts_with(b"3 V") {
        record(first, &mut records);
    }
    lines.for_each(|line| record(line, &mut records));
    records.finish(header)
}

/// `UID [KEYvalue…] :NAME`.
fn record(line: &[u8], records: &mut Records) {
    let Some(blank) = memchr::memchr(b' ', line) else {
        records.faults.bad_lines += 1;
        return;
    };
    let (uid, rest) = (&line[..blank], &line[blank + 1..]);
    let mut listed = Listed::default();
    let mut kept = String::new();
    let mut at = rest;
    loop {
        if let Some(name) = at.strip_prefix(b":") {
            listed.fields = kept.into();
            return records.push(uid, name, listed);
        }
        let end = memchr::memchr(b' ', at);
        let (Some(end), Some(b'A'..=b'Z')) = (end, at.first()) else { break };
        let (field, rest) = (&at[..end], &at[end + 1..]);
        match field[0] {
            b'P' if is_uidl(&field[1..]) => {
                listed.uidl = std::str::from_utf8(&field[1..]).ok().map(Box::from);
            }
            b'P' => records.faults.bad_uidls += 1,
            b'G' | b'O' if field.iter().all(u8::is_ascii_graphic) => {
                kept.push(' ');
                kept.extend(field.iter().map(|b| char::from(*b)));
            }
            _ => {}
        }
        at = rest;
    }
    records.faults.bad_lines += 1;
}

/// Letters in the names of the files in `directory`, whose meaning is in the `dovecot-keywords`
/// of `control`.
pub(crate) fn keywords(directory: &Path, control: &Path, faults: &mut Faults) -> Result<Keywords> {
    let text = sound(read_small(&control.join("dovecot-keywords"), SIZE_MAX), faults)?.unwrap_or_default();
    let of_index = parse_keywords(&text, faults);
    let mut keywords = HashMap::new();
    if of_index.is_empty() {
        return Ok(keywords);
    }
    let found = crate::scan::scan(directory)?;
    for file in found.files() {
        let info = found.info(file);
        let letters = info.foreign.split(|b| *b == b',').next().unwrap_or_default();
        let of_file: Vec<Keyword> = letters
            .iter()
            .filter_map(|letter| of_index.get(&u32::from(letter.checked_sub(b'a')?)).cloned())
            .collect();
        if !of_file.is_empty() {
            keywords.insert(found.base(file).into(), of_file);
        }
    }
    Ok(keywords)
}

/// Reads `dovecot-keywords`, `INDEX KEYWORD` a line: those that letters stand for, 0 to 25. Of
/// an index that comes twice, the first counts, as in Dovecot.
pub fn parse_keywords(text: &[u8], faults: &mut Faults) -> BTreeMap<u32, Keyword> {
    let mut of_index = BTreeMap::new();
    for line in whole_lines(text, faults) {
        let blank = memchr::memchr(b' ', line);
        let index = blank.and_then(|blank| number(&line[..blank]));
        let (Some(blank), Some(index)) = (blank, index) else {
            faults.bad_lines += 1;
            continue;
        };
        match std::str::from_utf8(&line[blank + 1..]).ok().and_then(Keyword::new) {
            // Others have no letter: they are in Dovecot's index alone.
            Some(keyword) if index < 26 => drop(of_index.entry(index).or_insert(keyword)),
            Some(_) => {}
            None => faults.bad_keywords += 1,
        }
    }
    of_index
}

/// The greatest UIDVALIDITY that Dovecot gave in this Maildir: of the text of
/// `dovecot-uidvalidity` and the names beside it; 0 when there is none.
pub(crate) fn greatest_uid_validity(root: &Path) -> u32 {
    let hex = |text: &[u8]| {
        let digits = text.get(..8).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let text = read_small(&root.join("dovecot-uidvalidity"), 1024).ok().flatten().unwrap_or_default();
    let names = std::fs::read_dir(root).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let suffix = name.as_bytes().strip_prefix(b"dovecot-uidvalidity.")?.to_vec();
        hex(&suffix).filter(|_| suffix.len() == 8)
    });
    names.chain(hex(&text)).filter(|value| *value <= UID_VALIDITY_MAX).max().unwrap_or(0)
}
