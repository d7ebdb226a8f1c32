//! What a running server goes by until it is started again.

use super::kind::Value;
use super::reader::Reader;
use super::table::{parent, settings};
use super::values::{Entries, Values};

/// The settings that are read at the start only, with their values in each table of their section.
#[derive(Clone, Debug)]
pub(super) struct AtStart(Vec<(String, Vec<Option<Value>>)>);

impl AtStart {
    /// From the values of a file, defaults filled in.
    pub(super) fn of(values: &Values) -> Self {
        let nothing = [Entries::new()];
        let at_start = settings().filter(|(_, setting)| setting.at_start);
        let with_values = at_start.map(|(section, setting)| {
            let heading = section.heading();
            let whole = section.is_at_start();
            let name = if whole { heading } else { format!("{} of {heading}", setting.key) };
            let tables = match values.tables(section.name) {
                // A section that there is once has its defaults where it is not in the file.
                [] if !section.repeats && parent(section).is_none() => &nothing,
                tables => tables,
            };
            let values = tables.iter().map(|entries| Reader { section, entries }.value(setting.key));
            (name, values.collect())
        });
        Self(with_values.collect())
    }

    /// The names of those that differ.
    pub(super) fn differing(&self, old: &Self) -> Vec<String> {
        let both = self.0.iter().zip(&old.0);
        let mut names: Vec<String> =
            both.filter(|(new, old)| new != old).map(|((name, _), _)| name.clone()).collect();
        names.dedup();
        names
    }
}
