//! From TOML to values, by the table of settings; everything that is wrong, with its place.

use super::kind::Value;
use super::table::{SECTIONS, Section, Setting, find, settings};
use std::collections::{BTreeMap, BTreeSet};
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
            reader.table("", document.as_table(), None, 0);
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
        section: &'static str,
        table: &dyn TableLike,
        span: Option<Range<usize>>,
        parent: usize,
    ) {
        let index = self.values.tables(section).len();
        let mut entries = Entries::new();
        for (key, item) in table.iter() {
            let full = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            if let Some(below) = SECTIONS.iter().find(|known| known.name == full && !full.is_empty()) {
                self.section(below, item, index);
                continue;
            }
            let key_span = table.get_key_value(key).and_then(|(key, _)| key.span());
            self.given.extend(find(section, key).map(|setting| (section, index, setting.key)));
            match (find(section, key), item) {
                (Some(setting), Item::Value(toml)) => {
                    entries.extend(self.value(setting, toml).map(|value| (setting.key, value)));
                }
                (Some(setting), _) => {
                    self.problem(item.span(), format!("{key} must be {}", setting.kind.allowed()));
                }
                (None, _) => self.unknown(section, key, key_span.or(item.span())),
            }
        }
        self.values.sections.entry(section).or_default().push(entries);
        self.values.parents.entry(section).or_default().push(parent);
        for setting in settings().filter(|setting| setting.section == section && setting.required) {
            if !self.given.contains(&(section, index, setting.key)) {
                self.wanted(setting, span.clone());
            }
        }
    }

    fn section(&mut self, section: &Section, item: &Item, parent: usize) {
        let name = section.name;
        match item {
            Item::ArrayOfTables(tables) if section.repeats => {
                tables.iter().for_each(|table| self.table(name, table, table.span(), parent));
            }
            Item::Table(table) if !section.repeats => self.table(name, table, table.span(), parent),
            Item::Value(Toml::InlineTable(table)) if !section.repeats => {
                self.table(name, table, table.span(), parent);
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
        let must_be = |setting: &Setting| ["mail", "users"].contains(&setting.section);
        let missing = |reader: &Self, setting: &Setting| reader.values.tables(setting.section).is_empty();
        for setting in
            settings().filter(|setting| (setting.required || setting.in_sample) && must_be(setting))
        {
            if missing(self, setting) {
                self.wanted(setting, None);
            }
        }
        let is_there = |setting: &Setting| {
            let tables = self.values.tables(setting.section);
            !(must_be(setting) && tables.is_empty())
                && (setting.in_sample || tables.iter().all(|table| table.contains_key(setting.key)))
        };
        settings().filter(|setting| setting.required || setting.in_sample).all(is_there)
    }

    fn wanted(&mut self, setting: &Setting, span: Option<Range<usize>>) {
        let Setting { section, key, example, .. } = setting;
        let repeats = SECTIONS.iter().any(|known| known.name == *section && known.repeats);
        let heading = if repeats { format!("[[{section}]]") } else { format!("[{section}]") };
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
        names.into_iter().filter(|(_, likeness)| *likeness > 0.8).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let same = settings().filter(|s| s.section == section).map(|s| (s.key.to_owned(), likeness(s.key)));
    let here = best(same.collect()).map(|(name, _)| name);
    here.or_else(|| {
        let others = settings().map(|s| {
            let place = if s.section.is_empty() { String::new() } else { format!(" of [{}]", s.section) };
            (format!("{}{place}", s.key), likeness(s.key))
        });
        let sections = SECTIONS.iter().filter(|s| !s.name.is_empty()).map(|s| {
            let name = if s.repeats { format!("[[{}]]", s.name) } else { format!("[{}]", s.name) };
            (name, likeness(s.name))
        });
        best(others.chain(sections).collect()).map(|(name, _)| name)
    })
}
