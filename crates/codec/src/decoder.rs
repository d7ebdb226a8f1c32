//! From bytes to commands: lines, literals, limits.

use crate::command::{AppendMessage, Request, Tag, WireName};

/// Limits on what a client may make us hold. All in bytes unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest command without its literals.
    pub line_max: usize,
    /// Largest literal that is not a message.
    pub literal_max: usize,
    /// Sum of the literals of one command, messages apart.
    pub literals_sum_max: usize,
    /// Literals in one command, messages apart (a count).
    pub literals_max: usize,
    /// Depth of parentheses in a command (levels).
    pub nesting_max: usize,
    /// Largest message of an APPEND.
    pub append_max: u64,
}

/// What the client's bytes say next.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole command.
    Request(Request),
    /// A synchronizing literal within the limits was announced: send a continuation.
    Continue,
    /// A line that is no command: the answer to a challenge, or IDLE's `DONE`; without its
    /// line end. Only after [`Decoder::expect_line`].
    Line(&'a [u8]),
    /// A piece of an APPEND.
    Append(Append<'a>),
}

/// An APPEND in pieces: `Start`, then for each message `Message`, `Data`…, and after the last
/// `End`. The line after `Message` waits for [`Decoder::accept`] or [`Decoder::refuse`].
#[derive(Debug)]
pub enum Append<'a> {
    /// The command begins.
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

/// Why bytes are no command. Fit to be sent: says what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// The command's tag, where one could be read; else the answer is untagged.
    pub tag: Option<Tag>,
    /// What was expected, without line ends.
    pub text: String,
    /// The stream cannot be followed any more: say BYE and close.
    pub fatal: bool,
    /// The refusal is `NO [TOOBIG]` or another code, and not BAD.
    pub too_big: bool,
}

/// Splits a client's bytes into commands, within limits.
///
/// After an error that is not fatal the rest of the command, non-synchronizing literals
/// included, has been or will be passed over: bytes of a refused literal are never read as
/// commands.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Other limits from the next command on (after log-in).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes in bytes. What is not consumed yet is held: feed only after [`Decoder::next`]
    /// said `None`.
    pub fn feed(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }

    /// The next event; `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait, reason = "events borrow from the decoder")]
    pub fn next(&mut self) -> Option<Result<Event<'_>, DecodeError>> {
        todo!()
    }

    /// The next line is no command but comes as [`Event::Line`] (SASL exchange, IDLE).
    /// It is limited to [`Limits::line_max`].
    pub fn expect_line(&mut self) {
        todo!()
    }

    /// Takes the message announced by [`Append::Message`]. The caller sends the continuation
    /// when the literal is synchronizing.
    pub fn accept(&mut self) {
        todo!()
    }

    /// Refuses the message announced by [`Append::Message`]; the caller answers NO at once.
    /// A synchronizing literal ends the command there; a non-synchronizing one is passed over
    /// with the rest of the command, and neither `Data` nor `End` follows.
    pub fn refuse(&mut self) {
        todo!()
    }

    /// Drops everything read and not yet consumed (STARTTLS: RFC 3501 section 6.2.1).
    pub fn discard(&mut self) {
        todo!()
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        todo!()
    }
}
