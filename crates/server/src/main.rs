//! Restante, an IMAP server on Maildir.

mod admin;
mod admission;
mod auth_command;
mod auth_helper;
mod certificate;
mod check;
mod cli;
mod connection;
mod control;
mod demo;
mod import;
mod jobs;
mod listen;
mod log;
mod log_in;
mod mail_place;
mod mailbox;
mod mailbox_names;
mod migrate;
mod owners;
mod privileges;
mod progress;
mod quota;
mod refusals;
mod serve;
mod settings;
mod sources;
mod stream;
mod template;
mod tls;
mod tokens;
mod users;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
