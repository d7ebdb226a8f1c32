//! The format of `restante-uidlist`: what is durable of a mailbox beyond its message files.
//!
//! A line an event, appended; a checkpoint writes the whole state as a new file and renames it
//! into place. Each line begins with the CRC-32 of what follows, in eight hexadecimal digits: a
//! line torn by a crash or damaged otherwise is passed over, and no other is lost with it.
//!
//! | line | meaning |
//! |---|---|
//! | `V 1 UIDVALIDITY` | the first line: version of the format, and UIDVALIDITY |
//! | `N UIDNEXT MODSEQ` | floors: UIDNEXT and HIGHESTMODSEQ are at least these |
//! | `K INDEX KEYWORD` | the keyword of this index, counted from 0 |
//! | `U UID MODSEQ FLAGS KEYWORDS BASENAME` | a message came |
//! | `F UID MODSEQ FLAGS KEYWORDS` | a message's flags are these now |
//! | `X UID MODSEQ` | a message was expunged |
//! | `R UID` | messages below are recent to no session any more |
//!
//! FLAGS are Maildir's letters and KEYWORDS indices parted by commas; `-` stands for none. In
//! BASENAME bytes that are no visible ASCII, and `%`, are written `%XX`. See
//! restante-uidlist(5).
//!
//! The flags in file names are the truth; those in the list say which state the MODSEQ belongs
//! to, so that a change made by others while nobody looked is noticed and gets a new one.

use crate::file_name::{Info, flag_letters};
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::fmt::Write as _;

/// Version of the format.
const VERSION: u32 = 1;
/// Keywords that a list may define: more are not believed.
const KEYWORDS_MAX: usize = 10_000;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// The first line.
    Validity(UidValidity),
    /// Floors of UIDNEXT (`None`: all used up) and HIGHESTMODSEQ.
    Next(Uid, ModSeq),
    /// A keyword's definition.
    Keyword(usize, Keyword),
    /// A message came.
    Message {
        /// Its UID.
        uid: Uid,
        /// Its MODSEQ.
        modseq: ModSeq,
        /// Its system flags.
        flags: SystemFlags,
        /// Indices of its keywords.
        keywords: Vec<usize>,
        /// Its base name.
        base: Box<[u8]>,
    },
    /// A message's flags changed.
    Flags {
        /// Its UID.
        uid: Uid,
        /// Its new MODSEQ.
        modseq: ModSeq,
        /// Its system flags.
        flags: SystemFlags,
        /// Indices of its keywords.
        keywords: Vec<usize>,
    },
    /// A message was expunged.
    Expunged(Uid, ModSeq),
    /// Messages below are not recent.
    Recent(Uid),
}

/// What reading a list's bytes gave.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The lines that are whole.
    pub lines: Vec<Line>,
    /// Bytes up to the end of the last line that ends: where to go on reading.
    pub consumed: usize,
    /// Lines that were passed over.
    pub damaged: usize,
}

/// Reads lines. A last line without line end is not consumed.
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    for end in memchr::memchr_iter(b'\n', bytes) {
        match parse_line(&bytes[parsed.consumed..end]) {
            Some(line) => parsed.lines.push(line),
            None => parsed.damaged += 1,
        }
        parsed.consumed = end + 1;
    }
    parsed
}

/// Appends a line, its checksum and line end included.
pub fn write(out: &mut Vec<u8>, line: &Line) {
    let text = line_text(line);
    let checksum = crc32fast::hash(text.as_bytes());
    out.extend_from_slice(format!("{checksum:08x} {text}\n").as_bytes());
}

fn line_text(line: &Line) -> String {
    match line {
        Line::Validity(validity) => format!("V {VERSION} {validity}"),
        Line::Next(uid, modseq) => format!("N {uid} {modseq}"),
        Line::Keyword(index, keyword) => format!("K {index} {keyword}"),
        Line::Message { uid, modseq, flags, keywords, base } => {
            format!("U {uid} {modseq} {} {} {}", letters(*flags), indices(keywords), escape(base))
        }
        Line::Flags { uid, modseq, flags, keywords } => {
            format!("F {uid} {modseq} {} {}", letters(*flags), indices(keywords))
        }
        Line::Expunged(uid, modseq) => format!("X {uid} {modseq}"),
        Line::Recent(uid) => format!("R {uid}"),
    }
}

fn parse_line(line: &[u8]) -> Option<Line> {
    let line = std::str::from_utf8(line).ok()?;
    let (checksum, text) = line.split_once(' ')?;
    if checksum.len() != 8 || u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(text.as_bytes()) {
        return None;
    }
    let mut words = text.split(' ');
    let kind = words.next()?;
    let line = match kind {
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
            base: unescape(words.next()?)?,
        },
        "F" => Line::Flags {
            uid: uid(words.next()?)?,
            modseq: modseq(words.next()?)?,
            flags: parse_letters(words.next()?)?,
            keywords: parse_indices(words.next()?)?,
        },
        "X" => Line::Expunged(uid(words.next()?)?, modseq(words.next()?)?),
        "R" => Line::Recent(uid(words.next()?)?),
        _ => return None,
    };
    words.next().is_none().then_some(line)
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

fn letters(flags: SystemFlags) -> String {
    let letters: String = flag_letters(flags).into_iter().map(char::from).collect();
    if letters.is_empty() { "-".to_owned() } else { letters }
}

fn parse_letters(word: &str) -> Option<SystemFlags> {
    if word == "-" {
        return Some(SystemFlags::NONE);
    }
    let info = Info::parse(format!("2,{word}").as_bytes());
    info.foreign.is_empty().then_some(info.flags)
}

fn indices(keywords: &[usize]) -> String {
    if keywords.is_empty() {
        return "-".to_owned();
    }
    let words: Vec<String> = keywords.iter().map(usize::to_string).collect();
    words.join(",")
}

fn parse_indices(word: &str) -> Option<Vec<usize>> {
    if word == "-" {
        return Some(Vec::new());
    }
    word.split(',').map(|index| index.parse().ok().filter(|index| *index < KEYWORDS_MAX)).collect()
}

fn escape(base: &[u8]) -> String {
    let mut out = String::with_capacity(base.len());
    for &byte in base {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `None` also for what cannot be a file's name: a list is input like any other.
fn unescape(word: &str) -> Option<Box<[u8]>> {
    let mut out = Vec::with_capacity(word.len());
    let mut bytes = word.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    is_base_name(&out).then(|| out.into())
}

/// Whether bytes can be the base name of a message.
pub(crate) fn is_base_name(base: &[u8]) -> bool {
    !base.is_empty()
        && base.len() <= 255
        && base[0] != b'.'
        && !base.iter().any(|b| matches!(b, b'/' | b':' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uid(value: u32) -> Uid {
        Uid::new(value).unwrap()
    }

    fn examples() -> Vec<Line> {
        vec![
            Line::Validity(UidValidity::new(1_700_000_000).unwrap()),
            Line::Next(uid(7), ModSeq(12)),
            Line::Keyword(0, Keyword::new("$Forwarded").unwrap()),
            Line::Message {
                uid: uid(6),
                modseq: ModSeq(11),
                flags: SystemFlags::ALL,
                keywords: vec![0, 3],
                base: (*b"1.a b%\n\xff,S=3").into(),
            },
            Line::Flags { uid: uid(6), modseq: ModSeq(12), flags: SystemFlags::NONE, keywords: Vec::new() },
            Line::Expunged(uid(6), ModSeq(13)),
            Line::Recent(uid(7)),
        ]
    }

    #[test]
    fn lines_come_back() {
        let mut bytes = Vec::new();
        examples().iter().for_each(|line| write(&mut bytes, line));
        let parsed = parse(&bytes);
        assert_eq!(parsed.lines, examples());
        assert_eq!((parsed.consumed, parsed.damaged), (bytes.len(), 0));
        assert!(bytes.is_ascii(), "it can be read with less");
    }

    #[test]
    fn a_torn_last_line_is_left_alone() {
        let mut bytes = Vec::new();
        examples().iter().for_each(|line| write(&mut bytes, line));
        let parsed = parse(&bytes[..bytes.len() - 1]);
        assert_eq!(parsed.lines, examples()[..examples().len() - 1]);
    }

    #[test]
    fn security_22_lines_that_cannot_be_are_passed_over() {
        for text in [
            "U 0 1 - - 1.a",
            "U 4294967296 1 - - 1.a",
            "U +5 1 - - 1.a",
            "U 5 9223372036854775808 - - 1.a",
            "U 5 1 Q - 1.a",
            "U 5 1 - 10000 1.a",
            "U 5 1 - - ../../etc/passwd",
            "U 5 1 - - 1%2F2",
            "U 5 1 - - 1%00",
            "U 5 1 - - .a",
            "U 5 1 - -",
            "U 5 1 - - 1.a extra",
            "K 99999 x",
            "K 0 a(b",
            "V 2 1700000000",
            "V 1 0",
            "Z",
            "",
        ] {
            let mut bytes = format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes();
            write(&mut bytes, &Line::Recent(uid(7)));
            let parsed = parse(&bytes);
            assert_eq!((parsed.lines, parsed.damaged), (vec![Line::Recent(uid(7))], 1), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_byte_costs_its_line_at_most(at in 0_usize..1000, byte: u8) {
            let mut bytes = Vec::new();
            examples().iter().for_each(|line| write(&mut bytes, line));
            let at = at % bytes.len();
            bytes[at] = byte;
            let parsed = parse(&bytes);
            // A damaged line end joins two lines.
            prop_assert!(parsed.lines.len() + 2 >= examples().len());
            for line in &parsed.lines {
                prop_assert!(examples().contains(line));
            }
        }
    }
}
