//! Names of mailboxes as an administrator writes them: in settings, and behind commands.

use mail::MailboxName;
use mail::mailbox_name::after_inbox;

/// What a written name may mean, the likeliest first: levels parted by `/`, as clients have
/// them; Courier's names, with dots behind `INBOX.`; levels parted by dots, as directories have
/// them. None where it can be no mailbox's name.
pub(crate) fn meanings(text: &str) -> Vec<MailboxName> {
    if let Some(rest) = after_inbox(text, '.') {
        return MailboxName::from_levels(rest.split('.')).into_iter().collect();
    }
    let mut meanings: Vec<MailboxName> = MailboxName::new(text).into_iter().collect();
    if text.contains('.') && !text.contains('/') {
        meanings.extend(MailboxName::from_levels(text.split('.')));
    }
    meanings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_written_in_three_ways() {
        for (text, expected) in [
            ("INBOX", &["INBOX"][..]),
            ("inbox", &["INBOX"]),
            ("Lists/rust", &["Lists/rust"]),
            ("Lists/rust.users", &["Lists/rust.users"]),
            ("Lists.rust", &["Lists.rust", "Lists/rust"]),
            ("INBOX.Lists.rust", &["Lists/rust"]),
            ("inbox.Entwürfe", &["Entwürfe"]),
            ("Inbox/low", &["INBOX/low"]),
            ("", &[]),
            ("a//b", &[]),
        ] {
            let found = meanings(text);
            assert_eq!(found.iter().map(MailboxName::as_str).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
