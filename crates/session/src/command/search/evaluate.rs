//! Search keys against one message. What must be read is read when a key first needs it, and
//! once.

use super::key::{Key, SearchedField};
use crate::command::header_fields;
use crate::command::pace::Pace;
use crate::view::View;
use codec::command::DateOrder;
use mail::crlf::{self, ToWire};
use mail::date::{DateTime, Day};
use mail::header::Header;
use mail::mime::Structure;
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
    header: Option<Vec<u8>>,
    /// All of it, with its structure.
    whole: Option<(Vec<u8>, Structure)>,
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
    /// Longest header that is read by itself (bytes): past it all of the file is.
    const HEADER_MAX: usize = 1024 * 1024;

    pub(super) fn new(
        number: SeqNum,
        row: Row<'a>,
        view: &'a View,
        pass: &'a mut Pass,
        pace: &'a mut Pace,
    ) -> Self {
        Self { number, row, view, pass, pace, file: None, header: None, whole: None }
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
            Key::Field(field, needle) => needle.is_in_field(&self.field(field)?, &field.name),
            Key::Body(needle) => {
                let (bytes, structure) = self.whole()?;
                needle.is_in_body(bytes, structure)
            }
            Key::Text(needle) => {
                let (bytes, structure) = self.whole()?;
                needle.is_in_header(bytes) || needle.is_in_body(bytes, structure)
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
        let header = self.field(field)?;
        let date = Header::of(&header).first("Date");
        let date = date.and_then(|field| DateTime::parse_header(&field.unfolded()));
        Ok(date.map_or_else(|| Day::of_unix(0), DateTime::local_day))
    }

    /// The fields of a name: a part of the header that is kept when it was picked once.
    fn field(&mut self, field: &SearchedField) -> Result<Vec<u8>, Unknown> {
        if self.whole.is_none()
            && self.header.is_none()
            && let Some(kept) = self.pass.cached(self.row.uid(), field.kind)
        {
            return Ok(kept.to_vec());
        }
        let names = std::slice::from_ref(&field.name);
        let mut picked = Vec::new();
        let on_disk = header_fields::pick(Header::of(self.header()?).bytes(), false, names);
        ToWire::new().convert(&on_disk, &mut picked);
        header_fields::keep(self.pass, self.row.uid(), field.kind, &picked);
        Ok(picked)
    }

    /// Bytes that begin with the header.
    fn header(&mut self) -> Result<&[u8], Unknown> {
        if self.whole.is_none() && self.header.is_none() {
            let file = self.file()?;
            let mut bytes = file.read_header(Self::HEADER_MAX)?;
            if bytes.len() >= Self::HEADER_MAX {
                bytes = file.read_all()?;
            }
            self.pace.parse(bytes.len());
            self.header = Some(bytes);
        }
        let whole = self.whole.as_ref().map(|(bytes, _)| bytes);
        Ok(whole.or(self.header.as_ref()).map_or(&[], Vec::as_slice))
    }

    fn whole(&mut self) -> Result<(&[u8], &Structure), Unknown> {
        if self.whole.is_none() {
            let bytes = self.file()?.read_all()?;
            self.pace.parse(bytes.len());
            self.pass.counted(self.row.uid(), crlf::octets(&bytes, false));
            let structure = Structure::of(&bytes);
            self.whole = Some((bytes, structure));
        }
        match &self.whole {
            Some((bytes, structure)) => Ok((bytes, structure)),
            None => Err(Unknown::Gone),
        }
    }

    fn file(&mut self) -> Result<&MessageFile, Unknown> {
        if self.file.is_none() {
            self.pace.file();
            self.file = self.pass.open(self.row.uid())?;
        }
        self.file.as_ref().ok_or(Unknown::Gone)
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
