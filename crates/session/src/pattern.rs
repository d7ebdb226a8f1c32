//! LIST's patterns: `*` and `%` (RFC 3501 section 6.3.8).

/// A pattern, matched in time proportional to its length times the name's, whatever it holds:
/// all ways through the pattern are followed at once, none is tried again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    separator: char,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    Char(char),
    /// `*`: anything.
    All,
    /// `%`: anything but a separator.
    Level,
}

impl Pattern {
    /// Longest pattern in characters, runs of wildcards counted once. A name has at most 246
    /// bytes, so that what is longer matches nothing.
    const LENGTH_MAX: usize = 512;

    /// A canonical pattern: reference and mailbox argument together. `None` when it is too
    /// long to match any name.
    pub(crate) fn new(pattern: &str, separator: char) -> Option<Self> {
        let mut tokens = Vec::new();
        for c in pattern.chars() {
            let token = match c {
                '*' => Token::All,
                '%' => Token::Level,
                c => Token::Char(c),
            };
            match (tokens.last(), token) {
                (Some(Token::All), Token::All | Token::Level) | (Some(Token::Level), Token::Level) => {}
                (Some(Token::Level), Token::All) => {
                    tokens.pop();
                    tokens.push(Token::All);
                }
                _ if tokens.len() == Self::LENGTH_MAX => return None,
                _ => tokens.push(token),
            }
        }
        Some(Self { tokens, separator })
    }

    /// Whether `name` matches as a whole. A first level INBOX matches in any case.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let below =
            name.strip_prefix("INBOX").filter(|rest| rest.is_empty() || rest.starts_with(self.separator));
        let any_case = below.map_or(0, |_| "INBOX".len());
        // reached[i]: the characters so far match the first i tokens.
        let mut reached = vec![false; self.tokens.len() + 1];
        reached[0] = true;
        self.skip_wildcards(&mut reached);
        for (at, c) in name.chars().enumerate() {
            self.advance(&mut reached, c, at < any_case);
            self.skip_wildcards(&mut reached);
        }
        reached.last().copied().unwrap_or(false)
    }

    /// Takes one character. Goes from the end, so that what was reached before is still there.
    fn advance(&self, reached: &mut [bool], c: char, any_case: bool) {
        reached[self.tokens.len()] = false;
        for (i, token) in self.tokens.iter().enumerate().rev() {
            let before = reached[i];
            match token {
                // A wildcard holds its place for the next character.
                Token::All => {}
                Token::Level => reached[i] = before && c != self.separator,
                Token::Char(literal) => {
                    reached[i + 1] |=
                        before && (c == *literal || any_case && c.eq_ignore_ascii_case(literal));
                    reached[i] = false;
                }
            }
        }
    }

    /// A wildcard may stand for nothing.
    fn skip_wildcards(&self, reached: &mut [bool]) {
        for (i, token) in self.tokens.iter().enumerate() {
            if reached[i] && !matches!(token, Token::Char(_)) {
                reached[i + 1] = true;
            }
        }
    }

    /// Whether the last character is `%`: levels of hierarchy are then matched for their own
    /// sake.
    pub(crate) fn ends_in_level(&self) -> bool {
        self.tokens.last() == Some(&Token::Level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards() {
        // pattern, names that match, names that do not
        for (pattern, yes, no) in [
            ("*", &["", "a", "a/b", "a/b/c"][..], &[][..]),
            ("%", &["", "a", "INBOX"], &["a/b", "/"]),
            ("a", &["a"], &["", "A", "ab", "a/b"]),
            ("a*", &["a", "ab", "a/b"], &["b", "ba"]),
            ("a/%", &["a/", "a/b"], &["a", "a/b/c"]),
            ("%/%", &["a/b"], &["a", "a/b/c"]),
            ("*/c", &["a/c", "a/b/c", "c/c"], &["c", "a/cc"]),
            ("*2", &["2", "foo2", "foo2/bar2"], &["foo2/bar1"]),
            ("%*", &["a/b"], &[]),
            ("*%", &["a/b"], &[]),
            ("%%b", &["b", "ab"], &["a/b"]),
            ("*a%b", &["a/ab", "ab", "a/acb"], &["a/a/b"]),
            ("%a*b%c", &["xa/y/bc", "ab/bc"], &["ab/c", "x/abc"]),
            ("inbox", &["INBOX", "inbox"], &["Inbox", "INBOXES"]),
            ("iNb%", &["INBOX"], &["Inbound", "INBOX/a"]),
            ("iNb*/a", &["INBOX/a"], &["INBOX/A", "INBOXES/a"]),
            ("%Ü%", &["Übung", "aÜ"], &["ü"]),
        ] {
            let compiled = Pattern::new(pattern, '/').expect(pattern);
            for name in yes {
                assert!(compiled.matches(name), "{pattern} {name}");
            }
            for name in no {
                assert!(!compiled.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn security_06_patterns_of_wildcards_cost_no_more_than_others() {
        let name = "a".repeat(240);
        let pattern = Pattern::new(&"*a%".repeat(100), '/').expect("short enough");
        assert!(pattern.matches(&name));
        assert!(!Pattern::new(&format!("{}b", "*a%".repeat(80)), '/').expect("short enough").matches(&name));
        assert_eq!(Pattern::new(&"*%".repeat(2_000_000), '/').expect("a run is one").tokens.len(), 1);
        assert_eq!(Pattern::new(&"*a".repeat(2_000_000), '/'), None);
    }

    /// The definition, tried out in all ways.
    fn by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, _) => name.is_empty(),
            (Some(('*', rest)), None) | (Some(('%', rest)), None) => by_definition(rest, name),
            (Some((wildcard @ ('*' | '%'), rest)), Some((c, name_rest))) => {
                by_definition(rest, name)
                    || (*wildcard == '*' || *c != '/') && by_definition(pattern, name_rest)
            }
            (Some((p, rest)), Some((c, name_rest))) => p == c && by_definition(rest, name_rest),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}") {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let expected = by_definition(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Pattern::new(&pattern, '/').expect("short").matches(&name), expected);
        }
    }
}
