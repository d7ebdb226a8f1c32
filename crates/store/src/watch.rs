//! Telling sessions that a mailbox may have changed.

use std::sync::Arc;

/// What is called on a change: "look again". Lost or doubled, it costs delay, never truth.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Keeps a [`Wake`] registered; dropping it ends that.
#[must_use]
pub struct Watch {
    _guard: Arc<()>,
}
