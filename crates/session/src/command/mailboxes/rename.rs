//! RENAME (RFC 3501 section 6.3.5).

use super::create::{already_exists, create_levels_above, refused};
use crate::accounts::MailboxRef;
use crate::answer::Answer;
use crate::command::shared::once::once;
use crate::context::{Context, User};
use crate::rights::Right;
use crate::selected::Selected;
use crate::stop::Stop;
use crate::task::AccountTask;
use codec::command::WireName;
use std::sync::Arc;

/// The task of a RENAME.
pub(crate) fn rename(from: WireName, to: WireName) -> Box<dyn AccountTask> {
    once(move |context, user| run(context, user, &from, &to))
}

/// All below the mailbox goes with it. The inbox stays, and its messages go.
fn run(context: &Context<'_>, user: &mut User<'_>, from: &WireName, to: &WireName) -> Result<Answer, Stop> {
    let (from, to) = (user.accounts.resolve(from)?, user.accounts.resolve_new(to)?);
    if !to.is_beside(&from) {
        return Ok(Answer::no("CANNOT", "A mailbox stays in its account; move its messages"));
    }
    if to.name == from.name || to.name.is_inbox() {
        return Ok(already_exists());
    }
    if to.name.is_below(&from.name) {
        return Ok(Answer::no("CANNOT", "A mailbox cannot be moved below itself"));
    }
    from.require(Right::Delete)?;
    to.require(Right::Create)?;
    let uses = &context.settings.special_use_names;
    from.account.rename(&from.name, &to.name, uses).map_err(refused)?;
    create_levels_above(&to.account, &to.name);
    if !from.name.is_inbox() {
        follow(context, user, &from, &to)?;
    }
    Ok(Answer::ok("RENAME completed"))
}

/// Keeps the selected mailbox selected when it was renamed, itself or with a level above it:
/// its messages and UIDs are what they were.
fn follow(
    context: &Context<'_>,
    user: &mut User<'_>,
    from: &MailboxRef,
    to: &MailboxRef,
) -> store::Result<()> {
    let Some(selected) = user.selected.as_mut() else { return Ok(()) };
    if !Arc::ptr_eq(&selected.account, &from.account) {
        return Ok(());
    }
    let renamed = selected.mailbox.name().renamed(&from.name, &to.name);
    let Some(Ok(new_name)) = renamed else { return Ok(()) };
    let mailbox = selected.account.open(&new_name)?;
    let snapshot = mailbox.refresh(false)?.snapshot;
    if snapshot.uid_validity() != selected.view.snapshot().uid_validity() {
        // Not the mailbox that was selected: the next refresh tells the client that it is gone.
        return Ok(());
    }
    let Selected { mailbox: old, watch, .. } = selected;
    *watch = mailbox.watch(context.wake.clone());
    **old = mailbox;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::NamespaceStyle::{Courier, Plain};
    use crate::command::shared::dialogue::{check, play, site};

    #[test]
    fn with_all_that_lies_below() {
        check(
            Plain,
            &["a", "a/b", "a/b/c", "ab", "x/y"],
            r#"
RENAME a z/a
  OK RENAME completed
LIST "" *
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasNoChildren) "/" ab
  * LIST (\Noselect \HasChildren) "/" x
  * LIST (\HasNoChildren) "/" x/y
  * LIST (\HasChildren) "/" z
  * LIST (\HasChildren) "/" z/a
  * LIST (\HasChildren) "/" z/a/b
  * LIST (\HasNoChildren) "/" z/a/b/c
  OK
RENAME x v
  OK
LIST "" v*
  * LIST (\Noselect \HasChildren) "/" v
  * LIST (\HasNoChildren) "/" v/y
  OK
RENAME INBOX.ab INBOX.cd
  OK
RENAME cd cde/
  OK
STATUS cde (MESSAGES)
  * STATUS cde (MESSAGES 0)
  OK
"#,
        );
    }

    #[test]
    fn what_cannot_be_renamed() {
        check(
            Plain,
            &["a", "a/b", "c", "d/b"],
            r#"
RENAME a c
  NO [ALREADYEXISTS]
RENAME a a
  NO [ALREADYEXISTS]
RENAME a inbox
  NO [ALREADYEXISTS]
RENAME a d
  NO [ALREADYEXISTS]
RENAME nothing e
  NO [NONEXISTENT]
RENAME a a/b/c
  NO [CANNOT]
RENAME a e//f
  NO [CANNOT]
RENAME a//b e
  NO [CANNOT]
LIST "" *
  * LIST (\HasNoChildren) "/" INBOX
  * LIST (\HasChildren) "/" a
  * LIST (\HasNoChildren) "/" a/b
  * LIST (\HasNoChildren) "/" c
  * LIST (\Noselect \HasChildren) "/" d
  * LIST (\HasNoChildren) "/" d/b
  OK
"#,
        );
        check(Courier, &["a"], "RENAME INBOX.a b\n  NO [CANNOT]\n");
    }

    #[test]
    fn a_selected_mailbox_stays_selected() {
        let site = site(Plain, &["a", "a/b"]);
        let mut client = site.site.select("a/b");
        play(
            &mut client,
            r#"
RENAME a z
  OK
CHECK
  OK
STATUS z/b (MESSAGES)
  * STATUS z/b (MESSAGES 0)
  OK
RENAME z/b c
  OK
NOOP
  OK
CREATE a
  OK
CHECK
  OK
DELETE c
  * OK [CLOSED] The selected mailbox was deleted
  OK
"#,
        );
    }

    #[test]
    fn the_inbox_stays() {
        check(
            Plain,
            &["INBOX/x", "c"],
            r#"
RENAME INBOX old/2026
  OK
RENAME INBOX c
  NO [ALREADYEXISTS]
RENAME INBOX Inbox
  NO [ALREADYEXISTS]
LIST "" *
  * LIST (\HasChildren) "/" INBOX
  * LIST (\HasNoChildren) "/" INBOX/x
  * LIST (\HasNoChildren) "/" c
  * LIST (\HasChildren) "/" old
  * LIST (\HasNoChildren) "/" old/2026
  OK
"#,
        );
    }
}
