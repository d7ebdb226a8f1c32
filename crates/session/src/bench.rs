//! The view, for `benches/view.rs` and nobody else.

use crate::output::Output;
use crate::view::{self, Telling};
use mail::UidSet;
use std::sync::Arc;
use store::Snapshot;

/// What a client was told, and what is on its way to it.
#[derive(Debug)]
pub struct View {
    view: view::View,
    output: Output,
}

impl View {
    /// Right after SELECT.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { view: view::View::new(snapshot, UidSet::new()), output: Output::default() }
    }

    /// Advances to the newest snapshot, in as many steps as it takes; how many bytes are told.
    pub fn advance(&mut self, newest: &Arc<Snapshot>) -> usize {
        let telling = Telling { expunges: true, modseq: true, uid: true };
        let mut bytes = 0;
        loop {
            let is_done = self.view.advance(newest.clone(), &UidSet::new(), telling, &mut self.output);
            bytes += self.output.take().len();
            if is_done {
                return bytes;
            }
        }
    }
}
