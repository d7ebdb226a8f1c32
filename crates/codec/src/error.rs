//! Why bytes are no command.

use crate::tag::Tag;
use std::fmt;

/// Why bytes are no command, and which command they were to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// The command's tag, where one could be read; else the answer is untagged.
    pub tag: Option<Tag>,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// What is wrong. It displays as text without line ends, fit to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DecodeErrorKind {
    /// This should have stood there.
    Expected(String),
    /// A name that none of its kind has.
    #[allow(missing_docs, reason = "the kind in words, and the name")]
    Unknown { what: &'static str, name: String },
    /// It breaks another rule of the grammar.
    Syntax(String),
    /// Search keys are nested deeper than this (levels).
    TooDeep(usize),
    /// The command's lines are longer than [`crate::Limits::line_max`].
    CommandTooLong,
    /// A line that is no command, likewise.
    LineTooLong,
    /// More parts of one kind than this.
    #[allow(missing_docs, reason = "which, and how many may be")]
    TooManyParts { part: Part, max: usize },
    /// A literal above a limit; it is passed over.
    Literal(LiteralLimit),
    /// Likewise, and it comes without being asked for, larger than any message may be.
    LiteralFlood(LiteralLimit),
}

/// Parts of a command that are counted: see [`crate::Parts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "as in Parts")]
pub enum Part {
    SearchKey,
    Pattern,
    Item,
    Name,
    Range,
}

/// The limit that a literal exceeds: see [`crate::Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiteralLimit {
    /// Bytes of one.
    Size(usize),
    /// Bytes of all in one command.
    Sum(usize),
    /// How many in one command.
    Count(usize),
}

impl DecodeErrorKind {
    /// The response code where the command exceeds a limit: it is answered by NO. Without one it
    /// is malformed, and answered by BAD.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::TooManyParts { .. } => Some("LIMIT"),
            Self::Literal(_) | Self::LiteralFlood(_) => Some("TOOBIG"),
            _ => None,
        }
    }

    /// Whether the stream cannot be followed any more, or not at a bearable cost: say BYE and
    /// close.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::LineTooLong | Self::LiteralFlood(_))
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(what) => write!(f, "Expected {what}"),
            Self::Unknown { what, name } => write!(f, "Unknown {what} {name}"),
            Self::Syntax(text) => f.write_str(text),
            Self::TooDeep(max) => write!(f, "Search keys are nested too deep: at most {max} levels"),
            Self::CommandTooLong => f.write_str("Command line too long"),
            Self::LineTooLong => f.write_str("Line too long"),
            Self::TooManyParts { part, max } => {
                write!(f, "Too many {} in one command: at most {max}", part.plural())
            }
            Self::Literal(limit) | Self::LiteralFlood(limit) => limit.fmt(f),
        }
    }
}

impl Part {
    fn plural(self) -> &'static str {
        match self {
            Self::SearchKey => "search keys",
            Self::Pattern => "patterns",
            Self::Item => "items",
            Self::Name => "names",
            Self::Range => "ranges in sets",
        }
    }
}

impl fmt::Display for LiteralLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(max) => write!(f, "Literal too large: at most {max} bytes"),
            Self::Sum(max) => write!(f, "Literals too large together: at most {max} bytes"),
            Self::Count(max) => write!(f, "Too many literals in one command: at most {max}"),
        }
    }
}

/// What was read, or what is wrong.
pub(crate) type Parsed<T> = Result<T, DecodeErrorKind>;

/// `Err` with [`DecodeErrorKind::Expected`].
pub(crate) fn missing<T>(what: impl Into<String>) -> Parsed<T> {
    Err(DecodeErrorKind::Expected(what.into()))
}

/// `Err` with [`DecodeErrorKind::Unknown`].
pub(crate) fn unknown<T>(what: &'static str, name: impl Into<String>) -> Parsed<T> {
    Err(DecodeErrorKind::Unknown { what, name: name.into() })
}

/// `Err` with [`DecodeErrorKind::Syntax`].
pub(crate) fn wrong<T>(text: impl Into<String>) -> Parsed<T> {
    Err(DecodeErrorKind::Syntax(text.into()))
}
