//! Settings: one table from which come the parser and its messages, the sample file and the
//! man page.

mod configuration;
pub(crate) mod document;
mod kind;
mod parse;
mod table;

pub(crate) use configuration::{Certificate, Configuration, Listen, ListenTls};
pub(crate) use parse::Problem;

use std::path::Path;

/// Where the configuration is, unless said otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/restante/restante.toml";

/// Reads a configuration file. All that is wrong with it is said at once.
pub(crate) fn read(path: &Path) -> Result<Configuration, Vec<Problem>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Problem::of_file(path, format!("cannot be read: {error}"))])?;
    read_text(path, &text)
}

/// Reads a configuration from its text; `path` is for messages.
pub(crate) fn read_text(path: &Path, text: &str) -> Result<Configuration, Vec<Problem>> {
    let values = parse::parse(path, text)?;
    Configuration::build(&values, path)
}

#[cfg(test)]
mod tests;
