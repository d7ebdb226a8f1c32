//! A query of the site's own, with its variables made parameters.
//!
//! `%u` name in full, `%n` its part before the `@`, `%d` its domain (NULL without one), `%s`
//! service, `%r` remote address (NULL where an administrator asks), `%w` a new hash and `%o` the one that
//! it replaces (only in the update query), `%%` a percent sign. A variable becomes a bound parameter, whose value the
//! database never reads as part of the query. `'%u'` is the same as `%u`: the quotes go.
//!
//! **Invariant:** no value is ever part of the text of a query.

use super::Database;

/// What a parameter stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variable {
    User,
    Local,
    Domain,
    Service,
    Remote,
    Hash,
    Old,
}

/// A query in the words of the database, and its parameters in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Template {
    pub(super) text: String,
    pub(super) parameters: Vec<Variable>,
}

impl Template {
    /// Parses a query, or says what is wrong with it.
    pub(super) fn parse(query: &str, database: Database) -> Result<Self, String> {
        let mut template = Self::default();
        let mut rest = query;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '\'' => template.literal(rest, database)?,
                '"' if database == Database::MySql => template.literal(rest, database)?,
                '"' | '`' => template.copy(rest, quoted_length(rest, first, false)?),
                '-' if rest.starts_with("--") => template.copy(rest, rest.find('\n').unwrap_or(rest.len())),
                '/' if rest.starts_with("/*") => {
                    let end = rest.find("*/").ok_or("a comment has no end")?;
                    template.copy(rest, end + 2)
                }
                '%' => template.percent(rest, database)?,
                '?' if database != Database::Postgres => return Err(own_parameter("?")),
                '$' if database == Database::Postgres && digit_follows(rest) => {
                    return Err(own_parameter("$1"));
                }
                other => template.copy(rest, other.len_utf8()),
            };
            rest = &rest[length..];
        }
        if template.text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(template) }
    }

    fn copy(&mut self, rest: &str, length: usize) -> usize {
        self.text.push_str(&rest[..length]);
        length
    }

    /// A percent sign outside of quotes: variable, percent sign or modulo.
    fn percent(&mut self, rest: &str, database: Database) -> Result<usize, String> {
        match rest[1..].chars().next() {
            Some('%') => {
                self.text.push('%');
                Ok(2)
            }
            Some(letter) if letter.is_alphabetic() => {
                self.parameter(variable(letter).ok_or(format!("%{letter} is no variable"))?, database);
                Ok(2)
            }
            _ => Ok(self.copy(rest, 1)),
        }
    }

    /// A text in quotes: a variable, or a text that has none.
    fn literal(&mut self, rest: &str, database: Database) -> Result<usize, String> {
        let quote = if rest.starts_with('"') { '"' } else { '\'' };
        let length = quoted_length(rest, quote, database == Database::MySql)?;
        let inside = &rest[1..length - 1];
        let mut letters = inside.chars();
        if let (Some('%'), Some(letter), None) = (letters.next(), letters.next(), letters.next())
            && let Some(variable) = variable(letter)
        {
            self.parameter(variable, database);
            return Ok(length);
        }
        let unescaped = inside.replace("%%", "");
        if let Some(letter) = unescaped
            .split('%')
            .skip(1)
            .filter_map(|part| part.chars().next())
            .find(|c| variable(*c).is_some())
        {
            return Err(format!(
                "{quote}{inside}{quote} has %{letter} amid a text: a variable stands by itself \
                 (concatenate), a percent sign is written %%"
            ));
        }
        self.text.push(quote);
        self.text.push_str(&inside.replace("%%", "%"));
        self.text.push(quote);
        Ok(length)
    }

    fn parameter(&mut self, variable: Variable, database: Database) {
        self.parameters.push(variable);
        match database {
            Database::Postgres => self.text.push_str(&format!("${}", self.parameters.len())),
            Database::MySql | Database::Sqlite => self.text.push('?'),
        }
    }
}

fn own_parameter(sign: &str) -> String {
    format!("{sign} stands for nothing: variables are written %u, %n, %d, %s, %r")
}

fn digit_follows(rest: &str) -> bool {
    rest[1..].starts_with(|c: char| c.is_ascii_digit())
}

fn variable(letter: char) -> Option<Variable> {
    Some(match letter {
        'u' => Variable::User,
        'n' => Variable::Local,
        'd' => Variable::Domain,
        's' => Variable::Service,
        'r' => Variable::Remote,
        'w' => Variable::Hash,
        'o' => Variable::Old,
        _ => return None,
    })
}

/// Length of a quoted text with both quotes; a doubled quote does not end it.
fn quoted_length(rest: &str, quote: char, backslashes: bool) -> Result<usize, String> {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\\' && backslashes {
            characters.next();
        } else if character == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Ok(at + quote.len_utf8());
        }
    }
    Err(format!("a {quote} has no end"))
}

#[cfg(test)]
mod tests {
    use super::Variable::{Domain, Hash, Local, User};
    use super::*;

    #[test]
    fn variables_become_parameters() {
        let (pg, my, lite) = (Database::Postgres, Database::MySql, Database::Sqlite);
        for (database, query, text, parameters) in [
            (
                pg,
                "SELECT a WHERE u = %u AND d = '%d'",
                "SELECT a WHERE u = $1 AND d = $2",
                vec![User, Domain],
            ),
            (my, "SELECT a WHERE u = \"%u\" OR n = %n", "SELECT a WHERE u = ? OR n = ?", vec![User, Local]),
            (pg, "SELECT \"%u\" WHERE u = %u", "SELECT \"%u\" WHERE u = $1", vec![User]),
            (lite, "SELECT a WHERE u LIKE '%@x' AND 5 % 2", "SELECT a WHERE u LIKE '%@x' AND 5 % 2", vec![]),
            (lite, "SELECT '%%u', 5 %% 2", "SELECT '%u', 5 % 2", vec![]),
            (lite, "SELECT 1 -- '%u\n, %u /* %n */", "SELECT 1 -- '%u\n, ? /* %n */", vec![User]),
            (lite, "SELECT 'it''s ?', %u", "SELECT 'it''s ?', ?", vec![User]),
            (my, "SELECT 'a\\'b', %u", "SELECT 'a\\'b', ?", vec![User]),
            (pg, "UPDATE t SET p = %w WHERE j ? 'x'", "UPDATE t SET p = $1 WHERE j ? 'x'", vec![Hash]),
        ] {
            let expected = Template { text: text.to_owned(), parameters };
            assert_eq!(Template::parse(query, database), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_bound_is_said() {
        for (query, part) in [
            ("SELECT '%n@example.com'", "amid a text"),
            ("SELECT %x", "no variable"),
            ("SELECT ?", "stands for nothing"),
            ("SELECT 'a", "no end"),
            ("SELECT /* a", "no end"),
            (" ", "empty"),
        ] {
            let problem = Template::parse(query, Database::Sqlite).expect_err(query);
            assert!(problem.contains(part), "{query}: {problem}");
        }
    }
}
