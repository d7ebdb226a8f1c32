//! FETCH (RFC 3501 section 6.4.5, RFC 7162, RFC 8514).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{Parsed, Part, missing, unknown, wrong};
use mail::{ModSeq, NumberSet};
use std::collections::HashSet;

/// FETCH and UID FETCH; macros are expanded, and UID FETCH has [`FetchItem::Uid`].
#[derive(Clone, PartialEq, Debug)]
pub struct Fetch {
    pub set: NumberSet,
    pub by_uid: bool,
    pub items: Vec<FetchItem>,
    /// RFC 7162.
    pub changed_since: Option<ModSeq>,
}

/// FETCH's items.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FetchItem {
    Flags,
    Uid,
    InternalDate,
    /// RFC 8514.
    SaveDate,
    Rfc822Size,
    Envelope,
    /// BODY without section: BODYSTRUCTURE without extension data.
    Body,
    BodyStructure,
    ModSeq,
    /// RFC822, RFC822.HEADER, RFC822.TEXT: a section under its old name.
    Rfc822(Rfc822),
    /// `BODY[…]<origin.length>` and `BODY.PEEK[…]`.
    Section {
        section: Section,
        peek: bool,
        partial: Option<Partial>,
    },
}

/// The items older than sections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rfc822 {
    Message,
    Header,
    Text,
}

/// `<origin.length>`: length 0 is refused by the parser.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Partial {
    pub origin: u64,
    pub length: u64,
}

/// What stands in the brackets of BODY.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Section {
    /// Part numbers, outermost first; empty for the message.
    pub part: Vec<u32>,
    pub text: SectionText,
}

/// The piece of the part that is meant.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SectionText {
    /// The message, or the part's body.
    All,
    Header,
    /// HEADER.FIELDS, or HEADER.FIELDS.NOT with `not`.
    HeaderFields {
        not: bool,
        names: Vec<String>,
    },
    Text,
    Mime,
}

/// Part numbers in one section: deeper parts are not taken apart.
const PART_DEPTH_MAX: usize = 100;

pub(crate) fn fetch(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Fetch> {
    let set = cursor.message_set()?;
    cursor.space("items after the set")?;
    let mut items = items(cursor)?;
    let mut changed_since = None;
    if cursor.eat_space() && cursor.eat(b'(') {
        if !cursor.eat_word("CHANGEDSINCE") {
            return missing("CHANGEDSINCE");
        }
        cursor.space("a mod-sequence")?;
        changed_since = Some(cursor.modseq()?);
        cursor.expect(b')', ") after the mod-sequence")?;
        if !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
    }
    if by_uid && !items.contains(&FetchItem::Uid) {
        items.insert(0, FetchItem::Uid);
    }
    Ok(Fetch { set, by_uid, items, changed_since })
}

fn items(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    let mut items = Vec::new();
    // The client names the items: by a keyed hash, so that none makes all others slow.
    let mut known = HashSet::new();
    if !cursor.eat(b'(') {
        if let Some(of_macro) = macro_items(cursor) {
            return Ok(of_macro);
        }
        items.push(item(cursor)?);
        return Ok(items);
    }
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            break;
        }
        cursor.count(Part::Item)?;
        let item = item(cursor)?;
        if known.insert(item.clone()) {
            items.push(item);
        }
        if !matches!(cursor.peek(), Some(b' ' | b')')) {
            return missing("a blank between items, and ) behind them");
        }
    }
    if items.is_empty() { missing("at least one item") } else { Ok(items) }
}

fn macro_items(cursor: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    let fast = [FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size];
    if cursor.eat_word("ALL") {
        return Some([&fast[..], &[FetchItem::Envelope]].concat());
    }
    if cursor.eat_word("FAST") {
        return Some(fast.to_vec());
    }
    cursor.eat_word("FULL").then(|| [&fast[..], &[FetchItem::Envelope, FetchItem::Body]].concat())
}

fn item(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let name = cursor.take_while(|b| b.is_ascii_alphanumeric() || b == b'.');
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    let with_section = cursor.peek() == Some(b'[');
    Ok(match (name.as_str(), with_section) {
        ("BODY", true) => section_item(cursor, false)?,
        ("BODY.PEEK", true) => section_item(cursor, true)?,
        ("FLAGS", false) => FetchItem::Flags,
        ("UID", false) => FetchItem::Uid,
        ("INTERNALDATE", false) => FetchItem::InternalDate,
        ("SAVEDATE", false) => FetchItem::SaveDate,
        ("RFC822.SIZE", false) => FetchItem::Rfc822Size,
        ("ENVELOPE", false) => FetchItem::Envelope,
        ("BODY", false) => FetchItem::Body,
        ("BODYSTRUCTURE", false) => FetchItem::BodyStructure,
        ("MODSEQ", false) => FetchItem::ModSeq,
        ("RFC822", false) => FetchItem::Rfc822(Rfc822::Message),
        ("RFC822.HEADER", false) => FetchItem::Rfc822(Rfc822::Header),
        ("RFC822.TEXT", false) => FetchItem::Rfc822(Rfc822::Text),
        ("BODY.PEEK", false) => return missing("a section such as [HEADER] after BODY.PEEK"),
        ("", _) => return missing("an item such as FLAGS or BODY[]"),
        _ => return unknown("FETCH item", name),
    })
}

fn section_item(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<FetchItem> {
    cursor.eat(b'[');
    let section = section(cursor)?;
    cursor.expect(b']', "] after the section")?;
    let partial = if cursor.eat(b'<') { Some(partial(cursor)?) } else { None };
    Ok(FetchItem::Section { section, peek, partial })
}

/// RFC 3501 `section-spec`: part numbers, then what of the part.
fn section(cursor: &mut Cursor<'_>) -> Parsed<Section> {
    let mut part = Vec::new();
    while matches!(cursor.peek(), Some(b'0'..=b'9')) {
        let number = cursor.number("a part number")?;
        match u32::try_from(number) {
            Ok(number) if number > 0 => part.push(number),
            _ => return wrong("Part numbers count from 1"),
        }
        if part.len() > PART_DEPTH_MAX {
            return wrong(format!("Too many part numbers: at most {PART_DEPTH_MAX}"));
        }
        if !cursor.eat(b'.') {
            return Ok(Section { part, text: SectionText::All });
        }
        if !matches!(cursor.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')) {
            return missing("a part number or a section's name after the dot");
        }
    }
    let text = section_text(cursor, !part.is_empty())?;
    Ok(Section { part, text })
}

fn section_text(cursor: &mut Cursor<'_>, in_part: bool) -> Parsed<SectionText> {
    let name = cursor.take_while(|b| b.is_ascii_alphabetic() || b == b'.');
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    Ok(match name.as_str() {
        "" if !in_part => SectionText::All,
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if in_part => SectionText::Mime,
        "MIME" => return wrong("MIME wants a part number before it"),
        "HEADER.FIELDS" => SectionText::HeaderFields { not: false, names: field_names(cursor)? },
        "HEADER.FIELDS.NOT" => SectionText::HeaderFields { not: true, names: field_names(cursor)? },
        _ => return unknown("section", name),
    })
}

fn field_names(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.space("a list of field names")?;
    cursor.expect(b'(', "a list of field names")?;
    let mut names = Vec::new();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            break;
        }
        cursor.count(Part::Name)?;
        let name = cursor.astring("a field name")?;
        names.push(String::from_utf8_lossy(&name).to_ascii_uppercase());
    }
    if names.is_empty() { missing("at least one field name") } else { Ok(names) }
}

/// `origin.length>`, the length not 0.
fn partial(cursor: &mut Cursor<'_>) -> Parsed<Partial> {
    let expected = "a range such as <0.1024>";
    let origin = cursor.number(expected)?;
    cursor.expect(b'.', expected)?;
    let length = cursor.number(expected)?;
    cursor.expect(b'>', expected)?;
    if length == 0 { wrong("A range of 0 octets is none") } else { Ok(Partial { origin, length }) }
}
