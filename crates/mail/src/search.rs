//! Text for SEARCH: what is looked for, and the decoded text it is looked for in.
//!
//! Messages are read a window at a time, and what is looked for is found across windows too:
//! memory is bounded, whatever a message's size.

mod matcher;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::charset::{self, Guess, Sink};
use crate::encoded_word::{self, Words};
use crate::envelope;
use crate::header::stream::{FieldStream, Start};
use crate::header::{Field, Unfold};
use crate::mime::{Content, Part, Span, Structure};
use crate::source::{Reader, Source};
use crate::transfer;
use matcher::{Matcher, fold, fold_into};
use memchr::memmem::Finder;
use std::ops::Range;

/// A string to look for, folded once, as SEARCH wants it: substring, without regard to case
/// (i;ascii-casemap for ASCII, Unicode simple case folding beyond).
///
/// Folding is Unicode's lower case, character by character, so that a substring stays one; a
/// character whose lower case has several is taken as it is but for that (`İ`). `ß` and `ss`
/// differ.
#[derive(Clone, Debug)]
pub struct Needle {
    folded: String,
    finder: Finder<'static>,
}

impl Needle {
    /// Folds `text`. An empty needle is found in every text (RFC 3501 section 6.4.4: a field
    /// that is there, whatever its value).
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let finder = Finder::new(&folded).into_owned();
        Self { folded, finder }
    }

    /// Whether it occurs in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        let mut matcher = Matcher::new(self);
        matcher.text(text);
        matcher.found()
    }

    /// Whether it occurs in a field `name` of the header at the start of `message`: as it
    /// stands, with encoded words decoded, or in its addresses if it has addresses. These are
    /// those of ENVELOPE (RFC 3501 section 6.4.4), written as `Name <mailbox@host>, …`, without
    /// comments, quotes and blanks that are not part of them.
    ///
    /// [`Needle::is_in_field_texts`] answers the same, where many needles are looked for.
    pub fn is_in_field<S: Source + ?Sized>(&self, message: &S, name: &str) -> Result<bool, S::Error> {
        let mut is_found = false;
        each_text(message, name, &Matcher::new(self), |text| {
            is_found = text.found();
            is_found
        })?;
        Ok(is_found)
    }

    /// Whether it occurs in one of the fields; an empty needle in any that is there.
    pub fn is_in_field_texts(&self, fields: &FieldTexts) -> bool {
        let has_line_end = self.folded.contains('\n');
        fields.texts.iter().any(|text| match has_line_end {
            // Line ends in the text, of encoded words, are made those of the needle.
            true => self.is_in(text),
            false => self.finder.find(text.as_bytes()).is_some(),
        })
    }

    /// Whether it occurs in the whole header, decoded (TEXT's first half), lines that are no
    /// field included.
    pub fn is_in_header<S: Source + ?Sized>(&self, message: &S) -> Result<bool, S::Error> {
        Ok(self.folded.is_empty() || self.is_in_fields(message, 0..message.size())?)
    }

    /// Whether it occurs in a part that is text or a message's (RFC 3501 section 6.4.4), or in
    /// the header of a part or embedded message: transfer encoding and charset undone (BODY, and
    /// TEXT's second half). Of `structure` an outline suffices.
    pub fn is_in_body<S: Source + ?Sized>(
        &self,
        message: &S,
        structure: &Structure,
    ) -> Result<bool, S::Error> {
        if self.folded.is_empty() {
            return Ok(true);
        }
        for (id, part) in structure.parts.iter().enumerate() {
            if id > 0 && self.is_in_fields(message, range(part.header))?
                || is_text(part) && self.is_in_text(message, part)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_in_fields<S: Source + ?Sized>(&self, message: &S, header: Range<u64>) -> Result<bool, S::Error> {
        let mut fields = FieldStream::new(message, header);
        while let Some(start) = fields.next()? {
            let mut matcher = Matcher::new(self);
            if let Start::Field(name) = start {
                matcher.text(&String::from_utf8_lossy(&name));
                matcher.text(": ");
            }
            let mut text = FieldText::new(matcher);
            fields.value(|piece| text.push(piece))?;
            if text.finish().found() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_in_text<S: Source + ?Sized>(&self, message: &S, part: &Part) -> Result<bool, S::Error> {
        // What calls itself ASCII is so, or lies.
        let named = part.charset().filter(|charset| !charset.eq_ignore_ascii_case("us-ascii"));
        let mut matcher = Matcher::new(self);
        if matcher.takes_bytes() && named.as_deref().is_none_or(charset::keeps_ascii) {
            // Most texts need not be decoded for most needles.
            let mut of_bytes = matcher.clone();
            each_piece(message, part, |piece, _| {
                of_bytes.bytes(piece);
                of_bytes.is_found()
            })?;
            if let Some(is_found) = of_bytes.of_bytes() {
                return Ok(is_found);
            }
        }
        if let Some(mut decoder) = named.and_then(|charset| charset::Decoder::new(&charset)) {
            let mut text = String::new();
            each_piece(message, part, |piece, last| {
                text.clear();
                decoder.decode(piece, last, &mut text);
                matcher.text(&text);
                matcher.is_found()
            })?;
            return Ok(matcher.found());
        }
        let mut guess = Guess::new(matcher);
        each_piece(message, part, |piece, _| {
            guess.push(piece);
            guess.is_settled(Matcher::is_found)
        })?;
        Ok(guess.finish().found())
    }
}

/// The header fields of one name, decoded and folded once for all needles: what
/// [`Needle::is_in_field`] looks in.
#[derive(Clone, Debug)]
pub struct FieldTexts {
    texts: Vec<String>,
}

impl FieldTexts {
    /// Of the fields `name`, in any case, in a header or a message that begins with one.
    pub fn of(message: &[u8], name: &str) -> Self {
        let mut texts = Vec::new();
        let Ok(()) = each_text(message, name, &Folded::default(), |text| {
            texts.push(text.0);
            false
        });
        Self { texts }
    }

    /// Bytes of all of them.
    #[allow(clippy::len_without_is_empty, reason = "a measure of work, not of a collection")]
    pub fn len(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }
}

/// Text that is folded as it comes.
#[derive(Clone, Default)]
struct Folded(String);

impl Sink for Folded {
    fn text(&mut self, text: &str) {
        fold_into(text, &mut self.0);
    }
}

/// Hands on what is searched of each field `name` of the header at the start of `message`, until
/// `is_enough`: its value, and behind it its addresses if it has addresses. Each is written to a
/// copy of `sink`.
fn each_text<S: Source + ?Sized, T: Sink>(
    message: &S,
    name: &str,
    sink: &T,
    mut is_enough: impl FnMut(T) -> bool,
) -> Result<(), S::Error> {
    let has_addresses = ["From", "To", "Cc", "Bcc", "Sender", "Reply-To"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    let mut fields = FieldStream::new(message, 0..message.size());
    while let Some(start) = fields.next()? {
        if !matches!(&start, Start::Field(found) if found.eq_ignore_ascii_case(name.as_bytes())) {
            fields.value(|_| {})?;
            continue;
        }
        let (mut raw, mut text) = (Vec::new(), FieldText::new(sink.clone()));
        fields.value(|piece| {
            text.push(piece);
            if has_addresses && raw.len() <= envelope::VALUE_MAX {
                raw.extend_from_slice(piece);
            }
        })?;
        if is_enough(text.finish()) {
            return Ok(());
        }
        if has_addresses {
            let mut text = sink.clone();
            let field = Field { name: b"", value: &raw, raw: &raw };
            write_addresses(&envelope::addresses(&field), &mut text);
            if is_enough(text) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Hands on a part's body, its transfer encoding undone, in pieces until `is_enough`; it is told
/// which is the last.
fn each_piece<S: Source + ?Sized>(
    message: &S,
    part: &Part,
    mut is_enough: impl FnMut(&[u8], bool) -> bool,
) -> Result<(), S::Error> {
    const PIECE: usize = 64 * 1024;
    let mut reader = Reader::new(message, range(part.body));
    let mut decoder = transfer::Decoder::new(&part.encoding);
    let mut decoded = Vec::new();
    loop {
        let bytes = reader.peek(1)?;
        let piece = &bytes[..bytes.len().min(PIECE)];
        let (length, last) = (piece.len(), piece.is_empty());
        if is_enough(decoder.decode(piece, last, &mut decoded), last) || last {
            return Ok(());
        }
        reader.pass(length);
    }
}

/// A field's value as text: unfolded, encoded words decoded.
struct FieldText<T> {
    unfold: Unfold,
    words: Words<T>,
    /// A character came that is not white space.
    has_begun: bool,
}

impl<T: Sink> FieldText<T> {
    fn new(out: T) -> Self {
        let words = Words::new(out, Words::<T>::HELD_MAX);
        Self { unfold: Unfold::default(), words, has_begun: false }
    }

    fn push(&mut self, piece: &[u8]) {
        self.unfold.push(piece, |text| {
            let text = if self.has_begun { text } else { text.trim_ascii_start() };
            self.has_begun |= !text.is_empty();
            self.words.push(text);
        });
    }

    fn finish(self) -> T {
        self.words.finish()
    }
}

/// `Name <mailbox@host>, group: mailbox@host;`, encoded words decoded.
fn write_addresses(addresses: &[Address], out: &mut impl Sink) {
    let mut is_first = true;
    for address in addresses {
        let is_end = address.mailbox.is_none() && address.host.is_none();
        if !is_first && !is_end {
            out.text(", ");
        }
        is_first = false;
        let name = address.name.as_deref().map(encoded_word::decode);
        if let Some(name) = &name {
            out.text(name);
            out.text(" <");
        }
        match (&address.mailbox, &address.host) {
            (Some(group), None) => {
                out.text(&encoded_word::decode(group));
                out.text(": ");
                is_first = true;
            }
            (None, None) => out.text(";"),
            (mailbox, host) => {
                out.text(&charset::guess(mailbox.as_deref().unwrap_or_default()));
                if let Some(host) = host.as_deref().filter(|host| !host.is_empty()) {
                    out.text("@");
                    out.text(&charset::guess(host));
                }
            }
        }
        if name.is_some() {
            out.text(">");
        }
    }
}

fn is_text(part: &Part) -> bool {
    part.content == Content::Leaf && (part.media_type == b"text" || part.media_type == b"message")
}

fn range(span: Span) -> Range<u64> {
    span.start..span.end
}
