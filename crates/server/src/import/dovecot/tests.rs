//! Dovecot's settings: what becomes of them, in 2.3's words and in 2.4's.

use super::*;
use crate::settings::{SourceKind, read_text};
use auth::helper::Check;
use std::path::Path;

const SMALL: &str = "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf\n# Hostname: mail.example.com\n\
    protocols = imap\nssl = required\nssl_cert = </etc/ssl/c.pem\nssl_key = # hidden, use -P to show it\n\
    mail_location = maildir:~/Maildir\n\
    namespace inbox {\n  inbox = yes\n  prefix = \n  separator = /\n}\n\
    passdb {\n  args = username_format=%u /etc/dovecot/users\n  driver = passwd-file\n}\n\
    userdb {\n  args = uid=vmail gid=vmail home=/srv/mail/%d/%n\n  driver = static\n}\n";

fn import_text(text: &str) -> (String, Vec<String>) {
    let draft = import("doveconf", text.as_bytes(), None).expect(text);
    let losses = draft.losses().iter().map(ToString::to_string).collect();
    (draft.to_toml("a test"), losses)
}

#[test]
fn a_small_site_loses_nothing() {
    let (toml, losses) = import_text(SMALL);
    assert_eq!(losses, Vec::<String>::new());
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(configuration.session.hostname, "mail.example.com");
    assert_eq!(configuration.maildir, "/srv/mail/%d/%n/Maildir");
    assert_eq!(configuration.user.as_deref(), Some("vmail"));
    assert!(configuration.passwd_files().eq([Path::new("/etc/dovecot/users")]));
    assert_eq!(configuration.session.namespace, session::NamespaceStyle::Plain);
    assert!(!configuration.store.utf8_names && configuration.listen.is_empty(), "{toml}");
    for line in [
        "maildir = \"/srv/mail/%d/%n/Maildir\" # doveconf: mail_location, userdb static: home",
        "# Fill in: doveconf hides it; `doveconf -P ssl_key ssl_server_key_file` says where it is.",
        "namespace = \"plain\" # doveconf: namespace inbox: prefix=, namespace inbox: separator=/",
    ] {
        assert!(toml.lines().any(|found| found == line), "{line} is not in\n{toml}");
    }
}

#[test]
fn escapes_in_names_of_directories_are_read_on() {
    for (settings, expected) in [
        ("mail_plugins = quota listescape\n", Some('\\')),
        ("mail_plugins = listescape\nplugin {\n  listescape_char = \"%%\"\n}\n", Some('%')),
        ("mail_plugins = listescape\nplugin {\n  listescape_char = ^\n}\n", Some('^')),
        ("mailbox_list_storage_escape_char = \"\\\\\"\n", Some('\\')),
        ("mail_plugins = quota\n", None),
    ] {
        let (toml, losses) = import_text(&format!("{SMALL}{settings}"));
        assert_eq!(losses, Vec::<String>::new(), "{settings}");
        let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
        assert_eq!(configuration.store.name_escape, expected, "{toml}");
    }
}

#[test]
fn the_words_of_2_4_mean_the_same() {
    let text = "# 2.4.1 (x): /etc/dovecot/dovecot.conf\n# Hostname: mail.example.com\ndovecot_config_version = 2.4.1\n\
        dovecot_storage_version = 2.4.1\nprotocols {\n  imap = yes\n}\nauth_mechanisms = plain login\n\
        auth_allow_cleartext = no\nssl = required\nssl_server_cert_file = /etc/ssl/c.pem\nssl_server_key_file = /etc/ssl/k.pem\n\
        mail_driver = maildir\nmail_path = ~/Maildir\nmail_home = /srv/mail/%{user | domain}/%{user | username}\n\
        mail_uid = vmail\nmail_gid = vmail\n\
        namespace inbox {\n  inbox = yes\n  separator = /\n  mailbox Drafts {\n    special_use = \\Drafts\n  }\n}\n\
        passdb passwd-file {\n  default_password_scheme = sha512-crypt\n  passwd_file_path = /etc/dovecot/users\n}\n\
        userdb passwd-file {\n  passwd_file_path = /etc/dovecot/users\n}\n";
    let (toml, losses) = import_text(text);
    assert_eq!(losses, Vec::<String>::new());
    let (old, _) = import_text(&format!("{SMALL}auth_mechanisms = plain login\n"));
    let read = |toml: &str| read_text(Path::new("r.toml"), toml).expect(toml);
    let (new, old) = (read(&toml), read(&old));
    assert_eq!((&new.maildir, &new.user, &new.group), (&old.maildir, &old.user, &old.group));
    assert_eq!((&new.sources, &new.session.mechanisms), (&old.sources, &old.session.mechanisms));
    assert_eq!(new.certificate.expect("there is one").key, Path::new("/etc/ssl/k.pem"));
}

#[test]
fn each_line_names_its_setting() {
    for (added, expected) in [
        (
            "login_trusted_networks = 10.0.0.0/8 192.0.2.1\n",
            "cleartext-from = [\"127.0.0.0/8\", \"::1\", \"10.0.0.0/8\", \"192.0.2.1\"] # doveconf: login_trusted_networks",
        ),
        ("ssl_min_protocol = TLSv1.3\n", "minimum-version = \"1.3\" # doveconf: ssl_min_protocol=TLSv1.3"),
        (
            "auth_default_realm = example.com\n",
            "default-domain = \"example.com\" # doveconf: auth_default_realm",
        ),
        (
            "mail_max_userip_connections = 20\n",
            "connections-per-user-and-address = 20 # doveconf: mail_max_userip_connections=20",
        ),
        (
            "mail_max_userip_connections = 20\nprotocol imap {\n  mail_max_userip_connections = 0\n}\nprotocol pop3 {\n  mail_max_userip_connections = 7\n}\n",
            "connections-per-user-and-address = 1000000 # doveconf: mail_max_userip_connections=0",
        ),
        (
            "imap_idle_notify_interval = 30 secs\n",
            "idle-keepalive = \"30s\" # doveconf: imap_idle_notify_interval=30 secs",
        ),
        ("imap_max_line_length = 64 k\n", "line = 65536 # doveconf: imap_max_line_length=64 k"),
        ("mail_debug = yes\n", "level = \"debug\" # doveconf: mail_debug=yes"),
        (
            "service imap {\n  process_limit = 2000\n}\n",
            "connections = 2000 # doveconf: service imap: process_limit=2000",
        ),
        ("listen = 192.0.2.1\n", "address = \"192.0.2.1:143\" # doveconf: listen"),
        ("service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n}\n", "address = \"[::]:993\""),
        (
            "service imap-login {\n  inet_listener more {\n    port = 1993\n    ssl = yes\n    address = 127.0.0.1\n  }\n}\n",
            "address = \"127.0.0.1:1993\" # doveconf: service imap-login inet_listener more: port, service imap-login inet_listener more: ssl, service imap-login inet_listener more: address",
        ),
        ("ssl_key = </etc/ssl/k.pem\n", "key = \"/etc/ssl/k.pem\" # doveconf: ssl_key"),
        (
            "local_name imap.example.org {\n  ssl_cert = </o.pem\n  ssl_key = </o.key\n}\n",
            "key = \"/o.key\" # doveconf: local_name imap.example.org",
        ),
        (
            "namespace inbox {\n  inbox = yes\n  prefix = INBOX.\n  separator = .\n}\n",
            "namespace = \"plain\" # doveconf: namespace inbox: prefix=, namespace inbox: separator=/",
        ),
    ] {
        let (toml, losses) = import_text(&format!("{SMALL}{added}"));
        assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{added}\n{toml}");
        assert!(toml.lines().any(|line| line == expected), "{added}: {expected} is not in\n{toml}");
        assert_eq!(losses, Vec::<String>::new(), "{added}");
    }
}

/// What a userdb says of all its users is taken, or said to be lost.
#[test]
fn fields_for_all_users_of_a_userdb() {
    let users = "{\n  args = /etc/dovecot/users\n  driver = passwd-file\n";
    let fields = "  default_fields = uid=5000 gid=vmail\n  override_fields = home=/srv/%d/%n quota_rule=*:storage=1G\n";
    let text = format!(
        "protocols = imap\nmail_location = maildir:~/Maildir\npassdb {users}}}\nuserdb {users}{fields}}}\n"
    );
    let (toml, losses) = import_text(&text);
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(configuration.maildir, "/srv/%d/%n/Maildir");
    assert_eq!(
        (configuration.user.as_deref(), configuration.group.as_deref()),
        (Some("5000"), Some("vmail"))
    );
    let lost = "doveconf: userdb passwd-file: override_fields: quota_rule=*:storage=1G: put it behind";
    assert!(losses.len() == 1 && losses[0].starts_with(lost), "{losses:?}");
}

/// Relative names of certificates are of the directory with the settings.
#[test]
fn certificates_are_named_from_the_settings() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("c.pem"), "").expect("a file");
    let text = SMALL.replace("</etc/ssl/c.pem", "<c.pem").replace("# hidden, use -P to show it", "<k.pem");
    for (named, given) in [(directory.path(), None), (Path::new("/elsewhere"), Some(directory.path()))] {
        let text =
            text.replace("/etc/dovecot/dovecot.conf", &named.join("dovecot.conf").display().to_string());
        let toml = import("doveconf", text.as_bytes(), given).expect(&text).to_toml("a test");
        let certificate = format!("certificate = \"{}/c.pem\" # ", directory.path().display());
        assert!(toml.contains(&certificate), "{toml}");
        assert!(toml.contains("# Fill in: Dovecot has <k.pem, from the directory of the file"), "{toml}");
    }
}

/// By what the store reads.
#[test]
fn compression_is_named() {
    for (method, expected) in
        [("gz", "are read as they are"), ("zstd", "are read as they are"), ("lz4", "are not read")]
    {
        for (settings, setting) in [
            (format!("mail_plugins = zlib\nplugin {{\n  zlib_save = {method}\n}}\n"), "plugin zlib_save"),
            (
                format!(
                    "mail_plugins {{\n  mail_compress = yes\n}}\nmail_compress_write_method = {method}\n"
                ),
                "mail_compress_write_method",
            ),
        ] {
            let (_, losses) = import_text(&format!("{SMALL}{settings}"));
            let start = format!("doveconf: {setting}={method}: messages so compressed {expected}");
            assert!(losses.len() == 1 && losses[0].starts_with(&start), "{losses:?}");
        }
    }
}

#[test]
fn namespaces_and_special_uses() {
    let with = |namespace: &str| {
        let (before, behind) = SMALL.split_once("namespace inbox").expect("it is there");
        let (_, behind) = behind.split_once("}\n").expect("it ends");
        import_text(&format!("{before}{namespace}{behind}"))
    };
    for (inside, expected, lost) in [
        ("prefix = INBOX.\n separator = .\n", "namespace = \"courier\" # ", None),
        ("prefix = \n separator = .\n", "namespace = \"plain\" # ", Some("separator=\".\": names look like")),
        ("prefix = Mail/\n separator = /\n", "namespace = \"plain\" # ", Some("prefix=\"Mail/\", separator")),
        (
            "separator = /\n mailbox Sent {\n special_use = \\Sent\n }\n mailbox \"Old/Sent Items\" {\n special_use = \\Sent\n }\n",
            "sent = [\"Sent\", \"Old.Sent Items\"] # doveconf: namespace inbox: mailbox Sent, namespace inbox: mailbox Old/Sent Items",
            None,
        ),
        (
            "separator = /\n mailbox All {\n special_use = \\All\n }\n",
            "[mail]",
            Some("mailbox All: special_use=\\All: "),
        ),
        (
            "separator = /\n mailbox Trash {\n auto = subscribe\n }\n",
            "[mail]",
            Some("auto=subscribe: mailboxes are not made"),
        ),
        ("separator = /\n mailbox Trash {\n auto = no\n }\n", "[mail]", None),
        (
            "separator = /\n mailbox Trash {\n autoexpunge = 30 days\n }\n",
            "[mail]",
            Some("autoexpunge=30 days: nothing"),
        ),
    ] {
        let (toml, losses) = with(&format!("namespace inbox {{\n inbox = yes\n{inside}}}\n"));
        assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{inside}\n{toml}");
        assert!(
            toml.lines().any(|line| line.starts_with(expected)),
            "{inside}: {expected} is not in\n{toml}"
        );
        match lost {
            Some(lost) => assert!(losses.len() == 1 && losses[0].contains(lost), "{inside}: {losses:#?}"),
            None => assert!(losses.is_empty(), "{inside}: {losses:#?}"),
        }
    }
}

#[test]
fn the_blocks_of_2_4_are_read() {
    let text = "protocols {\n  imap = yes\n}\nmail_driver = maildir\nmail_path = %{home}/Maildir\n\
        mailbox_list_utf8 = yes\nmailbox_list_layout = maildir++\n\
        passdb passwd-file {\n  passwd_file_path = /u\n}\n\
        userdb static {\n  fields {\n    uid = vmail\n    gid = mail\n    home = /srv/%{user}\n  }\n}\n\
        namespace inbox {\n  inbox = yes\n  separator = /\n  mailbox Junk {\n    special_use = \"\\\\Junk\"\n  }\n}\n";
    let (toml, losses) = import_text(text);
    assert_eq!(losses, Vec::<String>::new());
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(configuration.maildir, "/srv/%u/Maildir");
    assert_eq!(
        (configuration.user.as_deref(), configuration.group.as_deref()),
        (Some("vmail"), Some("mail"))
    );
    assert!(configuration.store.utf8_names && toml.contains("junk = [\"Junk\"]"), "{toml}");
}

#[test]
fn quotas_are_taken() {
    for (added, limits, counts_trash) in [
        (
            "mail_plugins = quota\nplugin {\n  quota_rule = *:storage=1G:messages=1000\n}\n",
            "\"1073741824S,1000C\" # doveconf: plugin quota_rule=*:storage=1G:messages=1000",
            true,
        ),
        (
            "mail_plugins = quota\nplugin {\n  quota_rule = *:storage=100\n  quota_rule2 = Trash:ignore\n}\n",
            "\"102400S\" # doveconf: plugin quota_rule=*:storage=100",
            false,
        ),
        (
            "mail_plugins {\n  quota = yes\n}\nquota \"User quota\" {\n  quota_storage_size = 2G\n  quota_message_count = 7\n}\n",
            "\"2147483648S,7C\" # doveconf: quota User quota: quota_storage_size=2G, quota User quota: quota_message_count=7",
            true,
        ),
        (
            "mail_plugins = quota\nuserdb {\n  args = home=/h/%u quota_rule=*:bytes=5\n  driver = static\n}\nplugin {\n  quota_rule = *:storage=1G\n}\n",
            "\"5S\" # doveconf: plugin quota_rule=*:storage=1G, userdb static: quota_rule=*:bytes=5",
            true,
        ),
        ("mail_plugins = quota\n", "", true),
    ] {
        let (toml, losses) = import_text(&format!("{SMALL}{added}"));
        assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{added}\n{toml}");
        assert_eq!(losses, Vec::<String>::new(), "{added}");
        let line = toml.lines().find_map(|line| line.strip_prefix("quota = ")).unwrap_or_default();
        assert_eq!(line, limits, "{added}");
        let counts = format!("quota-counts-trash = {counts_trash} # doveconf: mail_plugins");
        assert!(toml.lines().any(|line| line == counts), "{added}\n{toml}");
    }
    let (toml, _) = import_text(SMALL);
    assert!(!toml.contains("quota"), "{toml}");
}

#[test]
fn what_has_no_counterpart_is_said_and_what_makes_no_difference_is_not() {
    for (added, expected) in [
        ("protocols = imap pop3\n", Some("doveconf: protocols=pop3, of imap pop3: POP3")),
        ("disable_plaintext_auth = no\n", Some("doveconf: disable_plaintext_auth=no: no password")),
        ("auth_mechanisms = plain cram-md5\n", Some("doveconf: auth_mechanisms=CRAM-MD5: no such mechanism")),
        ("passdb {\n  args = %n\n  driver = pam\n}\n", Some("doveconf: passdb pam: write it as [users.pam]")),
        (
            "passdb {\n  args = /etc/dovecot/sql.conf\n  driver = sql\n}\n",
            Some("doveconf: passdb sql: write it as [users.sql]"),
        ),
        (
            "passdb {\n  args = /m\n  driver = passwd-file\n  master = yes\n  pass = yes\n}\n",
            Some("doveconf: passdb passwd-file: pass=(not shown): a master's password"),
        ),
        (
            "passdb {\n  args = /srv/%d/users\n  driver = passwd-file\n}\n",
            Some(
                "doveconf: passdb passwd-file: file=/srv/%d/users: a file for each domain is DIRECTORY/DOMAIN",
            ),
        ),
        (
            "passdb {\n  args = scheme=PLAIN /u\n  driver = passwd-file\n}\n",
            Some("doveconf: passdb passwd-file: scheme=PLAIN: write {PLAIN}"),
        ),
        ("userdb {\n  driver = passwd\n}\n", Some("doveconf: userdb passwd: put the home")),
        ("userdb {\n  driver = prefetch\n}\n", None),
        ("mail_location = maildir:~/Maildir:INDEX=/var/i/%u\n", None),
        (
            "mail_location = maildir:~/Maildir:CONTROL=/var/c/%1n\n",
            Some("doveconf: mail_location: CONTROL=/var/c/%1n: %1n has no counterpart: until it is known"),
        ),
        (
            "mail_location = maildir:~/Maildir:LAYOUT=index\n",
            Some("doveconf: mail_location: LAYOUT=index: mailboxes"),
        ),
        (
            "mail_location = maildir:~/Maildir:DIRNAME=mAildir\n",
            Some("doveconf: mail_location: DIRNAME=mAildir: mail that it puts elsewhere"),
        ),
        (
            "mail_location = maildir:/srv/%2.26Hu\n",
            Some("doveconf: mail_location=/srv/%2.26Hu: %2.26Hu has no"),
        ),
        (
            "mail_location = mdbox:~/mdbox\n",
            Some("doveconf: mail_location=mdbox:~/mdbox: mail must be in Maildirs"),
        ),
        (
            "mail_plugins = quota
plugin {
  quota = maildir:User quota
  quota_rule2 = Trash:storage=+10%%
}
",
            Some("doveconf: plugin quota_rule2=Trash:storage=+10%%: the quota is one"),
        ),
        (
            "plugin {
  quota_rule = *:storage=1G
}
",
            None,
        ),
        ("mail_plugins = zlib quota\n", Some("doveconf: mail_plugins=zlib: messages in gzip")),
        ("mail_plugins {\n  acl = yes\n}\n", Some("doveconf: mail_plugins=acl: ACL")),
        (
            "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0666\n  }\n}\n",
            Some("doveconf: service auth: unix_listener /var/spool/postfix/private/auth: "),
        ),
        ("service auth {\n  unix_listener auth-userdb {\n    mode = 0666\n  }\n}\n", None),
        (
            "service imap-login {\n  inet_listener imap {\n    haproxy = yes\n  }\n}\n",
            Some("doveconf: service imap-login inet_listener imap: haproxy: "),
        ),
        ("namespace old {\n  prefix = x/\n  type = public\n}\n", Some("doveconf: namespace old: shared")),
        ("mail_max_keyword_length = 100\n", Some("doveconf: mail_max_keyword_length=100: the length")),
        ("mail_max_keyword_length = 50\n", None),
        (
            "maildir_very_dirty_syncs = yes\nfirst_valid_uid = 500\nssl_dh = # hidden, use -P to show it\nlmtp_proxy = yes\n",
            None,
        ),
        ("ssl_key_password = geheim\n", Some("doveconf: ssl_key_password: keys are read")),
        ("house_setting = geheim\n", Some("doveconf: house_setting: no setting of Dovecot")),
        ("local 192.0.2.1 {\n  ssl = no\n}\n", Some("doveconf: local 192.0.2.1: settings are the same")),
        (
            "imap_idle_notify_interval = 2 moons\n",
            Some("doveconf: imap_idle_notify_interval=2 moons: no time"),
        ),
        ("imap_max_line_length = 1\n", Some("doveconf: imap_max_line_length=1: line of [limits] must be")),
    ] {
        let (toml, losses) = import_text(&format!("{SMALL}{added}"));
        assert!(read_text(Path::new("r.toml"), &toml).is_ok(), "{added}\n{toml}");
        assert!(!toml.contains("geheim"), "{added}\n{toml}");
        match expected {
            Some(expected) => {
                assert!(
                    losses.len() == 1 && losses[0].starts_with(expected),
                    "{added}: {losses:#?}\n{expected}"
                );
            }
            None => assert!(losses.is_empty(), "{added}: {losses:#?}"),
        }
    }
}

#[test]
fn what_lies_elsewhere_is_set() {
    let small = SMALL.replace("mail_location = maildir:~/Maildir\n", "");
    for (added, control, inbox, is_fs) in [
        ("mail_location = maildir:~/Maildir:CONTROL=/var/c/%Lu:INDEX=/i\n", Some("/var/c/%u"), None, false),
        ("mail_location = maildir:~/Maildir:LAYOUT=fs:INBOX=~/in\n", None, Some("/srv/mail/%d/%n/in"), true),
        ("mail_location = maildir:~/Maildir:LAYOUT=Maildir++:INBOX=~/Maildir\n", None, None, false),
        (
            "mail_driver = maildir\nmail_path = /m/%{user}\nmail_control_path = /c/%{user}\n\
             mail_inbox_path = /i/%{user}\nmailbox_list_layout = fs\n",
            Some("/c/%u"),
            Some("/i/%u"),
            true,
        ),
    ] {
        let (toml, losses) = import_text(&format!("{small}{added}"));
        assert_eq!(losses, Vec::<String>::new(), "{added}");
        let location = read_text(Path::new("r.toml"), &toml).expect(&toml).dovecot;
        let found = (location.control.as_deref(), location.inbox.as_deref(), location.is_fs);
        assert_eq!(found, (control, inbox, is_fs), "{added}\n{toml}");
    }
}

#[test]
fn ldap_becomes_a_source_but_for_its_password() {
    use auth::ldap::{Mode, OwnBind};
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dovecot-ldap.conf.ext");
    let blocks = "passdb {\n  args = username_format=%u /etc/dovecot/users\n  driver = passwd-file\n}\n";
    let ldap = format!(
        "passdb {{\n  args = {path}\n  driver = ldap\n}}\nuserdb {{\n  args = {path}\n  driver = ldap\n}}\n",
        path = path.display()
    );
    let import_ldap = |file: &str| {
        std::fs::write(&path, file).expect("a file");
        let (toml, losses) = import_text(&SMALL.replace(blocks, &ldap));
        let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
        let [source] = configuration.sources.as_slice() else { panic!("{toml}") };
        let SourceKind::Ldap(settings) = &source.kind else { panic!("{toml}") };
        assert!(!toml.contains("toto"), "{toml}");
        (*settings.clone(), losses)
    };
    let (settings, losses) = import_ldap(
        "# comment\nhosts = l1.example.com l2.example.com:1389\ntls = yes\ntls_ca_cert_file = /etc/ca.pem\ndn = cn=dovecot\n\
         dnpass = toto\nauth_bind = yes\nbase = ou=people,o=x\nscope = onelevel\nldap_version = 3\n\
         pass_filter = (&(objectClass=posixAccount)(mail=%Lu))\nuser_filter = (mail=%u)\n\
         pass_attrs = mail=user,userPassword=password\nuser_attrs = homeDirectory=home,uidNumber=uid,=gid=8,q=quota_rule=*:bytes=%$\n",
    );
    assert_eq!(settings.servers, ["ldap://l1.example.com", "ldap://l2.example.com:1389"]);
    assert!(settings.start_tls && settings.mode == Mode::Search);
    assert_eq!(settings.filter.as_deref(), Some("(&(objectClass=posixAccount)(mail=%u))"));
    let file = "/etc/restante/ldap-password".into();
    assert_eq!(settings.own_bind, OwnBind::PasswordFile("cn=dovecot".to_owned(), file));
    let attributes = &settings.attributes;
    assert_eq!(
        (attributes.name.as_deref(), attributes.home.as_deref()),
        (Some("mail"), Some("homeDirectory"))
    );
    assert_eq!((attributes.uid.as_deref(), attributes.quota_size.as_deref()), (Some("uidNumber"), Some("q")));
    assert_eq!(losses.len(), 2, "{losses:?}");
    assert!(losses[0].contains("user_filter") && losses[1].contains("=gid=8"), "{losses:?}");
    let (settings, losses) = import_ldap(
        "uris = ldapi:///run/slapd/ldapi\nsasl_bind = yes\nsasl_mech = EXTERNAL\nauth_bind = yes\n\
         auth_bind_userdn = uid=%n,ou=people,o=x\nbase = o=x\nuser_filter = (uid=%n)\n",
    );
    assert_eq!((settings.mode, settings.own_bind), (Mode::Direct, OwnBind::External));
    assert_eq!(settings.user_dn.as_deref(), Some("uid=%n,ou=people,o=x"));
    assert_eq!(losses, Vec::<String>::new());
}

#[test]
fn sources_of_users_are_taken_in_their_order() {
    let passdbs = "passdb {\n  args = /etc/auth/%d\n  driver = passwd-file\n}\n\
        passdb {\n  args = /etc/masters\n  driver = passwd-file\n  master = yes\n}\n\
        passdb {\n  args = session=yes mail\n  driver = pam\n}\n\
        passdb {\n  args = /usr/bin/checkpassword -v\n  driver = checkpassword\n}\n\
        passdb {\n  driver = vpopmail\n}\nuserdb {\n  driver = vpopmail\n}\n\
        userdb {\n  driver = passwd\n}\nauth_master_user_separator = +\n";
    let (toml, losses) = import_text(&format!("{SMALL}{passdbs}"));
    let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
    assert_eq!(losses, Vec::<String>::new());
    assert_eq!(configuration.log_ins.master_separator, '+');
    // The passwd file of SMALL stands before them.
    let [_, directory, masters, pam, program, vpopmail] = &configuration.sources[..] else {
        panic!("{toml}")
    };
    assert_eq!(directory.kind, SourceKind::PasswdDirectory("/etc/auth".into()));
    assert_eq!(vpopmail.kind, SourceKind::Vpopmail("/var/qmail/users/cdb".into()));
    assert_eq!(masters.kind, SourceKind::PasswdFile("/etc/masters".into()));
    assert_eq!(masters.masters_of.as_deref(), Some(&["*".to_owned()][..]));
    assert!(matches!(&pam.kind, SourceKind::Helped(Check::Pam(pam)) if pam.service == "mail"), "{toml}");
    let expected = ["/usr/bin/checkpassword", "-v"];
    assert!(
        matches!(&program.kind, SourceKind::Helped(Check::CheckPassword(check)) if check.program == expected),
        "{toml}"
    );
}

#[cfg(feature = "sql")]
#[test]
fn sql_becomes_a_source_but_for_its_password() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dovecot-sql.conf.ext");
    let blocks = "passdb {\n  args = username_format=%u /etc/dovecot/users\n  driver = passwd-file\n}\n";
    let sql = format!(
        "passdb {{\n  args = {path}\n  driver = sql\n}}\nuserdb {{\n  args = {path}\n  driver = sql\n}}\n",
        path = path.display()
    );
    let import_sql = |file: &str| {
        std::fs::write(&path, file).expect("a file");
        let (toml, losses) = import_text(&SMALL.replace(blocks, &sql));
        let configuration = read_text(Path::new("r.toml"), &toml).expect(&toml);
        let [source] = configuration.sources.as_slice() else { panic!("{toml}") };
        assert!(!toml.contains("toto"), "{toml}");
        (source.kind.clone(), losses)
    };
    let connected = "driver = mysql\nconnect = host=db.example.com dbname=mail user=dove/cot password=toto\n";
    let (source, losses) = import_sql(&format!(
        "# comment\n{connected}default_pass_scheme = SHA512\n\
         password_query = SELECT username AS user, password, home AS userdb_home \\\n FROM users WHERE username = '%Lu'\n\
         user_query = SELECT home FROM users WHERE username = '%u'\niterate_query = SELECT username AS user FROM users\n"
    ));
    let SourceKind::Sql(settings) = source else { panic!("{source:?}") };
    assert_eq!(settings.url.0, "mysql://dove%2Fcot@db.example.com/mail");
    assert!(settings.password_file.is_some());
    assert_eq!(
        settings.user_query,
        "SELECT username AS user, password, home AS userdb_home   FROM users WHERE username = '%u'"
    );
    assert_eq!(settings.list_query.as_deref(), Some("SELECT username AS user FROM users"));
    assert!(losses.len() == 1 && losses[0].contains("default_pass_scheme"), "{losses:?}");

    let query = "password_query = SELECT password, allow_nets FROM users WHERE name = '%n'\n";
    for (connected, url) in [
        (
            "driver = pgsql\nconnect = host=/run/postgresql port=5433 dbname=d user=u\n",
            "postgres://u@localhost:5433/d?host=/run/postgresql",
        ),
        ("driver = mysql\nconnect = host=/run/s dbname=d user=u\n", "mysql://u@localhost/d?socket=/run/s"),
        ("driver = sqlite\nconnect = /etc/dovecot/users.db\n", "sqlite:/etc/dovecot/users.db"),
    ] {
        let (source, losses) =
            import_sql(&format!("{connected}{query}user_query = SELECT 1\ndefault_pass_scheme = crypt\n"));
        let SourceKind::Sql(settings) = source else { panic!("{source:?}") };
        assert_eq!(settings.url.0, url);
        assert!(losses.len() == 2 && losses[0].contains("user_query"), "{losses:?}");
        assert!(losses[1].contains("allow_nets: no such column is obeyed"), "{losses:?}");
    }
    // What cannot be asked is no source: a password in the query, a variable of none, no query.
    for query in [
        "password_query = SELECT 1 FROM users WHERE name = '%u' AND password = '%w'\n",
        "password_query = SELECT password FROM users WHERE name = '%u' AND ip = '%{rip}'\n",
        "password_query = SELECT password FROM users WHERE name = '%u\n",
        "user_query = SELECT 1\n",
    ] {
        let (source, losses) = import_sql(&format!("{connected}{query}"));
        assert!(matches!(source, SourceKind::PasswdFile(_)), "{query}: {source:?}");
        assert!(losses.iter().any(|loss| loss.contains("(the whole file)")), "{query}: {losses:?}");
    }
}
