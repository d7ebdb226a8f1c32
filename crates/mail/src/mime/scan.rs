//! Taking a message apart: one pass over its lines, with a stack of open multiparts.

use super::fields::{parameter, part as part_of};
use super::{Content, Part, PartId, Span, Structure};
use crate::envelope::Envelope;
use crate::header::{Header, take_line};
use memchr::memmem::Finder;

/// A position in the message, with what was counted up to it.
#[derive(Clone, Copy, Default)]
struct Mark {
    offset: usize,
    octets: u64,
    lines: u32,
}

impl Mark {
    fn span_to(self, end: Self) -> Span {
        Span {
            start: self.offset as u64,
            end: end.offset as u64,
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

struct Scanner<'a> {
    message: &'a [u8],
    at: Mark,
    parts: Vec<Part>,
    open: Vec<Open>,
    /// How many of the open parts are multiparts: none, and lines need not be looked at.
    boundaries: usize,
}

pub(super) fn structure(message: &[u8]) -> Structure {
    let mut scanner =
        Scanner { message, at: Mark::default(), parts: Vec::new(), open: Vec::new(), boundaries: 0 };
    scanner.begin_part(false, true);
    scanner.body_lines();
    let end = scanner.at;
    scanner.close_down_to(0, end);
    Structure { parts: scanner.parts }
}

impl<'a> Scanner<'a> {
    /// Reads a part's header at the current position and opens it; goes on into an embedded
    /// message. Returns the part.
    fn begin_part(&mut self, in_digest: bool, is_message: bool) -> PartId {
        let first = self.parts.len();
        let (mut in_digest, mut is_message) = (in_digest, is_message);
        loop {
            let id = self.begin_one(in_digest, is_message);
            let part = &self.parts[id];
            let holds_message = part.media_type == b"message"
                && matches!(&part.media_subtype[..], b"rfc822" | b"global")
                && matches!(&part.encoding[..], b"7bit" | b"8bit" | b"binary");
            if !holds_message || self.is_full() {
                return first;
            }
            self.parts[id].content = Content::Message(id + 1);
            (in_digest, is_message) = (false, true);
        }
    }

    fn is_full(&self) -> bool {
        self.open.len() >= Structure::DEPTH_MAX || self.parts.len() >= Structure::PARTS_MAX
    }

    fn begin_one(&mut self, in_digest: bool, is_message: bool) -> PartId {
        let id = self.parts.len();
        let start = self.at;
        self.header_lines();
        let header = &self.message[start.offset..self.at.offset];
        let mut part = part_of(header, in_digest);
        part.header = start.span_to(self.at);
        if is_message && id > 0 {
            part.envelope = Some(Box::new(Envelope::of(&Header::cut(header))));
        }
        let boundary = if part.media_type == b"multipart" && !self.is_full() {
            parameter(&part, "boundary").map(|b| b.trim_ascii_end().to_vec()).filter(|b| !b.is_empty())
        } else {
            None
        };
        let is_digest = part.media_type == b"multipart" && part.media_subtype == b"digest";
        if part.media_type == b"multipart" && boundary.is_none() {
            // Without a boundary there is nothing to take apart (RFC 2046 section 5.1.1).
            (part.media_type, part.media_subtype) = (b"text".to_vec(), b"plain".to_vec());
        }
        self.boundaries += usize::from(boundary.is_some());
        self.parts.push(part);
        self.open.push(Open { id, body: self.at, boundary, is_digest });
        id
    }

    /// Goes behind the header: behind its empty line, or to a boundary that cuts it short.
    fn header_lines(&mut self) {
        let rest = &self.message[self.at.offset..];
        let mut length = 0;
        while let Some((line, _)) = take_line(&rest[length..]) {
            if self.boundaries > 0 && self.boundary_of(line).is_some() {
                break;
            }
            length += line.len();
            if matches!(line, b"\n" | b"\r\n") {
                break;
            }
        }
        self.pass(&rest[..length]);
    }

    /// Reads bodies to the end of the message.
    fn body_lines(&mut self) {
        let delimiter = Finder::new(b"\n--");
        let mut before = self.at;
        while let Some(line) = self.line() {
            if self.boundaries == 0 {
                self.pass(&self.message[self.at.offset..]);
                return;
            }
            let Some((depth, is_last)) = self.boundary_of(line) else {
                // Lines that begin with anything but `--` are no boundaries of any multipart.
                let rest = &self.message[self.at.offset..];
                let lines = delimiter.find(rest).map_or(rest, |at| &rest[..=at]);
                self.pass(lines);
                before = self.before_line_end(lines);
                continue;
            };
            // The line end before a boundary belongs to it, but not beyond a part's start.
            self.close_down_to(depth + 1, before);
            self.pass(line);
            if is_last {
                self.open[depth].boundary = None;
                self.boundaries -= 1;
            } else if self.parts.len() < Structure::PARTS_MAX {
                let parent = self.open[depth].id;
                let in_digest = self.open[depth].is_digest;
                let child = self.begin_part(in_digest, false);
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
                (part.media_type, part.media_subtype) = (b"text".to_vec(), b"plain".to_vec());
            }
        }
    }

    /// Which open multipart a line is a boundary of, the innermost first, and whether it is
    /// its last. Blanks may follow a boundary, nothing else: `--xy` is none of `x`.
    fn boundary_of(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open.iter().enumerate().rev().find_map(|(depth, open)| {
            let rest = text.strip_prefix(open.boundary.as_deref()?)?;
            match rest {
                b"" => Some((depth, false)),
                b"--" => Some((depth, true)),
                _ => None,
            }
        })
    }

    fn line(&self) -> Option<&'a [u8]> {
        take_line(&self.message[self.at.offset..]).map(|(line, _)| line)
    }

    /// The position before the line end that was passed last, that of `lines`.
    fn before_line_end(&self, lines: &[u8]) -> Mark {
        let on_disk = match lines {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            // The message ends here: no boundary comes.
            _ => return self.at,
        };
        Mark { offset: self.at.offset - on_disk, octets: self.at.octets - 2, lines: self.at.lines - 1 }
    }

    /// Goes behind `lines`, which come next.
    fn pass(&mut self, lines: &[u8]) {
        let ends = memchr::memchr_iter(b'\n', lines).count();
        self.at.offset += lines.len();
        self.at.octets += crate::crlf::octets(lines, false);
        self.at.lines = self.at.lines.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
    }
}
