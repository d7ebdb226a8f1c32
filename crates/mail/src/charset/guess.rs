//! Bytes without a charset, piece by piece.

use super::{Sink, windows_1252};

/// [`guess`](super::guess) for bytes that come in pieces. That they are no UTF-8 may show at the
/// very end: until then both readings are followed.
pub(crate) struct Guess<S> {
    /// Where the text goes; from the first byte beyond ASCII on it is read as Windows-1252.
    main: S,
    is_ascii: bool,
    /// Where it goes if all is UTF-8, as long as it may be and is not all ASCII.
    utf8: Option<S>,
    /// Of a character of UTF-8 that is not whole yet.
    begun: Vec<u8>,
}

impl<S: Sink> Guess<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self { main: sink, is_ascii: true, utf8: None, begun: Vec::new() }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        if self.is_ascii && !piece.is_ascii() {
            self.is_ascii = false;
            self.utf8 = Some(self.main.clone());
        }
        self.main.text(&windows_1252(piece));
        if let Some(utf8) = self.utf8.take() {
            self.utf8 = self.push_utf8(utf8, piece);
        }
    }

    /// The sink with the piece's text; `None` when it is no UTF-8.
    fn push_utf8(&mut self, mut utf8: S, piece: &[u8]) -> Option<S> {
        let bytes = [&std::mem::take(&mut self.begun), piece].concat();
        match std::str::from_utf8(&bytes) {
            Ok(text) => utf8.text(text),
            Err(error) if error.error_len().is_some() => return None,
            Err(error) => {
                let (valid, begun) = bytes.split_at(error.valid_up_to());
                utf8.text(std::str::from_utf8(valid).unwrap_or_default());
                self.begun = begun.to_vec();
            }
        }
        Some(utf8)
    }

    /// Whether it is so of the sink, whichever reading it will be.
    pub(crate) fn is_settled(&self, is: impl Fn(&S) -> bool) -> bool {
        is(&self.main) && self.utf8.as_ref().is_none_or(is)
    }

    /// The sink with all text.
    pub(crate) fn finish(self) -> S {
        self.utf8.filter(|_| self.begun.is_empty()).unwrap_or(self.main)
    }
}
