//! UTF-7 (RFC 2152), which old mailers sent; what is malformed is left as it stands.

use super::decode_into;
use encoding_rs::UTF_8;

/// Decodes bytes that come in pieces.
pub(super) struct Decoder {
    /// Bytes to characters: what is beyond ASCII should not be there, and is kept.
    outer: encoding_rs::Decoder,
    shifted: Option<Shifted>,
}

/// What stands behind a `+`: UTF-16 in base64.
#[derive(Default)]
struct Shifted {
    /// A character of base64 came.
    any: bool,
    bits: u32,
    count: u32,
    /// A first surrogate, whose second must come next.
    high: Option<u16>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { outer: UTF_8.new_decoder_without_bom_handling(), shifted: None }
    }

    pub(super) fn decode(&mut self, piece: &[u8], last: bool, text: &mut String) {
        let mut characters = String::new();
        decode_into(&mut self.outer, piece, last, &mut characters);
        for c in characters.chars() {
            self.character(c, text);
        }
        if let Some(shifted) = self.shifted.take_if(|_| last) {
            shifted.end(text);
        }
    }

    fn character(&mut self, c: char, text: &mut String) {
        match (&mut self.shifted, base64_value(c)) {
            (Some(shifted), Some(value)) => shifted.digit(value, text),
            (Some(_), None) => {
                if let Some(shifted) = self.shifted.take() {
                    shifted.end(text);
                }
                if c != '-' {
                    text.push(c);
                }
            }
            (None, _) if c == '+' => self.shifted = Some(Shifted::default()),
            (None, _) => text.push(c),
        }
    }
}

impl Shifted {
    fn digit(&mut self, value: u32, text: &mut String) {
        self.any = true;
        self.bits = self.bits << 6 | value;
        self.count += 6;
        if self.count >= 16 {
            self.count -= 16;
            let unit = (self.bits >> self.count & 0xFFFF) as u16;
            self.bits &= (1 << self.count) - 1;
            self.unit(unit, text);
        }
    }

    fn unit(&mut self, unit: u16, text: &mut String) {
        let high = self.high.take();
        if (0xD800..0xDC00).contains(&unit) {
            // The one before was alone.
            text.extend(high.map(|_| char::REPLACEMENT_CHARACTER));
            self.high = Some(unit);
            return;
        }
        let units = high.into_iter().chain([unit]);
        text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }

    fn end(self, text: &mut String) {
        if !self.any {
            text.push('+');
        }
        text.extend(self.high.map(|_| char::REPLACEMENT_CHARACTER));
    }
}

fn base64_value(c: char) -> Option<u32> {
    Some(match c {
        'A'..='Z' => u32::from(c) - u32::from('A'),
        'a'..='z' => u32::from(c) - u32::from('a') + 26,
        '0'..='9' => u32::from(c) - u32::from('0') + 52,
        '+' => 62,
        '/' => 63,
        _ => return None,
    })
}
