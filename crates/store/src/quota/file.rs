//! `maildirsize` as a file: reading it, appending to it, replacing it.
//!
//! ```text
//! 10000000S,1000C
//!       123456           17
//!         -512           -1
//! ```
//!
//! The first line has the limits: bytes (`S`) and messages (`C`), 0 or missing for none. Then a
//! change a line, bytes and messages; the first is most often a whole count. It is input like
//! any other file: whoever may write to the Maildir may write anything.

use super::{QuotaLimits, QuotaStatus, signed};
use crate::disk::private_file;
use crate::error::{Error, ErrorKind, Result};
use crate::file_name::unique;
use crate::temporary::Temporary;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

/// Its name in the Maildir.
pub(super) const NAME: &str = "maildirsize";

/// From this size on it is counted anew (the Maildir++ rule), so no more of it is ever read.
const SIZE_MAX: u64 = 5_120;

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Contents {
    /// The first line; `None` where it has no limits that could be read.
    pub(super) limits: Option<QuotaLimits>,
    pub(super) bytes: i64,
    pub(super) messages: i64,
    /// Lines behind the first.
    pub(super) deltas: usize,
    /// It is so large that it is to be counted anew; sums were not read.
    pub(super) is_full: bool,
    /// Its last line does not end: a write that failed halfway.
    pub(super) is_torn: bool,
    pub(super) modified: SystemTime,
}

/// Whether there is such a file. Costs one `lstat`.
pub(super) fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Reads it; `None` where there is none. What is no regular file is `Damaged`.
pub(super) fn read(path: &Path) -> Result<Option<Contents>> {
    let Some((file, metadata)) = open(path, OFlags::RDONLY)? else { return Ok(None) };
    let mut text = vec![0; usize::try_from(SIZE_MAX.min(metadata.len())).unwrap_or(0)];
    let mut filled = 0;
    while filled < text.len() {
        match file.read_at(&mut text[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("cannot read", path, error)),
        }
    }
    text.truncate(filled);
    let modified = metadata.modified().map_err(|error| Error::io("cannot look at", path, error))?;
    Ok(Some(parse(&text, metadata.len() >= SIZE_MAX, modified)))
}

/// Lines that are no two numbers are passed over.
fn parse(text: &[u8], is_full: bool, modified: SystemTime) -> Contents {
    let mut lines = text.split(|byte| *byte == b'\n');
    let limits = lines.next().and_then(|line| QuotaLimits::of_header(std::str::from_utf8(line).ok()?));
    let is_torn = !is_full && !text.ends_with(b"\n");
    let mut contents = Contents { limits, bytes: 0, messages: 0, deltas: 0, is_full, is_torn, modified };
    if !is_full {
        for (bytes, messages) in lines.filter_map(delta) {
            contents.bytes = contents.bytes.saturating_add(bytes);
            contents.messages = contents.messages.saturating_add(messages);
            contents.deltas += 1;
        }
    }
    contents
}

fn delta(line: &[u8]) -> Option<(i64, i64)> {
    let mut numbers = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let delta = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    numbers.next().is_none().then_some(delta)
}

/// Appends a change, with one write; the file's length then. `None` where there is no file, and
/// none is made: it would lack what is there already.
pub(super) fn append(path: &Path, bytes: i64, messages: i64) -> Result<Option<u64>> {
    let Some((mut file, metadata)) = open(path, OFlags::WRONLY | OFlags::APPEND)? else { return Ok(None) };
    let line = line(bytes, messages);
    match file.write(line.as_bytes()) {
        // What lacks its end is seen as torn, and counted anew.
        Ok(count) if count == line.len() => Ok(Some(metadata.len() + count as u64)),
        Ok(_) => Err(Error::new(ErrorKind::NoSpace, "only part of a line could be appended to", path)),
        Err(error) => Err(Error::io("cannot append to", path, error)),
    }
}

/// Replaces it by a whole count, on purpose: written to `tmp/`, then renamed.
pub(super) fn replace(root: &Path, hostname: &str, status: QuotaStatus) -> Result<()> {
    crate::directory::check_tmp(root)?;
    let base = unique(hostname);
    let temporary = Temporary::new(root.join("tmp").join(&base), base);
    let QuotaStatus { limits, usage } = status;
    let text = format!("{limits}\n{}", line(signed(usage.bytes), signed(usage.messages)));
    let written = private_file(&temporary.path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // Empty after a crash, it would have lost limits that stand nowhere else.
        file.sync_data()
    });
    written.map_err(|error| Error::io("cannot write", &temporary.path, error))?;
    let path = root.join(NAME);
    std::fs::rename(&temporary.path, &path).map_err(|error| Error::io("cannot replace", &path, error))
}

/// Removes it; whether it was there does not matter.
pub(super) fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// In columns as Courier's, so that lines are mostly of one length.
fn line(bytes: i64, messages: i64) -> String {
    format!("{bytes:>12} {messages:>12}\n")
}

/// Opens a regular file, and never follows a symbolic link or waits for a FIFO.
fn open(path: &Path, access: OFlags) -> Result<Option<(File, std::fs::Metadata)>> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(Error::io("cannot open", path, error.into())),
    };
    let metadata = file.metadata().map_err(|error| Error::io("cannot look at", path, error))?;
    if metadata.is_file() {
        Ok(Some((file, metadata)))
    } else {
        Err(Error::new(ErrorKind::Damaged, "no regular file:", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), digits in "[0-9SC, \\n-]{0,200}") {
            parse(&text, false, SystemTime::now());
            let contents = parse(digits.as_bytes(), false, SystemTime::now());
            if let Some(limits) = contents.limits {
                proptest::prop_assert_eq!(QuotaLimits::of_header(&limits.to_string()), Some(limits));
            }
        }
    }

    #[test]
    fn lines_are_summed_and_what_is_none_is_passed_over() {
        let limits = |bytes, messages| Some(QuotaLimits { bytes, messages });
        for (text, expected) in [
            (
                "10000000S,1000C\n      123456           17\n        -512           -1\n",
                (limits(Some(10_000_000), Some(1000)), 122_944, 16, 2, false),
            ),
            ("0S\n1 1\n", (limits(None, None), 1, 1, 1, false)),
            ("5C,x,7Z\n", (limits(None, Some(5)), 0, 0, 0, false)),
            ("junk\n1 1\n1\n1 2 3\nx y\n\n 99999999999999999999 1\n2 2\n", (None, 3, 3, 2, false)),
            (
                "1S\n9223372036854775807 1\n9223372036854775807 1\n",
                (limits(Some(1), None), i64::MAX, 2, 2, false),
            ),
            ("1S\n-5 -1\n", (limits(Some(1), None), -5, -1, 1, false)),
            ("1S\n10 1\n12", (limits(Some(1), None), 10, 1, 1, true)),
            ("", (None, 0, 0, 0, true)),
        ] {
            let found = parse(text.as_bytes(), false, SystemTime::now());
            let found = (found.limits, found.bytes, found.messages, found.deltas, found.is_torn);
            assert_eq!(found, expected, "{text}");
        }
        let found = parse(b"\xff\n\xff 1\n\0\n3 1\n", false, SystemTime::now());
        assert_eq!((found.limits, found.bytes, found.deltas), (None, 3, 1));
    }
}
