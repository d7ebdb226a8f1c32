//! Restante as its release build is.

use super::{Kind, Place, Running, Server, Users};
use crate::measure::Processes;
use crate::options::Options;
use crate::{Result, peers};
use restante_tests::slapd;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Ends with the benchmark.
struct Process(Child);

impl Running for Process {}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn start(users: Users, place: &Place, options: &Options) -> Result<Server> {
    let binary = match &options.server_binary {
        Some(binary) => binary.clone(),
        None => build()?,
    };
    let directory = place.directory.join(format!("restante{}", users.suffix()));
    let mail = directory.join("mail");
    std::fs::create_dir_all(&mail)?;
    let owner = super::owner()?;
    let (port, tls_port) = (super::free_port()?, super::free_port()?);
    std::fs::write(directory.join("users"), users.passwd_file(options)?)?;
    for path in [&directory, &mail, &place.certificate, &place.key, &directory.join("users")] {
        crate::corpus::give(path, owner)?;
    }
    let configuration = directory.join("restante.toml");
    std::fs::write(
        &configuration,
        settings(place, &directory, (users, &source(users, place, &directory, options)?), (port, tls_port)),
    )?;
    let log = directory.join("log");
    let process = Command::new(&binary)
        .args(["serve", "--config"])
        .arg(&configuration)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let processes = Processes::Tree(process.id());
    let server = Server {
        kind: Kind::Restante,
        port,
        tls_port,
        mail,
        owner,
        processes,
        running: Some(Box::new(Process(process))),
    };
    super::wait_until_it_listens(tls_port, &log)?;
    Ok(server)
}

/// Builds it with the cargo that runs the benchmark, and says where it is.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    eprintln!("building Restante");
    peers::succeed(Command::new(cargo).args(["build", "--release", "-p", "restante"]).current_dir(&root))?;
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).ok_or("no target directory above this program")?;
    Ok(target.join("release/restante"))
}

/// The settings of the source of users.
fn source(users: Users, place: &Place, directory: &Path, options: &Options) -> Result<String> {
    if !users.are_in_a_directory() {
        return Ok(format!("passwd-file = \"{}/users\"", directory.display()));
    }
    let ((dn, password), base) = (slapd::SERVICE, slapd::PEOPLE);
    Ok(format!(
        "[users.ldap]
servers = [\"{}\"]
bind-dn = \"{dn}\"
bind-password = \"{password}\"
base = \"{base}\"
filter = \"(&(objectClass=CourierMailAccount)(mail=%u))\"",
        place.directory_url(options)?
    ))
}

fn settings(
    place: &Place,
    directory: &Path,
    (users, source): (Users, &str),
    (port, tls_port): (u16, u16),
) -> String {
    let user = if peers::is_root() { "user = \"nobody\"" } else { "" };
    let (certificate, key) = (place.certificate.display(), place.key.display());
    let directory = directory.display();
    // Without it, the default's cache.
    let cache = if users.are_cached() { "" } else { "cache-lifetime = \"0s\"" };
    format!(
        "hostname = \"localhost\"
[tls]
certificate = \"{certificate}\"
key = \"{key}\"
[mail]
maildir = \"{directory}/mail/%u/Maildir\"
create = true
{user}
[[users]]
{source}
[login]
cleartext-from = [\"127.0.0.0/8\"]
{cache}
[limits]
connections = 500000
connections-per-address = 500000
connections-per-user-and-address = 500000
[[listen]]
address = \"127.0.0.1:{port}\"
tls = \"starttls\"
[[listen]]
address = \"127.0.0.1:{tls_port}\"
tls = \"implicit\"
"
    )
}
