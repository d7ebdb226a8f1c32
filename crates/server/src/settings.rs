//! Settings: one table from which come the parser and its messages, the sample file and the
//! man page.

mod at_start;
mod configuration;
pub(crate) mod document;
mod kind;
mod oauth;
mod parse;
mod reader;
mod setting;
mod sources;
mod special_use;
mod table;
mod values;

pub(crate) use configuration::{
    Certificate, ClientCertificates, Configuration, DEFAULT_CONTROL_SOCKET, Listen, ListenTls,
};
pub(crate) use parse::Problem;
pub(crate) use setting::Section;
pub(crate) use sources::{SourceKind, UserSource};
pub(crate) use table::{SECTIONS, find_section, find_setting, parent, settings};

use std::path::Path;

/// Where the configuration is, unless said otherwise.
pub(crate) const DEFAULT_PATH: &str = "/etc/restante/restante.toml";

/// Reads a configuration file. All that is wrong with it is said at once.
pub(crate) fn read(path: &Path) -> Result<Configuration, Vec<Problem>> {
    whole(read_what_is_right(path))
}

/// Likewise for a command, which ends with this error: what is wrong, a line each.
pub(crate) fn read_for_command(path: &Path) -> Result<Configuration, String> {
    read(path).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\nrestante: ")
    })
}

/// Reads a configuration from its text; `path` is for messages.
pub(crate) fn read_text(path: &Path, text: &str) -> Result<Configuration, Vec<Problem>> {
    whole(parse_what_is_right(path, text))
}

/// Reads a configuration file: what is wrong, and a configuration from what is right if that is
/// enough for one, so that `restante check` can look further.
pub(crate) fn read_what_is_right(path: &Path) -> (Option<Configuration>, Vec<Problem>) {
    match std::fs::read_to_string(path) {
        Ok(text) => parse_what_is_right(path, &text),
        Err(error) => (None, vec![Problem::of_file(path, format!("cannot be read: {error}"))]),
    }
}

fn parse_what_is_right(path: &Path, text: &str) -> (Option<Configuration>, Vec<Problem>) {
    let parsed = parse::parse(path, text);
    let mut problems = parsed.problems;
    let configuration = parsed.values.map(|values| Configuration::build(&values));
    if let Some(configuration) = configuration.as_ref().filter(|_| problems.is_empty()) {
        // With a default in the place of what is wrong, these could be none.
        problems = configuration.problems(path);
    }
    (configuration, problems)
}

fn whole(read: (Option<Configuration>, Vec<Problem>)) -> Result<Configuration, Vec<Problem>> {
    match read {
        (Some(configuration), problems) if problems.is_empty() => Ok(configuration),
        (_, problems) => Err(problems),
    }
}

#[cfg(test)]
mod tests;
