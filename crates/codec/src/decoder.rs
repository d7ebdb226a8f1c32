//! From bytes to commands: lines, literals, limits.

use crate::command::AppendMessage;
use crate::command::append::{AppendBefore, append_before};
use crate::error::{DecodeError, DecodeErrorKind, LiteralLimit};
use crate::limits::Limits;
use crate::request::{self, Request};
use crate::tag::Tag;
use crate::wire_name::WireName;

/// What the client's bytes say next.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole command.
    Request(Request),
    /// A whole command that takes a while to parse: [`Decoder::parse_long`] does, and nothing
    /// else comes before that.
    Long,
    /// A synchronizing literal within the limits was announced: send a continuation.
    Continue,
    /// A command that may have no literals announced one: refuse it at once, and the literal is
    /// neither asked for nor read. Only after [`Decoder::refuse_literals_of`].
    Unasked(Tag),
    /// A line that is no command: the answer to a challenge, or IDLE's `DONE`; without its
    /// line end. Only after [`Decoder::expect_line`].
    Line(&'a [u8]),
    /// A piece of an APPEND.
    Append(Append<'a>),
}

/// An APPEND in pieces: `Start`, then for each message `Message`, `Data`…, and after the last
/// `End`. After `Message` the decoder waits for [`Decoder::accept`] or [`Decoder::refuse`].
#[derive(Debug)]
pub enum Append<'a> {
    /// The command begins.
    #[allow(missing_docs, reason = "named as in the grammar")]
    Start { tag: Tag, mailbox: WireName },
    /// A message is announced: answer with [`Decoder::accept`] or [`Decoder::refuse`].
    Message(AppendMessage),
    /// Bytes of the accepted message; never empty.
    Data(&'a [u8]),
    /// All of the command was read: commit and answer.
    End,
    /// The command turned out malformed after its start: answer with this and drop the messages.
    Failed(DecodeError),
}

/// Splits a client's bytes into commands, within limits.
///
/// After an error that is not fatal the rest of the command, non-synchronizing literals
/// included, has been or will be passed over: bytes of a refused literal are never read as
/// commands.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// Commands that may have no literals.
    without_literals: &'static [&'static str],
    bytes: Vec<u8>,
    /// Bytes before this were consumed.
    start: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Collecting a command.
    Command(Collecting),
    /// The next line is no command; `scanned` bytes of it have no line end.
    Line { scanned: usize },
    /// A whole command of this many bytes waits for [`Decoder::parse_long`].
    Long { length: usize },
    /// Passing over a refused command.
    Skip(Skip),
    /// `Start` was given, `Message` comes next.
    Announce(AppendMessage),
    /// `Message` was given, the caller decides.
    Decide { size: u64, non_sync: bool },
    /// In a message.
    Data { remaining: u64 },
    /// Behind a message.
    Behind { scanned: usize },
}

/// A command so far. Positions are relative to the command's start.
#[derive(Debug, Default)]
struct Collecting {
    /// Where the current line begins, behind the last literal.
    line: usize,
    /// Bytes before this have no line end.
    scanned: usize,
    /// Bytes of lines so far.
    line_bytes: usize,
    literals: usize,
    literal_bytes: usize,
    /// A literal that is being read ends here.
    literal_end: Option<usize>,
}

/// What is left of a refused command.
#[derive(Debug)]
enum Skip {
    /// A literal's bytes.
    Literal(u64),
    /// A line, whose last bytes are kept to see whether it announces a literal.
    Line { scanned: usize },
}

/// A literal's announcement at the end of a line.
#[derive(Clone, Copy)]
struct Announced {
    size: u64,
    non_sync: bool,
    /// Where `{` stands, from the line's start.
    at: usize,
}

/// Room for the longest announcement of a literal with its line end:
/// `{18446744073709551615+}\r\n`.
const ANNOUNCEMENT_MAX: usize = 32;

/// A command longer than this (bytes, with its literals) is not parsed on the way: a megabyte
/// takes milliseconds.
const LONG: usize = 64 * 1024;

/// An empty buffer larger than this is given back.
const IDLE_CAPACITY_MAX: usize = 16 * 1024;

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        let state = State::Command(Collecting::default());
        Self { limits, without_literals: &[], bytes: Vec::new(), start: 0, state }
    }

    /// Other limits from the next command on (after log-in).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Announced literals of these commands (names in upper case) are refused from now on: a
    /// command that is not open, whatever its arguments, need not be sent to its end. A password
    /// that nobody asked for does not cross the wire.
    pub fn refuse_literals_of(&mut self, commands: &'static [&'static str]) {
        self.without_literals = commands;
    }

    /// Takes in bytes. What is not consumed yet is held: feed only after [`Decoder::next`]
    /// said `None`.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.give_back();
        self.bytes.extend_from_slice(bytes);
    }

    /// The next event; `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait, reason = "events borrow from the decoder")]
    pub fn next(&mut self) -> Option<Result<Event<'_>, DecodeError>> {
        loop {
            match &mut self.state {
                State::Command(_) => match self.command()? {
                    Taken::Event(event) => return Some(event),
                    Taken::Again => {}
                },
                State::Line { scanned } => {
                    let mut at = *scanned;
                    let Some(length) = self.line_length(&mut at) else {
                        self.state = State::Line { scanned: at };
                        return (self.held() > self.limits.line_max).then(|| Err(self.line_too_long()));
                    };
                    self.state = State::Command(Collecting::default());
                    if length > self.limits.line_max {
                        return Some(Err(self.line_too_long()));
                    }
                    let line = self.consume(length);
                    return Some(Ok(Event::Line(without_line_end(line))));
                }
                State::Skip(_) => self.skip()?,
                State::Announce(message) => {
                    let message = message.clone();
                    self.state = State::Decide { size: message.size, non_sync: message.non_sync };
                    return Some(Ok(Event::Append(Append::Message(message))));
                }
                State::Long { .. } | State::Decide { .. } => return None,
                State::Data { remaining: 0 } => self.state = State::Behind { scanned: 0 },
                State::Data { remaining } => {
                    let held = self.bytes.len() - self.start;
                    let count = usize::try_from(*remaining).unwrap_or(usize::MAX).min(held);
                    if count == 0 {
                        return None;
                    }
                    *remaining -= count as u64;
                    return Some(Ok(Event::Append(Append::Data(self.consume(count)))));
                }
                State::Behind { scanned } => {
                    let mut at = *scanned;
                    let length = self.line_length(&mut at);
                    return self.behind_message(length, at);
                }
            }
        }
    }

    /// Parses the command of [`Event::Long`].
    pub fn parse_long(&mut self) -> Result<Request, DecodeError> {
        let State::Long { length } = self.state else {
            return Err(self.refusal(DecodeErrorKind::Expected("a command".to_owned())));
        };
        self.state = State::Command(Collecting::default());
        let limits = self.limits;
        let request = request::request(without_line_end(self.consume(length)), &limits);
        // What it took is needed no longer, and the command may run for a while.
        self.give_back();
        request
    }

    /// The next line is no command but comes as [`Event::Line`] (SASL exchange, IDLE).
    /// It is limited to [`Limits::line_max`].
    pub fn expect_line(&mut self) {
        self.state = State::Line { scanned: 0 };
    }

    /// Takes the message announced by [`Append::Message`]. The caller sends the continuation
    /// when the literal is synchronizing.
    pub fn accept(&mut self) {
        if let State::Decide { size, .. } = self.state {
            self.state = State::Data { remaining: size };
        }
    }

    /// Refuses the message announced by [`Append::Message`]; the caller answers NO at once.
    /// A synchronizing literal ends the command there; a non-synchronizing one is passed over
    /// with the rest of the command, and neither `Data` nor `End` follows.
    pub fn refuse(&mut self) {
        if let State::Decide { size, non_sync } = self.state {
            self.state = if non_sync {
                State::Skip(Skip::Literal(size))
            } else {
                State::Command(Collecting::default())
            };
        }
    }

    /// Drops everything read and not yet consumed (STARTTLS: RFC 3501 section 6.2.1).
    pub fn discard(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
        self.state = State::Command(Collecting::default());
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn give_back(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
        if self.bytes.is_empty() && self.bytes.capacity() > IDLE_CAPACITY_MAX {
            self.bytes = Vec::new();
        }
    }

    fn consume(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start += count;
        &self.bytes[from..self.start]
    }

    /// Length of the first line with its end, looking from `scanned` on, which is advanced.
    fn line_length(&self, scanned: &mut usize) -> Option<usize> {
        let held = &self.bytes[self.start..];
        match memchr::memchr(b'\n', &held[*scanned..]) {
            Some(at) => Some(*scanned + at + 1),
            None => {
                *scanned = held.len();
                None
            }
        }
    }

    fn line_too_long(&mut self) -> DecodeError {
        let error = self.refusal(DecodeErrorKind::LineTooLong);
        self.discard();
        error
    }

    /// Collects a command: reads a literal to its end, then a line to its end.
    fn command(&mut self) -> Option<Taken> {
        let State::Command(command) = &mut self.state else { return None };
        let held = &self.bytes[self.start..];
        if let Some(end) = command.literal_end {
            if held.len() < end {
                return None;
            }
            (command.line, command.scanned, command.literal_end) = (end, end, None);
        }
        let Some(at) = memchr::memchr(b'\n', &held[command.scanned..]) else {
            command.scanned = held.len();
            let length = command.line_bytes + held.len() - command.line;
            if length <= self.limits.line_max {
                return None;
            }
            // Of the line only: a literal before it may have line ends in it.
            let from = held.len().saturating_sub(ANNOUNCEMENT_MAX).max(command.line);
            let error = self.refusal(DecodeErrorKind::CommandTooLong);
            self.start += from;
            self.state = State::Skip(Skip::Line { scanned: 0 });
            return Some(Taken::Event(Err(error)));
        };
        let end = command.scanned + at + 1;
        command.line_bytes += end - command.line;
        if command.line_bytes > self.limits.line_max {
            let announced = announced(&held[command.line..end]);
            let error = self.refusal(DecodeErrorKind::CommandTooLong);
            self.pass_over(end, announced);
            return Some(Taken::Event(Err(error)));
        }
        match announced(&held[command.line..end]) {
            Some(announced) => Some(self.literal(end, announced)),
            None => {
                if end > LONG {
                    self.state = State::Long { length: end };
                    return Some(Taken::Event(Ok(Event::Long)));
                }
                self.state = State::Command(Collecting::default());
                let limits = self.limits;
                let line = self.consume(end);
                Some(Taken::Event(request::request(without_line_end(line), &limits).map(Event::Request)))
            }
        }
    }

    /// A line of a command ends at `end` with a literal's announcement.
    fn literal(&mut self, end: usize, announced: Announced) -> Taken {
        let State::Command(command) = &mut self.state else { return Taken::Again };
        let before = &self.bytes[self.start..self.start + command.line + announced.at];
        if let Some(append) = append_before(before, &self.limits) {
            return self.append(end, announced, append);
        }
        if let Some(tag) = request::tag_of_one(before, self.without_literals) {
            self.pass_over(end, Some(announced));
            return Taken::Event(Ok(Event::Unasked(tag)));
        }
        let size = usize::try_from(announced.size).unwrap_or(usize::MAX);
        let exceeded = if size > self.limits.literal_max {
            Some(LiteralLimit::Size(self.limits.literal_max))
        } else if command.literal_bytes + size > self.limits.literals_sum_max {
            Some(LiteralLimit::Sum(self.limits.literals_sum_max))
        } else if command.literals >= self.limits.literals_max {
            Some(LiteralLimit::Count(self.limits.literals_max))
        } else {
            None
        };
        if let Some(limit) = exceeded {
            // Nobody means to send that much: better to part than to read it all.
            let is_flood = announced.non_sync && announced.size > self.limits.append_max;
            let kind = if is_flood { DecodeErrorKind::LiteralFlood } else { DecodeErrorKind::Literal };
            let error = self.refusal(kind(limit));
            self.pass_over(end, Some(announced));
            return Taken::Event(Err(error));
        }
        command.literals += 1;
        command.literal_bytes += size;
        command.literal_end = Some(end + size);
        if announced.non_sync { Taken::Again } else { Taken::Event(Ok(Event::Continue)) }
    }

    /// The literal is an APPEND's message, or stands where it should stand.
    fn append(&mut self, end: usize, announced: Announced, append: AppendBefore) -> Taken {
        match append.arguments {
            Ok((mailbox, mut message)) => {
                (message.size, message.non_sync) = (announced.size, announced.non_sync);
                self.start += end;
                self.state = State::Announce(message);
                Taken::Event(Ok(Event::Append(Append::Start { tag: append.tag, mailbox })))
            }
            Err(kind) => {
                let error = DecodeError { tag: Some(append.tag), kind };
                self.pass_over(end, Some(announced));
                Taken::Event(Err(error))
            }
        }
    }

    /// What follows a message: the command's end. Anything else is refused.
    fn behind_message(
        &mut self,
        length: Option<usize>,
        scanned: usize,
    ) -> Option<Result<Event<'static>, DecodeError>> {
        let failed = || {
            let kind = DecodeErrorKind::Expected("the end of the line after the message".to_owned());
            Some(Ok(Event::Append(Append::Failed(DecodeError { tag: None, kind }))))
        };
        let Some(length) = length else {
            self.state = State::Behind { scanned };
            if self.held() <= self.limits.line_max {
                return None;
            }
            self.state = State::Skip(Skip::Line { scanned: 0 });
            return failed();
        };
        let line = &self.bytes[self.start..self.start + length];
        let announced = announced(line);
        let short = length <= self.limits.line_max;
        if short && without_line_end(line).iter().all(|b| *b == b' ') {
            self.start += length;
            self.state = State::Command(Collecting::default());
            return Some(Ok(Event::Append(Append::End)));
        }
        self.pass_over(length, announced);
        failed()
    }

    /// An error about the command that begins here.
    fn refusal(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { tag: request::tag_of(&self.bytes[self.start..]), kind }
    }

    /// Goes on behind a refused command, of which `length` bytes were looked at. A client waits
    /// at a synchronizing literal, and takes the answer for a refusal of it; one that is not
    /// follows in any case, with the rest of the command, and is passed over however long.
    fn pass_over(&mut self, length: usize, announced: Option<Announced>) {
        self.start += length;
        self.state = match announced {
            Some(Announced { size, non_sync: true, .. }) => State::Skip(Skip::Literal(size)),
            _ => State::Command(Collecting::default()),
        };
    }

    /// Passes over what is there of a refused command; `None` when more bytes are needed.
    fn skip(&mut self) -> Option<()> {
        let State::Skip(skip) = &mut self.state else { return Some(()) };
        match skip {
            Skip::Literal(left) => {
                let held = self.bytes.len() - self.start;
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(held);
                self.start += count;
                *left -= count as u64;
                if *left > 0 {
                    return None;
                }
                *skip = Skip::Line { scanned: 0 };
            }
            Skip::Line { scanned } => {
                let mut at = *scanned;
                let Some(length) = self.line_length(&mut at) else {
                    let surplus = self.held().saturating_sub(ANNOUNCEMENT_MAX);
                    self.start += surplus;
                    self.state = State::Skip(Skip::Line { scanned: self.held() });
                    return None;
                };
                let announced = announced(&self.bytes[self.start..self.start + length]);
                self.start += length;
                self.state = match announced {
                    Some(Announced { size, non_sync: true, .. }) => State::Skip(Skip::Literal(size)),
                    _ => State::Command(Collecting::default()),
                };
            }
        }
        Some(())
    }
}

/// What collecting gave.
enum Taken {
    Event(Result<Event<'static>, DecodeError>),
    Again,
}

/// A line without CRLF; a bare LF ends a line too.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The literal that a line announces at its end (RFC 3501 `literal`, RFC 7888). A number too
/// large for 64 bits is as good as the largest; one of more digits than those have is none.
fn announced(line: &[u8]) -> Option<Announced> {
    let line = without_line_end(line).strip_suffix(b"}")?;
    let (line, non_sync) = match line.strip_suffix(b"+") {
        Some(line) => (line, true),
        None => (line, false),
    };
    let digits = line.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, digits) = line.split_at(line.len() - digits);
    let at = before.strip_suffix(b"{")?.len();
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let size = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Announced { size, non_sync, at })
}

#[cfg(test)]
mod tests;
