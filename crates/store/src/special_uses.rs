//! Special uses of mailboxes (RFC 6154), and `restante-specialuse`, which remembers them.
//!
//! The settings say by which names a mailbox is known to have a use. The file is for what names
//! cannot say: a mailbox with a use was renamed, or made for a use. It lies in the Maildir, is
//! replaced as a whole with the account's lock held, and is missing where names say all:
//!
//! | line | meaning |
//! |---|---|
//! | `V 1` | the first line: version of the format |
//! | `USES` TAB `NAME` | the mailbox has these uses, parted by blanks, and no others |
//!
//! NAME is in UTF-8, levels joined by `/`. These rules say which mailbox has a use:
//!
//! * One mailbox at most: of those that are there, the last one that the file gives it to. A line
//!   of a mailbox that is not there says nothing.
//! * Else the first of the use's names in the settings that is there and has no line.
//! * A rename takes uses along, by whatever rule the mailbox had them. The line for the new name is
//!   durable before the directory is renamed, and the one for the old name goes after that: a crash
//!   in between leaves a line of a mailbox that is not there.
//! * The inbox keeps its uses when it is renamed, as it stays.
//! * A mailbox that is made, or renamed to a name, does not get what a line says of a former one.
//!
//! Invariant S17 of crates/store/README.md.

mod keep;

use crate::disk::{read_small, write_durably};
use crate::error::Result;
use crate::own_files::SPECIAL_USES;
use mail::{MailboxName, SpecialUse, SpecialUseNames};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Version of the format.
const VERSION: u64 = 1;

/// Largest file that is believed, in bytes.
const SIZE_MAX: u64 = 1024 * 1024;

/// Which mailbox has which special uses.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SpecialUses(HashMap<MailboxName, Vec<SpecialUse>>);

impl SpecialUses {
    /// The uses of a mailbox.
    pub fn of(&self, name: &MailboxName) -> &[SpecialUse] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The mailbox that has a use.
    pub fn mailbox(&self, special_use: SpecialUse) -> Option<&MailboxName> {
        self.0.iter().find(|(_, uses)| uses.contains(&special_use)).map(|(name, _)| name)
    }
}

/// What the file says.
#[derive(Default, Debug)]
pub(crate) struct Remembered {
    /// In the order of the file.
    entries: Vec<Entry>,
    /// Numbers of lines that make no sense, counted from 1.
    pub(crate) damaged: Vec<usize>,
    /// The version, where it is a later one: of that nothing is read.
    pub(crate) later_version: Option<u64>,
}

/// A line.
#[derive(Debug)]
struct Entry {
    name: MailboxName,
    /// Attributes, with those that only other versions know.
    uses: Vec<String>,
}

impl Remembered {
    /// Reads the file in a Maildir. Damaged lines are passed over; nothing is read of a later
    /// version.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let bytes = read_small(&path_in(root), SIZE_MAX)?;
        Ok(bytes.map_or_else(Self::default, |bytes| Self::parse(&bytes)))
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut remembered = Self::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
        {
            let line = std::str::from_utf8(line).ok();
            let version = line.filter(|_| at == 0).and_then(|line| line.strip_prefix("V ")?.parse().ok());
            match (version, line.and_then(Entry::parse)) {
                (Some(version), _) if version > VERSION => {
                    return Self { later_version: Some(version), ..Self::default() };
                }
                (Some(_), _) => {}
                // Of two lines of a mailbox the last one counts.
                (None, Some(entry)) => drop(remembered.set(&entry.name, entry.uses)),
                (None, None) => remembered.damaged.push(at + 1),
            }
        }
        remembered
    }

    fn write(&self, root: &Path) -> Result<()> {
        let mut text = format!("V {VERSION}\n");
        for entry in &self.entries {
            text.push_str(&format!("{}\t{}\n", entry.uses.join(" "), entry.name));
        }
        write_durably(&path_in(root), text.as_bytes())
    }

    /// The rules of the module. `there` are all mailboxes that are there.
    fn resolve(&self, there: &HashSet<&MailboxName>, names: &[SpecialUseNames]) -> SpecialUses {
        let mut uses: HashMap<MailboxName, Vec<SpecialUse>> = HashMap::new();
        for special_use in SpecialUse::ALL {
            let is_it = |entry: &&Entry| there.contains(&entry.name) && entry.has(special_use);
            let by_line = self.entries.iter().rev().find(is_it).map(|entry| &entry.name);
            let by_name = || {
                let of_use = names.iter().filter(|of_use| of_use.special_use == special_use);
                let mut names = of_use.flat_map(|of_use| &of_use.names);
                names.find(|name| there.contains(name) && self.entry(name).is_none())
            };
            if let Some(name) = by_line.or_else(by_name) {
                uses.entry(name.clone()).or_default().push(special_use);
            }
        }
        SpecialUses(uses)
    }

    fn entry(&self, name: &MailboxName) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == *name)
    }

    /// Uses of a mailbox that this version does not know.
    fn unknown_uses(&self, name: &MailboxName) -> Vec<String> {
        let uses = self.entry(name).into_iter().flat_map(|entry| &entry.uses);
        uses.filter(|text| SpecialUse::from_attribute(text).is_none()).cloned().collect()
    }

    /// Gives a mailbox these uses, and no line where there are none; whether that changed anything.
    fn set(&mut self, name: &MailboxName, uses: Vec<String>) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.name != *name);
        let is_changed = self.entries.len() < before || !uses.is_empty();
        if !uses.is_empty() {
            self.entries.push(Entry { name: name.clone(), uses });
        }
        is_changed
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let (uses, name) = line.split_once('\t')?;
        let uses: Vec<String> = uses.split(' ').map(str::to_owned).collect();
        // `use-attr` of RFC 6154 section 6.
        let is_attribute = |text: &String| {
            text.strip_prefix('\\').is_some_and(|atom| {
                !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            })
        };
        let name = MailboxName::new(name).ok()?;
        uses.iter().all(is_attribute).then_some(Self { name, uses })
    }

    fn has(&self, special_use: SpecialUse) -> bool {
        self.uses.iter().any(|text| SpecialUse::from_attribute(text) == Some(special_use))
    }
}

fn path_in(root: &Path) -> PathBuf {
    root.join(SPECIAL_USES)
}
