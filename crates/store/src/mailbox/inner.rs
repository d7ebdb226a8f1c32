//! What is known of a mailbox that is open: its list, its state, and what sessions see of it.

use super::look::Seen;
use super::state::State;
use crate::cache::Identity;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::fault_point;
use crate::hooks::{Hooks, Publication};
use crate::list_file::ListFile;
use crate::packed::Published;
use crate::take_over::Origin;
use crate::uid_list::Line;
use crate::witness::Reached;
use mail::{ModSeq, Uid, UidValidity};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// MODSEQs that are reserved at once: flags change that often without a wait for the disk.
const MODSEQS_RESERVED: u64 = 10_000;

/// Guarded by the mailbox's lock.
pub(super) struct Inner {
    pub(super) list: ListFile,
    /// `None` before the first look.
    pub(super) state: Option<State>,
    pub(super) published: Published,
    /// How far the directories are known; `None`: a scan has to tell.
    pub(super) seen: Option<Seen>,
    /// UIDVALIDITY as it was published.
    pub(super) told: Option<UidValidity>,
    /// The list was just made, from nothing.
    pub(super) is_fresh: bool,
    /// The list was just made from this server's, and what that did not have is not known yet.
    pub(super) taken_from: Option<Origin>,
    /// Announced, and their files on the way: not to be taken for expunged.
    pub(super) pending: Vec<Uid>,
    /// The cache that the places of records belong to.
    pub(super) cache: Option<Identity>,
    /// Records written to it, replaced ones included.
    pub(super) records: usize,
    /// Something is known that the index does not have.
    pub(super) unsaved: bool,
    /// The log was told of what cannot be written.
    pub(super) complained: bool,
    /// The last look was not allowed to write.
    pub(super) read_only: bool,
    /// How far the mailbox is noted to have got.
    pub(super) noted: Option<Reached>,
    pub(super) hooks: Arc<Hooks>,
    /// What was published and hooks are still to be told of.
    pub(super) untold: Vec<Publication>,
}

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Durability {
    /// They are durable before anybody is told.
    Synced,
    /// They say what file names say too: they need not be durable, as long as no MODSEQ that was
    /// told is ever given out again.
    Flags,
    /// A machine that goes down may lose them, and no harm is done.
    Lazy,
}

impl Inner {
    pub(super) fn new(directory: &Path, hooks: Arc<Hooks>) -> Self {
        Self {
            list: ListFile::new(directory),
            state: None,
            published: Published::Open(State::new(UidValidity::MIN).snapshot(), None),
            seen: None,
            told: None,
            is_fresh: false,
            taken_from: None,
            pending: Vec::new(),
            cache: None,
            records: 0,
            unsaved: false,
            complained: false,
            read_only: false,
            noted: None,
            hooks,
            untold: Vec::new(),
        }
    }

    /// What is known, after a look.
    pub(super) fn state(&self) -> Result<&State> {
        self.state
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Io, "nothing is known yet of", Path::new("it")))
    }

    pub(super) fn state_mut(&mut self) -> Result<&mut State> {
        self.state
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Io, "nothing is known yet of", Path::new("it")))
    }

    pub(super) fn uid_validity(&self) -> UidValidity {
        self.state.as_ref().map_or(self.published.head().uid_validity(), |state| state.uid_validity)
    }

    /// What is known is what sessions see from now on.
    pub(super) fn publish(&mut self) {
        let Some(state) = &mut self.state else { return };
        let after = state.snapshot();
        if self.hooks.is_in_use() {
            let is_known = self.told == Some(state.uid_validity);
            let before = is_known.then(|| self.published.snapshot());
            let since = before.as_ref().map_or(ModSeq::MAX, |before| before.highest_modseq());
            let expunged = state.expunges.ranges().iter().rev().take_while(|range| range.modseq > since);
            let expunged = expunged.map(|range| (range.first, (range.last, range.modseq))).collect();
            self.untold.push(Publication { before, after: after.clone(), expunged });
        }
        self.published = Published::Open(after, None);
        self.told = Some(state.uid_validity);
        self.unsaved = true;
    }

    /// Says in the log what cannot be written and ends no command; once, as it does not go away by
    /// itself.
    pub(super) fn complain(&mut self, error: &Error, so: &'static str) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%error, "{so}");
        }
    }

    /// Writes what happened to the list, and takes it in; nobody is told before it is published. On
    /// an error all is as before.
    pub(super) fn record<'a>(
        &mut self,
        lines: impl Iterator<Item = Line<'a>> + Clone,
        durability: Durability,
    ) -> Result<()> {
        let (reserve, is_durable) = match durability {
            Durability::Synced => (None, true),
            Durability::Flags => self.reserve()?,
            Durability::Lazy => (None, false),
        };
        let lines = lines.chain(reserve);
        self.list.append(lines.clone(), is_durable)?;
        self.state_mut()?.apply(lines);
        Ok(())
    }

    /// Before flags change: the line that reserves MODSEQs, where none are left, and whether the
    /// lines are to be durable.
    fn reserve(&self) -> Result<(Option<Line<'static>>, bool)> {
        let state = self.state()?;
        let modseq = state.next_modseq();
        let boot = boot_id();
        let is_reserved =
            state.reserve.as_ref().is_some_and(|(upto, of)| *upto >= modseq && Some(of.as_str()) == boot);
        let line = |boot: &'static str| Line::Reserve(ModSeq(modseq.0 + MODSEQS_RESERVED), boot.into());
        Ok((boot.filter(|_| !is_reserved).map(line), !is_reserved))
    }

    /// A list that cannot be written anew goes on as it is: what was done is done, and said.
    pub(super) fn checkpoint_if_due(&mut self) {
        let Some(state) = &self.state else { return };
        if self.list.wants_checkpoint(state.lines()) {
            fault_point("checkpoint: before it");
            if let Err(error) = self.list.replace(state.checkpoint()) {
                tracing::warn!(%error, "a checkpoint is left to the next change");
            }
        }
    }
}

/// Which boot of the machine this is (random(4)); `None` where the kernel does not tell.
pub(super) fn boot_id() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let text = text.trim();
        let sound = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| text.to_owned())
    };
    BOOT.get_or_init(read).as_deref()
}
