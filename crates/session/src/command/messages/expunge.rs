//! EXPUNGE (RFC 3501 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1).
//!
//! EXPUNGE responses are the view's: it tells what is gone once the command is done.

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::command::shared::pace::Pace;
use crate::context::Context;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::{MailboxTask, Progress};
use mail::{NumberSet, SystemFlags, Uid, UidSet};

/// The task of an EXPUNGE, or of a UID EXPUNGE with a set.
pub(crate) fn expunge(uids: Option<NumberSet>) -> Box<dyn MailboxTask> {
    Box::new(Expunge { uids, messages: None })
}

struct Expunge {
    uids: Option<NumberSet>,
    /// Messages still to be expunged; `None` before the set is resolved.
    messages: Option<std::vec::IntoIter<Uid>>,
}

impl MailboxTask for Expunge {
    fn run(&mut self, _: &mut Context<'_>, selected: &mut Selected, _: &Accounts) -> Result<Progress, Stop> {
        if selected.read_only {
            return Ok(Progress::Done(super::read_only()));
        }
        let messages = match &mut self.messages {
            Some(messages) => messages,
            None => self.messages.insert(deleted(selected, self.uids.as_ref()).into_iter()),
        };
        let mut pace = Pace::new();
        while !pace.is_spent() {
            let batch: UidSet = messages.take(Self::BATCH_MAX).collect();
            if batch.is_empty() {
                return Ok(Progress::Done(Answer::ok("Expunge completed")));
            }
            let snapshot = selected.mailbox.expunge(Some(&batch))?;
            super::see(selected, snapshot);
            for _ in 0..batch.len() {
                pace.change();
            }
        }
        Ok(Progress::More)
    }

    fn by_uid(&self) -> bool {
        self.uids.is_some()
    }
}

impl Expunge {
    /// Messages expunged in one call of the store.
    const BATCH_MAX: usize = 5_000;
}

/// Messages that have `\Deleted`, of `uids` where given. Only such as the client was told of:
/// what came since with `\Deleted` it has not seen, and can still want.
fn deleted(selected: &Selected, uids: Option<&NumberSet>) -> Vec<Uid> {
    let whole = NumberSet::whole();
    let named = selected.view.resolve(uids.unwrap_or(&whole), true).unwrap_or_default();
    let snapshot = selected.view.snapshot();
    let is_deleted =
        |&uid: &Uid| snapshot.find(uid).is_some_and(|row| row.system_flags().contains(SystemFlags::DELETED));
    named.into_iter().map(|(_, uid)| uid).filter(is_deleted).collect()
}

#[cfg(test)]
mod tests {
    use crate::command::shared::fixture::{Fixture, PLAIN, check};

    #[test]
    fn what_is_deleted_goes() {
        let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "T"), (PLAIN, "ST"), (PLAIN, ""), (PLAIN, "T")]);
        let mut reader = fixture.examine();
        check(&mut reader, "EXPUNGE", "a NO [READ-ONLY]");
        check(&mut reader, "UID EXPUNGE 1:*", "a NO [READ-ONLY]");
        let mut client = fixture.select();
        for (command, expected) in [
            ("UID EXPUNGE 1,5", "* 5 EXPUNGE\na OK"),
            ("UID EXPUNGE 99", "a OK"),
            ("EXPUNGE", "* 3 EXPUNGE\n* 2 EXPUNGE\na OK"),
            ("EXPUNGE", "a OK"),
            ("FETCH 1:* UID", "* 1 FETCH (UID 1)\n* 2 FETCH (UID 4)\na OK"),
        ] {
            check(&mut client, command, expected);
        }
        check(&mut reader, "NOOP", "* 5 EXPUNGE\n* 3 EXPUNGE\n* 2 EXPUNGE\na OK");
    }

    #[test]
    fn more_messages_than_a_batch() {
        let fixture = Fixture::new(&vec![(PLAIN, "T"); 250]);
        let mut client = fixture.select();
        let answer = client.command("EXPUNGE");
        assert_eq!(answer.matches(" EXPUNGE\r\n").count(), 250, "{answer}");
        check(&mut client, "STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 0)\na OK");
    }
}
