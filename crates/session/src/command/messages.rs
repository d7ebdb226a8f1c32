//! Commands about messages of the selected mailbox.

use crate::answer::Answer;
use crate::selected::Selected;
use std::sync::Arc;

pub(crate) mod copy;
pub(crate) mod expunge;
pub(crate) mod fetch;
mod header_fields;
pub(crate) mod search;
pub(crate) mod store;

/// BAD for a sequence number beyond the view's end.
fn no_such_message(number: u32) -> Answer {
    Answer::bad(format!("There is no message {number}"))
}

/// NO for a command by sequence number that named messages which are expunged, untold so far
/// (RFC 5530 section 3).
fn expunge_issued() -> Answer {
    Answer::no("EXPUNGEISSUED", "Some of these messages are expunged")
}

/// NO for a command that would change a mailbox selected read-only.
fn read_only() -> Answer {
    Answer::no("READ-ONLY", "The mailbox is selected read-only")
}

/// A command's own change brought a newer state: the commands that follow work on that one.
fn see(selected: &mut Selected, snapshot: Arc<::store::Snapshot>) {
    selected.view.see(snapshot, &mail::UidSet::new());
}
