//! How a command ends.

use crate::output::Output;
use codec::Tag;
use codec::response::{Code, Condition, tagged};

/// A command's tagged answer, but for the tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) condition: Condition,
    pub(crate) code: Option<Code>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn ok(text: &str) -> Self {
        Self { condition: Condition::Ok, code: None, text: text.to_owned() }
    }

    pub(crate) fn no(code: &'static str, text: impl Into<String>) -> Self {
        Self { condition: Condition::No, code: Some(Code::Plain(code)), text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { condition: Condition::Bad, code: None, text: text.into() }
    }

    pub(crate) fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Writes it with the command's tag.
    pub(crate) fn write(&self, tag: &Tag, out: &mut Output) {
        tagged(out.buffer(), tag, self.condition, self.code.as_ref(), &self.text);
    }
}
