//! What is read of a message's file, and what stays in memory of it.

use super::super::section::{self, Needs};
use super::super::stream::read_range;
use super::{Body, Fields, Loaded, Message};
use crate::command::messages::header_fields::Index;
use crate::command::shared::pace::Pace;
use crate::read_mark::Measured;
use crate::room::Room;
use codec::command::{Partial, Section, SectionText};
use mail::crlf::{self, ToWire};
use mail::header::Header;
use mail::mime::Structure;
use std::borrow::Cow;
use std::ops::Range;
use store::{MessageFile, Pass};

impl Message {
    /// What is known of a range of this very file.
    pub(super) fn marked(&self, range: &Range<u64>) -> Option<Measured> {
        let (mark, file) = (self.mark.as_ref()?, self.file.as_ref()?);
        let same = mark.file == (file.size(), file.internal_date()) && mark.measured.range == *range;
        same.then(|| mark.measured.clone())
    }

    /// Reads a section at once if it is short, or is picked from a header. With its octets.
    pub(super) fn hold(
        &mut self,
        section: &Section,
        range: Range<u64>,
        pace: &mut Pace,
    ) -> store::Result<Option<(Body, u64)>> {
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
            _ => match self.bytes_of(&range, pace)? {
                Some(bytes) => to_wire(&bytes),
                None => return Ok(None),
            },
        };
        pace.parse(octets.len());
        self.held += octets.len();
        let length = octets.len() as u64;
        Ok(Some((Body::Held(octets), length)))
    }

    /// Fields of the header that lies in `range`, as octets. The header is read and looked
    /// through for the first item that wants fields of it. `None` when the message is gone.
    pub(super) fn pick(
        &mut self,
        not: bool,
        wanted: &[String],
        range: &Range<u64>,
        pace: &mut Pace,
    ) -> store::Result<Option<Vec<u8>>> {
        if self.fields.as_ref().is_none_or(|fields| fields.range != *range) {
            let Some(bytes) = self.bytes_of(range, pace)? else { return Ok(None) };
            pace.parse(bytes.len());
            let bytes = bytes.into_owned();
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

    /// The bytes of a range: of what is loaded, else from the file. `None` when the message is gone.
    fn bytes_of(&self, range: &Range<u64>, pace: &mut Pace) -> store::Result<Option<Cow<'_, [u8]>>> {
        let loaded = self.loaded.as_ref().and_then(|loaded| {
            loaded.bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
        });
        if let Some(bytes) = loaded {
            return Ok(Some(bytes.into()));
        }
        let Some(file) = &self.file else { return Ok(None) };
        Ok(Some(read_range(file, range.clone(), pace)?.into()))
    }

    pub(super) fn locate(
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
    pub(super) fn parse(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<Structure>> {
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
        self.counted(structure.octets(), pass);
        if structure.parts.len() > 1 {
            pass.keep(self.uid, Self::PARTS, &section::encode(&structure));
        }
        Ok(Some(structure))
    }

    /// The header. `None` when the message is gone.
    pub(super) fn load_header(
        &mut self,
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Option<Header<'_>>> {
        if self.loaded.is_none() {
            let Some(file) = self.open(pass, pace)? else { return Ok(None) };
            let mut bytes = file.read_header(Self::HEADER_MAX)?;
            if bytes.len() >= Self::HEADER_MAX && Header::of(&bytes).bytes().len() >= Self::HEADER_MAX {
                bytes = file.read_all()?;
            }
            let whole = bytes.len() as u64 >= file.size();
            pace.parse(bytes.len());
            self.loaded = Some(Loaded { bytes, whole, room: None });
        }
        let Some(loaded) = &self.loaded else { return Ok(None) };
        let header = Header::of(&loaded.bytes);
        self.header = Some(header.bytes().len() as u64);
        Ok(Some(header))
    }

    /// Loads a file to be sent from memory, as then it is read once. `None` where that would take
    /// too much memory, or more reading than sending: of a long message that its client reads
    /// window by window.
    pub(super) fn load_to_send(
        &mut self,
        size: u64,
        partial: Option<Partial>,
        pass: &mut Pass,
        pace: &mut Pace,
    ) -> store::Result<Option<Measured>> {
        let size_max = if partial.is_some() { Self::HELD_MAX } else { Self::LOADED_MAX };
        if size > size_max {
            return Ok(None);
        }
        let loaded = match self.loaded.take() {
            Some(loaded) if loaded.room.is_some() => loaded,
            loaded => {
                let Some(room) = Room::take(size) else { return Ok(None) };
                let bytes = match loaded {
                    Some(loaded) if loaded.whole => loaded.bytes,
                    _ => self.read_all()?,
                };
                pace.read(bytes.len());
                Loaded { bytes, whole: true, room: Some(room) }
            }
        };
        let octets = crlf::octets(&loaded.bytes, false);
        let measured = Measured { range: 0..loaded.bytes.len() as u64, octets };
        self.loaded = Some(loaded);
        self.counted(octets, pass);
        Ok(Some(measured))
    }

    /// Forgets what there is no leave for to keep until the client has read the response.
    pub(super) fn unload(&mut self) {
        match self.loaded.take() {
            Some(Loaded { bytes, room: None, .. }) => self.spare = spare(bytes),
            loaded => self.loaded = loaded,
        }
    }

    /// Its memory, for the next message.
    pub(in crate::command::messages::fetch) fn into_spare(self) -> Vec<u8> {
        self.loaded.map_or(self.spare, |loaded| spare(loaded.bytes))
    }

    /// All bytes of its file, which is open.
    fn read_all(&mut self) -> store::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        if let Some(file) = &self.file {
            file.append_to(&mut bytes, usize::try_from(file.size()).unwrap_or(usize::MAX), 0)?;
        }
        Ok(bytes)
    }

    /// All of the file. `None` when the message is gone.
    pub(super) fn load_whole(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<&[u8]>> {
        if !self.loaded.as_ref().is_some_and(|loaded| loaded.whole) {
            if self.open(pass, pace)?.is_none() {
                return Ok(None);
            }
            let bytes = self.read_all()?;
            pace.parse(bytes.len());
            self.loaded = Some(Loaded { bytes, whole: true, room: None });
        }
        Ok(self.loaded.as_ref().map(|loaded| loaded.bytes.as_slice()))
    }

    pub(super) fn open(&mut self, pass: &mut Pass, pace: &mut Pace) -> store::Result<Option<&MessageFile>> {
        if self.file.is_none() {
            pace.file();
            self.file = match self.mark.as_ref().and_then(|mark| mark.open.clone()) {
                Some(file) => Some(file),
                None => pass.open(self.uid)?,
            };
        }
        Ok(self.file.as_ref())
    }
}

/// Where a section is.
pub(super) enum Located {
    At(Range<u64>),
    /// There is no such section.
    Nowhere,
    /// The message is gone.
    Gone,
}

/// Memory that may be kept, unless it is much.
fn spare(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() as u64 <= Message::HELD_MAX { bytes } else { Vec::new() }
}

/// As octets to send.
fn to_wire(bytes: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    ToWire::new().convert(bytes, &mut octets);
    octets
}
