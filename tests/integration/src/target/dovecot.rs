//! An installed Dovecot, so that what the scripts expect is checked itself.

use crate::script::Script;
use crate::target::stream::Stream;
use crate::target::{Connection, PASSWORD, Target};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Users that it has: as many scripts can be played, each with fresh mail.
const USERS: usize = 200;

/// A Dovecot of our own, its files in a temporary directory, ended when dropped.
pub struct Dovecot {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
    user: usize,
    courier: bool,
}

impl Dovecot {
    /// Starts one. `Err` says why that cannot be: not installed, or not root.
    pub fn start() -> Result<Self, String> {
        Self::start_with("")
    }

    /// Starts one; `settings` come behind those that it needs. `DIRECTORY` in them is that of its
    /// files.
    pub fn start_with(settings: &str) -> Result<Self, String> {
        let program = Path::new("/usr/sbin/dovecot");
        if !program.exists() {
            return Err("Dovecot is not installed (dovecot-imapd)".to_owned());
        }
        if !super::restante::is_root() {
            return Err("Dovecot's log-in processes change their user, which needs root".to_owned());
        }
        let directory = tempfile::Builder::new().prefix("dovecot").tempdir().expect("a temporary directory");
        let port = free_port();
        let configuration = directory.path().join("dovecot.conf");
        let settings = settings.replace("DIRECTORY", &directory.path().to_string_lossy());
        std::fs::write(&configuration, configuration_text(directory.path(), port) + &settings)
            .expect("its configuration");
        std::fs::write(directory.path().join("users"), users_text()).expect("its users");
        make_readable(directory.path());
        let process = Command::new(program)
            .args(["-F", "-c"])
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("Dovecot does not start: {error}"))?;
        let dovecot = Self { process, port, directory, user: 0, courier: false };
        dovecot.wait_until_it_listens()?;
        Ok(dovecot)
    }

    /// Its port, in clear.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Goes on with another user, who has no mail, and Courier's namespace if the script needs
    /// it.
    pub fn next_user(&mut self, script: &Script) {
        self.user += 1;
        self.courier = script.needs.iter().any(|need| need == "courier");
        assert!(self.user < USERS, "more scripts than users");
    }

    /// Gives all mail to the user that Dovecot works as.
    fn hand_over(&self) {
        let mail = self.directory.path().join("mail");
        let status = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(mail).status();
        assert!(status.is_ok_and(|status| status.success()), "chown of Dovecot's mail");
    }

    fn wait_until_it_listens(&self) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > until {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                return Err(format!("Dovecot does not listen:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Target for Dovecot {
    fn name(&self) -> &'static str {
        "dovecot"
    }

    fn user(&self) -> String {
        user_name(self.user, self.courier)
    }

    fn maildir(&self) -> PathBuf {
        self.directory.path().join("mail").join(self.user())
    }

    fn connect(&mut self) -> Box<dyn Connection> {
        self.hand_over();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection to Dovecot");
        Box::new(Stream::new(stream))
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn user_name(number: usize, courier: bool) -> String {
    let style = if courier { "courier" } else { "user" };
    format!("{style}{number}@example.com")
}

/// The passwd-file: each number in both namespaces.
fn users_text() -> String {
    let courier = "userdb_namespace/inbox/prefix=INBOX. userdb_namespace/inbox/separator=.";
    (0..USERS)
        .flat_map(|number| [(number, false, ""), (number, true, courier)])
        .map(|(number, is_courier, extra)| {
            format!("{}:{{PLAIN}}{PASSWORD}::::::{extra}\n", user_name(number, is_courier))
        })
        .collect()
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn make_readable(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

fn configuration_text(directory: &Path, port: u16) -> String {
    let directory = directory.display();
    format!(
        "base_dir = {directory}/run
state_dir = {directory}/state
instance_name = restante-tests
protocols = imap
listen = 127.0.0.1
log_path = {directory}/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{directory}/mail/%u
mail_max_userip_connections = 0
mail_plugins = quota
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = maildir:User quota
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Junk {{
    special_use = \\Junk
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
  mailbox Archive {{
    special_use = \\Archive
  }}
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
}}
userdb {{
  driver = prefetch
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}/home/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"
    )
}
