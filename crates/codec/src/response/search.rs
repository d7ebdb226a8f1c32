//! SEARCH and ESEARCH responses (RFC 3501 section 7.2.5, RFC 4731).

use crate::command::Tag;
use mail::{ModSeq, UidSet};

/// `* SEARCH n n n (MODSEQ m)`.
pub fn search(out: &mut Vec<u8>, numbers: impl Iterator<Item = u32>, modseq: Option<ModSeq>) {
    let _ = (out, numbers, modseq);
    todo!()
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
    let _ = (out, tag, by_uid, results);
    todo!()
}
