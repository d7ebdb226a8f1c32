//! What the benches need of a mailbox's inside.

pub(crate) use super::state::State;

use super::index;
use crate::cache::Identity;
use crate::error::Result;
use crate::list_file::ListMark;
use crate::scan::Stamp;
use std::path::Path;

/// See [`index::save`].
pub(crate) fn save(
    directory: &Path,
    state: &State,
    mark: &ListMark,
    stamp: Option<Stamp>,
    cache: Option<Identity>,
) -> Result<()> {
    index::save(directory, directory, state, mark, stamp, cache)
}

/// See [`index::load`].
pub(crate) fn load(directory: &Path) -> Option<State> {
    index::load(directory, directory).map(|saved| saved.state)
}
