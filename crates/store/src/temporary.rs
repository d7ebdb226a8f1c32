//! Files in `tmp/` that are removed unless they are moved away.

use crate::owner::{self, Owner};
use std::path::PathBuf;
use std::sync::Arc;

/// A file in `tmp/` that is removed unless it is moved away.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) path: PathBuf,
    /// The base name that it gets, sizes included.
    pub(crate) base: String,
    /// Who made it, and so may remove it.
    owner: Option<Arc<Owner>>,
}

impl Temporary {
    /// A file that the caller makes next, as whoever this thread works as.
    pub(crate) fn new(path: PathBuf, base: String) -> Self {
        Self { path, base, owner: owner::current() }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Ok(_entered) = owner::enter(self.owner.as_ref(), &self.path) else { return };
        // Most often it was moved away and is not there.
        let _ = std::fs::remove_file(&self.path);
    }
}
