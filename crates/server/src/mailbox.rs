//! `restante mailbox`: a user's mailboxes as the administrator sees them.
//!
//! Works beside a running server, through the same store: what is counted is what a client
//! would be told now. A mailbox that nobody opened yet is opened by `list`, which takes over what
//! another server left.

mod check;
mod numbers;
pub(crate) mod odd;
mod user;

use crate::exit::ended;
use crate::progress::Progress;
use crate::settings::Configuration;
use crate::users::ResolvedUser;
use clap::Subcommand;
use mail::{MailboxName, SpecialUseNames, SystemFlags, utf7};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use store::{Account, Mailbox, Snapshot};
use user::OneUser;

/// What `restante mailbox` understands.
#[derive(Subcommand, Debug)]
pub(crate) enum MailboxCommand {
    /// List a user's mailboxes with messages, bytes on disk, UIDs, how the directory's name is written,
    /// subscriptions, and special uses.
    List(OneUser),
    /// Compare a user's UID lists, indexes and caches with the Maildir, say what is wrong, and change
    /// nothing.
    Check(check::Options),
    /// Repair a user's UID lists, indexes, caches and directories, beside a running server too.
    #[command(after_help = REPAIRED)]
    Repair(check::Options),
}

/// How a repair repairs.
const REPAIRED: &str = "\
UID lists, indexes and caches are written anew, and missing directories are made. Directories with \
mail that no client sees are renamed to names that work, and files with the base name of another \
message get one of their own. No message is removed.";

/// Does what `restante mailbox` says.
pub(crate) fn run(command: &MailboxCommand) -> ExitCode {
    match command {
        MailboxCommand::List(one) => ended(one.with_account(list)),
        MailboxCommand::Check(options) => check::run(options, false),
        MailboxCommand::Repair(options) => check::run(options, true),
    }
}

/// A mailbox that could be opened, as it was then.
struct Opened {
    mailbox: Arc<Mailbox>,
    snapshot: Arc<Snapshot>,
}

/// A line of the table. What has no directory, or could not be opened, has no `opened`.
struct Row {
    name: MailboxName,
    opened: Option<Opened>,
    /// Bytes of its messages' files.
    bytes: u64,
    encoding: &'static str,
    is_subscribed: bool,
    /// Attributes of its special uses.
    uses: String,
}

/// Prints the table. What is wrong with one mailbox is said, and the others follow.
fn list(configuration: &Configuration, user: &ResolvedUser, account: &Arc<Account>) -> Result<(), String> {
    let (mut rows, mut problems) = rows(account, &configuration.session.special_use_names)?;
    measure(&mut rows, &mut problems);
    print!("{}", table(&rows));
    let odd = account.odd_directories().map_err(|error| error.to_string())?;
    print!("{}", odd::below_the_table(&odd));
    problems.iter().for_each(|problem| eprintln!("restante: {problem}"));
    match problems.len() {
        0 => Ok(()),
        count => Err(format!("{}: {count} of the mailboxes could not be read", user.name)),
    }
}

/// All mailboxes, and names that are subscribed to and of which there is no mailbox.
fn rows(
    account: &Arc<Account>,
    special_use_names: &[SpecialUseNames],
) -> Result<(Vec<Row>, Vec<String>), String> {
    let listed = account.list().map_err(|error| error.to_string())?;
    let uses = account.special_uses(&listed, special_use_names);
    let subscribed = account.subscriptions().map_err(|error| error.to_string())?;
    let mut subscribed: BTreeSet<MailboxName> = subscribed.into_iter().collect();
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let progress = Progress::new(Some(listed.len() as u64), "mailboxes");
    for listed in listed {
        let mut row = Row {
            is_subscribed: subscribed.remove(&listed.name),
            encoding: encoding(account, &listed.name),
            uses: uses.of(&listed.name).iter().map(|it| it.attribute()).collect::<Vec<_>>().join(" "),
            name: listed.name,
            opened: None,
            bytes: 0,
        };
        if listed.selectable {
            match open(account, &row.name) {
                Ok(opened) => row.opened = Some(opened),
                Err(error) => problems.push(format!("{}: {error}", row.name)),
            }
        }
        rows.push(row);
        progress.advance(1);
    }
    for name in subscribed {
        let row =
            Row { name, opened: None, bytes: 0, encoding: "-", is_subscribed: true, uses: String::new() };
        rows.push(row);
    }
    Ok((rows, problems))
}

fn open(account: &Arc<Account>, name: &MailboxName) -> store::Result<Opened> {
    let mailbox = account.open(name)?;
    // Messages in new/ stay there: nobody has seen them.
    let snapshot = mailbox.refresh(false)?.snapshot;
    Ok(Opened { mailbox, snapshot })
}

/// Adds up the files, message by message; one that is gone meanwhile counts nothing.
fn measure(rows: &mut [Row], problems: &mut Vec<String>) {
    let messages =
        rows.iter().filter_map(|row| row.opened.as_ref()).map(|opened| opened.snapshot.len() as u64);
    let progress = Progress::new(Some(messages.sum()), "messages");
    for row in rows {
        let Some(opened) = &row.opened else { continue };
        for uid in opened.snapshot.uids().iter() {
            match opened.mailbox.open_message(*uid) {
                Ok(file) => row.bytes += file.map_or(0, |file| file.size()),
                Err(error) => {
                    problems.push(format!("{}: {error}", row.name));
                    break;
                }
            }
            progress.advance(1);
        }
    }
}

/// How a mailbox's directory is written: both are read, and are the same for most names.
fn encoding(account: &Account, name: &MailboxName) -> &'static str {
    let plain = |text: &str| text.is_ascii() && !text.contains('&');
    let directory = account.find(name).ok().filter(|_| !name.is_inbox());
    let Some(entry) = directory.as_deref().and_then(Path::file_name) else {
        return if plain(name.as_str()) { "ASCII" } else { "-" };
    };
    let text = entry.to_string_lossy();
    let levels = text.trim_start_matches('.').split('.');
    let decoded: Option<Vec<String>> = levels.map(utf7::decode_level).collect();
    match decoded.is_some_and(|levels| MailboxName::from_levels(levels).as_ref() == Ok(name)) {
        true if text.contains('&') => "UTF-7",
        _ if text.is_ascii() => "ASCII",
        _ => "UTF-8",
    }
}

const HEADINGS: [&str; 9] =
    ["MAILBOX", "MESSAGES", "UNSEEN", "BYTES", "UIDVALIDITY", "UIDNEXT", "DIRECTORY", "SUBSCRIBED", "USE"];

/// Columns of numbers, which stand at the right.
const NUMBERS: std::ops::RangeInclusive<usize> = 1..=5;

fn table(rows: &[Row]) -> String {
    let mut lines: Vec<[String; 9]> = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let mut widths = [0; 9];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
            let written = if NUMBERS.contains(&at) {
                write!(text, "{cell:>width$}  ")
            } else {
                write!(text, "{cell:<width$}  ")
            };
            written.unwrap_or_default();
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

impl Row {
    fn cells(&self) -> [String; 9] {
        let number = |value: &dyn Fn(&Snapshot) -> String| match &self.opened {
            Some(opened) => value(&opened.snapshot),
            None => "-".to_owned(),
        };
        let unseen = |snapshot: &Snapshot| {
            snapshot.rows().filter(|row| !row.system_flags().contains(SystemFlags::SEEN)).count()
        };
        [
            self.name.to_string(),
            number(&|snapshot| snapshot.len().to_string()),
            number(&|snapshot| unseen(snapshot).to_string()),
            number(&|_| self.bytes.to_string()),
            number(&|snapshot| snapshot.uid_validity().to_string()),
            number(&|snapshot| snapshot.uid_next().to_string()),
            self.encoding.to_owned(),
            if self.is_subscribed { "yes" } else { "no" }.to_owned(),
            if self.uses.is_empty() { "-" } else { &self.uses }.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;
    use store::Store;

    fn configuration() -> Configuration {
        settings::read_text(Path::new("r.toml"), settings::document::MINIMAL).expect("it is right")
    }

    fn account_of(root: &Path) -> Arc<Account> {
        Store::new(configuration().store).account(root, false).expect("an account")
    }

    fn deliver(directory: &Path, name: &str, bytes: usize) {
        for part in ["new", "tmp", "cur"] {
            std::fs::create_dir_all(directory.join(part)).expect("a directory");
        }
        std::fs::write(directory.join(name), "x".repeat(bytes)).expect("a message");
    }

    #[test]
    fn what_is_there_is_listed_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        deliver(root, "new/1.M1P1.h", 100);
        deliver(root, "cur/2.M1P1.h:2,S", 23);
        deliver(&root.join(".Lists.rust"), "cur/1.M1P1.h:2,", 7);
        deliver(&root.join(".Entw&APw-rfe"), "cur/1.M1P1.h:2,S", 1);
        deliver(&root.join(".Résumé"), "cur/1.M1P1.h:2,S", 1_000);
        let account = account_of(root);
        for name in ["Lists/rust", "Gone"] {
            account.subscribe(&MailboxName::new(name).expect("a name"), true).expect("subscribed");
        }
        let (mut rows, mut problems) =
            rows(&account, &configuration().session.special_use_names).expect("it can be read");
        measure(&mut rows, &mut problems);
        assert_eq!(problems, Vec::<String>::new());
        let text = table(&rows);
        let without_validity: Vec<String> = text
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                [&words[..4], &words[5..]].concat().join(" ")
            })
            .collect();
        assert_eq!(
            without_validity,
            [
                "MAILBOX MESSAGES UNSEEN BYTES UIDNEXT DIRECTORY SUBSCRIBED USE",
                "INBOX 2 1 123 3 ASCII no -",
                "Entwürfe 1 0 1 2 UTF-7 no \\Drafts",
                "Lists - - - - ASCII no -",
                "Lists/rust 1 1 7 2 ASCII yes -",
                "Résumé 1 0 1000 2 UTF-8 no -",
                "Gone - - - - - yes -",
            ]
        );
        // Aligned: each line's last column begins where the heading's does.
        let column = |line: &str| line.chars().count() - line.split_whitespace().last().map_or(0, str::len);
        let columns: BTreeSet<usize> = text.lines().map(column).collect();
        assert_eq!(columns.len(), 1, "{text}");
        assert!(root.join("new/1.M1P1.h").exists(), "what nobody has seen stays new");
    }

    #[test]
    fn one_mailbox_that_cannot_be_read_leaves_the_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        deliver(root, "cur/1.M1P1.h:2,", 5);
        deliver(&root.join(".Bad"), "cur/1.M1P1.h:2,", 5);
        // No file can take this one's place.
        std::fs::create_dir_all(root.join(".Bad/restante-uidlist/x")).expect("a directory");
        let account = account_of(root);
        let (rows, problems) = rows(&account, &[]).expect("the rest can be read");
        assert!(problems.len() == 1 && problems[0].starts_with("Bad: "), "{problems:?}");
        assert_eq!(rows.iter().filter(|row| row.opened.is_some()).count(), 1);
    }
}
