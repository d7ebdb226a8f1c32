//! What becomes of Dovecot's settings that are not looked at by name.

const CERTIFICATES: &str = "clients' certificates are client-certificates and client-ca of [tls], and EXTERNAL among mechanisms of [login]";

/// Settings that tell how Dovecot works, not what clients or mail see of it.
const NO_DIFFERENCE: &[&str] = &[
    "auth_cache_negative_ttl",
    "auth_cache_size",
    "auth_cache_ttl",
    "auth_cache_verify_password_with_worker",
    "auth_failure_delay",
    "auth_internal_failure_delay",
    "auth_realms",
    "auth_socket_path",
    "auth_stats",
    "auth_verbose",
    "auth_worker_max_count",
    "base_dir",
    "config_cache_size",
    "deliver_log_format",
    "dotlock_use_excl",
    "dovecot_config_version",
    "dovecot_storage_version",
    "first_valid_gid",
    "first_valid_uid",
    "imap_fetch_failure",
    "imap_hibernate_timeout",
    "imap_id_log",
    "imap_id_received",
    "imap_id_retain",
    "imap_id_send",
    "imap_literal_minus",
    "imap_logout_format",
    "import_environment",
    "instance_name",
    "last_valid_gid",
    "last_valid_uid",
    "libexec_dir",
    "lock_method",
    "log_core_filter",
    "log_timestamp",
    "login_log_format",
    "login_log_format_elements",
    "login_plugin_dir",
    "mail_always_cache_fields",
    "mail_attachment_detection_options",
    "mail_cache_fields",
    "mail_fsync",
    "mail_log_prefix",
    "mail_max_lock_timeout",
    "mail_never_cache_fields",
    "mail_plugin_dir",
    "mail_prefetch_count",
    "mail_privileged_group",
    "mail_save_crlf",
    "mail_sort_max_read_count",
    "mail_temp_dir",
    "mail_temp_scan_interval",
    "mail_vsize_bg_after_count",
    "mailbox_idle_check_interval",
    "mailbox_list_index",
    "mailbox_list_index_include_inbox",
    "mailbox_list_index_very_dirty_syncs",
    "maildir_broken_filename_sizes",
    "maildir_copy_with_hardlinks",
    "maildir_empty_new",
    "maildir_stat_dirs",
    "maildir_very_dirty_syncs",
    "mmap_disable",
    "postmaster_address",
    "process_shutdown_filter",
    "quota_full_tempfail",
    "rawlog_dir",
    "recipient_delimiter",
    "rejection_reason",
    "rejection_subject",
    "sendmail_path",
    "shutdown_clients",
    "ssl_dh",
    "ssl_server_dh_file",
    "ssl_options",
    "ssl_crypto_device",
    "ssl_prefer_server_ciphers",
    "ssl_server_prefer_ciphers",
    "ssl_require_crl",
    "ssl_cert_username_field",
    "ssl_server_require_crl",
    "ssl_server_cert_username_field",
    "state_dir",
    "stats_writer_socket_path",
    "valid_chroot_dirs",
    "verbose_proctitle",
    "verbose_ssl",
    "version_ignore",
    "haproxy_timeout",
    "haproxy_trusted_networks",
    "passdb_default_password_scheme",
    "mail_server_comment",
];

/// Settings of other protocols, which are said as a whole, and of Dovecot's inner life.
const NO_DIFFERENCE_PREFIXES: &[&str] = &[
    "default_",
    "pop3_",
    "pop3c_",
    "lmtp_",
    "lda_",
    "submission_",
    "managesieve_",
    "sieve_",
    "director_",
    "doveadm_",
    "dsync_",
    "imapc_",
    "mbox_",
    "mdbox_",
    "old_stats_",
    "stats_",
    "metric_",
    "replication_",
    "replicator_",
    "ssl_client_",
    "login_proxy_",
    "auth_policy_",
    "auth_winbind_",
    "imap_urlauth_",
    "fts_",
];

/// Blocks that change nothing, or whose settings are looked at where they belong.
pub(super) const BLOCKS_WITHOUT_DIFFERENCE: &[&str] =
    &["service", "protocol", "metric", "event_exporter", "log_path", "imap_id_send", "sieve_script", "fts"];

/// Settings without counterpart: the values with which nothing is lost, and why else.
const LOST: &[(&str, &[&str], &str)] = &[
    (
        "auth_username_format",
        &["%Lu", "%u", "%{user}", "%{user | lower}", "%{user|lower}", ""],
        "names are looked up in small letters and else as they are",
    ),
    (
        "auth_username_chars",
        &[],
        "which characters a name may have is not set; passwd files know the names there are",
    ),
    ("auth_username_translation", &[""], "characters of names are not replaced"),
    ("auth_verbose_passwords", &["no"], "passwords are never logged"),
    ("auth_debug_passwords", &["no"], "passwords are never logged"),
    ("auth_ssl_require_client_cert", &["no"], CERTIFICATES),
    ("auth_ssl_username_from_cert", &["no"], CERTIFICATES),
    ("auth_gssapi_hostname", &[""], "there is no Kerberos"),
    ("auth_krb5_keytab", &[""], "there is no Kerberos"),
    ("ssl_verify_client_cert", &["no"], CERTIFICATES),
    ("ssl_server_request_client_cert", &["no"], CERTIFICATES),
    ("ssl_ca", &[""], CERTIFICATES),
    ("ssl_server_ca_file", &[""], CERTIFICATES),
    ("ssl_alt_cert", &[""], "there is one certificate for a name: with two kinds of keys, the newer kind"),
    ("ssl_alt_key", &[""], "there is one certificate for a name: with two kinds of keys, the newer kind"),
    (
        "ssl_server_alt_cert_file",
        &[""],
        "there is one certificate for a name: with two kinds of keys, the newer kind",
    ),
    (
        "ssl_server_alt_key_file",
        &[""],
        "there is one certificate for a name: with two kinds of keys, the newer kind",
    ),
    ("ssl_cipher_list", &[""], "cipher suites cannot be chosen: only those that are safe are offered"),
    ("ssl_cipher_suites", &[""], "cipher suites cannot be chosen: only those that are safe are offered"),
    ("ssl_curve_list", &[""], "curves cannot be chosen: only those that are safe are offered"),
    ("imap_capability", &[""], "capabilities are those that the server has"),
    (
        "imap_client_workarounds",
        &[""],
        "clients are served without; what was found with them is in the server",
    ),
    ("imap_metadata", &["no"], "METADATA is not there yet"),
    ("login_greeting", &[], "the greeting names the host, see hostname"),
    ("log_path", &["", "syslog", "/dev/stderr"], "the log goes to standard error, for systemd to keep"),
    ("info_log_path", &[""], "the log goes to standard error, for systemd to keep"),
    ("debug_log_path", &[""], "the log goes to standard error, for systemd to keep"),
    ("syslog_facility", &["mail"], "the log goes to standard error, for systemd to keep"),
    ("log_debug", &[""], "see level in [log]"),
    ("login_access_sockets", &[""], "there is no tcpwrap: let the packet filter refuse addresses"),
    ("login_plugins", &[""], "log-in has no plugins"),
    ("login_source_ips", &[""], "log-ins are not passed on to other servers"),
    ("mail_access_groups", &[""], "put the user of [mail] into these groups"),
    (
        "mail_attachment_dir",
        &[""],
        "attachments outside the message's file are not found: they must be put back first",
    ),
    ("mail_attribute_dict", &[""], "METADATA is not there yet"),
    ("mail_chroot", &[""], "there is no chroot; the server can open what the user of [mail] can"),
    ("mail_full_filesystem_access", &["no"], "clients see their Maildir and nothing else"),
    (
        "mail_max_keyword_length",
        &["50"],
        "the length of keywords is not set; their number is, see keywords in [mail]",
    ),
    ("mail_nfs_index", &["no"], "nothing is to be set for NFS"),
    ("mail_nfs_storage", &["no"], "nothing is to be set for NFS"),
    ("mail_server_admin", &[""], "METADATA is not there yet"),
    ("mail_shared_explicit_inbox", &["no"], "shared mailboxes are not there yet"),
    ("acl_driver", &[""], "ACL is not there yet"),
];

/// Whether a setting can be left out without a word.
pub(super) fn is_no_difference(key: &str) -> bool {
    NO_DIFFERENCE.contains(&key) || NO_DIFFERENCE_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Values with which a setting is no loss, and why it is one with others.
pub(super) fn lost(key: &str) -> Option<(&'static [&'static str], &'static str)> {
    LOST.iter().find(|(known, ..)| *known == key).map(|(_, unless, why)| (*unless, *why))
}

/// Why a block is lost.
pub(super) fn lost_block(kind: &str) -> &'static str {
    match kind {
        "local" | "remote" => "settings are the same for all addresses",
        "acl" => "ACL is not there yet",
        "dict" | "dict_server" | "dict_map" => "there are no dictionaries",
        _ => "no block of Dovecot's settings that is known here",
    }
}

/// Why a plugin is missed; `None` when it is not.
pub(super) fn plugin(name: &str) -> Option<&'static str> {
    Some(match name {
        // What mail_log says is logged by [log] changes.
        "mail_log"
        | "quota"
        | "imap_quota"
        | "quota_clone"
        | "notify"
        | "lazy_expunge_notify"
        | "listescape" => {
            return None;
        }
        // Which compression is said with its setting; COMPRESS, of IMAP, clients do without.
        "zlib" | "imap_zlib" | "mail_compress" => return None,
        "mail_crypt" => "encrypted messages are not read: decrypt them first, with doveadm backup",
        "acl" | "imap_acl" => "ACL is not there yet: rights that were granted are not looked at",
        "virtual" => "virtual mailboxes are not there; what they show stays where it is",
        "sieve" | "imap_sieve" | "imap_filter_sieve" => "Sieve: let Dovecot's delivery go on filtering",
        "trash" | "expire" => {
            "nothing is deleted for its age or to make room: let cron do it, with find -ctime"
        }
        "lazy_expunge" => "what a client expunges is gone",
        "mail_lua" | "push_notification" | "welcome" => "not there",
        _ if name.starts_with("fts") => "SEARCH reads the messages: there is no index of their words",
        _ => "there are no plugins",
    })
}
