//! Lines of our own text files: with a checksum before them, and bytes that no line can hold
//! escaped.

use std::borrow::Cow;

/// Appends a line whose text `write` gives, its checksum and line end included.
pub(crate) fn framed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(b"00000000 ");
    let text = out.len();
    write(out);
    let checksum = crc32fast::hash(&out[text..]);
    for (at, digit) in out[start..start + 8].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(checksum >> (28 - 4 * at)) as usize & 15];
    }
    out.push(b'\n');
}

/// The text of a line, without its line end, if its checksum is right.
pub(crate) fn unframed(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (checksum, text) = line.split_once(' ')?;
    let is_right =
        checksum.len() == 8 && u32::from_str_radix(checksum, 16).ok()? == crc32fast::hash(text.as_bytes());
    is_right.then_some(text)
}

pub(crate) fn escape(out: &mut Vec<u8>, base: &[u8]) {
    for &byte in base {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

pub(crate) fn unescape(word: &str) -> Option<Cow<'_, [u8]>> {
    if !word.contains('%') {
        return Some(Cow::Borrowed(word.as_bytes()));
    }
    let mut out = Vec::with_capacity(word.len());
    let mut bytes = word.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(Cow::Owned(out))
}
