//! IMAP's grammar, without I/O and without storage: framing, commands, responses,
//! the capability and response-code tables.
//!
//! Bytes from a client go into a [`Decoder`], which gives [`Event`]s: whole commands, and an
//! APPEND's message piece by piece. Responses are written by [`response`] straight into a
//! buffer; there is no tree of them. imap-codec's types stay private to this crate.

pub mod capability;
pub mod command;
mod cursor;
pub mod decoder;
mod error;
mod limits;
mod request;
pub mod response;
mod tag;
mod wire_name;

pub use command::Command;
pub use decoder::{Decoder, Event};
pub use error::{DecodeError, DecodeErrorKind, LiteralLimit, Part};
pub use limits::{Limits, Parts};
pub use request::Request;
pub use tag::Tag;
