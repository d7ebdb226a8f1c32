//! What processes on one Maildir wrote down, before and after each operation.
//!
//! All append to one file, a record with one write, so that the order of records is an order
//! in time: what was answered before another operation began happened before it. A record is
//! a line of words:
//!
//! * `I PROCESS NUMBER OPERATION MAILBOX DATA…`: an operation begins;
//! * `A PROCESS NUMBER VALIDITY NEXT HIGHEST DATA…`: it was answered, and the mailbox was in
//!   that state (zeros where that is not known);
//! * `N PROCESS NUMBER KIND`: it was answered with an error;
//! * `D PROCESS`: the process is dead;
//! * `X KIND ID`, `Y KIND ID`: before and after what another program did to the file of the
//!   message with that identity.
//!
//! Data are `i=UID/ID` (a message and its identity, which is in its content),
//! `r=UID/MODSEQ/FLAGS/KEYWORDS` (a row of a snapshot), `p=FROM/TO` (UIDs in two mailboxes),
//! `t=VALIDITY/NEXT/HIGHEST` (the other mailbox), `all` (the rows are all that there are).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The end of the journal that one process writes.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens it, and makes it where it is missing.
    pub fn open(path: &Path) -> Self {
        let file = File::options().append(true).create(true).open(path).expect("the journal");
        Self { file }
    }

    /// Adds a record.
    pub fn write(&mut self, record: &str) {
        let line = format!("{record}\n");
        let count = self.file.write(line.as_bytes()).expect("a record");
        assert_eq!(count, line.len(), "a record is written at once");
    }
}

/// A mailbox's state as it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Seen {
    /// UIDVALIDITY, which names a mailbox in an account for good; 0 where nothing was seen.
    pub validity: u32,
    /// UIDNEXT.
    pub next: u32,
    /// HIGHESTMODSEQ.
    pub highest: u64,
}

/// A row of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenRow {
    /// UID.
    pub uid: u32,
    /// MODSEQ.
    pub modseq: u64,
    /// System flags and keywords, as text that can be compared.
    pub flags: String,
}

/// What stands behind a record.
#[derive(Clone, Default, Debug)]
pub struct Data {
    /// Messages and their identities.
    pub identities: Vec<(u32, String)>,
    /// Rows.
    pub rows: Vec<SeenRow>,
    /// UIDs in the source and in the target.
    pub pairs: Vec<(u32, u32)>,
    /// The target's state.
    pub target: Option<Seen>,
    /// Whether the rows are all that there are.
    pub all: bool,
}

/// A record, read back.
#[derive(Clone, Debug)]
pub enum Record {
    /// An operation begins.
    Begun {
        /// Process and number of the operation.
        key: (u32, u32),
        /// Its name.
        operation: String,
        /// The mailbox's name.
        mailbox: String,
        /// On what.
        data: Data,
    },
    /// It was answered.
    Answered {
        /// Process and number of the operation.
        key: (u32, u32),
        /// The mailbox after it.
        seen: Seen,
        /// The result.
        data: Data,
    },
    /// It was answered with an error.
    Refused {
        /// Process and number of the operation.
        key: (u32, u32),
        /// Its kind.
        kind: String,
    },
    /// A process is dead.
    Died(u32),
    /// Before (`false`) and after (`true`) another program's work on a message.
    Foreign(bool, String, String),
}

impl Record {
    /// Reads a line. A process may die while it writes, but not in the middle of a write.
    pub fn parse(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u32>().unwrap_or_else(|_| panic!("a record: {line}"));
        match words[0] {
            "I" => Self::Begun {
                key: (number(1), number(2)),
                operation: words[3].to_owned(),
                mailbox: words[4].to_owned(),
                data: Data::parse(&words[5..]),
            },
            "A" => Self::Answered {
                key: (number(1), number(2)),
                seen: Seen { validity: number(3), next: number(4), highest: words[5].parse().expect(line) },
                data: Data::parse(&words[6..]),
            },
            "N" => Self::Refused { key: (number(1), number(2)), kind: words[3].to_owned() },
            "D" => Self::Died(number(1)),
            "X" | "Y" => Self::Foreign(words[0] == "Y", words[1].to_owned(), words[2].to_owned()),
            _ => panic!("a record: {line}"),
        }
    }
}

impl Data {
    fn parse(words: &[&str]) -> Self {
        let mut data = Self::default();
        for word in words.iter().filter(|word| !word.is_empty()) {
            let parts: Vec<&str> = word.get(2..).unwrap_or_default().split('/').collect();
            let uid = |at: usize| parts[at].parse::<u32>().expect("a UID");
            match word.as_bytes()[0] {
                b'i' => data.identities.push((uid(0), parts[1].to_owned())),
                b'r' => data.rows.push(SeenRow {
                    uid: uid(0),
                    modseq: parts[1].parse().expect("a MODSEQ"),
                    flags: format!("{} {}", parts[2], parts[3]),
                }),
                b'p' => data.pairs.push((uid(0), uid(1))),
                b't' => {
                    let highest = parts[2].parse().expect("a MODSEQ");
                    data.target = Some(Seen { validity: uid(0), next: uid(1), highest });
                }
                b'a' => data.all = true,
                _ => panic!("data: {word}"),
            }
        }
        data
    }
}

/// What is known of a message, which UIDVALIDITY and UID name for good.
#[derive(Default)]
struct Message {
    identity: Option<String>,
    modseq: u64,
    /// Its flags, when no operation on it is under way.
    settled: Option<String>,
    /// Operations on it that were begun and not answered.
    open: u32,
    /// Place in the journal of the last record that has to do with its flags.
    touched: usize,
    /// It was answered or shown.
    shown: bool,
    /// Somebody tried to take it away.
    taken: bool,
}

/// An operation that was begun.
struct Open {
    operation: String,
    mailbox: String,
    data: Data,
    at: usize,
    /// The states known when it began.
    known: BTreeMap<u32, Seen>,
    /// The messages that it touches.
    touched: Vec<(u32, u32)>,
}

/// What can be said of an identity.
#[derive(Default)]
struct Identity {
    /// How many files there may be of it at most.
    most: usize,
    /// It was delivered or appended, and somebody was told so.
    certain: bool,
    /// Somebody tried to take one of its files away.
    taken: bool,
    /// It lies in a mailbox that comes and goes.
    aside: bool,
    /// Another program is at work on its file.
    foreign_open: bool,
    /// Where in the journal another program's work on it began or ended last.
    foreign_at: usize,
}

/// Checks a journal, record by record, against what the store promises.
///
/// * UIDVALIDITY and UID name one message for good; UIDNEXT and HIGHESTMODSEQ never go back;
///   a UID that was given is not below a UIDNEXT that was told before the operation began.
/// * A message's MODSEQ never goes back, and each change of its flags takes it above the
///   HIGHESTMODSEQ that was told before.
/// * Flags stay as they were answered until another operation begins that touches them.
/// * A message that was answered or shown is there until somebody tries to take it away.
/// * An identity that nobody tried to take away is there; not more often than it was copied.
#[derive(Default)]
pub struct Check {
    at: usize,
    known: BTreeMap<u32, Seen>,
    names: BTreeMap<String, u32>,
    messages: BTreeMap<(u32, u32), Message>,
    identities: BTreeMap<String, Identity>,
    open: BTreeMap<(u32, u32), Open>,
    /// UIDVALIDITYs of mailboxes that come and go.
    aside: BTreeSet<u32>,
    /// Where the last deletion of a mailbox began or ended.
    deleted_at: usize,
    /// How many operations were answered, by name.
    pub answered: BTreeMap<String, usize>,
    /// How many operations were begun and cut off.
    pub cut_off: usize,
}

/// Whether a mailbox comes and goes.
pub fn is_aside(mailbox: &str) -> bool {
    mailbox.starts_with("Side")
}

impl Check {
    /// Takes the next record.
    pub fn take(&mut self, record: Record) -> Result<(), String> {
        self.at += 1;
        match record {
            Record::Begun { key, operation, mailbox, data } => self.begun(key, operation, mailbox, data),
            Record::Answered { key, seen, data } => {
                let open = self.open.remove(&key).ok_or("answered without having begun")?;
                let place = format!("{} in {} of {key:?}", open.operation, open.mailbox);
                self.answered(&open, seen, &data).map_err(|error| format!("{place}: {error}"))?;
                self.release(&open);
                *self.answered.entry(open.operation).or_default() += 1;
            }
            Record::Refused { key, kind } => {
                let open = self.open.remove(&key).ok_or("refused without having begun")?;
                // The mailbox came or went before the operation did, or in the middle of it.
                let expected = ["NonExistent", "AlreadyExists", "Deleted", "Io"].contains(&kind.as_str());
                if !expected || !is_aside(&open.mailbox) {
                    return Err(format!("{} in {} of {key:?}: {kind}", open.operation, open.mailbox));
                }
                self.release(&open);
                *self.answered.entry(format!("{} refused", open.operation)).or_default() += 1;
            }
            Record::Died(process) => {
                let dead: Vec<(u32, u32)> =
                    self.open.range((process, 0)..=(process, u32::MAX)).map(|(key, _)| *key).collect();
                for key in dead {
                    self.cut_off += 1;
                    if let Some(open) = self.open.remove(&key) {
                        self.release(&open);
                    }
                }
            }
            Record::Foreign(after, kind, identity) => self.foreign(after, &kind, &identity),
        }
        Ok(())
    }

    fn begun(&mut self, key: (u32, u32), operation: String, mailbox: String, data: Data) {
        let mut touched = Vec::new();
        let validity = self.names.get(&mailbox).copied();
        if let Some(validity) = validity.filter(|_| !is_aside(&mailbox)) {
            touched.extend(data.identities.iter().map(|(uid, _)| (validity, *uid)));
        }
        for (_, identity) in &data.identities {
            let entry = self.identities.entry(identity.clone()).or_default();
            entry.aside |= is_aside(&mailbox);
            entry.most += usize::from(operation == "append" || operation == "copy");
            entry.taken |= operation == "expunge";
        }
        for at in &touched {
            let message = self.messages.entry(*at).or_default();
            message.taken |= operation == "expunge" || operation == "move";
        }
        if operation == "store" {
            for at in &touched {
                let message = self.messages.entry(*at).or_default();
                message.open += 1;
                message.settled = None;
                message.touched = self.at;
            }
        } else {
            touched.clear();
        }
        if operation == "delete" {
            let aside = &self.aside;
            let gone = self.messages.iter_mut().filter(|((validity, _), _)| aside.contains(validity));
            gone.for_each(|(_, message)| message.taken = true);
            self.identities.values_mut().filter(|known| known.aside).for_each(|known| known.taken = true);
            self.deleted_at = self.at;
        }
        let known = self.known.clone();
        self.open.insert(key, Open { operation, mailbox, data, at: self.at, known, touched });
    }

    fn is_deleting(&self) -> bool {
        self.open.values().any(|open| open.operation == "delete")
    }

    fn release(&mut self, open: &Open) {
        if open.operation == "delete" {
            self.deleted_at = self.at;
        }
        for at in &open.touched {
            let message = self.messages.entry(*at).or_default();
            message.open -= 1;
            message.touched = self.at;
        }
    }

    fn foreign(&mut self, after: bool, kind: &str, identity: &str) {
        let entry = self.identities.entry(identity.to_owned()).or_default();
        match kind {
            "deliver" if after => entry.certain = true,
            "deliver" => entry.most += 1,
            "remove" => entry.taken = true,
            _ => {}
        }
        entry.foreign_open = !after;
        entry.foreign_at = self.at;
        for message in self.messages.values_mut().filter(|m| m.identity.as_deref() == Some(identity)) {
            message.taken |= kind == "remove";
            message.settled = None;
        }
    }

    fn answered(&mut self, open: &Open, seen: Seen, data: &Data) -> Result<(), String> {
        if open.operation == "list"
            || open.operation == "create"
            || open.operation == "delete"
            || open.operation == "rename"
        {
            return Ok(());
        }
        if let Some(known) = self.names.get(&open.mailbox)
            && *known != seen.validity
            && !is_aside(&open.mailbox)
        {
            return Err(format!("UIDVALIDITY was {known} and is {}", seen.validity));
        }
        self.names.insert(open.mailbox.clone(), seen.validity);
        if is_aside(&open.mailbox) {
            self.aside.insert(seen.validity);
        }
        self.see(open, seen)?;
        match open.operation.as_str() {
            "append" => self.appended(open, seen, data)?,
            "copy" | "move" => self.came_over(open, data)?,
            "open" => {
                for (uid, identity) in &data.identities {
                    self.name((seen.validity, *uid), identity)?;
                }
            }
            _ => {}
        }
        let stored: Vec<u32> = if open.operation == "store" {
            data.identities.iter().map(|i| i.0).collect()
        } else {
            Vec::new()
        };
        for row in &data.rows {
            self.row(open, seen, row, stored.contains(&row.uid))?;
        }
        if data.all {
            self.none_missing(open, seen, data)?;
        }
        Ok(())
    }

    /// UIDNEXT and HIGHESTMODSEQ do not go back behind what was told before the operation.
    fn see(&mut self, open: &Open, seen: Seen) -> Result<(), String> {
        let before = open.known.get(&seen.validity).copied().unwrap_or_default();
        if seen.next < before.next || seen.highest < before.highest {
            return Err(format!("went back: {seen:?} after {before:?}"));
        }
        let known = self.known.entry(seen.validity).or_insert(seen);
        known.next = known.next.max(seen.next);
        known.highest = known.highest.max(seen.highest);
        Ok(())
    }

    fn name(&mut self, at: (u32, u32), identity: &str) -> Result<(), String> {
        let going = self.aside.contains(&at.0) && self.is_deleting();
        let message = self.messages.entry(at).or_default();
        match &message.identity {
            Some(known) if known != identity => Err(format!("{at:?} was {known} and is {identity}")),
            _ => {
                message.identity = Some(identity.to_owned());
                // Somebody may have tried to take it away before its UID was known.
                message.taken |= self.identities.get(identity).is_some_and(|known| known.taken);
                message.taken |= going;
                message.shown = true;
                Ok(())
            }
        }
    }

    /// A UID that was given is new.
    fn given(&mut self, open: &Open, at: (u32, u32), identity: &str) -> Result<(), String> {
        if let Some(known) = open.known.get(&at.0)
            && at.1 < known.next
        {
            return Err(format!("UID {} was given below UIDNEXT {}", at.1, known.next));
        }
        if self.messages.get(&at).is_some_and(|message| {
            message.identity.is_some() && message.identity.as_deref() != Some(identity)
        }) {
            return Err(format!("{at:?} was given twice"));
        }
        self.name(at, identity)
    }

    fn appended(&mut self, open: &Open, seen: Seen, data: &Data) -> Result<(), String> {
        for (uid, identity) in &data.identities {
            self.given(open, (seen.validity, *uid), identity)?;
            let deleted = is_aside(&open.mailbox) && (self.deleted_at > open.at || self.is_deleting());
            let entry = self.identities.entry(identity.clone()).or_default();
            entry.certain = true;
            entry.taken |= deleted;
        }
        Ok(())
    }

    fn came_over(&mut self, open: &Open, data: &Data) -> Result<(), String> {
        let target = data.target.ok_or("no target")?;
        self.see(open, target)?;
        for (from, to) in &data.pairs {
            let identity =
                open.data.identities.iter().find(|(uid, _)| uid == from).ok_or("not asked for")?.1.clone();
            self.given(open, (target.validity, *to), &identity)?;
        }
        if data.pairs.iter().is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1) {
            Ok(())
        } else {
            Err("UIDs do not ascend".to_owned())
        }
    }

    fn row(&mut self, open: &Open, seen: Seen, row: &SeenRow, changed: bool) -> Result<(), String> {
        let before = open.known.get(&seen.validity).map_or(0, |known| known.highest);
        let message = self.messages.entry((seen.validity, row.uid)).or_default();
        let uid = row.uid;
        if changed && row.modseq <= before {
            return Err(format!("UID {uid}: flags changed at MODSEQ {}, told was {before}", row.modseq));
        }
        message.shown = true;
        let Some(identity) = message.identity.as_ref().and_then(|identity| self.identities.get(identity))
        else {
            return Ok(());
        };
        // Nobody else had a hand in it since this operation began.
        let mine = u32::from(open.operation == "store" && open.touched.contains(&(seen.validity, uid)));
        let alone = !identity.foreign_open
            && identity.foreign_at < open.at
            && message.open == mine
            && message.touched <= open.at;
        if alone {
            if row.modseq < message.modseq {
                return Err(format!("UID {uid}: MODSEQ was {} and is {}", message.modseq, row.modseq));
            }
            if let Some(settled) = &message.settled
                && *settled != row.flags
            {
                return Err(format!("UID {uid}: flags were {settled} and are {}", row.flags));
            }
            message.settled = Some(row.flags.clone());
        }
        message.modseq = message.modseq.max(row.modseq);
        Ok(())
    }

    /// What was shown before the operation began, and nobody tried to take away, is there.
    fn none_missing(&self, open: &Open, seen: Seen, data: &Data) -> Result<(), String> {
        let before = open.known.get(&seen.validity).map_or(0, |known| known.next);
        let all = self.messages.range((seen.validity, 0)..(seen.validity, before));
        let there: BTreeSet<u32> = data.rows.iter().map(|row| row.uid).collect();
        for ((_, uid), message) in all.filter(|(_, message)| message.shown && !message.taken) {
            // Without its identity, nobody knows whether another program removed it.
            if message.identity.is_some() && !there.contains(uid) {
                return Err(format!("UID {uid} ({:?}) is not there", message.identity));
            }
        }
        if data.rows.iter().is_sorted_by(|a, b| a.uid < b.uid) {
            Ok(())
        } else {
            Err("UIDs do not ascend".to_owned())
        }
    }

    /// All is quiet: `found` are the identities in the mailboxes, each as often as it is there.
    pub fn end(&self, found: &BTreeMap<String, usize>) -> Result<(), String> {
        for (identity, known) in &self.identities {
            let count = found.get(identity).copied().unwrap_or_default();
            if count > known.most {
                return Err(format!("{identity} is there {count} times, {} at most", known.most));
            }
            if known.certain && !known.taken && count == 0 {
                return Err(format!("{identity} is lost"));
            }
        }
        match found.keys().find(|identity| !self.identities.contains_key(*identity)) {
            Some(identity) => Err(format!("{identity} came from nowhere")),
            None => Ok(()),
        }
    }
}
