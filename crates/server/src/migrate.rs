//! `restante migrate`: taking Maildirs over from Courier or Dovecot ahead of the first log-ins,
//! and handing them back.
//!
//! One user after the other, as the user of `[mail]`. What is wrong with one mailbox is said,
//! and the others follow.

use crate::config_file::ConfigFile;
use crate::mail_place::MailPlace;
use crate::mailbox::odd::description;
use crate::progress::Progress;
use crate::settings::Configuration;
use crate::users::{ResolvedUser, Users, as_mail_user};
use clap::{Args, ValueEnum};
use mail::SpecialUse;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use store::take_over::{Faults, Origin, Preference};
use store::{Account, ErrorKind, Lock, Store, Survey};

/// What `restante migrate` understands.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The users, such as anna@example.com.
    #[arg(value_name = "USER", required_unless_present = "all")]
    users: Vec<String>,
    /// All users of all sources.
    #[arg(long, conflicts_with = "users")]
    all: bool,
    /// Take over this server's UIDs, keywords and POP3 UIDLs, and the other one's where it has none in a
    /// mailbox.
    #[arg(long, value_name = "SERVER", required_unless_present = "to", conflicts_with = "to")]
    from: Option<Server>,
    /// Write this server's files for users whose mailboxes no server has open, and leave the others alone.
    #[arg(long, value_name = "SERVER")]
    to: Option<Server>,
    /// With --to, write also where a server has the mailboxes open, whose clients may then lose what they
    /// change meanwhile.
    #[arg(long, conflicts_with = "from")]
    force: bool,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// A server that mail comes from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Server {
    Courier,
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
    /// Mailboxes that were turned into Maildir++.
    converted: usize,
    faults: Faults,
    /// Mailboxes and users that could not be done, and what the other server cannot hold.
    problems: usize,
}

/// Does it, and prints what was done. An error when not everything went.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut configuration = options.config.read()?;
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
        let listed = user.open(&store, configuration).map(|account| account.list());
        listed.map_or(0, |listed| {
            listed.map_or(0, |listed| listed.iter().filter(|listed| listed.selectable).count() as u64)
        })
    });
    let progress = Progress::new(Some(mailboxes.sum()), "mailboxes");
    let (is_dry, is_forced) = (options.dry_run, options.force);
    let migration = Migration { store, configuration, direction, is_dry, is_forced, progress };
    let done: Vec<_> = found.into_iter().map(|user| user.and_then(|user| migration.user(&user))).collect();
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
struct Migration<'a> {
    store: Arc<Store>,
    configuration: &'a Configuration,
    direction: Direction,
    is_dry: bool,
    is_forced: bool,
    progress: Progress,
}

impl Migration<'_> {
    /// The report on a user, and its figures. An error when nothing could be done at all.
    fn user(&self, user: &ResolvedUser) -> Result<(String, Counts), String> {
        let named = |error: store::Error| format!("{}: {error}", user.name);
        let mut counts = Counts { users: 1, ..Counts::default() };
        let mut notes = String::new();
        if let Direction::From(origin) = self.direction {
            let is_left = self.convert(user, origin, &mut counts, &mut notes)?;
            if is_left {
                return Ok((counts.text(&user.name, self.direction) + &notes, counts));
            }
        }
        let account = user.open(&self.store, self.configuration)?;
        let _closed = self.keep_closed(user, &account)?;
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
            Direction::From(_) => account.subscriptions().and_then(|names| {
                counts.subscriptions = names.len();
                note_foreign(&mut notes, &account.foreign_subscriptions()?);
                Ok(())
            }),
            Direction::To(to) => account.hand_over_account(to, self.is_dry).map(|done| {
                counts.subscriptions = done.subscriptions;
                note_foreign(&mut notes, &done.foreign);
                for name in done.renamed {
                    note(&mut notes, name.as_str(), &format!("its directory is named as {to} reads it"));
                }
                for (name, uses) in done.special_uses {
                    counts.problems += 1;
                    note(&mut notes, name.as_str(), &special_uses_left(to, &uses));
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

    /// Turns other layouts of Dovecot's into Maildir++, or says what would be done: then nothing
    /// more can be said of the user, and this is `true`.
    fn convert(
        &self,
        user: &ResolvedUser,
        origin: Origin,
        counts: &mut Counts,
        notes: &mut String,
    ) -> Result<bool, String> {
        let named = |error: store::Error| format!("{}: {error}", user.name);
        let owner = user.owner(self.configuration)?;
        let MailPlace { root, layout, .. } = &user.place;
        let conversion = layout.conversion(root, owner).map_err(named)?;
        let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        for (from, to) in conversion.moves() {
            counts.converted += 1;
            let to = if to == root { "the Maildir itself".to_owned() } else { shown(to) };
            note(notes, &shown(from), &format!("its directory becomes {to}"));
        }
        if !self.is_dry {
            return conversion.carry_out().map_err(named).map(|()| false);
        }
        for (from, survey) in conversion.survey(Preference::First(origin)).map_err(named)? {
            counts.mailboxes += 1;
            let said = self.surveyed(&survey, counts);
            said.iter().for_each(|line| note(notes, &shown(from), line));
        }
        if counts.converted > 0 {
            note(notes, "the other mailboxes", "are looked at once these are converted");
        }
        Ok(counts.converted > 0)
    }

    /// Keeps servers of ours away while mailboxes are handed over.
    fn keep_closed(&self, user: &ResolvedUser, account: &Arc<Account>) -> Result<Option<Lock>, String> {
        if self.is_dry || self.is_forced || matches!(self.direction, Direction::From(_)) {
            return Ok(None);
        }
        account.keep_closed().map(Some).map_err(|error| match error.kind {
            ErrorKind::Busy => format!(
                "{}: a server has the mailboxes open: stop it first; --force hands them over all the same",
                user.name
            ),
            _ => format!("{}: {error}", user.name),
        })
    }

    fn take_over(
        &self,
        account: &Arc<Account>,
        name: &mail::MailboxName,
        counts: &mut Counts,
    ) -> Result<Vec<String>, store::Error> {
        let survey = account.survey(name)?;
        if survey.is_ours {
            counts.messages += survey.messages;
            counts.kept += survey.kept;
            counts.already_ours += 1;
            return Ok(vec!["has a restante-uidlist already: left alone".to_owned()]);
        }
        if !self.is_dry {
            account.open(name)?.refresh(false)?;
        }
        Ok(self.surveyed(&survey, counts))
    }

    /// Counts what a mailbox not taken over yet has, and says what is not as it was.
    fn surveyed(&self, survey: &Survey, counts: &mut Counts) -> Vec<String> {
        counts.messages += survey.messages;
        counts.kept += survey.kept;
        counts.keywords += survey.keywords;
        counts.uidls += survey.uidls;
        counts.faults += survey.faults;
        let mut notes = Vec::new();
        notes.extend(new_uids(survey));
        match survey.origin {
            Some(origin) if Direction::From(origin).server() != self.direction.server() => {
                notes.push(format!("taken over from {origin}: the only list that can be read"));
            }
            _ => {}
        }
        counts.new_uid_validities += usize::from(!survey.keeps_uid_validity);
        for (count, what) in survey.faults.kinds().into_iter().filter(|(count, _)| *count > 0) {
            notes.push(format!("{count} {what}"));
        }
        for (kind, count) in &survey.not_read {
            counts.problems += 1;
            notes.push(format!(
                "{count} messages are compressed with {kind}, and cannot be served: decompress them"
            ));
        }
        notes.extend(survey.rights.iter().map(|rights| format!("{rights}: kept, and not obeyed here")));
        notes
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
        self.converted += other.converted;
        self.faults += other.faults;
        self.problems += other.problems;
    }

    fn text(&self, whose: &str, direction: Direction) -> String {
        let mut text = format!("{whose}\n");
        let mut line = |what: &str, count: usize| {
            let _ = writeln!(text, "  {:<18} {count}", format!("{what}:"));
        };
        line("mailboxes", self.mailboxes);
        if self.converted > 0 {
            line("to Maildir++", self.converted);
        }
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

/// Which messages of a mailbox get new UIDs, and why.
fn new_uids(survey: &Survey) -> Option<String> {
    let new = survey.messages - survey.kept;
    let why = match survey.origin {
        _ if new == 0 => return None,
        None => "there is no list of UIDs that can be read".to_owned(),
        Some(origin) if !survey.keeps_uid_validity => {
            format!("{} does not have them, and its UIDVALIDITY cannot be read", origin.list_name())
        }
        Some(Origin::Courier) => {
            "courierimapuiddb does not have them; they get those that Courier would give".to_owned()
        }
        Some(origin) => format!("{} does not have them", origin.list_name()),
    };
    Some(format!("{new} messages get new UIDs: {why}"))
}

/// What of special uses the other server cannot hold.
fn special_uses_left(to: Origin, uses: &[SpecialUse]) -> String {
    let uses = uses.iter().map(|it| it.attribute()).collect::<Vec<_>>().join(" ");
    let remedy = match to {
        Origin::Courier => "Courier has no special uses",
        Origin::Dovecot => "Dovecot goes by names: set special_use of this one in its configuration",
    };
    format!("its special use {uses} is known to restante-specialuse only: {remedy}")
}

/// What a user is subscribed to that is not theirs.
fn note_foreign(notes: &mut String, foreign: &[String]) {
    for line in foreign {
        let line = line.escape_default();
        note(
            notes,
            "subscriptions",
            &format!("{line} is not in this account: kept in the file, and not shown"),
        );
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
