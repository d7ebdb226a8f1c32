//! LIST's patterns: `*` and `%` (RFC 3501 section 6.3.8).

/// A pattern, matched in one go through the name: all ways through the pattern are followed at
/// once, as bits of a few words, and none is tried again.
///
/// Its characters other than wildcards are counted; state `n` means that the name so far ends
/// with the first `n` of them. A wildcard behind them lets the state last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern {
    separator: char,
    /// Characters that are no wildcards, a count.
    length: usize,
    /// By character, in order: the states that it leads to from the one before.
    leads_to: Vec<(char, States)>,
    /// States with a wildcard behind them.
    lasting: States,
    /// Those where it is `*`.
    lasting_over_separators: States,
    ends_in_level: bool,
}

/// A bit for each state.
type States = [u64; WORDS];

const WORDS: usize = 8;

impl Pattern {
    /// Most characters that are no wildcards. A name has at most 246 bytes, with its prefix some
    /// more: a longer pattern matches nothing.
    const LENGTH_MAX: usize = WORDS * 64 - 1;

    /// A canonical pattern: reference and mailbox argument together. `None` when it is too
    /// long to match any name.
    pub(crate) fn new(pattern: &str, separator: char) -> Option<Self> {
        let mut compiled = Self {
            separator,
            length: 0,
            leads_to: Vec::new(),
            lasting: [0; WORDS],
            lasting_over_separators: [0; WORDS],
            ends_in_level: false,
        };
        for c in pattern.chars() {
            match c {
                '*' => set(&mut compiled.lasting_over_separators, compiled.length),
                '%' => set(&mut compiled.lasting, compiled.length),
                _ if compiled.length == Self::LENGTH_MAX => return None,
                c => compiled.add(c),
            }
        }
        compiled.ends_in_level = is_set(&compiled.lasting, compiled.length)
            && !is_set(&compiled.lasting_over_separators, compiled.length);
        let both = compiled.lasting.iter_mut().zip(&compiled.lasting_over_separators);
        both.for_each(|(lasting, over)| *lasting |= over);
        Some(compiled)
    }

    fn add(&mut self, c: char) {
        self.length += 1;
        let at = match self.leads_to.binary_search_by_key(&c, |(of, _)| *of) {
            Ok(at) => at,
            Err(at) => {
                self.leads_to.insert(at, (c, [0; WORDS]));
                at
            }
        };
        set(&mut self.leads_to[at].1, self.length);
    }

    /// Whether `name` matches as a whole. A first level INBOX matches in any case.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.reach(name).is_some_and(|reached| is_set(&reached, self.length))
    }

    /// Whether some name that begins with `level`, or is it, may match.
    pub(crate) fn may_match_below(&self, level: &str) -> bool {
        self.reach(level).is_some()
    }

    /// The states after `name`; `None` where there are none.
    fn reach(&self, name: &str) -> Option<States> {
        let below =
            name.strip_prefix("INBOX").filter(|rest| rest.is_empty() || rest.starts_with(self.separator));
        let any_case = below.map_or(0, |_| "INBOX".len());
        let words = self.length / 64 + 1;
        let mut reached = [0; WORDS];
        set(&mut reached, 0);
        for (at, c) in name.chars().enumerate() {
            let mut leads_to = self.leads_to(c);
            if at < any_case {
                let lower = self.leads_to(c.to_ascii_lowercase());
                leads_to.iter_mut().zip(lower).for_each(|(states, lower)| *states |= lower);
            }
            let lasting = if c == self.separator { &self.lasting_over_separators } else { &self.lasting };
            let mut from_below = 0;
            let mut any = 0;
            for word in 0..words {
                let here = reached[word];
                reached[word] = (here << 1 | from_below) & leads_to[word] | here & lasting[word];
                from_below = here >> 63;
                any |= reached[word];
            }
            if any == 0 {
                return None;
            }
        }
        Some(reached)
    }

    fn leads_to(&self, c: char) -> States {
        let at = self.leads_to.binary_search_by_key(&c, |(of, _)| *of);
        at.map_or([0; WORDS], |at| self.leads_to[at].1)
    }

    /// Whether the last character is `%`: levels of hierarchy are then matched for their own
    /// sake.
    pub(crate) fn ends_in_level(&self) -> bool {
        self.ends_in_level
    }
}

fn set(states: &mut States, state: usize) {
    states[state / 64] |= 1 << (state % 64);
}

fn is_set(states: &States, state: usize) -> bool {
    states[state / 64] & 1 << (state % 64) != 0
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
        // Wildcards take no room, and each character of a name a step a word.
        assert_eq!(Pattern::new(&"*%".repeat(2_000_000), '/').expect("a run is one").length, 0);
        let longest = Pattern::new(&"*a".repeat(511), '/').expect("as long as may be");
        assert!(!longest.matches(&"a".repeat(510)) && longest.matches(&"a".repeat(600)));
        assert_eq!(Pattern::new(&"*a".repeat(512), '/'), None);
    }

    /// States on both sides of a word's border.
    #[test]
    fn long_patterns_are_matched_like_short_ones() {
        for length in [62, 63, 64, 65, 127, 128, 129, 300] {
            let exact = "x".repeat(length);
            for (pattern, yes, no) in [
                (exact.clone(), exact.clone(), format!("{exact}x")),
                (format!("{exact}*b"), format!("{exact}/ab"), format!("{exact}/ba")),
                (format!("{exact}%b"), format!("{exact}ab"), format!("{exact}/b")),
                (format!("*{exact}"), format!("xx/x{exact}"), format!("{exact}y")),
            ] {
                let compiled = Pattern::new(&pattern, '/').expect("short enough");
                assert!(compiled.matches(&yes) && !compiled.matches(&no), "{length} {pattern}");
            }
        }
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
        fn agrees_with_the_definition(pattern in "[ab/*%]{0,10}", name in "[ab/]{0,10}") {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let expected = by_definition(&chars(&pattern), &chars(&name));
            prop_assert_eq!(Pattern::new(&pattern, '/').expect("short").matches(&name), expected);
        }
    }
}
