//! Parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2231).

use super::Parameter;
use super::words::Words;
use crate::transfer::hex_pair;
use std::borrow::Cow;

/// Parameters taken from one field; the rest are left out.
pub(super) const PARAMETERS_MAX: usize = 200;

/// `name=value`, parted by `;`; what is between them is passed over.
pub(super) fn parameters(words: &mut Words<'_>) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    loop {
        parameters.extend(one(words));
        if parameters.len() >= PARAMETERS_MAX || !words.skip_past(b';') {
            return join_continuations(parameters);
        }
    }
}

fn one(words: &mut Words<'_>) -> Option<Parameter> {
    let name = words.token()?.to_ascii_lowercase();
    if !words.eat(b'=') {
        return None;
    }
    let value = match &name[..] {
        b"name" | b"filename" => words.file_name(),
        _ => words.value(),
    };
    Some((name, value))
}

/// The value of a parameter that the server itself needs, with RFC 2231 undone: of `boundary`,
/// or else of `boundary*`. The bytes are in the charset that the value names, if any.
pub(super) fn value_of<'a>(parameters: &'a [Parameter], name: &str) -> Option<Cow<'a, [u8]>> {
    let find = |wanted: &[u8]| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    if let Some(plain) = find(name.as_bytes()) {
        return Some(Cow::Borrowed(plain));
    }
    find(format!("{name}*").as_bytes()).map(|extended| Cow::Owned(decoded(extended)))
}

/// `charset'language'value` (RFC 2231 section 4) without the first two, and with `%xx` undone.
fn decoded(extended: &[u8]) -> Vec<u8> {
    let mut rest = extended.splitn(3, |byte| *byte == b'\'').nth(2).unwrap_or(extended);
    let mut value = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        match hex_pair(after).filter(|_| byte == b'%') {
            Some(decoded) => {
                value.push(decoded);
                rest = &after[2..];
            }
            None => {
                value.push(byte);
                rest = after;
            }
        }
    }
    value
}

/// A piece of a parameter's value: `name*1*=…`.
struct Piece {
    base: Vec<u8>,
    number: u32,
    is_encoded: bool,
    value: Vec<u8>,
}

/// Joins RFC 2231's `name*0`, `name*1*`… in the order of their numbers, under `name`, or under
/// `name*` where a piece is encoded. Pieces beyond a gap are left out.
fn join_continuations(parameters: Vec<Parameter>) -> Vec<Parameter> {
    if !parameters.iter().any(|(name, _)| numbered(name).is_some()) {
        return parameters;
    }
    let (mut joined, mut pieces) = (Vec::new(), Vec::new());
    for (name, value) in parameters {
        match numbered(&name) {
            Some((base, number, is_encoded)) => {
                pieces.push(Piece { base: base.to_vec(), number, is_encoded, value });
            }
            None => joined.push((name, value)),
        }
    }
    // Stable, so that of doubled numbers the first counts.
    pieces.sort_by(|a, b| (&a.base, a.number).cmp(&(&b.base, b.number)));
    joined.extend(pieces.chunk_by(|a, b| a.base == b.base).filter_map(join));
    joined
}

/// The pieces of one parameter, in the order of their numbers; `None` without piece 0.
fn join(pieces: &[Piece]) -> Option<Parameter> {
    let mut run: Vec<&Piece> = Vec::new();
    for piece in pieces {
        if usize::try_from(piece.number) == Ok(run.len()) {
            run.push(piece);
        }
    }
    let (first, _) = run.split_first()?;
    let mut name = first.base.clone();
    if !run.iter().any(|piece| piece.is_encoded) {
        return Some((name, run.iter().flat_map(|piece| piece.value.iter().copied()).collect()));
    }
    name.push(b'*');
    let mut value = Vec::new();
    // Charset and language stand in the first piece, and nowhere else (RFC 2231 section 4.1).
    if !first.is_encoded || first.value.iter().filter(|byte| **byte == b'\'').count() < 2 {
        value.extend_from_slice(b"''");
    }
    for piece in run {
        match piece.is_encoded {
            true => value.extend_from_slice(&piece.value),
            // What is plain must come out of decoding as it is.
            false => encode(&piece.value, &mut value),
        }
    }
    Some((name, value))
}

/// Appends plain text as RFC 2231 `extended-other-values`.
fn encode(plain: &[u8], out: &mut Vec<u8>) {
    for &byte in plain {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// `name*3*` is piece 3 of `name`, encoded.
fn numbered(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let (name, encoded) = match name.strip_suffix(b"*") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let star = memchr::memrchr(b'*', name)?;
    let digits = &name[star + 1..];
    let canonical = !digits.is_empty() && digits.len() <= 4 && (digits == b"0" || digits[0] != b'0');
    if !canonical || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((&name[..star], number, encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = parameters(&mut Words::new(text.as_bytes()))
            .iter()
            .map(|(name, value)| format!("{}={}", name.escape_ascii(), String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn pieces_are_joined_and_what_is_plain_stays_plain() {
        check(" ; a*1=two; a*0=one", &["a=onetwo"]);
        check("; a*0*=utf-8''x%20; a*1=b.txt", &["a*=utf-8''x%20b.txt"]);
        check(
            "; f*0*=utf-8''a%20long%20; f*1=\"name (not %20 decoded)\"; f*2*=%2Epdf; f*4=gap",
            &["f*=utf-8''a%20long%20name%20%28not%20%2520%20decoded%29%2Epdf"],
        );
        // The first piece has to name a charset, though it be none.
        check("; f*0=\"it's\"; f*1*=%20x", &["f*=''it%27s%20x"]);
        check("; f*0*=%20a; f*1*=b", &["f*=''%20ab"]);
        check("; f*1=x", &[]);
        check("; f*0=a; f*0=b; f*01=c", &["f*01=c", "f=a"]);
    }

    #[test]
    fn what_a_client_decodes_of_joined_pieces_is_what_was_meant() {
        for (text, meant) in [
            ("; f*0*=utf-8''a%20; f*1=\"100% \\\"pure\\\" 'x'*\"; f*2*=%2Epdf", "a 100% \"pure\" 'x'*.pdf"),
            ("; f*0=\"50%25\"; f*1*=%21", "50%25!"),
            ("; f*0*=us-ascii''%3D_ab12;\n f*1*=cd34%3D5; f*2=end", "=_ab12cd34=5end"),
            ("; f*=utf-8'de'%C3%BC%zz%", "ü%zz%"),
            ("; f*=no%20charset", "no charset"),
            ("; f*=x; f=plain%20", "plain%20"),
        ] {
            let parameters = parameters(&mut Words::new(text.as_bytes()));
            assert_eq!(value_of(&parameters, "f").as_deref(), Some(meant.as_bytes()), "{text}");
        }
    }

    #[test]
    fn file_names_without_quotes_keep_their_blanks() {
        check("; filename=two words.pdf; size=3", &["filename=two words.pdf", "size=3"]);
        check("; name=a.txt (a comment); x=y", &["name=a.txt", "x=y"]);
        check("; name=a.txt charset=x; y=z", &["name=a.txt", "y=z"]);
        check("; charset=utf-8 a stray; x=y", &["charset=utf-8", "x=y"]);
        check("; filename=\"a\" b", &["filename=a"]);
        check(" charset=utf-8", &["charset=utf-8"]);
    }
}
