//! A running Restante: the binary that was built, on ports of the system's choice.

use crate::script::Script;
use crate::target::stream::{Bytes, Stream};
use crate::target::{Connection, PASSWORD, Target};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Users that it has.
const USERS: usize = 200;

/// How long a start or stop may take: only a server that hangs takes it.
const WAIT: Duration = Duration::from_secs(30);

/// How scripts connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS before the script begins.
    StartTls,
    /// In clear.
    Clear,
}

/// A server with its files in a temporary directory, ended when dropped. A panic in it fails
/// the test.
pub struct Restante {
    /// How [`Target::connect`] connects.
    pub transport: Transport,
    process: Child,
    directory: Arc<tempfile::TempDir>,
    log: Arc<Log>,
    port: u16,
    tls_port: u16,
    user: usize,
}

/// What the server wrote to standard error so far.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Restante {
    /// Starts one; `settings` come behind those that it needs.
    pub fn start(settings: &str) -> Self {
        Self::start_by(Command::new(binary()).stdin(Stdio::null()), settings)
    }

    /// Starts one by a command to which the server's arguments are added.
    pub fn start_by(command: &mut Command, settings: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("restante").tempdir().expect("a temporary directory");
        make_certificate(directory.path(), "cert", "rsa:2048", "localhost");
        let users = (0..USERS).map(|user| format!("user{user}@example.com:{{PLAIN}}{PASSWORD}::::::\n"));
        let passwords = directory.path().join("users");
        std::fs::write(&passwords, users.collect::<String>()).expect("its users");
        std::fs::set_permissions(passwords, PermissionsExt::from_mode(0o640)).expect("its users");
        let configuration = directory.path().join("restante.toml");
        std::fs::write(&configuration, configuration_text(directory.path(), settings))
            .expect("its configuration");
        hand_over(directory.path());
        Self::run(command, Arc::new(directory))
    }

    /// Another server with the same configuration, users and mail.
    pub fn start_beside(&self) -> Self {
        Self::run(Command::new(binary()).stdin(Stdio::null()), self.directory.clone())
    }

    fn run(command: &mut Command, directory: Arc<tempfile::TempDir>) -> Self {
        let mut process = command
            .args(["serve", "--config"])
            .arg(directory.path().join("restante.toml"))
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Log::follow(process.stderr.take().expect("its standard error"));
        let port_of = |tls: &str| {
            let line = log.wait_for(|line| line.contains("listening") && line.contains(tls));
            let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split([' ', '"']).next());
            port.and_then(|port| port.parse().ok()).expect("a port in the log")
        };
        let (port, tls_port) = (port_of("StartTls"), port_of("Implicit"));
        Self { transport: Transport::Implicit, process, directory, log, port, tls_port, user: 0 }
    }

    /// Goes on with another user, who has no mail.
    pub fn next_user(&mut self) {
        self.user += 1;
        assert!(self.user < USERS, "more scripts than users");
    }

    /// Whether a script can be played on its one configuration.
    pub fn suits(script: &Script) -> bool {
        script.needs.is_empty()
    }

    /// The port for STARTTLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port with TLS from the first byte.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Where its files are: `restante.toml`, `users`, `cert.pem`, `key.pem`, `mail`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The same, which stays as long as somebody has it.
    pub fn shared_directory(&self) -> Arc<tempfile::TempDir> {
        self.directory.clone()
    }

    /// Its process, for signals.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its standard input and output, where the command that started it asked for pipes.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.process.stdin.take().zip(self.process.stdout.take())
    }

    /// Ends it at once, by SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("its end");
    }

    /// Waits for a line in the log.
    pub fn wait_for_log(&self, found: impl Fn(&str) -> bool) -> String {
        self.log.wait_for(found)
    }

    /// All that was logged so far.
    pub fn logged(&self) -> Vec<String> {
        self.log.lines.lock().expect("the log").clone()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits until it ends by itself; whether it said that all is well.
    pub fn wait_until_it_ends(&mut self) -> bool {
        let until = std::time::Instant::now() + WAIT;
        loop {
            if let Some(status) = self.process.try_wait().expect("its state") {
                return status.success();
            }
            assert!(std::time::Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A connection in clear.
    pub fn clear(&self) -> Stream<TcpStream> {
        Stream::new(TcpStream::connect(("127.0.0.1", self.port)).expect("a connection"))
    }

    /// A connection under TLS; the server shows `name`'s certificate.
    pub fn tls(&self) -> Stream<StreamOwned<ClientConnection, TcpStream>> {
        let socket = TcpStream::connect(("127.0.0.1", self.tls_port)).expect("a connection");
        Stream::new(under_tls(socket, &self.directory.path().join("cert.pem")))
    }

    fn start_tls(&self) -> Stream<StreamOwned<ClientConnection, TcpStream>> {
        let mut clear = self.clear();
        let greeting = clear.line().expect("a greeting");
        assert!(greeting.starts_with(b"* OK"), "{}", greeting.escape_ascii());
        clear.send(b"s STARTTLS\r\n");
        let answer = clear.line().expect("an answer");
        assert!(answer.starts_with(b"s OK"), "{}", answer.escape_ascii());
        let mut under = Stream::new(under_tls(clear.into_inner(), &self.directory.path().join("cert.pem")));
        // Scripts begin with a greeting, of which there is none after STARTTLS.
        under.unread(&greeting);
        under
    }
}

impl Target for Restante {
    fn name(&self) -> &'static str {
        "restante"
    }

    fn user(&self) -> String {
        format!("user{}@example.com", self.user)
    }

    fn maildir(&self) -> PathBuf {
        self.directory.path().join("mail").join(self.user())
    }

    fn connect(&mut self) -> Box<dyn Connection> {
        hand_over(&self.directory.path().join("mail"));
        match self.transport {
            Transport::Implicit => Box::new(self.tls()),
            Transport::StartTls => Box::new(self.start_tls()),
            Transport::Clear => Box::new(self.clear()),
        }
    }
}

impl Drop for Restante {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let panicked =
            self.logged().into_iter().find(|line| line.contains("panic") && !line.contains("panics=0"));
        if let Some(line) = panicked
            && !std::thread::panicking()
        {
            panic!("the server panicked: {line}");
        }
    }
}

impl Log {
    fn follow(stderr: std::process::ChildStderr) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let followed = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                followed.lines.lock().expect("the log").push(line);
                followed.grown.notify_all();
            }
        });
        log
    }

    fn wait_for(&self, found: impl Fn(&str) -> bool) -> String {
        let lines = self.lines.lock().expect("the log");
        let (lines, waited) = self
            .grown
            .wait_timeout_while(lines, WAIT, |lines| !lines.iter().any(|line| found(line)))
            .expect("the log");
        assert!(!waited.timed_out(), "not logged; the log is:\n{}", lines.join("\n"));
        lines.iter().find(|line| found(line)).cloned().expect("waited for")
    }
}

impl Bytes for StreamOwned<ClientConnection, TcpStream> {
    fn set_wait(&mut self, wait: Duration) {
        self.sock.set_read_timeout(Some(wait)).expect("a read time-out");
    }
}

/// Shakes hands as a client that trusts just that certificate.
pub fn under_tls(socket: TcpStream, certificate: &Path) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("the certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"imap".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), socket)
}

/// The server that was built beside the tests.
pub fn binary() -> PathBuf {
    let tests = std::env::current_exe().expect("where the tests are");
    let directory = tests.ancestors().nth(2).expect("the build's directory");
    let binary = directory.join("restante");
    assert!(binary.is_file(), "{} is not there: build it first (tests/run does)", binary.display());
    binary
}

/// Makes `NAME.pem` and a key (`key.pem` for `cert`, else `NAME.key`) with openssl.
pub fn make_certificate(directory: &Path, name: &str, kind: &str, host: &str) {
    let key = if name == "cert" { "key.pem".to_owned() } else { format!("{name}.key") };
    let curve: &[&str] = if kind == "ec" { &["-pkeyopt", "ec_paramgen_curve:prime256v1"] } else { &[] };
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", kind, "-nodes", "-days", "30", "-subj", &format!("/CN={host}")])
        .args(curve)
        .args([
            "-addext",
            &format!("subjectAltName=DNS:{host}"),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-out")
        .arg(directory.join(format!("{name}.pem")))
        .arg("-keyout")
        .arg(directory.join(key))
        .output()
        .expect("openssl, of the package openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// As root, the server becomes an ordinary user, to whom everything is given.
pub fn hand_over(path: &Path) {
    if is_root() && path.exists() {
        let status = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(path).status();
        assert!(status.is_ok_and(|status| status.success()), "chown of the server's files");
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout.trim_ascii() == b"0"
}

fn configuration_text(directory: &Path, settings: &str) -> String {
    let directory = directory.display();
    let user = if is_root() { "user = \"nobody\"" } else { "" };
    format!(
        "hostname = \"localhost\"
[tls]
certificate = \"{directory}/cert.pem\"
key = \"{directory}/key.pem\"
[mail]
maildir = \"{directory}/mail/%u\"
create = true
{user}
[[users]]
passwd-file = \"{directory}/users\"
[[listen]]
address = \"127.0.0.1:0\"
tls = \"starttls\"
[[listen]]
address = \"127.0.0.1:0\"
tls = \"implicit\"
{settings}
"
    )
}
