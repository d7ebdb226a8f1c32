//! What commands of several rooms use.

#[cfg(test)]
pub(crate) mod dialogue;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod once;
pub(crate) mod pace;
