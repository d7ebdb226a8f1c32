//! NAMESPACE (RFC 2342).

use crate::context::Task;

/// The task of a NAMESPACE.
pub(crate) fn namespace() -> Box<dyn Task> {
    super::stub()
}
