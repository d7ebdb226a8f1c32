//! DELETE (RFC 3501 section 6.3.4).

use crate::context::Task;

/// The task of a DELETE.
pub(crate) fn delete(mailbox: String) -> Box<dyn Task> {
    let _ = mailbox;
    super::stub()
}
