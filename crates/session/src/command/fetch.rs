//! FETCH (RFC 3501 section 6.4.5).

use crate::context::Task;

/// The task of a FETCH or UID FETCH.
pub(crate) fn fetch(command: codec::command::Fetch) -> Box<dyn Task> {
    let _ = command;
    super::stub()
}
