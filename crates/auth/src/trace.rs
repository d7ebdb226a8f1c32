//! What is asked and answered on the way to a decision, for `restante auth test`.
//!
//! Off, as in the server, it costs nothing: texts are made only when somebody reads them.
//! **No step has a password or a hash in it**; who writes one takes care of that.

use std::sync::{Mutex, PoisonError};

/// Steps, one line each, in the order they were taken.
#[derive(Debug, Default)]
pub struct Trace(Option<Mutex<Vec<String>>>);

impl Trace {
    /// Keeps nothing.
    pub const OFF: &'static Self = &Self(None);

    /// Keeps every step.
    pub fn on() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Notes a step.
    pub fn step(&self, text: impl FnOnce() -> String) {
        if let Some(steps) = &self.0 {
            steps.lock().unwrap_or_else(PoisonError::into_inner).push(text());
        }
    }

    /// The steps so far; they are gone then.
    pub fn take(&self) -> Vec<String> {
        let steps = self.0.as_ref().map(|steps| steps.lock().unwrap_or_else(PoisonError::into_inner));
        steps.map(|mut steps| std::mem::take(&mut *steps)).unwrap_or_default()
    }
}
