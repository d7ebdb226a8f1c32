//! The installed Dovecot, with a configuration of our own, tuned as an administrator would:
//! log-in processes that serve many, caches filled ahead, `cur` not read again when its mtime
//! is as before.

use super::{Kind, Place, Running, Server, Users};
use crate::Result;
use crate::measure::Processes;
use crate::options::Options;
use restante_tests::slapd;
use std::path::Path;
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

pub(super) fn start(users: Users, place: &Place, options: &Options) -> Result<Server> {
    let directory = place.directory.join(format!("dovecot{}", users.suffix()));
    let mail = directory.join("mail");
    std::fs::create_dir_all(&mail)?;
    let owner = super::owner()?;
    crate::corpus::give(&mail, owner)?;
    let (port, tls_port) = (super::free_port()?, super::free_port()?);
    std::fs::write(directory.join("users"), users.passwd_file()?)?;
    if users.are_in_a_directory() {
        std::fs::write(directory.join("ldap"), ldap_settings(&place.directory_url(options)?))?;
    }
    let configuration = directory.join("dovecot.conf");
    let more = if options.hibernate { "imap_hibernate_timeout = 2s\n" } else { "" };
    std::fs::write(&configuration, settings(users, place, &directory, (port, tls_port)) + more)?;
    let process = Command::new("/usr/sbin/dovecot")
        .args(["-F", "-c"])
        .arg(&configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let processes = Processes::Tree(process.id());
    let server = Server {
        kind: Kind::Dovecot,
        port,
        tls_port,
        mail,
        owner,
        processes,
        running: Some(Box::new(Process(process))),
    };
    super::wait_until_it_listens(tls_port, &directory.join("log"))?;
    Ok(server)
}

/// A search for the entry, then a bind with its DN.
fn ldap_settings(url: &str) -> String {
    let ((dn, password), base) = (slapd::SERVICE, slapd::PEOPLE);
    format!(
        "uris = {url}
dn = {dn}
dnpass = {password}
auth_bind = yes
base = {base}
scope = subtree
pass_attrs = mail=user
pass_filter = (&(objectClass=CourierMailAccount)(mail=%u))
"
    )
}

fn settings(users: Users, place: &Place, directory: &Path, (port, tls_port): (u16, u16)) -> String {
    let (certificate, key) = (place.certificate.display(), place.key.display());
    let (directory, suffix) = (directory.display(), users.suffix());
    let cache = if users.are_cached() { "8M" } else { "0" };
    let passdb = if users.are_in_a_directory() {
        format!("driver = ldap\n  args = {directory}/ldap")
    } else {
        format!("driver = passwd-file\n  args = username_format=%u {directory}/users")
    };
    format!(
        "base_dir = {directory}/run
state_dir = {directory}/state
instance_name = restante-bench{suffix}
protocols = imap
listen = 127.0.0.1
log_path = {directory}/log
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_cache_size = {cache}
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{directory}/mail/%u/Maildir
mail_max_userip_connections = 0
maildir_very_dirty_syncs = yes
mail_always_cache_fields = flags date.received size.virtual imap.envelope imap.bodystructure
default_process_limit = 200
default_client_limit = 19000
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  {passdb}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}/home/%u
}}
service imap-login {{
  chroot =
  service_count = 0
  client_limit = 16384
  process_min_avail = 2
  process_limit = 4
  vsz_limit = 2G
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 20000
  process_min_avail = 4
  service_count = 256
  vsz_limit = 4G
  unix_listener imap-master {{
    user = nobody
  }}
}}
service imap-hibernate {{
  client_limit = 16384
  process_limit = 2
  unix_listener imap-hibernate {{
    mode = 0600
    user = nobody
  }}
}}
service anvil {{
  chroot =
  client_limit = 25000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  client_limit = 25000
}}
service stats {{
  chroot =
  client_limit = 25000
}}
"
    )
}
