//! Search keys, made ready once for all messages: charset undone, sets resolved, and what is
//! cheap put ahead of what is dear.

use crate::command::header_fields;
use codec::command::{DateOrder, Search, SearchDate, SearchKey};
use mail::date::Day;
use mail::search::Needle;
use mail::{Keyword, ModSeq, NumberSet, SeqNum, SystemFlags, Uid, UidSet, charset};
use std::num::NonZeroU32;
use store::Kind;

/// Charsets named in BADCHARSET; more are known.
pub(super) const CHARSETS: &[&str] = &["US-ASCII", "UTF-8"];

/// A search key, ready to be evaluated.
#[derive(Debug)]
pub(super) enum Key {
    All,
    Sequence(UidSet),
    Uid(UidSet),
    System(SystemFlags),
    Keyword(Keyword),
    Recent,
    ModSeq(ModSeq),
    Larger(u64),
    Smaller(u64),
    Internal(DateOrder, Day),
    /// By the Date field.
    Sent(SearchedField, DateOrder, Day),
    /// In a field of that name.
    Field(SearchedField, Needle),
    Body(Needle),
    Text(Needle),
    Not(Box<Key>),
    /// All must hold, in the order of their cost.
    And(Vec<Key>),
    /// One must hold, in the order of their cost.
    Or(Vec<Key>),
}

/// A header field that is looked in.
#[derive(Debug)]
pub(super) struct SearchedField {
    pub(super) name: String,
    /// What it is called in the mailbox's cache.
    pub(super) kind: Kind,
}

impl SearchedField {
    pub(super) fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self { kind: header_fields::kind(false, std::slice::from_ref(&name)), name }
    }
}

/// What must be read to evaluate a key; later is dearer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cost {
    /// Nothing.
    Memory,
    /// The file's name and attributes.
    Attributes,
    Header,
    File,
}

/// Why keys cannot be evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Uncompiled {
    BadCharset,
    TooDeep,
}

impl Key {
    /// Deepest nesting of keys (levels): evaluation recurses.
    const DEPTH_MAX: usize = 200;

    /// The command's keys as one. `last` is the last message of the view: what `*` means.
    pub(super) fn compile(command: &Search, last: Option<(SeqNum, Uid)>) -> Result<Self, Uncompiled> {
        let charset = command.charset.as_deref().unwrap_or("UTF-8");
        if !charset::is_known(charset) {
            return Err(Uncompiled::BadCharset);
        }
        Compiler { charset, last }.all(&command.keys, 0)
    }

    /// What must be read for it, at worst.
    pub(super) fn cost(&self) -> Cost {
        match self {
            Self::Larger(_) | Self::Smaller(_) | Self::Internal(..) => Cost::Attributes,
            Self::Sent(..) | Self::Field(..) => Cost::Header,
            Self::Body(_) | Self::Text(_) => Cost::File,
            Self::Not(key) => key.cost(),
            // Sorted: the last is the dearest.
            Self::And(keys) | Self::Or(keys) => keys.last().map_or(Cost::Memory, Self::cost),
            _ => Cost::Memory,
        }
    }

    /// Whether MODSEQ is among the keys: the answer tells it then.
    pub(super) fn has_modseq(&self) -> bool {
        match self {
            Self::ModSeq(_) => true,
            Self::Not(key) => key.has_modseq(),
            Self::And(keys) | Self::Or(keys) => keys.iter().any(Self::has_modseq),
            _ => false,
        }
    }
}

struct Compiler<'a> {
    charset: &'a str,
    last: Option<(SeqNum, Uid)>,
}

impl Compiler<'_> {
    fn all(&self, keys: &[SearchKey], depth: usize) -> Result<Key, Uncompiled> {
        let keys = keys.iter().map(|key| self.key(key, depth)).collect::<Result<Vec<_>, _>>()?;
        Ok(Key::And(sorted(keys)))
    }

    fn key(&self, key: &SearchKey, depth: usize) -> Result<Key, Uncompiled> {
        if depth >= Key::DEPTH_MAX {
            return Err(Uncompiled::TooDeep);
        }
        let depth = depth + 1;
        Ok(match key {
            SearchKey::All => Key::All,
            SearchKey::System(flags, set) => set_or_not(Key::System(*flags), *set),
            SearchKey::Keyword(keyword, set) => set_or_not(Key::Keyword(keyword.clone()), *set),
            SearchKey::New => Key::And(vec![Key::Recent, Key::Not(Box::new(Key::System(SystemFlags::SEEN)))]),
            SearchKey::Old => Key::Not(Box::new(Key::Recent)),
            SearchKey::Recent => Key::Recent,
            SearchKey::Date { which: SearchDate::Internal, order, day } => Key::Internal(*order, *day),
            SearchKey::Date { which: SearchDate::Sent, order, day } => {
                Key::Sent(SearchedField::new("Date"), *order, *day)
            }
            SearchKey::Larger(octets) => Key::Larger(*octets),
            SearchKey::Smaller(octets) => Key::Smaller(*octets),
            SearchKey::Header { field, text } => Key::Field(SearchedField::new(field), self.needle(text)?),
            SearchKey::Body(text) => Key::Body(self.needle(text)?),
            SearchKey::Text(text) => Key::Text(self.needle(text)?),
            SearchKey::Uid(set) => Key::Uid(resolve(set, self.last.map(|(_, uid)| uid.get()))),
            // Numbers beyond the view name nothing; other servers answer likewise.
            SearchKey::Sequence(set) => {
                Key::Sequence(resolve(set, self.last.map(|(number, _)| number.get())))
            }
            SearchKey::Not(key) => Key::Not(Box::new(self.key(key, depth)?)),
            SearchKey::Or(a, b) => Key::Or(sorted(vec![self.key(a, depth)?, self.key(b, depth)?])),
            SearchKey::And(keys) => self.all(keys, depth)?,
            SearchKey::ModSeq(modseq) => Key::ModSeq(*modseq),
        })
    }

    fn needle(&self, text: &[u8]) -> Result<Needle, Uncompiled> {
        let text = charset::decode(self.charset, text).ok_or(Uncompiled::BadCharset)?;
        Ok(Needle::new(&text))
    }
}

fn set_or_not(key: Key, set: bool) -> Key {
    if set { key } else { Key::Not(Box::new(key)) }
}

/// Cheap ones first; the client's order among those of one cost.
fn sorted(mut keys: Vec<Key>) -> Vec<Key> {
    keys.sort_by_cached_key(Key::cost);
    keys
}

fn resolve(set: &NumberSet, last: Option<u32>) -> UidSet {
    UidSet::from_ranges(set.resolve(last.and_then(NonZeroU32::new)))
}
