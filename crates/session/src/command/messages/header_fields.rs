//! Subsets of a message's header (RFC 3501 section 6.4.5, HEADER.FIELDS): picked from the file
//! once, and kept for whoever asks for the same again. Clients ask for the same few fields of
//! all messages; SEARCH looks in one.

use mail::Uid;
use mail::header::Header;
use std::collections::HashMap;
use store::{CacheKind, Pass};

/// Longest subset that is kept, in bytes.
const KEPT_MAX: usize = 8 * 1024;

/// What a subset is called in the mailbox's cache: by its names in one order and spelling, as
/// the fields come in the header's own.
pub(super) fn kind(not: bool, names: &[String]) -> CacheKind {
    let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let mut kind = if not { "HEADER.FIELDS.NOT" } else { "HEADER.FIELDS" }.to_owned();
    for name in names {
        // What the client calls a name may have anything in it.
        kind.push_str(&format!(" {}:{name}", name.len()));
    }
    CacheKind::named(kind.as_bytes())
}

/// Keeps a subset, as it is sent.
pub(super) fn keep(pass: &mut Pass, uid: Uid, kind: CacheKind, octets: &[u8]) {
    if octets.len() <= KEPT_MAX {
        pass.keep(uid, kind, octets);
    }
}

/// Names that a command asks for, in any case.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In lower case. The client chooses them, and the sender what is looked up: by a keyed hash.
    places: HashMap<Vec<u8>, u32>,
}

/// Where a header has the fields of a command's names: found in one pass for all its items, as
/// the client chooses how many of those there are, and the sender how many fields.
#[derive(Debug)]
pub(super) struct Index {
    fields: Vec<At>,
    /// Places in `fields`, by the place of their name.
    by_name: Vec<Vec<u32>>,
    /// The header ends with an empty line.
    has_end: bool,
}

/// A field in a header.
#[derive(Clone, Copy, Debug)]
struct At {
    start: u32,
    length: u32,
    /// The place of its name, where it was asked for.
    name: Option<u32>,
}

impl Names {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut places = HashMap::new();
        for name in names {
            let next = places.len() as u32;
            places.entry(name.to_ascii_lowercase().into_bytes()).or_insert(next);
        }
        Self { places }
    }

    fn place(&self, name: &[u8]) -> Option<u32> {
        self.places.get(&name.to_ascii_lowercase()).copied()
    }
}

impl Index {
    /// Of a header, or a message that begins with it.
    pub(super) fn of(header: &[u8], names: &Names) -> Self {
        let header = Header::of(header);
        let bytes = header.bytes();
        let (mut fields, mut by_name) = (Vec::new(), vec![Vec::new(); names.places.len()]);
        for field in header.fields() {
            let start = field.raw.as_ptr() as usize - bytes.as_ptr() as usize;
            let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(field.raw.len())) else {
                break;
            };
            let name = names.place(field.name);
            if let Some(name) = name {
                by_name[name as usize].push(fields.len() as u32);
            }
            fields.push(At { start, length, name });
        }
        let has_end = [&b"\n\n"[..], b"\n\r\n"].iter().any(|end| bytes.ends_with(end))
            || bytes == b"\n"
            || bytes == b"\r\n";
        Self { fields, by_name, has_end }
    }

    /// The fields of the header that have one of `wanted`, or with `not` none of them, as on
    /// disk; `names` and `header` are those that the index was made with.
    ///
    /// The empty line belongs to every subset, unless the header has none itself (RFC 3501
    /// section 6.4.5).
    pub(super) fn pick(&self, header: &[u8], names: &Names, not: bool, wanted: &[String]) -> Vec<u8> {
        let mut places: Vec<u32> = wanted.iter().filter_map(|name| names.place(name.as_bytes())).collect();
        places.sort_unstable();
        places.dedup();
        let mut subset = Vec::new();
        let mut take = |at: &At| {
            let start = at.start as usize;
            subset.extend_from_slice(header.get(start..start + at.length as usize).unwrap_or_default());
        };
        if not {
            let is_wanted = |name| places.binary_search(&name).is_ok();
            self.fields.iter().filter(|at| !at.name.is_some_and(is_wanted)).for_each(&mut take);
        } else {
            let of_name = |place: &u32| self.by_name.get(*place as usize).map_or(&[][..], Vec::as_slice);
            let mut picked: Vec<u32> = places.iter().flat_map(of_name).copied().collect();
            picked.sort_unstable();
            picked.iter().filter_map(|place| self.fields.get(*place as usize)).for_each(&mut take);
        }
        if self.has_end {
            subset.extend_from_slice(b"\r\n");
        }
        subset
    }

    /// Fields that are looked at to pick a subset: its cost, beside that of its bytes.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_is_called_by_its_names_and_nothing_else() {
        let kind_of = |not, names: &[&str]| {
            kind(not, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>())
        };
        let kept = kind_of(false, &["Date", "From"]);
        assert_eq!(kind_of(false, &["from", "DATE", "From"]), kept);
        for (not, names) in [
            (true, &["date", "from"][..]),
            (false, &["date from"]),
            (false, &["date 4:from"]),
            (false, &["date"]),
            (false, &[]),
        ] {
            assert_ne!(kind_of(not, names), kept, "{not} {names:?}");
        }
    }

    #[test]
    fn one_pass_serves_all_subsets() {
        let header = b"From x\nA: 1\nb: 2\n 3\r\nnonsense\nA: 4\nC: 5\n\nbody";
        let names = Names::new(["a", "B", "none", "A"].into_iter());
        let index = Index::of(header, &names);
        for (not, wanted, expected) in [
            (false, &["A"][..], "A: 1\nA: 4\n\r\n"),
            (false, &["b", "a", "B"], "A: 1\nb: 2\n 3\r\nA: 4\n\r\n"),
            (false, &["none"], "\r\n"),
            (true, &["A"], "b: 2\n 3\r\nC: 5\n\r\n"),
            (true, &["none"], "A: 1\nb: 2\n 3\r\nA: 4\nC: 5\n\r\n"),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let picked = index.pick(header, &names, not, &wanted);
            assert_eq!(String::from_utf8_lossy(&picked), expected, "{not} {wanted:?}");
        }
        let without_end = Index::of(b"A: 1\n", &names).pick(b"A: 1\n", &names, false, &["A".to_owned()]);
        assert_eq!(without_end, b"A: 1\n");
    }
}
