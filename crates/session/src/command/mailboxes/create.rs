//! CREATE (RFC 3501 section 6.3.3).

use crate::answer::Answer;
use crate::command::shared::once::once;
use crate::context::User;
use crate::rights::Right;
use crate::stop::Stop;
use crate::task::AccountTask;
use codec::command::WireName;
use mail::MailboxName;
use store::{Account, ErrorKind};

/// The task of a CREATE.
pub(crate) fn create(mailbox: WireName) -> Box<dyn AccountTask> {
    once(move |_, user| run(user, &mailbox))
}

fn run(user: &User<'_>, wire: &WireName) -> Result<Answer, Stop> {
    let mailbox = user.accounts.resolve_new(wire)?;
    if mailbox.name.is_inbox() {
        return Ok(already_exists());
    }
    mailbox.require(Right::Create)?;
    mailbox.account.create(&mailbox.name).map_err(refused)?;
    create_levels_above(&mailbox.account, &mailbox.name);
    Ok(Answer::ok("CREATE completed"))
}

/// Makes the levels above a new mailbox real mailboxes, as RFC 3501 section 6.3.3 asks for.
///
/// The store does without them, but Outlook keeps mail that a user drops on a level that is no
/// mailbox on its own disk. A failure is said in the log and does not fail the command: the
/// mailbox asked for is there.
pub(crate) fn create_levels_above(account: &Account, name: &MailboxName) {
    for level in std::iter::successors(name.parent(), MailboxName::parent) {
        if level.is_inbox() {
            continue;
        }
        match account.create(&level) {
            // No room for them: the mailbox asked for was the last one.
            Err(error) if error.kind == ErrorKind::Limit => return,
            Err(error) if error.kind != ErrorKind::AlreadyExists => {
                tracing::warn!(%error, "a level above a new mailbox could not be made");
            }
            _ => {}
        }
    }
}

/// Why a mailbox could not be made, or be renamed. A limit is the client's to know, and nothing
/// for the log.
pub(crate) fn refused(error: store::Error) -> Stop {
    match error.kind {
        ErrorKind::AlreadyExists => already_exists().into(),
        ErrorKind::Limit => {
            tracing::debug!("{error}");
            Answer::no("LIMIT", "No more mailboxes, or no more levels of them, are allowed here").into()
        }
        _ => error.into(),
    }
}

/// NO [ALREADYEXISTS] (RFC 5530).
pub(crate) fn already_exists() -> Answer {
    Answer::no("ALREADYEXISTS", "There is a mailbox of that name")
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::{Courier, Plain};
    use crate::command::shared::dialogue::check;

    #[test]
    fn mailboxes_and_the_levels_above_them() {
        check(
            Plain,
            &[],
            r#"
CREATE a/b/c
  OK CREATE completed
LIST "" *
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasChildren) "/" a
  * LIST (\HasChildren) "/" a/b
  * LIST (\HasNoChildren) "/" a/b/c
  OK
CREATE a/b
  NO [ALREADYEXISTS]
CREATE a/b/
  NO [ALREADYEXISTS]
CREATE d/
  OK
STATUS d (MESSAGES)
  * STATUS d (MESSAGES 0)
  OK
CREATE inbox
  NO [ALREADYEXISTS]
CREATE INBOX.
  NO [ALREADYEXISTS]
CREATE INBOX/x
  OK
CREATE INBOX.e.f
  OK
LIST "" e*
  * LIST (\HasChildren) "/" e
  * LIST (\HasNoChildren) "/" e/f
  OK
CREATE "T&AOQ-glich"
  OK
LIST "" T%
  * LIST (\HasNoChildren) "/" T&AOQ-glich
  OK
"#,
        );
    }

    #[test]
    fn security_22_names_that_cannot_be_are_refused() {
        let long = "x".repeat(241);
        for name in ["\"\"", "/", "//", "/a", "a//b", ".", "..", "../b", "a/../b", "\"a\tb\"", "&AGE-", "x&"]
        {
            check(Plain, &[], &format!("CREATE {name}\n  NO [CANNOT]\n"));
        }
        check(Plain, &[], &format!("CREATE {long}\n  NO [CANNOT]\n"));
        for name in ["Sent", "INBOX..a", "INBOX.a..b", "INBOX.a/b", "INBOX.inbox", "INBOX/a"] {
            check(Courier, &[], &format!("CREATE {name}\n  NO [CANNOT]\n"));
        }
    }
}
