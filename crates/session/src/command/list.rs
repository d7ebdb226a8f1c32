//! LIST and XLIST (RFC 3501 section 6.3.8).

use crate::context::Task;

/// The task of a LIST.
pub(crate) fn list(command: codec::command::List) -> Box<dyn Task> {
    let _ = command;
    super::stub()
}

/// The task of an XLIST.
pub(crate) fn xlist(reference: String, pattern: String) -> Box<dyn Task> {
    let _ = (reference, pattern);
    super::stub()
}
