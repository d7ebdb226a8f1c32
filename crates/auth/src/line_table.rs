//! Users of a text file, a line each: the text is kept once, with an index of names.
//!
//! A line is parsed when its user is asked for. The index has four bytes a slot and is at most
//! half full, so a million users cost 8 MiB beside the text. Hashes of names are keyed: whoever
//! chooses names cannot make them collide.

use crate::login_name::normalize;
use crate::regular_file::{Links, Stamp, open, read_all};
use crate::scheme;
use crate::secret::Secret;
use crate::source::User;
use ipnet::IpNet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Longest line, in bytes.
const LINE_MAX: usize = 64 * 1024;
/// Most problems that are kept of a file.
const PROBLEMS_MAX: usize = 100;
/// A slot with no line in it.
const FREE: u32 = u32::MAX;
/// How often a file is read again that changes while it is read.
const READS_MAX: usize = 3;

/// A user's line.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Who that is; the name is the line's.
    pub(crate) user: User,
    /// Stored passwords, with the one service (lower case) that each is for.
    pub(crate) passwords: Vec<(Option<&'static str>, Secret)>,
    /// If there, the user comes in from these networks only.
    pub(crate) networks: Option<Vec<IpNet>>,
}

impl Entry {
    /// The stored passwords for a service: its own, else those for all.
    pub(crate) fn passwords_for(&self, service: &str) -> Vec<Secret> {
        let of = |wanted: Option<&str>| -> Vec<Secret> {
            let matching = self.passwords.iter().filter(|(service, _)| *service == wanted);
            matching.map(|(_, secret)| secret.clone()).collect()
        };
        let own = of(Some(service));
        if own.is_empty() { of(None) } else { own }
    }

    /// Whether the user may come from an address; an administrator (`None`) always may.
    pub(crate) fn admits(&self, peer: Option<IpAddr>) -> bool {
        let (Some(networks), Some(peer)) = (&self.networks, peer) else { return true };
        networks.iter().any(|network| network.contains(&peer.to_canonical()))
    }
}

/// How lines are read.
#[derive(Debug)]
pub(crate) struct Format {
    /// What ends a name.
    pub(crate) after_name: u8,
    /// Reads a line, or says what is wrong with it, without secrets.
    pub(crate) parse: fn(&[u8]) -> Result<Entry, String>,
}

/// Why no password can let a user in whose line is right.
fn useless_password(entry: &Entry) -> Option<String> {
    let mut problems = entry.passwords.iter().map(|(_, stored)| scheme::problem(stored));
    let bad = problems.find_map(|problem| problem)?;
    Some(format!("{}: {bad}", entry.user.name))
}

/// All users of a file.
pub(crate) struct Table {
    text: Zeroizing<Vec<u8>>,
    slots: Vec<u32>,
    keys: RandomState,
    format: &'static Format,
    users: usize,
    /// What is wrong, as `line: text`; at most [`PROBLEMS_MAX`].
    problems: Vec<String>,
}

impl Table {
    /// Reads a text. A line that is wrong is passed over, but for its name: that user is neither
    /// unknown nor known.
    pub(crate) fn new(text: Vec<u8>, format: &'static Format) -> Self {
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        let slots = vec![FREE; (lines * 2).next_power_of_two()];
        let text = Zeroizing::new(text);
        let mut table =
            Self { text, slots, keys: RandomState::new(), format, users: 0, problems: Vec::new() };
        table.fill();
        table
    }

    fn fill(&mut self) {
        let (mut at, mut number) = (0, 1);
        while at < self.text.len() {
            let length = self.line_at(at).len();
            if let Err(why) = self.take(at)
                && self.problems.len() < PROBLEMS_MAX
            {
                self.problems.push(format!("{number}: {why}"));
            }
            at += length + 1;
            number += 1;
        }
    }

    fn take(&mut self, at: usize) -> Result<(), String> {
        let line = self.line_at(at);
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let (name, wrong, useless) = match self.parse(line) {
            Ok(entry) => {
                let useless = useless_password(&entry);
                (entry.user.name, None, useless)
            }
            Err(why) => match self.name_of(line) {
                Some(name) => {
                    let why = format!("{name}: {why}");
                    (name, Some(why), None)
                }
                None => return Err(why),
            },
        };
        let (slot, taken) = self.slot(&name);
        if taken {
            return Err(wrong.unwrap_or_else(|| format!("{name} stands above already")));
        }
        self.slots[slot] = u32::try_from(at).map_err(|_| "the file is too long")?;
        self.users += usize::from(wrong.is_none());
        wrong.or(useless).map_or(Ok(()), Err)
    }

    /// The name of a line, whatever stands behind it.
    fn name_of(&self, line: &[u8]) -> Option<String> {
        let name = line.split(|byte| *byte == self.format.after_name).next()?;
        normalize(name).ok()
    }

    fn parse(&self, line: &[u8]) -> Result<Entry, String> {
        if line.len() > LINE_MAX {
            return Err("the line is too long".to_owned());
        }
        if line.contains(&0) {
            return Err("the line has a NUL".to_owned());
        }
        (self.format.parse)(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The line that begins at a place, without its end.
    fn line_at(&self, at: usize) -> &[u8] {
        let rest = &self.text[at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        &rest[..end.unwrap_or(rest.len())]
    }

    /// The slot of a name, or the free one it would have.
    fn slot(&self, name: &str) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        #[allow(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let mut slot = self.keys.hash_one(name) as usize & mask;
        // At most half of the slots are taken, so a free one comes.
        loop {
            match self.slots[slot] {
                FREE => return (slot, false),
                at if self.is_of(at as usize, name) => return (slot, true),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn is_of(&self, at: usize, name: &str) -> bool {
        let rest = &self.text[at..];
        let end = rest.iter().position(|byte| [self.format.after_name, b'\n'].contains(byte));
        let found = &rest[..end.unwrap_or(rest.len())];
        found == name.as_bytes() || normalize(found).is_ok_and(|found| found == name)
    }

    /// The user of a name in lower case. Fails where the user's line is wrong.
    pub(crate) fn find(&self, name: &str) -> io::Result<Option<Entry>> {
        let (slot, taken) = self.slot(name);
        if !taken {
            return Ok(None);
        }
        let entry = self.parse(self.line_at(self.slots[slot] as usize));
        entry.map(Some).map_err(|why| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the line of {name} is wrong: {why}"))
        })
    }

    /// The user of the first name that is there.
    pub(crate) fn find_first<'n>(
        &self,
        mut names: impl Iterator<Item = &'n str>,
    ) -> io::Result<Option<Entry>> {
        names.find_map(|name| self.find(name).transpose()).transpose()
    }

    /// All users, in no order.
    pub(crate) fn users(&self) -> impl Iterator<Item = User> {
        let taken = self.slots.iter().filter(|at| **at != FREE);
        taken.filter_map(|at| Some(self.parse(self.line_at(*at as usize)).ok()?.user))
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.users
    }

    /// Bytes of the text, and of the index.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.text.capacity(), self.slots.len() * size_of::<u32>())
    }

    /// What is wrong, as `line: text`.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// A file, and its users as it last was.
pub(crate) struct TableFile {
    path: PathBuf,
    links: Links,
    format: &'static Format,
    state: Mutex<Option<Loaded>>,
    /// Held while the file is read: others wait for that instead of reading it too.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Loaded {
    stamp: Stamp,
    /// A further change might not be seen by the stamp.
    young: bool,
    table: Arc<Table>,
}

impl TableFile {
    /// The file is read when it is first asked for.
    pub(crate) fn new(path: PathBuf, links: Links, format: &'static Format) -> Self {
        Self { path, links, format, state: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Users as the file has them now. Whoever asks after a change waits for the new state,
    /// which a thread for blocking work reads: other log-ins go on.
    pub(crate) async fn table(&self) -> io::Result<Arc<Table>> {
        if let Some(table) = self.current()? {
            return Ok(table);
        }
        let _one_reads = self.reading.lock().await;
        if let Some(table) = self.current()? {
            return Ok(table);
        }
        let (path, links, format) = (self.path.clone(), self.links, self.format);
        let loaded = tokio::task::spawn_blocking(move || read(&path, links, format)).await;
        let loaded = loaded.map_err(io::Error::other)??;
        let table = loaded.table.clone();
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
        Ok(table)
    }

    fn current(&self) -> io::Result<Option<Arc<Table>>> {
        let metadata = match self.links {
            Links::Followed => std::fs::metadata(&self.path)?,
            Links::Refused => std::fs::symlink_metadata(&self.path)?,
        };
        let stamp = Stamp::of(&metadata);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let current = state.as_ref().filter(|loaded| loaded.stamp == stamp && !loaded.young);
        Ok(current.map(|loaded| loaded.table.clone()))
    }

    /// Reads the file anew when it is next asked for.
    pub(crate) fn forget(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// All that is wrong with the file.
    pub(crate) async fn problems(&self) -> Vec<String> {
        let path = self.path.display();
        match self.table().await {
            Ok(table) => table.problems().iter().map(|problem| format!("{path}:{problem}")).collect(),
            Err(error) => vec![format!("{path}: cannot be read: {error}")],
        }
    }
}

fn read(path: &Path, links: Links, format: &'static Format) -> io::Result<Loaded> {
    for _ in 0..READS_MAX {
        let file = open(path, links)?;
        let began = SystemTime::now();
        let stamp = Stamp::of(&file.metadata()?);
        let text = read_all(&file)?;
        if Stamp::of(&file.metadata()?) != stamp {
            continue;
        }
        let table = Arc::new(Table::new(text, format));
        for problem in table.problems() {
            tracing::warn!("{}:{problem}: that user cannot log in", path.display());
        }
        tracing::debug!("{}: {} users", path.display(), table.len());
        return Ok(Loaded { stamp, young: stamp.is_young(began), table });
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it changes while it is read"))
}
