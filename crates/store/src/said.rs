//! Directories that were said in the log, so that each is said once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Directories of which it is remembered that they were said in the log.
const SAID_MAX: usize = 10_000;

/// Which directories were said in the log, in the life of the process.
#[derive(Default, Debug)]
pub(crate) struct Said(Mutex<HashSet<PathBuf>>);

impl Said {
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    /// Whether it was not there.
    pub(crate) fn add(&self, path: PathBuf) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= SAID_MAX {
            said.clear();
        }
        said.insert(path)
    }
}
