//! Users whom a checkpassword program lets in, such as vpopmail's `vchkpw`.
//!
//! The interface is qmail's: the program reads `name\0password\0timestamp\0` from descriptor 3.
//! If it likes them it becomes that user, sets `USER`, `HOME` and `SHELL`, and runs the program
//! that its arguments name: ours, which tells what it finds. Else it ends with 1; with 2 when it
//! was misused, with 111 when it cannot tell now. The helper runs it: it may want root.

mod report;

pub(crate) use report::{REPORT, report};

use crate::helper::child::Bounded;
use crate::helper::wire::{self, Answer, Login, Question};
use crate::helper::{self, Check, Helper};
use crate::login_name::LoginName;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use command_fds::{CommandFdExt, FdMapping};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Most bytes on descriptor 3 (the interface).
const DESCRIPTOR_3_MAX: usize = 512;

/// Why nobody is found without a password.
pub(crate) const WANTS_PASSWORD: &str = "a checkpassword program tells nothing without a password";

/// What is known of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckPasswordSettings {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// The name it is given: `%u` is the whole one, `%n` the part before the `@`, `%d` the domain.
    pub user_name: String,
    /// The system user as whom it is run; `None`: as who started the helper.
    pub run_as: Option<String>,
    /// How many run at once.
    pub at_once: usize,
    /// How long one may take.
    pub timeout: Duration,
}

impl CheckPasswordSettings {
    /// For the helper.
    pub(crate) fn encode(&self, out: &mut wire::Writer) {
        out.texts(&self.program);
        out.text(&self.user_name);
        out.text(self.run_as.as_deref().unwrap_or_default());
        out.number(u32::try_from(self.at_once).unwrap_or(u32::MAX));
        out.number(u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX));
    }

    /// In the helper.
    pub(crate) fn decode(reader: &mut wire::Reader<'_>) -> Option<Self> {
        Some(Self {
            program: reader.list(wire::Reader::text)?,
            user_name: reader.text()?,
            run_as: Some(reader.text()?).filter(|name| !name.is_empty()),
            at_once: reader.number()? as usize,
            timeout: Duration::from_millis(reader.number()?.into()),
        })
    }
}

/// The source.
pub struct CheckPassword {
    name: String,
    settings: CheckPasswordSettings,
    helper: Arc<Helper>,
}

impl CheckPassword {
    /// A source that is asked through this helper.
    pub fn new(settings: CheckPasswordSettings, helper: Arc<Helper>) -> Self {
        let program = settings.program.first().map(String::as_str).unwrap_or_default();
        Self { name: format!("checkpassword {program}"), settings, helper }
    }

    fn unavailable(&self, reason: &str) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason: reason.to_owned() }
    }

    async fn look(&self, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        let Some(password) = query.password else { return Err(self.unavailable(WANTS_PASSWORD)) };
        let Some(name) = expand(&self.settings.user_name, query.name) else {
            return Ok(SourceAnswer::Unknown);
        };
        query.trace.step(|| format!("running {} for {name}", self.settings.program.join(" ")));
        if descriptor_3(&name, password.expose()).is_none() {
            query.trace.step(|| "not run: name and password are too long for it, or have a NUL".to_owned());
            return Ok(SourceAnswer::Checked(User::default(), false));
        }
        let login = Login {
            name: name.clone(),
            password: Zeroizing::new(password.expose().to_vec()),
            service: query.service.to_owned(),
            peer: query.peer,
        };
        let check = Check::CheckPassword(self.settings.clone());
        let answer = self.helper.ask(&check, Question::Password(login)).await;
        match answer.map_err(|reason| self.unavailable(&reason))? {
            Answer::Right(user) => {
                query.trace.step(|| format!("it lets them in: {user:?}"));
                // The name it was given, or a part of it, is no other name.
                let is_same = user.name == name || user.name == query.name.local();
                Ok(SourceAnswer::Checked(
                    User { name: if is_same { String::new() } else { user.name }, ..user },
                    true,
                ))
            }
            Answer::Wrong(why) => {
                query.trace.step(|| format!("it does not let them in: {why}"));
                Ok(SourceAnswer::Checked(User::default(), false))
            }
            _ => Err(self.unavailable("the auth helper answered something else")),
        }
    }
}

impl Source for CheckPassword {
    fn name(&self) -> &str {
        &self.name
    }

    fn looks_at_peer(&self) -> bool {
        true
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(self.look(query))
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(std::future::ready(Err(self.unavailable("a checkpassword program does not list users"))))
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        let program = self.settings.program.first().map(String::as_str).unwrap_or_default();
        let usable = std::fs::metadata(program).is_ok_and(|found| {
            found.is_file() && std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0
        });
        let no_program = (!usable).then(|| format!("{program}: no program that could be run"));
        let user = self.settings.run_as.as_deref();
        let no_user = user.filter(|user| !matches!(nix::unistd::User::from_name(user), Ok(Some(_))));
        let no_user = no_user.map(|user| format!("{}: no such user: {user}", self.name));
        Box::pin(std::future::ready(Ok(no_program.into_iter().chain(no_user).collect())))
    }
}

/// In the helper: runs the program.
pub(crate) fn ask(settings: &CheckPasswordSettings, login: &Login) -> Answer {
    try_to_ask(settings, login).unwrap_or_else(Answer::Unavailable)
}

fn try_to_ask(settings: &CheckPasswordSettings, login: &Login) -> Result<Answer, String> {
    let failed = |error: std::io::Error| format!("it cannot be run: {error}");
    let Some(bytes) = descriptor_3(&login.name, &login.password) else {
        return Ok(Answer::Wrong("too long for descriptor 3".to_owned()));
    };
    let (report, reported) = report::channel().map_err(failed)?;
    let (read, mut write) = std::io::pipe().map_err(failed)?;
    // A pipe holds more than that without anybody who reads.
    write.write_all(&bytes).map_err(failed)?;
    drop(write);
    let mut command = command(settings, login)?;
    command.stdin(report);
    let mapping = FdMapping { parent_fd: read.into(), child_fd: 3 };
    command.fd_mappings(vec![mapping]).map_err(|error| error.to_string())?;
    let status = Bounded::spawn(command, settings.timeout).map_err(failed)?.wait()?;
    judge(status, || report::receive(&reported))
}

fn command(settings: &CheckPasswordSettings, login: &Login) -> Result<Command, String> {
    let (program, arguments) = settings.program.split_first().ok_or("there is no program")?;
    let ours = std::env::current_exe().map_err(|error| format!("where is our own program? {error}"))?;
    let ours = ours.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
    let mut command = Command::new(program);
    command.args(arguments).arg(ours).args([helper::SUBCOMMAND, REPORT]);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    // As programs know them from tcpserver. The port tells vchkpw which service it is.
    let port = if login.service == "pop3" { "995" } else { "993" };
    command.env("PROTO", "TCP").env("SERVICE", &login.service).env("TCPLOCALPORT", port);
    if let Some(peer) = login.peer {
        command.env("TCPREMOTEIP", peer.to_string());
    }
    command.current_dir("/").stdout(Stdio::null());
    if let Some(name) = &settings.run_as {
        let user = nix::unistd::User::from_name(name).map_err(|error| format!("user {name}: {error}"))?;
        let user = user.ok_or_else(|| format!("no such user: {name}"))?;
        if user.uid != nix::unistd::getuid() {
            // Of root, with no groups but this one.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
    }
    Ok(command)
}

/// What the end of the program means.
fn judge(status: ExitStatus, report: impl FnOnce() -> Result<User, String>) -> Result<Answer, String> {
    match status.code() {
        Some(0) => report().map(Answer::Right),
        Some(2) => Err("it ended with 2: it says that it was not run as it wants".to_owned()),
        Some(111) => Err("it ended with 111: it cannot tell now".to_owned()),
        Some(code) => Ok(Answer::Wrong(format!("it ended with {code}"))),
        None => Err(format!("it was ended by {status}")),
    }
}

/// What the program reads. There is no timestamp to tell, which is for APOP; there must be a
/// field for it. `None`: it is too long, or would be something else.
fn descriptor_3(name: &str, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = name.len() + password.len() + 3;
    if length > DESCRIPTOR_3_MAX || name.is_empty() || name.contains('\0') || password.contains(&0) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(password);
    bytes.extend_from_slice(&[0, 0]);
    Some(bytes)
}

/// The name that the program is given; `None` when that wants a domain and there is none.
fn expand(template: &str, name: &LoginName) -> Option<String> {
    let mut out = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => match chars.next()? {
                'u' => out.push_str(name.full()),
                'n' => out.push_str(name.local()),
                'd' => out.push_str(name.domain()?),
                '%' => out.push('%'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn the_end_of_a_program_means_something() {
        let user = || Ok(User { name: "anna".to_owned(), ..User::default() });
        for (raw, expected) in [
            (0, "right"),
            (1 << 8, "wrong"),
            (3 << 8, "wrong"),
            (20 << 8, "wrong"),
            (2 << 8, "unavailable"),
            (111 << 8, "unavailable"),
            (11, "unavailable"),
            (9, "unavailable"),
        ] {
            let seen = match judge(ExitStatus::from_raw(raw), user) {
                Ok(Answer::Right(_)) => "right",
                Ok(Answer::Wrong(_)) => "wrong",
                Err(_) => "unavailable",
                other => panic!("{other:?}"),
            };
            assert_eq!(seen, expected, "{raw}");
        }
        assert!(judge(ExitStatus::from_raw(0), || Err("no report".to_owned())).is_err());
    }

    #[test]
    fn descriptor_3_holds_512_bytes() {
        assert_eq!(descriptor_3("anna", b"pw").unwrap().as_slice(), b"anna\0pw\0\0");
        assert!(descriptor_3("anna", &[b'x'; 505]).is_some());
        assert!(descriptor_3("anna", &[b'x'; 506]).is_none());
    }

    #[test]
    fn security_13_a_nul_does_not_make_another_name_or_password() {
        assert!(descriptor_3("anna", b"a\0b").is_none());
        assert!(descriptor_3("an\0na", b"a").is_none());
        assert!(descriptor_3("", b"a").is_none());
    }

    #[test]
    fn names_are_given_as_the_site_wants() {
        for (template, full, expected) in [
            ("%u", "anna@example.com", Some("anna@example.com")),
            ("%n", "anna@example.com", Some("anna")),
            ("%n%%%d", "anna@example.com", Some("anna%example.com")),
            ("%d", "anna", None),
            ("%x", "anna", None),
        ] {
            assert_eq!(expand(template, &name(full)).as_deref(), expected, "{template} {full}");
        }
    }
}
