//! Addresses in header fields, as ENVELOPE wants them (RFC 5322 section 3.4, RFC 3501
//! section 7.4.2).

use std::borrow::Cow;

/// One element of an ENVELOPE's address list. Bytes are as in the header, quotes, escapes,
/// comments and folding removed, encoded words left as they are.
///
/// RFC 3501's group syntax: a start has no host and the group's name as mailbox; an end has
/// neither.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Display name.
    pub name: Option<Vec<u8>>,
    /// Source route of RFC 822 (`@a,@b`), obsolete.
    pub route: Option<Vec<u8>>,
    /// Local part; the group's name at a group's start; absent at a group's end.
    pub mailbox: Option<Vec<u8>>,
    /// Domain; absent at a group's start and end.
    pub host: Option<Vec<u8>>,
}

/// Most addresses taken from one field; the rest are left out.
pub const ADDRESSES_MAX: usize = 10_000;

/// The addresses of a field's value, at most [`ADDRESSES_MAX`]; linear in its length.
pub fn parse(value: &[u8]) -> Vec<Address> {
    let mut parser =
        Parser { tokens: Tokens { rest: value, after_blank: false }, list: Vec::new(), in_group: false };
    parser.run();
    parser.list
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    list: Vec<Address>,
    in_group: bool,
}

impl Parser<'_> {
    /// Collects words up to what says which they are: `<` a name's end, `:` a group's name,
    /// `@` a local part, `,` and `;` an address's end.
    fn run(&mut self) {
        let mut address = Partly::default();
        while self.list.len() < ADDRESSES_MAX {
            match self.tokens.next() {
                None => break,
                Some(Token::Word(word)) => address.word(&word, self.tokens.after_blank),
                Some(Token::Comment(text)) => address.comment = Some(text),
                Some(Token::Special(b'<')) => address.angle = Some(self.angle()),
                Some(Token::Special(b':')) if !self.in_group && address.angle.is_none() => {
                    let name = std::mem::take(&mut address).phrase();
                    self.list.push(Address { mailbox: Some(name.unwrap_or_default()), ..Address::default() });
                    self.in_group = true;
                }
                Some(Token::Special(b',')) => self.end_of(&mut address),
                Some(Token::Special(b';')) => {
                    self.end_of(&mut address);
                    self.end_of_group();
                }
                Some(Token::Special(special)) => address.special(special),
            }
        }
        self.end_of(&mut address);
        self.end_of_group();
    }

    fn end_of(&mut self, address: &mut Partly) {
        if let Some(address) = std::mem::take(address).finish().filter(|_| self.list.len() < ADDRESSES_MAX) {
            self.list.push(address);
        }
    }

    fn end_of_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.list.push(Address::default());
        }
    }

    /// `local@domain>` without anything that has to be taken apart, as most are.
    fn plain_angle(&mut self) -> Option<Angle> {
        let rest = self.tokens.rest;
        let inner = &rest[..memchr::memchr(b'>', rest)?];
        let (local, domain) = inner.split_at_checked(memchr::memchr(b'@', inner)?)?;
        let domain = &domain[1..];
        let is_plain = |b: &u8| *b == b'.' || !ends_atom(b);
        if local.is_empty() || !local.iter().all(is_plain) || !domain.iter().all(is_plain) {
            return None;
        }
        self.tokens.rest = &rest[inner.len() + 1..];
        Some(Angle { route: None, local: Some(local.to_vec()), domain: Some(domain.to_vec()) })
    }

    /// `[@route:]local@domain>`; the `>` may be missing.
    fn angle(&mut self) -> Angle {
        if let Some(angle) = self.plain_angle() {
            return angle;
        }
        let mut angle = Angle::default();
        let mut text: Vec<u8> = Vec::new();
        let mut after_word = false;
        while let Some(token) = self.tokens.next() {
            let is_word = matches!(token, Token::Word(_));
            match token {
                Token::Special(b'>') => break,
                Token::Special(b':') if text.starts_with(b"@") => {
                    angle.route = Some(std::mem::take(&mut text))
                }
                Token::Special(b'@') if !text.is_empty() && !text.ends_with(b",") => {
                    angle.local = Some(std::mem::take(&mut text));
                }
                Token::Special(special) => text.push(special),
                Token::Word(word) => {
                    if after_word {
                        text.push(b' ');
                    }
                    text.extend_from_slice(&word);
                }
                Token::Comment(_) => {}
            }
            after_word = is_word;
        }
        match angle.local {
            Some(_) => angle.domain = Some(text),
            None => angle.local = Some(text),
        }
        angle
    }
}

/// What stands in `<…>`.
#[derive(Default)]
struct Angle {
    route: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    domain: Option<Vec<u8>>,
}

/// An address being read.
#[derive(Default)]
struct Partly {
    /// Words before any `@` or `<`, joined by blanks as a phrase.
    words: Vec<u8>,
    /// The same, joined as a local part, where it differs: no blanks.
    joined: Option<Vec<u8>>,
    any_word: bool,
    /// What came after an `@` outside of `<…>`.
    domain: Option<Vec<u8>>,
    angle: Option<Angle>,
    comment: Option<Vec<u8>>,
}

impl Partly {
    fn word(&mut self, word: &[u8], after_blank: bool) {
        if self.angle.is_some() {
            return;
        }
        match &mut self.domain {
            Some(domain) => domain.extend_from_slice(word),
            None => {
                if self.any_word && after_blank {
                    self.joined.get_or_insert_with(|| self.words.clone());
                    self.words.push(b' ');
                }
                self.text(word);
            }
        }
    }

    /// A special that is part of the text: `@`, `.`, `[`, and strays.
    fn special(&mut self, special: u8) {
        if self.angle.is_some() {
            return;
        }
        match (&mut self.domain, special) {
            (None, b'@') => self.domain = Some(Vec::new()),
            (Some(domain), special) => domain.push(special),
            (None, special) => self.text(&[special]),
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.words.extend_from_slice(text);
        if let Some(joined) = &mut self.joined {
            joined.extend_from_slice(text);
        }
        self.any_word = true;
    }

    fn phrase(self) -> Option<Vec<u8>> {
        self.any_word.then_some(self.words)
    }

    fn local(self) -> Vec<u8> {
        self.joined.unwrap_or(self.words)
    }

    fn finish(mut self) -> Option<Address> {
        if let Some(angle) = self.angle.take() {
            let empty = angle.local.as_ref().is_none_or(Vec::is_empty) && angle.domain.is_none();
            let name = if self.any_word { Some(self.words) } else { self.comment.filter(|_| !empty) };
            if empty && name.is_none() {
                return None;
            }
            return Some(Address {
                name,
                route: angle.route,
                mailbox: angle.local,
                host: angle.domain.or(Some(Vec::new())),
            });
        }
        // `user@host (Name)`, the form of old.
        let name = self.comment.take();
        match self.domain.take() {
            Some(domain) => {
                Some(Address { name, mailbox: Some(self.local()), host: Some(domain), route: None })
            }
            None if self.any_word => {
                Some(Address { name, mailbox: Some(self.local()), host: Some(Vec::new()), route: None })
            }
            None => None,
        }
    }
}

enum Token<'a> {
    /// An atom, or a quoted string or domain literal taken together.
    Word(Cow<'a, [u8]>),
    Special(u8),
    Comment(Vec<u8>),
}

struct Tokens<'a> {
    rest: &'a [u8],
    /// White space stood before the last token.
    after_blank: bool,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let trimmed = self.rest.trim_ascii_start();
        self.after_blank = trimmed.len() < self.rest.len();
        self.rest = trimmed;
        let (&first, rest) = self.rest.split_first()?;
        match first {
            b'"' => {
                self.rest = rest;
                Some(Token::Word(self.until(b'"', None).into()))
            }
            b'(' => {
                self.rest = rest;
                Some(Token::Comment(self.until(b')', Some(b'('))))
            }
            b'[' => {
                self.rest = rest;
                let mut literal = vec![b'['];
                literal.extend_from_slice(&self.until(b']', None));
                literal.push(b']');
                Some(Token::Word(literal.into()))
            }
            b'<' | b'>' | b':' | b';' | b',' | b'@' | b'.' | b'\\' | b')' | b']' => {
                self.rest = rest;
                Some(Token::Special(first))
            }
            _ => {
                let length = self.rest.iter().position(ends_atom).unwrap_or(self.rest.len());
                let (atom, rest) = self.rest.split_at(length);
                self.rest = rest;
                Some(Token::Word(atom.into()))
            }
        }
    }

    /// Up to `close`, escapes and line ends removed; `open` nests. What is never closed ends
    /// with the field.
    fn until(&mut self, close: u8, open: Option<u8>) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 0_usize;
        let mut bytes = self.rest.iter().copied().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' => text.extend(bytes.next().map(|(_, escaped)| escaped)),
                b'\r' | b'\n' => {}
                byte if byte == close && depth == 0 => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                byte => {
                    depth += usize::from(Some(byte) == open);
                    depth -= usize::from(byte == close);
                    text.push(byte);
                }
            }
        }
        self.rest = &[];
        text
    }
}

fn ends_atom(byte: &u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(
            byte,
            b'"' | b'(' | b'[' | b'<' | b'>' | b':' | b';' | b',' | b'@' | b'.' | b'\\' | b')' | b']'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: &str, expected: &[&str]) {
        let text = |part: &Option<Vec<u8>>| {
            part.as_ref().map_or("-".to_owned(), |part| String::from_utf8_lossy(part).into_owned())
        };
        let found: Vec<String> = parse(value.as_bytes())
            .iter()
            .map(|a| format!("{}|{}|{}|{}", text(&a.name), text(&a.route), text(&a.mailbox), text(&a.host)))
            .collect();
        assert_eq!(found, expected, "{value}");
    }

    #[test]
    fn addresses_of_every_form() {
        check("a@example.com", &["-|-|a|example.com"]);
        check("Fred Foobar <foobar@x.example>", &["Fred Foobar|-|foobar|x.example"]);
        check("\"Carl, Jr.\" <c@x>, d@y", &["Carl, Jr.|-|c|x", "-|-|d|y"]);
        check("J. Random <j@x>", &["J. Random|-|j|x"]);
        check("a@x (Anna (the first))", &["Anna (the first)|-|a|x"]);
        check("<@r1,@r2:a@x>", &["-|@r1,@r2|a|x"]);
        check("\"a b\"@x, a.b.c@[127.0.0.1]", &["-|-|a b|x", "-|-|a.b.c|[127.0.0.1]"]);
        check("=?utf-8?q?J=C3=B6rg?= <j@x>", &["=?utf-8?q?J=C3=B6rg?=|-|j|x"]);
        check("\"a \\\"b\\\" c\"\r\n <a@x>", &["a \"b\" c|-|a|x"]);
        check("a@x,, ,b@y,", &["-|-|a|x", "-|-|b|y"]);
        check("Anna < a @ x . example >", &["Anna|-|a|x.example"]);
    }

    #[test]
    fn groups_have_a_start_and_an_end() {
        check("team: a@x, b@y;, c@z", &["-|-|team|-", "-|-|a|x", "-|-|b|y", "-|-|-|-", "-|-|c|z"]);
        check("undisclosed-recipients:;", &["-|-|undisclosed-recipients|-", "-|-|-|-"]);
        check("never closed: a@x", &["-|-|never closed|-", "-|-|a|x", "-|-|-|-"]);
    }

    #[test]
    fn security_19_broken_addresses_are_read_as_far_as_they_go() {
        check("", &[]);
        check("nobody", &["-|-|nobody|"]);
        check("(only a comment \\", &[]);
        check("a@x (ends in \\", &["ends in |-|a|x"]);
        check("\"never closed", &["-|-|never closed|"]);
        check("Anna <a@x", &["Anna|-|a|x"]);
        check("<>", &[]);
        check("<", &[]);
        check("@", &["-|-||"]);
        check("a@x> b", &["-|-|a|x>b"]);
        check(":;", &["-|-||-", "-|-|-|-"]);
        let truncated = parse(b"J\xc3 <j@x>");
        assert_eq!(truncated[0].name.as_deref(), Some(&b"J\xc3"[..]));
    }

    #[test]
    fn security_18_half_a_million_addresses_are_capped() {
        let many = "a@example.com, ".repeat(500_000);
        assert_eq!(parse(many.as_bytes()).len(), ADDRESSES_MAX);
        let nested = "(".repeat(1_000_000);
        assert_eq!(parse(nested.as_bytes()).len(), 0);
        let open = "<".repeat(1_000_000);
        assert!(parse(open.as_bytes()).len() <= 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(value in "[a@<>:;,.()\\[\\]\"\\\\ \r\n]{0,60}", bytes: Vec<u8>) {
            parse(value.as_bytes());
            parse(&bytes);
        }
    }
}
