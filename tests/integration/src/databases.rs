//! PostgreSQL and MariaDB, each with a data directory of its own, on loopback and a Unix socket,
//! ended when dropped.

use crate::slapd::make_authority;
use crate::target::restante::is_root;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Restante's own account in the database `mail`, and its password.
pub const ACCOUNT: (&str, &str) = ("restante", "data@base:secret");

/// How long a start or an end may take.
const WAIT: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// PostgreSQL, whichever version is there.
    Postgres,
    /// MariaDB, in place of MySQL.
    MariaDb,
}

/// A running server with a database `mail`.
pub struct Database {
    /// Which.
    pub kind: Kind,
    directory: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Database {
    /// One with what `schema` makes in the database `mail`; [`ACCOUNT`] may do everything there.
    pub fn start(kind: Kind, schema: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("sql").tempdir().expect("a directory");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), mode).expect("its mode");
        kind.install(directory.path());
        let (process, port) = serve(kind, directory.path());
        let server = Self { kind, directory, process, port };
        let (user, password) = ACCOUNT;
        match kind {
            Kind::Postgres => {
                let role = format!("CREATE ROLE {user} LOGIN PASSWORD '{password}';");
                server.client(Some("postgres"), &format!("{role}\nCREATE DATABASE mail;"));
                server.run(&format!("{schema};\nGRANT ALL ON ALL TABLES IN SCHEMA public TO {user};"));
            }
            Kind::MariaDb => {
                let account = format!("{user}@localhost IDENTIFIED BY '{password}'");
                let grant = format!("GRANT ALL ON mail.* TO {user}@localhost;");
                server.client(None, &format!("CREATE DATABASE mail; CREATE USER {account}; {grant}"));
                server.run(schema);
            }
        }
        server
    }

    /// Runs statements in the database `mail`; what they print, columns parted by tabs.
    pub fn run(&self, statements: &str) -> String {
        self.client(Some("mail"), statements)
    }

    /// Where it is, without the account's password, on loopback.
    pub fn url(&self) -> String {
        format!("{}://{}@localhost:{}/mail", self.scheme(), ACCOUNT.0, self.port)
    }

    /// Where it is, with the account's password, on its Unix socket.
    pub fn socket_url(&self) -> String {
        let directory = self.directory.path().display();
        let socket = match self.kind {
            Kind::Postgres => format!("host={directory}&port={}", self.port),
            Kind::MariaDb => format!("socket={directory}/socket"),
        };
        let password = ACCOUNT.1.replace('@', "%40").replace(':', "%3A");
        format!("{}://{}:{password}@localhost/mail?{socket}", self.scheme(), ACCOUNT.0)
    }

    /// The authority that signed its certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Stops all of its processes where they are.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Ends it without ceremony.
    pub fn stop(&mut self) {
        self.thaw();
        if self.kind == Kind::Postgres {
            // Its first process then ends the others, at once.
            signal("QUIT", &[self.process.id()]);
            let until = Instant::now() + WAIT;
            while self.process.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        let started = serve_on(self.kind, self.directory.path(), self.port);
        self.process = started.unwrap_or_else(|| panic!("{}", log(self.directory.path())));
    }

    fn scheme(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mysql",
        }
    }

    /// As the server's own administrator.
    fn client(&self, database: Option<&str>, statements: &str) -> String {
        let directory = self.directory.path();
        let mut command = Command::new(self.kind.program(self.kind.client_name()));
        match self.kind {
            Kind::Postgres => command
                .args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-p"])
                .arg(self.port.to_string())
                .arg("-h")
                .arg(directory),
            Kind::MariaDb => command
                .args(["--no-defaults", "-N", "-B", "--default-character-set=utf8mb4", "-u", "root", "-S"])
                .arg(directory.join("socket")),
        };
        let mut client = command
            .args(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        client.stdin.take().expect("a pipe").write_all(statements.as_bytes()).expect("statements are read");
        let output = client.wait_with_output().expect("its end");
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let mut all = vec![pid];
        all.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        signal(name, &all);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Kind {
    fn program(self, name: &str) -> PathBuf {
        let (directories, package) = match self {
            Kind::Postgres => {
                let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
                (versions.map(|version| version.path().join("bin")).collect(), "postgresql")
            }
            Kind::MariaDb => (vec!["/usr/sbin".into(), "/usr/bin".into()], "mariadb-server"),
        };
        let mut found: Vec<PathBuf> = directories.iter().map(|one: &PathBuf| one.join(name)).collect();
        found.retain(|program| program.is_file());
        found.sort();
        found.pop().unwrap_or_else(|| panic!("{name}: install the package {package} (tests/run does)"))
    }

    fn client_name(self) -> &'static str {
        match self {
            Kind::Postgres => "psql",
            Kind::MariaDb => "mariadb",
        }
    }

    /// Neither runs as root: then it is the system user of its package.
    fn command(self, name: &str) -> Command {
        let program = self.program(name);
        if !is_root() {
            return Command::new(program);
        }
        let user = self.user();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(program);
        command
    }

    fn user(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::MariaDb => "mysql",
        }
    }

    fn install(self, directory: &Path) {
        make_authority(directory);
        let key = directory.join("cert.key");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, mode).expect("its mode");
        if is_root() {
            run(Command::new("chown").arg("-R").arg(format!("{0}:{0}", self.user())).arg(directory));
        }
        let data = directory.join("data");
        match self {
            Kind::Postgres => run(self
                .command("initdb")
                .current_dir(directory)
                .args(["-U", "postgres", "-A", "scram-sha-256", "--auth-local=trust", "--no-sync"])
                .args(["-E", "UTF8", "--locale=C", "-D"])
                .arg(data)),
            Kind::MariaDb => run(self
                .command("mariadb-install-db")
                .current_dir(directory)
                .env("TMPDIR", directory)
                .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
                .arg(format!("--datadir={}", data.display()))),
        }
        if self == Kind::Postgres {
            // The account comes by its password, also on the socket.
            let rules =
                "local all postgres trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n";
            std::fs::write(directory.join("data/pg_hba.conf"), rules).expect("its rules");
        }
    }

    fn serve(self, directory: &Path, port: u16) -> Command {
        let shown = directory.display();
        match self {
            Kind::Postgres => {
                let mut command = self.command("postgres");
                command.arg("-D").arg(directory.join("data"));
                for setting in [
                    format!("port={port}"),
                    format!("unix_socket_directories={shown}"),
                    format!("ssl_cert_file={shown}/cert.pem"),
                    format!("ssl_key_file={shown}/cert.key"),
                    "listen_addresses=127.0.0.1".to_owned(),
                    "ssl=on".to_owned(),
                    "fsync=off".to_owned(),
                ] {
                    command.arg("-c").arg(setting);
                }
                command
            }
            Kind::MariaDb => {
                let mut command = self.command("mariadbd");
                command.args(["--no-defaults", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=32M"]);
                for setting in [
                    format!("--datadir={shown}/data"),
                    format!("--socket={shown}/socket"),
                    format!("--pid-file={shown}/pid"),
                    format!("--port={port}"),
                    format!("--ssl-cert={shown}/cert.pem"),
                    format!("--ssl-key={shown}/cert.key"),
                ] {
                    command.arg(setting);
                }
                command
            }
        }
    }
}

fn serve(kind: Kind, directory: &Path) -> (Child, u16) {
    for _ in 0..10 {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        if let Some(process) = serve_on(kind, directory, port) {
            return (process, port);
        }
    }
    panic!("{kind:?} does not start: {}", log(directory));
}

/// `None` when it ends, as where somebody else has the port.
fn serve_on(kind: Kind, directory: &Path, port: u16) -> Option<Child> {
    let log = std::fs::File::create(directory.join("log")).expect("its log");
    let mut process = kind
        .serve(directory, port)
        .current_dir(directory)
        // When MariaDB starts, it removes temporary tables of whomever.
        .env("TMPDIR", directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("it starts");
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        if process.try_wait().expect("its state").is_some() {
            return None;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && answers(kind, directory, port) {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

fn answers(kind: Kind, directory: &Path, port: u16) -> bool {
    let mut command = match kind {
        Kind::Postgres => Command::new(kind.program("pg_isready")),
        Kind::MariaDb => Command::new(kind.program("mariadb-admin")),
    };
    match kind {
        Kind::Postgres => command.arg("-q").arg("-h").arg(directory).arg("-p").arg(port.to_string()),
        Kind::MariaDb => command.args(["--no-defaults", "ping", "-S"]).arg(directory.join("socket")),
    };
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap_or_default()
}

fn signal(name: &str, processes: &[u32]) {
    let _ = Command::new("kill")
        .args(["-s", name])
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
