//! The `restante.toml` being built: each line with the setting it came from, and what was lost.

use crate::settings::{SECTIONS, Section, find_section, find_setting, parent, settings};
use auth::Secret;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longest value of a foreign setting that is shown, in characters.
const SHOWN_MAX: usize = 120;

/// Where a setting stood.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Origin {
    /// The file, or what stands for it.
    pub(crate) file: String,
    /// The setting, with its value where it may be shown.
    pub(crate) setting: String,
}

impl Origin {
    /// A setting without its value.
    pub(crate) fn new(file: &str, setting: &str) -> Self {
        Self { file: file.to_owned(), setting: harmless(setting) }
    }

    /// A setting with its value, unless that may be a secret.
    pub(crate) fn with_value(file: &str, setting: &str, value: &str) -> Self {
        let shown = if is_secret(setting) { "(not shown)".to_owned() } else { without_credentials(value) };
        Self { file: file.to_owned(), setting: harmless(&format!("{setting}={shown}")) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.setting)
    }
}

/// A value as it is written in TOML.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Literal(String);

impl Literal {
    /// A list of texts.
    pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> Self {
        let quoted: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
        Self(format!("[{}]", quoted.join(", ")))
    }
}

impl Literal {
    /// The text that is quoted.
    fn text(&self) -> Option<String> {
        Some(self.0.parse::<toml_edit::Value>().ok()?.as_str()?.to_owned())
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self(quoted(text))
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self(quoted(&text))
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self(value.to_string())
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A foreign setting without counterpart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Loss {
    /// Where it stood.
    pub(crate) origin: Origin,
    /// Why, or what to do instead.
    pub(crate) why: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.why)
    }
}

/// The file being built. What is put in is checked against the table of settings at once, so
/// that what comes out is read by our own parser.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    tables: Vec<Table>,
    losses: Vec<Loss>,
    /// What is among the losses, as each is said once.
    said: BTreeSet<Loss>,
    /// What is to be done or known before the start.
    advice: Vec<String>,
    /// Files in which users' homes and Maildirs stand, and that are no source here.
    places: Vec<PathBuf>,
}

#[derive(Debug)]
struct Table {
    section: &'static str,
    notes: Vec<String>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    key: &'static str,
    value: Literal,
    origins: Vec<Origin>,
    remarks: Vec<String>,
    /// What belongs into the file that the setting names.
    secret: Option<Secret>,
}

impl Draft {
    /// Starts one more table of a section that repeats.
    pub(crate) fn start(&mut self, section: &'static str) {
        self.tables.push(Table { section, notes: Vec::new(), lines: Vec::new() });
    }

    /// Sets a setting, in the newest table of its section. What we do not allow is a loss, with
    /// what is allowed.
    pub(crate) fn set(
        &mut self,
        section: &'static str,
        key: &'static str,
        value: impl Into<Literal>,
        origins: &[Origin],
    ) -> bool {
        let value = value.into();
        let refused = match find_setting(section, key) {
            None => Some(format!("there is no setting {key} in [{section}] yet")),
            Some(setting) => {
                let is_allowed = value.0.parse().is_ok_and(|toml| setting.kind.read(&toml).is_some());
                (!is_allowed).then(|| format!("{key} of [{section}] must be {}", setting.kind.allowed()))
            }
        };
        if let Some(why) = refused {
            origins.iter().for_each(|origin| self.lose(origin.clone(), why.clone()));
            return false;
        }
        let lines = &mut self.table(section).lines;
        lines.retain(|line| line.key != key);
        lines.push(Line { key, value, origins: origins.to_vec(), remarks: Vec::new(), secret: None });
        true
    }

    /// Sets a setting whose value the administrator must fill in; `remark` says how to find it.
    pub(crate) fn fill_in(&mut self, section: &'static str, key: &'static str, remark: &str) {
        let Some(setting) = find_setting(section, key) else { return };
        let value = Literal(setting.default.unwrap_or(setting.example).to_owned());
        let remarks = vec![format!("Fill in: {remark}")];
        self.table(section).lines.push(Line { key, value, origins: Vec::new(), remarks, secret: None });
    }

    /// Sets the setting that names a file with a password. It is in no such file yet: see
    /// [`Self::write_passwords`].
    pub(crate) fn fill_in_password(
        &mut self,
        section: &'static str,
        key: &'static str,
        theirs: &str,
        password: &str,
    ) {
        let remark = format!(
            "a file of which the first line is what {theirs} has. The user of [mail] must be able to read it, and nobody else may; --copy-users makes it."
        );
        self.fill_in(section, key, &remark);
        if let Some(line) = self.table(section).lines.last_mut() {
            line.secret = Some(Secret::new(password.as_bytes().to_vec()));
        }
    }

    /// Writes passwords into files, `write(name, password)`, and sets their settings.
    pub(crate) fn write_passwords(
        &mut self,
        mut write: impl FnMut(&str, &Secret) -> Result<PathBuf, String>,
    ) -> Result<(), String> {
        for table in &mut self.tables {
            let name = format!("{}-password", table.section.trim_start_matches("users."));
            for line in &mut table.lines {
                let Some(secret) = line.secret.take() else { continue };
                line.value = write(&name, &secret)?.display().to_string().into();
                line.remarks.clear();
            }
        }
        Ok(())
    }

    /// Puts other paths in place of those of users' files that were taken over.
    pub(crate) fn move_users(
        &mut self,
        mut moved: impl FnMut(&Path) -> Result<PathBuf, String>,
    ) -> Result<(), String> {
        const KEYS: [&str; 3] = ["passwd-file", "passwd-directory", "userdb"];
        let lines = self.tables.iter_mut().filter(|table| table.section == "users");
        for line in lines.flat_map(|table| &mut table.lines) {
            let path = line.value.text().map(PathBuf::from);
            let is_theirs = KEYS.contains(&line.key) && !line.origins.is_empty();
            let Some(path) = path.filter(|_| is_theirs) else { continue };
            line.value = moved(&path)?.display().to_string().into();
            let remark = format!("A copy of {}, whose changes are not seen from now on.", path.display());
            line.remarks.push(harmless(&remark));
        }
        Ok(())
    }

    /// Says what is to be done or known before the start.
    pub(crate) fn advise(&mut self, text: &str) {
        let text = harmless(text);
        if !self.advice.contains(&text) {
            self.advice.push(text);
        }
    }

    /// What [`Self::advise`] was told.
    pub(crate) fn advice(&self) -> &[String] {
        &self.advice
    }

    /// Users' homes and Maildirs stand in a passwd file that is no source here.
    pub(crate) fn add_places(&mut self, file: &str) {
        self.places.push(file.into());
    }

    /// What [`Self::add_places`] was told.
    pub(crate) fn places(&self) -> &[PathBuf] {
        &self.places
    }

    /// Says something above a line that was set.
    pub(crate) fn remark(&mut self, section: &'static str, key: &str, text: &str) {
        if let Some(line) = self.table(section).lines.iter_mut().find(|line| line.key == key) {
            line.remarks.push(harmless(text));
        }
    }

    /// Says something in a section, where it needs no line.
    pub(crate) fn note(&mut self, section: &'static str, text: &str, origins: &[Origin]) {
        let note = format!("{}{}", harmless(text), trailing(origins));
        self.table(section).notes.push(note);
    }

    /// A foreign setting has no counterpart.
    pub(crate) fn lose(&mut self, origin: Origin, why: impl Into<String>) {
        let loss = Loss { origin, why: harmless(&why.into()) };
        if self.said.insert(loss.clone()) {
            self.losses.push(loss);
        }
    }

    /// Whether a setting has a line.
    pub(crate) fn has(&self, section: &str, key: &str) -> bool {
        self.tables.iter().any(|t| t.section == section && t.lines.iter().any(|line| line.key == key))
    }

    /// What a setting says, where that is a text.
    pub(crate) fn text(&self, section: &str, key: &str) -> Option<String> {
        let tables = self.tables.iter().filter(|table| table.section == section);
        tables.flat_map(|table| &table.lines).find(|line| line.key == key)?.value.text()
    }

    /// Whether there is a source of users.
    pub(crate) fn has_users(&self) -> bool {
        self.tables.iter().any(|table| table.section.starts_with("users") && !table.lines.is_empty())
    }

    /// Fills in what must be given and had no source.
    pub(crate) fn complete(&mut self) {
        for (section, setting) in settings().filter(|(_, setting)| setting.required) {
            if ["tls", "mail"].contains(&section.name) && !self.has(section.name, setting.key) {
                self.fill_in(section.name, setting.key, setting.why);
            }
        }
        if let Some(setting) = find_setting("users", "passwd-file")
            && !self.has_users()
        {
            self.fill_in("users", "passwd-file", setting.why);
        }
        if !self.has("mail", "user") {
            self.fill_in(
                "mail",
                "user",
                "the one system user whom all Maildirs belong to (chown -R where they belong to several).",
            );
        }
    }

    /// All that was lost, in the order it was met.
    pub(crate) fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The file's text, in the order of the sample file.
    pub(crate) fn to_toml(&self, source: &str) -> String {
        let mut out = format!(
            "# Settings of Restante, from {}.\n# Behind each line stands the setting it comes from. Check with `restante check`.\n",
            harmless(source)
        );
        for outer in SECTIONS.iter().filter(|section| parent(section).is_none()) {
            // A table within one that repeats stands behind it.
            let belongs = |section: &Section| {
                section.name == outer.name || parent(section).is_some_and(|parent| parent.name == outer.name)
            };
            let section_of = |table: &Table| find_section(table.section);
            let mut tables =
                self.tables.iter().filter(|table| section_of(table).is_some_and(belongs)).peekable();
            while let Some(table) = tables.next() {
                let holds_one = tables.peek().is_some_and(|next| next.section != outer.name);
                table.write(&mut out, table.lines.is_empty() && !(table.section == outer.name && holds_one));
            }
        }
        if !self.advice.is_empty() {
            out.push_str("\n# Before the start:\n");
            self.advice.iter().for_each(|advice| out.push_str(&format!("# {advice}\n")));
        }
        if !self.losses.is_empty() {
            out.push_str("\n# Without counterpart:\n");
            self.losses.iter().for_each(|loss| out.push_str(&format!("# {loss}\n")));
        }
        out
    }

    fn table(&mut self, section: &'static str) -> &mut Table {
        let at = match self.tables.iter().rposition(|table| table.section == section) {
            Some(at) => at,
            None => {
                self.start(section);
                self.tables.len() - 1
            }
        };
        &mut self.tables[at]
    }
}

impl Table {
    /// As it stands in the file; one that is not in use is a comment.
    fn write(&self, out: &mut String, unused: bool) {
        out.push('\n');
        let Some(section) = find_section(self.section) else { return };
        if !section.name.is_empty() {
            out.push_str(&format!("{}{}\n", if unused { "# " } else { "" }, section.heading()));
        }
        self.notes.iter().for_each(|note| out.push_str(&format!("# {note}\n")));
        for setting in section.settings {
            if let Some(line) = self.lines.iter().find(|line| line.key == setting.key) {
                line.write(out);
            }
        }
    }
}

impl Line {
    fn write(&self, out: &mut String) {
        self.remarks.iter().for_each(|remark| out.push_str(&format!("# {remark}\n")));
        out.push_str(&format!("{} = {}{}\n", self.key, self.value.0, trailing(&self.origins)));
    }
}

/// The comment behind a line: settings of one file stand together.
fn trailing(origins: &[Origin]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut file = None;
    for origin in origins {
        match parts.last_mut().filter(|_| file == Some(&origin.file)) {
            Some(part) => part.push_str(&format!(", {}", origin.setting)),
            None => parts.push(origin.to_string()),
        }
        file = Some(&origin.file);
    }
    if parts.is_empty() { String::new() } else { format!(" # {}", parts.join("; ")) }
}

/// One line for a comment or a terminal: no control characters, not endless.
pub(crate) fn harmless(text: &str) -> String {
    let mut clean: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(600).collect();
    if text.chars().nth(600).is_some() {
        clean.push('…');
    }
    clean
}

/// Whether a setting of that name, of which the last word counts, holds what must not be shown.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.rsplit(' ').next().unwrap_or(name).to_ascii_lowercase();
    ["pass", "bindpw", "secret", "nonce", "api_key", "token"].iter().any(|word| name.contains(word))
}

/// A value without what stands between `://` and `@` in it.
fn without_credentials(value: &str) -> String {
    let mut words = Vec::new();
    for word in value.split(' ') {
        words.push(match (word.split_once("://"), word.rsplit_once('@')) {
            (Some((scheme, rest)), Some((_, host))) if rest.contains('@') => format!("{scheme}://…@{host}"),
            _ => word.to_owned(),
        });
    }
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_draft_is_read_by_our_parser_even_when_nothing_is_known() {
        let mut draft = Draft::default();
        draft.complete();
        let text = draft.to_toml("nothing");
        assert!(crate::settings::read_text(Path::new("r.toml"), &text).is_ok(), "{text}");
        assert_eq!(text.matches("# Fill in: ").count(), 5, "{text}");
    }

    #[test]
    fn what_is_not_allowed_is_lost_and_no_line_is_broken() {
        let mut draft = Draft::default();
        let origin = Origin::with_value("f", "N\n[x]", "1\ny = 2");
        assert!(!draft.set("limits", "nesting", 1_000, std::slice::from_ref(&origin)));
        assert!(draft.set("", "hostname", "a\"b\n# c", &[origin]));
        draft.remark("", "hostname", "two\nlines");
        draft.complete();
        let text = draft.to_toml("a\nb");
        let read = crate::settings::read_text(Path::new("r.toml"), &text).expect(&text);
        assert_eq!(read.session.hostname, "a\"b\n# c");
        assert!(
            text.contains("# f: N?[x]=1?y = 2: nesting of [limits] must be a number from 1 to 200\n"),
            "{text}"
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        for (name, value, expected) in [
            ("LDAP_BINDPW", "toto", "LDAP_BINDPW=(not shown)"),
            ("ssl_key_password", "x", "ssl_key_password=(not shown)"),
            ("LDAP_URI", "ldap://u:p@h/ ldap://b", "LDAP_URI=ldap://…@h/ ldap://b"),
            ("A", "a@b", "A=a@b"),
            ("passdb passwd-file: scheme", "PLAIN", "passdb passwd-file: scheme=PLAIN"),
            ("userdb static: pass", "x", "userdb static: pass=(not shown)"),
        ] {
            assert_eq!(Origin::with_value("f", name, value).setting, expected);
        }
    }
}
