//! Settings of Dovecot 2.3, Debian 12's.

use super::super::{Place, Users};
use restante_tests::slapd;
use std::path::Path;

/// A search for the entry, then a bind with its DN.
pub(super) fn ldap(url: &str) -> String {
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

/// All but the services.
pub(super) fn text(users: Users, place: &Place, directory: &Path) -> String {
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
"
    )
}
