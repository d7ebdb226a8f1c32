//! EXPUNGE and UID EXPUNGE (RFC 3501 section 6.4.3, RFC 4315).

use crate::context::Task;

/// The task of an EXPUNGE, or of a UID EXPUNGE with `uids`.
pub(crate) fn expunge(uids: Option<mail::NumberSet>) -> Box<dyn Task> {
    let _ = uids;
    super::stub()
}
