//! `restante import-config`: what it prints is served, and users of the other server log in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::dovecot::free_port;
use restante_tests::target::restante::{binary, hand_over, is_root, make_certificate, under_tls};
use restante_tests::target::stream::Stream;
use restante_tests::target::{Connection, PASSWORD, make_mailbox};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const USER: &str = "anna@example.com";

fn import(arguments: &[&str]) -> Output {
    import_in(Path::new("."), arguments)
}

fn import_in(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(binary()).arg("import-config").args(arguments).current_dir(directory).output().unwrap()
}

/// What was printed; what was lost stands at its end and on standard error.
fn printed(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let toml = String::from_utf8(output.stdout.clone()).unwrap();
    for line in said.lines() {
        let loss = line.strip_prefix("restante: ").unwrap_or(line);
        assert!(toml.contains(&format!("# {loss}\n")), "{loss} is not in\n{toml}");
    }
    toml
}

/// Mail, users and a certificate as the other server has them.
fn site() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    make_certificate(path, "cert", "rsa:2048", "localhost");
    let home = path.join("example.com/anna");
    make_mailbox(&home.join("Maildir"), "INBOX");
    make_mailbox(&home.join("Maildir"), "Lists.rust");
    let users = format!("{USER}:{{PLAIN}}{PASSWORD}::::{}::\n", home.display());
    std::fs::write(path.join("users"), users).unwrap();
    directory
}

/// Restante on settings that were printed, ended when dropped.
struct Server(Child);

impl Server {
    fn start(directory: &Path, toml: &str, port: u16) -> Self {
        let settings = directory.join("restante.toml");
        std::fs::write(&settings, toml).unwrap();
        hand_over(directory);
        let mut command = Command::new(binary());
        command.args(["serve", "--config"]).arg(&settings).stdin(Stdio::null()).stderr(Stdio::null());
        let server = Self(command.spawn().unwrap());
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "it does not listen:\n{toml}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Logs in under TLS; the mailboxes that LIST shows.
fn listed(directory: &Path, port: u16) -> String {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut connection = Stream::new(under_tls(socket, &directory.join("cert.pem")));
    connection.line().expect("a greeting");
    let mut all = String::new();
    for command in [format!("a LOGIN {USER} \"{PASSWORD}\""), "b LIST \"\" *".to_owned()] {
        connection.send(format!("{command}\r\n").as_bytes());
        while let Some(line) = connection.line() {
            all.push_str(&String::from_utf8_lossy(&line));
            if line.starts_with(&command.as_bytes()[..2]) {
                break;
            }
        }
    }
    assert!(all.contains("a OK") && all.contains("b OK"), "{all}");
    all
}

/// As root, the user of `[mail]` is an ordinary one; else the one who runs the test.
fn mail_user() -> &'static str {
    if is_root() { "nobody" } else { "" }
}

#[test]
fn courier_s_settings_are_served() {
    let site = site();
    let (path, port, tls_port) = (site.path(), free_port(), free_port());
    let etc = path.join("courier");
    std::fs::create_dir(&etc).unwrap();
    let write = |name: &str, text: String| std::fs::write(etc.join(name), text).unwrap();
    write(
        "imapd",
        format!(
            "##NAME: ADDRESS:0\nADDRESS=127.0.0.1\nPORT={port}\nMAXDAEMONS=40\nMAXPERIP=20\n\
             IMAP_CAPABILITY=\"IMAP4rev1 IDLE\"\nIMAP_CAPABILITY_TLS=\"$IMAP_CAPABILITY AUTH=PLAIN\"\n\
             IMAP_EMPTYTRASH=Trash:7\nIMAPDSTART=YES\nMAILDIRPATH=Maildir\n"
        ),
    );
    write(
        "imapd-ssl",
        format!(
            "SSLADDRESS=$ADDRESS\nSSLPORT={tls_port}\nIMAPDSSLSTART=YES\nIMAPDSTARTTLS=YES\nIMAP_TLS_REQUIRED=1\n\
             TLS_CERTFILE={}/both.pem\n",
            path.display()
        ),
    );
    // Courier's way: certificate and key in one file.
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    std::fs::write(path.join("both.pem"), format!("{}{}", read("key.pem"), read("cert.pem"))).unwrap();
    write("authdaemonrc", "authmodulelist=\"authuserdb\"\n".to_owned());
    let toml = printed(&import(&[etc.to_str().unwrap()]));
    assert!(toml.contains("# imapd: IMAP_EMPTYTRASH=Trash:7: "), "{toml}");
    // What the administrator is asked to fill in.
    assert_eq!(toml.matches("# Fill in: ").count(), 2, "{toml}");
    let users = path.join("users").display().to_string();
    let filled = toml.replace("/etc/restante/users", &users).replace("user = \"vmail\"", &user_line());
    let _server = Server::start(path, &filled, port);
    let listed = listed(path, tls_port);
    assert!(
        listed.contains("\".\" \"INBOX.Lists.rust\"") || listed.contains("\".\" INBOX.Lists.rust"),
        "{listed}"
    );
}

fn user_line() -> String {
    match mail_user() {
        "" => String::new(),
        user => format!("user = \"{user}\""),
    }
}

#[test]
fn dovecot_s_settings_are_served() {
    if Command::new("doveconf").arg("-h").output().is_err() {
        eprintln!("skipped: doveconf is not installed (dovecot-imapd)");
        return;
    }
    let site = site();
    let (path, port, tls_port) = (site.path(), free_port(), free_port());
    let etc = path.join("dovecot");
    std::fs::create_dir(&etc).unwrap();
    let user = match mail_user() {
        "" => String::new(),
        user => format!("mail_uid = {user}\nmail_gid = nogroup\n"),
    };
    let text = format!(
        "protocols = imap\nlisten = 127.0.0.1\nssl = required\nssl_cert = <{0}/cert.pem\nssl_key = <{0}/key.pem\n\
         mail_location = maildir:~/Maildir\nmail_home = {0}/%d/%n\nmail_max_userip_connections = 20\n{user}\
         namespace inbox {{\n  inbox = yes\n  separator = /\n  mailbox Sent {{\n    special_use = \\Sent\n    auto = subscribe\n  }}\n}}\n\
         passdb {{\n  driver = passwd-file\n  args = username_format=%u {0}/users\n}}\n\
         userdb {{\n  driver = passwd-file\n  args = username_format=%u {0}/users\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {port}\n  }}\n  inet_listener imaps {{\n    port = {tls_port}\n    ssl = yes\n  }}\n}}\n",
        path.display()
    );
    std::fs::write(etc.join("dovecot.conf"), text).unwrap();
    let toml = printed(&import(&[etc.to_str().unwrap()]));
    assert!(toml.contains("mailbox Sent: auto=subscribe: "), "{toml}");
    assert!(
        toml.contains("connections-per-user-and-address = 20 # doveconf: mail_max_userip_connections=20\n"),
        "{toml}"
    );
    let filled = if is_root() { toml } else { toml.replace("user = \"vmail\"", "") };
    assert!(!is_root() || !filled.contains("# Fill in: "), "{filled}");
    let _server = Server::start(path, &filled, port);
    let listed = listed(path, tls_port);
    assert!(listed.contains("Lists/rust"), "{listed}");
}

/// The settings that the package ships, whatever they are: what is printed is understood.
#[test]
fn what_dovecot_s_package_ships_is_understood() {
    let Ok(shipped) = Command::new("doveconf").arg("-n").output() else {
        eprintln!("skipped: doveconf is not installed (dovecot-imapd)");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (file, settings) = (directory.path().join("output"), directory.path().join("restante.toml"));
    std::fs::write(&file, &shipped.stdout).unwrap();
    let toml = printed(&import(&[file.to_str().unwrap()]));
    std::fs::write(&settings, &toml).unwrap();
    let check = Command::new(binary()).args(["check", "--config"]).arg(&settings).output().unwrap();
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    let name = settings.display().to_string();
    assert!(!said.contains(&name), "{said}\n{toml}");
}

/// Whatever the spelling, all paths that are printed are those of the same files.
#[test]
fn relative_paths_are_taken_from_where_they_stand() {
    let site = tempfile::tempdir().unwrap();
    let path = site.path().canonicalize().unwrap();
    for name in ["empty", "courier", "dovecot", "dovecot/conf.d", "dovecot/certs"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    for (name, text) in [
        ("courier/imapd", "PORT=143\n"),
        ("courier/imapd-ssl", "TLS_CERTFILE=imapd.pem\n"),
        ("courier/authdaemonrc", "authmodulelist=authuserdb\n"),
        ("courier/userdb", "anna\tuid=1|gid=1|home=/srv/anna\n"),
        ("courier/imapd.pem", ""),
        (
            "dovecot/dovecot.conf",
            "protocols = imap\nssl_key = <certs/k.pem\nmail_location = maildir:~/Maildir\n!include conf.d/*.conf\n",
        ),
        ("dovecot/conf.d/10-ssl.conf", "ssl_cert = <../certs/c.pem\n"),
        ("dovecot/certs/c.pem", ""),
        ("dovecot/certs/k.pem", ""),
    ] {
        std::fs::write(path.join(name), text).unwrap();
    }
    let check = |directory: &str, argument: &str, expected: &[&str]| {
        let toml = printed(&import_in(&path.join(directory), &[argument]));
        for file in expected {
            let line = format!("= \"{}/{file}\" #", path.display());
            assert!(toml.contains(&line), "{directory}, {argument}: {line} is not in\n{toml}");
        }
    };
    let courier = ["courier/imapd.pem", "courier/userdb"];
    for (directory, argument) in [
        ("empty", "../courier"),
        ("empty", "../courier/"),
        ("empty", "../courier/imapd"),
        ("", "courier"),
        ("", "./courier/"),
        ("", "courier/imapd-ssl"),
        ("courier", "."),
        ("courier", "./"),
        ("courier", "imapd"),
        ("courier", "../courier/../courier"),
    ] {
        check(directory, argument, &courier);
    }
    if Command::new("doveconf").arg("-h").output().is_err() {
        eprintln!("skipped: doveconf is not installed (dovecot-imapd)");
        return;
    }
    let dovecot = ["dovecot/certs/c.pem", "dovecot/certs/k.pem"];
    for (directory, argument) in [
        ("empty", "../dovecot"),
        ("empty", "../dovecot/dovecot.conf"),
        ("", "dovecot"),
        ("", "./dovecot/"),
        ("", "dovecot/dovecot.conf"),
        ("dovecot", "."),
        ("dovecot", "dovecot.conf"),
    ] {
        check(directory, argument, &dovecot);
    }
    // Its output names the file that it is of.
    let output = Command::new("doveconf")
        .args(["-n", "-P", "-c"])
        .arg(path.join("dovecot/dovecot.conf"))
        .output()
        .unwrap();
    std::fs::write(path.join("empty/output"), output.stdout).unwrap();
    check("empty", "output", &dovecot[1..]);
}

fn run(arguments: &[&str], settings: &Path) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(arguments).arg("--config").arg(settings).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Files that only root reads are warned of, and served from copies; the originals stay as they
/// are, for the other server goes on with them.
#[test]
fn users_whom_only_root_can_read_are_copied() {
    if !is_root() {
        eprintln!("SKIPPED: users_whom_only_root_can_read_are_copied: only root has such files");
        return;
    }
    for format in ["userdb", "passwd-file"] {
        copied_and_served(format);
    }
}

fn copied_and_served(format: &str) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let site = site();
    let (path, port, tls_port) = (site.path(), free_port(), free_port());
    hand_over(path);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let home = path.join("example.com/anna").display().to_string();
    // Beside what is handed over when the server starts: it stays root's.
    let etc = tempfile::tempdir().unwrap();
    std::fs::set_permissions(etc.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let write = |name: &str, text: &str| std::fs::write(etc.path().join(name), text).unwrap();
    let (users, line) = match format {
        "userdb" => {
            write("imapd", &format!("ADDRESS=127.0.0.1\nPORT={port}\n"));
            let ssl = format!(
                "SSLADDRESS=127.0.0.1\nSSLPORT={tls_port}\nTLS_CERTFILE={0}/cert.pem\nTLS_PRIVATE_KEYFILE={0}/key.pem\n",
                path.display()
            );
            write("imapd-ssl", &ssl);
            write("authdaemonrc", "authmodulelist=authuserdb\n");
            // The user and the group of [mail] are made of these.
            let ids = std::fs::metadata(path).unwrap();
            let line = format!(
                "{USER}\tuid={}|gid={}|home={home}|systempw={{PLAIN}}{PASSWORD}\n",
                ids.uid(),
                ids.gid()
            );
            ("userdb", line)
        }
        _ => {
            // As doveconf prints it.
            let output = format!(
                "protocols = imap\nlisten = 127.0.0.1\nssl_cert = <{0}/cert.pem\nssl_key = <{0}/key.pem\n\
                 mail_location = maildir:~/Maildir\nmail_uid = nobody\nmail_gid = nogroup\n\
                 namespace inbox {{\n  inbox = yes\n  separator = /\n}}\n\
                 passdb {{\n  args = {1}/users\n  driver = passwd-file\n}}\nuserdb {{\n  args = {1}/users\n  driver = passwd-file\n}}\n\
                 service imap-login {{\n  inet_listener imap {{\n    port = {port}\n  }}\n  inet_listener imaps {{\n    port = {tls_port}\n  }}\n}}\n",
                path.display(),
                etc.path().display(),
            );
            write("output", &output);
            ("users", format!("{USER}:{{PLAIN}}{PASSWORD}::::{home}::\n"))
        }
    };
    write(users, &line);
    let users = etc.path().join(users);
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o600)).unwrap();
    let state = || {
        let found = std::fs::metadata(&users).unwrap();
        (found.uid(), found.gid(), found.mode(), found.mtime(), found.ino(), std::fs::read(&users).unwrap())
    };
    let before = state();
    let source = if format == "userdb" { etc.path().to_owned() } else { etc.path().join("output") };
    let source = source.to_str().unwrap();
    let settings = path.join("restante.toml");

    // As it is: warned of, by the import and by check.
    let toml = printed(&import(&[source]));
    let warning = format!("# {}: ", users.display());
    let warned = toml.lines().find(|line| line.starts_with(&warning) && line.contains("cannot read it"));
    assert!(warned.is_some_and(|line| line.contains("--copy-users")), "{toml}");
    std::fs::write(&settings, toml).unwrap();
    let (code, said) = run(&["check"], &settings);
    assert!(code == Some(1) && said.contains("the user of [mail], cannot read it"), "{code:?} {said}");

    // With copies, whose group is that of the user of [mail].
    let copies = etc.path().join("copies");
    let into = copies.to_str().unwrap();
    let toml = printed(&import(&[source, "--copy-users", into]));
    let copy = copies.join(users.file_name().unwrap());
    assert!(toml.contains(&format!("{format} = \"{}\" #", copy.display())), "{toml}");
    assert!(!toml.contains("cannot read it"), "{toml}");
    let found = std::fs::metadata(&copy).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (0, 0o640));
    std::fs::write(&settings, &toml).unwrap();
    let (_, said) = run(&["check"], &settings);
    assert!(!said.contains("cannot read"), "{said}");
    let server = Server::start(path, &toml, port);
    assert!(listed(path, tls_port).contains("rust"));
    drop(server);
    assert_eq!(state(), before, "the original was touched");

    // Once more is the same; a copy that was changed is left alone.
    assert!(import(&[source, "--copy-users", into]).status.success());
    std::fs::write(&copy, "carl:{PLAIN}x::::::\n").unwrap();
    let refused = import(&[source, "--copy-users", into]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("is there already and differs"), "{said}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"carl:{PLAIN}x::::::\n");
}

/// Passwords go into files of their own, and nowhere else.
#[test]
fn passwords_of_directories_are_put_into_files() {
    let directory = tempfile::tempdir().unwrap();
    let etc = directory.path();
    let user = if is_root() { "LDAP_GLOB_UID nobody\n" } else { "" };
    for (name, text) in [
        ("imapd", "PORT=143\n"),
        ("authdaemonrc", "authmodulelist=authldap\n"),
        (
            "authldaprc",
            &*format!(
                "LDAP_URI ldaps://l\nLDAP_BASEDN o=x\nLDAP_BINDDN cn=a\nLDAP_BINDPW ge heim\nLDAP_INITBIND 1\n{user}"
            ),
        ),
    ] {
        std::fs::write(etc.join(name), text).unwrap();
    }
    // Relative, and yet absolute in the settings.
    std::fs::create_dir(etc.join("empty")).unwrap();
    let toml = printed(&import_in(&etc.join("empty"), &["..", "--copy-users", "../secrets"]));
    let file = etc.join("secrets/ldap-password");
    let line = format!("bind-password-file = \"{}\"\n", file.canonicalize().unwrap().display());
    assert!(toml.contains(&line) && !toml.contains("heim"), "{toml}");
    assert_eq!(std::fs::read(&file).unwrap(), b"ge heim\n");
}

/// Locations, compression and uids of some users among many, each said once.
#[test]
fn users_with_places_of_their_own_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut users = String::new();
    for number in 0..3_000 {
        users.push_str(&format!("u{number:04}:{{PLAIN}}x:5000:5000::/srv/mail/u{number}::\n"));
    }
    for (name, uid, extra) in [
        ("anna", "5000", "userdb_mail=maildir:~/Maildir:LAYOUT=fs"),
        ("bert", "5000", "userdb_mail=maildir:~/Maildir:INBOX=/var/mail/bert:CONTROL=/var/control/bert"),
        ("carl", "5000", "userdb_mail=mdbox:~/mdbox"),
        ("dora", "5000", "userdb_mail=maildir:/home/dora/Mail:DIRNAME=x"),
        ("emil", "5001", "userdb_zlib_save=bz2"),
        ("fine", "5000", "userdb_mail=maildir:~/Maildir"),
        ("gerd", "5000", "userdb_mail=maildir:/home/gerd/Mail"),
    ] {
        users.push_str(&format!("{name}:{{PLAIN}}x:{uid}:5000::/srv/mail/{name}::{extra}\n"));
    }
    std::fs::write(path.join("users"), users).unwrap();
    let output = format!(
        "protocols = imap\nmail_location = maildir:~/Maildir\nmail_uid = {user}\n\
         passdb {{\n  args = {0}/users\n  driver = passwd-file\n}}\nuserdb {{\n  args = {0}/users\n  driver = passwd-file\n}}\n",
        path.display(),
        user = if mail_user().is_empty() { "vmail" } else { "nobody" },
    );
    std::fs::write(path.join("output"), output).unwrap();
    let toml = printed(&import(&[path.join("output").to_str().unwrap()]));
    let place = format!("# {}", path.join("users").display());
    for expected in [
        format!("{place}: anna: mailboxes in LAYOUT=fs, by their own location: "),
        format!("{place}: bert: an inbox elsewhere, INBOX= in their own location: "),
        format!("{place}: bert: UIDs and subscriptions elsewhere, CONTROL= in their own location: "),
        format!("{place}:3003: carl: mail is in mdbox, and only Maildirs are served"),
        format!("{place}: dora: DIRNAME= in their own location is not supported: "),
        format!("{place}: emil: zlib_save=bz2: messages so compressed are not read: "),
        format!("{place}: gerd: a Maildir of their own, "),
        format!(
            "{place}: files belong to several users of the system: uid 5000 of anna, bert, dora, fine, gerd and 3000 more; uid 5001 of emil. "
        ),
    ] {
        assert!(toml.lines().any(|line| line.starts_with(&expected)), "{expected} is not in\n{toml}");
    }
    assert!(!toml.contains("fine: ") && toml.lines().all(|line| line.len() < 600), "{toml}");
    assert!(
        toml.lines().any(|line| line.starts_with("# Mail lies in /home") && line.contains("systemd-unit")),
        "{toml}"
    );
}

#[test]
fn what_is_no_settings_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    for (bytes, expected) in [
        (b"a = 1\nnamespace inbox {\n".to_vec(), "x:2: the block namespace is never closed"),
        ([b"a = 1\nb = ".to_vec(), vec![b'x'; 10 << 20]].concat(), "x: longer than"),
        ([b"a = 1\nb = ".to_vec(), vec![b'x'; 1 << 20]].concat(), "x:2: a line longer than"),
        (b"a = 1\nb = \0\n".to_vec(), "x:2: a NUL"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let output = import(&[path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
