//! Reading a command from left to right: the elements that commands share.

use crate::error::{DecodeErrorKind, Parsed, Part, missing, wrong};
use crate::limits::{Limits, Parts};
use crate::tag::Tag;
use crate::wire_name::WireName;
use mail::date::{DateTime, Day};
use mail::flag::Flags;
use mail::set::SetEnd;
use mail::{Keyword, ModSeq, NumberSet, SystemFlags};
use std::num::NonZeroU32;

/// A position in a framed command: lines with their literals in between, so that a literal can
/// be read where its announcement stands.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    nesting_max: usize,
    parts: Parts,
    /// Parts that may still come.
    left: Parts,
}

impl<'a> Cursor<'a> {
    /// Longest tag.
    pub(crate) const TAG_MAX: usize = 128;

    pub(crate) fn new(bytes: &'a [u8], limits: &Limits) -> Self {
        let (nesting_max, parts) = (limits.nesting_max, limits.parts);
        Self { rest: bytes, nesting_max, parts, left: parts }
    }

    /// For what a command begins with: its tag, and its name.
    pub(crate) fn of_tag(bytes: &'a [u8]) -> Self {
        let parts = Parts::DEFAULT;
        Self { rest: bytes, nesting_max: 0, parts, left: parts }
    }

    /// Counts a part ahead of reading it; the refusal when it is one too many.
    pub(crate) fn count(&mut self, part: Part) -> Parsed<()> {
        let (max, left) = match part {
            Part::SearchKey => (self.parts.search_keys_max, &mut self.left.search_keys_max),
            Part::Pattern => (self.parts.patterns_max, &mut self.left.patterns_max),
            Part::Item => (self.parts.items_max, &mut self.left.items_max),
            Part::Name => (self.parts.names_max, &mut self.left.names_max),
            Part::Range => (self.parts.ranges_max, &mut self.left.ranges_max),
        };
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                Ok(())
            }
            None => Err(DecodeErrorKind::TooManyParts { part, max }),
        }
    }

    /// Deepest nesting that is followed.
    pub(crate) fn nesting_max(&self) -> usize {
        self.nesting_max
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.iter().all(|b| *b == b' ')
    }

    /// The end of the command; blanks before it are forgiven.
    pub(crate) fn end(&mut self, name: &str) -> Parsed<()> {
        if self.is_at_end() {
            Ok(())
        } else {
            wrong(format!("Unexpected text after the arguments of {name}"))
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    /// Takes `word` in any case, if it is next.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let there =
            self.rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
        if there {
            self.rest = &self.rest[word.len()..];
        }
        there
    }

    /// Whether blanks were there.
    pub(crate) fn eat_space(&mut self) -> bool {
        let there = self.peek() == Some(b' ');
        while self.eat(b' ') {}
        there
    }

    pub(crate) fn space(&mut self, expected: &str) -> Parsed<()> {
        if self.eat_space() && !self.rest.is_empty() { Ok(()) } else { missing(expected) }
    }

    /// Blanks with a literal behind them, whose announcement was cut off.
    pub(crate) fn space_before(&mut self, expected: &str) -> Parsed<()> {
        if self.eat_space() { Ok(()) } else { missing(expected) }
    }

    pub(crate) fn expect(&mut self, byte: u8, expected: &str) -> Parsed<()> {
        if self.eat(byte) { Ok(()) } else { missing(expected) }
    }

    /// `tag SP`, consumed only when it is one.
    pub(crate) fn tag(&mut self) -> Option<Tag> {
        let length = self.rest.iter().position(|b| *b == b' ')?;
        let tag = &self.rest[..length];
        let valid = |b: &u8| is_astring_char(*b) && *b != b'+';
        if tag.is_empty() || tag.len() > Self::TAG_MAX || !tag.iter().all(valid) {
            return None;
        }
        self.rest = &self.rest[length..];
        while self.eat(b' ') {}
        Some(Tag(String::from_utf8_lossy(tag).into()))
    }

    /// A command's name, in upper case.
    pub(crate) fn command_name(&mut self) -> Parsed<String> {
        let name = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'-');
        if name.is_empty() {
            return missing("a command");
        }
        Ok(String::from_utf8_lossy(&name[..name.len().min(64)]).to_ascii_uppercase())
    }

    pub(crate) fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|b| !keep(*b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// An atom as text.
    pub(crate) fn atom(&mut self, expected: &str) -> Parsed<&'a str> {
        let atom = self.take_while(is_atom_char);
        if atom.is_empty() {
            return missing(expected);
        }
        std::str::from_utf8(atom).map_err(|_| DecodeErrorKind::Expected(expected.to_owned()))
    }

    /// An atom in upper case, for words of the grammar.
    pub(crate) fn keyword(&mut self, expected: &str) -> Parsed<String> {
        self.atom(expected).map(str::to_ascii_uppercase)
    }

    /// RFC 3501 `astring`. Atoms may have 8-bit bytes: clients send them.
    pub(crate) fn astring(&mut self, expected: &str) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(expected),
            _ => {
                let atom = self.take_while(|b| is_astring_char(b) || b >= 0x80);
                if atom.is_empty() { missing(expected) } else { Ok(atom.to_vec()) }
            }
        }
    }

    /// RFC 3501 `string`: quoted or literal.
    pub(crate) fn string(&mut self, expected: &str) -> Parsed<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => missing(expected),
        }
    }

    /// RFC 3501 `nstring`.
    pub(crate) fn nstring(&mut self, expected: &str) -> Parsed<Option<Vec<u8>>> {
        if self.eat_word("NIL") { Ok(None) } else { self.string(expected).map(Some) }
    }

    fn quoted(&mut self) -> Parsed<Vec<u8>> {
        let mut text = Vec::new();
        self.rest = &self.rest[1..];
        loop {
            let plain = self.take_while(|b| !matches!(b, b'"' | b'\\' | b'\r' | b'\n'));
            text.extend_from_slice(plain);
            match self.peek() {
                Some(b'"') => {
                    self.rest = &self.rest[1..];
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.rest = &self.rest[1..];
                    match self.peek() {
                        Some(byte @ (b'"' | b'\\')) => text.push(byte),
                        _ => return wrong("Only \\ and \" may follow \\ in a quoted string"),
                    }
                    self.rest = &self.rest[1..];
                }
                _ => return missing("\" at the end of a quoted string"),
            }
        }
    }

    fn literal(&mut self) -> Parsed<Vec<u8>> {
        let malformed = || DecodeErrorKind::Expected("a literal such as {5}".to_owned());
        self.rest = &self.rest[1..];
        let digits = self.take_while(|b| b.is_ascii_digit());
        let size: usize =
            std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).ok_or_else(malformed)?;
        self.eat(b'+');
        if !self.eat(b'}') {
            return Err(malformed());
        }
        self.eat(b'\r');
        if !self.eat(b'\n') || self.rest.len() < size {
            return Err(malformed());
        }
        let (literal, rest) = self.rest.split_at(size);
        self.rest = rest;
        Ok(literal.to_vec())
    }

    /// A mailbox's name; see [`WireName`].
    pub(crate) fn mailbox(&mut self) -> Parsed<WireName> {
        self.astring("a mailbox name").map(WireName::decode)
    }

    /// A blank and a mailbox's name, as commands on mailboxes begin.
    pub(crate) fn mailbox_argument(&mut self) -> Parsed<WireName> {
        self.space("a mailbox name")?;
        self.mailbox()
    }

    /// A name with wildcards (RFC 3501 `list-mailbox`).
    pub(crate) fn list_mailbox(&mut self) -> Parsed<WireName> {
        let bytes = match self.peek() {
            Some(b'"' | b'{') => self.string("a mailbox pattern")?,
            _ => {
                let atom = self.take_while(|b| is_astring_char(b) || b >= 0x80 || matches!(b, b'%' | b'*'));
                if atom.is_empty() {
                    return missing("a mailbox pattern");
                }
                atom.to_vec()
            }
        };
        Ok(WireName::decode(bytes))
    }

    pub(crate) fn number(&mut self, expected: &str) -> Parsed<u64> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        number
            .filter(|number| *number <= i64::MAX as u64)
            .ok_or_else(|| DecodeErrorKind::Expected(expected.to_owned()))
    }

    pub(crate) fn modseq(&mut self) -> Parsed<ModSeq> {
        self.number("a mod-sequence").map(ModSeq)
    }

    /// A blank and a set, as commands on messages begin.
    pub(crate) fn message_set(&mut self) -> Parsed<NumberSet> {
        self.space("a set of messages")?;
        self.set()
    }

    /// A sequence set or UID set (RFC 3501 `sequence-set`).
    pub(crate) fn set(&mut self) -> Parsed<NumberSet> {
        let mut ranges = Vec::new();
        loop {
            self.count(Part::Range)?;
            let from = self.set_end()?;
            let to = if self.eat(b':') { self.set_end()? } else { from };
            ranges.push((from, to));
            if !self.eat(b',') {
                return Ok(NumberSet { ranges });
            }
        }
    }

    fn set_end(&mut self) -> Parsed<SetEnd> {
        if self.eat(b'*') {
            return Ok(SetEnd::Last);
        }
        let digits = self.take_while(|b| b.is_ascii_digit());
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<NonZeroU32>().ok());
        number
            .map(SetEnd::Number)
            .ok_or_else(|| DecodeErrorKind::Expected("a set such as 1,3:5 or 7:*".to_owned()))
    }

    /// Flags, with or without parentheses; `\Recent` is read and dropped.
    pub(crate) fn flags(&mut self) -> Parsed<Flags> {
        let mut system = SystemFlags::NONE;
        let mut keywords = Vec::new();
        let in_list = self.eat(b'(');
        loop {
            self.eat_space();
            if in_list && self.eat(b')') || !in_list && self.rest.is_empty() {
                break;
            }
            self.count(Part::Name)?;
            if self.eat(b'\\') {
                let name = format!("\\{}", self.atom("a flag")?);
                match SystemFlags::by_name(&name) {
                    Some(flag) => system = system.with(flag),
                    None if name.eq_ignore_ascii_case("\\Recent") => {}
                    None => return wrong(format!("No system flag is called {name}")),
                }
            } else {
                keywords.push(self.flag_keyword()?);
            }
            match self.peek() {
                Some(b' ') => {}
                Some(b')') if in_list => {}
                None if !in_list => {}
                _ => return missing("a blank between flags, and ) behind them"),
            }
        }
        Ok(Flags::new(system, keywords))
    }

    pub(crate) fn flag_keyword(&mut self) -> Parsed<Keyword> {
        let name = self.atom("a flag")?;
        let expected = || format!("a keyword of at most {} characters", Keyword::LENGTH_MAX);
        Keyword::new(name).ok_or_else(|| DecodeErrorKind::Expected(expected()))
    }

    /// RFC 3501 `date`, quoted or not.
    pub(crate) fn date(&mut self) -> Parsed<Day> {
        let expected = "a date such as 1-Feb-1994";
        let text = self.astring(expected)?;
        Day::parse_imap(&text).ok_or_else(|| DecodeErrorKind::Expected(expected.to_owned()))
    }

    /// RFC 3501 `date-time`.
    pub(crate) fn date_time(&mut self) -> Parsed<DateTime> {
        let expected = "a date and time such as \"17-Jul-1996 02:44:25 -0700\"";
        let text = self.quoted()?;
        DateTime::parse_imap(&text).ok_or_else(|| DecodeErrorKind::Expected(expected.to_owned()))
    }
}

fn is_atom_char(byte: u8) -> bool {
    byte > 0x20 && byte < 0x7F && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}
