//! `restante import-config`: settings of Courier-IMAP and Dovecot as a `restante.toml`.
//!
//! What is printed is read by our own parser; what has no counterpart stands at its end and on
//! standard error, a line each. Nothing of theirs is run or changed, but `doveconf`, which
//! prints Dovecot's settings; passwords are never printed, and written into files of their own
//! only with `--copy-users`.

mod copies;
mod courier;
mod doveconf;
mod dovecot;
mod draft;
mod shell;
mod survey;

use clap::{Args, ValueEnum};
use draft::Draft;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Largest file of settings, in bytes.
const FILE_MAX: u64 = 4 << 20;

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

/// Whose settings are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Server {
    Courier,
    Dovecot,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Courier => "Courier-IMAP",
            Self::Dovecot => "Dovecot",
        })
    }
}

/// Settings that were read.
struct Imported {
    draft: Draft,
    server: Server,
    /// Where they stood.
    from: String,
}

/// Something that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// The file, or what stands for it.
    pub(crate) file: String,
    /// The line, from 1, where there is one.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
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

/// A path that holds wherever the server is started. Links in it stay what they are, unless the
/// path climbs with `..`, which goes by where they lead.
fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    let found = if climbs { path.canonicalize() } else { std::path::absolute(path) };
    // Without a slash at its end.
    found
        .map(|path| path.components().collect())
        .map_err(|error| unreadable(&path.display().to_string(), &error))
}

fn has_includes(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().starts_with(b"!include"))
}

fn server_of_directory(directory: &Path) -> Option<Server> {
    let has = |name: &str| directory.join(name).is_file();
    if ["imapd", "imapd-ssl", "authdaemonrc"].iter().any(|name| has(name)) {
        return Some(Server::Courier);
    }
    has("dovecot.conf").then_some(Server::Dovecot)
}

/// By the first line that is neither empty nor a comment: Courier's have no blank before `=`.
fn server_of_text(bytes: &[u8]) -> Option<Server> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"))?;
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    match line.get(name) {
        Some(b'=') if name > 0 => Some(Server::Courier),
        Some(b' ' | b'\t') if line.contains(&b'=') || line.contains(&b'{') => Some(Server::Dovecot),
        _ => None,
    }
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

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    read_limited(&name, file)
}

/// A file that need not be there.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    match File::open(path) {
        Ok(file) => read_limited(&path.display().to_string(), file).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&path.display().to_string(), &error)),
    }
}

fn read_limited(name: &str, from: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = from.take(FILE_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(whole(name, &format!("longer than {FILE_MAX} bytes: these are no settings")));
    }
    Ok(bytes)
}

/// A file's text, where its lines are as long as they may be; comments may hold any bytes.
fn text(file: &str, bytes: &[u8], line_max: usize) -> Result<String, Problem> {
    let mut out = String::with_capacity(bytes.len());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let problem = |text: String| Problem { file: file.to_owned(), line: Some(at + 1), text };
        if at > 0 {
            out.push('\n');
        }
        if line.len() > line_max {
            return Err(problem(format!("a line longer than {line_max} bytes")));
        }
        if line.trim_ascii_start().starts_with(b"#") {
            out.push_str(&String::from_utf8_lossy(line).replace('\0', "?"));
            continue;
        }
        if line.contains(&0) {
            return Err(problem("a NUL".to_owned()));
        }
        out.push_str(std::str::from_utf8(line).map_err(|_| problem("not UTF-8".to_owned()))?);
    }
    Ok(out)
}

fn whole(file: &str, text: &str) -> Problem {
    Problem { file: file.to_owned(), line: None, text: text.to_owned() }
}

fn unreadable(file: &str, error: &std::io::Error) -> Problem {
    whole(file, &format!("cannot be read: {error}"))
}

/// A path's last part, for the comment behind each line.
fn short(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// For a URL (RFC 3986, 2.1).
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Likewise, but for the slashes.
fn escaped_path(path: &str) -> String {
    path.split('/').map(escaped).collect::<Vec<_>>().join("/")
}

/// What is wrong with the settings of a database, as far as this build can tell: what is printed
/// must be read by our parser.
#[cfg(feature = "sql")]
fn sql_problem(url: &str, user_query: &str, list_query: Option<&str>) -> Option<String> {
    use auth::sql::{Settings, Tls, Url};
    let settings = Settings {
        url: Url(url.to_owned()),
        password_file: None,
        tls: Tls::Verify,
        ca_file: None,
        connections_max: 1,
        timeout: std::time::Duration::from_secs(1),
        user_query: user_query.to_owned(),
        list_query: list_query.map(str::to_owned),
        update_query: None,
    };
    settings.check().err()
}

#[cfg(not(feature = "sql"))]
fn sql_problem(_: &str, _: &str, _: Option<&str>) -> Option<String> {
    Some("this build has no SQL".to_owned())
}

/// Whether a mechanism can be taken over. CRAM-MD5 wants passwords stored in plain text, and
/// sends no more over TLS than others; tokens want `[oauth]`, which is not written.
fn is_mechanism(name: &str) -> bool {
    use auth::Mechanism::{CramMd5, OAuthBearer, XOAuth2};
    auth::Mechanism::by_name(name).is_some_and(|known| !matches!(known, CramMd5 | OAuthBearer | XOAuth2))
}

#[cfg(test)]
mod tests;
