//! Responses as trees, and patterns that they are compared with.
//!
//! Quoted strings and literals are the same string; atoms are compared without regard to case;
//! where IMAP leaves the order open (items of FETCH and STATUS, flags, attributes,
//! capabilities) both sides are sorted first.

use std::collections::HashMap;
use std::fmt;

/// One element of a response line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// Anything without quotes: atoms, numbers, `*`, `BODY[1.MIME]<0>`.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// `NIL`.
    Nil,
    /// `( … )`, and `[ … ]` of a response code.
    List(Vec<Node>),
    /// In patterns: `<name>`, one element that is remembered, or compared once it is known.
    Capture(String),
    /// In patterns: `<_>`, any one element.
    Any,
    /// In patterns: `<...>`, the rest of a list or line.
    Rest,
}

/// What was captured so far.
pub type Captures = HashMap<String, String>;

/// Parses a line, literals spliced in, without its line end. With `pattern`, `<…>` means
/// captures, and `\r` and `\n` in quoted strings are line ends.
pub fn parse(line: &[u8], pattern: bool) -> Vec<Node> {
    let mut parser = Parser { rest: line, pattern };
    let mut nodes = parser.nodes(None);
    sort_what_has_no_order(&mut nodes);
    nodes
}

/// Whether `actual` is what `expected` asks for. Captures are kept only on success.
pub fn matches(expected: &[Node], actual: &[Node], captures: &mut Captures) -> bool {
    let mut tentative = captures.clone();
    let matched = all_match(expected, actual, &mut tentative);
    if matched {
        *captures = tentative;
    }
    matched
}

fn all_match(expected: &[Node], actual: &[Node], captures: &mut Captures) -> bool {
    match (expected, actual) {
        ([Node::Rest, ..], _) | ([], []) => true,
        ([e, expected @ ..], [a, actual @ ..]) => {
            one_matches(e, a, captures) && all_match(expected, actual, captures)
        }
        _ => false,
    }
}

fn one_matches(expected: &Node, actual: &Node, captures: &mut Captures) -> bool {
    match (expected, actual) {
        (Node::Any, _) => true,
        (Node::Capture(name), actual) => {
            let text = actual.to_string();
            match captures.get(name) {
                Some(known) => *known == text,
                None => captures.insert(name.clone(), text).is_none(),
            }
        }
        (Node::List(expected), Node::List(actual)) => all_match(expected, actual, captures),
        (Node::Atom(expected), Node::Atom(actual)) => expected.eq_ignore_ascii_case(actual),
        (Node::Atom(atom), Node::Text(text)) | (Node::Text(text), Node::Atom(atom)) => {
            atom.as_bytes() == text
        }
        (expected, actual) => expected == actual,
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    pattern: bool,
}

impl Parser<'_> {
    fn nodes(&mut self, close: Option<u8>) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let Some(&byte) = self.rest.first() {
            match byte {
                b' ' => self.skip(1),
                b if Some(b) == close => {
                    self.skip(1);
                    break;
                }
                b'(' => {
                    self.skip(1);
                    nodes.push(Node::List(self.nodes(Some(b')'))));
                }
                b'[' => {
                    self.skip(1);
                    nodes.push(Node::List(self.nodes(Some(b']'))));
                    // What follows a response code is for people.
                    if close.is_none() {
                        let text = self.take(self.rest.len());
                        let text = String::from_utf8_lossy(text).trim().to_owned();
                        match text.as_str() {
                            "" => {}
                            "<...>" if self.pattern => nodes.push(Node::Rest),
                            _ => nodes.push(Node::Text(text.into_bytes())),
                        }
                    }
                }
                b'"' => nodes.push(self.quoted()),
                b'{' => nodes.push(self.literal_or_atom(close)),
                _ => nodes.push(self.atom(close)),
            }
        }
        nodes
    }

    fn quoted(&mut self) -> Node {
        self.skip(1);
        let mut text = Vec::new();
        while let Some(&byte) = self.rest.first() {
            self.skip(1);
            match byte {
                b'"' => break,
                b'\\' => {
                    let escaped = self.rest.first().copied().unwrap_or(b'\\');
                    self.skip(1);
                    text.push(match escaped {
                        b'r' if self.pattern => b'\r',
                        b'n' if self.pattern => b'\n',
                        other => other,
                    });
                }
                other => text.push(other),
            }
        }
        Node::Text(text)
    }

    fn literal_or_atom(&mut self, close: Option<u8>) -> Node {
        let announced = self.rest.iter().position(|&b| b == b'\n').and_then(|end| {
            let size = literal_size(&self.rest[..=end])?;
            Some((end + 1, size))
        });
        match announced {
            Some((start, size)) if self.rest.len() >= start + size => {
                self.skip(start);
                Node::Text(self.take(size).to_vec())
            }
            _ => self.atom(close),
        }
    }

    fn atom(&mut self, close: Option<u8>) -> Node {
        let mut depth = 0_usize;
        let mut end = 0;
        for &byte in self.rest {
            match byte {
                b'[' => depth += 1,
                b']' if depth > 0 => depth -= 1,
                _ if depth > 0 => {}
                b' ' | b'(' | b')' => break,
                b if Some(b) == close => break,
                _ => {}
            }
            end += 1;
        }
        // A parenthesis that closes nothing.
        let text = String::from_utf8_lossy(self.take(end.max(1))).into_owned();
        match text.as_str() {
            "<_>" if self.pattern => Node::Any,
            "<...>" if self.pattern => Node::Rest,
            _ if self.pattern && text.len() > 2 && text.starts_with('<') && text.ends_with('>') => {
                Node::Capture(text[1..text.len() - 1].to_owned())
            }
            _ if text.eq_ignore_ascii_case("NIL") => Node::Nil,
            _ => Node::Atom(text),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes.min(self.rest.len())..];
    }

    fn take(&mut self, bytes: usize) -> &[u8] {
        let (taken, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// The size that a line announces at its end: `… {12}\r\n`.
pub fn literal_size(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_suffix(b"}")?;
    let open = line.iter().rposition(|&b| b == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.trim_end_matches('+').parse().ok()
}

fn sort_what_has_no_order(nodes: &mut [Node]) {
    let atom = |node: Option<&Node>| match node {
        Some(Node::Atom(text)) => text.to_ascii_uppercase(),
        _ => String::new(),
    };
    match (atom(nodes.get(1)).as_str(), atom(nodes.get(2)).as_str()) {
        (_, "FETCH") => with_list(nodes.get_mut(3), sort_pairs),
        ("STATUS", _) => with_list(nodes.get_mut(3), sort_pairs),
        ("LIST" | "LSUB" | "XLIST" | "FLAGS", _) => with_list(nodes.get_mut(2), |list| sort(list)),
        ("CAPABILITY", _) => nodes[2..].sort_by_key(key),
        ("ESEARCH", _) => sort_results(nodes),
        _ => {}
    }
    for node in nodes {
        with_list(Some(node), |code| match atom(code.first()).as_str() {
            "PERMANENTFLAGS" => with_list(code.get_mut(1), |list| sort(list)),
            "CAPABILITY" => code[1..].sort_by_key(key),
            _ => {}
        });
    }
}

fn with_list(node: Option<&mut Node>, sort: impl FnOnce(&mut Vec<Node>)) {
    if let Some(Node::List(nodes)) = node {
        sort(nodes);
    }
}

fn sort(nodes: &mut [Node]) {
    nodes.sort_by_key(key);
}

fn sort_pairs(nodes: &mut Vec<Node>) {
    let mut pairs: Vec<Vec<Node>> = nodes.chunks(2).map(<[Node]>::to_vec).collect();
    for pair in &mut pairs {
        with_list(pair.get_mut(1), |value| {
            if value.iter().all(|node| matches!(node, Node::Atom(_))) {
                sort(value);
            }
        });
    }
    pairs.sort_by_key(|pair| pair.first().map(key));
    *nodes = pairs.concat();
}

/// `* ESEARCH (TAG "t") [UID] MIN 1 …`: the pairs behind the tag.
fn sort_results(nodes: &mut [Node]) {
    let uid = matches!(nodes.get(3), Some(Node::Atom(word)) if word.eq_ignore_ascii_case("UID"));
    let from = nodes.len().min(if uid { 4 } else { 3 });
    let mut pairs: Vec<Vec<Node>> = nodes[from..].chunks(2).map(<[Node]>::to_vec).collect();
    pairs.sort_by_key(|pair| pair.first().map(key));
    nodes[from..].clone_from_slice(&pairs.concat());
}

fn key(node: &Node) -> String {
    node.to_string().to_ascii_uppercase()
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&String::from_utf8_lossy(text)),
            Self::Nil => f.write_str("NIL"),
            Self::Capture(name) => write!(f, "<{name}>"),
            Self::Any => f.write_str("<_>"),
            Self::Rest => f.write_str("<...>"),
            Self::List(nodes) => {
                f.write_str("(")?;
                for (index, node) in nodes.iter().enumerate() {
                    let blank = if index == 0 { "" } else { " " };
                    write!(f, "{blank}{node}")?;
                }
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, line: &str, expected: bool) {
        let mut captures = Captures::from([("known".to_owned(), "7".to_owned())]);
        let matched =
            matches(&parse(pattern.as_bytes(), true), &parse(line.as_bytes(), false), &mut captures);
        assert_eq!(matched, expected, "{pattern} against {line}");
    }

    #[test]
    fn patterns_mean_what_is_meant() {
        check("* 1 FETCH (FLAGS (\\Seen \\Draft) UID 4)", "* 1 FETCH (UID 4 FLAGS (\\Draft \\Seen))", true);
        check("* 1 FETCH (UID 4)", "* 1 FETCH (UID 4 FLAGS ())", false);
        check("* 1 FETCH (BODY[TEXT] \"a\\r\\n\")", "* 1 FETCH (BODY[TEXT] {3}\r\na\r\n)", true);
        check("* 1 FETCH (BODY[TEXT] NIL)", "* 1 FETCH (BODY[TEXT] \"NIL\")", false);
        check(
            "* 1 FETCH (BODY[HEADER.FIELDS (TO)]<0> \"a\")",
            "* 1 FETCH (body[header.fields (TO)]<0> {1}\r\na)",
            true,
        );
        check("* LIST (\\A \\B) \"/\" INBOX", "* LIST (\\B \\A) \"/\" \"INBOX\"", true);
        check("* OK [UIDNEXT <n>] <...>", "* OK [UIDNEXT 5] Predicted next UID", true);
        check("* OK [UIDNEXT <known>] <...>", "* OK [UIDNEXT 5] Predicted next UID", false);
        check("* OK [PERMANENTFLAGS (\\* \\Seen)] <...>", "* OK [PERMANENTFLAGS (\\Seen \\*)] Limited", true);
        check("* SEARCH", "* SEARCH 1", false);
        check("* SEARCH <...>", "* SEARCH 1 2", true);
        check("* 2 EXISTS", "* 2 EXPUNGE", false);
    }
}
