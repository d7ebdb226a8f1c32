//! SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 5032, RFC 7162, RFC 8514).

#![allow(missing_docs, reason = "fields and variants are named as in the grammar")]

use crate::cursor::Cursor;
use crate::error::{DecodeErrorKind, Parsed, Part, missing, unknown};
use mail::date::Day;
use mail::{Keyword, ModSeq, NumberSet, SystemFlags};

/// SEARCH and UID SEARCH.
#[derive(Clone, PartialEq, Debug)]
pub struct Search {
    pub by_uid: bool,
    /// RFC 4731; `None` asks for an untagged SEARCH. `RETURN ()` is `ALL`.
    pub return_options: Option<Vec<SearchReturn>>,
    /// `None` where the client named none: US-ASCII, taken as UTF-8.
    pub charset: Option<String>,
    /// All must hold.
    pub keys: Vec<SearchKey>,
}

/// ESEARCH's return options (RFC 4731 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchReturn {
    Min,
    Max,
    All,
    Count,
}

/// Which date a key compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchDate {
    /// INTERNALDATE.
    Internal,
    /// The Date field.
    Sent,
    /// RFC 8514.
    Saved,
}

/// How a date key compares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DateOrder {
    Before,
    On,
    Since,
}

/// A search key (RFC 3501 section 6.4.4). Strings are bytes in the command's charset.
#[derive(Clone, PartialEq, Debug)]
pub enum SearchKey {
    All,
    /// SEEN, UNSEEN and their like: the flag, and whether it must be set.
    System(SystemFlags, bool),
    /// KEYWORD and UNKEYWORD.
    Keyword(Keyword, bool),
    New,
    Old,
    Recent,
    Date {
        which: SearchDate,
        order: DateOrder,
        day: Day,
    },
    Larger(u64),
    Smaller(u64),
    /// RFC 5032: seconds, not 0, as is the next.
    Older(u32),
    Younger(u32),
    /// HEADER, and BCC, CC, FROM, SUBJECT, TO as the field of that name.
    Header {
        field: String,
        text: Vec<u8>,
    },
    Body(Vec<u8>),
    Text(Vec<u8>),
    Uid(NumberSet),
    Sequence(NumberSet),
    Not(Box<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    And(Vec<SearchKey>),
    /// RFC 7162; the entry name is read and has no effect, as flags have one MODSEQ together.
    ModSeq(ModSeq),
}

pub(crate) fn search(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Search> {
    cursor.space("search keys")?;
    let mut search = Search { by_uid, return_options: None, charset: None, keys: Vec::new() };
    if cursor.eat_word("RETURN ") {
        search.return_options = Some(return_options(cursor)?);
        cursor.space("search keys after RETURN")?;
    }
    if cursor.eat_word("CHARSET ") {
        cursor.eat_space();
        let charset = cursor.astring("a charset")?;
        search.charset = Some(String::from_utf8_lossy(&charset).into_owned());
        cursor.space("search keys after the charset")?;
    }
    search.keys = keys(cursor, 0, false)?;
    Ok(search)
}

/// `(MIN MAX …)`; none is ALL.
fn return_options(cursor: &mut Cursor<'_>) -> Parsed<Vec<SearchReturn>> {
    cursor.eat_space();
    cursor.expect(b'(', "a list after RETURN")?;
    let mut options = Vec::new();
    loop {
        cursor.eat_space();
        if cursor.eat(b')') {
            break;
        }
        let option = match cursor.keyword("a return option of SEARCH")?.as_str() {
            "MIN" => SearchReturn::Min,
            "MAX" => SearchReturn::Max,
            "ALL" => SearchReturn::All,
            "COUNT" => SearchReturn::Count,
            other => return unknown("return option", other),
        };
        if !options.contains(&option) {
            options.push(option);
        }
    }
    if options.is_empty() {
        options.push(SearchReturn::All);
    }
    Ok(options)
}

/// One or more keys, up to the end or to `)`.
fn keys(cursor: &mut Cursor<'_>, depth: usize, in_list: bool) -> Parsed<Vec<SearchKey>> {
    let mut keys = Vec::new();
    loop {
        cursor.eat_space();
        if in_list && cursor.eat(b')') || !in_list && cursor.is_at_end() {
            break;
        }
        keys.push(key(cursor, depth)?);
        match cursor.peek() {
            Some(b' ') | None => {}
            Some(b')') if in_list => {}
            _ => return missing("a blank between search keys"),
        }
    }
    if keys.is_empty() { missing("a search key") } else { Ok(keys) }
}

fn key(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
    if depth >= cursor.nesting_max() {
        return Err(DecodeErrorKind::TooDeep(cursor.nesting_max()));
    }
    cursor.count(Part::SearchKey)?;
    match cursor.peek() {
        Some(b'(') => {
            cursor.eat(b'(');
            return keys(cursor, depth + 1, true).map(SearchKey::And);
        }
        Some(b'0'..=b'9' | b'*') => return cursor.set().map(SearchKey::Sequence),
        _ => {}
    }
    let name = cursor.keyword("a search key")?;
    if let Some(key) = flag_key(&name) {
        return Ok(key);
    }
    match name.as_str() {
        "NOT" | "OR" => operator(cursor, &name, depth),
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            let text = text(cursor, &name)?;
            Ok(SearchKey::Header { field: name, text })
        }
        "HEADER" => {
            let field = text(cursor, "HEADER")?;
            let text = text(cursor, "the field's name")?;
            Ok(SearchKey::Header { field: String::from_utf8_lossy(&field).into_owned(), text })
        }
        "BODY" => text(cursor, &name).map(SearchKey::Body),
        "TEXT" => text(cursor, &name).map(SearchKey::Text),
        "KEYWORD" | "UNKEYWORD" => {
            cursor.space("a keyword")?;
            Ok(SearchKey::Keyword(cursor.flag_keyword()?, name == "KEYWORD"))
        }
        "LARGER" | "SMALLER" => {
            cursor.space("a size in octets")?;
            let size = cursor.number("a size in octets")?;
            Ok(if name == "LARGER" { SearchKey::Larger(size) } else { SearchKey::Smaller(size) })
        }
        "OLDER" => interval(cursor).map(SearchKey::Older),
        "YOUNGER" => interval(cursor).map(SearchKey::Younger),
        "UID" => {
            cursor.space("UIDs")?;
            cursor.set().map(SearchKey::Uid)
        }
        "MODSEQ" => modseq(cursor),
        _ => date_key(cursor, &name),
    }
}

fn operator(cursor: &mut Cursor<'_>, name: &str, depth: usize) -> Parsed<SearchKey> {
    cursor.space(&format!("a search key after {name}"))?;
    let first = Box::new(key(cursor, depth + 1)?);
    if name == "NOT" {
        return Ok(SearchKey::Not(first));
    }
    cursor.space("two search keys after OR")?;
    Ok(SearchKey::Or(first, Box::new(key(cursor, depth + 1)?)))
}

/// Seconds (RFC 5032 section 3: `nz-number`).
fn interval(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    const EXPECTED: &str = "an interval in seconds, from 1 to 4294967295";
    cursor.space(EXPECTED)?;
    match u32::try_from(cursor.number(EXPECTED)?) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => missing(EXPECTED),
    }
}

fn text(cursor: &mut Cursor<'_>, after: &str) -> Parsed<Vec<u8>> {
    let expected = format!("a string after {after}");
    cursor.space(&expected)?;
    cursor.astring(&expected)
}

fn flag_key(name: &str) -> Option<SearchKey> {
    Some(match name {
        // Every mailbox has save dates (RFC 8514 section 4.3).
        "ALL" | "SAVEDATESUPPORTED" => SearchKey::All,
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        name => {
            let (flag, set) = match name.strip_prefix("UN") {
                Some(flag) => (flag, false),
                None => (name, true),
            };
            SearchKey::System(SystemFlags::by_name(&format!("\\{flag}"))?, set)
        }
    })
}

fn date_key(cursor: &mut Cursor<'_>, name: &str) -> Parsed<SearchKey> {
    let of = |prefix, which| name.strip_prefix(prefix).map(|order| (which, order));
    let named = of("SENT", SearchDate::Sent).or_else(|| of("SAVED", SearchDate::Saved));
    let (which, order) = named.unwrap_or((SearchDate::Internal, name));
    let order = match order {
        "BEFORE" => DateOrder::Before,
        "ON" => DateOrder::On,
        "SINCE" => DateOrder::Since,
        _ => return unknown("search key", name),
    };
    cursor.space("a date such as 1-Feb-1994")?;
    Ok(SearchKey::Date { which, order, day: cursor.date()? })
}

/// `MODSEQ ["entry" shared] n` (RFC 7162 section 3.1.5).
fn modseq(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    cursor.space("a mod-sequence")?;
    if cursor.peek() == Some(b'"') {
        cursor.string("an entry name")?;
        cursor.space("priv, shared or all")?;
        match cursor.keyword("priv, shared or all")?.as_str() {
            "PRIV" | "SHARED" | "ALL" => {}
            other => return unknown("entry type", other),
        }
        cursor.space("a mod-sequence")?;
    }
    cursor.modseq().map(SearchKey::ModSeq)
}
