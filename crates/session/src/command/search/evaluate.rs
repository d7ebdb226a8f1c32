//! Search keys against one message. What must be read is read when a key first needs it, and
//! once for all keys.

use super::key::{Cost, Key, Keys, Known};
use crate::command::header_fields::{self, Index};
use crate::command::pace::Pace;
use crate::view::View;
use codec::command::DateOrder;
use mail::crlf::ToWire;
use mail::date::{DateTime, Day};
use mail::header::Header;
use mail::mime::Structure;
use mail::search::FieldText;
use mail::{SeqNum, Uid};
use store::{MessageFile, Pass, Row};

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
    /// Bytes that begin with the header.
    header: Option<Vec<u8>>,
    /// Of the header, or of the whole.
    index: Option<Index>,
    /// All of it, with its structure.
    whole: Option<(Vec<u8>, Structure)>,
    /// By their place in [`Keys::fields`].
    fields: Vec<Option<Field>>,
}

/// The fields of a name in a message.
#[derive(Debug)]
struct Field {
    octets: Vec<u8>,
    /// Decoded, once a needle is looked for.
    text: Option<FieldText>,
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
    /// Longest header that is read by itself (bytes): past it all of the file is.
    const HEADER_MAX: usize = 1024 * 1024;

    /// Bytes held.
    fn bytes(&self) -> usize {
        let fields = self.fields.iter().flatten();
        let fields = fields.map(|field| field.octets.len() + field.text.as_ref().map_or(0, FieldText::len));
        self.header.as_ref().map_or(0, Vec::len)
            + self.whole.as_ref().map_or(0, |(bytes, _)| bytes.len())
            + fields.sum::<usize>()
    }

    /// Whether a key is true that something must be read for.
    fn holds(&mut self, key: &Key, uid: Uid, means: &mut Means<'_>) -> Truth {
        let keys = means.keys;
        Ok(match key {
            Key::Larger(octets) => size(uid, means)? > *octets,
            Key::Smaller(octets) => size(uid, means)? < *octets,
            Key::Internal(order, day) => compare(internal_day(uid, means)?, *order, *day),
            Key::Sent(field, order, day) => compare(self.sent_day(*field, uid, means)?, *order, *day),
            Key::Field(field, needle) => {
                let name = &keys.fields[*field].name;
                let field = self.field(*field, uid, means)?;
                let text = field.text.get_or_insert_with(|| FieldText::of(&field.octets, name));
                means.pace.search(text.len());
                keys.needles[*needle].is_in_field_text(text)
            }
            Key::Body(needle) => {
                let (bytes, structure) = self.whole(uid, means)?;
                means.pace.parse(bytes.len());
                keys.needles[*needle].is_in_body(bytes, structure)
            }
            Key::Text(needle) => {
                let (bytes, structure) = self.whole(uid, means)?;
                means.pace.parse(bytes.len());
                let needle = &keys.needles[*needle];
                needle.is_in_header(bytes) || needle.is_in_body(bytes, structure)
            }
            _ => false,
        })
    }

    /// The Date field's day. Without one that can be read it is the first day of 1970, as with
    /// Dovecot: whoever looks for old mail finds it.
    fn sent_day(&mut self, field: usize, uid: Uid, means: &mut Means<'_>) -> Result<Day, Unknown> {
        let field = self.field(field, uid, means)?;
        means.pace.search(field.octets.len());
        let date = Header::of(&field.octets).first("Date");
        let date = date.and_then(|field| DateTime::parse_header(&field.unfolded()));
        Ok(date.map_or_else(|| Day::of_unix(0), DateTime::local_day))
    }

    /// The fields of a name: a part of the header that is kept when it was picked once.
    fn field(&mut self, place: usize, uid: Uid, means: &mut Means<'_>) -> Result<&mut Field, Unknown> {
        if self.fields.is_empty() {
            self.fields.resize_with(means.keys.fields.len(), || None);
        }
        if self.fields[place].is_none() {
            let octets = self.pick(place, uid, means)?;
            means.pace.parse(octets.len());
            self.fields[place] = Some(Field { octets, text: None });
        }
        self.fields[place].as_mut().ok_or(Unknown::Gone)
    }

    fn pick(&mut self, place: usize, uid: Uid, means: &mut Means<'_>) -> Result<Vec<u8>, Unknown> {
        let searched = &means.keys.fields[place];
        if self.whole.is_none()
            && self.header.is_none()
            && let Some(kept) = means.pass.cached(uid, searched.kind)
        {
            return Ok(kept.to_vec());
        }
        self.read_header(uid, means)?;
        let whole = self.whole.as_ref().map(|(bytes, _)| bytes);
        let header = whole.or(self.header.as_ref()).map_or(&[][..], Vec::as_slice);
        let (names, pace) = (&means.keys.names, &mut *means.pace);
        let index = self.index.get_or_insert_with(|| {
            pace.parse(header.len().min(Self::HEADER_MAX));
            Index::of(header, names)
        });
        let on_disk = index.pick(header, names, false, std::slice::from_ref(&searched.name));
        let mut picked = Vec::new();
        ToWire::new().convert(&on_disk, &mut picked);
        header_fields::keep(means.pass, uid, searched.kind, &picked);
        Ok(picked)
    }

    /// Reads bytes that begin with the header, unless they are there.
    fn read_header(&mut self, uid: Uid, means: &mut Means<'_>) -> Result<(), Unknown> {
        if self.whole.is_none() && self.header.is_none() {
            let file = self.file(uid, means)?;
            let mut bytes = file.read_header(Self::HEADER_MAX)?;
            if bytes.len() >= Self::HEADER_MAX {
                bytes = file.read_all()?;
            }
            means.pace.parse(bytes.len());
            self.header = Some(bytes);
        }
        Ok(())
    }

    fn whole(&mut self, uid: Uid, means: &mut Means<'_>) -> Result<(&[u8], &Structure), Unknown> {
        if self.whole.is_none() {
            let bytes = self.file(uid, means)?.read_all()?;
            means.pace.parse(bytes.len());
            let structure = Structure::of(&bytes);
            self.whole = Some((bytes, structure));
            // The whole begins with it.
            self.header = None;
        }
        match &self.whole {
            Some((bytes, structure)) => Ok((bytes, structure)),
            None => Err(Unknown::Gone),
        }
    }

    fn file(&mut self, uid: Uid, means: &mut Means<'_>) -> Result<&MessageFile, Unknown> {
        if self.file.is_none() {
            means.pace.file();
            self.file = means.pass.open(uid)?;
        }
        self.file.as_ref().ok_or(Unknown::Gone)
    }
}

fn size(uid: Uid, means: &mut Means<'_>) -> Result<u64, Unknown> {
    means.pace.row();
    means.pass.size(uid)?.ok_or(Unknown::Gone)
}

/// INTERNALDATE's day, in the zone in which FETCH tells it: UTC.
fn internal_day(uid: Uid, means: &mut Means<'_>) -> Result<Day, Unknown> {
    means.pace.row();
    let unix = means.pass.internal_date(uid)?.ok_or(Unknown::Gone)?;
    Ok(Day::of_unix(unix))
}

/// Whether a key is true that costs nothing: nothing beyond the snapshot and the view is needed.
/// Of any other key it is not.
pub(super) fn holds_in_memory(key: &Key, keys: &Keys, number: SeqNum, row: Row<'_>, view: &View) -> bool {
    match key {
        Key::All => true,
        // A set of UIDs serves as one of sequence numbers.
        Key::Sequence(set) => Uid::new(number.get()).is_some_and(|number| keys.sets[*set].contains(number)),
        Key::Uid(set) => keys.sets[*set].contains(row.uid()),
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
