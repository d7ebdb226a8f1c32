//! COPY (RFC 3501 section 6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315).

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::context::Context;
use crate::rights::Right;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::{MailboxTask, Progress};
use codec::command::WireName;
use codec::response::{Code, Condition, untagged};
use mail::{NumberSet, Uid, UidSet};
use std::sync::Arc;
use store::{Copied, ErrorKind, Mailbox};

/// The task of a COPY, or of a MOVE with `remove`.
///
/// Messages whose expunge is withheld are passed over, as UID COPY passes over them: COPYUID says
/// what was copied. A NO would have to undo the rest (RFC 3501 section 6.4.7), for messages that
/// somebody else removed. It is the answer where nothing of what was named is left.
///
/// One call of the store each: a COPY must leave nothing behind when it fails (RFC 3501 section
/// 6.4.7), and so cannot be done in batches.
pub(crate) fn copy(set: NumberSet, by_uid: bool, mailbox: WireName, remove: bool) -> Box<dyn MailboxTask> {
    Box::new(Copy { set, by_uid, mailbox, remove })
}

struct Copy {
    set: NumberSet,
    by_uid: bool,
    mailbox: WireName,
    remove: bool,
}

impl MailboxTask for Copy {
    fn run(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        accounts: &Accounts,
    ) -> Result<Progress, Stop> {
        self.answer(context, selected, accounts).map(Progress::Done)
    }

    fn by_uid(&self) -> bool {
        self.by_uid
    }
}

impl Copy {
    fn answer(
        &self,
        context: &mut Context<'_>,
        selected: &Selected,
        accounts: &Accounts,
    ) -> Result<Answer, Stop> {
        let messages = match selected.view.resolve(&self.set, self.by_uid) {
            Ok(messages) => messages,
            Err(number) => return Ok(super::no_such_message(number)),
        };
        if self.remove && selected.read_only {
            return Ok(super::read_only());
        }
        let target = self.target(accounts)?;
        let snapshot = selected.view.snapshot();
        let uids: UidSet =
            messages.into_iter().map(|(_, uid)| uid).filter(|&uid| snapshot.find(uid).is_some()).collect();
        let source = &selected.mailbox;
        let copied = match (uids.is_empty(), self.remove) {
            (true, _) => None,
            (false, false) => Some(source.copy(&uids, &target)?),
            (false, true) => Some(source.move_to(&uids, &target)?),
        };
        let copied = copied.and_then(copy_uid);
        // A number names a message that the client has: with none of them left, nothing is done.
        if copied.is_none() && !self.by_uid {
            return Ok(super::expunge_issued());
        }
        Ok(self.done(context, copied))
    }

    /// The destination. A name that does not exist, or that can never exist, is told apart:
    /// TRYCREATE only where CREATE may help.
    fn target(&self, accounts: &Accounts) -> Result<Arc<Mailbox>, Stop> {
        let named = accounts.resolve(&self.mailbox)?;
        named.require(Right::Insert)?;
        match named.open() {
            Err(error) if error.kind == ErrorKind::NonExistent => {
                Err(Answer::no("TRYCREATE", "There is no such mailbox").into())
            }
            opened => Ok(opened?),
        }
    }

    /// COPYUID goes into COPY's answer; for MOVE into an untagged OK, ahead of the EXPUNGEs that
    /// make the source's messages unknown (RFC 6851 section 4.3).
    fn done(&self, context: &mut Context<'_>, code: Option<Code>) -> Answer {
        let text = if self.remove { "Move completed" } else { "Copy completed" };
        match code {
            Some(code) if self.remove => {
                untagged(context.out.buffer(), Condition::Ok, Some(&code), "Moved");
                Answer::ok(text)
            }
            Some(code) => Answer::ok(text).with_code(code),
            None => Answer::ok(text),
        }
    }
}

/// `None` where nothing was copied: an empty set cannot be written.
fn copy_uid(copied: Copied) -> Option<Code> {
    let (from, to): (Vec<Uid>, Vec<Uid>) = copied.pairs.into_iter().unzip();
    (!from.is_empty()).then_some(Code::CopyUid(copied.uid_validity, from, to))
}

#[cfg(test)]
mod tests {
    use crate::command::shared::fixture::{Fixture, PLAIN, check};
    use crate::testing::Client;
    use std::fs;

    /// The answer with UIDVALIDITY as `V`.
    fn without_validity(client: &mut Client, command: &str) -> String {
        let answer = client.command(command);
        match answer.split_once("[COPYUID ") {
            Some((before, after)) => {
                let (_, sets) = after.split_once(' ').expect("sets");
                format!("{before}[COPYUID V {sets}")
            }
            None => answer,
        }
    }

    fn fixture(messages: usize) -> (Fixture, Client) {
        let fixture = Fixture::new(&vec![(PLAIN, "S"); messages]);
        let mut client = fixture.site.log_in();
        check(&mut client, "CREATE Archive", "a OK");
        let answer = client.command("SELECT INBOX");
        assert!(answer.contains("a OK"), "{answer}");
        (fixture, client)
    }

    #[test]
    fn copies_and_moves() {
        let (_fixture, mut client) = fixture(3);
        for (command, expected) in [
            ("COPY 1:2 Archive", "a OK [COPYUID V 1:2 1:2] Copy completed\r\n"),
            ("UID COPY 3 Archive", "a OK [COPYUID V 3 3] Copy completed\r\n"),
            ("UID COPY 99 Archive", "a OK Copy completed\r\n"),
            ("MOVE 1 Archive", "* OK [COPYUID V 1 4] Moved\r\n* 1 EXPUNGE\r\na OK Move completed\r\n"),
            ("UID MOVE 3 Archive", "* OK [COPYUID V 3 5] Moved\r\n* 2 EXPUNGE\r\na OK Move completed\r\n"),
        ] {
            assert_eq!(without_validity(&mut client, command), expected, "{command}");
        }
        for (command, expected) in [
            ("COPY 1 Nowhere", "a NO [TRYCREATE]"),
            ("MOVE 1 Nowhere", "a NO [TRYCREATE]"),
            ("COPY 1 \"bad//name\"", "a NO [CANNOT]"),
            ("COPY 2 Archive", "a BAD"),
            ("MOVE 1:2 Archive", "a BAD"),
            ("STATUS Archive (MESSAGES)", "* STATUS Archive (MESSAGES 5)\na OK"),
            ("FETCH 1:* (UID FLAGS)", "* 1 FETCH (UID 2 FLAGS (\\Seen))\na OK"),
        ] {
            check(&mut client, command, expected);
        }
    }

    #[test]
    fn to_the_same_mailbox() {
        let (_fixture, mut client) = fixture(1);
        let answer = without_validity(&mut client, "COPY 1 INBOX");
        assert!(answer.starts_with("* 2 EXISTS\r\n"), "{answer}");
        assert!(answer.ends_with("a OK [COPYUID V 1 2] Copy completed\r\n"), "{answer}");
        let answer = without_validity(&mut client, "UID MOVE 1 INBOX");
        assert!(
            answer.starts_with("* OK [COPYUID V 1 3] Moved\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n"),
            "{answer}"
        );
    }

    #[test]
    fn messages_whose_expunge_is_withheld_are_passed_over() {
        let (fixture, mut client) = fixture(5);
        for (remove, command, expected) in [
            (2, "UID COPY 2 Archive", "* 2 EXPUNGE\r\na OK Copy completed\r\n"),
            (2, "COPY 1:3 Archive", "* 2 EXPUNGE\r\na OK [COPYUID V 1,4 1:2] Copy completed\r\n"),
            (
                2,
                "COPY 2 Archive",
                "* 2 EXPUNGE\r\na NO [EXPUNGEISSUED] Some of these messages are expunged\r\n",
            ),
            (
                1,
                "MOVE 1 Archive",
                "* 1 EXPUNGE\r\na NO [EXPUNGEISSUED] Some of these messages are expunged\r\n",
            ),
        ] {
            fs::remove_file(fixture.path(remove)).expect("removed");
            // By FETCH the expunge is seen, and not announced.
            check(&mut client, "FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Seen))\na OK");
            assert_eq!(without_validity(&mut client, command), expected, "{command}");
        }
        let mut other = fixture.site.log_in();
        check(&mut other, "STATUS Archive (MESSAGES)", "* STATUS Archive (MESSAGES 2)\na OK");
    }

    #[test]
    fn nothing_is_moved_out_of_a_mailbox_that_is_examined() {
        let (fixture, _) = fixture(1);
        let mut reader = fixture.examine();
        check(&mut reader, "MOVE 1 Archive", "a NO [READ-ONLY]");
        let answer = without_validity(&mut reader, "COPY 1 Archive");
        assert_eq!(answer, "a OK [COPYUID V 1 1] Copy completed\r\n");
    }
}
