//! MIME structure of a message as byte ranges (RFC 2045, 2046; RFC 3501 section 7.4.2).

mod fields;
mod kept;
mod parameters;
mod scan;
mod words;

use crate::envelope::Envelope;
use crate::source::Source;

/// A range of the message's bytes on disk, and what it is when sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Past the last byte.
    pub end: u64,
    /// Length with CRLF line ends.
    pub octets: u64,
    /// Line ends in it.
    pub lines: u32,
}

/// A message's parts, in an arena. Part 0 is the message itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Structure {
    /// All parts; a part's children come after it.
    pub parts: Vec<Part>,
}

/// Index into [`Structure::parts`].
pub type PartId = usize;

/// A parameter: name in lower case, value with quotes and comments removed. RFC 2231's
/// continuations are joined, under the name with one `*` where a piece is encoded: then plain
/// pieces are encoded too. Decoding it is the client's.
pub type Parameter = (Vec<u8>, Vec<u8>);

/// What a part consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// Anything without parts in it.
    Leaf,
    /// multipart/*, with at least one child.
    Multipart(Vec<PartId>),
    /// message/rfc822 (and message/global): the embedded message, whose header and body lie
    /// inside this part's body.
    ///
    /// In base64 or quoted-printable, which RFC 2046 section 5.2.1 forbids for message/rfc822,
    /// its fields are not there to be read. Then its header is empty, its envelope too, and its
    /// body is one text/plain in the same encoding: all bytes as they lie there. A client that
    /// decodes that text sees the message.
    Message(PartId),
}

/// One part, or a message (the root, or the child of a message/rfc822).
///
/// Values of its fields are cut at 64 KiB, between encoded words, and those of an embedded
/// message's envelope at 1 MiB; a field has at most 200 parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its own header with the empty line; of an embedded message, that message's header.
    pub header: Span,
    /// All after the header, without the line end that belongs to the next boundary.
    pub body: Span,
    /// Type, such as `text`, in lower case; defaults per RFC 2045 section 5.2 and 2046
    /// section 5.1.5 (`text/plain`, `message/rfc822` inside digests). `text/plain` also for a
    /// multipart or an embedded message that is not taken apart: without a boundary, or beyond
    /// the limits of [`Structure`].
    pub media_type: Vec<u8>,
    /// Subtype, in lower case.
    pub media_subtype: Vec<u8>,
    /// Content-Type's parameters.
    pub parameters: Vec<Parameter>,
    /// Content-ID.
    pub id: Option<Vec<u8>>,
    /// Content-Description.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding, in lower case; `7bit` by default.
    pub encoding: Vec<u8>,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition and its parameters.
    pub disposition: Option<(Vec<u8>, Vec<Parameter>)>,
    /// Content-Language's tags.
    pub language: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
    /// What it consists of.
    pub content: Content,
    /// Of an embedded message (child of [`Content::Message`]). Part 0 has none here: whoever
    /// wants it makes it of the header, without the structure.
    pub envelope: Option<Box<Envelope>>,
}

impl Structure {
    /// Deepest nesting taken apart; deeper parts are one leaf.
    pub const DEPTH_MAX: usize = 100;
    /// Most parts taken apart; the rest are part of the last leaf.
    pub const PARTS_MAX: usize = 10_000;

    /// Longest boundary that is looked for, in bytes; RFC 2046 section 5.1.1 allows 70.
    pub const BOUNDARY_MAX: usize = 1_000;

    /// The structure of a message as on disk: what is broken is text/plain.
    pub fn of(message: &[u8]) -> Self {
        let Ok(structure) = Self::read(message);
        structure
    }

    /// The structure of a message that is read a window at a time. Fails only if reading does.
    pub fn read<S: Source + ?Sized>(message: &S) -> Result<Self, S::Error> {
        scan::structure(message, scan::Detail::All)
    }

    /// Likewise, with no more than SEARCH needs: ranges, which parts are text, their encodings
    /// and charsets. It takes at most some 10 MB, whatever the message.
    pub fn outline<S: Source + ?Sized>(message: &S) -> Result<Self, S::Error> {
        scan::structure(message, scan::Detail::Outline)
    }

    /// Length of the whole message with CRLF line ends.
    pub fn octets(&self) -> u64 {
        self.parts.first().map_or(0, |message| message.header.octets + message.body.octets)
    }

    /// The part that a section's numbers name (RFC 3501 section 6.4.5), `[]` being part 0.
    ///
    /// In a message that is not multipart, `1` names its only part: the message itself. Numbers
    /// go through message/rfc822 into its multipart. `None` when there is no such part.
    pub fn section(&self, numbers: &[u32]) -> Option<PartId> {
        let mut at = 0;
        // Whether `at` is a message whose parts are numbered next.
        let mut in_message = true;
        for &number in numbers {
            if let (false, Content::Message(inner)) = (in_message, &self.parts.get(at)?.content) {
                (at, in_message) = (*inner, true);
            }
            match &self.parts.get(at)?.content {
                Content::Multipart(children) => {
                    at = *children.get(usize::try_from(number).ok()?.checked_sub(1)?)?;
                    in_message = false;
                }
                _ if in_message && number == 1 => in_message = false,
                _ => return None,
            }
        }
        Some(at)
    }
}

impl Part {
    /// The charset of its text, as named; RFC 2231 is undone.
    pub(crate) fn charset(&self) -> Option<String> {
        let value = parameters::value_of(&self.parameters, "charset")?;
        String::from_utf8(value.into_owned()).ok()
    }
}

#[cfg(test)]
mod tests;
