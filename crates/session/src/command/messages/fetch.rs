//! FETCH (RFC 3501 section 6.4.5; CHANGEDSINCE and MODSEQ by RFC 7162).
//!
//! A message's response is begun when everything in it is known but the bytes of its long
//! literals: what cannot be read is found out before anything is announced, and leaves the
//! message out. A message of any length goes out in pieces, its file kept open.
//!
//! A message whose expunge is withheld is answered by number as far as anything is known of it;
//! what only its file had is left out, and NO \[EXPUNGEISSUED\] is the answer to the whole once
//! all else was sent (RFC 2180 section 4.1, RFC 5530). NIL in its place, with OK, would be kept
//! as an empty message by clients. UID FETCH passes over it.

mod message;
mod section;
mod stream;
#[cfg(test)]
mod tests;

use super::header_fields::{self, Names};
use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::command::shared::pace::Pace;
use crate::context::Context;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::{MailboxTask, Progress};
use crate::view::{Shown, View, Withheld};
use codec::command::{Fetch, FetchItem, Rfc822, Section, SectionText};
use codec::response::fetch::Writer;
use mail::flag::Flags;
use mail::{ModSeq, SeqNum, SystemFlags, Uid};
use message::{Message, Prepared, Written};
use std::sync::Arc;
use store::{CacheKind, ErrorKind, FlagChange, Pass, Snapshot};

/// The task of a FETCH or UID FETCH.
pub(crate) fn fetch(mut command: Fetch) -> Box<dyn MailboxTask> {
    Box::new(FetchTask {
        plan: Plan::new(&mut command),
        command,
        messages: None,
        pass: None,
        next_row: 0,
        current: None,
        spare: Vec::new(),
        gone: false,
        failed: None,
    })
}

/// An item, and what it is called in the mailbox's cache where that depends on the client's words.
#[derive(Debug)]
struct Item {
    item: FetchItem,
    kind: Option<CacheKind>,
}

impl Item {
    fn new(item: FetchItem) -> Self {
        let kind = match &item {
            FetchItem::Section {
                section: Section { part, text: SectionText::HeaderFields { not, names } },
                ..
            } if part.is_empty() => Some(header_fields::kind(*not, names)),
            _ => None,
        };
        Self { item, kind }
    }
}

/// The header fields that an item names.
fn field_names(item: &FetchItem) -> impl Iterator<Item = &str> {
    let names = match item {
        FetchItem::Section {
            section: Section { text: SectionText::HeaderFields { names, .. }, .. }, ..
        } => names.as_slice(),
        _ => &[],
    };
    names.iter().map(String::as_str)
}

/// What is asked of each message.
#[derive(Debug)]
struct Plan {
    /// What is prepared for each message and written in this order; the codec caps how many.
    items: Vec<Item>,
    flags: bool,
    uid: bool,
    modseq: bool,
    /// A section is asked for without PEEK.
    sets_seen: bool,
    /// The header fields that any item names.
    names: Arc<Names>,
}

impl Plan {
    fn new(command: &mut Fetch) -> Self {
        let mut plan = Self {
            items: Vec::new(),
            flags: false,
            uid: false,
            // RFC 7162 section 3.1.4.1: CHANGEDSINCE asks for MODSEQ too.
            modseq: command.changed_since.is_some(),
            sets_seen: false,
            names: Arc::new(Names::new(command.items.iter().flat_map(field_names))),
        };
        for item in std::mem::take(&mut command.items) {
            match &item {
                FetchItem::Flags => plan.flags = true,
                FetchItem::Uid => plan.uid = true,
                FetchItem::ModSeq => plan.modseq = true,
                FetchItem::Section { peek, .. } => {
                    plan.sets_seen |= !peek;
                    plan.items.push(Item::new(item));
                }
                FetchItem::Rfc822(which) => {
                    plan.sets_seen |= *which != Rfc822::Header;
                    plan.items.push(Item::new(item));
                }
                _ => plan.items.push(Item::new(item)),
            }
        }
        plan
    }
}

impl Plan {
    /// Writes what is told of a message beside its content, and notes what the client knows by it.
    fn tell(
        &self,
        writer: &mut Writer,
        out: &mut Vec<u8>,
        shown: Shown<'_>,
        wanted: Wanted,
        view: &mut View,
    ) {
        if self.uid {
            writer.uid(out, shown.uid);
        }
        if wanted.flags {
            writer.flags(out, shown.system, shown.keywords, view.is_recent(shown.uid));
            view.told_flags(shown.uid, shown.modseq);
        }
        if wanted.modseq {
            writer.modseq(out, shown.modseq);
        }
    }
}

/// Which items are told that change with time.
#[derive(Clone, Copy)]
struct Wanted {
    flags: bool,
    modseq: bool,
}

struct FetchTask {
    /// But for the items, which the plan has.
    command: Fetch,
    plan: Plan,
    /// Messages still to come; `None` before the set is resolved.
    messages: Option<std::vec::IntoIter<(SeqNum, Uid)>>,
    /// What is known of them; there once the set is resolved.
    pass: Option<Pass>,
    /// The row of the message that is looked at next, most likely.
    next_row: usize,
    /// The message under way.
    current: Option<Message>,
    /// Memory that the next message is read into.
    spare: Vec<u8>,
    /// Something was left out, as its message is gone.
    gone: bool,
    /// The first failure; messages after it are sent all the same.
    failed: Option<store::Error>,
}

impl MailboxTask for FetchTask {
    fn run(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        _: &Accounts,
    ) -> Result<Progress, Stop> {
        if self.messages.is_none()
            && let Some(answer) = self.start(context, selected)
        {
            return Ok(Progress::Done(answer));
        }
        let mut pace = Pace::new();
        if self.plan.items.is_empty() {
            return self.tell_from_view(context, selected, &mut pace);
        }
        loop {
            if context.out.is_full() || pace.is_spent() {
                return Ok(Progress::More);
            }
            if self.current.is_none() {
                let Some((number, uid)) = self.messages.as_mut().and_then(Iterator::next) else {
                    return self.finish();
                };
                pace.row();
                self.current = self.look_at(selected, number, uid);
            }
            if let Some(mut message) = self.current.take() {
                match self.advance(context, selected, &mut message, &mut pace)? {
                    Written::All => self.spare = message.into_spare(),
                    Written::Part => self.current = Some(message),
                    Written::Broken(why) => return Ok(Progress::Broken(why)),
                }
            }
        }
    }

    fn may_expunge(&self) -> bool {
        self.command.by_uid
    }

    fn only_answers(&self) -> bool {
        true
    }

    fn by_uid(&self) -> bool {
        self.command.by_uid
    }
}

impl FetchTask {
    /// Resolves the set. An answer ends the command.
    fn start(&mut self, context: &mut Context<'_>, selected: &Selected) -> Option<Answer> {
        match selected.view.resolve(&self.command.set, self.command.by_uid) {
            Ok(messages) => self.messages = Some(messages.into_iter()),
            Err(number) => return Some(super::no_such_message(number)),
        }
        self.pass = Some(selected.mailbox.pass());
        if self.plan.modseq {
            context.enable_condstore(Some(selected));
        }
        None
    }

    /// Answers from the view alone: nothing is asked for that a file would have to tell.
    fn tell_from_view(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        pace: &mut Pace,
    ) -> Result<Progress, Stop> {
        let snapshot: Arc<Snapshot> = selected.view.snapshot().clone();
        let flags = self.plan.flags;
        let modseq = self.plan.modseq || (context.enabled.condstore && flags);
        while !context.out.is_full() && !pace.is_spent() {
            let Some((number, uid)) = self.messages.as_mut().and_then(Iterator::next) else {
                return self.finish();
            };
            pace.row();
            let row = snapshot.find_from(uid, self.next_row);
            self.next_row = row.map_or(self.next_row, |row| row.index() + 1);
            let withheld = if row.is_none() { self.withheld(selected, uid) } else { None };
            let Some(shown) = row.map(Shown::from).or(withheld.as_ref().map(Shown::from)) else { continue };
            if self.is_wanted(shown) {
                let out = context.out.buffer();
                let mut writer = Writer::new(out, number);
                self.plan.tell(&mut writer, out, shown, Wanted { flags, modseq }, &mut selected.view);
                writer.finish(out);
            }
        }
        Ok(Progress::More)
    }

    /// A message that is not there any more, as it is answered by number.
    fn withheld(&self, selected: &Selected, uid: Uid) -> Option<Withheld> {
        if self.command.by_uid { None } else { selected.view.withheld(uid).cloned() }
    }

    /// It changed as CHANGEDSINCE wants it.
    fn is_wanted(&self, shown: Shown<'_>) -> bool {
        self.command.changed_since.is_none_or(|since| shown.modseq > since)
    }

    /// A message to answer, if it changed as CHANGEDSINCE wants it.
    fn look_at(&mut self, selected: &mut Selected, number: SeqNum, uid: Uid) -> Option<Message> {
        let wanted = match selected.view.snapshot().find_from(uid, self.next_row) {
            Some(row) => {
                self.next_row = row.index() + 1;
                self.is_wanted(row.into())
            }
            None => self.withheld(selected, uid).is_some_and(|withheld| self.is_wanted((&withheld).into())),
        };
        wanted.then(|| {
            let (names, spare) = (self.plan.names.clone(), std::mem::take(&mut self.spare));
            Message::new(number, uid, selected.mark.take(), names, spare)
        })
    }

    /// Prepares a message or, once that is done, writes it. A message left out counts as written.
    fn advance(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        message: &mut Message,
        pace: &mut Pace,
    ) -> store::Result<Written> {
        let Some(pass) = self.pass.as_mut() else { return Ok(Written::All) };
        if !message.is_begun() {
            match message.prepare(&self.plan.items, pass, pace) {
                Ok(Prepared::All) => {}
                Ok(Prepared::Part) => return Ok(Written::Part),
                Err(error) if error.kind == ErrorKind::Deleted => return Err(error),
                Err(error) => {
                    self.failed.get_or_insert(error);
                    return Ok(Written::All);
                }
            }
            if message.lacks_items() {
                self.gone = true;
                let asked = self.plan.uid || self.plan.flags || self.plan.modseq;
                if self.command.by_uid || !(asked || message.has_items()) {
                    return Ok(Written::All);
                }
            }
            let marked = self.plan.sets_seen && mark_seen(selected, message.uid(), pace);
            if !self.begin(context, selected, message, marked) {
                self.gone = true;
                return Ok(Written::All);
            }
        }
        let written = message.write(&self.plan.items, context.out, pace);
        if written == Written::All {
            selected.mark = message.take_mark();
        }
        Ok(written)
    }

    /// Begins the response with what the view tells; `false` when it knows nothing of the message.
    ///
    /// Flags that this very command changed are told whether asked for or not, so that no second
    /// response has to tell them.
    fn begin(
        &self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        message: &mut Message,
        marked: bool,
    ) -> bool {
        let snapshot: Arc<Snapshot> = selected.view.snapshot().clone();
        let row = snapshot.find_from(message.uid(), self.next_row.saturating_sub(1));
        let withheld = selected.view.withheld(message.uid()).cloned();
        let Some(shown) = row.map(Shown::from).or(withheld.as_ref().map(Shown::from)) else { return false };
        let flags = marked || self.plan.flags;
        // RFC 7162 section 3.1: MODSEQ goes with flags once the client knows CONDSTORE.
        let modseq = self.plan.modseq || (context.enabled.condstore && flags);
        let out = context.out.buffer();
        let writer = message.begin(out);
        if marked && self.command.by_uid && !self.plan.uid {
            writer.uid(out, shown.uid);
        }
        self.plan.tell(writer, out, shown, Wanted { flags, modseq }, &mut selected.view);
        true
    }

    /// A message that is gone is no failure of a UID FETCH, which leaves it out; by number the
    /// client is told that something was left out (RFC 2180 section 4.1.2, RFC 5530).
    fn finish(&mut self) -> Result<Progress, Stop> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        Ok(Progress::Done(match self.gone && !self.command.by_uid {
            true => super::expunge_issued(),
            false => Answer::ok("Fetch completed"),
        }))
    }
}

/// Sets `\Seen`; whether that changed something. A mailbox that cannot be written is no reason
/// to keep its mail from the client.
fn mark_seen(selected: &mut Selected, uid: Uid, pace: &mut Pace) -> bool {
    let seen = |snapshot: &Snapshot| {
        snapshot.find(uid).is_none_or(|row| row.system_flags().contains(SystemFlags::SEEN))
    };
    if selected.read_only || seen(selected.view.snapshot()) {
        return false;
    }
    pace.change();
    let change = FlagChange::Add(Flags::new(SystemFlags::SEEN, Vec::new()));
    match selected.mailbox.store_flags(&[uid].into_iter().collect(), &change, None::<ModSeq>) {
        Ok(stored) => {
            super::see(selected, stored.snapshot);
            stored.refusal.iter().for_each(|error| tracing::debug!("{error}"));
            stored.changed.contains(uid)
        }
        Err(error) => {
            tracing::warn!(%error, "a message stays unseen");
            false
        }
    }
}
