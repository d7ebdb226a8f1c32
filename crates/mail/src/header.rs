//! Header fields: where they begin and end, as bytes.

pub(crate) mod stream;

use crate::encoded_word;
use crate::source::Source;
use stream::{FieldStream, Start};

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
        let mut one_line = Vec::with_capacity(self.value.len());
        Unfold::default().push(self.value.trim_ascii(), |text| one_line.extend_from_slice(text));
        one_line
    }
}

/// The first field of that name, any case, in the header at the start of a message: its value
/// on one line, cut at `length_max` bytes. Nothing else of the message is kept in memory.
pub fn first_in<S: Source + ?Sized>(
    message: &S,
    name: &str,
    length_max: usize,
) -> Result<Option<Vec<u8>>, S::Error> {
    let mut fields = FieldStream::new(message, 0..message.size());
    while let Some(start) = fields.next()? {
        let is_it = matches!(&start, Start::Field(found) if found.eq_ignore_ascii_case(name.as_bytes()));
        let (mut unfold, mut value) = (Unfold::default(), Vec::new());
        fields.value(|piece| {
            if is_it && value.len() <= length_max {
                unfold.push(piece, |text| value.extend_from_slice(text));
            }
        })?;
        if is_it {
            let mut value = value.trim_ascii().to_vec();
            encoded_word::shorten(&mut value, length_max);
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Takes the line ends out of a value that comes in pieces; a tab behind them becomes a blank.
#[derive(Default)]
pub(crate) struct Unfold {
    after_line_end: bool,
}

impl Unfold {
    pub(crate) fn push(&mut self, piece: &[u8], mut take: impl FnMut(&[u8])) {
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
            if is_line_end(&first) {
                let line_ends = rest.iter().take_while(|byte| is_line_end(byte)).count();
                rest = &rest[line_ends..];
                self.after_line_end = true;
                continue;
            }
            if std::mem::take(&mut self.after_line_end) && first == b'\t' {
                take(b" ");
                rest = &rest[1..];
            }
            let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            take(&rest[..length]);
            rest = &rest[length..];
        }
    }
}

/// The name of the field that a line begins, and where its value begins in the line.
pub(crate) fn field_name(line: &[u8]) -> Option<(&[u8], usize)> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|b| (b'!'..=b'~').contains(b));
    is_name.then_some((name, colon + 1))
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
            if let Some((name, value)) = field_name(line) {
                return Some(Field { name, value: &raw[value..], raw });
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

pub(crate) fn is_empty(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

/// White space at its start, and not an empty line.
pub(crate) fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::Windowed;
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
        fn a_stream_has_the_same_fields(message in "[Aa:\r\n \tx]{0,60}", window in 1_usize..9) {
            let message = message.as_bytes();
            let source = Windowed(message, window);
            let mut stream = FieldStream::new(&source, 0..message.len() as u64);
            let (mut fields, mut all) = (Vec::new(), Vec::new());
            while let Some(start) = stream.next().expect("infallible") {
                let mut value = Vec::new();
                stream.value(|piece| value.extend_from_slice(piece)).expect("infallible");
                match start {
                    Start::Field(name) => fields.push((name, value.clone())),
                    Start::Stray => all.extend_from_slice(&value),
                }
            }
            let header = Header::of(message);
            let expected: Vec<_> = header.fields().map(|f| (f.name.to_vec(), f.value.to_vec())).collect();
            prop_assert_eq!(&fields, &expected);
            // What is in no field is a stray.
            let of_fields: usize = header.fields().map(|field| field.raw.len()).sum();
            let empty_line = [&b"\r\n"[..], b"\n", b"\r"]
                .into_iter()
                .find(|end| header.bytes().strip_suffix(*end).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"\n")));
            prop_assert_eq!(of_fields + all.len() + empty_line.map_or(0, <[u8]>::len), header.bytes().len());
            let first = first_in(&source, "a", 1_000).expect("infallible");
            prop_assert_eq!(first, header.first("A").map(|field| field.unfolded()));
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
