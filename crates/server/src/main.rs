//! Restante, an IMAP server on Maildir.

mod admin;
mod admission;
mod auth_command;
mod auth_helper;
mod certificate;
mod check;
mod cli;
mod config_file;
mod connection;
mod control;
mod demo;
mod exit;
mod finding;
mod import;
mod jobs;
mod listen;
mod log;
mod log_in;
mod mail_place;
mod mailbox;
mod mailbox_names;
mod maildirs;
mod migrate;
mod owners;
mod port_holder;
mod privileges;
mod progress;
mod quota;
mod readable;
mod refusals;
mod reload;
mod runtime;
mod serve;
mod server;
mod settings;
mod sources;
mod start;
mod stream;
mod template;
mod tls;
mod tokens;
mod unit;
mod users;
mod version;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
