//! STORE (RFC 3501 section 6.4.6; UNCHANGEDSINCE by RFC 7162 section 3.1.3).
//!
//! New flags are told by the view's advance at the command's end, as changes of others are, and
//! so in one order and once. What the command itself does about telling is to *not* have it
//! done: `.SILENT` keeps the view from telling a message whose flags the client can work out.

use super::pace::Pace;
use crate::context::{Answer, Context, Progress, Selected, Task};
use codec::command::{Store, StoreAction};
use codec::response::Code;
use codec::response::fetch::Writer;
use mail::flag::Flags;
use mail::{ModSeq, SeqNum, Uid, UidSet};
use std::sync::Arc;
use store::{FlagChange, FlagsStored, Snapshot};

/// The task of a STORE or UID STORE.
pub(crate) fn store(command: Store) -> Box<dyn Task> {
    let flags = command.flags;
    Box::new(StoreTask {
        by_uid: command.by_uid,
        silent: command.silent,
        unchanged_since: command.unchanged_since,
        change: match command.action {
            StoreAction::Replace => FlagChange::Replace(flags),
            StoreAction::Add => FlagChange::Add(flags),
            StoreAction::Remove => FlagChange::Remove(flags),
        },
        set: command.set,
        messages: None,
        modified: UidSet::new(),
        gone: false,
    })
}

struct StoreTask {
    set: mail::NumberSet,
    by_uid: bool,
    silent: bool,
    unchanged_since: Option<ModSeq>,
    change: FlagChange,
    /// Messages still to be changed; `None` before the set is resolved.
    messages: Option<std::vec::IntoIter<(SeqNum, Uid)>>,
    /// Messages left alone, as they changed since: numbers as the command's.
    modified: UidSet,
    /// Some messages were expunged, and the client was not told of it.
    gone: bool,
}

impl Task for StoreTask {
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        if self.messages.is_none()
            && let Some(answer) = self.start(context)
        {
            return Ok(Progress::Done(answer));
        }
        let mut pace = Pace::new();
        while !pace.is_spent() && !context.out.is_full() {
            let batch: Vec<(SeqNum, Uid)> =
                self.messages.iter_mut().flatten().take(Self::BATCH_MAX).collect();
            if batch.is_empty() {
                return Ok(Progress::Done(self.answer()));
            }
            self.change(context, &batch, &mut pace)?;
        }
        Ok(Progress::More)
    }

    fn may_expunge(&self) -> bool {
        self.by_uid
    }

    fn by_uid(&self) -> bool {
        self.by_uid
    }
}

impl StoreTask {
    /// Messages changed in one call of the store.
    const BATCH_MAX: usize = 100;

    /// Resolves the set. An answer ends the command.
    fn start(&mut self, context: &mut Context<'_>) -> Option<Answer> {
        let Some(selected) = context.selected.as_ref() else {
            return Some(Answer::bad("Select a mailbox first"));
        };
        let messages = match selected.view.resolve(&self.set, self.by_uid) {
            Ok(messages) => messages,
            Err(number) => return Some(super::no_such_message(number)),
        };
        if selected.read_only {
            return Some(super::read_only());
        }
        self.messages = Some(messages.into_iter());
        if self.unchanged_since.is_some() {
            context.enable_condstore();
        }
        None
    }

    fn change(
        &mut self,
        context: &mut Context<'_>,
        batch: &[(SeqNum, Uid)],
        pace: &mut Pace,
    ) -> store::Result<()> {
        let Some(selected) = context.selected.as_mut() else { return Ok(()) };
        let before = selected.view.snapshot().clone();
        let uids: UidSet = batch.iter().map(|&(_, uid)| uid).collect();
        let stored = selected.mailbox.store_flags(&uids, &self.change, self.unchanged_since)?;
        super::see(selected, stored.snapshot.clone());
        self.gone |= !stored.gone.is_empty();
        for &(number, uid) in batch {
            pace.change();
            if stored.modified.contains(uid) {
                self.modified.insert(if self.by_uid { uid } else { as_member(number) });
            }
        }
        let condstore = context.enabled.condstore;
        if self.silent {
            for &(number, uid) in batch {
                if let Some(modseq) = self.foreseen(selected, &before, &stored, uid) {
                    selected.view.told_flags(uid, modseq);
                    // The client knows the flags and not their MODSEQ, which it needs.
                    if condstore {
                        self.tell_modseq(context.out.buffer(), number, uid, modseq);
                    }
                }
            }
        }
        Ok(())
    }

    /// The MODSEQ of flags that this command changed and that the client can work out by
    /// itself: it knew those before, and they became what this change makes of them. Where
    /// another session's change came between, either does not hold.
    fn foreseen(
        &self,
        selected: &Selected,
        before: &Arc<Snapshot>,
        stored: &FlagsStored,
        uid: Uid,
    ) -> Option<ModSeq> {
        if !stored.changed.contains(uid) {
            return None;
        }
        let (old, new) = (before.find(uid)?, stored.snapshot.find(uid)?);
        let now = Flags::new(new.system_flags(), new.keywords().to_vec());
        let then = Flags::new(old.system_flags(), old.keywords().to_vec());
        let knows = selected.view.knows_flags(uid, old.modseq()) && apply(&self.change, &then) == now;
        knows.then(|| new.modseq())
    }

    fn tell_modseq(&self, out: &mut Vec<u8>, number: SeqNum, uid: Uid, modseq: ModSeq) {
        let mut writer = Writer::new(out, number);
        if self.by_uid {
            writer.uid(out, uid);
        }
        writer.modseq(out, modseq);
        writer.finish(out);
    }

    /// MODIFIED is told with OK (RFC 7162 section 3.1.3), and with NO where messages were gone
    /// (its example 9).
    fn answer(&mut self) -> Answer {
        let modified = std::mem::take(&mut self.modified);
        let gone = self.gone && !self.by_uid;
        match (modified.is_empty(), gone) {
            (true, false) => Answer::ok("Store completed"),
            (true, true) => super::expunge_issued(),
            (false, false) => Answer::ok("Some messages changed since").with_code(Code::Modified(modified)),
            (false, true) => super::expunge_issued().with_code(Code::Modified(modified)),
        }
    }
}

/// A [`UidSet`] serves as a set of sequence numbers too.
fn as_member(number: SeqNum) -> Uid {
    Uid::new(number.get()).unwrap_or(Uid::MIN)
}

/// What a change makes of flags.
fn apply(change: &FlagChange, flags: &Flags) -> Flags {
    match change {
        FlagChange::Replace(new) => new.clone(),
        FlagChange::Add(added) => {
            let keywords = flags.keywords().iter().chain(added.keywords()).cloned().collect();
            Flags::new(flags.system.with(added.system), keywords)
        }
        FlagChange::Remove(removed) => {
            let kept = flags.keywords().iter().filter(|keyword| !removed.keywords().contains(keyword));
            Flags::new(flags.system.without(removed.system), kept.cloned().collect())
        }
    }
}
