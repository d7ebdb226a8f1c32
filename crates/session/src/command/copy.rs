//! COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851).

use crate::context::Task;

/// The task of a COPY, or of a MOVE with `remove`.
pub(crate) fn copy(set: mail::NumberSet, by_uid: bool, mailbox: String, remove: bool) -> Box<dyn Task> {
    let _ = (set, by_uid, mailbox, remove);
    super::stub()
}
