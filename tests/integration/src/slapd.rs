//! OpenLDAP's slapd with users in Courier's schema, on loopback, ended when dropped.

use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The DN of Restante's own account, and its password.
pub const SERVICE: (&str, &str) = ("cn=service,dc=example,dc=com", "service-secret");

/// Where users are.
pub const PEOPLE: &str = "ou=people,dc=example,dc=com";

const SLAPD: &str = "/usr/sbin/slapd";

/// How long a start may take.
const WAIT: Duration = Duration::from_secs(30);

/// A running slapd.
pub struct Slapd {
    directory: tempfile::TempDir,
    process: Child,
    port: u16,
    tls_port: u16,
}

impl Slapd {
    /// One with users `user0` and so on, and what `more` says in LDIF. `None`, said aloud, where
    /// it is not installed.
    pub fn start(users: usize, more: &str) -> Option<Self> {
        if !Path::new(SLAPD).exists() {
            eprintln!("SKIPPED: {SLAPD} is not there: install slapd (tests/run does)");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("slapd").tempdir().expect("a directory");
        make_authority(directory.path());
        let configuration = directory.path().join("slapd.conf");
        std::fs::create_dir(directory.path().join("db")).expect("a directory");
        std::fs::write(directory.path().join("courier.schema"), SCHEMA).expect("the schema");
        std::fs::write(&configuration, configuration_text(directory.path())).expect("its configuration");
        let data = directory.path().join("data.ldif");
        std::fs::write(&data, entries(users) + more).expect("its data");
        run(Command::new("/usr/sbin/slapadd").args(["-q", "-f"]).arg(&configuration).arg("-l").arg(&data));
        let (process, port, tls_port) = serve(directory.path());
        Some(Self { directory, process, port, tls_port })
    }

    /// `ldap://`.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// A running server's `[[users]]` for it: users by address or alias.
    pub fn table(&self) -> String {
        format!(
            "[[users]]\n[users.ldap]\nservers = [\"{}\"]\nbind-dn = \"{}\"\nbind-password = \"{}\"\n\
             base = \"{PEOPLE}\"\nfilter = \"(|(mail=%u)(mailAlternateAddress=%u))\"\n\
             name-attribute = \"mail\"\ndisabling-attributes = [\"disableimap=imap\"]\n\
             bind-connections = 8\n",
            self.url(),
            SERVICE.0,
            SERVICE.1
        )
    }

    /// `ldaps://`.
    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// `ldapi://`.
    pub fn socket_url(&self) -> String {
        format!("ldapi://{}", socket(self.directory.path()).display())
    }

    /// The authority that signed its certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        run(Command::new("kill").args(["-s", name, &self.process.id().to_string()]));
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("its end");
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        self.process = serve_on(self.directory.path(), self.port, self.tls_port).expect("its ports are free");
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(directory: &Path) -> (Child, u16, u16) {
    for _ in 0..10 {
        let free = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (one, other) = (free(), free());
        let port = |listener: &TcpListener| listener.local_addr().expect("its address").port();
        let (port, tls_port) = (port(&one), port(&other));
        drop((one, other));
        if let Some(process) = serve_on(directory, port, tls_port) {
            return (process, port, tls_port);
        }
    }
    panic!("slapd does not start: {}", log(directory));
}

/// `None` when it ends, as where somebody else has the port.
fn serve_on(directory: &Path, port: u16, tls_port: u16) -> Option<Child> {
    let socket = socket(directory);
    let _ = std::fs::remove_file(&socket);
    let urls = format!(
        "ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port} ldapi://{}",
        socket.display().to_string().replace('/', "%2f")
    );
    let log = std::fs::File::create(directory.join("log")).expect("its log");
    let mut process = Command::new(SLAPD)
        .args(["-h", &urls, "-d", "0", "-f"])
        .arg(directory.join("slapd.conf"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("slapd starts");
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        if process.try_wait().expect("its state").is_some() {
            return None;
        }
        let ready = UnixStream::connect(&socket).is_ok() && TcpStream::connect(("127.0.0.1", port)).is_ok();
        if ready && TcpStream::connect(("127.0.0.1", tls_port)).is_ok() {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

fn log(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap_or_default()
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("ldapi")
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority (`ca.pem`), and a certificate of it for 127.0.0.1.
pub(crate) fn make_authority(directory: &Path) {
    let openssl = |arguments: &str| {
        run(Command::new("openssl").current_dir(directory).args(arguments.split_ascii_whitespace()));
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority \
         -addext basicConstraints=critical,CA:TRUE -out ca.pem -keyout ca.key",
    );
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -out cert.csr -keyout cert.key",
    );
    std::fs::write(
        directory.join("ext"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .expect("its extensions");
    openssl(
        "x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem",
    );
}

/// Searches want a bind as [`SERVICE`] or a user; a bind without a password is anonymous and
/// succeeds, as the worst of servers have it.
fn configuration_text(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
include {directory}/courier.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/pid
TLSCACertificateFile {directory}/ca.pem
TLSCertificateFile {directory}/cert.pem
TLSCertificateKeyFile {directory}/cert.key
allow bind_anon_cred bind_anon_dn
authz-regexp \"gidNumber=.*,cn=peercred,cn=external,cn=auth\" \"{service}\"
threads 4
database mdb
suffix \"dc=example,dc=com\"
directory {directory}/db
maxsize 268435456
dbnosync
limits dn.exact=\"{service}\" size.soft=500 size.hard=500 size.prtotal=unlimited
access to attrs=userPassword,clearPassword by dn.exact=\"{service}\" read by anonymous auth by * none
access to * by dn.exact=\"{service}\" read by users read by * none
index objectClass,uid,mail,mailAlternateAddress,member eq
",
        service = SERVICE.0
    )
}

fn entries(users: usize) -> String {
    let mut text = format!(
        "dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example\n\n\
         dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: ou=groups,dc=example,dc=com\nobjectClass: organizationalUnit\nou: groups\n\n\
         dn: {}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: service\nuserPassword: {}\n\n",
        SERVICE.0, SERVICE.1
    );
    for user in 0..users {
        let _ = write!(
            text,
            "dn: uid=user{user},{PEOPLE}\nobjectClass: inetOrgPerson\nobjectClass: CourierMailAccount\n\
             uid: user{user}\ncn: User {user}\nsn: {user}\nmail: user{user}@example.com\n\
             mailAlternateAddress: alias{user}@example.com\nhomeDirectory: /srv/mail/user{user}\n\
             mailbox: Maildir/\nquota: 10000000S,1000C\nuidNumber: {uid}\ngidNumber: 5000\n\
             userPassword: secret{user}\nclearPassword: clear{user}\n\n",
            uid = 10_000 + user
        );
    }
    text
}

/// The names and numbers of attributes as Courier has them; `mailAlternateAddress` stands for
/// qmail-ldap's.
const SCHEMA: &str = "
attributetype ( 1.3.6.1.4.1.10018.1.1.1 NAME 'mailbox' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.10018.1.1.2 NAME 'quota' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.10018.1.1.3 NAME 'clearPassword' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 1.3.6.1.4.1.10018.1.1.9 NAME 'disableimap' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.10018.1.1.10 NAME 'disablepop3' EQUALITY caseExactIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.10018.1.1.14 NAME 'mailhost' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.4.1.4203.666.1.9001 NAME 'mailAlternateAddress' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.3.6.1.4.1.10018.1.2.1 NAME 'CourierMailAccount' SUP top AUXILIARY MUST ( mail $ homeDirectory )
  MAY ( uidNumber $ gidNumber $ mailbox $ quota $ clearPassword $ userPassword $ disableimap $ disablepop3 $ mailhost $ mailAlternateAddress ) )
";
