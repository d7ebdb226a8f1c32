//! Finding a string in text that comes in pieces.

use super::Needle;
use crate::charset::Sink;
use memchr::memmem;

/// Looks for a needle in the text that it is given. It keeps as much of the text as may begin
/// a match, and some that was not looked at yet.
#[derive(Clone)]
pub(super) struct Matcher<'a> {
    needle: &'a Needle,
    /// Folded text.
    folded: Vec<u8>,
    is_found: bool,
    /// The needle has line ends: then those of the text are CRLF, as they are for who asks.
    with_line_ends: bool,
    /// The last character was CR.
    after_cr: bool,
    /// See [`Matcher::bytes`].
    is_untold: bool,
}

/// The one character beyond ASCII that is folded to one of it: KELVIN SIGN, in UTF-8.
const KELVIN: &[u8] = "\u{212a}".as_bytes();

impl<'a> Matcher<'a> {
    pub(super) fn new(needle: &'a Needle) -> Self {
        Self {
            needle,
            folded: Vec::new(),
            is_found: needle.folded.is_empty(),
            with_line_ends: needle.folded.contains('\n'),
            after_cr: false,
            is_untold: false,
        }
    }

    /// Whether the needle is such that [`Matcher::bytes`] may tell.
    pub(super) fn takes_bytes(&self) -> bool {
        self.needle.folded.is_ascii() && !self.with_line_ends
    }

    /// Takes the next piece of a text whose bytes these are, in a charset where bytes below 0x80
    /// are ASCII's characters and no others ([`charset::keeps_ascii`](crate::charset)).
    pub(super) fn bytes(&mut self, piece: &[u8]) {
        if !self.is_found {
            let from = self.folded.len();
            self.folded.extend_from_slice(piece);
            self.folded[from..].make_ascii_lowercase();
            self.look_if_enough();
        }
    }

    /// Whether the needle is in the bytes that were given. `None` when they do not tell: then the
    /// text has to be decoded.
    pub(super) fn of_bytes(mut self) -> Option<bool> {
        self.look();
        (self.is_found || !self.is_untold).then_some(self.is_found)
    }

    /// Whether the needle was seen so far: pieces are looked at when there are enough of them.
    pub(super) fn is_found(&self) -> bool {
        self.is_found
    }

    /// Whether the needle is in all the text that was given.
    pub(super) fn found(mut self) -> bool {
        self.look();
        self.is_found
    }

    /// The bytes behind which a match may begin that is not in what was looked at.
    fn overlap(&self) -> usize {
        self.needle.folded.len().max(KELVIN.len()) - 1
    }

    /// Looks once there is more that is new than what is looked at again, so that many small
    /// pieces cost no more than their length.
    fn look_if_enough(&mut self) {
        const ENOUGH: usize = 4 * 1024;
        if self.folded.len() > 2 * self.overlap() + ENOUGH {
            self.look();
            let seen = self.folded.len() - self.overlap();
            self.folded.drain(..seen);
        }
    }

    fn look(&mut self) {
        if self.is_found {
            return;
        }
        self.is_found = self.needle.finder.find(&self.folded).is_some();
        let folded = &self.needle.folded;
        self.is_untold |= folded.contains('k') && memmem::find(&self.folded, KELVIN).is_some();
    }
}

impl Sink for Matcher<'_> {
    fn text(&mut self, text: &str) {
        if self.is_found {
            return;
        }
        if self.with_line_ends {
            for c in text.chars() {
                if c == '\n' && !self.after_cr {
                    self.folded.push(b'\r');
                }
                self.after_cr = c == '\r';
                push(lower(c), &mut self.folded);
            }
        } else if text.is_ascii() {
            let from = self.folded.len();
            self.folded.extend_from_slice(text.as_bytes());
            self.folded[from..].make_ascii_lowercase();
        } else {
            text.chars().for_each(|c| push(lower(c), &mut self.folded));
        }
        self.look_if_enough();
    }
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Text without its case.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

/// [`fold`], for text that comes in pieces.
pub(super) fn fold_into(text: &str, folded: &mut String) {
    if text.is_ascii() {
        let from = folded.len();
        folded.push_str(text);
        folded[from..].make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(lower));
    }
}

fn lower(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        // The final sigma is a sigma.
        (Some('ς'), None) => 'σ',
        (Some(only), None) => only,
        _ => c,
    }
}
