//! STATUS (RFC 3501 section 6.3.10; SIZE by RFC 8438, HIGHESTMODSEQ by RFC 7162, APPENDLIMIT
//! by RFC 7889), and the counting that LIST-STATUS shares.
//!
//! Messages in `new/` are counted and stay there: a STATUS claims nothing.

use crate::context::{Answer, Context, Progress, Task};
use crate::namespace::Spelling;
use codec::command::StatusItem;
use codec::response::list;
use mail::{MailboxName, SystemFlags};
use std::sync::Arc;
use store::{Account, Mailbox, Snapshot};

/// The task of a STATUS.
pub(crate) fn status(mailbox: String, items: Vec<StatusItem>) -> Box<dyn Task> {
    Box::new(Status { wire: mailbox, items, count: None })
}

struct Status {
    wire: String,
    items: Vec<StatusItem>,
    /// Begun by the first piece of work.
    count: Option<Count>,
}

impl Task for Status {
    fn run(&mut self, context: &mut Context<'_>) -> store::Result<Progress> {
        let Some(account) = context.account else {
            return Ok(Progress::Done(Answer::bad("Not logged in")));
        };
        let spelling = Spelling::of(context.settings.namespace, &self.wire);
        let count = match &mut self.count {
            Some(count) => count,
            None => match spelling.read(&self.wire) {
                Ok(name) => self.count.insert(Count::begin(account, &name, &self.items)?),
                Err(unusable) => return Ok(Progress::Done(unusable.answer())),
            },
        };
        if !count.go_on()? {
            return Ok(Progress::More);
        }
        let name = spelling.write(count.mailbox.name());
        count.write(context, &name, &self.items);
        Ok(Progress::Done(Answer::ok("STATUS completed")))
    }
}

/// A mailbox being counted. Only SIZE takes time: sizes that no file name tells are read off
/// the files.
pub(crate) struct Count {
    mailbox: Arc<Mailbox>,
    snapshot: Arc<Snapshot>,
    /// Messages whose size is in `size`: the first ones.
    sized: usize,
    size: u64,
}

impl Count {
    /// Sizes asked for in one piece of work (messages): some tens of milliseconds where every
    /// file must be read.
    const SIZES_A_PIECE: usize = 256;

    /// Opens the mailbox and looks what is there.
    pub(crate) fn begin(
        account: &Arc<Account>,
        name: &MailboxName,
        items: &[StatusItem],
    ) -> store::Result<Self> {
        let mailbox = account.open(name)?;
        let snapshot = mailbox.refresh(false)?.snapshot;
        let sized = if items.contains(&StatusItem::Size) { 0 } else { snapshot.len() };
        Ok(Self { mailbox, snapshot, sized, size: 0 })
    }

    /// Does a piece; whether all is counted.
    pub(crate) fn go_on(&mut self) -> store::Result<bool> {
        let end = self.snapshot.len().min(self.sized + Self::SIZES_A_PIECE);
        for &uid in &self.snapshot.uids()[self.sized..end] {
            // What is gone meanwhile has no size.
            self.size += self.mailbox.size(uid)?.unwrap_or(0);
        }
        self.sized = end;
        Ok(end == self.snapshot.len())
    }

    /// Writes the STATUS response. HIGHESTMODSEQ in it shows that the client knows CONDSTORE
    /// (RFC 7162 section 3.1).
    pub(crate) fn write(&self, context: &mut Context<'_>, wire: &str, items: &[StatusItem]) {
        let values: Vec<(StatusItem, u64)> =
            items.iter().map(|&item| (item, self.value(context, item))).collect();
        context.enabled.condstore |= items.contains(&StatusItem::HighestModSeq);
        list::status(context.out.buffer(), wire, &values);
    }

    fn value(&self, context: &Context<'_>, item: StatusItem) -> u64 {
        let snapshot = &self.snapshot;
        match item {
            StatusItem::Messages => snapshot.len() as u64,
            StatusItem::Recent => self.recent(context) as u64,
            StatusItem::UidNext => snapshot.uid_next().get().into(),
            StatusItem::UidValidity => snapshot.uid_validity().get().into(),
            StatusItem::Unseen => {
                let unseen = snapshot.rows().filter(|row| !row.system_flags().contains(SystemFlags::SEEN));
                unseen.count() as u64
            }
            StatusItem::Size => self.size,
            StatusItem::HighestModSeq => snapshot.highest_modseq().0,
            StatusItem::AppendLimit => context.settings.limits.append_max,
        }
    }

    /// Messages in `new/`, and those that this session claimed when it selected the mailbox.
    fn recent(&self, context: &Context<'_>) -> usize {
        let view = context
            .selected
            .as_ref()
            .filter(|selected| selected.mailbox.name() == self.mailbox.name())
            .map(|selected| &selected.view);
        let is_recent = |uid| view.is_some_and(|view| view.is_recent(uid));
        self.snapshot.rows().filter(|row| row.is_new() || is_recent(row.uid())).count()
    }
}
