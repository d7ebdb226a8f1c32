//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7).

use crate::context::Task;

/// The task of a SUBSCRIBE, or of an UNSUBSCRIBE.
pub(crate) fn subscribe(mailbox: String, subscribed: bool) -> Box<dyn Task> {
    let _ = (mailbox, subscribed);
    super::stub()
}
