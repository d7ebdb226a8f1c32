//! Why bytes are no command.

use crate::tag::Tag;

/// Why bytes are no command. Fit to be sent: says what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// The command's tag, where one could be read; else the answer is untagged.
    pub tag: Option<Tag>,
    /// What was expected, without line ends.
    pub text: String,
    /// The stream cannot be followed any more: say BYE and close.
    pub fatal: bool,
    /// The command exceeds a limit: it is answered by NO with this response code. Without one it
    /// is malformed, and answered by BAD.
    pub code: Option<&'static str>,
}
