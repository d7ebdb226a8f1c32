//! STORE (RFC 3501 section 6.4.6).

use crate::context::Task;

/// The task of a STORE or UID STORE.
pub(crate) fn store(command: codec::command::Store) -> Box<dyn Task> {
    let _ = command;
    super::stub()
}
