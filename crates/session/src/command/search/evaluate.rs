//! Search keys against one message. What must be read is read when a key first needs it, and
//! once.

use super::key::{Key, SearchedField};
use crate::command::header_fields;
use crate::command::pace::Pace;
use crate::view::View;
use codec::command::DateOrder;
use mail::crlf::{self, ToWire};
use mail::date::{DateTime, Day};
use mail::header::{Header, first_in};
use mail::mime::Structure;
use mail::source::Source;
use mail::{SeqNum, Uid};
use store::{MessageFile, Pass, Row};

/// A message that may be found.
pub(super) struct Candidate<'a> {
    number: SeqNum,
    row: Row<'a>,
    view: &'a View,
    pass: &'a mut Pass,
    pace: &'a mut Pace,
    file: Option<MessageFile>,
    /// What lies at the file's beginning: its header, unless that is longer.
    start: Option<Vec<u8>>,
    outline: Option<Structure>,
}

/// Whether it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Found,
    NotFound,
}

/// Why a key has no truth value.
enum Unknown {
    /// The message is gone: then no key is true of it, nor its contrary.
    Gone,
    Failed(store::Error),
}

impl From<store::Error> for Unknown {
    fn from(error: store::Error) -> Self {
        Self::Failed(error)
    }
}

type Truth = Result<bool, Unknown>;

impl<'a> Candidate<'a> {
    /// Longest part of a file that is kept in memory while it is searched (bytes): the header,
    /// or all of it. What is longer is read again, a window at a time, for each key.
    const KEPT_MAX: usize = 1024 * 1024;

    pub(super) fn new(
        number: SeqNum,
        row: Row<'a>,
        view: &'a View,
        pass: &'a mut Pass,
        pace: &'a mut Pace,
    ) -> Self {
        Self { number, row, view, pass, pace, file: None, start: None, outline: None }
    }

    /// Whether `key` is true of the message.
    pub(super) fn evaluate(mut self, key: &Key) -> store::Result<Verdict> {
        match self.holds(key) {
            Ok(true) => Ok(Verdict::Found),
            Ok(false) | Err(Unknown::Gone) => Ok(Verdict::NotFound),
            Err(Unknown::Failed(error)) => Err(error),
        }
    }

    /// Recurses as deep as the key is nested, which its compiler caps.
    fn holds(&mut self, key: &Key) -> Truth {
        Ok(match key {
            Key::Larger(octets) => self.size()? > *octets,
            Key::Smaller(octets) => self.size()? < *octets,
            Key::Internal(order, day) => compare(self.internal_day()?, *order, *day),
            Key::Sent(field, order, day) => compare(self.sent_day(field)?, *order, *day),
            Key::Field(field, needle) => match self.field(field)? {
                Some(picked) => needle.is_in_field(&Text::Kept(&picked), &field.name)?,
                None => needle.is_in_field(self.file()?, &field.name)?,
            },
            Key::Body(needle) => {
                let (text, outline) = self.text()?;
                needle.is_in_body(&text, outline)?
            }
            Key::Text(needle) => {
                let (text, outline) = self.text()?;
                needle.is_in_header(&text)? || needle.is_in_body(&text, outline)?
            }
            Key::Not(key) => !self.holds(key)?,
            Key::And(keys) => self.first_that(keys, false)?,
            Key::Or(keys) => self.first_that(keys, true)?,
            _ => holds_in_memory(key, self.number, self.row, self.view),
        })
    }

    /// `value` if a key has it, else the other: the one loop of AND and OR.
    fn first_that(&mut self, keys: &[Key], value: bool) -> Truth {
        for key in keys {
            if self.holds(key)? == value {
                return Ok(value);
            }
        }
        Ok(!value)
    }

    fn size(&mut self) -> Result<u64, Unknown> {
        self.pace.row();
        self.pass.size(self.row.uid())?.ok_or(Unknown::Gone)
    }

    /// INTERNALDATE's day, in the zone in which FETCH tells it: UTC.
    fn internal_day(&mut self) -> Result<Day, Unknown> {
        let unix = self.pass.internal_date(self.row.uid())?.ok_or(Unknown::Gone)?;
        Ok(Day::of_unix(unix))
    }

    /// The Date field's day. Without one that can be read it is the first day of 1970, as with
    /// Dovecot: whoever looks for old mail finds it.
    fn sent_day(&mut self, field: &SearchedField) -> Result<Day, Unknown> {
        const DATE_MAX: usize = 1_000;
        let date = match self.field(field)? {
            Some(picked) => Header::of(&picked).first("Date").map(|field| field.unfolded()),
            None => first_in(self.file()?, "Date", DATE_MAX)?,
        };
        let date = date.and_then(|value| DateTime::parse_header(&value));
        Ok(date.map_or_else(|| Day::of_unix(0), DateTime::local_day))
    }

    /// The fields of a name: a part of the header that is kept when it was picked once. `None`
    /// when the header is too long to be kept in memory.
    fn field(&mut self, field: &SearchedField) -> Result<Option<Vec<u8>>, Unknown> {
        if self.start.is_none()
            && let Some(kept) = self.pass.cached(self.row.uid(), field.kind)
        {
            return Ok(Some(kept.to_vec()));
        }
        let size = self.file()?.size();
        let header = Header::of(self.start()?).bytes();
        if header.len() >= Self::KEPT_MAX && size > header.len() as u64 {
            return Ok(None);
        }
        let names = std::slice::from_ref(&field.name);
        let mut picked = Vec::new();
        ToWire::new().convert(&header_fields::pick(header, false, names), &mut picked);
        header_fields::keep(self.pass, self.row.uid(), field.kind, &picked);
        Ok(Some(picked))
    }

    /// Bytes that begin with the header, or the first [`Candidate::KEPT_MAX`] of it.
    fn start(&mut self) -> Result<&[u8], Unknown> {
        if self.start.is_none() {
            let bytes = self.file()?.read_header(Self::KEPT_MAX)?;
            self.pace.parse(bytes.len());
            self.start = Some(bytes);
        }
        Ok(self.start.as_deref().unwrap_or_default())
    }

    /// All of the message, and where its parts are.
    fn text(&mut self) -> Result<(Text<'_>, &Structure), Unknown> {
        let size = self.file()?.size();
        let is_short = size <= Self::KEPT_MAX as u64;
        if is_short && self.start.as_ref().is_none_or(|start| (start.len() as u64) < size) {
            let bytes = self.file()?.read_all()?;
            self.pass.counted(self.row.uid(), crlf::octets(&bytes, false));
            self.start = Some(bytes);
        }
        self.pace.parse(usize::try_from(size).unwrap_or(usize::MAX));
        let (Some(file), start) = (&self.file, self.start.as_deref()) else { return Err(Unknown::Gone) };
        let text = start.filter(|_| is_short).map_or(Text::InFile(file), Text::Kept);
        let outline = match &mut self.outline {
            Some(outline) => outline,
            none => none.insert(Structure::outline(&text)?),
        };
        Ok((text, outline))
    }

    fn file(&mut self) -> Result<&MessageFile, Unknown> {
        if self.file.is_none() {
            self.pace.file();
            self.file = self.pass.open(self.row.uid())?;
        }
        self.file.as_ref().ok_or(Unknown::Gone)
    }
}

/// What is searched: in memory, or read window by window.
enum Text<'a> {
    Kept(&'a [u8]),
    InFile(&'a MessageFile),
}

impl Source for Text<'_> {
    type Error = store::Error;

    fn size(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::InFile(file) => file.size(),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> store::Result<usize> {
        match self {
            Self::Kept(bytes) => {
                let Ok(count) = bytes.read_at(buffer, offset);
                Ok(count)
            }
            Self::InFile(file) => file.read_at(buffer, offset),
        }
    }

    fn in_memory(&self) -> Option<&[u8]> {
        match self {
            Self::Kept(bytes) => Some(bytes),
            Self::InFile(_) => None,
        }
    }
}

/// Whether a key is true that costs nothing: nothing beyond the snapshot and the view is needed.
/// Of any other key it is not.
pub(super) fn holds_in_memory(key: &Key, number: SeqNum, row: Row<'_>, view: &View) -> bool {
    let holds = |key| holds_in_memory(key, number, row, view);
    match key {
        Key::All => true,
        // A set of UIDs serves as one of sequence numbers.
        Key::Sequence(set) => Uid::new(number.get()).is_some_and(|number| set.contains(number)),
        Key::Uid(set) => set.contains(row.uid()),
        Key::System(flags) => row.system_flags().contains(*flags),
        Key::Keyword(keyword) => row.keywords().contains(keyword),
        Key::Recent => view.is_recent(row.uid()),
        Key::ModSeq(modseq) => row.modseq() >= *modseq,
        Key::Not(key) => !holds(key),
        Key::And(keys) => keys.iter().all(holds),
        Key::Or(keys) => keys.iter().any(holds),
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
