//! SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2).

use crate::accounts::MailboxRef;
use crate::answer::Answer;
use crate::context::{Context, User};
use crate::drop_in_work::DropInWork;
use crate::rights::Right;
use crate::selected::{Selected, recent};
use crate::stop::Stop;
use crate::task::{AccountTask, Progress};
use crate::view::View;
use codec::command::WireName;
use codec::response::{Code, Condition, list, untagged};
use store::ErrorKind;

/// The task of a SELECT, or of an EXAMINE with `read_only`.
pub(crate) fn select(mailbox: WireName, read_only: bool, condstore: bool) -> Box<dyn AccountTask> {
    Box::new(Select { mailbox, read_only, condstore })
}

struct Select {
    mailbox: WireName,
    read_only: bool,
    condstore: bool,
}

impl AccountTask for Select {
    /// What was selected is closed also when this fails (RFC 3501 section 6.3.1); nothing is
    /// expunged.
    fn run(&mut self, context: &mut Context<'_>, user: &mut User<'_>) -> Result<Progress, Stop> {
        if user.selected.take().is_some() {
            // RFC 7162 section 3.2.11: a server that has CONDSTORE sends it to every client.
            let closed = Code::Plain("CLOSED");
            untagged(context.out.buffer(), Condition::Ok, Some(&closed), "Previous mailbox closed");
        }
        if self.condstore {
            context.enable_condstore(None);
        }
        let named = user.accounts.resolve(&self.mailbox)?;
        named.require(Right::Read)?;
        let mut selected = self.open(context, &named)?;
        tell(context, &mut selected);
        let (code, text) = match selected.read_only {
            true => ("READ-ONLY", "Mailbox examined"),
            false => ("READ-WRITE", "Mailbox selected"),
        };
        *user.selected = Some(selected);
        Ok(Progress::Done(Answer::ok(text).with_code(Code::Plain(code))))
    }
}

impl Select {
    /// Watches before it looks, so that no change falls between the two.
    fn open(&self, context: &Context<'_>, named: &MailboxRef) -> store::Result<Selected> {
        let mailbox = named.open()?;
        let watch = mailbox.watch(context.wake.clone());
        let mut read_only = self.read_only || !named.rights.has(Right::Change);
        let refreshed = match mailbox.refresh(!read_only) {
            // It can be read and not be written: the client is told so.
            Err(error) if error.kind == ErrorKind::Denied && !read_only => {
                read_only = true;
                mailbox.refresh(false)?
            }
            other => other?,
        };
        let recent = recent(read_only, &refreshed.snapshot, refreshed.claimed);
        let (view, account) = (View::new(refreshed.snapshot, recent), named.account.clone());
        let mailbox = DropInWork::new(mailbox);
        Ok(Selected { mailbox, account, view, read_only, watch, mark: None, rest: None })
    }
}

/// The untagged responses of RFC 3501 section 6.3.1.
fn tell(context: &mut Context<'_>, selected: &mut Selected) {
    selected.view.tell_keywords(selected.read_only, context.out);
    let out = context.out.buffer();
    let snapshot = selected.view.snapshot();
    let ok = |out: &mut Vec<u8>, code, text: &str| untagged(out, Condition::Ok, Some(&code), text);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    list::number(out, count(selected.view.len()), "EXISTS");
    list::number(out, count(selected.view.recent_count()), "RECENT");
    if let Some(unseen) = snapshot.first_unseen() {
        ok(out, Code::Unseen(mail::SeqNum::from_index(unseen.index())), "First unseen");
    }
    ok(out, Code::UidValidity(snapshot.uid_validity()), "UIDs valid");
    ok(out, Code::UidNext(snapshot.uid_next()), "Next UID");
    // Whether the client asked for it or not (RFC 7162 section 3.1.2.1).
    ok(out, Code::HighestModSeq(selected.view.highest_modseq()), "Highest");
}

#[cfg(test)]
mod tests {
    use crate::command::shared::fixture::{Fixture, PLAIN, check};
    use std::fs;

    /// Another user's mail, which a link in the inbox's place would show.
    #[test]
    fn security_22_an_inbox_of_links_is_refused() {
        for directory in ["cur", "new", "tmp"] {
            let mut fixture = Fixture::new(&[(PLAIN, "")]);
            fixture.site.add_user("other", "secret");
            fixture.site.account("other");
            let mut client = fixture.site.log_in();
            check(&mut client, "CREATE Box", "a OK");
            let (ours, theirs) = (fixture.maildir(), fixture.site.maildir("other"));
            fs::write(theirs.join(directory).join("1.theirs:2,S"), PLAIN).expect("a message");
            fs::remove_dir_all(ours.join(directory)).expect("removed");
            std::os::unix::fs::symlink(theirs.join(directory), ours.join(directory)).expect("a link");
            let mut client = fixture.site.log_in();
            check(&mut client, "SELECT INBOX", "a NO [CORRUPTION]");
            check(&mut client, "STATUS INBOX (MESSAGES)", "a NO [CORRUPTION]");
            assert!(client.command("SELECT Box").contains("a OK [READ-WRITE]"));
            assert!(theirs.join(directory).join("1.theirs:2,S").exists());
        }
    }

    #[test]
    fn what_may_not_be_written_is_served_read_only() {
        let fixture = Fixture::new(&[(PLAIN, "S")]);
        let maildir = fixture.maildir();
        let set_mode = |mode| {
            for path in [&maildir, &maildir.join("cur"), &maildir.join("new"), &maildir.join("tmp")] {
                let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
                fs::set_permissions(path, permissions).expect("its mode");
            }
        };
        for name in ["restante-uidlist", "restante-uidlist.lock", "restante-index"] {
            let _ = fs::remove_file(maildir.join(name));
        }
        set_mode(0o500);
        if fs::write(maildir.join("probe"), "").is_ok() {
            eprintln!("SKIPPED: root may write everything");
            return;
        }
        // What has it in memory would write it again.
        let site = crate::testing::Site::new(maildir.parent().expect("its site"));
        for _ in 0..2 {
            let mut client = site.log_in();
            assert!(client.command("SELECT INBOX").contains("a OK [READ-ONLY]"));
            check(&mut client, "FETCH 1 BODY[TEXT]<0.5>", "* 1 FETCH (BODY[TEXT]<0> {5}\nfirst)\na OK");
            check(&mut client, "STORE 1 +FLAGS (\\Flagged)", "a NO [READ-ONLY]");
            let answer = client.command("APPEND INBOX {3+}\r\nx\r\n");
            assert!(answer.contains("a NO [NOPERM]"), "{answer}");
        }
        set_mode(0o700);
    }
}
