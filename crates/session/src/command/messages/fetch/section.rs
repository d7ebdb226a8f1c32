//! Sections of a message (RFC 3501 section 6.4.5): where in the file they lie.

use codec::command::{Section, SectionText};
use mail::mime::{Content, Part, Span, Structure};
use std::ops::Range;

/// What must be known of a message before a section of it can be found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Needs {
    /// The file's size.
    Size,
    /// Where its header ends.
    Header,
    /// All its parts.
    Structure,
}

/// What must be known to find `section`.
pub(super) fn needs(section: &Section) -> Needs {
    match (section.part.is_empty(), &section.text) {
        (true, SectionText::All) => Needs::Size,
        (true, _) => Needs::Header,
        (false, _) => Needs::Structure,
    }
}

/// Where a section lies that needs no structure, in a file of `size` bytes whose first `header`
/// are the header. `None` when there is no such section.
pub(super) fn of_message(text: &SectionText, size: u64, header: u64) -> Option<Range<u64>> {
    match text {
        SectionText::All => Some(0..size),
        SectionText::Header | SectionText::HeaderFields { .. } => Some(0..header),
        SectionText::Text => Some(header..size),
        SectionText::Mime => None,
    }
}

/// Where a section of a part lies. `None` when there is no such part, and for HEADER and TEXT
/// of a part that is no message.
pub(super) fn of_part(structure: &Structure, section: &Section) -> Option<Range<u64>> {
    let part = structure.parts.get(structure.section(&section.part)?)?;
    let message = |span: fn(&Part) -> Span| match part.content {
        Content::Message(id) => structure.parts.get(id).map(span),
        Content::Leaf | Content::Multipart(_) => None,
    };
    let span = match section.text {
        SectionText::All => part.body,
        SectionText::Mime => part.header,
        SectionText::Header | SectionText::HeaderFields { .. } => message(|message| message.header)?,
        SectionText::Text => message(|message| message.body)?,
    };
    Some(span.start..span.end)
}

/// What the parts are kept as in the mailbox's cache: ranges and tree, as LEB128 numbers. A part
/// is four numbers for its header and body, one for its content (0 leaf, 1 message, 2 and up
/// multipart with that many less two children), and its children.
pub(super) fn encode(structure: &Structure) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(structure.parts.len() * 12);
    for part in &structure.parts {
        for number in [part.header.start, part.header.end, part.body.start, part.body.end] {
            put(&mut bytes, number);
        }
        let children: &[usize] = match &part.content {
            Content::Leaf => {
                put(&mut bytes, 0);
                &[]
            }
            Content::Message(id) => {
                put(&mut bytes, 1);
                std::slice::from_ref(id)
            }
            Content::Multipart(ids) => {
                put(&mut bytes, ids.len() as u64 + 2);
                ids
            }
        };
        for &id in children {
            put(&mut bytes, id as u64);
        }
    }
    bytes
}

/// What [`encode`] made, with ranges and tree and nothing else. `None` for anything else: a
/// cache is not believed.
pub(super) fn decode(mut bytes: &[u8], size: u64) -> Option<Structure> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let header = span(&mut bytes, size)?;
        let body = span(&mut bytes, size)?;
        let content = match take(&mut bytes)? {
            0 => Content::Leaf,
            1 => Content::Message(usize::try_from(take(&mut bytes)?).ok()?),
            // A child is one byte at least, so nothing is reserved that is not there.
            n if n - 2 <= bytes.len() as u64 => {
                let ids = (2..n).map(|_| usize::try_from(take(&mut bytes)?).ok());
                Content::Multipart(ids.collect::<Option<Vec<usize>>>()?)
            }
            _ => return None,
        };
        parts.push(bare_part(header, body, content));
    }
    // Children come after their parent: no way through the tree is endless.
    let sound = |(index, part): (usize, &Part)| match &part.content {
        Content::Leaf => true,
        Content::Message(id) => *id > index && *id < parts.len(),
        Content::Multipart(ids) => ids.iter().all(|id| *id > index && *id < parts.len()),
    };
    (!parts.is_empty() && parts.iter().enumerate().all(sound)).then_some(Structure { parts })
}

fn bare_part(header: Span, body: Span, content: Content) -> Part {
    Part {
        header,
        body,
        media_type: Vec::new(),
        media_subtype: Vec::new(),
        parameters: Vec::new(),
        id: None,
        description: None,
        encoding: Vec::new(),
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        content,
        envelope: None,
    }
}

fn span(bytes: &mut &[u8], size: u64) -> Option<Span> {
    let (start, end) = (take(bytes)?, take(bytes)?);
    (start <= end && end <= size).then_some(Span { start, end, octets: 0, lines: 0 })
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(header: Range<u64>, body: Range<u64>) -> [Span; 2] {
        [header, body].map(|range| Span { start: range.start, end: range.end, octets: 0, lines: 0 })
    }

    fn part(header: Range<u64>, body: Range<u64>, content: Content) -> Part {
        let [header, body] = spans(header, body);
        bare_part(header, body, content)
    }

    #[test]
    fn a_structure_comes_back_as_it_was_kept() {
        let parts = vec![
            part(0..300, 300..70_000, Content::Multipart(vec![1, 2])),
            part(310..320, 320..400, Content::Leaf),
            part(410..420, 420..60_000, Content::Message(3)),
            part(420..500, 500..60_000, Content::Leaf),
        ];
        let structure = Structure { parts };
        let bytes = encode(&structure);
        assert_eq!(decode(&bytes, 70_000), Some(structure));
        assert_eq!(decode(&bytes, 69_999), None, "the file is shorter");
        for length in 0..bytes.len() {
            if let Some(part) = decode(&bytes[..length], 70_000) {
                assert!(part.parts.len() < 4);
            }
        }
    }

    #[test]
    fn security_22_a_cache_is_not_believed() {
        let leaf = [0, 1, 1, 2, 0];
        for (bytes, why) in [
            (&[][..], "nothing"),
            (&[0, 1, 1, 2, 1, 0], "a part within itself"),
            (&[0, 1, 1, 2, 1, 9], "a part that is not there"),
            (&[2, 1, 1, 2, 0], "a range that ends before it begins"),
            (&[0, 1, 1, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], "more children than bytes"),
            (&[0xFF; 20], "a number without end"),
            (&[0, 1, 1], "half a part"),
        ] {
            assert_eq!(decode(bytes, 2), None, "{why}");
        }
        assert!(decode(&leaf, 2).is_some());
    }

    proptest! {
        /// Whatever it is made of, every way down a structure ends.
        #[test]
        fn parts_lie_below_their_parents(bytes in proptest::collection::vec(0u8..8, 0..100)) {
            let Some(structure) = decode(&bytes, 8) else { return Ok(()) };
            for (index, part) in structure.parts.iter().enumerate() {
                let children = match &part.content {
                    Content::Leaf => Vec::new(),
                    Content::Message(id) => vec![*id],
                    Content::Multipart(ids) => ids.clone(),
                };
                prop_assert!(children.iter().all(|&id| id > index && id < structure.parts.len()));
            }
        }
    }
}
