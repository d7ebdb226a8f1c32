//! Settings of Dovecot 2.4 and later.

use super::super::{Place, Users};
use restante_tests::slapd;
use std::path::Path;

/// All but the services, for that version; `ldap` is the URL of the users' directory, if they are
/// in one.
pub(super) fn text(
    users: Users,
    place: &Place,
    directory: &Path,
    version: &str,
    ldap: Option<&str>,
) -> String {
    let (certificate, key) = (place.certificate.display(), place.key.display());
    let (directory, suffix) = (directory.display(), users.suffix());
    let cache = if users.are_cached() { "8M" } else { "0" };
    let passdb = match ldap {
        Some(url) => passdb_ldap(url),
        None => format!("passdb passwd-file {{\n  passwd_file_path = {directory}/users\n}}"),
    };
    format!(
        "dovecot_config_version = {version}
dovecot_storage_version = {version}
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = restante-bench-24{suffix}
protocols {{
  imap = yes
}}
listen = 127.0.0.1
log_path = {directory}/log
ssl = yes
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
ssl_min_protocol = TLSv1.2
auth_allow_cleartext = yes
auth_mechanisms = plain login
auth_failure_delay = 0
auth_cache_size = {cache}
auth_username_format = %{{user}}
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_driver = maildir
mail_path = {directory}/mail/%{{user}}/Maildir
mail_inbox_path = {directory}/mail/%{{user}}/Maildir
mail_max_userip_connections = 0
maildir_very_dirty_syncs = yes
mail_always_cache_fields = flags date.received size.virtual imap.envelope imap.bodystructure
default_process_limit = 200
default_client_limit = 19000
namespace inbox {{
  inbox = yes
  separator = /
}}
{passdb}
userdb static {{
  fields {{
    uid = nobody
    gid = nogroup
    home = {directory}/home/%{{user}}
  }}
}}
"
    )
}

/// A search for the entry, then a bind with its DN.
fn passdb_ldap(url: &str) -> String {
    let ((dn, password), base) = (slapd::SERVICE, slapd::PEOPLE);
    format!(
        "ldap_uris = {url}
ldap_auth_dn = {dn}
ldap_auth_dn_password = {password}
ldap_base = {base}
ldap_scope = subtree
passdb ldap {{
  ldap_filter = (&(objectClass=CourierMailAccount)(mail=%{{user}}))
  ldap_bind = yes
  fields {{
    user = %{{ldap:mail}}
  }}
}}"
    )
}
