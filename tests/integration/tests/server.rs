//! The server as its operator and its attackers see it: TLS, limits, signals, logs, faults.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, hand_over, is_root, make_certificate, under_tls};
use restante_tests::target::stream::Stream;
use restante_tests::target::{Connection, PASSWORD, Target, make_mailbox};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// Sends a command with the tag `a`; all lines up to the tagged one, joined.
fn command(connection: &mut dyn Connection, text: &str) -> String {
    connection.send(format!("a {text}\r\n").as_bytes());
    let mut all = String::new();
    while let Some(line) = connection.line() {
        all.push_str(&String::from_utf8_lossy(&line));
        if line.starts_with(b"a ") {
            break;
        }
    }
    all
}

fn greeting(connection: &mut dyn Connection) -> String {
    String::from_utf8(connection.line().expect("a greeting")).unwrap()
}

fn log_in(server: &Restante, connection: &mut dyn Connection) {
    let answer = command(connection, &format!("LOGIN {} \"{PASSWORD}\"", server.user()));
    assert!(answer.contains("a OK"), "{answer}");
}

/// The server's certificate as `openssl s_client` sees it, with options for it.
fn shown_to_openssl(server: &Restante, options: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-connect", &format!("127.0.0.1:{}", server.tls_port())])
        .args(options)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn security_01_what_comes_before_the_handshake_is_never_run() {
    let server = Restante::start("");
    let mut socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let mut greeting = [0; 2000];
    let _ = socket.read(&mut greeting).unwrap();
    // In the same segment: a command that would be answered inside TLS.
    socket.write_all(b"a STARTTLS\r\nb NOOP\r\nc CAPABILITY\r\n").unwrap();
    let mut answer = [0; 200];
    let length = socket.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("a OK") && answer.matches("\r\n").count() == 1, "{answer}");
    let mut under = Stream::new(under_tls(socket, &server.directory().join("cert.pem")));
    under.send(b"d NOOP\r\n");
    let first = under.line().unwrap();
    assert!(first.starts_with(b"d OK"), "{}", first.escape_ascii());
}

#[test]
fn security_02_nothing_from_before_tls_is_believed_after_it() {
    let server = Restante::start("");
    let mut clear = server.clear();
    let before = greeting(&mut clear);
    assert!(before.contains("STARTTLS LOGINDISABLED") && !before.contains("AUTH="), "{before}");
    let refused = command(&mut clear, &format!("LOGIN {} \"{PASSWORD}\"", server.user()));
    assert!(refused.starts_with("a NO [PRIVACYREQUIRED]"), "{refused}");
    // What would come as a literal is not asked for.
    for literal in ["LOGIN {5}", "LOGIN anna {5}", "AUTHENTICATE PLAIN {12}"] {
        let refused = command(&mut clear, literal);
        assert!(refused.starts_with("a NO [PRIVACYREQUIRED]"), "{literal}: {refused}");
    }
    let refused = command(&mut clear, "AUTHENTICATE PLAIN AGEAYg==");
    assert!(refused.starts_with("a NO [PRIVACYREQUIRED]"), "{refused}");
    assert!(command(&mut clear, "STARTTLS").starts_with("a OK"));
    let mut under = Stream::new(under_tls(clear.into_inner(), &server.directory().join("cert.pem")));
    let after = command(&mut under, "CAPABILITY");
    assert!(
        after.contains("AUTH=PLAIN") && !after.contains("STARTTLS") && !after.contains("LOGINDISABLED"),
        "{after}"
    );
    assert!(command(&mut under, "STARTTLS").starts_with("a BAD"));
    log_in(&server, &mut under);
}

#[test]
fn security_04_aborted_handshakes_cost_nothing() {
    let server = Restante::start("");
    for bytes in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n", b"a LOGIN x y\r\n", &[0xFF; 5000]] {
        let mut socket = TcpStream::connect(("127.0.0.1", server.tls_port())).unwrap();
        socket.write_all(bytes).unwrap();
        drop(socket);
    }
    for name in 0..50 {
        abort_for_name(&server, &format!("name{name}.example"));
    }
    let mut tls = server.tls();
    assert!(greeting(&mut tls).starts_with("* OK"));
    server.wait_for_log(|line| line.contains("no TLS connection"));
}

fn abort_for_name(server: &Restante, name: &str) {
    // A handshake is begun with that name and hung up.
    let socket = TcpStream::connect(("127.0.0.1", server.tls_port())).unwrap();
    let roots = rustls::RootCertStore::empty();
    let config =
        rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, socket);
    assert!(stream.read(&mut [0]).is_err(), "nobody trusts it");
}

#[test]
fn tls_1_2_and_1_3_with_alpn_and_tickets_and_nothing_older() {
    let server = Restante::start("");
    for (option, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let shown = shown_to_openssl(&server, &[option, "-alpn", "imap"]);
        assert!(shown.contains(version) && shown.contains("ALPN protocol: imap"), "{shown}");
    }
    assert!(
        shown_to_openssl(&server, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]).contains("no peer certificate")
    );
    let tickets = shown_to_openssl(&server, &["-tls1_2"]);
    assert!(tickets.contains("TLS session ticket:"), "{tickets}");
}

#[test]
fn certificates_follow_the_name_and_are_reloaded() {
    let server = Restante::start("");
    let directory = server.directory();
    make_certificate(directory, "other", "ec", "imap.example.org");
    let path = directory.join("restante.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    let more = format!(
        "{before}\n[[tls.more]]\nnames = [\"imap.example.org\"]\ncertificate = \"{0}/other.pem\"\nkey = \"{0}/other.key\"\n",
        directory.display()
    );
    let mut old = server.tls();
    greeting(&mut old);
    log_in(&server, &mut old);

    std::fs::write(&path, &more).unwrap();
    hand_over(directory);
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("reloaded") && !line.contains("not reloaded"));
    let shown = shown_to_openssl(&server, &["-servername", "imap.example.org"]);
    assert!(shown.contains("CN = imap.example.org"), "{shown}");
    assert!(shown_to_openssl(&server, &["-servername", "else.example"]).contains("CN = localhost"));
    assert!(command(&mut old, "NOOP").starts_with("a OK"), "the session stays");

    // A key that is not the certificate's: what was in force stays, and the log says why.
    std::fs::copy(directory.join("key.pem"), directory.join("other.key")).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("is not the key of the certificate"));
    let shown = shown_to_openssl(&server, &["-servername", "imap.example.org"]);
    assert!(shown.contains("CN = imap.example.org"), "{shown}");

    // Settings with a mistake: likewise.
    std::fs::write(&path, format!("{before}\n[limits]\nlineX = 1\n")).unwrap();
    server.signal("HUP");
    let line = server.wait_for_log(|line| line.contains("not reloaded"));
    assert!(line.contains("did you mean line?"), "{line}");
    assert!(command(&mut old, "NOOP").starts_with("a OK"));
}

#[test]
fn a_start_that_cannot_be_says_why() {
    let directory = tempfile::tempdir().unwrap();
    make_certificate(directory.path(), "cert", "rsa:2048", "localhost");
    make_certificate(directory.path(), "other", "rsa:2048", "localhost");
    let path = directory.path().join("restante.toml");
    let d = directory.path().display();
    let start = |key: &str, listen: &str| {
        let text = format!(
            "[tls]\ncertificate = \"{d}/cert.pem\"\nkey = \"{d}/{key}\"\n[mail]\nmaildir = \"{d}/%u\"\nuser = \"nobody\"\n\
             [[users]]\npasswd-file = \"{d}/users\"\n[[listen]]\naddress = \"{listen}\"\ntls = \"implicit\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let output = Command::new("timeout")
            .arg("20")
            .arg(binary())
            .arg("serve")
            .arg("--config")
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(start("other.key", "127.0.0.1:0").contains("is not the key of the certificate"));
    assert!(start("missing.key", "127.0.0.1:0").contains("missing.key: cannot be read: No such file"));
    assert!(start("cert.pem", "127.0.0.1:0").contains("no private key"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(start("key.pem", &address).contains(&format!("cannot listen on {address}")));
}

#[test]
fn check_says_all_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let d = directory.path().display();
    let path = directory.path().join("restante.toml");
    let check = || {
        let output = Command::new(binary()).arg("check").arg("--config").arg(&path).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let text = format!(
        "hostname = \"localhost\"\n[tls]\ncertificate = \"{d}/cert.pem\"\nkey = \"{d}/key.pem\"\n[mail]\nmaildir = \"{d}/mail/%u\"\n\
         user = \"nobody-here\"\n[[users]]\npasswd-file = \"{d}/users\"\n"
    );
    std::fs::write(&path, &text).unwrap();
    std::fs::write(directory.path().join("users"), "anna:{PLAIN}x\nbad/name:x\n").unwrap();
    let (right, said) = check();
    assert!(!right);
    for part in ["cert.pem: cannot be read", "no such user: nobody-here", "users:2: user name"] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    make_certificate(directory.path(), "cert", "ec", "localhost");
    std::fs::create_dir(directory.path().join("mail")).unwrap();
    std::fs::write(directory.path().join("users"), "anna:{PLAIN}x\n").unwrap();
    std::fs::write(&path, text.replace("nobody-here", "nobody")).unwrap();
    for (name, mode) in [("users", 0o600), ("mail", 0o700)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(directory.path().join(name), mode).unwrap();
    }
    if is_root() {
        // What root can read is no use to the user that the server becomes.
        let (right, said) = check();
        assert!(!right && said.contains("users: nobody, the user of [mail], cannot read it"), "{said}");
        assert!(said.contains("anna: nobody cannot reach"), "{said}");
    }
    hand_over(directory.path());
    assert_eq!(check(), (true, String::new()));
}

#[test]
fn stopping_says_bye() {
    let mut server = Restante::start("");
    let mut idle = server.tls();
    greeting(&mut idle);
    log_in(&server, &mut idle);
    assert!(command(&mut idle, "SELECT INBOX").contains("a OK"));
    idle.send(b"b IDLE\r\n");
    assert!(idle.line().unwrap().starts_with(b"+"));
    let mut fresh = server.clear();
    greeting(&mut fresh);
    server.signal("TERM");
    for connection in [&mut idle as &mut dyn Connection, &mut fresh] {
        let bye = connection.line().expect("a BYE");
        assert!(bye.starts_with(b"* BYE"), "{}", bye.escape_ascii());
        assert_eq!(connection.line(), None, "closed");
    }
    assert!(server.wait_until_it_ends());
}

#[test]
fn limits_are_named_when_they_refuse() {
    let server = Restante::start(
        "[limits]\nconnections-per-address = 5\nconnections-per-user-and-address = 2\nmessage = \"1K\"\n\
         line-before-login = 1000\n[login]\nfailures = 2\n",
    );
    let mut connections: Vec<_> = (0..3).map(|_| server.tls()).collect();
    connections.iter_mut().for_each(|connection| drop(greeting(connection)));
    log_in(&server, &mut connections[0]);
    log_in(&server, &mut connections[1]);
    let refused = command(&mut connections[2], &format!("LOGIN {} \"{PASSWORD}\"", server.user()));
    assert!(
        refused.contains("at most 2 of one user from one address") && refused.contains("ALERT"),
        "{refused}"
    );
    let appended = command(&mut connections[0], "APPEND INBOX {1025}");
    assert!(appended.starts_with("a NO [TOOBIG]"), "{appended}");
    let long = command(&mut connections[2], &format!("LOGIN {} x", "x".repeat(2000)));
    assert!(long.contains("BAD") || long.contains("BYE"), "{long}");
    // Two more come in; the next is told why not, or cut off where that would need TLS.
    let mut more: Vec<_> = (0..2).map(|_| server.clear()).collect();
    more.iter_mut().for_each(|connection| drop(greeting(connection)));
    let bye = greeting(&mut server.clear());
    assert!(bye.starts_with("* BYE [LIMIT] Too many connections from one address: at most 5"), "{bye}");
    let mut cut_off = TcpStream::connect(("127.0.0.1", server.tls_port())).unwrap();
    cut_off.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let error = cut_off.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn failed_log_ins_are_delayed_counted_and_never_told_apart() {
    let server = Restante::start("[login]\nfailures = 2\n");
    let mut connection = server.tls();
    greeting(&mut connection);
    let began = std::time::Instant::now();
    let wrong = command(&mut connection, &format!("LOGIN {} wrong", server.user()));
    let unknown = command(&mut connection, "LOGIN nobody@example.com wrong");
    assert!(wrong.starts_with("a NO [AUTHENTICATIONFAILED]"), "{wrong}");
    assert_eq!(wrong.lines().last(), unknown.lines().last());
    // The delay is what is tested here, not the server's speed: it is two seconds at least.
    assert!(began.elapsed() >= Duration::from_secs(2));
    let bye = connection.line().expect("a BYE");
    assert!(bye.starts_with(b"* BYE"), "{}", bye.escape_ascii());
}

#[test]
fn security_16_the_log_has_names_escaped_and_no_password() {
    let server = Restante::start("[log]\nlevel = \"debug\"\n");
    let mut connection = server.tls();
    greeting(&mut connection);
    let forged = "x\r\n2026-01-01 INFO forged log line";
    connection.send(format!("a LOGIN {{{}}}\r\n", forged.len()).as_bytes());
    assert!(connection.line().unwrap().starts_with(b"+"));
    connection.send(format!("{forged} hunter2-wrong\r\n").as_bytes());
    assert!(connection.line().unwrap().starts_with(b"a NO"));
    log_in(&server, &mut connection);
    command(&mut connection, "ID (\"name\" \"evil\" \"version\" {5}");
    connection.send(b"1\r\n2\n)\r\n");
    while connection.line().is_some_and(|line| !line.starts_with(b"a ")) {}
    command(&mut connection, "LOGOUT");
    let line = server.wait_for_log(|line| line.contains("connection ended"));
    for part in ["user=", "peer=127.0.0.1", "tls=\"1.3\"", "commands=", "bytes_in=", "bytes_out=", "seconds="]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    for line in server.logged() {
        assert!(!line.contains(PASSWORD) && !line.contains("hunter2"), "a password: {line}");
        assert!(!line.starts_with("2026-01-01 INFO forged"), "a forged line");
    }
}

#[test]
fn security_23_root_cannot_be_taken_back() {
    if !is_root() {
        eprintln!("SKIPPED: only root has something to give up");
        return;
    }
    let server = Restante::start("");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = |key: &str| status.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let ids: Vec<String> = line("Uid:").split_whitespace().skip(1).map(str::to_owned).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && id != "0"), "{ids:?}");
    assert!(line("Groups:").split_whitespace().skip(1).all(|group| group != "0"));
    assert_eq!(line("NoNewPrivs:").split_whitespace().nth(1), Some("1"));
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert!(line(set).trim_end().ends_with("0000000000000000"), "{}", line(set));
    }
}

#[test]
fn a_missing_maildir_is_refused_with_the_path_in_the_log_only() {
    let server = Restante::start("[special-use]\njunk = []\n");
    let path = server.directory().join("restante.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("create = true", "create = false");
    std::fs::write(&path, text).unwrap();
    server.signal("HUP");
    server.wait_for_log(|line| line.contains("reloaded"));
    let mut connection = server.tls();
    greeting(&mut connection);
    let refused = command(&mut connection, &format!("LOGIN {} \"{PASSWORD}\"", server.user()));
    assert!(refused.starts_with("a NO [CONTACTADMIN]") && !refused.contains('/'), "{refused}");
    let line = server.wait_for_log(|line| line.contains("the Maildir cannot be opened"));
    assert!(line.contains("mail/user0@example.com"), "{line}");
}

#[test]
fn a_killed_server_loses_no_mail_and_no_uid() {
    let server = Restante::start("");
    let maildir = make_mailbox(&server.maildir(), "INBOX");
    hand_over(&server.directory().join("mail"));
    let mut connection = server.tls();
    greeting(&mut connection);
    log_in(&server, &mut connection);
    // Appends as fast as it can while the server is killed.
    let mut told = Vec::new();
    let message = "Subject: x\r\n\r\ntext\r\n";
    let pid = server.pid();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    });
    loop {
        connection.send(format!("a APPEND INBOX {{{}+}}\r\n{message}\r\n", message.len()).as_bytes());
        let Some(line) = connection.line() else { break };
        let line = String::from_utf8(line).unwrap();
        let uid = line
            .split("[APPENDUID ")
            .nth(1)
            .and_then(|rest| rest.split([' ', ']']).nth(1)?.parse::<u32>().ok());
        told.extend(uid);
    }
    killer.join().unwrap();
    assert!(!told.is_empty() && told.is_sorted());
    let files = std::fs::read_dir(maildir.join("cur")).unwrap().count();
    assert!(files >= told.len(), "{files} files, {} told", told.len());
    let store = store::Store::new(store::StoreSettings {
        utf8_names: true,
        lock_wait_ms_max: 5000,
        keywords_max: 10,
        kept_bytes_max: 1 << 20,
        take_over: store::take_over::Preference::Newer,
        hostname: "h".to_owned(),
        quota_counts_trash: false,
        ..store::StoreSettings::default()
    });
    let inbox = store.account(&maildir, false).unwrap().open(&mail::MailboxName::inbox()).unwrap();
    let snapshot = inbox.refresh(false).unwrap().snapshot;
    for uid in told {
        assert!(snapshot.find(mail::Uid::new(uid).unwrap()).is_some(), "UID {uid} was told and is gone");
    }
}

/// What the server answers to an ID, with literals where it waits for them.
fn identify(connection: &mut dyn Connection, fields: &[(String, String)], literals: bool) -> String {
    if !literals {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("\"{name}\" \"{value}\"")).collect();
        return command(connection, &format!("ID ({})", fields.join(" ")));
    }
    let mut text = "a ID (".to_owned();
    for string in fields.iter().flat_map(|(name, value)| [name, value]) {
        connection.send(format!("{text}{{{}}}\r\n", string.len()).as_bytes());
        let asked = connection.line().unwrap();
        assert!(asked.starts_with(b"+"), "{}", asked.escape_ascii());
        text = format!("{string} ");
    }
    connection.send(format!("{text})\r\n").as_bytes());
    let lines = [connection.line().unwrap(), connection.line().unwrap()];
    String::from_utf8(lines.concat()).unwrap()
}

#[test]
fn an_id_of_thirty_kilobytes_is_taken_before_log_in_and_no_flood_of_them() {
    let server = Restante::start("");
    // RFC 2971 section 3.3: thirty fields, names of 30 octets, values of 1,024.
    let fields: Vec<(String, String)> = (0..30).map(|n| (format!("{n:030}"), "x".repeat(1024))).collect();
    for literals in [false, true] {
        let mut connection = server.tls();
        greeting(&mut connection);
        let answer = identify(&mut connection, &fields, literals);
        assert!(answer.starts_with("* ID (") && answer.contains("a OK"), "{answer}");
        log_in(&server, &mut connection);
    }
    let mut connection = server.tls();
    greeting(&mut connection);
    let answers: Vec<String> = (0..3).map(|_| identify(&mut connection, &fields, false)).collect();
    assert!(answers[1].contains("a OK"), "{}", answers[1]);
    assert!(answers[2].starts_with("* BYE Too much was sent before log-in"), "{}", answers[2]);
}

#[test]
fn one_user_has_one_maildir_however_the_name_is_written() {
    let server = Restante::start("");
    let users = "anna@example.com:{PLAIN}s\nUpper@Example.COM:{PLAIN}s\nplus+tag@example.com:{PLAIN}s\n\
                 o'neil@example.com:{PLAIN}s\na!#$%&'*-=?^_`{|}~z@example.com:{PLAIN}s\n";
    std::fs::write(server.directory().join("users"), users).unwrap();
    hand_over(server.directory());
    let log_in = |name: &str| {
        let mut connection = server.tls();
        greeting(&mut connection);
        let (length, after) = (name.len(), "{1+}\r\ns");
        let answer = command(&mut connection, &format!("LOGIN {{{length}+}}\r\n{name} {after}"));
        (answer.contains("a OK"), connection)
    };
    let (_, mut first) = log_in("anna@EXAMPLE.com");
    let message = "Subject: a\r\n\r\nx\r\n";
    let append = format!("APPEND INBOX {{{}+}}\r\n{message}", message.len());
    assert!(command(&mut first, &append).contains("a OK"));
    for (name, expected) in [
        ("anna@example.com", Some(1)),
        ("Anna@example.com", Some(1)),
        ("anna@example.com ", Some(1)),
        ("upper@example.com", Some(0)),
        ("Upper@Example.COM", Some(0)),
        ("plus+tag@example.com", Some(0)),
        ("o'neil@example.com", Some(0)),
        ("a!#$%&'*-=?^_`{|}~z@example.com", Some(0)),
        ("anna@example.com.", None),
        ("anna%example.com", None),
        ("\u{ff41}nna@example.com", None),
    ] {
        let (is_in, mut connection) = log_in(name);
        let status = expected.map(|_| command(&mut connection, "STATUS INBOX (MESSAGES)"));
        let messages = status.map(|status| u32::from(status.contains("MESSAGES 1")));
        assert_eq!((is_in, messages), (expected.is_some(), expected), "{name}");
    }
    let mut made: Vec<String> = std::fs::read_dir(server.directory().join("mail"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    made.sort();
    let expected = [
        "a!#$%&'*-=?^_`{|}~z@example.com",
        "anna@example.com",
        "o'neil@example.com",
        "plus+tag@example.com",
        "upper@example.com",
    ];
    assert_eq!(made, expected, "one Maildir a user");

    // Nor is one made beside the Maildir of a server that kept names as they were written.
    let mail = server.directory().join("mail");
    std::fs::rename(mail.join("upper@example.com"), mail.join("Upper@Example.COM")).unwrap();
    let (is_in, _) = log_in("upper@example.com");
    assert!(!is_in && !mail.join("upper@example.com").exists());
    server.wait_for_log(|line| line.contains("Upper@Example.COM is there, whose name differs in case only"));
}
