//! DELETE (RFC 3501 section 6.3.4).

use super::once::once;
use crate::context::{Answer, Context, Task};
use crate::namespace::mailbox_name;
use codec::response::{Code, Condition, untagged};
use store::Account;

/// The task of a DELETE.
pub(crate) fn delete(mailbox: String) -> Box<dyn Task> {
    once(move |context, account| run(context, account, &mailbox))
}

/// What lies below the mailbox stays, and its name then is a level without a mailbox. The
/// subscription stays too: "the server MUST NOT unilaterally remove" it (section 6.3.6).
fn run(context: &mut Context<'_>, account: &Account, wire: &str) -> store::Result<Answer> {
    let name = match mailbox_name(context.settings.namespace, wire) {
        Ok(name) if name.is_inbox() => return Ok(Answer::no("CANNOT", "The inbox cannot be deleted")),
        Ok(name) => name,
        Err(unusable) => return Ok(unusable.answer()),
    };
    account.delete(&name)?;
    // A session that deletes its own mailbox goes on without one; others that have it selected
    // are told by the machine.
    if context.selected.as_ref().is_some_and(|selected| *selected.mailbox.name() == name) {
        *context.selected = None;
        let code = Code::Plain("CLOSED");
        untagged(context.out.buffer(), Condition::Ok, Some(&code), "The selected mailbox was deleted");
    }
    Ok(Answer::ok("DELETE completed"))
}
