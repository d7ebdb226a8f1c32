//! What another server is told of a mailbox that is handed over to it.

use crate::scan::Place;
use mail::{Keyword, Uid, UidValidity};

/// All that another server is told of a mailbox.
#[derive(Debug)]
pub(crate) struct Extract {
    pub(crate) uid_validity: UidValidity,
    /// `None` when all are used up.
    pub(crate) uid_next: Option<Uid>,
    /// In the order of UIDs.
    pub(crate) rows: Vec<ExtractRow>,
}

/// A message of an [`Extract`].
#[derive(Debug)]
pub(crate) struct ExtractRow {
    pub(crate) uid: Uid,
    pub(crate) base: Box<[u8]>,
    /// What follows the base name in the file's name, `:` included.
    pub(crate) suffix: Box<[u8]>,
    pub(crate) place: Place,
    pub(crate) keywords: Vec<Keyword>,
    /// `None`: the one by default.
    pub(crate) uidl: Option<Box<str>>,
}
