//! The command line.

use crate::config_file::ConfigFile;
use crate::exit::ended;
use crate::settings;
use crate::version::VERSION;
use crate::{admin, auth_command, check, control, demo, import, log, mailbox, migrate, quota, serve, unit};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// An IMAP server on Maildir.
#[derive(Parser, Debug)]
#[command(name = "restante", version = VERSION, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve mail until told to stop.
    Serve(ConfigFile),
    /// Check configuration, certificates, users and directories, and say all that is wrong.
    Check(ConfigFile),
    /// Make the running server read settings, certificates and users again, and fail if it refuses them.
    Reload(ConfigFile),
    /// Print what the systemd unit needs for the directories that the settings name.
    SystemdUnit(ConfigFile),
    /// Serve a mailbox full of examples on loopback, and say how to try it.
    Demo(demo::Options),
    /// Add, change, list and delete users of a passwd file.
    #[command(subcommand)]
    User(admin::UserCommand),
    /// Try log-ins, look users up, and flush what the server remembers of them.
    #[command(subcommand)]
    Auth(auth_command::AuthCommand),
    /// Say how much mail users have, and how much they may have.
    Quota(quota::Options),
    /// Look at a user's mailboxes, check and repair them.
    #[command(subcommand)]
    Mailbox(mailbox::MailboxCommand),
    /// Take Maildirs over from Courier or Dovecot ahead of the first log-ins, or hand them back.
    Migrate(migrate::Options),
    /// Make a hash of a password, as it stands in a passwd file.
    Hash(admin::Hashed),
    /// Print a restante.toml that does what Courier's or Dovecot's settings do.
    ImportConfig(import::Options),
    /// Print every setting with its default and what it is for.
    Settings,
    /// The process that checks passwords with rights that the server gives up.
    #[command(hide = true)]
    AuthHelper { arguments: Vec<String> },
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let command = Cli::parse().command;
    if !matches!(command, Command::Serve(_) | Command::Demo(_) | Command::AuthHelper { .. }) {
        // `restante user list | head` ends as other programs do. A server goes on.
        sigpipe::reset();
    }
    match command {
        Command::Serve(config) => ended(serve::start(config.path().to_owned())),
        Command::Check(config) => check::run(config.path()),
        Command::Reload(config) => ended(control::reload(config.path())),
        Command::SystemdUnit(config) => ended(config.read().and_then(|all| unit::print(&all))),
        Command::Demo(options) => ended(demo::run(&options)),
        Command::User(command) => ended(admin::user(&command)),
        Command::Auth(command) => ended(auth_command::run(&command)),
        Command::Quota(options) => ended(quota::run(&options)),
        Command::Mailbox(command) => mailbox::run(&command),
        Command::Migrate(options) => ended(migrate::run(&options)),
        Command::Hash(hashed) => ended(admin::hash(&hashed)),
        Command::ImportConfig(options) => ended(import::run(&options)),
        Command::AuthHelper { arguments } => {
            log::start(log::Filter { level: "info", changes: false }, log::Format::Text);
            auth::helper::run(&arguments)
        }
        Command::Settings => {
            print!("{}", settings::document::sample());
            ExitCode::SUCCESS
        }
    }
}

#[cfg(test)]
pub(crate) mod man;
