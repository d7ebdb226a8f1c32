//! Modified UTF-7 (RFC 3501 section 5.1.3): how mailbox names travel, and how they lie on disk
//! where Dovecot or an old Courier made them.

/// Encodes a name. ASCII stays as it is, but for `&`, which becomes `&-`.
pub fn encode(name: &str) -> String {
    encode_with(name, |c| (' '..='~').contains(&c))
}

/// Decodes a name; `None` unless it is exactly what [`encode`] makes of its meaning: a name
/// has one spelling, and two spellings shall not be one mailbox.
pub fn decode(name: &str) -> Option<String> {
    decode_shifts(name).filter(|decoded| encode(decoded) == name)
}

/// Encodes a level for a directory of Maildir++, whose levels are joined by `.`: a dot within
/// the level is shifted like a letter that is not ASCII, and becomes `&AC4-`.
pub fn encode_level(level: &str) -> String {
    encode_with(level, |c| (' '..='~').contains(&c) && c != '.')
}

/// Decodes a level; `None` unless it is exactly what [`encode_level`] makes of its meaning.
pub fn decode_level(level: &str) -> Option<String> {
    decode_shifts(level).filter(|decoded| encode_level(decoded) == level)
}

/// Encodes what `is_direct` does not let stand for itself.
fn encode_with(name: &str, is_direct: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in name.chars() {
        if is_direct(c) {
            flush(&mut shifted, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    flush(&mut shifted, &mut out);
    out
}

/// Undoes shifts, canonical or not; `None` where they cannot be undone.
fn decode_shifts(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (shifted, after) = rest[at + 1..].split_once('-')?;
        if shifted.is_empty() {
            out.push('&');
        } else {
            let units = decode_units(shifted.as_bytes())?;
            out.extend(char::decode_utf16(units).collect::<Result<Vec<_>, _>>().ok()?);
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Writes a shifted run: UTF-16 in base64 with `,` for `/` and without padding.
fn flush(units: &mut Vec<u16>, out: &mut String) {
    if units.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0_u32, 0_u32);
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(char::from(ALPHABET[(bits >> count & 63) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(ALPHABET[(bits << (6 - count) & 63) as usize]));
    }
    out.push('-');
}

fn decode_units(shifted: &[u8]) -> Option<Vec<u16>> {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut units = Vec::with_capacity(shifted.len() * 3 / 8);
    for byte in shifted {
        let value = ALPHABET.iter().position(|a| a == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from(bits >> count & 0xFFFF).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dot_in_a_level_does_not_end_it() {
        for (level, encoded) in [
            ("example.com", "example&AC4-com"),
            ("x.ä", "x&AC4A5A-"),
            ("a & b", "a &- b"),
            ("plain", "plain"),
        ] {
            assert_eq!(encode_level(level), encoded);
        }
    }

    #[test]
    fn names_of_the_rfc_and_others() {
        for (name, encoded) in [
            ("INBOX", "INBOX"),
            ("a & b", "a &- b"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Résumé", "R&AOk-sum&AOk-"),
            ("😀", "&2D3eAA-"),
            ("Entwürfe", "Entw&APw-rfe"),
        ] {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        for name in [
            "&",
            "a&b",
            "&AOk",
            "&A-",
            "&AGE-",
            "&AGEAYgBj-",
            "&2D0-",
            "&3gDYPQ-",
            "&AOk-&AOk-",
            "é",
            "&AOl-x&",
            "&AOR-",
            "&AOQAA-",
            "&!!-",
            "a&AC8-b",
            "a&AC4-b",
            "&BBAEMQQyACYEMwQ0BDU-",
        ] {
            assert_eq!(decode(name), None, "{name}");
        }
    }

    #[test]
    fn a_dot_within_a_level_is_shifted() {
        for (level, encoded) in [
            ("example.com", "example&AC4-com"),
            ("é.x", "&AOkALg-x"),
            ("a & b.", "a &- b&AC4-"),
            ("plain", "plain"),
        ] {
            assert_eq!(encode_level(level), encoded);
            assert_eq!(decode_level(encoded).as_deref(), Some(level));
        }
        for level in ["&AOk-&AC4-x", "a.b", "&AGE-", "a&AC8-b"] {
            assert_eq!(decode_level(level), None, "{level}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC*") {
            prop_assert_eq!(decode_level(&encode_level(&name)), Some(name.clone()));
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }

        #[test]
        fn any_text_is_survived(name in ".*") {
            let _ = decode(&name);
        }
    }
}
