//! Subsets of a message's header (RFC 3501 section 6.4.5, HEADER.FIELDS): picked from the file
//! once, and kept for whoever asks for the same again. Clients ask for the same few fields of
//! all messages; SEARCH looks in one.

use mail::Uid;
use mail::header::Header;
use store::{Kind, Pass};

/// Longest subset that is kept, in bytes.
const KEPT_MAX: usize = 8 * 1024;

/// What a subset is called in the mailbox's cache: by its names in one order and spelling, as
/// the fields come in the header's own.
pub(super) fn kind(not: bool, names: &[String]) -> Kind {
    let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let mut kind = if not { "HEADER.FIELDS.NOT" } else { "HEADER.FIELDS" }.to_owned();
    for name in names {
        // What the client calls a name may have anything in it.
        kind.push_str(&format!(" {}:{name}", name.len()));
    }
    Kind::named(kind.as_bytes())
}

/// Keeps a subset, as it is sent.
pub(super) fn keep(pass: &mut Pass, uid: Uid, kind: Kind, octets: &[u8]) {
    if octets.len() <= KEPT_MAX {
        pass.keep(uid, kind, octets);
    }
}

/// The fields of a header that have one of `names`, or with `not` none of them, as on disk.
///
/// The empty line belongs to every subset, unless the header has none itself (RFC 3501
/// section 6.4.5).
pub(super) fn pick(header: &[u8], not: bool, names: &[String]) -> Vec<u8> {
    let header = Header::of(header);
    // The client chooses how many names there are, and the sender how many fields.
    let mut wanted: Vec<Vec<u8>> = names.iter().map(|name| name.to_ascii_lowercase().into_bytes()).collect();
    wanted.sort_unstable();
    let named = |name: &[u8]| wanted.binary_search(&name.to_ascii_lowercase()).is_ok();
    let mut subset = Vec::new();
    for field in header.fields().filter(|field| named(field.name) != not) {
        subset.extend_from_slice(field.raw);
    }
    let bytes = header.bytes();
    if [&b"\n\n"[..], b"\n\r\n"].iter().any(|end| bytes.ends_with(end)) || bytes == b"\n" || bytes == b"\r\n"
    {
        subset.extend_from_slice(b"\r\n");
    }
    subset
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
}
