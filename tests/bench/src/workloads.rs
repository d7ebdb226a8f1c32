//! The workloads, in the order of the table.

mod change;
mod fetch;
mod idle;
mod many;
mod search;
mod select;
mod wait;

use crate::workload::Workload;

pub(crate) fn all() -> impl Iterator<Item = &'static Workload> {
    [select::ALL, fetch::ALL, search::ALL, change::ALL, wait::ALL, many::ALL, idle::ALL].into_iter().flatten()
}
