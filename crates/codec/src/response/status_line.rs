//! Status responses: OK, NO, BAD, BYE, PREAUTH, and their codes (RFC 3501 section 7.1,
//! RFC 5530).

use crate::tag::Tag;
use mail::{MessageSet, ModSeq, SeqNum, Uid, UidSet, UidValidity};
use std::fmt;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "named as on the wire")]
pub enum Condition {
    Ok,
    No,
    Bad,
}

/// A response code. One variant a code; those without data are in `Plain`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "named as on the wire")]
pub enum Code {
    /// A code without data, such as `ALERT`, `TRYCREATE`, `NONEXISTENT`, `READ-ONLY`.
    Plain(&'static str),
    /// BADCHARSET with the charsets that are known.
    BadCharset(Vec<&'static str>),
    /// CAPABILITY with its list, parted by spaces.
    Capability(String),
    /// PERMANENTFLAGS with the flags in their parentheses' order, `\*` included.
    PermanentFlags(Vec<String>),
    UidNext(Uid),
    UidValidity(UidValidity),
    /// UNSEEN: the first unseen message's sequence number.
    Unseen(SeqNum),
    HighestModSeq(ModSeq),
    /// MODIFIED (RFC 7162).
    Modified(MessageSet),
    /// APPENDUID (RFC 4315).
    AppendUid(UidValidity, UidSet),
    /// COPYUID (RFC 4315): source and destination, pairwise in order. Not always ascending, so
    /// lists and not sets.
    CopyUid(UidValidity, Vec<Uid>, Vec<Uid>),
}

/// `tag OK [code] text`.
pub fn tagged(out: &mut Vec<u8>, tag: &Tag, condition: Condition, code: Option<&Code>, text: &str) {
    out.extend_from_slice(tag.as_str().as_bytes());
    line(out, condition.name(), code, text);
}

/// `* OK [code] text`.
pub fn untagged(out: &mut Vec<u8>, condition: Condition, code: Option<&Code>, text: &str) {
    out.push(b'*');
    line(out, condition.name(), code, text);
}

/// `* OK [CAPABILITY …] text`, the greeting.
pub fn greeting(out: &mut Vec<u8>, capabilities: &str, text: &str) {
    untagged(out, Condition::Ok, Some(&Code::Capability(capabilities.to_owned())), text);
}

/// `* BYE [code] text`.
pub fn bye(out: &mut Vec<u8>, code: Option<&Code>, text: &str) {
    out.push(b'*');
    line(out, "BYE", code, text);
}

/// `+ text`: for literals and IDLE some words, for SASL base64 or nothing.
pub fn continuation(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"+ ");
    human_text(out, text);
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, word: &str, code: Option<&Code>, text: &str) {
    out.push(b' ');
    out.extend_from_slice(word.as_bytes());
    out.push(b' ');
    if let Some(code) = code {
        out.push(b'[');
        out.extend_from_slice(code.to_string().as_bytes());
        out.extend_from_slice(b"] ");
    }
    human_text(out, text);
    out.extend_from_slice(b"\r\n");
}

/// Texts may quote what a client or a file system said: what is no visible ASCII becomes `?`,
/// so that no line can be forged.
fn human_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.chars().map(|c| if (' '..='~').contains(&c) { c as u8 } else { b'?' }));
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => f.write_str(name),
            Self::BadCharset(known) => write!(f, "BADCHARSET ({})", known.join(" ")),
            Self::Capability(list) => write!(f, "CAPABILITY {list}"),
            Self::PermanentFlags(flags) => write!(f, "PERMANENTFLAGS ({})", flags.join(" ")),
            Self::UidNext(uid) => write!(f, "UIDNEXT {uid}"),
            Self::UidValidity(validity) => write!(f, "UIDVALIDITY {validity}"),
            Self::Unseen(number) => write!(f, "UNSEEN {number}"),
            Self::HighestModSeq(modseq) => write!(f, "HIGHESTMODSEQ {modseq}"),
            Self::Modified(numbers) => write!(f, "MODIFIED {numbers}"),
            Self::AppendUid(validity, uids) => write!(f, "APPENDUID {validity} {uids}"),
            Self::CopyUid(validity, from, to) => {
                write!(f, "COPYUID {validity} {} {}", Ranges(from), Ranges(to))
            }
        }
    }
}

/// UIDs in their order, runs of consecutive ones as ranges.
struct Ranges<'a>(&'a [Uid]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|a, b| a.next() == Some(*b));
        for (index, run) in runs.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match run {
                [only] => write!(f, "{comma}{only}")?,
                [first, .., last] => write!(f, "{comma}{first}:{last}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_in_the_rfcs() {
        let uid = |value| Uid::new(value).unwrap();
        let validity = UidValidity::new(38505).unwrap();
        for (code, expected) in [
            (Code::Plain("TRYCREATE"), "TRYCREATE"),
            (Code::BadCharset(vec!["UTF-8", "US-ASCII"]), "BADCHARSET (UTF-8 US-ASCII)"),
            (Code::AppendUid(validity, [uid(3955)].into_iter().collect()), "APPENDUID 38505 3955"),
            (
                Code::CopyUid(
                    validity,
                    vec![uid(304), uid(319), uid(320)],
                    vec![uid(3956), uid(3957), uid(3958)],
                ),
                "COPYUID 38505 304,319:320 3956:3958",
            ),
            (Code::Modified(MessageSet::Uid([uid(7), uid(9)].into_iter().collect())), "MODIFIED 7,9"),
        ] {
            assert_eq!(code.to_string(), expected);
        }
    }

    #[test]
    fn security_16_no_line_can_be_forged_through_a_text() {
        let mut out = Vec::new();
        untagged(&mut out, Condition::No, None, "no mailbox x\r\n* BYE\u{e9}\0");
        assert_eq!(out, b"* NO no mailbox x??* BYE??\r\n");
    }
}
