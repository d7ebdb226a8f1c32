//! LSUB (RFC 3501 section 6.3.9).

use crate::context::Task;

/// The task of an LSUB.
pub(crate) fn lsub(reference: String, pattern: String) -> Box<dyn Task> {
    let _ = (reference, pattern);
    super::stub()
}
