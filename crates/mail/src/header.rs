//! Header fields: where they begin and end, as bytes.

/// A header section: fields up to the empty line, over bytes with LF, CRLF or mixed ends.
///
/// Holds the bytes and nothing else; fields are found by iterating.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    bytes: &'a [u8],
}

/// One field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// Name before the colon, trailing white space removed.
    pub name: &'a [u8],
    /// All after the colon, folding and final line end included.
    pub value: &'a [u8],
    /// The whole field with its final line end: what HEADER.FIELDS sends.
    pub raw: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header at the start of `message`, the empty line that ends it included in
    /// [`Header::bytes`]. A line that is no field (no colon, and no continuation) does not end
    /// the header and is no field; a leading `From ` line is skipped likewise.
    pub fn of(message: &'a [u8]) -> Self {
        let mut rest = message;
        while let Some((line, after)) = take_line(rest) {
            rest = after;
            if is_empty(line) {
                break;
            }
        }
        Self { bytes: &message[..message.len() - rest.len()] }
    }

    /// A header that is known to end where `section` does.
    pub(crate) fn cut(section: &'a [u8]) -> Self {
        Self { bytes: section }
    }

    /// The header's bytes with the empty line at its end, if it has one.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        Fields { rest: self.bytes }
    }

    /// The first field of that name, any case.
    pub fn first(&self, name: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Field<'_> {
    /// The value on one line: line ends removed, white space at both ends too
    /// (RFC 5322 section 2.2.3). A tab that folded a line becomes a blank, as it was before.
    pub fn unfolded(&self) -> Vec<u8> {
        let mut rest = self.value.trim_ascii();
        let mut one_line = Vec::with_capacity(rest.len());
        while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
            one_line.extend_from_slice(&rest[..at]);
            let line_ends = rest[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            rest = &rest[at + line_ends..];
            if let Some(after) = rest.strip_prefix(b"\t") {
                one_line.push(b' ');
                rest = after;
            }
        }
        one_line.extend_from_slice(rest);
        one_line
    }
}

/// Iterates over fields.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let from = self.rest;
            let (line, mut rest) = take_line(from)?;
            if is_empty(line) {
                self.rest = &[];
                return None;
            }
            while is_continuation(rest) {
                rest = take_line(rest).map_or(&[], |(_, after)| after);
            }
            self.rest = rest;
            let raw = &from[..from.len() - rest.len()];
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let name = raw[..colon].trim_ascii_end();
            let is_name = !name.is_empty() && name.iter().all(|b| (b'!'..=b'~').contains(b));
            if is_name {
                return Some(Field { name, value: &raw[colon + 1..], raw });
            }
        }
    }
}

/// The first line with its end, and what follows; `None` at the end.
pub(crate) fn take_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    Some(bytes.split_at(end))
}

fn is_empty(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// White space at its start, and not an empty line.
fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(message: &[u8]) -> Vec<String> {
        let text = |f: Field<'_>| format!("{}={}", f.name.escape_ascii(), f.unfolded().escape_ascii());
        Header::of(message).fields().map(text).collect()
    }

    #[test]
    fn fields_are_found_whatever_the_line_ends() {
        for message in
            ["A: 1\nB: 2\n\t3\n\nbody", "A: 1\r\nB: 2\r\n\t3\r\n\r\nbody", "A: 1\r\nB: 2\n\t3\n\r\nbody"]
        {
            assert_eq!(fields(message.as_bytes()), ["A=1", "B=2 3"]);
            assert!(Header::of(message.as_bytes()).bytes().ends_with(b"\n"));
        }
    }

    #[test]
    fn broken_headers_are_read_as_far_as_they_go() {
        for (message, expected) in [
            (&b""[..], vec![]),
            (b"\nbody", vec![]),
            (b"A: 1", vec!["A=1"]),
            (b"From x@y Mon Jan 1\nA: 1\n\n", vec!["A=1"]),
            (b"no field\nA : 1\n: 2\n\n", vec!["A=1"]),
            (b" continues nothing\nA: 1\n\n", vec!["A=1"]),
            (b"A:\n\nB: 2\n", vec!["A="]),
            (b"a b: 1\nA: \xff\n", vec!["A=\\xff"]),
        ] {
            assert_eq!(fields(message), expected, "{}", message.escape_ascii());
        }
    }

    /// [`Field::unfolded`], byte by byte.
    fn unfolded(value: &[u8]) -> Vec<u8> {
        let mut one_line = Vec::new();
        let mut after_line_end = false;
        for &byte in value {
            match byte {
                b'\r' | b'\n' => after_line_end = true,
                byte => {
                    one_line.push(if after_line_end && byte == b'\t' { b' ' } else { byte });
                    after_line_end = false;
                }
            }
        }
        one_line.trim_ascii().to_vec()
    }

    proptest! {
        #[test]
        fn unfolding_is_the_same_byte_by_byte(value in "[a \t\r\n\x0b\x0c]{0,20}") {
            let value = value.as_bytes();
            prop_assert_eq!(Field { name: b"A", value, raw: value }.unfolded(), unfolded(value));
        }

        #[test]
        fn any_bytes_are_survived_and_fields_are_of_the_header(message in "[A:\r\n \tx]{0,60}") {
            let header = Header::of(message.as_bytes());
            prop_assert!(message.as_bytes().starts_with(header.bytes()));
            let mut total = 0;
            for field in header.fields() {
                total += field.raw.len();
                field.unfolded();
            }
            prop_assert!(total <= header.bytes().len());
        }
    }
}
