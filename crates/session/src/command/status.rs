//! STATUS (RFC 3501 section 6.3.10).

use crate::context::Task;

/// The task of a STATUS.
pub(crate) fn status(mailbox: String, items: Vec<codec::command::StatusItem>) -> Box<dyn Task> {
    let _ = (mailbox, items);
    super::stub()
}
