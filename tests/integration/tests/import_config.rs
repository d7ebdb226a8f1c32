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
    Command::new(binary()).arg("import-config").args(arguments).output().unwrap()
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
