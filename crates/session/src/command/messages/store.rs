//! STORE (RFC 3501 section 6.4.6; UNCHANGEDSINCE by RFC 7162 section 3.1.3).
//!
//! New flags are told by the view's advance at the command's end, as changes of others are, and
//! so in one order and once. What the command itself does about telling is to *not* have it
//! done: `.SILENT` keeps the view from telling a message whose flags the client can work out.
//!
//! A message whose expunge is withheld can be named by number still. Its flags are changed in the
//! view and told from there, and the command succeeds: RFC 2180 section 4.2 recommends NO without
//! `.SILENT`, which clients show to their users, who see nothing wrong. With UNCHANGEDSINCE it
//! is among the MODIFIED, as what happened to it happened since (RFC 7162 section 3.1.3).

use crate::accounts::Accounts;
use crate::answer::Answer;
use crate::command::shared::pace::Pace;
use crate::context::Context;
use crate::failure;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::{MailboxTask, Progress};
use crate::view::Shown;
use codec::command::{Store, StoreAction};
use codec::response::fetch::Writer;
use codec::response::{Code, Condition, untagged};
use mail::flag::Flags;
use mail::{MessageSet, ModSeq, SeqNum, SystemFlags, Uid, UidSet};
use std::sync::Arc;
use store::{FlagChange, FlagsStored, Row, Snapshot};

/// The task of a STORE or UID STORE.
pub(crate) fn store(command: Store) -> Box<dyn MailboxTask> {
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
        modified: MessageSet::new(command.by_uid),
        undeleted: false,
        refusal: None,
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
    modified: MessageSet,
    /// Some messages lost `\Deleted`.
    undeleted: bool,
    /// Some messages cannot be changed at all.
    refusal: Option<Answer>,
}

impl MailboxTask for StoreTask {
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
        while !pace.is_spent() && !context.out.is_full() {
            let batch: Vec<(SeqNum, Uid)> =
                self.messages.iter_mut().flatten().take(Self::BATCH_MAX).collect();
            if batch.is_empty() {
                self.warn_of_quota(context, selected);
                return Ok(Progress::Done(self.answer()));
            }
            self.change(context, selected, &batch, &mut pace)?;
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
    const BATCH_MAX: usize = 5_000;

    /// Resolves the set. An answer ends the command.
    fn start(&mut self, context: &mut Context<'_>, selected: &Selected) -> Option<Answer> {
        let messages = match selected.view.resolve(&self.set, self.by_uid) {
            Ok(messages) => messages,
            Err(number) => return Some(super::no_such_message(number)),
        };
        if selected.read_only {
            return Some(super::read_only());
        }
        self.messages = Some(messages.into_iter());
        if self.unchanged_since.is_some() {
            context.enable_condstore(Some(selected));
        }
        None
    }

    fn change(
        &mut self,
        context: &mut Context<'_>,
        selected: &mut Selected,
        batch: &[(SeqNum, Uid)],
        pace: &mut Pace,
    ) -> store::Result<()> {
        let before = selected.view.snapshot().clone();
        let uids: UidSet = batch.iter().map(|&(_, uid)| uid).collect();
        let stored = selected.mailbox.store_flags(&uids, &self.change, self.unchanged_since)?;
        super::see(selected, stored.snapshot.clone());
        if let Some(error) = stored.refusal.as_ref().filter(|_| self.refusal.is_none()) {
            self.refusal = Some(failure::answer(error));
        }
        let was_deleted = |uid| before.find(uid).is_some_and(|row| is_deleted(&row));
        let is_kept = |row: Row<'_>| !is_deleted(&row);
        self.undeleted |= stored
            .changed
            .iter()
            .any(|uid| was_deleted(uid) && stored.snapshot.find(uid).is_some_and(is_kept));
        for &(number, uid) in batch {
            pace.change();
            let gone_since = self.unchanged_since.is_some() && !self.by_uid && stored.gone.contains(uid);
            if gone_since || stored.modified.contains(uid) {
                self.modified.insert(number, uid);
            }
        }
        let (condstore, out) = (context.enabled.condstore, context.out.buffer());
        for &(number, uid) in batch {
            if let Some(modseq) = self.foreseen(selected, &before, &stored, uid) {
                selected.view.told_flags(uid, modseq);
                // The client knows the flags and not their MODSEQ, which it needs.
                if condstore {
                    self.tell_modseq(out, number, uid, modseq);
                }
            } else if let Some(modseq) = self.left_as_is(&stored, uid) {
                self.tell_modseq(out, number, uid, modseq);
            }
        }
        if !stored.gone.is_empty() && !self.by_uid && self.unchanged_since.is_none() {
            self.change_withheld(context, selected, batch);
        }
        Ok(())
    }

    /// Changes messages whose expunge is withheld, as far as their client can see. Their MODSEQ
    /// stays: there is no newer one.
    fn change_withheld(&self, context: &mut Context<'_>, selected: &mut Selected, batch: &[(SeqNum, Uid)]) {
        selected.view.tell_keywords(selected.read_only, context.out);
        for &(number, uid) in batch {
            let recent = selected.view.is_recent(uid);
            let Some(withheld) = selected.view.withheld_mut(uid) else { continue };
            let before = withheld.flags();
            let after = apply(&self.change, &before);
            withheld.set_flags(&after);
            if before == after || (self.silent && !context.enabled.condstore) {
                continue;
            }
            let (shown, out) = (Shown::from(&*withheld), context.out.buffer());
            let mut writer = Writer::new(out, number);
            if !self.silent {
                writer.flags(out, shown.system, shown.keywords, recent);
            }
            if context.enabled.condstore {
                writer.modseq(out, shown.modseq);
            }
            writer.finish(out);
        }
    }

    /// Where what has `\Deleted` does not count, a change of mind can pass the limits. It is not
    /// refused, as the mail would be lost; the client is told (RFC 9208 section 4.3.1).
    fn warn_of_quota(&self, context: &mut Context<'_>, selected: &Selected) {
        if self.undeleted && selected.account.quota().is_passed_by_undeleting() {
            let code = Code::Plain("OVERQUOTA");
            untagged(context.out.buffer(), Condition::No, Some(&code), "Your quota is exceeded now");
        }
    }

    /// The MODSEQ of a message that passed UNCHANGEDSINCE and had the flags already: a success is
    /// told in any case (RFC 7162 section 3.1.3).
    fn left_as_is(&self, stored: &FlagsStored, uid: Uid) -> Option<ModSeq> {
        self.unchanged_since?;
        if [&stored.changed, &stored.modified, &stored.refused].iter().any(|set| set.contains(uid)) {
            return None;
        }
        stored.snapshot.find(uid).map(|row| row.modseq())
    }

    /// With `.SILENT`, the MODSEQ of flags that this command changed and that the client can work out by
    /// itself: it knew those before, and they became what this change makes of them. Where
    /// another session's change came between, either does not hold.
    fn foreseen(
        &self,
        selected: &Selected,
        before: &Arc<Snapshot>,
        stored: &FlagsStored,
        uid: Uid,
    ) -> Option<ModSeq> {
        if !self.silent || !stored.changed.contains(uid) {
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

    /// MODIFIED is told with OK (RFC 7162 section 3.1.3), and with NO where messages cannot be
    /// changed: all others were (RFC 3501 section 6.4.6 asks for no more).
    fn answer(&mut self) -> Answer {
        let modified = std::mem::replace(&mut self.modified, MessageSet::new(self.by_uid));
        if let Some(refusal) = self.refusal.take() {
            return if modified.is_empty() { refusal } else { refusal.with_code(Code::Modified(modified)) };
        }
        match modified.is_empty() {
            true => Answer::ok("Store completed"),
            false => Answer::ok("Some messages changed since").with_code(Code::Modified(modified)),
        }
    }
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

fn is_deleted(row: &Row<'_>) -> bool {
    row.system_flags().contains(SystemFlags::DELETED)
}

#[cfg(test)]
mod tests {
    use crate::command::shared::fixture::{Fixture, PLAIN, check};
    use std::fs;

    #[test]
    fn flags_are_stored_and_told_once() {
        let fixture = Fixture::new(&[(PLAIN, "S"), (PLAIN, "FS"), (PLAIN, "")]);
        let mut client = fixture.select();
        for (command, expected) in [
            ("STORE 1 FLAGS (\\Deleted)", "* 1 FETCH (FLAGS (\\Deleted))\na OK"),
            (
                "STORE 1:2 +FLAGS (\\Answered \\Draft)",
                "* 1 FETCH (FLAGS (\\Answered \\Deleted \\Draft))\n\
                 * 2 FETCH (FLAGS (\\Answered \\Flagged \\Seen \\Draft))\na OK",
            ),
            (
                "STORE 1:2 -FLAGS (\\Deleted \\Draft)",
                "* 1 FETCH (FLAGS (\\Answered))\n* 2 FETCH (FLAGS (\\Answered \\Flagged \\Seen))\na OK",
            ),
            // What changes nothing tells nothing.
            ("STORE 3 FLAGS ()", "a OK"),
            ("STORE 1:3 +FLAGS.SILENT (\\Flagged)", "a OK"),
            ("NOOP", "a OK"),
            (
                "FETCH 1:3 FLAGS",
                "* 1 FETCH (FLAGS (\\Answered \\Flagged))\n* 2 FETCH (FLAGS (\\Answered \\Flagged \\Seen))\n\
                 * 3 FETCH (FLAGS (\\Flagged))\na OK",
            ),
            ("UID STORE 3 +FLAGS (\\Seen)", "* 3 FETCH (UID 3 FLAGS (\\Flagged \\Seen))\na OK"),
            ("UID STORE 99 +FLAGS (\\Seen)", "a OK"),
            ("STORE 4 +FLAGS (\\Seen)", "a BAD"),
            ("STORE 3:4 +FLAGS (\\Answered)", "a BAD"),
            ("FETCH 3 FLAGS", "* 3 FETCH (FLAGS (\\Flagged \\Seen))\na OK"),
        ] {
            check(&mut client, command, expected);
        }
        let mut reader = fixture.examine();
        check(&mut reader, "STORE 1 +FLAGS (\\Seen)", "a NO [READ-ONLY]");
    }

    #[test]
    fn keywords_up_to_the_limit() {
        let fixture = Fixture::new(&[(PLAIN, "S")]);
        let mut client = fixture.select();
        let told = client.command("STORE 1 +FLAGS ($Forwarded work)");
        assert!(told.contains("* 1 FETCH (FLAGS (\\Seen $Forwarded work))\r\na OK"), "{told}");
        check(&mut client, "STORE 1 -FLAGS (WORK)", "* 1 FETCH (FLAGS (\\Seen $Forwarded))\na OK");
        let many: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
        let answer = client.command(&format!("STORE 1 +FLAGS ({})", many.join(" ")));
        assert!(answer.starts_with("a NO [LIMIT]"), "{answer}");
        check(&mut client, "FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Seen $Forwarded))\na OK");
    }

    #[test]
    fn silent_hides_nothing_that_another_session_did() {
        let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, "")]);
        let (mut one, mut two) = (fixture.select(), fixture.select());
        check(&mut two, "STORE 1 +FLAGS.SILENT (\\Flagged)", "a OK");
        check(&mut one, "STORE 1 +FLAGS.SILENT (\\Draft)", "* 1 FETCH (FLAGS (\\Flagged \\Draft))\na OK");
        check(&mut two, "NOOP", "* 1 FETCH (FLAGS (\\Flagged \\Draft))\na OK");
        // Another program's rename likewise.
        fixture.rename(2, "S");
        check(&mut one, "STORE 2 +FLAGS.SILENT (\\Answered)", "* 2 FETCH (FLAGS (\\Answered \\Seen))\na OK");
    }

    #[test]
    fn unchanged_since() {
        let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, ""), (PLAIN, "")]);
        let mut client = fixture.select();
        let modseq = |client: &mut crate::testing::Client, n: usize| -> u64 {
            let answer = client.command(&format!("FETCH {n} MODSEQ"));
            let (_, rest) = answer.split_once("FETCH (MODSEQ (").expect("a MODSEQ");
            rest.split(')').next().expect("a number").parse().expect("a number")
        };
        let old = modseq(&mut client, 1);
        client.command("STORE 2 +FLAGS.SILENT (\\Flagged)");
        let new = modseq(&mut client, 2);
        assert!(new > old);
        check(
            &mut client,
            &format!("STORE 1:2 (UNCHANGEDSINCE {old}) +FLAGS.SILENT (\\Seen)"),
            &format!("* 1 FETCH (MODSEQ ({}))\na OK [MODIFIED 2]", new + 1),
        );
        check(
            &mut client,
            &format!("UID STORE 1:3 (UNCHANGEDSINCE {old}) -FLAGS (\\Seen)"),
            &format!("* 3 FETCH (UID 3 MODSEQ ({old}))\na OK [MODIFIED 1:2]"),
        );
        check(
            &mut client,
            &format!("UID STORE 2 (UNCHANGEDSINCE {new}) +FLAGS (\\Draft)"),
            &format!("* 2 FETCH (UID 2 FLAGS (\\Flagged \\Draft) MODSEQ ({}))\na OK", new + 2),
        );
        check(&mut client, "STORE 3 (UNCHANGEDSINCE 0) +FLAGS (\\Draft)", "a OK [MODIFIED 3]");
    }

    #[test]
    fn messages_that_are_gone() {
        let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, ""), (PLAIN, "")]);
        let mut client = fixture.select();
        fs::remove_file(fixture.path(1)).expect("removed");
        for (command, expected) in [
            ("STORE 1:2 +FLAGS (\\Seen)", "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS (\\Seen))\na OK"),
            ("STORE 1 +FLAGS (\\Seen)", "a OK"),
            ("STORE 1 -FLAGS.SILENT (\\Seen)", "a OK"),
            ("STORE 1 +FLAGS.SILENT (\\Draft)", "a OK"),
            ("FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Draft))\na OK"),
            (
                "STORE 1 FLAGS (work)",
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\n\
                 * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work \\*)] Flags that are kept\n\
                 * 1 FETCH (FLAGS (work))\na OK",
            ),
            ("STORE 1 FLAGS ()", "* 1 FETCH (FLAGS ())\na OK"),
        ] {
            check(&mut client, command, expected);
        }
        check(
            &mut client,
            "UID STORE 1:3 +FLAGS (\\Flagged)",
            "* 1 EXPUNGE\n* 1 FETCH (UID 2 FLAGS (\\Flagged \\Seen))\n* 2 FETCH (UID 3 FLAGS (\\Flagged))\na OK",
        );
    }

    #[test]
    fn a_message_whose_name_leaves_no_room_costs_the_others_nothing() {
        let mut fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, ""), (PLAIN, "")]);
        let long = fixture.path(2).with_file_name(format!("1700000002.M2{}:2,", "x".repeat(239)));
        fs::rename(fixture.path(2), &long).expect("renamed");
        fixture.put(PLAIN.as_bytes(), "");
        let mut client = fixture.select();
        check(
            &mut client,
            "STORE 1:* +FLAGS (\\Seen)",
            "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS (\\Seen))\n* 4 FETCH (FLAGS (\\Seen))\na NO [CANNOT]",
        );
        // What is in no file name can be changed.
        let told = client.command("STORE 3 +FLAGS (Key)");
        assert!(told.contains("* 3 FETCH (FLAGS (Key))\r\na OK"), "{told}");
        let told = client.command("STORE 3 (UNCHANGEDSINCE 99) +FLAGS (\\Seen)");
        assert!(told.contains("a NO [CANNOT]") && !told.contains("FETCH"), "{told}");
        check(
            &mut client,
            "FETCH 3 BODY[TEXT]",
            "* 3 FETCH (BODY[TEXT] {25}\nfirst line\nsecond line\n)\na OK",
        );
        assert!(long.exists(), "it stays where it is");
    }

    #[test]
    fn messages_that_are_gone_are_among_the_modified() {
        let fixture = Fixture::new(&[(PLAIN, ""), (PLAIN, "")]);
        let mut client = fixture.select();
        client.command("ENABLE CONDSTORE");
        fs::remove_file(fixture.path(1)).expect("removed");
        let answer = client.command("STORE 1:2 (UNCHANGEDSINCE 1000) +FLAGS.SILENT (\\Seen)");
        assert!(answer.starts_with("* 2 FETCH (MODSEQ ("), "{answer}");
        assert!(answer.contains("\r\na OK [MODIFIED 1] "), "{answer}");
        let answer = client.command("STORE 1 +FLAGS.SILENT (\\Seen)");
        assert!(answer.starts_with("* 1 FETCH (MODSEQ (") && answer.contains("\r\na OK "), "{answer}");
        let answer = client.command("UID STORE 1 (UNCHANGEDSINCE 1000) +FLAGS.SILENT (\\Seen)");
        assert!(answer.starts_with("* 1 EXPUNGE\r\na OK Store"), "{answer}");
    }

    #[test]
    fn more_messages_than_a_batch() {
        let messages = vec![(PLAIN, ""); 250];
        let fixture = Fixture::new(&messages);
        let mut client = fixture.select();
        let answer = client.command("STORE 1:* +FLAGS (\\Seen)");
        assert_eq!(answer.matches("FETCH (FLAGS (\\Seen))").count(), 250, "{answer}");
        assert!(answer.ends_with("a OK Store completed\r\n"), "{answer}");
    }
}
