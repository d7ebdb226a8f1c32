//! A source that could not be opened: unavailable, whoever is asked for. Left out of the chain
//! it would make its users unknown, and let the next source answer for them.

use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};

/// See the module.
#[derive(Clone, Debug)]
pub struct Down {
    name: String,
    reason: String,
}

impl Down {
    /// A source of that name, and why it is not there.
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }

    fn unavailable(&self) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason: self.reason.clone() }
    }
}

impl Source for Down {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, _: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(async { Err(self.unavailable()) })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async { Err(self.unavailable()) })
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async { Ok(vec![self.unavailable().to_string()]) })
    }
}
