//! The words of a structured field value (RFC 2045 section 5.1, RFC 5322 section 3.2).

/// Reads a structured value: tokens, quoted strings, comments passed over.
#[derive(Clone)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.first() != Some(&b'(') {
                return;
            }
            self.skip_comment();
        }
    }

    /// A comment, nested ones included; what is never closed ends with the value.
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        let mut escaped = false;
        for (at, &byte) in self.rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        self.rest = &self.rest[at + 1..];
                        return;
                    }
                }
                _ => {}
            }
        }
        self.rest = &[];
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let there = self.rest.first() == Some(&byte);
        if there {
            self.rest = &self.rest[1..];
        }
        there
    }

    /// Goes behind the next `byte`, wherever it is outside of quotes and comments.
    pub(super) fn skip_past(&mut self, byte: u8) -> bool {
        loop {
            self.skip_blanks();
            match self.rest.first() {
                None => return false,
                Some(found) if *found == byte => {
                    self.rest = &self.rest[1..];
                    return true;
                }
                Some(b'"') => drop(self.value()),
                Some(_) => self.rest = &self.rest[1..],
            }
        }
    }

    /// RFC 2045 `token`, 8-bit bytes included.
    pub(super) fn token(&mut self) -> Option<Vec<u8>> {
        self.skip_blanks();
        let length = self.rest.iter().position(ends_token).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!token.is_empty()).then(|| token.to_vec())
    }

    /// A token, or what stands in quotes where a token should: some mailers quote types and
    /// dispositions.
    pub(super) fn word(&mut self) -> Option<Vec<u8>> {
        self.skip_blanks();
        if self.rest.first() == Some(&b'"') {
            return Some(self.value()).filter(|word| !word.is_empty());
        }
        self.token()
    }

    /// A file name: a value, and if it is not quoted all of it up to `;`, as mailers that leave
    /// the quotes out have blanks in it.
    pub(super) fn file_name(&mut self) -> Vec<u8> {
        self.skip_blanks();
        let is_quoted = self.rest.first() == Some(&b'"');
        let mut name = self.value();
        let length = self.rest.iter().position(|byte| *byte == b';').unwrap_or(self.rest.len());
        let more = self.rest[..length].trim_ascii_end();
        // What looks like a comment or another parameter is not of the name.
        if !is_quoted && !more.iter().any(|byte| b"(=\"".contains(byte)) {
            name.extend_from_slice(more);
            self.rest = &self.rest[length..];
        }
        name
    }

    /// A quoted string, or everything up to `;` or a blank: mailers leave quotes out where
    /// they may not.
    pub(super) fn value(&mut self) -> Vec<u8> {
        self.skip_blanks();
        let mut value = Vec::new();
        let Some(quoted) = self.rest.strip_prefix(b"\"") else {
            let end = |b: &u8| matches!(b, b';' | b' ' | b'\t' | b'(');
            let length = self.rest.iter().position(end).unwrap_or(self.rest.len());
            let (bare, rest) = self.rest.split_at(length);
            self.rest = rest;
            return bare.to_vec();
        };
        let mut bytes = quoted.iter().copied().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = &quoted[at + 1..];
                    return value;
                }
                b'\\' => value.extend(bytes.next().map(|(_, escaped)| escaped)),
                byte => value.push(byte),
            }
        }
        self.rest = &[];
        value
    }
}

fn ends_token(byte: &u8) -> bool {
    let is_special = matches!(
        byte,
        b'(' | b')'
            | b'<'
            | b'>'
            | b'@'
            | b','
            | b';'
            | b':'
            | b'\\'
            | b'"'
            | b'/'
            | b'['
            | b']'
            | b'?'
            | b'='
    );
    is_special || *byte <= b' ' || *byte == 0x7F
}
