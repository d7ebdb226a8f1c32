//! One message's FETCH response: what it says is found out first, then written.

use super::Item;
use super::section::{self, Needs};
use super::stream::{Measure, Measured, Place, Sent, Stream, read_range};
use crate::command::messages::header_fields::{self, Index, Names};
use crate::command::shared::pace::Pace;
use crate::output::Output;
use codec::command::{FetchItem, Partial, Rfc822, Section, SectionText};
use codec::response::Revision;
use codec::response::body_structure::body_structure;
use codec::response::envelope::envelope;
use codec::response::fetch::Writer;
use mail::crlf::{self, ToWire};
use mail::date::DateTime;
use mail::envelope::Envelope;
use mail::header::Header;
use mail::mime::Structure;
use mail::{SeqNum, Uid};
use std::ops::Range;
use std::sync::Arc;
use store::{CacheKind, MessageFile, Pass};

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
    mark: Option<Mark>,
}

/// The beginning of a file, its header included.
#[derive(Debug)]
struct Loaded {
    bytes: Vec<u8>,
    /// It is all of it.
    whole: bool,
}

/// A header of the message or of a part, and where its fields are.
#[derive(Debug)]
struct Fields {
    /// In the file.
    range: Range<u64>,
    bytes: Vec<u8>,
    index: Index,
}

/// Where a session is in a section that its client reads window by window, as many do with long
/// ones: without it, each window would cost all that lies ahead of it, and all of the section to
/// count its octets.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    uid: Uid,
    /// Size and time of the file: another file is not this one.
    file: (u64, i64),
    /// A compressed file as it was opened: each window would cost all of it else.
    open: Option<MessageFile>,
    measured: Measured,
    place: Option<Place>,
}

/// What is to be sent for an item.
#[derive(Debug)]
enum Value {
    /// Nothing here: the snapshot has it, and it is written when the response begins.
    OfSnapshot,
    /// [`Message::date`].
    Date,
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
    /// To be read from the file.
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
    /// Longest range that is kept in memory from when it is measured (bytes): it is read once
    /// and not twice.
    const HELD_MAX: u64 = 64 * 1024;
    /// And of all such ranges together.
    const HELD_SUM_MAX: usize = 256 * 1024;
    /// Longest file that is read at once when several items are found in it (bytes).
    const LOADED_MAX: u64 = 1024 * 1024;
    const ENVELOPE: CacheKind = CacheKind::named(b"ENVELOPE");
    // What follows from a message's structure has a number behind its name, which rises when
    // another version takes messages apart in another way: what the old one kept counts no more.
    const BODY: CacheKind = CacheKind::named(b"BODY 2");
    const BODY_STRUCTURE: CacheKind = CacheKind::named(b"BODYSTRUCTURE 2");
    /// Ranges of the parts.
    const PARTS: CacheKind = CacheKind::named(b"PARTS 2");

    /// `mark` is what the last message left.
    pub(super) fn new(number: SeqNum, uid: Uid, mark: Option<Mark>, names: Arc<Names>) -> Self {
        Self {
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
    pub(super) fn take_mark(&mut self) -> Option<Mark> {
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
            FetchItem::Rfc822Size => Found::some(self.find_size(pass, pace)?.map(|()| Value::Size)),
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
    fn find_size(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<()>> {
        if self.size.is_none() {
            self.size = match self.file {
                // To open it told as much as a look would.
                Some(_) => pass.known_size(self.uid),
                None => pass.size_unread(self.uid)?,
            };
        }
        if self.size.is_none() {
            let Some(file) = self.open(pass, pace)? else { return Ok(None) };
            if file.size() > Self::LOADED_MAX {
                self.size = pass.size(self.uid)?;
            } else {
                self.load_whole(pass, pace)?;
            }
        }
        Ok(self.size.map(|_| ()))
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
        let parses = items.iter().any(|item| matches!(item.item, FetchItem::BodyStructure | FetchItem::Body));
        if parses && pass.cached(self.uid, Self::BODY_STRUCTURE).is_none() {
            let size = self.open(pass, pace)?.map(MessageFile::size);
            if size.is_some_and(|size| size <= Self::LOADED_MAX) {
                self.load_whole(pass, pace)?;
            }
        }
        let Some(header) = self.load_header(pass, pace)? else { return Ok(None) };
        let mut ready = Vec::new();
        envelope(&mut ready, &Envelope::of(&header));
        pass.keep(self.uid, Self::ENVELOPE, &ready);
        Ok(Some(ready))
    }

    fn body(&mut self, extended: bool, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<Vec<u8>>> {
        let kind = if extended { Self::BODY_STRUCTURE } else { Self::BODY };
        if let Some(ready) = pass.cached(self.uid, kind) {
            return Ok(Some(ready.to_vec()));
        }
        let Some(structure) = self.parse(pass, pace)? else { return Ok(None) };
        let mut ready = Vec::new();
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
            self.mark = Some(Mark { uid: self.uid, file, open, measured: measured.clone(), place: None });
        }
        let octets = measured.octets;
        if section::needs(section) == Needs::Size {
            self.counted(octets, pass);
        }
        Ok(Found::literal((Body::InFile(measured), octets), partial))
    }

    /// What is known of a range of this very file.
    fn marked(&self, range: &Range<u64>) -> Option<Measured> {
        let (mark, file) = (self.mark.as_ref()?, self.file.as_ref()?);
        let same = mark.file == (file.size(), file.internal_date()) && mark.measured.range == *range;
        same.then(|| mark.measured.clone())
    }

    /// Reads a section at once if it is short, or is picked from a header. With its octets.
    fn hold(
        &mut self,
        section: &Section,
        range: Range<u64>,
        pace: &mut Pace,
    ) -> store::Result<Option<(Body, u64)>> {
        let Some(file) = &self.file else { return Ok(None) };
        let room = Self::HELD_SUM_MAX.saturating_sub(self.held) as u64;
        let holdable = |octets: u64| octets <= Self::HELD_MAX.min(room);
        let octets = match &section.text {
            SectionText::HeaderFields { not, names } => {
                let Some(octets) = self.pick(*not, names, &range, pace)? else { return Ok(None) };
                if !holdable(octets.len() as u64) {
                    return Ok(Some((Body::Fields(range), octets.len() as u64)));
                }
                octets
            }
            _ if !holdable(range.end.saturating_sub(range.start)) => return Ok(None),
            _ => to_wire(&read_range(file, range, pace)?),
        };
        pace.parse(octets.len());
        self.held += octets.len();
        let length = octets.len() as u64;
        Ok(Some((Body::Held(octets), length)))
    }

    /// Fields of the header that lies in `range`, as octets. The header is read and looked
    /// through for the first item that wants fields of it. `None` when the message is gone.
    fn pick(
        &mut self,
        not: bool,
        wanted: &[String],
        range: &Range<u64>,
        pace: &mut Pace,
    ) -> store::Result<Option<Vec<u8>>> {
        let Some(file) = &self.file else { return Ok(None) };
        if self.fields.as_ref().is_none_or(|fields| fields.range != *range) {
            let loaded = self.loaded.as_ref().and_then(|loaded| {
                loaded.bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
            });
            let bytes =
                loaded.map_or_else(|| read_range(file, range.clone(), pace), |bytes| Ok(bytes.to_vec()))?;
            pace.parse(bytes.len());
            let index = Index::of(&bytes, &self.names);
            self.fields = Some(Fields { range: range.clone(), bytes, index });
        }
        let Some(fields) = &self.fields else { return Ok(None) };
        if not {
            pace.fields(fields.index.len());
        }
        let octets = to_wire(&fields.index.pick(&fields.bytes, &self.names, not, wanted));
        pace.read(octets.len());
        Ok(Some(octets))
    }

    fn locate(
        &mut self,
        section: &Section,
        size: u64,
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Located> {
        let range = match section::needs(section) {
            Needs::Size => section::of_message(&section.text, size, 0),
            Needs::Header => {
                if self.header.is_none() && self.load_header(pass, pace)?.is_none() {
                    return Ok(Located::Gone);
                }
                section::of_message(&section.text, size, self.header.unwrap_or(size).min(size))
            }
            Needs::Structure => {
                if self.structure.is_none() {
                    let cached = pass.cached(self.uid, Self::PARTS);
                    self.structure = cached.and_then(|bytes| section::decode(bytes, size));
                }
                if self.structure.is_none() {
                    self.structure = self.parse(pass, pace)?;
                }
                let Some(structure) = &self.structure else { return Ok(Located::Gone) };
                section::of_part(structure, section)
            }
        };
        Ok(range.map_or(Located::Nowhere, Located::At))
    }

    /// The structure, from the whole file; its parts' ranges go into the cache. `None` when the
    /// message is gone.
    fn parse(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<Structure>> {
        let size = match &self.loaded {
            Some(loaded) if loaded.whole => 0,
            _ => self.open(pass, pace)?.map_or(0, MessageFile::size),
        };
        let structure = match self.file.as_ref().filter(|_| size > Self::LOADED_MAX) {
            Some(file) => {
                pace.parse(usize::try_from(size).unwrap_or(usize::MAX));
                Structure::read(file)?
            }
            None => match self.load_whole(pass, pace)? {
                Some(bytes) => Structure::of(bytes),
                None => return Ok(None),
            },
        };
        if structure.parts.len() > 1 {
            pass.keep(self.uid, Self::PARTS, &section::encode(&structure));
        }
        Ok(Some(structure))
    }

    /// The header. `None` when the message is gone.
    fn load_header(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<Header<'_>>> {
        if self.loaded.is_none() {
            let Some(file) = self.open(pass, pace)? else { return Ok(None) };
            let mut bytes = file.read_header(Self::HEADER_MAX)?;
            if bytes.len() >= Self::HEADER_MAX && Header::of(&bytes).bytes().len() >= Self::HEADER_MAX {
                bytes = file.read_all()?;
            }
            let whole = bytes.len() as u64 >= file.size();
            pace.parse(bytes.len());
            self.loaded = Some(Loaded { bytes, whole });
        }
        let Some(loaded) = &self.loaded else { return Ok(None) };
        let header = Header::of(&loaded.bytes);
        self.header = Some(header.bytes().len() as u64);
        Ok(Some(header))
    }

    /// All of the file. `None` when the message is gone.
    fn load_whole(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<&[u8]>> {
        if !self.loaded.as_ref().is_some_and(|loaded| loaded.whole) {
            let Some(file) = self.open(pass, pace)? else { return Ok(None) };
            let bytes = file.read_all()?;
            pace.parse(bytes.len());
            self.counted(crlf::octets(&bytes, false), pass);
            self.loaded = Some(Loaded { bytes, whole: true });
        }
        Ok(self.loaded.as_ref().map(|loaded| loaded.bytes.as_slice()))
    }

    fn open(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<&MessageFile>> {
        if self.file.is_none() {
            pace.file();
            self.file = match self.mark.as_ref().and_then(|mark| mark.open.clone()) {
                Some(file) => Some(file),
                None => pass.open(self.uid)?,
            };
        }
        Ok(self.file.as_ref())
    }

    /// Begins the response; the caller writes what comes from the snapshot.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) -> &mut Writer {
        self.writer.insert(Writer::new(out, self.number))
    }

    /// Writes the rest of the response; call until it is not [`Written::Part`].
    pub(super) fn write(&mut self, items: &[Item], out: &mut Output, pace: &mut Pace) -> Written {
        loop {
            if let (Some(stream), Some(file)) = (self.stream.as_mut(), self.file.as_ref()) {
                match stream.go_on(file, out, pace) {
                    Ok(Sent::All) => self.end_stream(),
                    Ok(Sent::Part) => return Written::Part,
                    Ok(Sent::Short) => return Written::Broken("a message's file shrank while it was sent"),
                    Err(error) => {
                        tracing::error!("{error}");
                        return Written::Broken("a message's file could not be read on");
                    }
                }
            }
            if out.is_full() || pace.is_spent() {
                return Written::Part;
            }
            let item = items.get(self.written).map(|item| &item.item);
            let (Some(item), Some(value)) = (item, self.values.get(self.written)) else {
                if let Some(writer) = self.writer.take() {
                    writer.finish(out.buffer());
                }
                return Written::All;
            };
            let Some(writer) = self.writer.as_mut() else { return Written::All };
            self.written += 1;
            match value {
                Value::OfSnapshot | Value::Gone => {}
                Value::Date => {
                    if let Some(date) = self.date {
                        writer.internal_date(out.buffer(), date);
                    }
                }
                Value::Size => {
                    if let Some(octets) = self.size {
                        writer.size(out.buffer(), octets);
                    }
                }
                Value::Ready(ready) => writer.ready(out.buffer(), ready_name(item), ready),
                Value::Literal(literal) => {
                    announce(writer, item, &literal.window, out.buffer());
                    let window = literal.window.clone();
                    match &literal.body {
                        Body::Held(octets) => {
                            if let Err(why) = write_window(octets, &window, out) {
                                return Written::Broken(why);
                            }
                        }
                        Body::InFile(measured) => {
                            let mark = self.mark.as_ref().filter(|mark| mark.measured == *measured);
                            let place = mark.and_then(|mark| mark.place.clone());
                            self.stream = Some(Stream::new(measured.range.clone(), window, place));
                        }
                        Body::Fields(range) => {
                            let range = range.clone();
                            if let Err(why) = self.write_fields(item, &range, &window, out, pace) {
                                return Written::Broken(why);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Picks fields once more, which were too long to be held.
    fn write_fields(
        &mut self,
        item: &FetchItem,
        range: &Range<u64>,
        window: &Range<u64>,
        out: &mut Output,
        pace: &mut Pace,
    ) -> Result<(), &'static str> {
        let FetchItem::Section {
            section: Section { text: SectionText::HeaderFields { not, names }, .. },
            ..
        } = item
        else {
            return Ok(());
        };
        let octets = self.pick(*not, names, range, pace);
        let octets = octets.map_err(|_| "a message's file could not be read on")?.unwrap_or_default();
        write_window(&octets, window, out)
    }

    fn end_stream(&mut self) {
        let place = self.stream.take().map(Stream::place);
        let sent = self.written.checked_sub(1).and_then(|last| self.values.get(last));
        if let (Some(mark), Some(Value::Literal(Literal { body: Body::InFile(measured), .. }))) =
            (&mut self.mark, sent)
            && mark.measured == *measured
        {
            mark.place = place;
        }
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

/// Where a section is.
enum Located {
    At(Range<u64>),
    /// There is no such section.
    Nowhere,
    /// The message is gone.
    Gone,
}

fn write_window(octets: &[u8], window: &Range<u64>, out: &mut Output) -> Result<(), &'static str> {
    let octets = octets.get(window.start as usize..window.end as usize);
    out.buffer().extend_from_slice(octets.ok_or("a message's file changed while it was sent")?);
    Ok(())
}

/// The item up to its literal's first octet.
fn announce(writer: &mut Writer, item: &FetchItem, window: &Range<u64>, out: &mut Vec<u8>) {
    let octets = window.end - window.start;
    match item {
        FetchItem::Section { section, partial, .. } => {
            writer.section(out, section, partial.map(|partial| partial.origin), octets);
        }
        FetchItem::Rfc822(which) => writer.rfc822(out, old_section(*which).0, octets),
        _ => {}
    }
}

fn ready_name(item: &FetchItem) -> &'static str {
    match item {
        FetchItem::Envelope => "ENVELOPE",
        FetchItem::Body => "BODY",
        _ => "BODYSTRUCTURE",
    }
}

/// As octets to send.
fn to_wire(bytes: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    ToWire::new().convert(bytes, &mut octets);
    octets
}
