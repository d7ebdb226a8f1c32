//! Search keys against one message. What must be read is read when a key first needs it, and
//! once for all keys; only of long messages it is read for each.

use super::key::{Cost, Key, Keys, Known};
use crate::command::messages::header_fields::{self, Index};
use crate::command::shared::pace::Pace;
use crate::view::View;
use codec::command::DateOrder;
use mail::crlf::{self, ToWire};
use mail::date::{DateTime, Day};
use mail::header::{Header, first_in};
use mail::mime::{Part, Structure};
use mail::search::FieldTexts;
use mail::source::Source;
use mail::{SeqNum, Uid};
use std::cell::Cell;
use store::{MessageFile, Pass, Row, SaveDate, SentDate};

/// A message that may be found, with what is known of it. It outlives a piece of work: a client
/// may have many keys, and a sender a long message.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its place among the messages that are searched.
    pub(super) place: usize,
    known: Known,
    content: Content,
}

/// What was read of a message.
#[derive(Debug, Default)]
struct Content {
    file: Option<MessageFile>,
    /// What lies at the file's beginning: its header, unless that is longer, or all of it.
    start: Option<Vec<u8>>,
    /// Of the header, if it is all in `start`.
    index: Option<Index>,
    outline: Option<Structure>,
    /// By their place in [`Keys::fields`].
    fields: Vec<Option<Field>>,
}

/// The fields of a name in a message.
#[derive(Debug)]
struct Field {
    octets: Vec<u8>,
    /// Decoded, once a needle is looked for.
    texts: Option<FieldTexts>,
}

/// Whether a message is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Found,
    NotFound,
    /// The piece of work is spent: [`Candidate::evaluate`] goes on in the next.
    Later,
}

/// What a message is evaluated with.
pub(super) struct Means<'a> {
    pub(super) keys: &'a Keys,
    pub(super) view: &'a View,
    pub(super) pass: &'a mut Pass,
    pub(super) pace: &'a mut Pace,
}

/// Why a key has no truth value.
enum Unknown {
    /// The message is gone: then no key is true of it, nor its contrary.
    Gone,
    /// The piece of work is spent.
    Later,
    Failed(store::Error),
}

impl From<store::Error> for Unknown {
    fn from(error: store::Error) -> Self {
        Self::Failed(error)
    }
}

type Truth = Result<bool, Unknown>;

impl Candidate {
    /// More than this is not held from one piece of work to the next (bytes), but read again:
    /// many searches wait for their turn at once.
    const HELD_MAX: usize = 4 * 1024 * 1024;

    pub(super) fn new(place: usize, keys: &Keys) -> Self {
        Self { place, known: keys.known_of_none(), content: Content::default() }
    }

    /// Another message in its place.
    pub(super) fn begin(&mut self, place: usize) {
        self.place = place;
        self.known.forget();
        self.content = Content::default();
    }

    /// Whether the keys are true of the message; [`Verdict::Later`] when the piece is spent first.
    pub(super) fn evaluate(
        &mut self,
        number: SeqNum,
        row: Row<'_>,
        means: &mut Means<'_>,
    ) -> store::Result<Verdict> {
        let (content, keys) = (&mut self.content, means.keys);
        let truth = keys.hold(&mut self.known, &mut |key, cost| {
            if cost == Cost::Memory {
                means.pace.key();
                return Ok(holds_in_memory(key, keys, number, row, means.view));
            }
            if means.pace.is_spent() {
                return Err(Unknown::Later);
            }
            content.holds(key, row.uid(), means)
        });
        match truth {
            Ok(true) => Ok(Verdict::Found),
            Ok(false) | Err(Unknown::Gone) => Ok(Verdict::NotFound),
            Err(Unknown::Later) => {
                if self.content.bytes() > Self::HELD_MAX {
                    self.content = Content::default();
                }
                Ok(Verdict::Later)
            }
            Err(Unknown::Failed(error)) => Err(error),
        }
    }
}

impl Content {
    /// Longest part of a file that is kept in memory while it is searched (bytes): the header,
    /// or all of it. What is longer is read again, a window at a time, for each key.
    const KEPT_MAX: usize = 1024 * 1024;

    /// Bytes held.
    fn bytes(&self) -> usize {
        let fields = self.fields.iter().flatten();
        let fields = fields.map(|field| field.octets.len() + field.texts.as_ref().map_or(0, FieldTexts::len));
        self.start.as_ref().map_or(0, Vec::len)
            + self.outline.as_ref().map_or(0, |outline| outline.parts.len() * size_of::<Part>())
            + fields.sum::<usize>()
    }

    /// Whether a key is true that something must be read for.
    fn holds(&mut self, key: &Key, uid: Uid, means: &mut Means<'_>) -> Truth {
        let keys = means.keys;
        Ok(match key {
            Key::Larger(octets) => size(uid, means)? > *octets,
            Key::Smaller(octets) => size(uid, means)? < *octets,
            Key::Internal(order, day) => {
                // In the zone in which FETCH tells it: UTC.
                compare(Day::of_unix(internal_date(uid, means)?), *order, *day)
            }
            Key::Saved(order, day) => compare(Day::of_unix(save_date(uid, means)?), *order, *day),
            Key::InternalUntil(until) => internal_date(uid, means)? <= *until,
            Key::InternalFrom(from) => internal_date(uid, means)? >= *from,
            Key::Sent(field, order, day) => compare(self.sent_day(*field, uid, means)?, *order, *day),
            Key::Field(field, needle) => {
                let (name, needle) = (&keys.fields[*field].name, &keys.needles[*needle]);
                match self.field(*field, uid, means)? {
                    Some(Field { octets, texts }) => {
                        let texts = texts.get_or_insert_with(|| {
                            means.pace.parse(octets.len());
                            FieldTexts::of(octets, name)
                        });
                        means.pace.search(texts.len());
                        needle.is_in_field_texts(texts)
                    }
                    None => {
                        let text = Text::of_file(self.file(uid, means)?);
                        let is_found = needle.is_in_field(&text, name)?;
                        means.pace.parse(text.looked_at());
                        is_found
                    }
                }
            }
            Key::Body(needle) => {
                let (text, outline) = self.text(uid, means)?;
                let is_found = keys.needles[*needle].is_in_body(&text, outline)?;
                means.pace.parse(text.looked_at());
                is_found
            }
            Key::Text(needle) => {
                let (text, outline) = self.text(uid, means)?;
                let needle = &keys.needles[*needle];
                let is_found = needle.is_in_header(&text)? || needle.is_in_body(&text, outline)?;
                means.pace.parse(text.looked_at());
                is_found
            }
            _ => false,
        })
    }

    /// The Date field's day. Without one that can be read it is the first day of 1970, as with
    /// Dovecot: whoever looks for old mail finds it.
    fn sent_day(&mut self, field: usize, uid: Uid, means: &mut Means<'_>) -> Result<Day, Unknown> {
        means.pace.row();
        let date = match means.pass.sent_date(uid) {
            SentDate::At(date) => Some(date),
            SentDate::None => None,
            SentDate::Unknown => {
                let date = self.read_sent_date(field, uid, means)?;
                means.pass.keep_sent_date(uid, date);
                date
            }
        };
        Ok(date.map_or_else(|| Day::of_unix(0), DateTime::local_day))
    }

    fn read_sent_date(
        &mut self,
        field: usize,
        uid: Uid,
        means: &mut Means<'_>,
    ) -> Result<Option<DateTime>, Unknown> {
        const DATE_MAX: usize = 1_000;
        let date = match self.field(field, uid, means)? {
            Some(Field { octets, .. }) => {
                means.pace.search(octets.len());
                Header::of(octets).first("Date").map(|field| field.unfolded())
            }
            None => {
                let text = Text::of_file(self.file(uid, means)?);
                let date = first_in(&text, "Date", DATE_MAX)?;
                means.pace.parse(text.looked_at());
                date
            }
        };
        Ok(date.and_then(|value| DateTime::parse_header(&value)))
    }

    /// The fields of a name: a part of the header that is kept when it was picked once. `None`
    /// when the header is too long to be kept in memory.
    fn field(
        &mut self,
        place: usize,
        uid: Uid,
        means: &mut Means<'_>,
    ) -> Result<Option<&mut Field>, Unknown> {
        if self.fields.is_empty() {
            self.fields.resize_with(means.keys.fields.len(), || None);
        }
        if self.fields[place].is_none()
            && let Some(octets) = self.pick(place, uid, means)?
        {
            means.pace.read(octets.len());
            self.fields[place] = Some(Field { octets, texts: None });
        }
        Ok(self.fields[place].as_mut())
    }

    fn pick(&mut self, place: usize, uid: Uid, means: &mut Means<'_>) -> Result<Option<Vec<u8>>, Unknown> {
        let searched = &means.keys.fields[place];
        if self.start.is_none()
            && let Some(kept) = means.pass.cached(uid, searched.kind)
        {
            return Ok(Some(kept.to_vec()));
        }
        let size = self.file(uid, means)?.size();
        self.read_start(uid, means)?;
        let start = self.start.as_deref().unwrap_or_default();
        let names = &means.keys.names;
        let index = match &self.index {
            Some(index) => index,
            None => {
                let header = Header::of(start).bytes();
                means.pace.parse(header.len());
                if header.len() >= Self::KEPT_MAX && size > header.len() as u64 {
                    return Ok(None);
                }
                self.index.insert(Index::of(header, names))
            }
        };
        let on_disk = index.pick(start, names, false, std::slice::from_ref(&searched.name));
        let mut picked = Vec::new();
        ToWire::new().convert(&on_disk, &mut picked);
        header_fields::keep(means.pass, uid, searched.kind, &picked);
        Ok(Some(picked))
    }

    /// Reads bytes that begin with the header, or the first [`Content::KEPT_MAX`] of it, unless
    /// they are there.
    fn read_start(&mut self, uid: Uid, means: &mut Means<'_>) -> Result<(), Unknown> {
        if self.start.is_none() {
            let bytes = self.file(uid, means)?.read_header(Self::KEPT_MAX)?;
            means.pace.parse(bytes.len());
            self.start = Some(bytes);
        }
        Ok(())
    }

    /// All of the message, and where its parts are.
    fn text(&mut self, uid: Uid, means: &mut Means<'_>) -> Result<(Text<'_>, &Structure), Unknown> {
        let size = self.file(uid, means)?.size();
        let is_short = size <= Self::KEPT_MAX as u64;
        if is_short && self.start.as_ref().is_none_or(|start| (start.len() as u64) < size) {
            let bytes = self.file(uid, means)?.read_all()?;
            means.pass.counted(uid, crlf::octets(&bytes, false));
            means.pace.parse(bytes.len());
            self.start = Some(bytes);
        }
        let (Some(file), start) = (&self.file, self.start.as_deref()) else { return Err(Unknown::Gone) };
        let text = start.filter(|_| is_short).map_or_else(|| Text::of_file(file), Text::Kept);
        let outline = match &mut self.outline {
            Some(outline) => outline,
            none => none.insert(Structure::outline(&text)?),
        };
        Ok((text, outline))
    }

    fn file(&mut self, uid: Uid, means: &mut Means<'_>) -> Result<&MessageFile, Unknown> {
        if self.file.is_none() {
            means.pace.file();
            self.file = means.pass.open(uid)?;
        }
        self.file.as_ref().ok_or(Unknown::Gone)
    }
}

/// What is searched: in memory, or read window by window.
enum Text<'a> {
    Kept(&'a [u8]),
    InFile {
        file: &'a MessageFile,
        /// Bytes that were read of it, those that were read again included.
        read: Cell<usize>,
    },
}

impl<'a> Text<'a> {
    fn of_file(file: &'a MessageFile) -> Self {
        Self::InFile { file, read: Cell::new(0) }
    }

    /// Bytes that were looked at, at most.
    fn looked_at(&self) -> usize {
        match self {
            Self::Kept(bytes) => bytes.len(),
            Self::InFile { read, .. } => read.get(),
        }
    }
}

impl Source for Text<'_> {
    type Error = store::Error;

    fn size(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::InFile { file, .. } => file.size(),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> store::Result<usize> {
        match self {
            Self::Kept(bytes) => {
                let Ok(count) = bytes.read_at(buffer, offset);
                Ok(count)
            }
            Self::InFile { file, read } => {
                let count = file.read_at(buffer, offset)?;
                read.set(read.get() + count);
                Ok(count)
            }
        }
    }

    fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Self::Kept(bytes) => Some(bytes),
            Self::InFile { .. } => None,
        }
    }
}

fn size(uid: Uid, means: &mut Means<'_>) -> Result<u64, Unknown> {
    means.pace.row();
    means.pass.size(uid)?.ok_or(Unknown::Gone)
}

fn internal_date(uid: Uid, means: &mut Means<'_>) -> Result<i64, Unknown> {
    means.pace.row();
    means.pass.internal_date(uid)?.ok_or(Unknown::Gone)
}

/// Where it is not known, INTERNALDATE stands for it (RFC 8514 section 4.3).
fn save_date(uid: Uid, means: &mut Means<'_>) -> Result<i64, Unknown> {
    match means.pass.save_date(uid) {
        Some(SaveDate::At(unix)) => Ok(unix),
        Some(SaveDate::Unknown) => internal_date(uid, means),
        None => Err(Unknown::Gone),
    }
}

/// Whether a key is true that costs nothing: nothing beyond the snapshot and the view is needed.
/// Of any other key it is not.
pub(super) fn holds_in_memory(key: &Key, keys: &Keys, number: SeqNum, row: Row<'_>, view: &View) -> bool {
    match key {
        Key::All => true,
        Key::Sequence(set) => keys.seq_sets[*set].contains(number),
        Key::Uid(set) => keys.uid_sets[*set].contains(row.uid()),
        Key::System(flags) => row.system_flags().contains(*flags),
        Key::Keyword(keyword) => row.keywords().contains(&keys.keywords[*keyword]),
        Key::Recent => view.is_recent(row.uid()),
        Key::ModSeq(modseq) => row.modseq() >= *modseq,
        _ => false,
    }
}

fn compare(day: Day, order: DateOrder, with: Day) -> bool {
    match order {
        DateOrder::Before => day < with,
        DateOrder::On => day == with,
        DateOrder::Since => day >= with,
    }
}
