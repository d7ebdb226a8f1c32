//! In which order files without a line get UIDs.

use crate::file_name::delivery_order;
use crate::take_over::Origin;

/// An order of files that get UIDs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum NewOrder {
    /// By their delivery.
    #[default]
    Delivery,
    /// As Courier gives UIDs: by the seconds, then by the bytes of the base name. It shows them to
    /// clients (EXAMINE) before it writes them to its list.
    Courier,
}

impl NewOrder {
    /// Of what this server's list does not have.
    pub(crate) fn of(origin: Origin) -> Self {
        match origin {
            Origin::Courier => Self::Courier,
            Origin::Dovecot => Self::Delivery,
        }
    }

    /// The number by which files are put in order before their names.
    pub(super) fn key(self, base: &[u8]) -> (u64, u64) {
        let (seconds, micros) = delivery_order(base);
        if self == Self::Courier { (seconds, 0) } else { (seconds, micros) }
    }
}
