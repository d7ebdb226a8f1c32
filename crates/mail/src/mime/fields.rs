//! The Content- fields of a part's header (RFC 2045, 2183, 2231, 3282).

use super::{Content, Parameter, Part, Span};
use crate::header::{Field, Header};

/// Longest value of a field that is looked at.
const VALUE_MAX: usize = 64 * 1024;
/// Parameters taken from one field; the rest are left out.
const PARAMETERS_MAX: usize = 200;

/// A part with what its header says; `in_digest` changes the default type (RFC 2046 5.1.5).
pub(super) fn part(header: &[u8], in_digest: bool) -> Part {
    let (media_type, media_subtype): (&[u8], &[u8]) =
        if in_digest { (b"message", b"rfc822") } else { (b"text", b"plain") };
    let mut part = Part {
        header: Span::default(),
        body: Span::default(),
        media_type: media_type.to_vec(),
        media_subtype: media_subtype.to_vec(),
        parameters: if in_digest { Vec::new() } else { us_ascii() },
        id: None,
        description: None,
        encoding: b"7bit".to_vec(),
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        content: Content::Leaf,
        envelope: None,
    };
    let mut has_type = false;
    for field in Header::cut(header).fields() {
        let Some(name) = field.name.get(..8).filter(|start| start.eq_ignore_ascii_case(b"content-")) else {
            continue;
        };
        match field.name[name.len()..].to_ascii_lowercase().as_slice() {
            b"type" if !has_type => has_type = content_type(&mut part, &field),
            b"id" => set_once(&mut part.id, &field),
            b"description" => set_once(&mut part.description, &field),
            b"md5" => set_once(&mut part.md5, &field),
            b"location" => set_once(&mut part.location, &field),
            b"transfer-encoding" => transfer_encoding(&mut part, &field),
            b"disposition" if part.disposition.is_none() => part.disposition = disposition(&field),
            b"language" if part.language.is_empty() => part.language = languages(&field),
            _ => {}
        }
    }
    part
}

/// The value of a parameter.
pub(super) fn parameter<'a>(part: &'a Part, name: &str) -> Option<&'a [u8]> {
    part.parameters.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| &value[..])
}

fn us_ascii() -> Vec<Parameter> {
    vec![(b"charset".to_vec(), b"us-ascii".to_vec())]
}

fn set_once(slot: &mut Option<Vec<u8>>, field: &Field<'_>) {
    let value = field.unfolded();
    if slot.is_none() && !value.is_empty() {
        *slot = Some(value);
    }
}

/// Whether a type could be read; without one the default stays.
fn content_type(part: &mut Part, field: &Field<'_>) -> bool {
    let value = shortened(field);
    let mut words = Words { rest: &value };
    let Some(media_type) = words.token() else { return false };
    if !words.eat(b'/') {
        return false;
    }
    let Some(media_subtype) = words.token() else { return false };
    part.media_type = media_type.to_ascii_lowercase();
    part.media_subtype = media_subtype.to_ascii_lowercase();
    part.parameters = parameters(&mut words);
    let has_charset = part.parameters.iter().any(|(name, _)| name == b"charset");
    if part.media_type == b"text" && part.parameters.is_empty() && !has_charset {
        part.parameters = us_ascii();
    }
    true
}

fn transfer_encoding(part: &mut Part, field: &Field<'_>) {
    let value = shortened(field);
    if let Some(token) = (Words { rest: &value }).token() {
        part.encoding = token.to_ascii_lowercase();
    }
}

fn disposition(field: &Field<'_>) -> Option<(Vec<u8>, Vec<Parameter>)> {
    let value = shortened(field);
    let mut words = Words { rest: &value };
    let kind = words.token()?.to_ascii_lowercase();
    Some((kind, parameters(&mut words)))
}

fn languages(field: &Field<'_>) -> Vec<Vec<u8>> {
    let value = shortened(field);
    let mut words = Words { rest: &value };
    let mut tags = Vec::new();
    while let Some(tag) = words.token() {
        tags.push(tag);
        if tags.len() >= PARAMETERS_MAX || !words.eat(b',') {
            break;
        }
    }
    tags
}

fn shortened(field: &Field<'_>) -> Vec<u8> {
    let mut value = field.unfolded();
    value.truncate(VALUE_MAX);
    value
}

/// `;name=value` again and again; strays are passed over.
fn parameters(words: &mut Words<'_>) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    while parameters.len() < PARAMETERS_MAX && words.skip_past(b';') {
        let Some(name) = words.token() else { continue };
        if !words.eat(b'=') {
            continue;
        }
        let value = words.value();
        parameters.push((name.to_ascii_lowercase(), value));
    }
    join_continuations(parameters)
}

/// Joins RFC 2231's `name*0`, `name*1*`… in the order of their numbers, under `name`, or under
/// `name*` where a piece is encoded. Pieces beyond a gap are left out.
fn join_continuations(parameters: Vec<Parameter>) -> Vec<Parameter> {
    if !parameters.iter().any(|(name, _)| numbered(name).is_some()) {
        return parameters;
    }
    let mut joined: Vec<Parameter> = Vec::new();
    let mut pieces: Vec<(Vec<u8>, u32, bool, Vec<u8>)> = Vec::new();
    for (name, value) in parameters {
        match numbered(&name) {
            Some((base, number, encoded)) => pieces.push((base.to_vec(), number, encoded, value)),
            None => joined.push((name, value)),
        }
    }
    // Stable, so that of doubled numbers the first counts.
    pieces.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    for run in pieces.chunk_by(|a, b| a.0 == b.0) {
        let mut next = 0;
        let (mut value, mut encoded) = (Vec::new(), false);
        for (_, number, is_encoded, piece) in run {
            if *number == next {
                value.extend_from_slice(piece);
                encoded |= is_encoded;
                next += 1;
            }
        }
        if next > 0 {
            let mut name = run[0].0.clone();
            if encoded {
                name.push(b'*');
            }
            joined.push((name, value));
        }
    }
    joined
}

/// `name*3*` is piece 3 of `name`, encoded.
fn numbered(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let (name, encoded) = match name.strip_suffix(b"*") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let star = memchr::memrchr(b'*', name)?;
    let digits = &name[star + 1..];
    let canonical = !digits.is_empty() && digits.len() <= 4 && (digits == b"0" || digits[0] != b'0');
    if !canonical || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((&name[..star], number, encoded))
}

/// Reads a structured value: tokens, quoted strings, comments passed over.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            self.skip_comment();
        }
    }

    /// A comment, nested ones included; what is never closed ends with the value.
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        let mut escaped = false;
        for (at, &byte) in self.rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        self.rest = &self.rest[at + 1..];
                        return;
                    }
                }
                _ => {}
            }
        }
        self.rest = &[];
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let there = self.rest.first() == Some(&byte);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    /// Goes behind the next `byte`, wherever it is outside of quotes and comments.
    fn skip_past(&mut self, byte: u8) -> bool {
        loop {
            self.skip_blanks();
            match self.rest.first() {
                None => return false,
                Some(found) if *found == byte => {
                    self.rest = &self.rest[1..];
                    return true;
                }
                Some(b'"') => drop(self.value()),
                Some(_) => self.rest = &self.rest[1..],
            }
        }
    }

    /// RFC 2045 `token`, 8-bit bytes included.
    fn token(&mut self) -> Option<Vec<u8>> {
        self.skip_blanks();
        let length = self.rest.iter().position(ends_token).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!token.is_empty()).then(|| token.to_vec())
    }

    /// A quoted string, or everything up to `;` or a blank: mailers leave quotes out where
    /// they may not.
    fn value(&mut self) -> Vec<u8> {
        self.skip_blanks();
        let mut value = Vec::new();
        let Some(quoted) = self.rest.strip_prefix(b"\"") else {
            let end = |b: &u8| matches!(b, b';' | b' ' | b'\t' | b'(');
            let length = self.rest.iter().position(end).unwrap_or(self.rest.len());
            let (bare, rest) = self.rest.split_at(length);
            self.rest = rest;
            return bare.to_vec();
        };
        let mut bytes = quoted.iter().copied().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = &quoted[at + 1..];
                    return value;
                }
                b'\\' => value.extend(bytes.next().map(|(_, escaped)| escaped)),
                byte => value.push(byte),
            }
        }
        self.rest = &[];
        value
    }
}

fn ends_token(byte: &u8) -> bool {
    let is_special = matches!(
        byte,
        b'(' | b')'
            | b'<'
            | b'>'
            | b'@'
            | b','
            | b';'
            | b':'
            | b'\\'
            | b'"'
            | b'/'
            | b'['
            | b']'
            | b'?'
            | b'='
    );
    is_special || *byte <= b' ' || *byte == 0x7F
}
