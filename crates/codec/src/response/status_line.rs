//! Status responses: OK, NO, BAD, BYE, PREAUTH, and their codes (RFC 3501 section 7.1,
//! RFC 5530).

use crate::command::Tag;
use mail::{ModSeq, Uid, UidSet, UidValidity};

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
    Unseen(u32),
    HighestModSeq(ModSeq),
    /// MODIFIED (RFC 7162): sequence numbers or UIDs, as the command named them.
    Modified(UidSet),
    /// APPENDUID (RFC 4315).
    AppendUid(UidValidity, UidSet),
    /// COPYUID (RFC 4315): source and destination, pairwise in order. Not always ascending, so
    /// lists and not sets.
    CopyUid(UidValidity, Vec<Uid>, Vec<Uid>),
}

/// `tag OK [code] text`.
pub fn tagged(out: &mut Vec<u8>, tag: &Tag, condition: Condition, code: Option<&Code>, text: &str) {
    let _ = (out, tag, condition, code, text);
    todo!()
}

/// `* OK [code] text`.
pub fn untagged(out: &mut Vec<u8>, condition: Condition, code: Option<&Code>, text: &str) {
    let _ = (out, condition, code, text);
    todo!()
}

/// `* OK [CAPABILITY …] text`, the greeting.
pub fn greeting(out: &mut Vec<u8>, capabilities: &str, text: &str) {
    untagged(out, Condition::Ok, Some(&Code::Capability(capabilities.to_owned())), text);
}

/// `* BYE [code] text`.
pub fn bye(out: &mut Vec<u8>, code: Option<&Code>, text: &str) {
    let _ = (out, code, text);
    todo!()
}

/// `+ text`: for literals and IDLE some words, for SASL base64 or nothing.
pub fn continuation(out: &mut Vec<u8>, text: &str) {
    let _ = (out, text);
    todo!()
}
