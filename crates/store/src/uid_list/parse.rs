//! Reading lines of the list.

use super::frame::{unescape, unframed};
use super::{KEYWORDS_MAX, Line, VERSION, is_base_name, is_uidl};
use crate::file_name::Info;
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};

/// Longest line that is read, in bytes: more than the longest name, escaped, with all keywords.
pub(super) const LINE_MAX: usize = 128 * 1024;

/// What reading a list's bytes gave.
#[derive(Debug, Default)]
pub struct Parsed<'a> {
    /// The lines that are whole.
    pub lines: Vec<Line<'a>>,
    /// Bytes up to the end of the last line that ends: where to go on reading.
    pub consumed: usize,
    /// Lines that were passed over.
    pub damaged: usize,
    /// It is one of this later version: what else was read of it says nothing.
    pub newer: Option<u64>,
}

/// Reads lines. A last line without line end is not consumed.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut parsed = Parsed::default();
    for end in memchr::memchr_iter(b'\n', bytes) {
        match parse_line(&bytes[parsed.consumed..end]) {
            Some(line) => parsed.lines.push(line),
            None => match newer_version(&bytes[parsed.consumed..end]) {
                Some(version) => parsed.newer = Some(version),
                None => parsed.damaged += 1,
            },
        }
        parsed.consumed = end + 1;
    }
    parsed
}

/// Reads a list as it comes, piece by piece, and gives its lines away one by one: of a long one
/// no more than a piece is in memory.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The start of a line whose end has not come.
    pub(super) rest: Vec<u8>,
    /// What comes next belongs to a line that is too long.
    skipping: bool,
    /// Lines that were given.
    pub(crate) lines: usize,
    /// Lines that were passed over.
    pub(crate) damaged: usize,
    /// Bytes up to the end of the last line that ended.
    pub(crate) consumed: u64,
    /// The list is one of this later version: what else was read of it says nothing.
    pub(crate) newer: Option<u64>,
}

impl Reader {
    /// The next bytes of the list; `take` is called with each line that is whole.
    pub(crate) fn read(&mut self, bytes: &[u8], take: &mut dyn FnMut(Line<'_>)) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let length = (self.rest.len() + end + 1 - start) as u64;
            let line = match self.rest.is_empty() {
                true => &bytes[start..end],
                false => {
                    self.rest.extend_from_slice(&bytes[start..end]);
                    &self.rest
                }
            };
            match parse_line(line).filter(|_| !self.skipping) {
                Some(line) => {
                    self.lines += 1;
                    take(line);
                }
                None => match newer_version(line).filter(|_| !self.skipping) {
                    Some(version) => self.newer = Some(version),
                    None => self.damaged += 1,
                },
            }
            self.skipping = false;
            self.rest.clear();
            self.consumed += length;
            start = end + 1;
        }
        if self.rest.len() + bytes.len() - start > LINE_MAX {
            self.consumed += (self.rest.len() + bytes.len() - start) as u64;
            self.rest.clear();
            self.skipping = true;
        } else {
            self.rest.extend_from_slice(&bytes[start..]);
        }
    }

    /// Whether the last line has no end.
    pub(crate) fn is_torn(&self) -> bool {
        !self.rest.is_empty() || self.skipping
    }
}

fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    let text = unframed(line)?;
    let mut words = text.split(' ');
    let line = match words.next()? {
        "V" if words.next()? == VERSION.to_string() => {
            Line::Validity(UidValidity::new(number(words.next()?)?)?)
        }
        "N" => Line::Next(uid(words.next()?)?, modseq(words.next()?)?),
        "K" => {
            let index = words.next()?.parse().ok().filter(|index| *index < KEYWORDS_MAX)?;
            Line::Keyword(index, Keyword::new(words.next()?)?)
        }
        "U" => Line::Message {
            uid: uid(words.next()?)?,
            modseq: modseq(words.next()?)?,
            flags: parse_letters(words.next()?)?,
            keywords: parse_indices(words.next()?)?,
            base: unescape(words.next()?).filter(|base| is_base_name(base))?,
        },
        "F" => Line::Flags {
            uid: uid(words.next()?)?,
            modseq: modseq(words.next()?)?,
            flags: parse_letters(words.next()?)?,
            keywords: parse_indices(words.next()?)?,
        },
        "X" => {
            let expunged = words.next()?;
            match expunged.split_once(':') {
                Some((first, last)) => {
                    let (first, last) = (uid(first)?, uid(last)?);
                    (first <= last).then_some(Line::ExpungedRange(first, last, modseq(words.next()?)?))?
                }
                None => Line::Expunged(uid(expunged)?, modseq(words.next()?)?),
            }
        }
        "E" => Line::ExpungeFloor(modseq(words.next()?)?),
        "R" => Line::Recent(uid(words.next()?)?),
        "M" => Line::Reserve(modseq(words.next()?)?, words.next()?.into()),
        "P" => Line::Uidl(uid(words.next()?)?, parse_uidl(words.next()?)?),
        kind if is_unknown(kind) => return Some(Line::Unknown(text.into())),
        _ => return None,
    };
    words.next().is_none().then_some(line)
}

/// Whether a record is of a kind that a later program may have: a word of capitals that is none of
/// ours.
fn is_unknown(kind: &str) -> bool {
    const OURS: [&str; 10] = ["V", "N", "K", "U", "F", "X", "E", "R", "M", "P"];
    !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_uppercase()) && !OURS.contains(&kind)
}

/// The version that a first line says, if it is above ours.
fn newer_version(line: &[u8]) -> Option<u64> {
    let version = unframed(line)?.strip_prefix("V ")?.split(' ').next()?;
    version.parse().ok().filter(|version| *version > VERSION.into())
}

fn number(word: &str) -> Option<u32> {
    word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok())?
}

fn uid(word: &str) -> Option<Uid> {
    Uid::new(number(word)?)
}

fn modseq(word: &str) -> Option<ModSeq> {
    let value: u64 = word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok())??;
    (value <= ModSeq::MAX.0).then_some(ModSeq(value))
}

fn parse_letters(word: &str) -> Option<SystemFlags> {
    if word == "-" {
        return Some(SystemFlags::NONE);
    }
    let info = Info::parse(format!("2,{word}").as_bytes());
    info.foreign.is_empty().then_some(info.flags)
}

fn parse_indices(word: &str) -> Option<Vec<usize>> {
    if word == "-" {
        return Some(Vec::new());
    }
    word.split(',').map(|index| index.parse().ok().filter(|index| *index < KEYWORDS_MAX)).collect()
}

fn parse_uidl(word: &str) -> Option<Box<str>> {
    let uidl = unescape(word).filter(|uidl| is_uidl(uidl))?;
    std::str::from_utf8(&uidl).ok().map(Box::from)
}
