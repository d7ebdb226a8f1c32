//! Moving messages: to another mailbox, or to the same one, where they get new UIDs (RFC 6851
//! section 3.3 allows it).

use super::copy::{copy_file, is_of_one_owner};
use super::held::Held;
use super::incoming::{
    Chosen, Incoming, announce, file_name, make_durable, messages_of, new_base, note_leaving, settle,
    sync_lines,
};
use super::inner::Durability;
use super::room::{self, Moving};
use super::{Copied, Inner, Mailbox};
use crate::changes::{self, MessageIds};
use crate::disk::{is_missing, sync_directory};
use crate::error::{Error, Result};
use crate::faults::fault_point;
use crate::rename::rename_new;
use crate::scan::Place;
use crate::uid_list::Line;
use mail::{Uid, UidSet, UidValidity};

/// Where messages move from, and where to.
enum Ends<'a> {
    One(Held<'a>),
    Two { source: Held<'a>, target: Held<'a> },
}

/// Messages whose files are in their new place, also where what follows fails.
struct Moved {
    /// UIDs before and after.
    pairs: Vec<(Uid, Uid)>,
    ids: MessageIds,
}

impl Moved {
    /// A message's file lies in `target` now.
    fn add(&mut self, pair: (Uid, Uid), target: &Mailbox, incoming: &Incoming) {
        self.pairs.push(pair);
        let _entered = target.shared.enter();
        let id = self.ids.read(&target.file_path(Place::Cur, &file_name(incoming)));
        self.ids.keep(id);
    }

    /// What the caller is told, of so many messages that were chosen. What was moved is moved, and
    /// both mailboxes say so.
    fn outcome(
        &self,
        source: &Mailbox,
        uid_validity: UidValidity,
        chosen: usize,
        failed: Option<Error>,
    ) -> Result<Copied> {
        match failed {
            Some(error) if self.pairs.is_empty() => return Err(error),
            Some(error) => {
                let (mailbox, moved) = (source.name.as_str(), self.pairs.len());
                tracing::error!(%error, mailbox, "a move ended halfway: {moved} of {chosen} messages");
            }
            None => {}
        }
        Ok(Copied { uid_validity, pairs: self.pairs.clone() })
    }
}

impl<'a> Ends<'a> {
    fn source(&mut self) -> &mut Held<'a> {
        match self {
            Self::One(held) | Self::Two { source: held, .. } => held,
        }
    }

    fn target(&mut self) -> &mut Held<'a> {
        match self {
            Self::One(held) | Self::Two { target: held, .. } => held,
        }
    }
}

pub(super) fn move_to(source: &Mailbox, uids: &UidSet, target: &Mailbox) -> Result<Copied> {
    let mut moved = Moved { pairs: Vec::new(), ids: MessageIds::new() };
    let outcome = hold_and_move(source, uids, target, &mut moved);
    // With no lock held.
    changes::moved(&source.name, &target.name, &moved.pairs, &moved.ids);
    outcome
}

fn hold_and_move(source: &Mailbox, uids: &UidSet, target: &Mailbox, moved: &mut Moved) -> Result<Copied> {
    let mut change = room::moving(source, uids, target)?;
    if source.identity == target.identity {
        let mut inner = source.lock();
        return move_between(Ends::One(Held::hold(source, &mut inner)?), uids, &mut change, moved);
    }
    // In one order for all, or two moves the opposite ways wait for one another.
    let source_first = source.directory < target.directory;
    let (one, other) = if source_first { (source, target) } else { (target, source) };
    let (mut first, mut second) = (one.lock(), other.lock());
    let (first_held, second_held) = (Held::hold(one, &mut first)?, Held::hold(other, &mut second)?);
    let ends = match source_first {
        true => Ends::Two { source: first_held, target: second_held },
        false => Ends::Two { source: second_held, target: first_held },
    };
    let outcome = move_between(ends, uids, &mut change, moved);
    // Hooks are told when both are let go of.
    second.let_go();
    drop(first);
    other.shared.tell_hooks();
    outcome
}

fn move_between(
    mut ends: Ends<'_>,
    uids: &UidSet,
    change: &mut Moving<'_>,
    moved: &mut Moved,
) -> Result<Copied> {
    let (source, target) = (ends.source().mailbox, ends.target().mailbox);
    let from = &mut *ends.source().inner;
    let chosen = messages_of(from, uids)?;
    note_leaving(source, from, &chosen);
    if chosen.is_empty() {
        return Ok(Copied { uid_validity: ends.target().inner.uid_validity(), pairs: Vec::new() });
    }
    let incoming: Vec<Incoming> = chosen
        .iter()
        .map(|(uid, flags)| Incoming { base: new_base(target, source, from, *uid), flags: flags.clone() })
        .collect();
    let incoming: Vec<&Incoming> = incoming.iter().collect();
    let new = announce(ends.target(), &incoming)?;
    // A file that has left the source has its keywords in this line only.
    sync_lines(ends.target())?;
    fault_point("move: after the target's lines");
    let messages = chosen.iter().zip(&incoming).zip(&new);
    let messages = messages.map(|((chosen, incoming), new)| (chosen, *incoming, *new));
    let (missing, failed) = move_files(&mut ends, messages, change, moved);
    make_durable(ends.target())?;
    if matches!(ends, Ends::Two { .. }) {
        sync_directory(&source.directory.join("cur"))?;
    }
    settle(ends.target(), &incoming, &new, &missing)?;
    let modseq = ends.source().inner.state()?.next_modseq();
    let gone = moved.pairs.iter().map(|(uid, _)| Line::Expunged(*uid, modseq));
    ends.source().commit(gone, Durability::Synced, |_| {})?;
    moved.outcome(source, ends.target().inner.uid_validity(), chosen.len(), failed)
}

/// Renames the files, up to the first failure; the UIDs that are not to be, and what failed.
fn move_files<'a>(
    ends: &mut Ends<'_>,
    messages: impl Iterator<Item = (&'a Chosen, &'a Incoming, Uid)>,
    change: &mut Moving<'_>,
    moved: &mut Moved,
) -> (Vec<Uid>, Option<Error>) {
    let (source, target) = (ends.source().mailbox, ends.target().mailbox);
    let (mut missing, mut failed) = (Vec::new(), None);
    for ((uid, flags), incoming, new) in messages {
        if failed.is_some() {
            missing.push(new);
            continue;
        }
        let name = file_name(incoming);
        match rename_over(source, ends.source().inner, *uid, target, &name) {
            Ok(true) => {
                moved.add((*uid, new), target, incoming);
                room::moved(change, source, target, &name, flags.system);
            }
            Ok(false) => missing.push(new),
            Err(error) => {
                missing.push(new);
                failed = Some(error);
            }
        }
        fault_point("move: after a rename");
    }
    (missing, failed)
}

/// Renames a message's file into another mailbox; `false` when it is gone.
fn rename_over(source: &Mailbox, from: &mut Inner, uid: Uid, target: &Mailbox, name: &[u8]) -> Result<bool> {
    let to = target.file_path(Place::Cur, name);
    for _ in 0..3 {
        let Some(path) = source.path_of(from, uid) else { return Ok(false) };
        let renamed = match is_of_one_owner(source, target) {
            true => rename_new(&path, &to),
            // No rename gives a file away.
            false => Err(std::io::ErrorKind::CrossesDevices.into()),
        };
        match renamed {
            Ok(()) => return Ok(true),
            Err(error) if is_missing(&error) => source.scan_again(from)?,
            Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
                if !copy_file(&path, &to, target)? {
                    source.scan_again(from)?;
                    continue;
                }
                fault_point("move: after a copy");
                let Err(error) = std::fs::remove_file(&path) else { return Ok(true) };
                // It stays where it was, and only there.
                let _entered = target.shared.enter()?;
                let _ = std::fs::remove_file(&to);
                return Err(Error::io("cannot remove", &path, error));
            }
            Err(error) => return Err(Error::io("cannot move", &path, error)),
        }
    }
    Ok(false)
}
