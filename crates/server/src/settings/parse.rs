//! From TOML to values, by the table of settings; everything that is wrong, with its place.

use super::kind::Value;
use super::setting::{Section, Setting};
use super::table::{SECTIONS, TOP, find_section, settings};
use super::values::{Entries, Values};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml_edit::{Document, Item, TableLike, Value as Toml};

/// Something that is wrong with the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The file.
    pub(crate) path: PathBuf,
    /// Line and column, from 1, where there is a place.
    pub(crate) at: Option<(usize, usize)>,
    /// What is wrong, and what is allowed.
    pub(crate) text: String,
}

impl Problem {
    /// A problem with a file as a whole.
    pub(crate) fn of_file(path: &Path, text: String) -> Self {
        Self { path: path.to_owned(), at: None, text }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.path.display(), self.text),
            None => write!(f, "{}: {}", self.path.display(), self.text),
        }
    }
}

/// What a file's text says.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// What is right in it; `None` when something that must be given is not, or is wrong.
    pub(crate) values: Option<Values>,
    /// What is wrong in it, in the order of the text.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a file's text.
pub(crate) fn parse(path: &Path, text: &str) -> Parsed {
    let mut reader =
        Reader { path, text, problems: Vec::new(), values: Values::default(), given: BTreeSet::new() };
    let complete = match Document::parse(text) {
        Ok(document) => {
            reader.table(&TOP, document.as_table(), None, 0);
            reader.required()
        }
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            reader.problem(error.span(), format!("not valid TOML: {message}"));
            false
        }
    };
    reader.problems.sort_by_key(|problem| problem.at);
    Parsed { values: complete.then_some(reader.values), problems: reader.problems }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
    values: Values,
    /// Settings that the text gives, rightly or not: section, which table of it, key.
    given: BTreeSet<(&'static str, usize, &'static str)>,
}

impl Reader<'_> {
    /// One table of a section, and the sections below it.
    fn table(
        &mut self,
        section: &'static Section,
        table: &dyn TableLike,
        span: Option<Range<usize>>,
        parent: usize,
    ) {
        let name = section.name;
        let index = self.values.tables(name).len();
        let mut entries = Entries::new();
        for (key, item) in table.iter() {
            let full = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
            if let Some(below) = SECTIONS.iter().find(|known| known.name == full && !full.is_empty()) {
                self.section(below, item, index);
                continue;
            }
            let key_span = table.get_key_value(key).and_then(|(key, _)| key.span());
            self.given.extend(section.find(key).map(|setting| (name, index, setting.key)));
            match (section.find(key), item) {
                (Some(setting), Item::Value(toml)) => {
                    entries.extend(self.value(setting, toml).map(|value| (setting.key, value)));
                }
                (Some(setting), _) => {
                    self.problem(item.span(), format!("{key} must be {}", setting.kind.allowed()));
                }
                (None, _) => self.unknown(name, key, key_span.or(item.span())),
            }
        }
        self.values.add(name, entries, parent);
        for setting in section.settings.iter().filter(|setting| setting.required) {
            if !self.given.contains(&(name, index, setting.key)) {
                self.wanted(section, setting, span.clone());
            }
        }
    }

    fn section(&mut self, section: &'static Section, item: &Item, parent: usize) {
        let name = section.name;
        match item {
            Item::ArrayOfTables(tables) if section.repeats => {
                tables.iter().for_each(|table| self.table(section, table, table.span(), parent));
            }
            Item::Table(table) if !section.repeats => self.table(section, table, table.span(), parent),
            Item::Value(Toml::InlineTable(table)) if !section.repeats => {
                self.table(section, table, table.span(), parent);
            }
            _ if section.repeats => {
                self.problem(
                    item.span(),
                    format!("{name} is a list of tables: write [[{name}]] above its settings"),
                );
            }
            _ => self.problem(item.span(), format!("{name} is one table: write [{name}] above its settings")),
        }
    }

    fn value(&mut self, setting: &Setting, toml: &Toml) -> Option<Value> {
        let value = setting.kind.read(toml);
        if value.is_none() {
            self.problem(toml.span(), format!("{} must be {}", setting.key, setting.kind.allowed()));
        }
        value
    }

    fn unknown(&mut self, section: &str, key: &str, span: Option<Range<usize>>) {
        let place = if section.is_empty() { "here".to_owned() } else { format!("in [{section}]") };
        let nearest = nearest(section, key);
        let hint = nearest.map_or(String::new(), |name| format!("; did you mean {name}?"));
        self.problem(span, format!("no setting {key} {place}{hint}"));
    }

    /// Whether all that must be given is, and is right. Says which sections are missing.
    fn required(&mut self) -> bool {
        // [tls] is needed unless nothing listens with it; the configuration checks that.
        let must_be = |section: &Section| ["mail", "users"].contains(&section.name);
        let needed = || settings().filter(|(_, setting)| setting.required || setting.in_sample);
        for (section, setting) in needed().filter(|(section, _)| must_be(section)) {
            if self.values.tables(section.name).is_empty() {
                self.wanted(section, setting, None);
            }
        }
        let is_there = |(section, setting): (&Section, &Setting)| {
            let tables = self.values.tables(section.name);
            !(must_be(section) && tables.is_empty())
                && (setting.in_sample || tables.iter().all(|table| table.contains_key(setting.key)))
        };
        needed().all(is_there)
    }

    fn wanted(&mut self, section: &Section, setting: &Setting, span: Option<Range<usize>>) {
        let Setting { key, example, .. } = setting;
        let heading = section.heading();
        let text = format!("{heading} wants {key}, such as {key} = {example}");
        match span {
            Some(_) => self.problem(span, text),
            None => self.problems.push(Problem::of_file(self.path, text)),
        }
    }

    fn problem(&mut self, span: Option<Range<usize>>, text: String) {
        let at = span.map(|span| {
            let before = &self.text[..span.start.min(self.text.len())];
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
        });
        self.problems.push(Problem { path: self.path.to_owned(), at, text });
    }
}

/// The setting or section whose name is most like `key`, if any is like it: in the same
/// section first, then anywhere.
fn nearest(section: &str, key: &str) -> Option<String> {
    let likeness = |name: &str| strsim::jaro_winkler(name, key);
    let best = |names: Vec<(String, f64)>| {
        let like = names.into_iter().filter(|(_, likeness)| *likeness > 0.8);
        like.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, _)| name)
    };
    let same = find_section(section).into_iter().flat_map(|section| section.settings);
    let here = best(same.map(|setting| (setting.key.to_owned(), likeness(setting.key))).collect());
    here.or_else(|| {
        let others = settings().map(|(section, setting)| {
            let place = match section.name {
                "" => String::new(),
                name => format!(" of [{name}]"),
            };
            (format!("{}{place}", setting.key), likeness(setting.key))
        });
        let named = SECTIONS.iter().filter(|section| !section.name.is_empty());
        let sections = named.map(|section| (section.heading(), likeness(section.name)));
        best(others.chain(sections).collect())
    })
}
