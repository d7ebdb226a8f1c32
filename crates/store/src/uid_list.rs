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
//! | `X UID MODSEQ` | a message was expunged; `FIRST:LAST` stands for several |
//! | `E MODSEQ` | all expunges above it are in the list |
//! | `R UID` | messages below are recent to no session any more |
//! | `M MODSEQ BOOT` | MODSEQs up to this one may have been given out during this boot of the machine without that their lines are on the disk |
//! | `P UID UIDL` | the message's POP3 UIDL, where it is not the one by default |
//!
//! Records of other kinds are those of a later program: they are kept, and written again as they
//! stand. A list of a later version is neither read nor written.
//!
//! FLAGS are Maildir's letters and KEYWORDS indices parted by commas; `-` stands for none. In
//! BASENAME and UIDL bytes that are no visible ASCII, and `%`, are written `%XX`. See
//! restante-uidlist(5).
//!
//! The flags in file names are the truth; those in the list say which state the MODSEQ belongs
//! to, so that a change made by others while nobody looked is noticed and gets a new one.

mod frame;
mod parse;

pub(crate) use frame::{escape, framed, unescape, unframed};
pub(crate) use parse::Reader;
pub use parse::{Parsed, parse};

use crate::file_name::flag_letters;
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use std::borrow::Cow;

/// Version of the format.
pub(crate) const VERSION: u32 = 1;
/// Keywords that a list may define: more are not believed.
pub(crate) const KEYWORDS_MAX: usize = 10_000;

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
    /// Messages were, from the first to the last.
    ExpungedRange(Uid, Uid, ModSeq),
    /// All expunges above this MODSEQ are in the list.
    ExpungeFloor(ModSeq),
    /// Messages below are not recent.
    Recent(Uid),
    /// MODSEQs that may have been given out in a boot of the machine.
    Reserve(ModSeq, Cow<'a, str>),
    /// A message's POP3 UIDL; visible ASCII.
    Uidl(Uid, Box<str>),
    /// A record of a kind that this program does not know, as it stands there.
    Unknown(Cow<'a, str>),
}

/// Appends a line, its checksum and line end included.
pub fn write(out: &mut Vec<u8>, line: &Line<'_>) {
    framed(out, |out| write_text(out, line));
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
        Line::ExpungedRange(first, last, modseq) => {
            out.extend_from_slice(b"X ");
            decimal(out, first.get().into());
            out.push(b':');
            decimal(out, last.get().into());
            numbers(out, &[modseq.0]);
        }
        Line::ExpungeFloor(modseq) => {
            out.push(b'E');
            numbers(out, &[modseq.0]);
        }
        Line::Unknown(text) => out.extend_from_slice(text.as_bytes()),
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
mod tests;
