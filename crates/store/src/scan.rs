//! Reading the names in `cur/` and `new/`, and nothing else of the messages.

use crate::directory::strange;
use crate::error::{Error, Result};
use crate::file_name::{Info, split};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use std::io;
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

/// Message files as a scan found them, sorted by base name. All names are in one block, as
/// there may be a million of them.
#[derive(Default, Debug)]
pub(crate) struct FoundFiles {
    bytes: Vec<u8>,
    files: Vec<FoundFile>,
    misnamed: Vec<FoundFile>,
}

/// A message's file as a scan found it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundFile {
    start: u32,
    /// Bytes of the base name, and of the whole name.
    base: u8,
    name: u8,
    pub(crate) place: Place,
}

impl FoundFiles {
    pub(crate) fn files(&self) -> &[FoundFile] {
        &self.files
    }

    /// Files that are no message under the name that they have, in order: their base name is
    /// empty, or is that of one of [`FoundFiles::files`] too. A file that is being moved may be seen
    /// twice, and so be here.
    pub(crate) fn misnamed(&self) -> &[FoundFile] {
        &self.misnamed
    }

    /// The file of a base name.
    pub(crate) fn find(&self, base: &[u8]) -> Option<&FoundFile> {
        let at = self.files.binary_search_by(|file| self.base(file).cmp(base)).ok()?;
        self.files.get(at)
    }

    /// A file's base name.
    pub(crate) fn base(&self, file: &FoundFile) -> &[u8] {
        &self.name(file)[..usize::from(file.base)]
    }

    /// What follows its base name, `:` included.
    pub(crate) fn suffix(&self, file: &FoundFile) -> &[u8] {
        &self.name(file)[usize::from(file.base)..]
    }

    /// The info that its name has.
    pub(crate) fn info(&self, file: &FoundFile) -> Info {
        info_of(self.suffix(file))
    }

    /// A file's name.
    pub(crate) fn name(&self, file: &FoundFile) -> &[u8] {
        &self.bytes[file.start as usize..][..usize::from(file.name)]
    }

    /// Takes a name in, if it can be a message's.
    fn take(&mut self, name: &[u8], place: Place) {
        let (base, _) = split(name);
        let (Ok(start), Ok(length)) = (u32::try_from(self.bytes.len()), u8::try_from(name.len())) else {
            return;
        };
        let file = FoundFile { start, base: base.len() as u8, name: length, place };
        let files = match (is_mail(name), is_nameless(name)) {
            (true, _) => &mut self.files,
            (_, true) => &mut self.misnamed,
            _ => return,
        };
        files.push(file);
        self.bytes.extend_from_slice(name);
    }

    /// Sorts by base name, each once: the file in `cur/` comes first, the others are misnamed.
    fn sort(&mut self) {
        let mut files = std::mem::take(&mut self.files);
        let mut misnamed = std::mem::take(&mut self.misnamed);
        let key = |file: &FoundFile| (self.base(file), file.place == Place::New, self.suffix(file));
        files.sort_by(|a, b| key(a).cmp(&key(b)));
        files.dedup_by(|later, earlier| {
            let is_double = self.base(later) == self.base(earlier);
            misnamed.extend(is_double.then_some(*later));
            is_double
        });
        misnamed.sort_by(|a, b| key(a).cmp(&key(b)));
        (self.files, self.misnamed) = (files, misnamed);
    }
}

/// The info of what follows a base name.
pub(crate) fn info_of(suffix: &[u8]) -> Info {
    suffix.get(1..).map(Info::parse).unwrap_or_default()
}

/// Whether a name can be a message's: one that begins with a dot is not mail.
pub(crate) fn is_mail(name: &[u8]) -> bool {
    let (base, _) = split(name);
    !base.is_empty() && base[0] != b'.'
}

/// Whether a name is that of a message but for its base name, which is empty: `:2,S`.
pub(crate) fn is_nameless(name: &[u8]) -> bool {
    name.starts_with(b":")
}

/// Names in both directories. Directories are not mail. Whether a name is a regular file, and
/// no symbolic link, is checked when it is opened.
pub(crate) fn scan(directory: &Path) -> Result<FoundFiles> {
    let mut found = FoundFiles::default();
    // In this order a message moved to cur/ meanwhile is seen at least once.
    for place in [Place::New, Place::Cur] {
        let path = directory.join(place.directory());
        read_names(&path, |name| found.take(name, place))
            .map_err(|error| Error::reading("cannot read", &path, error.into()))?;
    }
    found.sort();
    Ok(found)
}

/// Calls `take` with the name of each entry that is no directory, link or the like, as far as
/// the file system tells.
fn read_names(path: &Path, mut take: impl FnMut(&[u8])) -> rustix::io::Result<()> {
    /// Bytes of names asked for at once: a call of the system for some thousand messages.
    const BUFFER: usize = 128 * 1024;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let kind = match entry.file_type() {
            FileType::Unknown => kind_of(&directory, entry.file_name()),
            known => known,
        };
        if kind == FileType::RegularFile {
            take(entry.file_name().to_bytes());
        }
    }
    Ok(())
}

/// What an entry is where the directory does not say it; a file that was renamed meanwhile was one.
fn kind_of(directory: impl std::os::fd::AsFd, name: &std::ffi::CStr) -> FileType {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.map_or(FileType::RegularFile, |stat| FileType::from_raw_mode(stat.st_mode))
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
            let metadata = std::fs::symlink_metadata(&path);
            if metadata.as_ref().is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(strange(&path));
            }
            match metadata.and_then(|metadata| metadata.modified()) {
                Ok(time) => Ok(Some(time)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(Error::reading("cannot look at", &path, error)),
            }
        };
        Ok(Self { new: time(Place::New)?, cur: time(Place::Cur)? })
    }

    /// As nanoseconds since 1970, `new` first; `None` where a directory is missing or older.
    pub(crate) fn to_nanos(self) -> Option<[u64; 2]> {
        let nanos = |time: Option<SystemTime>| {
            u64::try_from(time?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos()).ok()
        };
        Some([nanos(self.new)?, nanos(self.cur)?])
    }

    /// What [`Stamp::to_nanos`] gave.
    pub(crate) fn from_nanos([new, cur]: [u64; 2]) -> Self {
        let time = |nanos| SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(nanos));
        Self { new: time(new), cur: time(cur) }
    }

    /// Whether `cur` is there.
    pub(crate) fn has_cur(&self) -> bool {
        self.cur.is_some()
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
        let names: Vec<(&[u8], Place)> =
            found.files().iter().map(|file| (found.base(file), file.place)).collect();
        assert_eq!(names, [(&b"1.a"[..], Place::Cur), (b"5.b", Place::New)]);
        assert_eq!(found.suffix(&found.files()[0]), b":2,S");
        // The name that is there twice is not forgotten.
        let misnamed: Vec<(&[u8], Place)> =
            found.misnamed().iter().map(|file| (found.name(file), file.place)).collect();
        assert_eq!(misnamed, [(&b"1.a"[..], Place::New)]);
    }
}
