//! `restante migrate`: taking Maildirs over from Courier or Dovecot ahead of the first log-ins,
//! and handing them back.
//!
//! One user after the other, as the user of `[mail]`. What is wrong with one mailbox is said,
//! and the others follow.

use crate::mailbox::odd::description;
use crate::progress::Progress;
use crate::settings::{self, Configuration, DEFAULT_PATH};
use crate::users::{ResolvedUser, Users, as_mail_user};
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use store::take_over::{Faults, Origin, Preference};
use store::{Account, Owner, Store};

/// What `restante migrate` understands.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The users, such as anna@example.com.
    #[arg(value_name = "USER", required_unless_present = "all")]
    users: Vec<String>,
    /// All users.
    #[arg(long, conflicts_with = "users")]
    all: bool,
    /// Take over this server's UIDs, keywords and POP3 UIDLs; the other one's where it has none in a mailbox.
    #[arg(long, value_name = "SERVER", required_unless_present = "to", conflicts_with = "to")]
    from: Option<Server>,
    /// Write this server's files. No server may be running for these users.
    #[arg(long, value_name = "SERVER")]
    to: Option<Server>,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// The configuration file; see restante.toml(5).
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// A server that mail comes from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Server {
    /// Courier-IMAP.
    Courier,
    /// Dovecot.
    Dovecot,
}

impl From<Server> for Origin {
    fn from(server: Server) -> Self {
        match server {
            Server::Courier => Self::Courier,
            Server::Dovecot => Self::Dovecot,
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
enum Direction {
    From(Origin),
    To(Origin),
}

/// What was done, of a user or of all.
#[derive(Clone, Default, Debug)]
struct Counts {
    users: usize,
    mailboxes: usize,
    already_ours: usize,
    new_uid_validities: usize,
    messages: usize,
    kept: usize,
    keywords: usize,
    uidls: usize,
    subscriptions: usize,
    faults: Faults,
    /// Mailboxes and users that could not be done, and what the other server cannot hold.
    problems: usize,
}

/// Does it, and prints what was done. An error when not everything went.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut configuration = settings::read_for_command(&options.config)?;
    let direction = match (options.from, options.to) {
        (Some(from), _) => Direction::From(from.into()),
        (None, Some(to)) => Direction::To(to.into()),
        (None, None) => return Err("one of --from and --to is needed".to_owned()),
    };
    if let Direction::From(origin) = direction {
        configuration.store.take_over = Preference::First(origin);
    }
    as_mail_user(&configuration, || all(options, direction, &configuration))
}

fn all(options: &Options, direction: Direction, configuration: &Configuration) -> Result<(), String> {
    let users = Users::open(configuration);
    let found: Vec<Result<ResolvedUser, String>> = if options.all {
        users.all()?.into_iter().map(Ok).collect()
    } else {
        let found = |name: &String| users.find(name)?.ok_or_else(|| format!("{name}: no such user"));
        options.users.iter().map(found).collect()
    };
    let store = Store::new(configuration.store.clone());
    let mailboxes = found.iter().flatten().map(|user| {
        let owner = user.owner(configuration).unwrap_or_default();
        let listed = store.account_of(&user.root, false, owner).and_then(|account| account.list());
        listed.map_or(0, |listed| listed.iter().filter(|listed| listed.selectable).count() as u64)
    });
    let progress = Progress::new(Some(mailboxes.sum()), "mailboxes");
    let migration = Migration { store: store.clone(), direction, is_dry: options.dry_run, progress };
    let done: Vec<_> = found
        .into_iter()
        .map(|user| user.and_then(|user| migration.user(&user, user.owner(configuration)?)))
        .collect();
    // The line of progress is wiped before anything else is said.
    drop(migration);
    let mut total = Counts::default();
    for user in done {
        match user {
            Ok((text, counts)) => {
                print!("{text}");
                total.add(&counts);
            }
            Err(error) => {
                total.problems += 1;
                eprintln!("restante: {error}");
            }
        }
    }
    if total.users != 1 {
        print!("{}", total.text("together", direction));
    }
    if options.dry_run {
        println!("nothing was written: --dry-run");
    }
    match total.problems + total.faults.kinds().iter().map(|(count, _)| count).sum::<usize>() {
        0 => Ok(()),
        problems => Err(format!("{problems} problems: see above")),
    }
}

/// What is the same for all users.
struct Migration {
    store: Arc<Store>,
    direction: Direction,
    is_dry: bool,
    progress: Progress,
}

impl Migration {
    /// The report on a user, and its figures. An error when nothing could be done at all.
    fn user(&self, user: &ResolvedUser, owner: Option<Arc<Owner>>) -> Result<(String, Counts), String> {
        let named = |error: store::Error| format!("{}: {error}", user.name);
        let account = self.store.account_of(&user.root, false, owner).map_err(named)?;
        let mut counts = Counts { users: 1, ..Counts::default() };
        let mut notes = String::new();
        let listed = account.list().map_err(named)?;
        for listed in listed.into_iter().filter(|listed| listed.selectable) {
            let done = match self.direction {
                Direction::From(_) => self.take_over(&account, &listed.name, &mut counts),
                Direction::To(to) => self.hand_over(&account, &listed.name, to, &mut counts),
            };
            counts.mailboxes += 1;
            match done {
                Ok(lines) => lines.iter().for_each(|line| note(&mut notes, listed.name.as_str(), line)),
                Err(error) => {
                    counts.problems += 1;
                    note(&mut notes, listed.name.as_str(), &format!("not done: {error}"));
                }
            }
            self.progress.advance(1);
        }
        let rest = match self.direction {
            Direction::From(_) => account.subscriptions().map(|names| counts.subscriptions = names.len()),
            Direction::To(to) => account.hand_over_account(to, self.is_dry).map(|done| {
                counts.subscriptions = done.subscriptions;
                for name in done.renamed {
                    note(&mut notes, name.as_str(), &format!("its directory is named as {to} reads it"));
                }
            }),
        };
        for odd in account.odd_directories().map_err(named)? {
            counts.problems += usize::from(matches!(self.direction, Direction::From(_)));
            note(&mut notes, &odd.shown(), &description(&odd));
        }
        if let Err(error) = rest {
            counts.problems += 1;
            note(&mut notes, "subscriptions", &format!("not done: {error}"));
        }
        Ok((counts.text(&user.name, self.direction) + &notes, counts))
    }

    fn take_over(
        &self,
        account: &Arc<Account>,
        name: &mail::MailboxName,
        counts: &mut Counts,
    ) -> Result<Vec<String>, store::Error> {
        let survey = account.survey(name)?;
        counts.messages += survey.messages;
        counts.kept += survey.kept;
        if survey.is_ours {
            counts.already_ours += 1;
            return Ok(vec!["has a restante-uidlist already: left alone".to_owned()]);
        }
        if !self.is_dry {
            account.open(name)?.refresh(false)?;
        }
        counts.keywords += survey.keywords;
        counts.uidls += survey.uidls;
        counts.faults += survey.faults;
        let mut notes = Vec::new();
        match survey.origin {
            None if survey.messages > 0 => notes.push("no list that can be read: new UIDs".to_owned()),
            Some(origin) if Direction::From(origin).server() != self.direction.server() => {
                notes.push(format!("taken over from {origin}: the only list that can be read"));
            }
            _ => {}
        }
        counts.new_uid_validities += usize::from(!survey.keeps_uid_validity);
        for (count, what) in survey.faults.kinds().into_iter().filter(|(count, _)| *count > 0) {
            notes.push(format!("{count} {what}"));
        }
        Ok(notes)
    }

    fn hand_over(
        &self,
        account: &Arc<Account>,
        name: &mail::MailboxName,
        to: Origin,
        counts: &mut Counts,
    ) -> Result<Vec<String>, store::Error> {
        let done = account.hand_over(name, to, self.is_dry)?;
        counts.messages += done.messages;
        counts.keywords += done.keywords;
        counts.uidls += done.uidls;
        counts.problems += done.left.len();
        Ok(done.left)
    }
}

impl Direction {
    fn server(self) -> Origin {
        match self {
            Self::From(origin) | Self::To(origin) => origin,
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.mailboxes += other.mailboxes;
        self.already_ours += other.already_ours;
        self.new_uid_validities += other.new_uid_validities;
        self.messages += other.messages;
        self.kept += other.kept;
        self.keywords += other.keywords;
        self.uidls += other.uidls;
        self.subscriptions += other.subscriptions;
        self.faults += other.faults;
        self.problems += other.problems;
    }

    fn text(&self, whose: &str, direction: Direction) -> String {
        let mut text = format!("{whose}\n");
        let mut line = |what: &str, count: usize| {
            let _ = writeln!(text, "  {:<18} {count}", format!("{what}:"));
        };
        line("mailboxes", self.mailboxes);
        if matches!(direction, Direction::From(_)) {
            line("already ours", self.already_ours);
            line("new UIDVALIDITY", self.new_uid_validities);
        }
        line("messages", self.messages);
        if matches!(direction, Direction::From(_)) {
            line("UIDs kept", self.kept);
            line("new UIDs", self.messages - self.kept);
        }
        line("keywords", self.keywords);
        line("own POP3 UIDLs", self.uidls);
        line("subscriptions", self.subscriptions);
        text
    }
}

fn note(notes: &mut String, whose: &str, text: &str) {
    let _ = writeln!(notes, "  {whose}: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_was_done() {
        let counts = Counts { users: 1, mailboxes: 2, messages: 10, kept: 9, ..Counts::default() };
        let from = counts.text("anna", Direction::From(Origin::Courier));
        assert!(from.starts_with("anna\n  mailboxes:         2\n"), "{from}");
        assert!(from.contains("  UIDs kept:         9\n  new UIDs:          1\n"), "{from}");
        let to = counts.text("anna", Direction::To(Origin::Dovecot));
        assert!(!to.contains("UIDs") && to.contains("  messages:          10\n"), "{to}");
    }
}
