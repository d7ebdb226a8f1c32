//! From a framed command to a [`Request`].

use crate::command::{self, Command};
use crate::cursor::Cursor;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::Limits;
use crate::tag::Tag;

/// A command with its tag.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Comes back in the answer.
    pub tag: Tag,
    /// What is asked.
    pub command: Command,
}

/// A whole command, its literals in it, without its last line end.
pub(crate) fn request(bytes: &[u8], limits: &Limits) -> Result<Request, DecodeError> {
    let mut cursor = Cursor::new(bytes, limits);
    let Some(tag) = cursor.tag() else {
        let kind = DecodeErrorKind::Expected("a tag, a blank and a command".to_owned());
        return Err(DecodeError { tag: None, kind });
    };
    if memchr::memchr(0, bytes).is_some() {
        let kind = DecodeErrorKind::Syntax("NUL is not allowed in commands".to_owned());
        return Err(DecodeError { tag: Some(tag), kind });
    }
    match command::command(&mut cursor) {
        Ok(command) => Ok(Request { tag, command }),
        Err(kind) => Err(DecodeError { tag: Some(tag), kind }),
    }
}

/// The tag that a command begins with, if it is one.
pub(crate) fn tag_of(bytes: &[u8]) -> Option<Tag> {
    Cursor::of_tag(&bytes[..bytes.len().min(Cursor::TAG_MAX + 1)]).tag()
}

/// The tag of a command, as far as it was read, that is one of these.
pub(crate) fn tag_of_one(bytes: &[u8], commands: &[&str]) -> Option<Tag> {
    let mut cursor = Cursor::of_tag(bytes);
    let tag = cursor.tag().filter(|_| !commands.is_empty())?;
    let name = cursor.command_name().ok()?;
    commands.contains(&name.as_str()).then_some(tag)
}

#[cfg(test)]
mod tests;
