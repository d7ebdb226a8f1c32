//! Blocks of commands and settings in the project's pages, for tests that follow them.

use std::path::Path;

/// The fenced blocks of a language (`sh`, `toml`) below a heading of a page, in their order, up to
/// the next heading of the same level.
pub fn blocks(page: &str, heading: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, below) =
        text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{page} has no {heading}"));
    let level = heading.split(' ').next().unwrap_or_default();
    let section = below.split(&format!("\n{level} ")).next().unwrap_or_default();
    let fences = section.split("\n```").skip(1).step_by(2);
    fences
        .filter_map(|block| block.strip_prefix(&format!("{language}\n")))
        .map(|block| format!("{block}\n"))
        .collect()
}
