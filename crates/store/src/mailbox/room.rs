//! The quota, as far as it concerns one mailbox: which changes count, and for how much.
//!
//! Each operation begins its [`Change`] before it takes a lock of the mailbox, and says what it
//! did once that is done. Where nothing is counted, none of this looks at a file.

use super::state::State;
use super::{FlagChange, Inner, Mailbox};
use crate::error::Result;
use crate::quota::{Change, QuotaUsage, Room, size_of};
use crate::scan::Place;
use mail::{SystemFlags, Uid, UidSet};

/// A message whose flags changed: as they were, and as they are.
type Toggled = (Uid, SystemFlags, SystemFlags);

impl Mailbox {
    /// Bytes of a message's file: from its name's `,S=`, else of the file. `None` when it is
    /// gone.
    pub fn disk_size(&self, uid: Uid) -> Result<Option<u64>> {
        let in_name = |state: &State| crate::file_name::disk_size(state.names.get(state.row(uid)?));
        let named = self.awake()?.state.as_ref().and_then(in_name);
        match named {
            Some(size) => Ok(Some(size)),
            None => Ok(self.open_message(uid)?.map(|file| file.size())),
        }
    }

    /// What of these counts.
    fn counted(&self, messages: impl Iterator<Item = (SystemFlags, u64)>) -> QuotaUsage {
        let counted = messages.filter(|(flags, _)| self.counts(*flags));
        counted.fold(QuotaUsage::default(), |sum, (_, bytes)| sum.plus(QuotaUsage { bytes, messages: 1 }))
    }

    fn counts(&self, flags: SystemFlags) -> bool {
        self.shared.quota.counts(&self.name, flags)
    }

    fn is_uncounted(&self) -> bool {
        !self.counts(SystemFlags::NONE)
    }
}

/// Keeps room for a message that a client announces. Its size on the wire will do: on disk it is
/// somewhat less.
pub(super) fn announced(target: &Mailbox, flags: SystemFlags, octets: u64) -> Result<Option<Room>> {
    keep(target, std::iter::once((flags, octets)))
}

/// Keeps room for those of `uids` that are about to be copied.
pub(super) fn copying(source: &Mailbox, uids: &UidSet, target: &Mailbox) -> Result<Option<Room>> {
    if !target.shared.quota.is_in_use() {
        return Ok(None);
    }
    let sizes = sizes(source, &*source.awake()?, uids);
    keep(target, sizes.into_iter())
}

fn keep(target: &Mailbox, messages: impl Iterator<Item = (SystemFlags, u64)>) -> Result<Option<Room>> {
    match target.counted(messages) {
        nothing if nothing == QuotaUsage::default() => Ok(None),
        adds => target.shared.quota.promise(adds),
    }
}

/// Messages with these flags and sizes are about to come in, for which `rooms` were kept: the
/// change, and what it adds.
pub(super) fn coming(
    target: &Mailbox,
    messages: impl Iterator<Item = (SystemFlags, u64)>,
    rooms: Vec<Room>,
) -> Result<(Change<'_>, QuotaUsage)> {
    if !target.shared.quota.is_in_use() {
        return Ok((Change::uncounted(), QuotaUsage::default()));
    }
    // Only now sizes are looked at.
    let adds = target.counted(messages);
    if adds == QuotaUsage::default() {
        return Ok((Change::uncounted(), adds));
    }
    Ok((target.shared.quota.begin_adding(adds, rooms)?, adds))
}

/// Messages on the move: what the quota of the source loses, and that of the target gets.
pub(super) struct Moving<'a> {
    /// As an account's own, where both mailboxes are of one.
    source: Option<Change<'a>>,
    target: Change<'a>,
}

/// Messages are about to move. Within an account there is neither more nor less after it, unless
/// only one of the mailboxes counts.
pub(super) fn moving<'a>(source: &'a Mailbox, uids: &UidSet, target: &'a Mailbox) -> Result<Moving<'a>> {
    if source.shared.root != target.shared.root {
        return moving_between(source, uids, target);
    }
    let target = match (source.is_uncounted(), target.is_uncounted()) {
        (true, false) => adding(source, uids, target)?,
        (false, true) => target.shared.quota.begin(),
        _ => Change::uncounted(),
    };
    Ok(Moving { source: None, target })
}

/// Likewise, between accounts: each has a quota of its own.
fn moving_between<'a>(source: &'a Mailbox, uids: &UidSet, target: &'a Mailbox) -> Result<Moving<'a>> {
    let removing = || match source.is_uncounted() {
        true => Change::uncounted(),
        false => source.shared.quota.begin(),
    };
    // In one order for all: where everything is counted, changes wait, and two moves the opposite
    // ways would wait for one another.
    if source.shared.root < target.shared.root {
        let removing = removing();
        return Ok(Moving { source: Some(removing), target: adding(source, uids, target)? });
    }
    let target = adding(source, uids, target)?;
    Ok(Moving { source: Some(removing()), target })
}

fn adding<'a>(source: &Mailbox, uids: &UidSet, target: &'a Mailbox) -> Result<Change<'a>> {
    if target.is_uncounted() || !target.shared.quota.is_in_use() {
        return Ok(Change::uncounted());
    }
    source.refresh(false)?;
    let adds = target.counted(sizes(source, &*source.awake()?, uids).into_iter());
    target.shared.quota.begin_adding(adds, Vec::new())
}

/// A message was moved, to this name in `cur/` of the target.
pub(super) fn moved(
    moving: &mut Moving<'_>,
    source: &Mailbox,
    target: &Mailbox,
    name: &[u8],
    flags: SystemFlags,
) {
    let Moving { source: of_source, target: of_target } = moving;
    if !of_target.is_counted() && !of_source.as_ref().is_some_and(Change::is_counted) {
        return;
    }
    let size = size_of(crate::file_name::split(name).0, &target.file_path(Place::Cur, name));
    let (counted, counts) = (source.counts(flags), target.counts(flags));
    match of_source {
        // Of one account: what stays in it changes nothing.
        None if counted == counts => {}
        None if counted => of_target.remove(size),
        None => of_target.add(size),
        Some(of_source) => {
            if counted {
                of_source.remove(size);
            }
            if counts {
                of_target.add(size);
            }
        }
    }
}

/// Flags are about to change: it matters only where `\Deleted` does not count.
pub(super) fn flagging<'a>(mailbox: &'a Mailbox, change: &FlagChange) -> Change<'a> {
    let may_toggle = match change {
        FlagChange::Replace(_) => true,
        FlagChange::Add(flags) | FlagChange::Remove(flags) => flags.system.contains(SystemFlags::DELETED),
    };
    let quota = &mailbox.shared.quota;
    if quota.counts_all() || mailbox.is_uncounted() || !may_toggle {
        return Change::uncounted();
    }
    quota.begin()
}

/// Flags have changed.
pub(super) fn flagged(change: &mut Change<'_>, mailbox: &Mailbox, inner: &Inner, toggled: &[Toggled]) {
    if !change.is_counted() {
        return;
    }
    for (uid, before, after) in toggled {
        let size = || size_now(mailbox, inner, *uid);
        match (mailbox.counts(*before), mailbox.counts(*after)) {
            (true, false) => change.remove(size()),
            (false, true) => change.add(size()),
            _ => {}
        }
    }
}

/// Messages with `\Deleted` are about to go: where they do not count, they have gone already.
pub(super) fn expunging(mailbox: &Mailbox) -> Change<'_> {
    let quota = &mailbox.shared.quota;
    if quota.counts(&mailbox.name, SystemFlags::DELETED) { quota.begin() } else { Change::uncounted() }
}

/// Flags and sizes of those of `uids` that are there.
fn sizes(mailbox: &Mailbox, inner: &Inner, uids: &UidSet) -> Vec<(SystemFlags, u64)> {
    let Some(state) = &inner.state else { return Vec::new() };
    let of_row = |row: usize| (state.flags.get(row), size_now(mailbox, inner, state.uids[row]));
    state.rows(uids).map(of_row).collect()
}

fn size_now(mailbox: &Mailbox, inner: &Inner, uid: Uid) -> u64 {
    let base = inner.state.as_ref().and_then(|state| Some(state.names.get(state.row(uid)?)));
    let path = mailbox.path_of(inner, uid);
    path.map_or(0, |path| size_of(base.unwrap_or_default(), &path))
}
