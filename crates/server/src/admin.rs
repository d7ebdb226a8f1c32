//! `restante user` and `restante hash`: keeping a passwd file.
//!
//! Passwords are read from the terminal, twice and unseen, or from the first line of standard
//! input. They are never arguments, which every user of the host could read.

use crate::config_file::ConfigFile;
use crate::settings::Configuration;
use crate::{runtime, sources};
use auth::passwd_file::{PasswdFile, add, delete, set_password};
use auth::{Secret, Source};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

/// What `restante user` understands.
#[derive(Subcommand, Debug)]
pub(crate) enum UserCommand {
    /// Add a user, whose password is asked for or is the first line of standard input.
    Add(NewPassword),
    /// Give a user another password, which is asked for or is the first line of standard input.
    Passwd(NewPassword),
    /// List all users of all sources, or those of one passwd file.
    List(Listed),
    /// Delete a user, and leave the mail where it is.
    Delete(OneUser),
}

/// A user of a passwd file.
#[derive(Args, Debug)]
pub(crate) struct OneUser {
    /// The user, such as anna@example.com.
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    which: Which,
}

/// A user of a passwd file who gets a password.
#[derive(Args, Debug)]
pub(crate) struct NewPassword {
    #[command(flatten)]
    one: OneUser,
    #[command(flatten)]
    hashed: Hashed,
}

/// How a password is stored.
#[derive(Args, Debug)]
pub(crate) struct Hashed {
    /// The scheme of the hash, where CRYPT is the best one that the host's libcrypt has.
    #[arg(short, long, value_name = "SCHEME", default_value = "CRYPT", ignore_case = true,
        value_parser = PossibleValuesParser::new(auth::scheme::new_schemes()))]
    scheme: String,
}

/// Whose users are listed.
#[derive(Args, Debug)]
pub(crate) struct Listed {
    /// List the users of this passwd file only.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Which passwd file.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The passwd file, if not the first one of the configuration.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

impl Which {
    fn path(&self) -> Result<PathBuf, String> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        self.config
            .read()?
            .passwd_files()
            .next()
            .cloned()
            .ok_or_else(|| "no passwd-file is configured".to_owned())
    }
}

/// Does what `restante user` says.
pub(crate) fn user(command: &UserCommand) -> Result<(), String> {
    match command {
        UserCommand::Add(NewPassword { one, hashed }) => {
            let path = one.which.path()?;
            let stored = stored_password(hashed)?;
            add(&path, &one.user, &stored).map_err(|error| error.to_string())
        }
        UserCommand::Passwd(NewPassword { one, hashed }) => {
            let path = one.which.path()?;
            let stored = stored_password(hashed)?;
            set_password(&path, &one.user, &stored).map_err(|error| error.to_string())
        }
        UserCommand::Delete(one) => delete(&one.which.path()?, &one.user).map_err(|error| error.to_string()),
        UserCommand::List(listed) => match &listed.file {
            Some(file) => list_file(file.clone()),
            None => list_all(&listed.config.read()?),
        },
    }
}

/// Prints a new hash.
pub(crate) fn hash(hashed: &Hashed) -> Result<(), String> {
    println!("{}", stored_password(hashed)?);
    Ok(())
}

/// All that can be listed; of the rest it is said.
fn list_all(configuration: &Configuration) -> Result<(), String> {
    let authenticator = sources::authenticator(configuration);
    let (names, problems) = runtime::block_on(authenticator.names());
    names.iter().for_each(|name| println!("{name}"));
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\nrestante: ")) }
}

fn list_file(path: PathBuf) -> Result<(), String> {
    let users = runtime::block_on(async { PasswdFile::new(path).list().await });
    let mut names: Vec<String> =
        users.map_err(|error| error.to_string())?.into_iter().map(|user| user.name).collect();
    names.sort();
    names.iter().for_each(|name| println!("{name}"));
    Ok(())
}

fn stored_password(hashed: &Hashed) -> Result<String, String> {
    auth::scheme::hash_as(&password()?, &hashed.scheme).map_err(|error| error.to_string())
}

/// The password of somebody who is there, asked for once.
pub(crate) fn password_once() -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("cannot read a password: {error}");
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").map_err(failed).and_then(checked);
    }
    first_line().and_then(checked)
}

fn first_line() -> Result<String, String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| format!("cannot read a password: {error}"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn password() -> Result<Secret, String> {
    let failed = |error: std::io::Error| format!("cannot read a password: {error}");
    let text = if std::io::stdin().is_terminal() {
        let first = rpassword::prompt_password("Password: ").map_err(failed)?;
        let again = rpassword::prompt_password("Again: ").map_err(failed)?;
        if first != again {
            return Err("the two passwords differ".to_owned());
        }
        first
    } else {
        first_line()?
    };
    checked(text)
}

fn checked(text: String) -> Result<Secret, String> {
    match text.len() {
        0 => Err("a password cannot be empty".to_owned()),
        1..=auth::scheme::PASSWORD_MAX => Ok(Secret::new(text.into_bytes())),
        _ => Err(format!("a password has at most {} bytes", auth::scheme::PASSWORD_MAX)),
    }
}
