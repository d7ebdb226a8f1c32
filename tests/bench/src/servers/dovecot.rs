//! Dovecot with a configuration of our own, tuned as an administrator would: log-in processes
//! that serve many, caches filled ahead, `cur` not read again when its mtime is as before.

mod services;
mod settings_23;
mod settings_24;

use super::{Kind, Place, Running, Server, Users};
use crate::Result;
use crate::measure::Processes;
use crate::options::Options;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Told to end when dropped, so that its processes end with it.
struct Process(Child);

impl Running for Process {}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Where a Dovecot of 2.4 or later is.
pub(crate) struct Installed {
    /// The root directory in which it runs; `None` for the system's own.
    root: Option<PathBuf>,
    /// Its main program, in that root.
    program: PathBuf,
}

impl Installed {
    /// The Dovecot under a prefix, or in a root directory of its own, such as debootstrap makes.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        if path.join("sbin/dovecot").is_file() && !path.join("usr/sbin/dovecot").is_file() {
            return Ok(Self { root: None, program: path.join("sbin/dovecot") });
        }
        if path.join("usr/sbin/dovecot").is_file() {
            return Ok(Self { root: Some(path), program: "/usr/sbin/dovecot".into() });
        }
        Err(format!("{} has neither sbin/dovecot nor usr/sbin/dovecot", path.display()).into())
    }

    /// Its version, as settings name it: `2.4.1`.
    pub(crate) fn version(&self) -> Result<String> {
        let mut command = match &self.root {
            None => Command::new(&self.program),
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(&self.program);
                command
            }
        };
        let said = String::from_utf8(command.arg("--version").output()?.stdout)?;
        let version: String = said.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        match version.is_empty() {
            true => Err(format!("{} does not tell its version", self.program.display()).into()),
            false => Ok(version),
        }
    }

    /// Runs it in the foreground; in its root, `seen` is where it is outside.
    fn command(&self, configuration: &Path, seen: &Path) -> Command {
        let Some(root) = &self.root else { return foreground(&self.program, configuration) };
        // A mount namespace of its own: with it the mounts go.
        const SCRIPT: &str = "set -e
mkdir -p \"$1$2\"
mount --bind \"$2\" \"$1$2\"
mount --rbind /dev \"$1/dev\"
mount -t proc proc \"$1/proc\"
exec chroot \"$1\" \"$3\" -F -c \"$4\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
        command.arg(root).arg(seen).arg(&self.program).arg(configuration);
        command
    }
}

/// The installed Dovecot of Debian 12.
pub(super) fn start(users: Users, place: &Place, options: &Options) -> Result<Server> {
    let directory = Directory::new("dovecot", users, place, options)?;
    if users.are_in_a_directory() {
        let settings = settings_23::ldap(&place.directory_url(options)?);
        std::fs::write(directory.path.join("ldap"), settings)?;
    }
    let settings = settings_23::text(users, place, &directory.path);
    directory.start(Kind::Dovecot, settings, options, |configuration| {
        foreground(Path::new("/usr/sbin/dovecot"), configuration)
    })
}

/// The one that the options name.
pub(super) fn start_24(users: Users, place: &Place, options: &Options) -> Result<Server> {
    let path = options.dovecot.as_deref().ok_or("--dovecot says where it is")?;
    let installed = Installed::at(path)?;
    let directory = Directory::new("dovecot24", users, place, options)?;
    let url = users.are_in_a_directory().then(|| place.directory_url(options)).transpose()?;
    let settings = settings_24::text(users, place, &directory.path, &installed.version()?, url.as_deref());
    directory.start(Kind::Dovecot24, settings, options, |configuration| {
        installed.command(configuration, &place.directory)
    })
}

fn foreground(program: &Path, configuration: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-F", "-c"]).arg(configuration);
    command
}

/// A server's files.
struct Directory {
    path: PathBuf,
    mail: PathBuf,
    owner: (u32, u32),
}

impl Directory {
    fn new(name: &str, users: Users, place: &Place, options: &Options) -> Result<Self> {
        let path = place.directory.join(format!("{name}{}", users.suffix()));
        let mail = path.join("mail");
        std::fs::create_dir_all(&mail)?;
        let owner = super::owner()?;
        crate::corpus::give(&mail, owner)?;
        std::fs::write(path.join("users"), users.passwd_file(options)?)?;
        Ok(Self { path, mail, owner })
    }

    fn start(
        self,
        kind: Kind,
        settings: String,
        options: &Options,
        command: impl FnOnce(&Path) -> Command,
    ) -> Result<Server> {
        let (port, tls_port) = (super::free_port()?, super::free_port()?);
        let configuration = self.path.join("dovecot.conf");
        let words = if kind == Kind::Dovecot24 { &services::OF_24 } else { &services::OF_23 };
        let more = if options.hibernate { "imap_hibernate_timeout = 2s\n" } else { "" };
        std::fs::write(&configuration, settings + &services::text(port, tls_port, words) + more)?;
        let said = std::fs::File::create(self.path.join("said"))?;
        let process =
            command(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn()?;
        let server = Server {
            kind,
            port,
            tls_port,
            mail: self.mail,
            owner: self.owner,
            processes: Processes::Tree(process.id()),
            running: Some(Box::new(Process(process))),
        };
        super::wait_until_it_listens(tls_port, &self.path.join("log"))?;
        Ok(server)
    }
}
