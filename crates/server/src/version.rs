//! The version.

/// With the commit where it is known.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("RESTANTE_COMMIT"));
