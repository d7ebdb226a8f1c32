//! SEARCH and ESEARCH responses (RFC 3501 section 7.2.5, RFC 4731).

use super::string::{number, string};
use crate::command::Tag;
use mail::{ModSeq, UidSet};

/// `* SEARCH n n n (MODSEQ m)`.
pub fn search(out: &mut Vec<u8>, numbers: impl Iterator<Item = u32>, modseq: Option<ModSeq>) {
    out.extend_from_slice(b"* SEARCH");
    for found in numbers {
        out.push(b' ');
        number(out, u64::from(found));
    }
    if let Some(modseq) = modseq {
        out.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// What an ESEARCH response holds; fields that are `None` are left out. Numbers are sequence
/// numbers or UIDs; [`UidSet`] serves as a set of numbers for both.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "named as on the wire")]
pub struct Results {
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub all: Option<UidSet>,
    pub count: Option<u32>,
    pub modseq: Option<ModSeq>,
}

/// `* ESEARCH (TAG "t") UID MIN 1 …`.
pub fn esearch(out: &mut Vec<u8>, tag: &Tag, by_uid: bool, results: &Results) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    string(out, tag.as_str().as_bytes());
    out.push(b')');
    if by_uid {
        out.extend_from_slice(b" UID");
    }
    for (name, value) in [("MIN", results.min), ("MAX", results.max), ("COUNT", results.count)] {
        if let Some(value) = value {
            out.extend_from_slice(format!(" {name} {value}").as_bytes());
        }
    }
    if let Some(all) = results.all.as_ref().filter(|all| !all.is_empty()) {
        out.extend_from_slice(format!(" ALL {all}").as_bytes());
    }
    if let Some(modseq) = results.modseq {
        out.extend_from_slice(format!(" MODSEQ {modseq}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
