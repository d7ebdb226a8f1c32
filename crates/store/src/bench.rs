//! The inner loops, for `benches/store.rs` and nobody else.

use crate::error::Result;
use crate::list_file::ListMark;
use crate::mailbox::bench::{State, load, save};
use crate::scan;
use crate::uid_list::Line;
use mail::UidValidity;
use std::path::Path;

/// What a scan of `new/` and `cur/` found.
#[derive(Debug)]
pub struct Found(scan::FoundFiles);

/// What is known of a mailbox.
#[derive(Debug)]
pub struct Known(State);

impl Found {
    /// Reads the names.
    pub fn scan(directory: &Path) -> Result<Self> {
        scan::scan(directory).map(Self)
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.0.files().len()
    }
}

impl Known {
    /// From the lines of a list.
    pub fn apply<'a>(lines: impl IntoIterator<Item = Line<'a>>) -> Self {
        let mut state = State::new(UidValidity::MIN);
        state.apply(lines);
        Self(state)
    }

    /// Takes in where files lie; whether the list says it all.
    pub fn compare(&mut self, found: &Found) -> bool {
        self.0.differences(&found.0).is_empty()
    }

    /// What sessions see; how many messages.
    pub fn publish(&mut self) -> usize {
        self.0.snapshot().len()
    }

    /// Writes the index.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let mark = ListMark { device: 1, inode: 1, length: 1, checksum: 1, lines: 1 };
        save(directory, &self.0, &mark, None, None)
    }

    /// Reads the index.
    pub fn load(directory: &Path) -> Option<Self> {
        load(directory).map(Self)
    }
}
