//! CREATE (RFC 3501 section 6.3.3).

use super::once::once;
use crate::context::{Answer, Context, Task};
use crate::namespace::Spelling;
use mail::MailboxName;
use store::{Account, ErrorKind};

/// The task of a CREATE.
pub(crate) fn create(mailbox: String) -> Box<dyn Task> {
    once(move |context, account| run(context, account, &mailbox))
}

fn run(context: &Context<'_>, account: &Account, wire: &str) -> store::Result<Answer> {
    let spelling = Spelling::of(context.settings.namespace, wire);
    // "This is a declaration that the client intends to create mailbox names under this name";
    // here every mailbox can have others below it.
    let wire = wire.strip_suffix(spelling.separator()).unwrap_or(wire);
    let name = match spelling.read(wire) {
        Ok(name) if name.is_inbox() => return Ok(already_exists()),
        Ok(name) => name,
        Err(unusable) => return Ok(unusable.answer()),
    };
    match account.create(&name) {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::AlreadyExists => return Ok(already_exists()),
        Err(error) => return Err(error),
    }
    create_levels_above(account, &name);
    Ok(Answer::ok("CREATE completed"))
}

/// Makes the levels above a new mailbox real mailboxes, as RFC 3501 section 6.3.3 asks for.
///
/// The store does without them, but Outlook keeps mail that a user drops on a level that is no
/// mailbox on its own disk. A failure is said in the log and does not fail the command: the
/// mailbox asked for is there.
pub(crate) fn create_levels_above(account: &Account, name: &MailboxName) {
    for level in std::iter::successors(name.parent(), MailboxName::parent) {
        if level.as_str().eq_ignore_ascii_case("INBOX") {
            continue;
        }
        match account.create(&level) {
            Err(error) if error.kind != ErrorKind::AlreadyExists => {
                tracing::warn!(%error, "a level above a new mailbox could not be made");
            }
            _ => {}
        }
    }
}

/// NO [ALREADYEXISTS] (RFC 5530).
pub(crate) fn already_exists() -> Answer {
    Answer::no("ALREADYEXISTS", "There is a mailbox of that name")
}
