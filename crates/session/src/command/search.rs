//! SEARCH (RFC 3501 section 6.4.4).

use crate::context::Task;

/// The task of a SEARCH or UID SEARCH.
pub(crate) fn search(command: codec::command::Search) -> Box<dyn Task> {
    let _ = command;
    super::stub()
}
