//! A mailbox's name as a client writes it.

use std::fmt;

/// A mailbox's name or pattern as the client means it: modified UTF-7 undone, the client's
/// separators and prefixes still in it. A name without `&` may also be UTF-8 as it stands,
/// since clients send that too.
#[derive(Clone, PartialEq, Eq)]
pub struct WireName(Option<String>);

impl WireName {
    /// From what the client sent.
    pub(crate) fn decode(sent: Vec<u8>) -> Self {
        let text = String::from_utf8(sent).ok();
        Self(text.and_then(|text| if text.contains('&') { mail::utf7::decode(&text) } else { Some(text) }))
    }

    /// The name; `None` where the client sent modified UTF-7 that is damaged or not canonical
    /// (RFC 3501 section 5.1.3), or no text: it names no mailbox, and is never turned into
    /// another name.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl Default for WireName {
    fn default() -> Self {
        Self(Some(String::new()))
    }
}

/// Looks like its text.
impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => text.fmt(f),
            None => f.write_str("(no modified UTF-7)"),
        }
    }
}
