//! SEARCH and ESEARCH responses (RFC 3501 section 7.2.5, RFC 4731).

use super::string::{number, string};
use crate::tag::Tag;
use mail::{MessageNumber, ModSeq, Set};

/// `* SEARCH n n n (MODSEQ m)`.
pub fn search<N: MessageNumber>(out: &mut Vec<u8>, numbers: impl Iterator<Item = N>, modseq: Option<ModSeq>) {
    out.extend_from_slice(b"* SEARCH");
    for found in numbers {
        out.push(b' ');
        number(out, u64::from(found.into().get()));
    }
    if let Some(modseq) = modseq {
        out.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// What an ESEARCH response holds, by sequence number or by UID; fields that are `None` are left
/// out.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named as on the wire")]
pub struct Results<N> {
    pub min: Option<N>,
    pub max: Option<N>,
    pub all: Option<Set<N>>,
    pub count: Option<u32>,
    pub modseq: Option<ModSeq>,
}

/// `* ESEARCH (TAG "t") UID MIN 1 …`.
pub fn esearch<N: MessageNumber>(out: &mut Vec<u8>, tag: &Tag, results: &Results<N>) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    string(out, tag.as_str().as_bytes());
    out.push(b')');
    if N::IS_UID {
        out.extend_from_slice(b" UID");
    }
    for (name, found) in [("MIN", results.min), ("MAX", results.max)] {
        if let Some(found) = found {
            out.extend_from_slice(format!(" {name} {found}").as_bytes());
        }
    }
    if let Some(count) = results.count {
        out.extend_from_slice(format!(" COUNT {count}").as_bytes());
    }
    if let Some(all) = results.all.as_ref().filter(|all| !all.is_empty()) {
        out.extend_from_slice(format!(" ALL {all}").as_bytes());
    }
    if let Some(modseq) = results.modseq {
        out.extend_from_slice(format!(" MODSEQ {modseq}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
