//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7).
//!
//! What LIST shows can be subscribed to, levels without a mailbox included; another name is
//! NO [NONEXISTENT], as RFC 3501 allows, Courier and Dovecot do, and clients expect: a client
//! that spells a name wrongly learns it at once, instead of offering its user a mailbox that
//! fails to open. A subscription stays when its mailbox goes. UNSUBSCRIBE takes any name, as
//! it serves to clear away such leftovers. Subscriptions are the user's, in their own account,
//! also those to mailboxes of other accounts.

use crate::answer::Answer;
use crate::command::shared::once::once;
use crate::context::User;
use crate::stop::Stop;
use crate::task::AccountTask;
use codec::command::WireName;
use mail::MailboxName;
use store::Account;

/// The task of a SUBSCRIBE, or of an UNSUBSCRIBE.
pub(crate) fn subscribe(mailbox: WireName, subscribed: bool) -> Box<dyn AccountTask> {
    once(move |_, user| run(user, &mailbox, subscribed))
}

fn run(user: &User<'_>, wire: &WireName, subscribed: bool) -> Result<Answer, Stop> {
    let (spelling, seen_as) = user.accounts.read(wire)?;
    if subscribed {
        let mailbox = user.accounts.locate(spelling, &seen_as)?;
        if !is_listed(&mailbox.account, &mailbox.name)? {
            return Ok(Answer::no("NONEXISTENT", "No such mailbox"));
        }
    }
    user.accounts.own().subscribe(&seen_as, subscribed)?;
    Ok(Answer::ok(if subscribed { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" }))
}

fn is_listed(account: &Account, name: &MailboxName) -> store::Result<bool> {
    Ok(name.is_inbox() || account.list()?.iter().any(|listed| listed.name == *name))
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::Plain;
    use crate::command::shared::dialogue::check;

    #[test]
    fn what_is_listed_can_be_subscribed_to() {
        check(
            Plain,
            &["a/b", "gone"],
            r#"
SUBSCRIBE a/b
  OK SUBSCRIBE completed
SUBSCRIBE a/b
  OK
SUBSCRIBE a
  OK
SUBSCRIBE INBOX.a.b
  OK
SUBSCRIBE nothing
  NO [NONEXISTENT]
SUBSCRIBE a//b
  NO [CANNOT]
SUBSCRIBE gone
  OK
DELETE gone
  OK
LSUB "" *
  * LSUB () "/" a
  * LSUB () "/" a/b
  * LSUB () "/" gone
  OK
UNSUBSCRIBE gone
  OK UNSUBSCRIBE completed
UNSUBSCRIBE gone
  OK
UNSUBSCRIBE nothing
  OK
UNSUBSCRIBE a//b
  NO [CANNOT]
LSUB "" *
  * LSUB () "/" a
  * LSUB () "/" a/b
  OK
"#,
        );
    }
}
