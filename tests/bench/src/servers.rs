//! The servers, each with its own copy of the mail, on ports of this machine.

mod courier;
pub(crate) mod dovecot;
mod restante;

use crate::measure::Processes;
use crate::options::Options;
use crate::{Result, peers};
use clap::ValueEnum;
use restante_tests::slapd::Slapd;
use rustls::pki_types::CertificateDer;
use std::cell::OnceCell;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everybody's.
pub(crate) const PASSWORD: &str = "secret";

/// Users whose names differ in a number.
pub(crate) const NUMBERED_USERS: usize = 100;

/// How long a server may take to listen.
const START_SECONDS_MAX: u64 = 60;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Restante,
    /// Debian 12's.
    Dovecot,
    /// 2.4 or later, where the options say that there is one.
    Dovecot24,
    Courier,
}

/// Whom a server knows, and how it checks their passwords.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Users {
    /// Those of [`users`], from a passwd-file with passwords in clear.
    Plain,
    /// The same with hashes of crypt(3), `$6$`, and no cache.
    Sha512,
    /// Those of a directory, found by a search and checked by a bind, with no cache.
    Ldap,
    /// The same with a cache.
    LdapCached,
}

/// A server that runs. Dropped, it ends.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    /// For clients in clear.
    pub(crate) port: u16,
    /// TLS from the first byte.
    pub(crate) tls_port: u16,
    /// The directory of users' home directories.
    pub(crate) mail: PathBuf,
    /// Who reads and writes the mail.
    pub(crate) owner: (u32, u32),
    pub(crate) processes: Processes,
    running: Option<Box<dyn Running>>,
}

/// Dropped, it ends the server.
trait Running {}

/// What all servers share.
pub(crate) struct Place {
    /// A directory for a server's files.
    directory: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    /// Key and certificate in one file.
    both: PathBuf,
    /// What clients trust.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// Started when it is first needed.
    slapd: OnceCell<Slapd>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Restante => "Restante",
            Self::Dovecot => "Dovecot",
            Self::Dovecot24 => "Dovecot 2.4",
            Self::Courier => "Courier",
        }
    }
}

impl Server {
    pub(crate) fn start(kind: Kind, users: Users, place: &Place, options: &Options) -> Result<Self> {
        match kind {
            Kind::Restante => restante::start(users, place, options),
            Kind::Dovecot => dovecot::start(users, place, options),
            Kind::Dovecot24 => dovecot::start_24(users, place, options),
            Kind::Courier if users != Users::Plain => Err("it has no such users here".into()),
            Kind::Courier => courier::start(place, options),
        }
        .map_err(|error| format!("{} does not start: {error}", kind.name()).into())
    }

    /// Ends it; its mail stays, but for Courier's.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    pub(crate) fn maildir(&self, user: &str) -> PathBuf {
        self.mail.join(user).join("Maildir")
    }
}

impl Users {
    /// Behind the server's name, for a directory of its own.
    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Sha512 => "-sha512",
            Self::Ldap => "-ldap",
            Self::LdapCached => "-ldap-cached",
        }
    }

    pub(crate) fn are_in_a_directory(self) -> bool {
        matches!(self, Self::Ldap | Self::LdapCached)
    }

    /// Whether servers remember who had the right password.
    fn are_cached(self) -> bool {
        matches!(self, Self::Plain | Self::LdapCached)
    }

    /// Courier has the first ones only.
    pub(crate) fn are_known_to(self, kind: Kind) -> bool {
        self == Self::Plain || kind != Kind::Courier
    }

    /// One of [`NUMBERED_USERS`], and the password.
    pub(crate) fn numbered(self, number: usize, options: &Options) -> (String, String) {
        if self.are_in_a_directory() {
            // From all over the directory.
            let number = number * (options.directory_users() / NUMBERED_USERS);
            return (format!("user{number}@example.com"), format!("secret{number}"));
        }
        (format!("idle{number}"), PASSWORD.to_owned())
    }

    /// A passwd-file with [`users`], as Restante and Dovecot take it.
    fn passwd_file(self, options: &Options) -> Result<String> {
        let stored = match self {
            Self::Sha512 => format!("{{CRYPT}}{}", sha512_hash()?),
            _ => format!("{{PLAIN}}{PASSWORD}"),
        };
        Ok(users(options).iter().map(|user| format!("{user}:{stored}::::::\n")).collect())
    }
}

impl Place {
    /// Makes a certificate in that directory.
    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let place = Self {
            directory: directory.to_owned(),
            certificate: directory.join("cert.pem"),
            key: directory.join("key.pem"),
            both: directory.join("both.pem"),
            tls: Arc::new(tls(made.cert.der().clone())?),
            slapd: OnceCell::new(),
        };
        std::fs::write(&place.both, format!("{key}{certificate}"))?;
        std::fs::write(&place.certificate, certificate)?;
        std::fs::write(&place.key, key)?;
        Ok(place)
    }

    /// The directory of users, at `ldap://`.
    fn directory_url(&self, options: &Options) -> Result<String> {
        if let Some(slapd) = self.slapd.get() {
            return Ok(slapd.url());
        }
        eprintln!("making a directory of {} users", options.directory_users());
        let slapd = Slapd::start(options.directory_users(), "").ok_or("there is no slapd")?;
        Ok(self.slapd.get_or_init(|| slapd).url())
    }
}

fn tls(certificate: CertificateDer<'static>) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Every log-in shakes hands in full, as after a client's restart.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The users that every server has.
pub(crate) fn users(options: &Options) -> Vec<String> {
    let single = ["small", "realistic", "store", "append", "deliver", "other"];
    let numbered = ["first", "idle"]
        .iter()
        .flat_map(|name| (0..NUMBERED_USERS).map(move |number| format!("{name}{number}")));
    let own = (0..options.own_users()).map(|number| format!("own{number}"));
    single.into_iter().map(str::to_owned).chain(numbered).chain(own).collect()
}

/// The password's hash as passwd(1) makes it: 5,000 rounds of SHA-512.
fn sha512_hash() -> Result<String> {
    let output = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output()?;
    let hash = String::from_utf8(output.stdout)?.trim().to_owned();
    if hash.starts_with("$6$") { Ok(hash) } else { Err("openssl passwd makes no hash".into()) }
}

/// The user that Restante and Dovecot work as: nobody, or whoever runs this.
fn owner() -> Result<(u32, u32)> {
    if !peers::is_root() {
        return Ok((nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()));
    }
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let line = passwd.lines().find(|line| line.starts_with("nobody:")).ok_or("no user nobody")?;
    let mut numbers = line.split(':').skip(2);
    let mut next = || numbers.next().and_then(|number| number.parse().ok()).ok_or("/etc/passwd is damaged");
    Ok((next()?, next()?))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn wait_until_it_listens(port: u16, log: &Path) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > until {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            return Err(format!("nothing listens on port {port}; its log:\n{log}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
