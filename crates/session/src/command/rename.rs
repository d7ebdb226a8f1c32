//! RENAME (RFC 3501 section 6.3.5).

use crate::context::Task;

/// The task of a RENAME.
pub(crate) fn rename(from: String, to: String) -> Box<dyn Task> {
    let _ = (from, to);
    super::stub()
}
