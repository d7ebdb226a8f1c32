//! `restante import-config`: settings of Courier-IMAP and Dovecot as a `restante.toml`.
//!
//! What is printed is read by our own parser; what has no counterpart stands at its end and on
//! standard error, a line each. Nothing of theirs is run or changed, but `doveconf`, which
//! prints Dovecot's settings; passwords are never printed, and written into files of their own
//! only with `--copy-users`.

mod copies;
mod courier;
mod database;
mod doveconf;
mod dovecot;
mod draft;
mod input;
mod mechanism;
mod server;
mod shell;
mod survey;

use clap::Args;
use draft::Draft;
use input::{Problem, absolute, read_file, read_limited, unreadable, whole};
use server::{Server, server_of_directory, server_of_text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `restante import-config` is told.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// /etc/courier, /etc/dovecot, a file in one of them, a file with the output of `doveconf -n`, or - for standard input.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The server whose settings these are, if that cannot be seen from what is there.
    #[arg(long, value_name = "SERVER")]
    from: Option<Server>,
    /// Put copies of users' files, and passwords for directories and databases, here, where the user of [mail] can read them; the settings name these.
    #[arg(long, value_name = "DIRECTORY")]
    copy_users: Option<PathBuf>,
}

/// Settings that were read.
struct Imported {
    draft: Draft,
    server: Server,
    /// Where they stood.
    from: String,
}

/// Prints the settings and says what is to be done, and what was lost.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let Imported { mut draft, server, from } = read(options).map_err(|problem| problem.to_string())?;
    if let Some(directory) = &options.copy_users {
        copies::make(&mut draft, directory)?;
    }
    match crate::settings::read_text(Path::new("restante.toml"), &draft.to_toml("a draft")) {
        Ok(configuration) => survey::advise(&mut draft, &configuration, server),
        Err(problems) => problems.iter().for_each(|problem| draft.advise(&problem.text)),
    }
    let mut out = std::io::stdout().lock();
    let written =
        out.write_all(draft.to_toml(&format!("{server}'s, {from}")).as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("cannot write the settings: {error}"))?;
    draft.advice().iter().for_each(|advice| eprintln!("restante: {advice}"));
    draft.losses().iter().for_each(|loss| eprintln!("restante: {loss}"));
    Ok(())
}

fn read(options: &Options) -> Result<Imported, Problem> {
    if options.path == Path::new("-") {
        let bytes = read_limited("standard input", std::io::stdin().lock())?;
        return read_text(options, "standard input", Path::new(""), &bytes);
    }
    let path = absolute(&options.path)?;
    let name = path.display().to_string();
    if path.is_dir() {
        std::fs::read_dir(&path).map_err(|error| unreadable(&name, &error))?;
        return match options.from.or_else(|| server_of_directory(&path)) {
            Some(Server::Courier) => read_courier(&path),
            Some(Server::Dovecot) => read_dovecot(&path.join("dovecot.conf")),
            None => Err(whole(&name, "neither Courier's imapd and imapd-ssl nor dovecot.conf is in it")),
        };
    }
    let bytes = read_file(&path)?;
    let is_theirs = path.file_name().is_some_and(|name| name == "dovecot.conf");
    if options.from != Some(Server::Courier) && (is_theirs || has_includes(&bytes)) {
        return read_dovecot(&path);
    }
    read_text(options, &name, path.parent().unwrap_or(Path::new("/")), &bytes)
}

fn read_courier(directory: &Path) -> Result<Imported, Problem> {
    let draft = courier::import(directory)?;
    Ok(Imported { draft, server: Server::Courier, from: directory.display().to_string() })
}

/// Dovecot's own file, which only Dovecot reads: with all that it includes.
fn read_dovecot(file: &Path) -> Result<Imported, Problem> {
    let text = output_of_doveconf(file)?;
    let draft = dovecot::import("doveconf", &text, file.parent())?;
    Ok(Imported { draft, server: Server::Dovecot, from: file.display().to_string() })
}

/// One file of Courier's stands for its directory; else it is the output of `doveconf -n`.
fn read_text(options: &Options, name: &str, directory: &Path, bytes: &[u8]) -> Result<Imported, Problem> {
    match options.from.or_else(|| server_of_text(bytes)) {
        Some(Server::Dovecot) => {
            let draft = dovecot::import(&short(name), bytes, None)?;
            Ok(Imported { draft, server: Server::Dovecot, from: name.to_owned() })
        }
        Some(Server::Courier) if server_of_directory(directory) == Some(Server::Courier) => {
            read_courier(directory)
        }
        Some(Server::Courier) => {
            let why = "Courier's settings are several files: give their directory, such as /etc/courier";
            Err(whole(name, why))
        }
        None => {
            Err(whole(name, "neither Courier's settings nor the output of `doveconf -n`; --from says which"))
        }
    }
}

fn has_includes(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"!include"))
}

/// What `doveconf` says of a file. With -P it says where the key is, too.
fn output_of_doveconf(file: &Path) -> Result<Vec<u8>, Problem> {
    let name = file.display().to_string();
    let child = Command::new("doveconf").args(["-n", "-P", "-c"]).arg(file).stdin(Stdio::null()).output();
    let output = child.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            whole(&name, "doveconf is not here: run `doveconf -n >FILE` where Dovecot is, and give FILE")
        }
        _ => whole(&name, &format!("doveconf cannot be run: {error}")),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it failed and said nothing");
    Err(whole(&name, &draft::harmless(said)))
}

/// A path's last part, for the comment behind each line.
fn short(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests;
