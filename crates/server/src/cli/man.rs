//! `man/restante.1`: the commands from clap, the rest from here.

use super::Cli;
use crate::settings::document::{DATE, paragraph};
use clap::{Arg, Command, CommandFactory};

/// The page.
pub(crate) fn page() -> String {
    let mut command = Cli::command();
    // With that each command knows the names before its own.
    command.build();
    let mut page = format!(".TH RESTANTE 1 {DATE} Restante \"User commands\"\n{FIRST}");
    for subcommand in shown(&command) {
        describe(&mut page, subcommand);
    }
    page.push_str(REST);
    page
}

fn describe(page: &mut String, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace(['<', '>'], "").replace('-', "\\-");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.push_str(&format!(".SS {usage}\n{}", paragraph(&format!("{about}."))));
    for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
        let name = name(argument).replace('-', "\\-");
        page.push_str(&format!(".TP\n.B {name}\n{}", paragraph(&meaning(argument))));
    }
    if let Some(after) = command.get_after_help() {
        page.push_str(&format!(".PP\n{}", paragraph(&after.to_string())));
    }
    for subcommand in shown(command) {
        describe(page, subcommand);
    }
}

/// An argument as it is typed: `-c, --config FILE`.
fn name(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let options: Vec<String> = short.into_iter().chain(long).collect();
    let takes_value = argument.get_action().takes_values();
    let values = argument.get_value_names().unwrap_or_default().iter().filter(|_| takes_value);
    let words = Some(options.join(", ")).into_iter().filter(|options| !options.is_empty());
    words.chain(values.map(ToString::to_string)).collect::<Vec<_>>().join(" ")
}

/// Its help, its values and its default, in sentences.
fn meaning(argument: &Arg) -> String {
    let mut meaning = format!("{}.", argument.get_help().map(ToString::to_string).unwrap_or_default());
    if !argument.get_action().takes_values() {
        return meaning;
    }
    let values = argument.get_possible_values();
    if !values.is_empty() {
        let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        meaning.push_str(&format!(" One of {}.", names.join(", ")));
    }
    for default in argument.get_default_values() {
        meaning.push_str(&format!(" The default is {}.", default.display()));
    }
    meaning
}

/// The subcommands that are for people.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set())
}

const FIRST: &str = ".SH NAME
restante \\- an IMAP server on Maildir
.SH SYNOPSIS
.B restante
.I COMMAND
[OPTIONS]
.SH DESCRIPTION
Serves mail in Maildirs over IMAP, and has commands for its administrator.
.SH OPTIONS
.TP
.B \\-h, \\-\\-help
Print help; after a command, that command's.
.TP
.B \\-V, \\-\\-version
Print the version, with the commit it was built of.
.SH COMMANDS
";

const REST: &str = ".SH SIGNALS
.TP
.B SIGTERM, SIGINT
Says BYE to every client and leaves within a few seconds.
.TP
.B SIGHUP
Reads settings, certificates and users again; connections stay. What is wrong
with the new
settings is logged, and the old ones stay in force. Addresses, the user and a
few others are
those of the start; the log says so when they were changed.
.B restante reload
does the same and waits for the outcome.
.TP
.B SIGUSR1, SIGUSR2
Ignored.
.SH FILES
.TP
.I /etc/restante/restante.toml
The settings; see
.BR restante.toml (5).
.TP
.I restante\\-uidlist
In each mailbox; see
.BR restante\\-uidlist (5).
.TP
.I maildirsize
In a Maildir with limits: the limits and a count of what is there, in the form
of Maildir++, shared
with Courier, maildrop and Dovecot.
.SH ENVIRONMENT
.TP
.B RUST_LOG
Overrides the level of the log: error, warn, info, debug or trace.
.TP
.B RUST_BACKTRACE
With 1, the log line of a panic, which is a bug, has the backtrace too. It names
functions;
files and lines as well where
.I restante.debug
of the same build lies beside the program or in
.IR /usr/lib/debug/usr/bin .
Debuggers find that file likewise.
.SH EXIT STATUS
0 when all went well, 1 when something is wrong (it is said on standard
error), 2 for a command line
that cannot be understood.
.B restante check
exits with 1 when there are warnings, and with 2 when the server would not
start.
.B restante mailbox check
and
.B repair
exit with 1 when there is damage, or damage is left, and with 2 when something
could not be checked.
.SH EXAMPLES
.TP
.B restante demo
Serves a mailbox of examples on loopback until Ctrl\\-C.
.TP
.B restante check && systemctl reload restante
Puts new settings in force, if there is nothing wrong with the site.
.TP
.B restante user add anna@example.com
Adds a user to the passwd file, and asks for the password.
.TP
.B restante auth test anna@example.com
Says why a user does or does not come in, and whether the Maildir can be used.
.TP
.B restante import\\-config /etc/courier >restante.toml
Makes settings of Courier's.
.TP
.B restante migrate \\-\\-from courier \\-\\-all \\-\\-dry\\-run
Says what would be taken over of Courier's Maildirs.
.TP
.B restante mailbox check anna@example.com && restante mailbox repair anna@example.com
Looks for damage in a user's Maildir and repairs it.
.SH SEE ALSO
.BR restante.toml (5),
.BR restante\\-cache (5),
.BR restante\\-index (5),
.BR restante\\-uidlist (5)
";
