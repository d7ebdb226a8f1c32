//! `restante mailbox check` and `repair`: UID list, index and cache against the Maildir.
//!
//! A mailbox is a line; what was found in it stands below, damage first, each with what it
//! means. Exit codes are for scripts: 0 sound, 1 damage is there, 2 something could not be
//! checked.

use super::numbers::{counted, grouped, messages};
use super::odd;
use super::user::OneUser;
use crate::mailbox_names::meanings;
use crate::progress::Progress;
use clap::Args;
use mail::MailboxName;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use store::{Account, CheckOptions, CheckReport, Finding, FindingKind};

/// Which mailboxes, and how.
#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    user: OneUser,
    /// Only these mailboxes, named as clients see them, such as Lists/rust.
    #[arg(value_name = "MAILBOX")]
    mailboxes: Vec<String>,
    /// Read all messages too, and compare their sizes with those in file names.
    #[arg(long)]
    sizes: bool,
}

/// There is damage.
const DAMAGE: u8 = 1;

/// Something could not be checked.
const UNCHECKED: u8 = 2;

/// How it went, over all mailboxes.
#[derive(Default)]
struct Summary {
    mailboxes: u64,
    messages: u64,
    /// Mailboxes with damage that is there now.
    damaged: u64,
    /// Mailboxes with damage that is there no more.
    repaired: u64,
    /// Mailboxes with damage that another repair will not end either.
    failed: u64,
    /// Directories with messages that are no mailboxes now.
    odd: u64,
}

/// Checks, or repairs too.
pub(super) fn run(options: &Options, repair: bool) -> ExitCode {
    let mut summary = Summary::default();
    let outcome = options.user.with_account(|_, _, account| check(options, repair, account, &mut summary));
    if let Err(error) = outcome {
        eprintln!("restante: {error}");
        return ExitCode::from(UNCHECKED);
    }
    print!("{}", summary.text(repair));
    match summary {
        Summary { failed: 1.., .. } => ExitCode::from(UNCHECKED),
        Summary { damaged: 1.., .. } | Summary { odd: 1.., .. } => ExitCode::from(DAMAGE),
        _ => ExitCode::SUCCESS,
    }
}

/// What is wrong with one mailbox is said, and the others follow.
fn check(
    options: &Options,
    repair: bool,
    account: &Arc<Account>,
    summary: &mut Summary,
) -> Result<(), String> {
    let mut lines = String::new();
    if options.mailboxes.is_empty() {
        lines = odd_directories(repair, account, summary)?;
    }
    let all = account.checkable().map_err(|error| error.to_string())?;
    let mut chosen: Vec<(MailboxName, u64)> = Vec::new();
    if options.mailboxes.is_empty() {
        chosen = all;
    } else {
        for text in &options.mailboxes {
            let found = meanings(text).into_iter().find_map(|name| all.iter().find(|(it, _)| *it == name));
            match found {
                Some(found) if chosen.contains(found) => {}
                Some(found) => chosen.push(found.clone()),
                None => {
                    eprintln!("restante: {text}: no such mailbox");
                    summary.failed += 1;
                }
            }
        }
    }
    let progress = Progress::new(Some(chosen.iter().map(|(_, entries)| entries).sum()), "messages");
    let how = CheckOptions { repair, sizes: options.sizes };
    for (name, _) in &chosen {
        match account.check(name, how, &mut |n| progress.advance(n)) {
            Ok(report) => {
                summary.add(&report);
                lines.push_str(&text(name, &report, repair));
            }
            Err(error) => {
                summary.failed += 1;
                lines.push_str(&format!("{name}: could not be checked: {error}\n"));
            }
        }
    }
    // The progress line shares the terminal with what is printed.
    drop(progress);
    print!("{lines}");
    Ok(())
}

/// Says which directories with messages are no mailboxes; a repair gives them names first, so
/// that they are checked with the others.
fn odd_directories(repair: bool, account: &Arc<Account>, summary: &mut Summary) -> Result<String, String> {
    let mut lines = String::new();
    for odd in account.odd_directories().map_err(|error| error.to_string())? {
        let shown = odd.shown();
        if !repair || odd.becomes.is_none() {
            summary.odd += 1;
            lines.push_str(&format!("{shown}: NO MAILBOX, {}\n", odd::description(&odd)));
            continue;
        }
        match account.repair_odd_directory(&odd) {
            Ok(name) => {
                summary.repaired += 1;
                lines.push_str(&format!("{shown}: repaired, it is the mailbox {name} now\n"));
            }
            Err(error) => {
                summary.failed += 1;
                lines.push_str(&format!("{shown}: could not be repaired: {error}\n"));
            }
        }
    }
    Ok(lines)
}

impl Summary {
    fn add(&mut self, report: &CheckReport) {
        self.mailboxes += 1;
        self.messages += report.messages;
        self.damaged += u64::from(!report.is_sound());
        self.repaired += u64::from(!report.repaired.is_empty());
    }

    fn text(&self, repair: bool) -> String {
        let mut text =
            format!("{}, {}: ", counted(self.mailboxes, "mailbox", "mailboxes"), messages(self.messages));
        let mut parts = Vec::new();
        if self.repaired > 0 {
            parts.push(format!("{} repaired", grouped(self.repaired)));
        }
        match (self.damaged, repair) {
            (0, _) => {}
            (damaged, true) => parts.push(format!("{} with damage that is left", grouped(damaged))),
            (damaged, false) => {
                parts.push(format!("{} damaged; see restante mailbox repair", grouped(damaged)))
            }
        }
        if self.odd > 0 {
            let directories = counted(self.odd, "directory with mail", "directories with mail");
            parts.push(format!("{directories} that no client sees"));
        }
        if self.failed > 0 {
            parts.push(format!("{} could not be checked", grouped(self.failed)));
        }
        text.push_str(if parts.is_empty() { "all sound" } else { "" });
        text.push_str(&parts.join(", "));
        text.push('\n');
        text
    }
}

/// What is said of a mailbox.
fn text(name: &MailboxName, report: &CheckReport, repair: bool) -> String {
    let state = match (report.is_sound(), report.repaired.is_empty()) {
        (true, true) => "sound",
        (true, false) => "repaired",
        (false, _) if repair => "DAMAGE IS LEFT",
        (false, _) => "DAMAGED",
    };
    let mut out = format!("{name}: {state}, {}\n", messages(report.messages));
    let mut put = |finding: &Finding, before: &str| {
        let meaning = meaning(finding.kind);
        let count = if finding.count == 1 { String::new() } else { format!(" ({})", grouped(finding.count)) };
        let written = writeln!(out, "  {before}{meaning}{count}");
        written.unwrap_or_default();
        for example in &finding.examples {
            writeln!(out, "    {example}").unwrap_or_default();
        }
        let shown = finding.examples.len() as u64;
        if finding.count > shown {
            writeln!(out, "    and {} more", grouped(finding.count - shown)).unwrap_or_default();
        }
    };
    report.repaired.iter().for_each(|finding| put(finding, "repaired: "));
    for finding in &report.findings {
        put(finding, if finding.kind.is_damage() { "damage: " } else { "note: " });
    }
    out
}

/// What a finding is, and what comes of it.
fn meaning(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::CurMissing => {
            "cur/ is missing: bring it back, as with an empty one all messages would be taken for expunged"
        }
        FindingKind::DirectoryStrange => {
            "a symbolic link or no directory, which is never followed: put a directory in its place"
        }
        FindingKind::DirectoryMissing => "a directory of the Maildir is missing",
        FindingKind::OwnFile => "a file of Restante's has the wrong owner, permissions or kind",
        FindingKind::ListGone => {
            "the UID list is gone: bring restante-uidlist back from a backup, else clients fetch all again and keywords are lost"
        }
        FindingKind::LineDamaged => "damaged lines in the UID list",
        FindingKind::LineTorn => "the last line of the UID list is torn",
        FindingKind::LineContradictory => "lines of the UID list that contradict others",
        FindingKind::UidValidityLost => "the UID list has lost its UIDVALIDITY",
        FindingKind::ListBehind => "the UID list has lost its end, or an older one was put in its place",
        FindingKind::UidNextLow => "UIDNEXT is too low: UIDs would be given twice",
        FindingKind::KeywordUndefined => "messages with a keyword that the UID list does not define",
        FindingKind::UidValidityNotNoted => {
            "restante-uidvalidity is too low: the mailbox, made again, could get the UIDVALIDITY it had"
        }
        FindingKind::SpecialUseDamaged => {
            "damaged lines in restante-specialuse: mailboxes have the special uses that their names say"
        }
        FindingKind::IndexDamaged => "the index cannot be read",
        FindingKind::IndexWrong => "the index says something else than UID list and Maildir",
        FindingKind::CacheDamaged => "damaged records in the cache",
        FindingKind::FileDouble => {
            "files with the base name of another: each gets one of its own when the mailbox is opened or repaired"
        }
        FindingKind::FileNameless => {
            "files without a base name: each gets one when the mailbox is opened or repaired"
        }
        FindingKind::Unreadable => {
            "messages that are compressed and cannot be served: only gzip and zstd are read; decompress the others in place, under their names"
        }
        FindingKind::NameSize => {
            "sizes in file names that are not the messages': rename them without ,S= and ,W=, with no session open"
        }
        FindingKind::SpecialUseLater => {
            "restante-specialuse is of a later version: it is left alone, and special uses go by names"
        }
        FindingKind::ListNone => "no UID list yet: the mailbox was never opened",
        FindingKind::FileNew => "new messages since the last look",
        FindingKind::FileGone => "messages removed by other programs since the last look",
        FindingKind::FlagsNew => "messages flagged by other programs since the last look",
        FindingKind::EntryIgnored => "entries of new/ and cur/ that are never mail",
        FindingKind::Leftover => {
            "leftovers older than 36 hours: removed when the mailbox is opened or repaired"
        }
        FindingKind::IndexLeft => {
            "indexes of mailboxes that are gone: removed when mailboxes are listed, or by a repair"
        }
        FindingKind::IndexNone => "no index that belongs to the UID list: it is made at the next opening",
        FindingKind::FileNewer => {
            "index or cache are of a later version of Restante: left alone; remove them to have them made anew"
        }
        FindingKind::CacheStale => "the cache is one of another UIDVALIDITY: it is begun anew",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_can_be_read() {
        let finding = |kind, count, examples: &[&str]| Finding {
            kind,
            count,
            examples: examples.iter().map(|example| (*example).to_owned()).collect(),
        };
        let mut report = CheckReport { messages: 1_234, ..CheckReport::default() };
        let name = MailboxName::inbox();
        assert_eq!(text(&name, &report, false), "INBOX: sound, 1,234 messages\n");
        report.findings = vec![
            finding(FindingKind::LineDamaged, 5, &["line 2", "line 3", "line 9"]),
            finding(FindingKind::FileNew, 1, &["1.x"]),
        ];
        assert_eq!(
            text(&name, &report, false),
            "INBOX: DAMAGED, 1,234 messages\n  damage: damaged lines in the UID list (5)\n    line 2\n    \
             line 3\n    line 9\n    and 2 more\n  note: new messages since the last look\n    1.x\n"
        );
        let mut summary = Summary::default();
        summary.add(&report);
        assert_eq!(
            summary.text(false),
            "1 mailbox, 1,234 messages: 1 damaged; see restante mailbox repair\n"
        );
        report.repaired = vec![report.findings.remove(0)];
        assert!(text(&name, &report, true).starts_with(
            "INBOX: repaired, 1,234 messages\n  repaired: damaged lines in the UID list (5)\n    line 2\n"
        ));
        let mut summary = Summary::default();
        assert_eq!(summary.text(true), "0 mailboxes, 0 messages: all sound\n");
        summary.add(&report);
        assert_eq!(summary.text(true), "1 mailbox, 1,234 messages: 1 repaired\n");
    }
}
