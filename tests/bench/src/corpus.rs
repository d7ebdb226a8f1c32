//! The mail that all servers serve: made of numbers that are the same in every run, and what
//! searches must find in it.

mod realistic;
mod small;
mod words;

use crate::prng::Prng;
use crate::{Error, Result};
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The first day of the mail: 1 January 2015, at noon.
const FIRST_DAY_SECONDS: u64 = 1_420_113_600;

const DAY_SECONDS: u64 = 86_400;

/// The mail is spread over so many days, in the order of arrival.
const DAYS: usize = 3000;

/// In the From field of one message in a hundred, and nowhere else.
pub(crate) const RARE_SENDER: &str = "wilhelmine";

/// In the body of one message in fifty, and nowhere else.
pub(crate) const RARE_WORD: &str = "quittungsblock";

/// Links to one file that ext4 allows are 65,000.
const LINKS_MAX: usize = 50_000;

/// A message of mailboxes where only numbers matter.
const TINY: &[u8] = b"From: a@example.com\nSubject: x\n\nbody\n";

/// What kind of mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mail {
    /// Plain text of 1 to 4 KB.
    Small,
    /// Attachments, nested messages, alternatives, encoded header fields: half of the messages
    /// have up to 8 KB or so, some have hundreds.
    Realistic,
}

/// Messages in files, and what is to be found in them.
pub(crate) struct Corpus {
    /// The files; their names are base names with info.
    directory: PathBuf,
    names: Vec<String>,
    /// Octets of all with CRLF, as a client gets them.
    pub(crate) octets: u64,
    pub(crate) unseen: usize,
    /// Received on or after [`Corpus::since_date`].
    pub(crate) since: usize,
    pub(crate) from_rare: usize,
    pub(crate) body_rare: usize,
}

impl Corpus {
    /// Seconds that a change of every file's name takes, and nothing else.
    pub(crate) fn rename_all(&self) -> Result<f64> {
        let paths = |more: &str| -> Vec<PathBuf> {
            self.names.iter().map(|name| self.directory.join(format!("{name}{more}"))).collect()
        };
        let (as_they_are, changed) = (paths(""), paths("X"));
        let begin = Instant::now();
        for (one, other) in as_they_are.iter().zip(&changed) {
            fs::rename(one, other)?;
        }
        for (one, other) in as_they_are.iter().zip(&changed) {
            fs::rename(other, one)?;
        }
        Ok(begin.elapsed().as_secs_f64() / 2.0)
    }

    /// Makes `count` messages in that directory.
    pub(crate) fn make(mail: Mail, count: usize, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let mut corpus = Self {
            directory: directory.to_owned(),
            names: Vec::with_capacity(count),
            octets: 0,
            unseen: 0,
            since: 0,
            from_rare: 0,
            body_rare: 0,
        };
        for number in 0..count {
            corpus.add(mail, number, count)?;
        }
        Ok(corpus)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The day on which the last quarter of the mail begins, as SEARCH wants it: the first day of
    /// a month, so that no time zone matters.
    pub(crate) fn since_date(&self) -> &'static str {
        "1-Jan-2021"
    }

    /// A Maildir with all messages in `cur`, as links, owned by `owner`.
    pub(crate) fn fill(&self, maildir: &Path, owner: (u32, u32)) -> Result<()> {
        make_maildir(maildir, owner)?;
        let cur = maildir.join("cur");
        for name in &self.names {
            link(&self.directory.join(name), &cur.join(name))?;
        }
        Ok(())
    }

    fn add(&mut self, mail: Mail, number: usize, count: usize) -> Result<()> {
        let mut prng = Prng::new(number as u64 ^ if mail == Mail::Small { 0 } else { 1 << 60 });
        let from_rare = number % 100 == 17;
        let body_rare = number % 50 == 23;
        let day = number * DAYS / count;
        let seconds = FIRST_DAY_SECONDS + day as u64 * DAY_SECONDS + prng.below(3600) as u64;
        let draft = Draft { number, seconds, from_rare, body_rare };
        let text = match mail {
            Mail::Small => small::message(&draft, &mut prng),
            Mail::Realistic => realistic::message(&draft, &mut prng),
        };
        let flags = *prng.pick(&["S", "S", "S", "S", "RS", "FS", "S", "S", "", "S"]);
        let name = format!("{seconds}.M{number}P1.bench,S={}:2,{flags}", text.len());
        write_unless_there(&self.directory.join(&name), &text, seconds)?;
        self.octets += (text.len() + memchr::memchr_iter(b'\n', &text).count()) as u64;
        self.unseen += usize::from(!flags.contains('S'));
        // 1 January 2021, 0:00 UTC; noon is far from it in every time zone.
        self.since += usize::from(seconds >= 1_609_459_200);
        self.from_rare += usize::from(from_rare);
        self.body_rare += usize::from(body_rare);
        self.names.push(name);
        Ok(())
    }
}

/// What is settled of a message before its text is.
struct Draft {
    number: usize,
    /// Of its arrival, since 1970.
    seconds: u64,
    from_rare: bool,
    body_rare: bool,
}

/// Empty `cur`, `new` and `tmp`, and the directories above, where they are missing.
pub(crate) fn make_maildir(maildir: &Path, owner: (u32, u32)) -> Result<()> {
    if let Some(home) = maildir.parent() {
        fs::create_dir_all(home)?;
        give(home, owner)?;
    }
    for directory in [maildir.to_owned(), maildir.join("cur"), maildir.join("new"), maildir.join("tmp")] {
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        give(&directory, owner)?;
    }
    Ok(())
}

/// A mailbox of `count` tiny messages, which are links to a few files.
pub(crate) fn fill_with_links(maildir: &Path, owner: (u32, u32), count: usize) -> Result<()> {
    make_maildir(maildir, owner)?;
    let cur = maildir.join("cur");
    let mut text_file = PathBuf::new();
    for number in 0..count {
        let name = cur.join(format!("1600000000.M{number}P2.bench,S={}:2,S", TINY.len()));
        if number % LINKS_MAX == 0 {
            write_unless_there(&name, TINY, 1_600_000_000)?;
            text_file = name;
        } else {
            link(&text_file, &name)?;
        }
    }
    Ok(())
}

/// Gives a file to a server's user.
pub(crate) fn give(path: &Path, owner: (u32, u32)) -> Result<()> {
    std::os::unix::fs::chown(path, Some(owner.0), Some(owner.1))
        .map_err(|error| Error::from(format!("{}: {error}", path.display())))
}

/// All servers read the same file, whoever they are; none may change it.
fn write_unless_there(path: &Path, text: &[u8], seconds: u64) -> Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == text.len() as u64) {
        return Ok(());
    }
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(0o644))?;
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path)?.set_times(FileTimes::new().set_modified(time))?;
    Ok(())
}

/// A copy where the file system is another one.
fn link(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            fs::copy(from, to)?;
            let modified = fs::metadata(from)?.modified()?;
            File::options().write(true).open(to)?.set_times(FileTimes::new().set_modified(modified))?;
            Ok(())
        }
        other => other.map_err(|error| format!("{}: {error}", to.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_every_run() {
        for mail in [Mail::Small, Mail::Realistic] {
            let first = tempfile::tempdir().expect("a directory");
            let second = tempfile::tempdir().expect("a directory");
            let one = Corpus::make(mail, 200, first.path()).expect("mail");
            let two = Corpus::make(mail, 200, second.path()).expect("mail");
            assert_eq!(one.names, two.names);
            for name in &one.names {
                let text = fs::read(first.path().join(name)).expect("a message");
                assert_eq!(text, fs::read(second.path().join(name)).expect("a message"));
                assert!(!text.contains(&b'\r'), "{name}");
            }
        }
    }

    #[test]
    fn what_searches_find_is_in_the_text() {
        let directory = tempfile::tempdir().expect("a directory");
        let corpus = Corpus::make(Mail::Realistic, 400, directory.path()).expect("mail");
        let containing = |word: &str| {
            let texts = corpus.names.iter().map(|name| fs::read(directory.path().join(name)));
            texts
                .filter(|text| {
                    memchr::memmem::find(text.as_ref().expect("a message"), word.as_bytes()).is_some()
                })
                .count()
        };
        assert_eq!(containing(RARE_SENDER), corpus.from_rare);
        assert_eq!(containing(RARE_WORD), corpus.body_rare);
        assert_eq!((corpus.from_rare, corpus.body_rare), (4, 8));
    }
}
