//! Users of vpopmail, in files as qmail-newu and vpopmail make them, behind the running server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{Restante, binary, hand_over};
use restante_tests::target::{Connection, PASSWORD};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A site of vpopmail with `example.org`, whose alias is `alias.example`.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        std::fs::set_permissions(site.0.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(site.at("example.org")).unwrap();
        let fields = format!("example.org\x0089\x0089\0{}\0-\0\0", site.at("example.org").display());
        site.make("cdb", &[("", "-"), ("!example.org-", &fields), ("!alias.example-", &fields)]);
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A server whose failed log-ins are not delayed.
    fn server(&self) -> Restante {
        let cdb = self.at("cdb");
        let trusted = "[login]\ntrusted-networks = [\"127.0.0.0/8\"]";
        Restante::start(&format!("[[users]]\nvpopmail = \"{}\"\n{trusted}\n", cdb.display()))
    }

    /// A constant database, made by the program `cdb` and renamed into place.
    fn make(&self, name: &str, records: &[(&str, &str)]) {
        let made = Command::new("cdb").arg("-c").arg(self.at(name)).stdin(Stdio::piped()).spawn();
        let mut made = made.expect("the program cdb, of the package tinycdb: tests/run installs it");
        let mut input = made.stdin.take().unwrap();
        for (key, value) in records {
            writeln!(input, "+{},{}:{key}->{value}", key.len(), value.len()).unwrap();
        }
        writeln!(input).unwrap();
        drop(input);
        assert!(made.wait().unwrap().success(), "cdb -c {name}");
    }

    /// Users by name, scheme of the hash, password and flags.
    fn users(&self, users: &[(&str, &str, &str, u32)]) {
        let record = |(name, scheme, password, flags): &(&str, &str, &str, u32)| {
            let home = self.at("example.org").join(name);
            format!("{}:1:{flags}:{name}:{}:10485760S,1000C:clear", hash(scheme, password), home.display())
        };
        let values: Vec<String> = users.iter().map(record).collect();
        let records: Vec<(&str, &str)> =
            users.iter().zip(&values).map(|((name, ..), value)| (*name, value.as_str())).collect();
        self.make("example.org/vpasswd.cdb", &records);
        hand_over(&self.at("example.org"));
    }
}

/// A hash of crypt(3) by openssl.
fn hash(scheme: &str, password: &str) -> String {
    let output = Command::new("openssl").args(["passwd", scheme, "-salt", "saltsalt", password]).output();
    let output = output.expect("the program openssl: tests/run installs it");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn command(connection: &mut impl Connection, text: &str) -> String {
    connection.send(format!("a {text}\r\n").as_bytes());
    let mut all = String::new();
    loop {
        let line = connection.line().expect("an answer");
        all += &String::from_utf8_lossy(&line);
        if line.starts_with(b"a ") {
            return all;
        }
    }
}

/// What a LOGIN on a connection of its own is answered.
fn log_in(server: &Restante, name: &str, password: &str) -> String {
    let mut connection = server.tls();
    connection.line().expect("a greeting");
    command(&mut connection, &format!("LOGIN {name} \"{password}\""))
}

fn expect(server: &Restante, log_ins: &[(&str, &str, &str)]) {
    for (name, password, expected) in log_ins {
        let answer = log_in(server, name, password);
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
}

/// `restante auth lookup`: whether it succeeded, and what it said.
fn look_up(server: &Restante, name: &str) -> (bool, String) {
    let settings = server.directory().join("restante.toml");
    let output =
        Command::new(binary()).args(["auth", "lookup", name, "--config"]).arg(settings).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

const IN: &str = "a OK";
const REFUSED: &str = "a NO [AUTHENTICATIONFAILED]";
const UNAVAILABLE: &str = "a NO [UNAVAILABLE]";

#[test]
fn users_of_vpopmail_come_in() {
    let site = Site::new();
    site.users(&[("anna", "-6", PASSWORD, 0), ("bert", "-1", PASSWORD, 0x2), ("carl", "-6", PASSWORD, 0x8)]);
    let server = site.server();
    expect(
        &server,
        &[
            ("anna@example.org", PASSWORD, IN),
            ("bert@alias.example", PASSWORD, IN),
            ("anna@example.org", "wrong", REFUSED),
            ("anna@example.org", "clear", REFUSED),
            ("nobody@example.org", PASSWORD, REFUSED),
            ("anna@other.example", PASSWORD, REFUSED),
        ],
    );
    let answer = log_in(&server, "carl@example.org", PASSWORD);
    assert!(answer.starts_with("a NO"), "IMAP is disabled: {answer}");

    let mut connection = server.tls();
    connection.line().expect("a greeting");
    command(&mut connection, &format!("LOGIN anna@alias.example \"{PASSWORD}\""));
    let answer = command(&mut connection, "APPEND INBOX {6+}\r\na: b\r\n");
    assert!(answer.contains("a OK"), "{answer}");
    let answer = command(&mut connection, "GETQUOTAROOT INBOX");
    assert!(answer.contains("10240") && answer.contains("1000"), "{answer}");
    assert!(site.at("example.org/anna/Maildir/cur").is_dir(), "the real domain's Maildir");

    let (found, said) = look_up(&server, "anna@alias.example");
    let maildir = site.at("example.org/anna/Maildir").display().to_string();
    assert!(found && said.contains("anna@example.org") && said.contains(&maildir), "{said}");
    assert!(!said.contains("$6$") && !said.contains("clear"), "{said}");
    assert!(!look_up(&server, "nobody@example.org").0);
}

#[test]
fn what_is_replaced_is_seen_at_once_and_what_is_broken_is_unavailable() {
    let site = Site::new();
    let server = site.server();
    expect(&server, &[("anna@example.org", PASSWORD, UNAVAILABLE)]);
    for password in ["first", "second", "third"] {
        site.users(&[("anna", "-6", password, 0)]);
        expect(&server, &[("anna@example.org", password, IN), ("anna@example.org", PASSWORD, REFUSED)]);
    }
    let path = site.at("example.org/vpasswd.cdb");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    expect(&server, &[("anna@example.org", "third", UNAVAILABLE), ("nobody@example.org", "x", UNAVAILABLE)]);
    // The passwd file before it still answers.
    expect(&server, &[("user0@example.com", PASSWORD, IN)]);
    let (found, said) = look_up(&server, "anna@example.org");
    assert!(!found && said.contains("vpasswd.cdb") && said.contains("truncated"), "{said}");
    let told = server.wait_for_log(|line| line.contains("vpasswd.cdb") && line.contains("truncated"));
    assert!(!told.contains("$6$"), "{told}");
    std::fs::write(&path, &whole).unwrap();
    expect(&server, &[("anna@example.org", "third", IN)]);
}
