//! DELETE (RFC 3501 section 6.3.4).

use crate::answer::Answer;
use crate::command::shared::once::once;
use crate::context::{Context, User};
use crate::rights::Right;
use crate::stop::Stop;
use crate::task::AccountTask;
use codec::command::WireName;
use codec::response::{Code, Condition, untagged};

/// The task of a DELETE.
pub(crate) fn delete(mailbox: WireName) -> Box<dyn AccountTask> {
    once(move |context, user| run(context, user, &mailbox))
}

/// What lies below the mailbox stays, and its name then is a level without a mailbox. The
/// subscription stays too: "the server MUST NOT unilaterally remove" it (section 6.3.6).
fn run(context: &mut Context<'_>, user: &mut User<'_>, wire: &WireName) -> Result<Answer, Stop> {
    let mailbox = user.accounts.resolve(wire)?;
    if mailbox.name.is_inbox() {
        return Ok(Answer::no("CANNOT", "The inbox cannot be deleted"));
    }
    mailbox.require(Right::Delete)?;
    mailbox.account.delete(&mailbox.name)?;
    // A session that deletes its own mailbox goes on without one; others that have it selected
    // are told by the machine.
    if user.selected.as_ref().is_some_and(|selected| selected.is(&mailbox)) {
        *user.selected = None;
        let code = Code::Plain("CLOSED");
        untagged(context.out.buffer(), Condition::Ok, Some(&code), "The selected mailbox was deleted");
    }
    Ok(Answer::ok("DELETE completed"))
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::Plain;
    use crate::command::shared::dialogue::{check, play, site};

    #[test]
    fn what_lies_below_stays() {
        check(
            Plain,
            &["a", "a/b", "c"],
            r#"
DELETE a
  OK DELETE completed
LIST "" a*
  * LIST (\Noselect \HasChildren) "/" a
  * LIST (\HasNoChildren) "/" a/b
  OK
DELETE a
  NO [NONEXISTENT]
DELETE INBOX.a.b
  OK
LIST "" a*
  OK
DELETE a/b
  NO [NONEXISTENT]
DELETE INBOX
  NO [CANNOT]
DELETE inbox
  NO [CANNOT]
DELETE a//b
  NO [CANNOT]
"#,
        );
    }

    #[test]
    fn the_selected_mailbox_is_closed() {
        let site = site(Plain, &["a", "b"]);
        let mut other = site.site.select("a");
        let mut client = site.site.select("a");
        play(
            &mut client,
            r#"
DELETE b
  OK
CHECK
  OK
DELETE a
  * OK [CLOSED] The selected mailbox was deleted
  OK
CHECK
  BAD
NOOP
  OK
SELECT a
  NO [NONEXISTENT]
"#,
        );
        // Another session holds numbers that mean nothing any more.
        let told = other.command("NOOP");
        assert!(told.contains("* BYE ") && other.closed(), "{told}");
    }
}
