//! Search keys, made ready once for all messages: charset undone, sets resolved, equal keys made
//! one, and what is cheap put ahead of what is dear.

use crate::command::messages::header_fields::{self, Names};
use codec::command::{DateOrder, Search, SearchDate, SearchKey};
use mail::date::Day;
use mail::search::Needle;
use mail::{ModSeq, SeqNum, SeqSet, SystemFlags, Uid, UidSet, charset};
use std::collections::HashMap;
use std::hash::Hash;
use store::CacheKind;

/// Charsets named in BADCHARSET; more are known.
pub(super) const CHARSETS: &[&str] = &["US-ASCII", "UTF-8"];

/// The keys of a search, each of them once however often the command has it. A key is known by
/// its place; those within others come before them.
#[derive(Debug)]
pub(super) struct Keys {
    keys: Vec<Key>,
    costs: Vec<Cost>,
    pub(super) seq_sets: Vec<SeqSet>,
    pub(super) uid_sets: Vec<UidSet>,
    pub(super) keywords: Vec<mail::Keyword>,
    pub(super) fields: Vec<SearchedField>,
    pub(super) needles: Vec<Needle>,
    /// The names of all fields.
    pub(super) names: Names,
}

/// A search key, ready to be evaluated. What may be large is a place in [`Keys`]: equal keys have
/// equal places.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Key {
    All,
    Sequence(usize),
    Uid(usize),
    System(SystemFlags),
    Keyword(usize),
    Recent,
    ModSeq(ModSeq),
    Larger(u64),
    Smaller(u64),
    Internal(DateOrder, Day),
    /// INTERNALDATE is this second or before, or this one or after.
    InternalUntil(i64),
    InternalFrom(i64),
    /// By the date on which it came into the mailbox.
    Saved(DateOrder, Day),
    /// By the Date field.
    Sent(usize, DateOrder, Day),
    /// A needle in a field of that name.
    Field(usize, usize),
    Body(usize),
    Text(usize),
    Not(usize),
    /// All must hold, in the order of their cost.
    And(Box<[usize]>),
    /// One must hold, in the order of their cost.
    Or(Box<[usize]>),
}

/// A header field that is looked in.
#[derive(Debug)]
pub(super) struct SearchedField {
    pub(super) name: String,
    /// What it is called in the mailbox's cache.
    pub(super) kind: CacheKind,
}

/// What must be read to evaluate a key; later is dearer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cost {
    /// Nothing.
    Memory,
    /// The file's name and attributes.
    Attributes,
    /// The Date field of the header, which is read once for good.
    SentDate,
    Header,
    File,
}

/// Why keys cannot be evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Uncompiled {
    BadCharset,
    TooDeep,
}

/// What is known of the keys for one message. It outlives a piece of work: what was evaluated
/// is not evaluated again.
#[derive(Debug)]
pub(super) struct Known {
    truths: Vec<Option<bool>>,
}

impl Keys {
    /// Deepest nesting of keys (levels): evaluation recurses.
    const DEPTH_MAX: usize = 200;

    /// The command's keys. `last` is the last message of the view: what `*` means. `now` is in
    /// seconds since 1970.
    pub(super) fn compile(
        command: &Search,
        last: Option<(SeqNum, Uid)>,
        now: i64,
    ) -> Result<Self, Uncompiled> {
        let charset = command.charset.as_deref().unwrap_or("UTF-8");
        if !charset::is_known(charset) {
            return Err(Uncompiled::BadCharset);
        }
        let mut compiler = Compiler { charset, last, now, ..Compiler::default() };
        // The last key is the whole.
        let root = compiler.all(&command.keys, 0)?;
        let mut keys = compiler.keys.values;
        keys.truncate(root + 1);
        let names = Names::new(compiler.fields.values.iter().map(String::as_str));
        let field = |name: String| SearchedField {
            kind: header_fields::kind(false, std::slice::from_ref(&name)),
            name,
        };
        Ok(Self {
            keys,
            costs: compiler.costs,
            seq_sets: compiler.seq_sets.values,
            uid_sets: compiler.uid_sets.values,
            keywords: compiler.keywords.into_iter().map(|(_, keyword)| keyword).collect(),
            fields: compiler.fields.values.into_iter().map(field).collect(),
            needles: compiler.needles.values.iter().map(|text| Needle::new(text)).collect(),
            names,
        })
    }

    /// What must be read for the whole, at worst.
    pub(super) fn cost(&self) -> Cost {
        self.costs.get(self.root()).copied().unwrap_or(Cost::Memory)
    }

    /// Whether MODSEQ is among the keys: the answer tells it then.
    pub(super) fn has_modseq(&self) -> bool {
        self.keys.iter().any(|key| matches!(key, Key::ModSeq(_)))
    }

    /// Of a message of which nothing is known yet.
    pub(super) fn known_of_none(&self) -> Known {
        Known { truths: vec![None; self.keys.len()] }
    }

    /// Whether the whole is true of a message. `leaf` evaluates keys that have no others within,
    /// each at most once; what it fails with ends the evaluation, which can be taken up again
    /// with the same `known`.
    pub(super) fn hold<E>(
        &self,
        known: &mut Known,
        leaf: &mut dyn FnMut(&Key, Cost) -> Result<bool, E>,
    ) -> Result<bool, E> {
        self.holds(self.root(), known, leaf)
    }

    fn root(&self) -> usize {
        self.keys.len().saturating_sub(1)
    }

    /// Recurses as deep as the keys are nested, which the compiler caps.
    fn holds<E>(
        &self,
        place: usize,
        known: &mut Known,
        leaf: &mut dyn FnMut(&Key, Cost) -> Result<bool, E>,
    ) -> Result<bool, E> {
        if let Some(truth) = known.truths[place] {
            return Ok(truth);
        }
        let truth = match &self.keys[place] {
            Key::Not(key) => !self.holds(*key, known, leaf)?,
            Key::And(keys) => self.first_that(keys, false, known, leaf)?,
            Key::Or(keys) => self.first_that(keys, true, known, leaf)?,
            key => leaf(key, self.costs[place])?,
        };
        known.truths[place] = Some(truth);
        Ok(truth)
    }

    /// `value` if a key has it, else the other: the one loop of AND and OR.
    fn first_that<E>(
        &self,
        keys: &[usize],
        value: bool,
        known: &mut Known,
        leaf: &mut dyn FnMut(&Key, Cost) -> Result<bool, E>,
    ) -> Result<bool, E> {
        for key in keys {
            if self.holds(*key, known, leaf)? == value {
                return Ok(value);
            }
        }
        Ok(!value)
    }
}

impl Known {
    /// Goes on to the next message.
    pub(super) fn forget(&mut self) {
        self.truths.fill(None);
    }
}

/// Values that are kept once each, known by their place. What they are the client chooses: by a
/// keyed hash.
#[derive(Debug)]
struct Once<T> {
    places: HashMap<T, usize>,
    values: Vec<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Once<T> {
    fn place(&mut self, value: T) -> usize {
        *self.places.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() - 1
        })
    }
}

#[derive(Default)]
struct Compiler<'a> {
    charset: &'a str,
    last: Option<(SeqNum, Uid)>,
    now: i64,
    keys: Once<Key>,
    costs: Vec<Cost>,
    seq_sets: Once<SeqSet>,
    uid_sets: Once<UidSet>,
    /// By their names in lower case.
    keywords: Vec<(String, mail::Keyword)>,
    /// Names in lower case.
    fields: Once<String>,
    needles: Once<String>,
}

impl Compiler<'_> {
    fn all(&mut self, keys: &[SearchKey], depth: usize) -> Result<usize, Uncompiled> {
        let keys = keys.iter().map(|key| self.key(key, depth)).collect::<Result<Vec<_>, _>>()?;
        let keys = self.sorted(keys);
        Ok(self.add(Key::And(keys)))
    }

    fn key(&mut self, key: &SearchKey, depth: usize) -> Result<usize, Uncompiled> {
        if depth >= Keys::DEPTH_MAX {
            return Err(Uncompiled::TooDeep);
        }
        let depth = depth + 1;
        let key = match key {
            SearchKey::All => Key::All,
            SearchKey::System(flags, set) => return Ok(self.set_or_not(Key::System(*flags), *set)),
            SearchKey::Keyword(keyword, set) => {
                let keyword = self.keyword(keyword);
                return Ok(self.set_or_not(keyword, *set));
            }
            SearchKey::New => {
                let unseen = self.set_or_not(Key::System(SystemFlags::SEEN), false);
                Key::And([self.add(Key::Recent), unseen].into())
            }
            SearchKey::Old => return Ok(self.set_or_not(Key::Recent, false)),
            SearchKey::Recent => Key::Recent,
            SearchKey::Date { which: SearchDate::Internal, order, day } => Key::Internal(*order, *day),
            SearchKey::Date { which: SearchDate::Saved, order, day } => Key::Saved(*order, *day),
            SearchKey::Date { which: SearchDate::Sent, order, day } => {
                Key::Sent(self.field("Date"), *order, *day)
            }
            SearchKey::Older(seconds) => Key::InternalUntil(self.now - i64::from(*seconds)),
            SearchKey::Younger(seconds) => Key::InternalFrom(self.now - i64::from(*seconds)),
            SearchKey::Larger(octets) => Key::Larger(*octets),
            SearchKey::Smaller(octets) => Key::Smaller(*octets),
            SearchKey::Header { field, text } => Key::Field(self.field(field), self.needle(text)?),
            SearchKey::Body(text) => Key::Body(self.needle(text)?),
            SearchKey::Text(text) => Key::Text(self.needle(text)?),
            SearchKey::Uid(set) => {
                let last = self.last.map(|(_, uid)| uid);
                Key::Uid(self.uid_sets.place(set.resolve(last)))
            }
            // Numbers beyond the view name nothing; other servers answer likewise.
            SearchKey::Sequence(set) => {
                let last = self.last.map(|(number, _)| number);
                Key::Sequence(self.seq_sets.place(set.resolve(last)))
            }
            SearchKey::Not(key) => {
                let key = self.key(key, depth)?;
                return Ok(self.not(key));
            }
            SearchKey::Or(a, b) => {
                let keys = vec![self.key(a, depth)?, self.key(b, depth)?];
                Key::Or(self.sorted(keys))
            }
            SearchKey::And(keys) => return self.all(keys, depth),
            SearchKey::ModSeq(modseq) => Key::ModSeq(*modseq),
        };
        Ok(self.add(key))
    }

    /// The place of a key: that of its equal, if there is one. A key of one is that one.
    fn add(&mut self, key: Key) -> usize {
        if let Key::And(keys) | Key::Or(keys) = &key
            && let [only] = **keys
        {
            return only;
        }
        let cost = match &key {
            Key::Larger(_)
            | Key::Smaller(_)
            | Key::Internal(..)
            | Key::InternalUntil(_)
            | Key::InternalFrom(_)
            | Key::Saved(..) => Cost::Attributes,
            Key::Sent(..) => Cost::SentDate,
            Key::Field(..) => Cost::Header,
            Key::Body(_) | Key::Text(_) => Cost::File,
            Key::Not(key) => self.costs[*key],
            // Sorted: the last is the dearest.
            Key::And(keys) | Key::Or(keys) => keys.last().map_or(Cost::Memory, |key| self.costs[*key]),
            _ => Cost::Memory,
        };
        let place = self.keys.place(key);
        if place == self.costs.len() {
            self.costs.push(cost);
        }
        place
    }

    fn set_or_not(&mut self, key: Key, set: bool) -> usize {
        let key = self.add(key);
        if set { key } else { self.not(key) }
    }

    fn not(&mut self, key: usize) -> usize {
        match self.keys.values[key] {
            Key::Not(inner) => inner,
            _ => self.add(Key::Not(key)),
        }
    }

    /// Each once, cheap ones first; the client's order among those of one cost.
    fn sorted(&self, mut keys: Vec<usize>) -> Box<[usize]> {
        let mut known = std::collections::HashSet::new();
        keys.retain(|key| known.insert(*key));
        keys.sort_by_key(|key| self.costs[*key]);
        keys.into()
    }

    fn keyword(&mut self, keyword: &mail::Keyword) -> Key {
        let lower = keyword.as_str().to_ascii_lowercase();
        let known = self.keywords.iter().position(|(name, _)| *name == lower);
        Key::Keyword(known.unwrap_or_else(|| {
            self.keywords.push((lower, keyword.clone()));
            self.keywords.len() - 1
        }))
    }

    fn field(&mut self, name: &str) -> usize {
        self.fields.place(name.to_ascii_lowercase())
    }

    fn needle(&mut self, text: &[u8]) -> Result<usize, Uncompiled> {
        let text = charset::decode(self.charset, text).ok_or(Uncompiled::BadCharset)?;
        Ok(self.needles.place(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::{Command, Decoder, Event};

    const SEEN: &str = "System({\"\\\\Seen\"})";

    fn compiled(keys: &str) -> Keys {
        let settings = tempfile::tempdir().map(|root| crate::testing::Site::new(root.path()).settings);
        let mut decoder = Decoder::new(settings.expect("a site").limits);
        decoder.feed(format!("a SEARCH {keys}\r\n").as_bytes());
        let Some(Ok(Event::Request(request))) = decoder.next() else { panic!("{keys}") };
        let Command::Search(search) = request.command else { panic!("{keys}") };
        Keys::compile(&search, None, crate::testing::START).expect("keys")
    }

    /// Which keys are evaluated of a message of which none is true, in order.
    fn evaluated(keys: &Keys) -> Vec<String> {
        let mut all = Vec::new();
        let mut leaf = |key: &Key, _: Cost| -> Result<bool, ()> {
            all.push(format!("{key:?}"));
            Ok(false)
        };
        assert!(keys.hold(&mut keys.known_of_none(), &mut leaf).is_ok());
        all
    }

    #[test]
    fn security_27_equal_keys_are_one_and_evaluated_once() {
        for (keys, expected) in [
            ("OR NEW NEW ".repeat(300), &["Recent"][..]),
            ("NOT TO x ".repeat(490), &["Field(0, 0)"]),
            ("OR TEXT a OR TEXT a TEXT a".to_owned(), &["Text(0)"]),
            ("OR (SEEN HEADER to x) (HEADER TO x SEEN)".to_owned(), &[SEEN]),
            ("NOT NOT NOT SEEN NOT SEEN".to_owned(), &[SEEN]),
            ("OR KEYWORD Work KEYWORD work".to_owned(), &["Keyword(0)"]),
            ("OR UID 1,2,3 UID 1:3".to_owned(), &["Uid(0)"]),
            (
                "OR SENTON 1-Jan-2024 SENTSINCE 1-Jan-2024".to_owned(),
                &["Sent(0, On, Day(19723))", "Sent(0, Since, Day(19723))"],
            ),
        ] {
            assert_eq!(evaluated(&compiled(&keys)), expected, "{}", &keys[..keys.len().min(50)]);
        }
    }

    #[test]
    fn what_is_cheap_is_evaluated_first() {
        let keys = compiled("OR BODY a OR SUBJECT a OR SENTON 1-Jan-2024 OR LARGER 9 SEEN");
        assert_eq!(keys.cost(), Cost::File);
        assert_eq!(
            evaluated(&keys),
            [SEEN, "Larger(9)", "Sent(1, On, Day(19723))", "Field(0, 0)", "Body(0)"]
        );
    }

    #[test]
    fn an_evaluation_goes_on_where_it_stopped() {
        let keys = compiled("NOT FROM a NOT FROM b NOT FROM c");
        let (mut known, mut evaluated, mut stops) = (keys.known_of_none(), 0, 0);
        let found = loop {
            let mut in_piece = 0;
            let outcome = keys.hold(&mut known, &mut |_, _| {
                if in_piece == 1 {
                    return Err(());
                }
                in_piece += 1;
                evaluated += 1;
                Ok(false)
            });
            match outcome {
                Ok(found) => break found,
                Err(()) => stops += 1,
            }
        };
        assert_eq!((found, evaluated, stops), (true, 3, 2));
    }
}
