//! `man/restante.1`: the commands from clap, the rest from here.

use super::Cli;
use crate::settings::document::{DATE, paragraph};
use clap::CommandFactory;

/// The page.
pub(crate) fn page() -> String {
    let mut out = Vec::new();
    let command = Cli::command();
    let man = clap_mangen::Man::new(command.clone())
        .title("RESTANTE")
        .date(DATE)
        .source("Restante")
        .manual("User commands");
    let sections = [
        man.render_title(&mut out),
        man.render_name_section(&mut out),
        man.render_synopsis_section(&mut out),
        man.render_description_section(&mut out),
        man.render_options_section(&mut out),
    ];
    sections.into_iter().collect::<Result<(), _>>().expect("writing to memory");
    let text = String::from_utf8(out).expect("roff is UTF-8");
    // Each section brings a preamble for apostrophes, of which there are none.
    let preamble = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    let mut page: String =
        text.lines().filter(|line| !preamble(line)).map(|line| format!("{line}\n")).collect();
    page.push_str(".SH COMMANDS\n");
    for subcommand in shown(&command) {
        describe(&mut page, "restante", subcommand);
    }
    page.push_str(REST);
    page
}

fn describe(page: &mut String, before: &str, command: &clap::Command) {
    let full = format!("{before} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.push_str(&format!(".SS {}\n{}", full.replace('-', "\\-"), paragraph(&about)));
    for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
        let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values = argument.get_possible_values();
        if !values.is_empty() && argument.get_action().takes_values() {
            let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            help.push_str(&format!(": {}", names.join(", ")));
        }
        let name = match (argument.get_long(), argument.get_value_names()) {
            (Some(long), Some([value, ..])) if argument.get_action().takes_values() => {
                format!("--{long} {value}")
            }
            (Some(long), _) => format!("--{long}"),
            (None, Some([value, ..])) => value.to_string(),
            (None, _) => argument.get_id().to_string(),
        };
        page.push_str(&format!(".TP\n.B {}\n{}", name.replace('-', "\\-"), paragraph(&help)));
    }
    for subcommand in shown(command) {
        describe(page, &full, subcommand);
    }
}

/// The subcommands that are for people.
fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set())
}

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
