//! Where messages' files lie, as one number each.

use crate::scan::Place;
use std::collections::HashMap;

/// Where a message's file lies and what follows its base name; not known before a scan or an
/// event showed it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FileAt(u32);

/// What follows base names, each once: there are few of them, and many messages.
#[derive(Default, Debug)]
pub(crate) struct Suffixes {
    all: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u32>,
}

impl FileAt {
    /// Seen to be removed.
    pub(super) const REMOVED: Self = Self(1);

    /// As a number, for the index.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// From a number; what names no suffix of `suffixes` is unknown.
    pub(crate) fn from_bits(bits: u32, suffixes: &Suffixes) -> Self {
        let known = bits >= 2 && ((bits - 2) / 2) < suffixes.all.len() as u32;
        Self(if known { bits } else { 0 })
    }

    pub(crate) fn place(self) -> Option<Place> {
        match self.0 {
            0 | 1 => None,
            at if at.is_multiple_of(2) => Some(Place::Cur),
            _ => Some(Place::New),
        }
    }
}

impl Suffixes {
    pub(crate) fn get(&self, at: FileAt) -> &[u8] {
        at.0.checked_sub(2).and_then(|at| self.all.get(at as usize / 2)).map_or(&[], |suffix| suffix)
    }

    /// A place and a suffix as one number.
    pub(crate) fn at(&mut self, place: Place, suffix: &[u8]) -> FileAt {
        let number = match self.numbers.get(suffix) {
            Some(number) => *number,
            None => self.add(suffix),
        };
        FileAt(2 + number * 2 + u32::from(place == Place::New))
    }

    /// Adds one that is not there.
    pub(crate) fn add(&mut self, suffix: &[u8]) -> u32 {
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX / 4);
        self.all.push(suffix.into());
        self.numbers.insert(suffix.into(), number);
        number
    }

    pub(crate) fn all(&self) -> &[Box<[u8]>] {
        &self.all
    }
}
