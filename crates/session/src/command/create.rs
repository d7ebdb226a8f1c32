//! CREATE (RFC 3501 section 6.3.3).

use crate::context::Task;

/// The task of a CREATE.
pub(crate) fn create(mailbox: String) -> Box<dyn Task> {
    let _ = mailbox;
    super::stub()
}
