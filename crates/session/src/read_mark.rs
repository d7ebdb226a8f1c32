//! Where a session is in a section of a message.

use mail::Uid;
use mail::crlf::ToWire;
use std::ops::Range;
use store::MessageFile;

/// Where a session is in a section that its client reads window by window, as many do with long
/// ones: without it, each window would cost all that lies ahead of it, and all of the section to
/// count its octets.
#[derive(Clone, Debug)]
pub(crate) struct ReadMark {
    pub(crate) uid: Uid,
    /// Size and time of the file: another file is not this one.
    pub(crate) file: (u64, i64),
    /// A compressed file as it was opened: each window would cost all of it else.
    pub(crate) open: Option<MessageFile>,
    pub(crate) measured: Measured,
    pub(crate) place: Option<Place>,
}

/// A range that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Measured {
    /// In the file; ends where the file does.
    pub(crate) range: Range<u64>,
    /// As sent.
    pub(crate) octets: u64,
}

/// A place in a range that is being converted.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// In the file.
    pub(crate) position: u64,
    /// In the range's octets.
    pub(crate) octet: u64,
    pub(crate) wire: ToWire,
}
