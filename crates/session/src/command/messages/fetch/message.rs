//! One message's FETCH response: what it says is found out first, then written.

mod read;
mod write;

use super::Item;
use super::section::{self, Needs};
use super::stream::{Measure, Stream};
use crate::command::messages::header_fields::{self, Index, Names};
use crate::command::shared::pace::Pace;
use crate::read_mark::{Measured, ReadMark};
use crate::room::Room;
use codec::command::{FetchItem, Partial, Rfc822, Section, SectionText};
use codec::response::Revision;
use codec::response::body_structure::body_structure;
use codec::response::envelope::envelope;
use codec::response::fetch::Writer;
use mail::crlf;
use mail::date::DateTime;
use mail::envelope::Envelope;
use mail::mime::Structure;
use mail::{SeqNum, Uid};
use read::Located;
use std::ops::Range;
use std::sync::Arc;
use store::{CacheKind, MessageFile, Pass, SaveDate};

/// A message under way.
#[derive(Debug)]
pub(super) struct Message {
    number: SeqNum,
    uid: Uid,
    file: Option<MessageFile>,
    /// Something was asked for that only its file could tell, and the file is gone.
    gone: bool,
    /// What was read of it and may serve for other items.
    loaded: Option<Loaded>,
    /// Memory to read it into.
    spare: Vec<u8>,
    /// The header that fields were picked from last.
    fields: Option<Fields>,
    /// The names of all fields that the command asks for.
    names: Arc<Names>,
    /// Bytes of the header in the file.
    header: Option<u64>,
    structure: Option<Structure>,
    /// INTERNALDATE, once it is known.
    date: Option<DateTime>,
    /// RFC822.SIZE, once it is known: what was counted last.
    size: Option<u64>,
    /// One for each of the command's items, as far as they are prepared.
    values: Vec<Value>,
    /// Of the item that is next to be prepared.
    measure: Option<Measure>,
    /// Bytes in [`Body::Held`].
    held: usize,
    writer: Option<Writer>,
    /// Items written.
    written: usize,
    /// Of the last item written.
    stream: Option<Stream>,
    /// What is known of a section that was read in part.
    mark: Option<ReadMark>,
}

/// The beginning of a file, its header included.
#[derive(Debug)]
struct Loaded {
    bytes: Vec<u8>,
    /// It is all of it.
    whole: bool,
    /// Leave to keep it until the client has read it.
    room: Option<Room>,
}

/// A header of the message or of a part, and where its fields are.
#[derive(Debug)]
struct Fields {
    /// In the file.
    range: Range<u64>,
    bytes: Vec<u8>,
    index: Index,
}

/// What is to be sent for an item.
#[derive(Debug)]
enum Value {
    /// Nothing here: the snapshot has it, and it is written when the response begins.
    OfSnapshot,
    /// [`Message::date`].
    Date,
    Saved(SaveDate),
    /// [`Message::size`]: what is read for items after it may say it better.
    Size,
    Ready(Vec<u8>),
    Literal(Literal),
    /// Only the file had it, and the message is gone.
    Gone,
}

/// A literal from the file.
#[derive(Debug)]
struct Literal {
    body: Body,
    /// Octets sent: a window of those that the section has.
    window: Range<u64>,
}

#[derive(Debug)]
enum Body {
    /// All octets of the section.
    Held(Vec<u8>),
    /// To be read from the file, or from what is loaded of it.
    InFile(Measured),
    /// Header fields picked from the header that lies in this range.
    Fields(Range<u64>),
}

/// How far [`Message::prepare`] got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Prepared {
    All,
    Part,
}

/// How far [`Message::write`] got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written {
    All,
    Part,
    /// The bytes of a literal that was announced cannot be had.
    Broken(&'static str),
}

/// The section that an item older than sections means.
fn old_section(which: Rfc822) -> (&'static str, Section) {
    let (name, text) = match which {
        Rfc822::Message => ("RFC822", SectionText::All),
        Rfc822::Header => ("RFC822.HEADER", SectionText::Header),
        Rfc822::Text => ("RFC822.TEXT", SectionText::Text),
    };
    (name, Section { part: Vec::new(), text })
}

impl Message {
    /// Longest header that is read by itself (bytes): past it the whole file is parsed.
    const HEADER_MAX: usize = 1024 * 1024;
    /// Longest part that is kept in memory from when it is measured (bytes): it is read once and
    /// not twice.
    const HELD_MAX: u64 = 64 * 1024;
    /// And of all such ranges of a message together.
    const HELD_SUM_MAX: usize = 256 * 1024;
    /// Longest file that is read at once, as several items are found in it or all of it is sent
    /// (bytes).
    const LOADED_MAX: u64 = 1024 * 1024;
    /// How long an ENVELOPE or BODYSTRUCTURE is at most, as a rule (bytes).
    const READY: usize = 1024;
    const ENVELOPE: CacheKind = CacheKind::named(b"ENVELOPE");
    // What follows from a message's structure has a number behind its name, which rises when
    // another version takes messages apart in another way: what the old one kept counts no more.
    const BODY: CacheKind = CacheKind::named(b"BODY 2");
    const BODY_STRUCTURE: CacheKind = CacheKind::named(b"BODYSTRUCTURE 2");
    /// Ranges of the parts.
    const PARTS: CacheKind = CacheKind::named(b"PARTS 2");

    /// `mark` and `spare` are what the last message left.
    pub(super) fn new(
        number: SeqNum,
        uid: Uid,
        mark: Option<ReadMark>,
        names: Arc<Names>,
        spare: Vec<u8>,
    ) -> Self {
        Self {
            spare,
            number,
            uid,
            file: None,
            gone: false,
            loaded: None,
            fields: None,
            names,
            header: None,
            structure: None,
            date: None,
            size: None,
            values: Vec::new(),
            measure: None,
            held: 0,
            writer: None,
            written: 0,
            stream: None,
            mark: mark.filter(|mark| mark.uid == uid),
        }
    }

    /// What is to be kept for the next window.
    pub(super) fn take_mark(&mut self) -> Option<ReadMark> {
        self.mark.take()
    }

    pub(super) fn uid(&self) -> Uid {
        self.uid
    }

    /// Whether its response is begun: nothing may fail from then on.
    pub(super) fn is_begun(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether something cannot be sent, as the message is gone; once it is prepared.
    pub(super) fn lacks_items(&self) -> bool {
        self.values.iter().any(|value| !self.has(value))
    }

    /// Whether something can be sent; likewise.
    pub(super) fn has_items(&self) -> bool {
        self.values.iter().any(|value| self.has(value))
    }

    fn has(&self, value: &Value) -> bool {
        match value {
            Value::Gone => false,
            Value::Date => self.date.is_some(),
            _ => true,
        }
    }

    /// Finds out what to send for each item; call until it is not [`Prepared::Part`].
    pub(super) fn prepare(
        &mut self,
        items: &[Item],
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Prepared> {
        while let Some(item) = items.get(self.values.len()) {
            if pace.is_spent() {
                return Ok(Prepared::Part);
            }
            match self.value(item, items, pass, pace)? {
                Found::Value(value) => self.values.push(value),
                Found::Later => return Ok(Prepared::Part),
                Found::Gone if self.is_first_sign(pass) => {}
                Found::Gone => self.values.push(Value::Gone),
            }
        }
        if self.size.is_none() && self.values.iter().any(|value| matches!(value, Value::Size)) {
            self.size = pass.size(self.uid)?;
        }
        if self.date.is_none() && items.iter().any(|item| item.item == FetchItem::InternalDate) {
            // Asked for last: a file that had to be opened tells it.
            let of_file = self.file.as_ref().map(MessageFile::internal_date);
            let mut unix = of_file.map_or_else(|| pass.internal_date(self.uid), |unix| Ok(Some(unix)))?;
            if unix.is_none() && self.is_first_sign(pass) {
                unix = pass.internal_date(self.uid)?;
            }
            self.date = unix.map(|unix| DateTime { unix, offset_minutes: 0 });
        }
        Ok(Prepared::All)
    }

    /// Whether this is the first time that the file is missed. The store noted more of the message
    /// when it went: the pass looks that up, and the item is tried once more.
    fn is_first_sign(&mut self, pass: &mut Pass) -> bool {
        let first = !std::mem::replace(&mut self.gone, true);
        if first {
            pass.look_again();
        }
        first
    }

    fn value(
        &mut self,
        item: &Item,
        items: &[Item],
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Found> {
        pace.row();
        Ok(match &item.item {
            FetchItem::Flags | FetchItem::Uid | FetchItem::ModSeq => Found::Value(Value::OfSnapshot),
            FetchItem::InternalDate => Found::Value(Value::Date),
            FetchItem::SaveDate => Found::some(pass.save_date(self.uid).map(Value::Saved)),
            FetchItem::Rfc822Size => Found::some(self.find_size(items, pass, pace)?.map(|()| Value::Size)),
            FetchItem::Envelope => Found::some(self.envelope(items, pass, pace)?.map(Value::Ready)),
            FetchItem::Body => Found::some(self.body(false, pass, pace)?.map(Value::Ready)),
            FetchItem::BodyStructure => Found::some(self.body(true, pass, pace)?.map(Value::Ready)),
            FetchItem::Rfc822(which) => self.literal(&old_section(*which).1, None, None, pass, pace)?,
            FetchItem::Section { section, partial, .. } => {
                self.literal(section, *partial, item.kind, pass, pace)?
            }
        })
    }

    /// Finds the size out; `None` when the message is gone.
    fn find_size(&mut self, items: &[Item], pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<()>> {
        if self.size.is_none() {
            self.size = pass.known_size(self.uid);
        }
        if self.size.is_none() && self.will_parse(items, pass) && self.open(pass, pace)?.is_some() {
            // Then all of it is read, and its octets are counted.
            return Ok(Some(()));
        }
        if self.size.is_none() && self.file.is_none() {
            self.size = pass.size_unread(self.uid)?;
        }
        if self.size.is_none() {
            let Some(file) = self.open(pass, pace)? else { return Ok(None) };
            if file.size() > Self::LOADED_MAX {
                self.size = pass.size(self.uid)?;
            } else if let Some(bytes) = self.load_whole(pass, pace)? {
                let octets = crlf::octets(bytes, false);
                self.counted(octets, pass);
            }
        }
        Ok(self.size.map(|_| ()))
    }

    /// Whether an item is asked for that needs all of the message, taken apart.
    fn will_parse(&self, items: &[Item], pass: &mut Pass) -> bool {
        items.iter().any(|item| match item.item {
            FetchItem::Body => pass.cached(self.uid, Self::BODY).is_none(),
            FetchItem::BodyStructure => pass.cached(self.uid, Self::BODY_STRUCTURE).is_none(),
            _ => false,
        })
    }

    /// All of the message was read, and has so many octets: RFC822.SIZE is that and nothing else.
    fn counted(&mut self, octets: u64, pass: &mut Pass) {
        self.size = Some(octets);
        pass.counted(self.uid, octets);
    }

    fn envelope(
        &mut self,
        items: &[Item],
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Option<Vec<u8>>> {
        if let Some(ready) = pass.cached(self.uid, Self::ENVELOPE) {
            return Ok(Some(ready.to_vec()));
        }
        // Where all of the file is needed next, it is read once.
        if self.will_parse(items, pass) {
            let size = self.open(pass, pace)?.map(MessageFile::size);
            if size.is_some_and(|size| size <= Self::LOADED_MAX) {
                self.load_whole(pass, pace)?;
            }
        }
        let Some(header) = self.load_header(pass, pace)? else { return Ok(None) };
        let parsed = Envelope::of(&header);
        let mut ready = Vec::with_capacity(Self::READY);
        envelope(&mut ready, &parsed);
        pass.keep(self.uid, Self::ENVELOPE, &ready);
        pass.keep_sent_date(self.uid, parsed.date.as_deref().and_then(DateTime::parse_header));
        Ok(Some(ready))
    }

    fn body(&mut self, extended: bool, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<Vec<u8>>> {
        let kind = if extended { Self::BODY_STRUCTURE } else { Self::BODY };
        if let Some(ready) = pass.cached(self.uid, kind) {
            return Ok(Some(ready.to_vec()));
        }
        let Some(structure) = self.parse(pass, pace)? else { return Ok(None) };
        let mut ready = Vec::with_capacity(Self::READY);
        body_structure(&mut ready, &structure, extended, Revision::Rev1);
        pass.keep(self.uid, kind, &ready);
        self.structure = Some(structure);
        Ok(Some(ready))
    }

    /// A section, measured. A section that does not exist is an empty string, as other servers
    /// send it; RFC 3501 says nothing of it.
    fn literal(
        &mut self,
        section: &Section,
        partial: Option<Partial>,
        kind: Option<CacheKind>,
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Found> {
        if let Some(octets) = kind.and_then(|kind| pass.cached(self.uid, kind)) {
            let length = octets.len() as u64;
            return Ok(Found::literal((Body::Held(octets.to_vec()), length), partial));
        }
        if self.measure.is_none() {
            let Some(size) = self.open(pass, pace)?.map(MessageFile::size) else {
                return Ok(Found::Gone);
            };
            match self.locate(section, size, pass, pace)? {
                Located::At(range) => {
                    let whole = section::needs(section) == Needs::Size;
                    if whole && let Some(measured) = self.load_to_send(size, partial, pass, pace)? {
                        let octets = measured.octets;
                        return Ok(Found::literal((Body::InFile(measured), octets), partial));
                    }
                    if let Some(held) = self.hold(section, range.clone(), pace)? {
                        if let (Some(kind), Body::Held(octets)) = (kind, &held.0) {
                            header_fields::keep(pass, self.uid, kind, octets);
                        }
                        if section::needs(section) == Needs::Size {
                            self.counted(held.1, pass);
                        }
                        return Ok(Found::literal(held, partial));
                    }
                    if let Some(measured) = self.marked(&range) {
                        let octets = measured.octets;
                        return Ok(Found::literal((Body::InFile(measured), octets), partial));
                    }
                    self.measure = Some(Measure::new(range));
                }
                Located::Nowhere => return Ok(Found::literal((Body::Held(Vec::new()), 0), partial)),
                Located::Gone => return Ok(Found::Gone),
            }
        }
        let (Some(measure), Some(file)) = (self.measure.as_mut(), self.file.as_ref()) else {
            return Ok(Found::Gone);
        };
        let Some(measured) = measure.go_on(file, pace)? else { return Ok(Found::Later) };
        self.measure = None;
        if partial.is_some() {
            let open = file.is_compressed().then(|| file.clone());
            let file = (file.size(), file.internal_date());
            self.mark = Some(ReadMark { uid: self.uid, file, open, measured: measured.clone(), place: None });
        }
        let octets = measured.octets;
        if section::needs(section) == Needs::Size {
            self.counted(octets, pass);
        }
        Ok(Found::literal((Body::InFile(measured), octets), partial))
    }
}

/// What was found of an item.
enum Found {
    Value(Value),
    /// The piece is spent.
    Later,
    /// The message is gone.
    Gone,
}

impl Found {
    fn some(value: Option<Value>) -> Self {
        value.map_or(Self::Gone, Self::Value)
    }

    fn literal((body, octets): (Body, u64), partial: Option<Partial>) -> Self {
        let window = match partial {
            Some(Partial { origin, length }) => origin.min(octets)..origin.saturating_add(length).min(octets),
            None => 0..octets,
        };
        Self::Value(Value::Literal(Literal { body, window }))
    }
}
