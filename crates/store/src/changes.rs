//! Log lines for what users do to mail: messages that are expunged or moved, and mailboxes that
//! are made, renamed or deleted. User, session and peer are in the caller's span.

use crate::message::MessageFile;
use crate::scan::scan;
use mail::header::Header;
use mail::{MailboxName, Uid, UidSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tracing::{Level, info};

/// The target of these lines, so that a filter can leave them out.
pub const CHANGES: &str = "changes";

/// Messages whose Message-IDs are looked for, at most: however many go, it costs the same.
const LOOKED_AT_MAX: usize = 10;
/// Bytes of a message that are read for its Message-ID.
const HEADER_MAX: usize = 64 * 1024;
/// Characters of a Message-ID that are shown.
const MESSAGE_ID_MAX: usize = 250;
/// Ranges of UIDs in one line. More make further lines: programs that take logs cut long ones.
const RANGES_MAX: usize = 500;

/// Message-IDs of the first of many messages.
pub(crate) struct MessageIds {
    /// How many more messages are looked at.
    left: usize,
    found: Vec<String>,
}

impl MessageIds {
    /// None yet. Where the lines are not logged, none will be.
    pub(crate) fn new() -> Self {
        Self { left: if is_logged() { LOOKED_AT_MAX } else { 0 }, found: Vec::new() }
    }

    /// Reads the Message-ID of one more message, to be kept with [`MessageIds::keep`].
    pub(crate) fn read(&mut self, path: &Path) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        // A message that cannot be read has none in the log.
        let header = MessageFile::open(path).ok()??.read_header(HEADER_MAX).ok()?;
        let value = Header::of(&header).first("Message-ID")?.unfolded();
        Some(in_one_word(&String::from_utf8_lossy(&value))).filter(|id| !id.is_empty())
    }

    /// The message did go.
    pub(crate) fn keep(&mut self, id: Option<String>) {
        self.found.extend(id);
    }

    /// Separated by blanks; `None` where there are none.
    fn in_line(&self) -> Option<String> {
        (!self.found.is_empty()).then(|| self.found.join(" "))
    }
}

/// Blanks part Message-IDs in the log, so one has none.
fn in_one_word(id: &str) -> String {
    let visible = |c: char| if c.is_whitespace() || c.is_control() { '_' } else { c };
    id.chars().take(MESSAGE_ID_MAX).map(visible).collect()
}

fn is_logged() -> bool {
    tracing::enabled!(target: CHANGES, Level::INFO)
}

/// Messages were expunged, those of `ids` among them.
pub(crate) fn expunged(mailbox: &MailboxName, uids: &[Uid], ids: &MessageIds) {
    if !is_logged() {
        return;
    }
    let mut message_ids = ids.in_line();
    for uids in pieces(uids, |uid| *uid) {
        let (count, uids) = (uids.len(), uids.iter().copied().collect::<UidSet>());
        info!(
            target: CHANGES,
            mailbox = mailbox.as_str(), %uids, count, message_ids = message_ids.take(),
            "messages expunged"
        );
    }
}

/// Messages were moved; `pairs` are their UIDs before and after.
pub(crate) fn moved(mailbox: &MailboxName, target: &MailboxName, pairs: &[(Uid, Uid)], ids: &MessageIds) {
    if !is_logged() {
        return;
    }
    let mut message_ids = ids.in_line();
    for pairs in pieces(pairs, |(uid, _)| *uid) {
        let uids: UidSet = pairs.iter().map(|(uid, _)| *uid).collect();
        let target_uids: UidSet = pairs.iter().map(|(_, new)| *new).collect();
        info!(
            target: CHANGES,
            mailbox = mailbox.as_str(), %uids, count = pairs.len(),
            target = target.as_str(), %target_uids, message_ids = message_ids.take(),
            "messages moved"
        );
    }
}

/// A mailbox was made.
pub(crate) fn created(name: &MailboxName) {
    info!(target: CHANGES, mailbox = name.as_str(), "mailbox created");
}

/// A mailbox was renamed, and those below it with it: so many in all.
pub(crate) fn renamed(from: &MailboxName, to: &MailboxName, mailboxes: usize) {
    info!(target: CHANGES, mailbox = from.as_str(), target = to.as_str(), mailboxes, "mailbox renamed");
}

/// A mailbox was deleted. Its files lie in `directory` until they are removed.
pub(crate) fn deleted(name: &MailboxName, directory: &Path) {
    if !is_logged() {
        return;
    }
    let (found, mut ids) = (scan(directory).unwrap_or_default(), MessageIds::new());
    for file in found.files().iter().take(LOOKED_AT_MAX) {
        let name = OsStr::from_bytes(found.name(file));
        let id = ids.read(&directory.join(file.place.directory()).join(name));
        ids.keep(id);
    }
    let (mailbox, count) = (name.as_str(), found.files().len());
    info!(target: CHANGES, mailbox, count, message_ids = ids.in_line(), "mailbox deleted");
}

/// Messages in ascending order, cut where their UIDs would be too long for a line.
fn pieces<T>(messages: &[T], uid: impl Fn(&T) -> Uid) -> impl Iterator<Item = &[T]> {
    let mut ranges = 1;
    messages.chunk_by(move |one, next| {
        ranges += usize::from(uid(one).next() != Some(uid(next)));
        let fits = ranges <= RANGES_MAX;
        if !fits {
            ranges = 1;
        }
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_16_a_message_id_is_one_word() {
        for (id, expected) in [
            ("<1@example.com>", "<1@example.com>"),
            ("<1@x> <2@x>\tuser=\"root\"", "<1@x>_<2@x>_user=\"root\""),
            ("<\u{1b}[2J\0\u{2028}\u{9b}@x>", "<_[2J___@x>"),
        ] {
            assert_eq!(in_one_word(id), expected);
        }
        assert_eq!(in_one_word(&"x".repeat(10_000)).len(), MESSAGE_ID_MAX);
    }

    #[test]
    fn no_uid_is_left_out_of_long_sets() {
        let uids = |numbers: std::ops::Range<u32>, step| numbers.step_by(step).filter_map(Uid::new);
        let all: Vec<Uid> = uids(1..2_001, 2).chain(uids(3_000..9_000, 1)).collect();
        let pieces: Vec<UidSet> =
            pieces(&all, |uid| *uid).map(|piece| piece.iter().copied().collect()).collect();
        assert_eq!(pieces.iter().map(|set| set.ranges().count()).collect::<Vec<_>>(), [500, 500, 1]);
        assert_eq!(pieces.iter().flat_map(UidSet::iter).collect::<Vec<_>>(), all);
        assert!(pieces.iter().all(|set| set.to_string().len() < 6_000));
    }
}
