//! A mailbox on its way to or from another server: what would be taken over, and handing over.

use super::state::NewOrder;
use super::{Mailbox, State};
use crate::compressed;
use crate::disk::sync_directory;
use crate::error::{Error, Result};
use crate::hand_over::{HandedOver, Site, Survey, write};
use crate::list_file::{ListFile, News};
use crate::own_files;
use crate::scan::scan;
use crate::take_over::{ForeignFiles, Origin, Preference, Taken, default_uidl, rights, take_over};
use crate::uid_list::Line;
use mail::{Uid, UidValidity};
use std::collections::BTreeSet;
use std::path::Path;

impl Mailbox {
    /// A message's POP3 UIDL: the one that another server gave it, else one made of UID and
    /// UIDVALIDITY. `None` when the message is not there. Touches no disk.
    pub fn pop3_uidl(&self, uid: Uid) -> Option<String> {
        let _entered = self.shared.enter().ok()?;
        let inner = self.awake().ok()?;
        let state = inner.state.as_ref()?;
        state.row(uid)?;
        Some(state.uidl(uid).map_or_else(|| default_uidl(uid, state.uid_validity), str::to_owned))
    }

    /// See [`crate::Account::hand_over`].
    pub(crate) fn hand_over(&self, to: Origin) -> Result<HandedOver> {
        let mut inner = self.lock();
        let _lock = self.lock_file()?;
        self.look(&mut inner)?;
        let extract = inner.state()?.extract();
        let settings = &self.shared.settings;
        let directory = &self.directory;
        let dovecot = &*self.shared.dovecot_directory(directory);
        let site = Site { directory, dovecot, is_inbox: self.name.is_inbox(), settings, is_dry: false };
        let done = write(&site, &extract, to)?;
        // From here on the other server's files count. An earlier list that was handed over is
        // replaced on purpose.
        let list = directory.join(own_files::UID_LIST);
        std::fs::rename(&list, directory.join(own_files::HANDED_OVER))
            .map_err(|error| Error::io("cannot rename", &list, error))?;
        sync_directory(directory)?;
        // Ours are of no use without it.
        let _ = std::fs::remove_file(self.index_directory.join(own_files::INDEX));
        (inner.state, inner.seen, inner.list) = (None, None, ListFile::new(directory));
        (inner.told, inner.unsaved) = (None, false);
        Ok(done)
    }
}

/// A mailbox as a look would find it.
pub(crate) struct Peeked {
    /// What would be known.
    pub(crate) state: State,
    /// What is taken over; `None` when there is nothing, or our list is there.
    taken: Option<Taken>,
    is_ours: bool,
    /// Messages that get new UIDs.
    unlisted: usize,
}

/// Looks at a mailbox without a lock and without writing anything.
pub(crate) fn peek(files: ForeignFiles<'_>, preference: Preference) -> Result<Peeked> {
    let directory = files.directory;
    let mut state = State::new(UidValidity::MIN);
    let mut taken = None;
    let mut list = ListFile::new(directory);
    let is_ours = list.news()? != News::Missing;
    if is_ours {
        state.apply_each(|take| list.read_whole(take))?;
    } else {
        taken = take_over(files, preference)?;
        if let Some(taken) = &taken {
            state.new_order = NewOrder::of(taken.origin);
            state.apply(taken.uid_validity.map(Line::Validity));
            state.apply(taken.lines.iter().cloned());
        }
    }
    let differences = state.differences(&scan(directory)?);
    let unlisted = differences.arrivals().count();
    state.apply(differences.lines());
    state.locate(&differences);
    Ok(Peeked { state, taken, is_ours, unlisted })
}

impl Peeked {
    /// What of it another server knew, and what of it is not served.
    pub(crate) fn survey(&self, directory: &Path) -> Result<Survey> {
        let rows = self.state.extract().rows;
        let files = rows.iter().map(|row| (row.place, &*row.base, &*row.suffix));
        let compressed = compressed::count(directory, files)?;
        Ok(Survey {
            rights: rights::granted(directory)?,
            not_read: compressed.into_iter().filter(|(kind, _)| !kind.is_read()).collect(),
            is_ours: self.is_ours,
            origin: self.taken.as_ref().map(|taken| taken.origin),
            keeps_uid_validity: self.taken.as_ref().is_some_and(|taken| taken.uid_validity.is_some()),
            messages: rows.len(),
            kept: rows.len().saturating_sub(self.unlisted),
            keywords: rows.iter().flat_map(|row| &row.keywords).collect::<BTreeSet<_>>().len(),
            uidls: rows.iter().filter(|row| row.uidl.is_some()).count(),
            faults: self.taken.as_ref().map(|taken| taken.faults).unwrap_or_default(),
        })
    }
}
