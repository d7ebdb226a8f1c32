//! Taking a message apart: one pass over its lines, with a stack of open multiparts. Memory is
//! taken for what is found, not for the bytes that are passed.

use super::kept::Kept;
use super::parameters::value_of;
use super::{Content, Part, PartId, Span, Structure, fields};
use crate::envelope::Envelope;
use crate::header::{Header, is_continuation};
use crate::source::{Reader, Source};
use crate::transfer::is_encoded;
use memchr::memmem::Finder;

/// How much is kept of parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    All,
    /// See [`Structure::outline`].
    Outline,
}

/// Longest line that is looked at for a boundary or a field's name, in bytes. A longer line is no
/// boundary, whatever blanks it ends with.
const LINE_MAX: usize = 4 * 1024;

/// A position in the message, with what was counted up to it.
#[derive(Clone, Copy, Default)]
struct Mark {
    offset: u64,
    octets: u64,
    lines: u32,
}

impl Mark {
    fn span_to(self, end: Self) -> Span {
        Span {
            start: self.offset,
            end: end.offset,
            octets: end.octets - self.octets,
            lines: end.lines - self.lines,
        }
    }
}

/// A part whose end was not seen yet.
struct Open {
    id: PartId,
    /// Where its body begins.
    body: Mark,
    /// What its children are parted by, if it is a multipart.
    boundary: Option<Vec<u8>>,
    is_digest: bool,
}

struct Scanner<'a, S: ?Sized> {
    input: Reader<'a, S>,
    at: Mark,
    /// The two bytes before `at`.
    last: [u8; 2],
    detail: Detail,
    parts: Vec<Part>,
    open: Vec<Open>,
    /// How many of the open parts are multiparts: none, and lines need not be looked at.
    boundaries: usize,
}

pub(super) fn structure<S: Source + ?Sized>(message: &S, detail: Detail) -> Result<Structure, S::Error> {
    let mut scanner = Scanner {
        input: Reader::new(message, 0..message.size()),
        at: Mark::default(),
        last: [0; 2],
        detail,
        parts: Vec::new(),
        open: Vec::new(),
        boundaries: 0,
    };
    scanner.begin_part(false, true)?;
    scanner.body_lines()?;
    let end = scanner.at;
    scanner.close_down_to(0, end);
    Ok(Structure { parts: scanner.parts })
}

impl<S: Source + ?Sized> Scanner<'_, S> {
    /// Reads a part's header at the current position and opens it; goes on into an embedded
    /// message. Returns the part.
    fn begin_part(&mut self, in_digest: bool, is_message: bool) -> Result<PartId, S::Error> {
        let first = self.parts.len();
        let (mut in_digest, mut is_message) = (in_digest, is_message);
        loop {
            let id = self.begin_one(in_digest, is_message)?;
            let is_full = self.is_full();
            let part = &mut self.parts[id];
            let holds_message =
                part.media_type == b"message" && matches!(&part.media_subtype[..], b"rfc822" | b"global");
            if holds_message && is_full {
                set_text(part);
            }
            if !holds_message || is_full {
                return Ok(first);
            }
            part.content = Content::Message(id + 1);
            if is_encoded(&part.encoding) {
                self.begin_encoded(id);
                return Ok(first);
            }
            (in_digest, is_message) = (false, true);
        }
    }

    fn is_full(&self) -> bool {
        self.open.len() >= Structure::DEPTH_MAX || self.parts.len() >= Structure::PARTS_MAX
    }

    fn begin_one(&mut self, in_digest: bool, is_message: bool) -> Result<PartId, S::Error> {
        let id = self.parts.len();
        let start = self.at;
        let is_embedded = is_message && id > 0;
        let (of_part, of_envelope) = self.header(is_embedded && self.detail == Detail::All)?.finish();
        let mut part = fields::part(&of_part, in_digest);
        part.header = start.span_to(self.at);
        if is_embedded {
            part.envelope = Some(Box::new(Envelope::of(&Header::cut(&of_envelope))));
        }
        let boundary = if part.media_type == b"multipart" && !self.is_full() {
            value_of(&part.parameters, "boundary")
                .map(|boundary| boundary.trim_ascii_end().to_vec())
                .filter(|boundary| (1..=Structure::BOUNDARY_MAX).contains(&boundary.len()))
        } else {
            None
        };
        let is_digest = part.media_type == b"multipart" && part.media_subtype == b"digest";
        if part.media_type == b"multipart" && boundary.is_none() {
            // Without a boundary there is nothing to take apart (RFC 2046 section 5.1.1).
            set_text(&mut part);
        }
        self.open_part(part, boundary, is_digest);
        Ok(id)
    }

    /// The message in an encoded part `outer`: see [`Content::Message`].
    fn begin_encoded(&mut self, outer: PartId) {
        let mut part = fields::part(b"", false);
        part.encoding.clone_from(&self.parts[outer].encoding);
        part.header = self.at.span_to(self.at);
        part.envelope = Some(Box::default());
        self.open_part(part, None, false);
    }

    fn open_part(&mut self, mut part: Part, boundary: Option<Vec<u8>>, is_digest: bool) {
        if self.detail == Detail::Outline {
            outline(&mut part);
        }
        self.boundaries += usize::from(boundary.is_some());
        self.open.push(Open { id: self.parts.len(), body: self.at, boundary, is_digest });
        self.parts.push(part);
    }

    /// Goes behind the header: behind its empty line, or to a boundary that cuts it short.
    /// The fields that matter.
    fn header(&mut self, with_envelope: bool) -> Result<Kept, S::Error> {
        let mut kept = Kept::new(with_envelope, self.detail == Detail::Outline);
        loop {
            let line = first_line(self.input.peek(LINE_MAX)?);
            let is_boundary = self.boundaries > 0 && boundary_of(&self.open, line).is_some();
            if line.is_empty() || is_boundary {
                return Ok(kept);
            }
            if matches!(line, b"\n" | b"\r\n") {
                let length = line.len();
                self.pass(length)?;
                return Ok(kept);
            }
            if !is_continuation(line) {
                kept.begin(line);
            }
            // A long line comes in pieces.
            let mut is_whole = false;
            while !is_whole {
                let bytes = self.input.peek(1)?;
                let line_end = memchr::memchr(b'\n', bytes);
                let length = line_end.map_or(bytes.len(), |at| at + 1);
                is_whole = line_end.is_some() || length == 0;
                kept.add(&bytes[..length]);
                self.pass(length)?;
            }
        }
    }

    /// Reads bodies to the end of the message.
    fn body_lines(&mut self) -> Result<(), S::Error> {
        let delimiter = Finder::new(b"\n--");
        let mut before = self.at;
        loop {
            if self.boundaries == 0 {
                return self.pass_all();
            }
            let line = first_line(self.input.peek(LINE_MAX)?);
            if line.is_empty() {
                return Ok(());
            }
            let Some((depth, is_last)) = boundary_of(&self.open, line) else {
                // Lines that begin with anything but `--` are no boundaries of any multipart.
                self.pass_to(&delimiter)?;
                before = self.before_line_end();
                continue;
            };
            let length = line.len();
            // The line end before a boundary belongs to it, but not beyond a part's start.
            self.close_down_to(depth + 1, before);
            self.pass(length)?;
            if is_last {
                self.open[depth].boundary = None;
                self.boundaries -= 1;
            } else if self.parts.len() < Structure::PARTS_MAX {
                let parent = self.open[depth].id;
                let in_digest = self.open[depth].is_digest;
                let child = self.begin_part(in_digest, false)?;
                match &mut self.parts[parent].content {
                    Content::Multipart(children) => children.push(child),
                    content => *content = Content::Multipart(vec![child]),
                }
            } else {
                // Too many: the rest is looked at no more.
                self.boundaries = 0;
                self.open.iter_mut().for_each(|open| open.boundary = None);
            }
            before = self.at;
        }
    }

    /// Ends the innermost open parts, down to `depth` that stay open; their bodies end here, or
    /// where they begin if that is later.
    fn close_down_to(&mut self, depth: usize, end: Mark) {
        while self.open.len() > depth {
            let Some(open) = self.open.pop() else { return };
            self.boundaries -= usize::from(open.boundary.is_some());
            let end = if end.offset < open.body.offset { open.body } else { end };
            let part = &mut self.parts[open.id];
            part.body = open.body.span_to(end);
            if part.media_type == b"multipart" && part.content == Content::Leaf {
                // None of its boundaries came: it is text, as far as can be told.
                set_text(part);
            }
        }
    }

    /// The position before the line end that was passed last.
    fn before_line_end(&self) -> Mark {
        let on_disk = match self.last {
            [b'\r', b'\n'] => 2,
            [_, b'\n'] => 1,
            // The message ends here: no boundary comes.
            _ => return self.at,
        };
        Mark { offset: self.at.offset - on_disk, octets: self.at.octets - 2, lines: self.at.lines - 1 }
    }

    /// Passes lines, up to the next that begins with `--`; the line that comes first is passed.
    fn pass_to(&mut self, delimiter: &Finder<'_>) -> Result<(), S::Error> {
        loop {
            let bytes = self.input.peek(3)?;
            if let Some(at) = delimiter.find(bytes) {
                return self.pass(at + 1);
            }
            let length = match bytes {
                // The end.
                [] | [_] | [_, _] => return self.pass_all(),
                // What may be the start of a delimiter is looked at again.
                [.., b'\n', b'-'] => bytes.len() - 2,
                [.., b'\n'] => bytes.len() - 1,
                _ => bytes.len(),
            };
            self.pass(length)?;
        }
    }

    fn pass_all(&mut self) -> Result<(), S::Error> {
        loop {
            let length = self.input.peek(1)?.len();
            if length == 0 {
                return Ok(());
            }
            self.pass(length)?;
        }
    }

    /// Goes behind `length` bytes, which come next.
    fn pass(&mut self, length: usize) -> Result<(), S::Error> {
        let bytes = &self.input.peek(length)?[..length];
        let (octets, ends) = crate::crlf::count(bytes, self.last[1] == b'\r');
        self.at.offset += length as u64;
        self.at.octets += octets;
        self.at.lines = self.at.lines.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
        self.last = match bytes {
            [] => self.last,
            [only] => [self.last[1], *only],
            [.., second, last] => [*second, *last],
        };
        self.input.pass(length);
        Ok(())
    }
}

/// Which open multipart a line is a boundary of, the innermost first, and whether it is its
/// last. Blanks may follow a boundary, nothing else: `--xy` is none of `x`.
fn boundary_of(open: &[Open], line: &[u8]) -> Option<(usize, bool)> {
    let text = line.strip_prefix(b"--").filter(|_| line.len() < LINE_MAX)?.trim_ascii_end();
    open.iter().enumerate().rev().find_map(|(depth, open)| {
        let rest = text.strip_prefix(open.boundary.as_deref()?)?;
        match rest {
            b"" => Some((depth, false)),
            b"--" => Some((depth, true)),
            _ => None,
        }
    })
}

/// The first line with its end, but at most [`LINE_MAX`] bytes of it.
fn first_line(bytes: &[u8]) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(LINE_MAX)];
    &bytes[..memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)]
}

/// What is not taken apart is text.
fn set_text(part: &mut Part) {
    (part.media_type, part.media_subtype) = (b"text".to_vec(), b"plain".to_vec());
}

/// Leaves what SEARCH needs. The longest name of a charset that is known has 27 letters.
fn outline(part: &mut Part) {
    const NAME_MAX: usize = 64;
    let charset = part.charset().map(|charset| {
        let end = charset.find('*').unwrap_or(charset.len());
        charset[..end].trim().chars().take(NAME_MAX).collect::<String>().into_bytes()
    });
    part.parameters = charset.map(|charset| (b"charset".to_vec(), charset)).into_iter().collect();
    for name in [&mut part.media_type, &mut part.media_subtype, &mut part.encoding] {
        name.truncate(NAME_MAX);
        name.shrink_to_fit();
    }
    (part.id, part.description, part.md5, part.disposition, part.location) = (None, None, None, None, None);
    (part.language, part.envelope) = (Vec::new(), None);
}
