//! What a file gives, by section and key.

use super::kind::Value;
use std::collections::BTreeMap;

/// The values of one table.
pub(crate) type Entries = BTreeMap<&'static str, Value>;

/// All values that the file gives, by section; a repeating section has one entry each time.
#[derive(Debug, Default)]
pub(crate) struct Values {
    sections: BTreeMap<&'static str, Vec<Entries>>,
    /// For each table of a section: which table of the section above it is in.
    parents: BTreeMap<&'static str, Vec<usize>>,
}

impl Values {
    /// One more table of a section, in the `parent`th one of the section above it.
    pub(super) fn add(&mut self, section: &'static str, entries: Entries, parent: usize) {
        self.sections.entry(section).or_default().push(entries);
        self.parents.entry(section).or_default().push(parent);
    }

    /// The tables of a section, in their order.
    pub(crate) fn tables(&self, section: &str) -> &[Entries] {
        self.sections.get(section).map_or(&[], Vec::as_slice)
    }

    /// The table of a section that stands within the `index`th one of the section above it.
    pub(crate) fn below(&self, section: &str, index: usize) -> Option<&Entries> {
        let parents = self.parents.get(section)?;
        let at = parents.iter().position(|parent| *parent == index)?;
        self.tables(section).get(at)
    }
}
