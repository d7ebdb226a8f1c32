//! Which settings they are, and what cannot be read.

use super::*;

fn read_path(path: &Path, from: Option<Server>) -> Result<Draft, String> {
    read(&Options { path: path.to_owned(), from, copy_users: None })
        .map(|read| read.draft)
        .map_err(|problem| problem.to_string())
}

#[test]
fn the_server_is_known_by_its_settings() {
    for (text, expected) in [
        ("# x\n\nPORT=143\n", Some(Server::Courier)),
        ("##NAME: x\nADDRESS=0", Some(Server::Courier)),
        ("# 2.3.19.1\nprotocols = imap\n", Some(Server::Dovecot)),
        ("namespace inbox {\n}\n", Some(Server::Dovecot)),
        ("[tls]\n", None),
        ("", None),
        ("hello world\n", None),
        ("\u{1}\u{2}=", None),
    ] {
        assert_eq!(server_of_text(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn what_is_given_is_found_or_it_is_said_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let empty = path("empty");
    std::fs::create_dir(&empty).expect("a directory");
    std::fs::create_dir(path("courier")).expect("a directory");
    std::fs::write(path("courier/imapd"), "PORT=143\nADDRESS=\"0\n").expect("a file");
    for (name, text) in [
        ("dovecot", &b"mail_location = maildir:~/m\n"[..]),
        ("open", b"a = 1\nnamespace x {\n"),
        ("nul", b"a = 1\nb = \0\n"),
        ("imapd", b"PORT=143\n"),
        ("other", b"hello\n"),
    ] {
        std::fs::write(path(name), text).expect("a file");
    }
    std::fs::write(path("large"), "a = b\n".repeat(2 << 20)).expect("a file");
    std::fs::write(path("long"), format!("a = 1\nb = {}\n", "x".repeat(1 << 20))).expect("a file");
    assert!(read_path(&path("dovecot"), None).is_ok());
    for (name, from, expected) in [
        ("none", None, "none: cannot be read: "),
        ("empty", None, "empty: neither Courier's imapd and imapd-ssl nor dovecot.conf is in it"),
        ("courier", None, "imapd:2: a quote \" that is never closed"),
        ("open", None, "open:2: the block namespace is never closed"),
        ("nul", None, "nul:2: a NUL"),
        ("long", None, "long:2: a line longer than 65536 bytes"),
        ("large", None, "large: longer than 4194304 bytes"),
        ("imapd", Some(Server::Dovecot), "maildir"),
        ("other", None, "other: neither Courier's settings nor the output of `doveconf -n`"),
        ("other", Some(Server::Dovecot), "other:1: neither a setting"),
    ] {
        match read_path(&path(name), from) {
            Ok(draft) => assert!(draft.has("mail", expected), "{name}"),
            Err(said) => assert!(said.contains(expected), "{name}: {said}"),
        }
    }
}

#[test]
fn very_many_settings_are_each_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x");
    let text: String = (0..50_000).map(|number| format!("unknown{number} = 1\n")).collect();
    std::fs::write(&path, text).expect("a file");
    let draft = read_path(&path, None).expect("it can be read");
    assert_eq!(
        draft.losses().iter().filter(|loss| loss.origin.setting.starts_with("unknown")).count(),
        50_000
    );
}

/// Settings as they are, with a few bytes of them replaced, left out or said twice.
fn spoilt(text: &str, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    const BYTES: &[u8] = b"{}=\"'$%:/.,;# \n\\\0\xff0Aa-<~*";
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random(4) {
        let (from, to) = (random(bytes.len()), random(bytes.len()));
        match random(4) {
            0 => bytes[from] = BYTES[random(BYTES.len())],
            1 => bytes.insert(from, BYTES[random(BYTES.len())]),
            2 if from < to && to - from < bytes.len() / 4 => drop(bytes.drain(from..to)),
            _ => {
                let again = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from..from, again.into_iter().take(200));
            }
        }
    }
    bytes
}

#[test]
fn whatever_is_given_what_is_printed_is_read_by_our_parser() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below.max(1)
    };
    let directory = tempfile::tempdir().expect("a directory");
    let (mut read, mut refused) = (0, 0);
    for round in 0..300 {
        let (file, text) = SAMPLES[round % SAMPLES.len()];
        let bytes = spoilt(text, &mut random);
        let outcome = match file {
            "" => dovecot::import("doveconf", &bytes, None),
            name => {
                for (other, text) in SAMPLES.iter().filter(|(other, _)| !other.is_empty()) {
                    let bytes = if *other == name { &bytes } else { text.as_bytes() };
                    std::fs::write(directory.path().join(other), bytes).expect("a file");
                }
                courier::import(directory.path())
            }
        };
        match outcome {
            Ok(draft) => {
                let toml = draft.to_toml("a test");
                let parsed = crate::settings::read_text(Path::new("r.toml"), &toml);
                assert!(parsed.is_ok(), "{}\n{:?}\n{toml}", bytes.escape_ascii(), parsed.err());
                read += 1;
            }
            Err(problem) => {
                assert!(problem.line.is_some(), "{problem}");
                refused += 1;
            }
        }
    }
    assert!(read > 100 && refused > 10, "{read} read, {refused} refused");
}

/// Files of Courier's by name, and Dovecot's output without one.
const SAMPLES: &[(&str, &str)] = &[
    (
        "",
        "# Hostname: mail.example.com\nprotocols = imap pop3\nlisten = 192.0.2.1, ::1\nssl_cert = </c.pem\nssl_key = </k.pem\n\
        ssl_min_protocol = TLSv1.3\nmail_location = maildir:~/Maildir:INDEX=/i/%u\nmail_home = /srv/%d/%n\nmail_uid = vmail\n\
        auth_mechanisms = plain login\nlogin_trusted_networks = 10.0.0.0/8\nmail_plugins = quota\nmail_max_userip_connections = 20\n\
        imap_idle_notify_interval = 2 mins\nlocal_name imap.example.org {\n  ssl_cert = </o.pem\n  ssl_key = </o.key\n}\n\
        namespace inbox {\n  inbox = yes\n  prefix = INBOX.\n  separator = .\n  mailbox \"Sent Items\" {\n    special_use = \\Sent\n  }\n}\n\
        passdb {\n  args = scheme=CRYPT /etc/dovecot/users\n  driver = passwd-file\n}\nuserdb {\n  args = uid=vmail gid=vmail home=/h/%u\n  driver = static\n}\n\
        plugin {\n  quota_rule = *:storage=1G\n}\nservice imap-login {\n  inet_listener imap {\n    port = 1143\n  }\n}\n",
    ),
    (
        "imapd",
        "ADDRESS=127.0.0.1\nPORT=\"143,192.0.2.1.900\"\nMAXDAEMONS=40\nMAXPERIP=20\nDEFDOMAIN=\"@example.com\"\n\
        IMAP_CAPABILITY='IMAP4rev1 AUTH=LOGIN'\nIMAP_CAPABILITY_TLS=\"$IMAP_CAPABILITY AUTH=PLAIN\"\nIMAP_KEYWORDS=0\n\
        IMAP_TRASHFOLDERNAME=Bin\nAUTH_MKHOMEDIR_SKEL=/etc/skel\nMAILDIRPATH=Maildir\n",
    ),
    (
        "imapd-ssl",
        "SSLPORT=993\nSSLADDRESS=${ADDRESS}\nIMAPDSSLSTART=YES\nIMAP_TLS_REQUIRED=0\nTLS_PROTOCOL=TLSv1.3\n\
        TLS_CERTFILE=/c.pem\nTLS_PRIVATE_KEYFILE=/k.pem\n",
    ),
    ("authdaemonrc", "authmodulelist=\"authldap authuserdb\"\nDEBUG_LOGIN=1\n"),
    ("authldaprc", "LDAP_URI\tldaps://l.example.com\nLDAP_GLOB_UID\tvmail\nLDAP_DOMAIN\texample.com\n"),
    ("userdb", "a@b\tuid=5000|gid=5000|home=/h|systempw=x\nc@d\tuid=5000|gid=5000\n"),
];
