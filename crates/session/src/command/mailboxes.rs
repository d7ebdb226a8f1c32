//! Commands about mailboxes of an account. None but CLOSE and UNSELECT needs one selected.

pub(crate) mod append;
pub(crate) mod close;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
mod listed;
pub(crate) mod lsub;
#[cfg(test)]
mod names_on_disk;
pub(crate) mod namespace;
pub(crate) mod quota;
pub(crate) mod rename;
pub(crate) mod select;
pub(crate) mod status;
pub(crate) mod subscribe;
