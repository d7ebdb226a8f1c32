//! The tag of a command.

/// A command's tag, checked to be one (RFC 3501, `tag`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag(pub(crate) Box<str>);

impl Tag {
    /// As the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
