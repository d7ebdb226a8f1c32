//! Assignments of the shell, as Courier's files consist of them.
//!
//! `NAME=value` with quotes and references to earlier variables; the last assignment counts.
//! Nothing is ever run: what only a shell could find out is said to be passed over.

use super::input::Problem;
use std::collections::BTreeMap;

/// Longest line, in bytes.
pub(crate) const LINE_MAX: usize = 64 << 10;

/// Longest value, in bytes: each assignment may double the one before.
const VALUE_MAX: usize = 64 << 10;

/// What is passed over and said, in one file.
const PASSED_OVER_MAX: usize = 20;

/// A variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Variable {
    /// Its value.
    pub(crate) value: String,
    /// The file that assigned it last.
    pub(crate) file: String,
}

/// The variables of several files, read one after the other.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    by_name: BTreeMap<String, Variable>,
    /// What was not understood: the file, the line from 1, and what stands there.
    pub(crate) passed_over: Vec<(String, usize, String)>,
}

impl Variables {
    /// Reads one more file.
    pub(crate) fn read(&mut self, file: &str, bytes: &[u8]) -> Result<(), Problem> {
        let text = super::input::text(file, bytes, LINE_MAX)?;
        let mut reader = Reader { file, rest: &text, line: 1 };
        let mut said = 0;
        while let Some(statement) = reader.statement(self)? {
            match statement {
                Statement::Assign(name, value) => {
                    self.by_name.insert(name, Variable { value, file: file.to_owned() });
                }
                Statement::Other(line, what) => {
                    said += 1;
                    if said <= PASSED_OVER_MAX {
                        self.passed_over.push((file.to_owned(), line, what));
                    }
                }
            }
        }
        Ok(())
    }

    /// A variable that is set, be it to nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&Variable> {
        self.by_name.get(name)
    }

    /// All variables, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.by_name.iter().map(|(name, variable)| (name.as_str(), variable))
    }
}

enum Statement {
    Assign(String, String),
    /// A command, or a value that a command makes.
    Other(usize, String),
}

struct Reader<'a> {
    file: &'a str,
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn statement(&mut self, variables: &Variables) -> Result<Option<Statement>, Problem> {
        loop {
            match self.peek() {
                None => return Ok(None),
                Some('#') => self.pass_line(),
                Some(c) if c.is_whitespace() || c == ';' => {
                    self.next();
                }
                Some(_) => break,
            }
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, behind) = self.rest.split_at(end);
        let line = self.line;
        if name == "export" && behind.starts_with([' ', '\t']) {
            self.rest = behind;
            return self.statement(variables);
        }
        if !behind.starts_with('=') || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            self.pass_line();
            return Ok(Some(Statement::Other(line, "a command of the shell, which is not run".to_owned())));
        }
        self.rest = &behind[1..];
        let name = name.to_owned();
        Ok(Some(match self.word(variables)? {
            Some(value) => Statement::Assign(name, value),
            None => {
                self.pass_line();
                Statement::Other(line, format!("{name} is made by the shell, which is not run"))
            }
        }))
    }

    /// A word with quotes and references; `None` where the shell would have to run something.
    fn word(&mut self, variables: &Variables) -> Result<Option<String>, Problem> {
        let (mut value, start) = (String::new(), self.line);
        let mut quote = None;
        while let Some(c) = self.peek() {
            match (c, quote) {
                (c, None) if c.is_whitespace() || c == ';' => break,
                (c @ ('\'' | '"'), None) => {
                    self.next();
                    quote = Some(c);
                }
                (c, Some(q)) if c == q => {
                    self.next();
                    quote = None;
                }
                ('`', None | Some('"')) => return Ok(None),
                ('$', None | Some('"')) => match self.reference(variables) {
                    Some(text) => value.push_str(text),
                    None => return Ok(None),
                },
                ('\\', None | Some('"')) => {
                    self.next();
                    self.escaped(quote, &mut value);
                }
                (c, _) => {
                    self.next();
                    value.push(c);
                }
            }
            if value.len() > VALUE_MAX {
                return Err(self.problem(start, format!("a value longer than {VALUE_MAX} bytes")));
            }
        }
        match quote {
            Some(quote) => Err(self.problem(start, format!("a quote {quote} that is never closed"))),
            None => Ok(Some(value)),
        }
    }

    /// What follows a backslash: in double quotes it stays before all but a few characters.
    fn escaped(&mut self, quote: Option<char>, value: &mut String) {
        match self.next() {
            Some('\n') => {}
            Some(c) => {
                if quote.is_some() && !matches!(c, '$' | '`' | '"' | '\\') {
                    value.push('\\');
                }
                value.push(c);
            }
            None => value.push('\\'),
        }
    }

    /// `$NAME` or `${NAME}`; a dollar sign before anything else stands for itself, but `$(`
    /// and what else the shell would have to work out is `None`.
    fn reference<'v>(&mut self, variables: &'v Variables) -> Option<&'v str> {
        let behind = &self.rest[1..];
        let (braced, names) = match behind.strip_prefix('{') {
            Some(names) => (true, names),
            None => (false, behind),
        };
        let end = names.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(names.len());
        let (name, after) = names.split_at(end);
        let after = if braced { after.strip_prefix('}')? } else { after };
        if name.is_empty() {
            let stands_for_itself = behind.starts_with(['"', ' ', '\t', '\n', '.', '/']) || behind.is_empty();
            self.rest = behind;
            return stands_for_itself.then_some("$");
        }
        self.rest = after;
        Some(variables.get(name).map_or("", |variable| &variable.value))
    }

    fn pass_line(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn problem(&self, line: usize, text: String) -> Problem {
        Problem { file: self.file.to_owned(), line: Some(line), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let mut variables = Variables::default();
        variables.read("f", text.as_bytes()).expect(text);
        let found: Vec<(&str, &str)> =
            variables.iter().map(|(name, variable)| (name, variable.value.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn assignments() {
        check("##NAME: PORT:1\n\nPORT=143\n# PORT=1\n  #x\n", &[("PORT", "143")]);
        check("A='b c' # d\nB=\"x'y\"z\n", &[("A", "b c"), ("B", "x'yz")]);
        check("A=1; B=2;C=3", &[("A", "1"), ("B", "2"), ("C", "3")]);
        check("A=1\nA=2\nB=$A\nA=3\n", &[("A", "3"), ("B", "2")]);
        check("A=1\nB=\"${A}x $A-$NONE.\"\nC='$A'\n", &[("A", "1"), ("B", "1x 1-."), ("C", "$A")]);
        check("A=\"a\nb\"\nexport B=c\nC=\n", &[("A", "a\nb"), ("B", "c"), ("C", "")]);
        check("A=a\\ b\nB=\"\\\"\\x\\\\\"\nC=x\\\ny\n", &[("A", "a b"), ("B", "\"\\x\\"), ("C", "xy")]);
        check("A=a#b\nB=\"costs 5$\"\n", &[("A", "a#b"), ("B", "costs 5$")]);
    }

    #[test]
    fn nothing_is_run() {
        let mut variables = Variables::default();
        let text = "A=1\nB=`hostname`\nC=$(id)\nulimit -n 99\nif true; then\nD=${A:-2}\nE=4\n";
        variables.read("f", text.as_bytes()).expect("it can be read");
        let names: Vec<&str> = variables.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "E"]);
        let lines: Vec<usize> = variables.passed_over.iter().map(|(_, line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let doubling = format!("A={}\n{}", "x".repeat(1_000), "A=$A$A\n".repeat(64));
        for (text, expected) in [
            (b"A=1\nB=\"x\n\n".to_vec(), "f:2: a quote \" that is never closed"),
            (b"# \0\xff\nA=b\0c\n".to_vec(), "f:2: a NUL"),
            (b"A=1\nB=\xff\n".to_vec(), "f:2: not UTF-8"),
            (
                format!("A=1\n{}\n", "B".repeat(LINE_MAX + 1)).into_bytes(),
                "f:2: a line longer than 65536 bytes",
            ),
            (doubling.into_bytes(), "f:8: a value longer than 65536 bytes"),
        ] {
            let problem = Variables::default().read("f", &text).expect_err(expected);
            assert_eq!(problem.to_string(), expected);
        }
    }
}
