//! What happens to names in `cur/` and `new/`.

use crate::scan::Place;

/// Something that happened to a name in `cur/` or `new/`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) what: What,
    pub(crate) name: Box<[u8]>,
}

/// What happened to a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// It was made, or renamed to this.
    Came,
    /// It was renamed from this.
    Left,
    /// It was removed.
    Removed,
}
