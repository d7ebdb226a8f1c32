//! The Content- fields of a part's header (RFC 2045, 2183, 2231, 3282).

use super::parameters::{PARAMETERS_MAX, parameters};
use super::words::Words;
use super::{Content, Parameter, Part, Span};
use crate::encoded_word;
use crate::header::{Field, Header};

/// Longest value of a field that is taken, in bytes; a longer one is cut, between encoded words.
pub(super) const VALUE_MAX: usize = 64 * 1024;

/// What the names of a part's fields begin with.
pub(super) const PREFIX: &[u8] = b"content-";

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
        let name = field.name.to_ascii_lowercase();
        match name.strip_prefix(PREFIX).unwrap_or_default() {
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

fn us_ascii() -> Vec<Parameter> {
    vec![(b"charset".to_vec(), b"us-ascii".to_vec())]
}

fn set_once(slot: &mut Option<Vec<u8>>, field: &Field<'_>) {
    let value = shortened(field);
    if slot.is_none() && !value.is_empty() {
        *slot = Some(value);
    }
}

/// Whether a type could be read; without one the default stays.
fn content_type(part: &mut Part, field: &Field<'_>) -> bool {
    let value = unquoted_start(shortened(field));
    let mut words = Words::new(&value);
    let Some(media_type) = words.word() else { return false };
    if !words.eat(b'/') {
        return false;
    }
    let Some(media_subtype) = words.word() else { return false };
    part.media_type = media_type.to_ascii_lowercase();
    part.media_subtype = media_subtype.to_ascii_lowercase();
    part.parameters = parameters(&mut words);
    if part.media_type == b"text" && part.parameters.is_empty() {
        part.parameters = us_ascii();
    }
    true
}

fn transfer_encoding(part: &mut Part, field: &Field<'_>) {
    let value = unquoted_start(shortened(field));
    if let Some(token) = Words::new(&value).token() {
        part.encoding = token.to_ascii_lowercase();
    }
}

/// The disposition. Where parameters come without one it is an attachment, as one that is not
/// known is (RFC 2183 section 2.8): what counts is the file's name.
fn disposition(field: &Field<'_>) -> Option<(Vec<u8>, Vec<Parameter>)> {
    let value = unquoted_start(shortened(field));
    let mut words = Words::new(&value);
    let kind = words.word();
    if let Some(kind) = kind
        && !words.clone().eat(b'=')
    {
        return Some((kind.to_ascii_lowercase(), parameters(&mut words)));
    }
    let parameters = parameters(&mut Words::new(&value));
    (!parameters.is_empty()).then(|| (b"attachment".to_vec(), parameters))
}

fn languages(field: &Field<'_>) -> Vec<Vec<u8>> {
    let value = shortened(field);
    let mut words = Words::new(&value);
    let mut tags = Vec::new();
    while let Some(tag) = words.word() {
        tags.push(tag);
        if tags.len() >= PARAMETERS_MAX || !words.eat(b',') {
            break;
        }
    }
    tags
}

/// The value without the quotes around its beginning, as `"attachment"; filename=x` and
/// `"text/plain"; charset=x` have them.
fn unquoted_start(value: Vec<u8>) -> Vec<u8> {
    let Some((quoted, rest)) = value.strip_prefix(b"\"").and_then(|inner| {
        let end = memchr::memchr(b'"', inner)?;
        Some((&inner[..end], &inner[end + 1..]))
    }) else {
        return value;
    };
    [quoted, rest].concat()
}

fn shortened(field: &Field<'_>) -> Vec<u8> {
    let mut value = field.unfolded();
    encoded_word::shorten(&mut value, VALUE_MAX);
    value
}
