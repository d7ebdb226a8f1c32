//! Reading the names in `cur/` and `new/`, and nothing else of the messages.

use crate::error::{Error, Result};
use crate::file_name::{Info, split};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Where a message's file lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    New,
    Cur,
}

impl Place {
    /// The directory's name.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cur => "cur",
        }
    }
}

/// A message's file as the scan found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FoundFile {
    pub(crate) base: Box<[u8]>,
    /// What follows the base name, `:` included.
    pub(crate) suffix: Box<[u8]>,
    pub(crate) place: Place,
}

impl FoundFile {
    /// The info that the name has.
    pub(crate) fn info(&self) -> Info {
        self.suffix.get(1..).map(Info::parse).unwrap_or_default()
    }
}

/// Names in both directories, sorted by base name, each base name once: a message that is
/// being moved may be seen twice, and the one in `cur/` counts.
///
/// Names that begin with a dot are not mail, nor are directories. Whether a name is a regular
/// file, and no symbolic link, is checked when it is opened.
pub(crate) fn scan(directory: &Path) -> Result<Vec<FoundFile>> {
    let mut found = Vec::new();
    // In this order a message moved to cur/ meanwhile is seen at least once.
    for place in [Place::New, Place::Cur] {
        let path = directory.join(place.directory());
        let entries = std::fs::read_dir(&path).map_err(|error| Error::io("cannot read", &path, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("cannot read", &path, error))?;
            let name = entry.file_name();
            let name = name.as_bytes();
            let (base, _) = split(name);
            if base.is_empty() || base[0] == b'.' || entry.file_type().is_ok_and(|kind| !kind.is_file()) {
                continue;
            }
            found.push(FoundFile { base: base.into(), suffix: name[base.len()..].into(), place });
        }
    }
    let later = |file: &FoundFile| file.place == Place::New;
    found.sort_unstable_by(|a, b| {
        a.base.cmp(&b.base).then(later(a).cmp(&later(b))).then_with(|| a.suffix.cmp(&b.suffix))
    });
    found.dedup_by(|later, earlier| later.base == earlier.base);
    Ok(found)
}

/// When the directories last changed, as far as that can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stamp {
    new: Option<SystemTime>,
    cur: Option<SystemTime>,
}

impl Stamp {
    /// How much older than the look a time of change must be to be believed: file systems
    /// stamp coarsely, and another machine's clock may be off a little.
    const DOUBT: Duration = Duration::from_secs(2);

    /// The times of change now.
    pub(crate) fn of(directory: &Path) -> Result<Self> {
        let time = |place: Place| {
            let path = directory.join(place.directory());
            match std::fs::symlink_metadata(&path).and_then(|metadata| metadata.modified()) {
                Ok(time) => Ok(Some(time)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::io("cannot look at", &path, error)),
            }
        };
        Ok(Self { new: time(Place::New)?, cur: time(Place::Cur)? })
    }

    /// Whether both directories are there.
    pub(crate) fn is_there(&self) -> bool {
        self.new.is_some() && self.cur.is_some()
    }

    /// Whether a scan made at `scanned`, right after this stamp was taken, has seen all that
    /// happened under these times: they lie in the past far enough.
    pub(crate) fn is_settled_at(&self, scanned: SystemTime) -> bool {
        [self.new, self.cur]
            .into_iter()
            .flatten()
            .all(|time| scanned.duration_since(time).is_ok_and(|age| age > Self::DOUBT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn security_22_only_regular_files_are_mail() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["new", "cur"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let cur = directory.path().join("cur");
        fs::write(cur.join("1.a:2,S"), "").unwrap();
        fs::write(cur.join(".hidden"), "").unwrap();
        fs::create_dir(cur.join("2.directory")).unwrap();
        symlink("/etc/passwd", cur.join("3.link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, cur.join("4.fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        fs::write(directory.path().join("new/5.b"), "").unwrap();
        fs::write(directory.path().join("new/1.a"), "").unwrap();
        let found = scan(directory.path()).unwrap();
        let names: Vec<(&[u8], Place)> = found.iter().map(|file| (&*file.base, file.place)).collect();
        assert_eq!(names, [(&b"1.a"[..], Place::Cur), (b"5.b", Place::New)]);
    }
}
