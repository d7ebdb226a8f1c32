//! Text for SEARCH: what is looked for, and the decoded text it is looked for in.

use crate::mime::Structure;

/// A string to look for, folded once, as SEARCH wants it: substring, without regard to case
/// (i;ascii-casemap for ASCII, Unicode simple case folding beyond).
#[derive(Clone, Debug)]
pub struct Needle {
    folded: String,
}

impl Needle {
    /// Folds `text`. An empty needle is found in every text (RFC 3501 section 6.4.4: a field
    /// that is there, whatever its value).
    pub fn new(text: &str) -> Self {
        let _ = text;
        todo!()
    }

    /// Whether it occurs in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        let _ = text;
        todo!()
    }

    /// Whether it occurs in a field `name` of the message's header, encoded words decoded.
    pub fn is_in_field(&self, message: &[u8], name: &str) -> bool {
        let _ = (message, name);
        todo!()
    }

    /// Whether it occurs in the whole header, decoded (TEXT's first half).
    pub fn is_in_header(&self, message: &[u8]) -> bool {
        let _ = (message, &self.folded);
        todo!()
    }

    /// Whether it occurs in a text part, or in the header of a part or embedded message:
    /// transfer encoding and charset undone (BODY, and TEXT's second half).
    pub fn is_in_body(&self, message: &[u8], structure: &Structure) -> bool {
        let _ = (message, structure);
        todo!()
    }
}
