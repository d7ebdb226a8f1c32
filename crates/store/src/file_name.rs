//! Names of message files: `1700000000.M1P2.host,S=512,W=530:2,FS`.
//!
//! What stands before the `:` is the *base name*, a message's identity: it survives changes of
//! flags, which rename the file. After it comes the *info*. A name without `:` has none, which
//! is usual in `new/`.

use mail::SystemFlags;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Splits a name into base name and info (without its `:`).
pub fn split(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b':', name) {
        Some(at) => (&name[..at], Some(&name[at + 1..])),
        None => (name, None),
    }
}

/// The info of a name, taken apart: `2,FSab,x` has flags F and S, letters `ab` that are not
/// ours, and a tail `,x`. Both are kept as they are.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Info {
    /// The letters that are system flags.
    pub flags: SystemFlags,
    /// Letters that we do not know, such as Dovecot's keywords, and all after a second comma.
    pub foreign: Box<[u8]>,
}

const LETTERS: [(u8, SystemFlags); 5] = [
    (b'D', SystemFlags::DRAFT),
    (b'F', SystemFlags::FLAGGED),
    (b'R', SystemFlags::ANSWERED),
    (b'S', SystemFlags::SEEN),
    (b'T', SystemFlags::DELETED),
];

impl Info {
    /// From what follows the `:`. An info that is not of version 2 is all foreign, and lost
    /// when the flags change. Of several infos, as programs leave them that take all of a name
    /// for the base name (`2,:2,S`), the last counts.
    pub fn parse(info: &[u8]) -> Self {
        let last = memchr::memmem::rfind(info, b":2,").map_or(info, |at| &info[at + 1..]);
        let Some(letters) = last.strip_prefix(b"2,") else { return Self::default() };
        let end = memchr::memchr(b',', letters).unwrap_or(letters.len());
        let (letters, tail) = letters.split_at(end);
        let mut flags = SystemFlags::NONE;
        let mut foreign = Vec::new();
        for &letter in letters {
            match LETTERS.iter().find(|(known, _)| *known == letter) {
                Some(&(_, flag)) => flags = flags.with(flag),
                None => foreign.push(letter),
            }
        }
        foreign.extend_from_slice(tail);
        Self { flags, foreign: foreign.into() }
    }
}

/// Puts a name together; letters in ASCII order, as readers of Maildirs expect.
pub fn compose(base: &[u8], info: &Info) -> Vec<u8> {
    let tail = memchr::memchr(b',', &info.foreign).unwrap_or(info.foreign.len());
    let (foreign, tail) = info.foreign.split_at(tail);
    let mut letters = flag_letters(info.flags);
    letters.extend_from_slice(foreign);
    letters.sort_unstable();
    [base, b":2,", &letters, tail].concat()
}

/// The letters of system flags, in order.
pub fn flag_letters(flags: SystemFlags) -> Vec<u8> {
    LETTERS.iter().filter(|(_, flag)| flags.contains(*flag)).map(|&(letter, _)| letter).collect()
}

/// Size on the wire that the name gives, `,W=`, where it can be believed of a message of
/// `content` bytes: `,S=` beside it says just that, and each line end may gain a byte.
///
/// A `,W=` that equals `,S=` is not believed: it is right only of a message whose lines end with
/// CRLF on disk, and programs write it that did not count line ends. Nor is a name in which
/// either stands twice.
pub fn wire_size(base: &[u8], content: u64) -> Option<u64> {
    let (on_disk, on_wire) = (only_number_after(base, b",S=")?, only_number_after(base, b",W=")?);
    let fits = on_disk == content && on_disk < on_wire && on_wire <= on_disk.saturating_mul(2);
    fits.then_some(on_wire)
}

/// What a name can say of the sizes of a message of `content` bytes, after its unique part:
/// `,S=512,W=530`. As much of it as the name `old` said, where it is so; `octets` is the size on
/// the wire where that is known.
pub fn sizes_kept(old: &[u8], content: u64, octets: Option<u64>) -> String {
    if only_number_after(old, b",S=") != Some(content) {
        return String::new();
    }
    match octets.or_else(|| wire_size(old, content)) {
        Some(octets) => format!(",S={content},W={octets}"),
        None => format!(",S={content}"),
    }
}

/// Size on disk that the name gives: `,S=`.
pub fn disk_size(base: &[u8]) -> Option<u64> {
    number_after(base, b",S=")
}

/// The key by which messages without a UID are put in order: seconds and microseconds, before
/// their names.
pub fn delivery_order(base: &[u8]) -> (u64, u64) {
    let digits = |bytes: &[u8]| -> u64 {
        let end = bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let after_dot = memchr::memchr(b'.', base).map_or(&base[base.len()..], |at| &base[at + 1..]);
    let micros = memchr::memchr(b'M', after_dot).map_or(0, |at| digits(&after_dot[at + 1..]));
    (digits(base), micros)
}

/// When the message came into its mailbox, in seconds since 1970: what its base name begins with.
///
/// Every program that delivers makes the name at that time, and so do APPEND, COPY and MOVE; a
/// change of flags leaves it as it is. `None` where a name begins with no number, or with one from
/// before there were Maildirs.
pub fn save_date(base: &[u8]) -> Option<u32> {
    const MAILDIR_BEGAN: u32 = 788_918_400; // 1995
    let end = base.iter().position(|b| !b.is_ascii_digit())?;
    let seconds: u32 = std::str::from_utf8(&base[..end]).ok()?.parse().ok()?;
    (matches!(base[end], b'.' | b'_') && seconds >= MAILDIR_BEGAN).then_some(seconds)
}

/// A base name that nobody else has: time, process, a count of this process, host.
pub fn unique(hostname: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let host: String = hostname.replace('/', "\\057").replace(':', "\\072").replace(',', "\\054");
    format!(
        "{}.M{}P{}Q{}.{host}",
        now.as_secs(),
        now.subsec_micros(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn number_after(base: &[u8], key: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(base, key)? + key.len();
    let digits: Vec<u8> = base[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// The number behind the one `key` in the name, up to the next comma.
fn only_number_after(base: &[u8], key: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(base, key)? + key.len();
    let rest = &base[at..];
    if memchr::memmem::find(rest, key).is_some() {
        return None;
    }
    let digits = &rest[..memchr::memchr(b',', rest).unwrap_or(rest.len())];
    digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infos_are_taken_apart_and_put_together() {
        for (name, flags, again) in [
            ("b:2,FS", SystemFlags::FLAGGED.with(SystemFlags::SEEN), "b:2,FS"),
            ("b:2,", SystemFlags::NONE, "b:2,"),
            ("b", SystemFlags::NONE, "b:2,"),
            ("b:2,SabP", SystemFlags::SEEN, "b:2,PSab"),
            ("b:2,S,x,y", SystemFlags::SEEN, "b:2,S,x,y"),
            ("b:1,S", SystemFlags::NONE, "b:2,"),
            ("b:2,SS", SystemFlags::SEEN, "b:2,S"),
            ("b:2,TSRFD", SystemFlags::ALL, "b:2,DFRST"),
            ("b:2,:2,S", SystemFlags::SEEN, "b:2,S"),
            ("b:2,F:2,Sa", SystemFlags::SEEN, "b:2,Sa"),
            ("b:2,:::2:2::2,S", SystemFlags::SEEN, "b:2,S"),
            ("b:2", SystemFlags::NONE, "b:2,"),
            ("b:2,S,F=x", SystemFlags::SEEN, "b:2,S,F=x"),
        ] {
            let (base, info) = split(name.as_bytes());
            let info = info.map(Info::parse).unwrap_or_default();
            assert_eq!((base, info.flags), (&b"b"[..], flags), "{name}");
            assert_eq!(String::from_utf8(compose(base, &info)).unwrap(), again);
        }
    }

    #[test]
    fn sizes_are_believed_where_they_can_be() {
        for (base, size) in [
            ("1.x,S=10,W=12", Some(12)),
            ("1.x,W=12,S=10", Some(12)),
            ("1.x,S=10,W=12,FMD5=0", Some(12)),
            ("1.x,S=10", None),
            ("1.x,W=12", None),
            ("1.x,S=9,W=12", None),
            ("1.x,S=11,W=12", None),
            ("1.x,S=10,W=9", None),
            ("1.x,S=10,W=10", None),
            ("1.x,S=10,W=20", Some(20)),
            ("1.x,S=10,W=21", None),
            ("1.x,S=10,S=10,W=12", None),
            ("1.x,W=12,S=10,S=11", None),
            ("1.x,S=10,W=12,W=13", None),
            ("1.x,S=10,W=12x", None),
            ("1.x,S=10x,W=12", None),
            ("1.x,S=10,W=-1", None),
            ("1.x,S=0,W=0", None),
            ("1.x,S=99999999999999999999,W=1", None),
            ("1.x,S=10,W=99999999999999999999", None),
            ("1.x,S=,W=", None),
        ] {
            assert_eq!(wire_size(base.as_bytes(), 10), size, "{base}");
        }
    }

    #[test]
    fn messages_are_in_order_of_their_delivery() {
        let mut names = ["20.M5.h", "9.M7P1.h", "9.M10P1.h", "junk", "9.1234.h"];
        names.sort_by_key(|name| (delivery_order(name.as_bytes()), *name));
        assert_eq!(names, ["junk", "9.1234.h", "9.M7P1.h", "9.M10P1.h", "20.M5.h"]);
    }

    #[test]
    fn names_begin_with_the_time_of_delivery() {
        for (base, expected) in [
            ("1700000000.M1P2.host,S=512", Some(1_700_000_000)),
            ("1700000000_0.2.host", Some(1_700_000_000)),
            ("0946684800.1_1.host", Some(946_684_800)),
            ("4294967295.a", Some(u32::MAX)),
            ("4294967296.a", None),
            ("1.a", None),
            ("1700000000", None),
            ("1700000000a.b", None),
            (".a", None),
            ("", None),
        ] {
            assert_eq!(save_date(base.as_bytes()), expected, "{base}");
        }
        assert!(save_date(unique("host").as_bytes()).is_some());
    }

    #[test]
    fn unique_names_are() {
        let (a, b) = (unique("mail/host:1"), unique("mail/host:1"));
        assert_ne!(a, b);
        assert!(!a.contains(['/', ':']), "{a}");
    }
}
