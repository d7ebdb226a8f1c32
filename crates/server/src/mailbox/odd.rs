//! Directories that hold messages and are no mailboxes, as an administrator is told of them.

use super::numbers::messages;
use store::OddDirectory;

/// What is in it, why no client sees it, and what can be done.
pub(crate) fn description(odd: &OddDirectory) -> String {
    let count = odd.messages.map_or("messages that cannot be counted".to_owned(), messages);
    let remedy = match &odd.becomes {
        Some(name) => format!("restante mailbox repair makes it the mailbox {name}"),
        None => "move its messages to a mailbox".to_owned(),
    };
    format!("{count} that no client sees: {}; {remedy}", odd.reason)
}

/// The lines below the table of mailboxes; empty where there are no such directories.
pub(super) fn below_the_table(odd: &[OddDirectory]) -> String {
    let lines: Vec<String> =
        odd.iter().map(|odd| format!("  {}: {}\n", odd.shown(), description(odd))).collect();
    if lines.is_empty() { String::new() } else { format!("\nno mailboxes:\n{}", lines.concat()) }
}
