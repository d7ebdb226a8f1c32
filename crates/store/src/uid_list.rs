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
//! | `M MODSEQ BOOT` | MODSEQs up to this one may have been given out during this boot of the machine without that their lines are on the disk |
//! | `P UID UIDL` | the message's POP3 UIDL, where it is not the one by default |
//!
//! FLAGS are Maildir's letters and KEYWORDS indices parted by commas; `-` stands for none. In
//! BASENAME and UIDL bytes that are no visible ASCII, and `%`, are written `%XX`. See
//! restante-uidlist(5).
//!
//! The flags in file names are the truth; those in the list say which state the MODSEQ belongs
//! to, so that a change made by others while nobody looked is noticed and gets a new one.

use crate::file_name::{Info, flag_letters};
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::borrow::Cow;

/// Version of the format.
const VERSION: u32 = 1;
/// Keywords that a list may define: more are not believed.
pub(crate) const KEYWORDS_MAX: usize = 10_000;

/// Longest line that is read, in bytes: more than the longest name, escaped, with all keywords.
const LINE_MAX: usize = 128 * 1024;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line<'a> {
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
        base: Cow<'a, [u8]>,
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
    /// MODSEQs that may have been given out in a boot of the machine.
    Reserve(ModSeq, Cow<'a, str>),
    /// A message's POP3 UIDL; visible ASCII.
    Uidl(Uid, Box<str>),
}

/// What reading a list's bytes gave.
#[derive(Debug, Default)]
pub struct Parsed<'a> {
    /// The lines that are whole.
    pub lines: Vec<Line<'a>>,
    /// Bytes up to the end of the last line that ends: where to go on reading.
    pub consumed: usize,
    /// Lines that were passed over.
    pub damaged: usize,
}

/// Reads lines. A last line without line end is not consumed.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
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

/// Reads a list as it comes, piece by piece, and gives its lines away one by one: of a long one
/// no more than a piece is in memory.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The start of a line whose end has not come.
    rest: Vec<u8>,
    /// What comes next belongs to a line that is too long.
    skipping: bool,
    /// Lines that were given.
    pub(crate) lines: usize,
    /// Lines that were passed over.
    pub(crate) damaged: usize,
    /// Bytes up to the end of the last line that ended.
    pub(crate) consumed: u64,
}

impl Reader {
    /// The next bytes of the list; `take` is called with each line that is whole.
    pub(crate) fn read(&mut self, bytes: &[u8], take: &mut dyn FnMut(Line<'_>)) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let length = (self.rest.len() + end + 1 - start) as u64;
            let line = match self.rest.is_empty() {
                true => parse_line(&bytes[start..end]),
                false => {
                    self.rest.extend_from_slice(&bytes[start..end]);
                    parse_line(&self.rest)
                }
            };
            match line.filter(|_| !self.skipping) {
                Some(line) => {
                    self.lines += 1;
                    take(line);
                }
                None => self.damaged += 1,
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

/// Appends a line, its checksum and line end included.
pub fn write(out: &mut Vec<u8>, line: &Line<'_>) {
    framed(out, |out| write_text(out, line));
}

/// Appends a line whose text `write` gives, its checksum and line end included.
pub(crate) fn framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(b"00000000 ");
    let text = out.len();
    write(out);
    let checksum = crc32fast::hash(&out[text..]);
    for (at, digit) in out[start..start + 8].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(checksum >> (28 - 4 * at)) as usize & 15];
    }
    out.push(b'\n');
}

fn write_text(out: &mut Vec<u8>, line: &Line<'_>) {
    match line {
        Line::Validity(validity) => {
            out.push(b'V');
            numbers(out, &[VERSION.into(), validity.get().into()]);
        }
        Line::Next(uid, modseq) => {
            out.push(b'N');
            numbers(out, &[uid.get().into(), modseq.0]);
        }
        Line::Keyword(index, keyword) => {
            out.push(b'K');
            numbers(out, &[*index as u64]);
            word(out, keyword.as_str().as_bytes());
        }
        Line::Message { uid, modseq, flags, keywords, base } => {
            out.push(b'U');
            state(out, *uid, *modseq, *flags, keywords);
            out.push(b' ');
            escape(out, base);
        }
        Line::Flags { uid, modseq, flags, keywords } => {
            out.push(b'F');
            state(out, *uid, *modseq, *flags, keywords);
        }
        Line::Expunged(uid, modseq) => {
            out.push(b'X');
            numbers(out, &[uid.get().into(), modseq.0]);
        }
        Line::Recent(uid) => {
            out.push(b'R');
            numbers(out, &[uid.get().into()]);
        }
        Line::Uidl(uid, uidl) => {
            out.push(b'P');
            numbers(out, &[uid.get().into()]);
            out.push(b' ');
            escape(out, uidl.as_bytes());
        }
        Line::Reserve(modseq, boot) => {
            out.push(b'M');
            numbers(out, &[modseq.0]);
            word(out, boot.as_bytes());
        }
    }
}

/// ` UID MODSEQ FLAGS KEYWORDS`.
fn state(out: &mut Vec<u8>, uid: Uid, modseq: ModSeq, flags: SystemFlags, keywords: &[usize]) {
    numbers(out, &[uid.get().into(), modseq.0]);
    match flags.is_empty() {
        true => word(out, b"-"),
        false => word(out, &flag_letters(flags)),
    }
    if keywords.is_empty() {
        return word(out, b"-");
    }
    for (at, index) in keywords.iter().enumerate() {
        out.push(if at == 0 { b' ' } else { b',' });
        decimal(out, *index as u64);
    }
}

fn word(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(bytes);
}

fn numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        out.push(b' ');
        decimal(out, *number);
    }
}

/// A list of a million messages is some millions of numbers: formatted by hand, they cost a
/// fifth.
fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// The text of a line, without its line end, if its checksum is right.
pub(crate) fn unframed(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (checksum, text) = line.split_once(' ')?;
    let is_right =
        checksum.len() == 8 && u32::from_str_radix(checksum, 16).ok()? == crc32fast::hash(text.as_bytes());
    is_right.then_some(text)
}

fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    let mut words = unframed(line)?.split(' ');
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
            base: unescape(words.next()?).filter(|base| is_base_name(base))?,
        },
        "F" => Line::Flags {
            uid: uid(words.next()?)?,
            modseq: modseq(words.next()?)?,
            flags: parse_letters(words.next()?)?,
            keywords: parse_indices(words.next()?)?,
        },
        "X" => Line::Expunged(uid(words.next()?)?, modseq(words.next()?)?),
        "R" => Line::Recent(uid(words.next()?)?),
        "M" => Line::Reserve(modseq(words.next()?)?, words.next()?.into()),
        "P" => Line::Uidl(uid(words.next()?)?, parse_uidl(words.next()?)?),
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

pub(crate) fn escape(out: &mut Vec<u8>, base: &[u8]) {
    for &byte in base {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

pub(crate) fn unescape(word: &str) -> Option<Cow<'_, [u8]>> {
    if !word.contains('%') {
        return Some(Cow::Borrowed(word.as_bytes()));
    }
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
    Some(Cow::Owned(out))
}

fn parse_uidl(word: &str) -> Option<Box<str>> {
    let uidl = unescape(word).filter(|uidl| is_uidl(uidl))?;
    std::str::from_utf8(&uidl).ok().map(Box::from)
}

/// Whether POP3 can say it (RFC 1939 section 7, but for the length: Courier's are as long as
/// names of files).
pub(crate) fn is_uidl(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= 255 && text.iter().all(u8::is_ascii_graphic)
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

    fn examples() -> Vec<Line<'static>> {
        vec![
            Line::Validity(UidValidity::new(1_700_000_000).unwrap()),
            Line::Next(uid(7), ModSeq(12)),
            Line::Keyword(0, Keyword::new("$Forwarded").unwrap()),
            Line::Message {
                uid: uid(6),
                modseq: ModSeq(11),
                flags: SystemFlags::ALL,
                keywords: vec![0, 3],
                base: b"1.a b%\n\xff,S=3".into(),
            },
            Line::Flags { uid: uid(6), modseq: ModSeq(12), flags: SystemFlags::NONE, keywords: Vec::new() },
            Line::Expunged(uid(6), ModSeq(13)),
            Line::Recent(uid(7)),
            Line::Reserve(ModSeq(10_013), "0d8ae9c1-5b0f".into()),
            Line::Uidl(uid(7), "UID7-%x".into()),
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
            "P 7 ",
            "P 0 x",
            "P 7 a%20b",
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
        /// And read the same in pieces as at once.
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cuts: Vec<u8>) {
            let mut list = Vec::new();
            examples().iter().for_each(|line| write(&mut list, line));
            list.extend_from_slice(&bytes);
            let parsed = parse(&list);
            let (mut reader, mut lines) = (Reader::default(), Vec::new());
            let mut rest = &list[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(rest.len().min(cut.into()));
                reader.read(piece, &mut |line| lines.push(format!("{line:?}")));
                rest = after;
            }
            reader.read(rest, &mut |line| lines.push(format!("{line:?}")));
            prop_assert_eq!(lines, parsed.lines.iter().map(|line| format!("{line:?}")).collect::<Vec<_>>());
            prop_assert_eq!((reader.consumed, reader.damaged), (parsed.consumed as u64, parsed.damaged));
            prop_assert_eq!(reader.is_torn(), parsed.consumed < list.len());
        }

        #[test]
        fn a_line_without_end_costs_no_memory(length in LINE_MAX..3 * LINE_MAX) {
            let mut reader = Reader::default();
            let mut lines = 0;
            for _ in 0..3 {
                reader.read(&vec![b'x'; length], &mut |_| lines += 1);
                prop_assert!(reader.rest.capacity() <= 2 * LINE_MAX && reader.is_torn());
            }
            let mut good = b"\n".to_vec();
            write(&mut good, &Line::Recent(uid(7)));
            reader.read(&good, &mut |_| lines += 1);
            prop_assert_eq!((lines, reader.damaged, reader.is_torn()), (1, 1, false));
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
