//! `restante check` and `restante serve` agree on what keeps the server from starting: one table
//! of broken sites, asked of both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::target::restante::{binary, is_root, make_certificate};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A site that is in order, in a directory that `nobody` may enter.
struct Site {
    directory: tempfile::TempDir,
    settings: String,
}

impl Site {
    fn new() -> Self {
        let directory = restante_tests::users::open_directory();
        let d = directory.path().display();
        let user = if is_root() { "user = \"nobody\"\n" } else { "" };
        let settings = format!(
            "hostname = \"localhost\"\n[tls]\ncertificate = \"{d}/cert.pem\"\nkey = \"{d}/key.pem\"\n\
             [mail]\nmaildir = \"{d}/mail/%u\"\n{user}[[users]]\npasswd-file = \"{d}/users\"\n\
             [[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"implicit\"\n"
        );
        make_certificate(directory.path(), "cert", "ec", "localhost");
        let site = Self { directory, settings };
        site.write("users", "anna:{PLAIN}secret\n");
        std::fs::create_dir(site.path("mail")).unwrap();
        for name in ["users", "key.pem", "mail"] {
            site.set_mode(name, if name == "mail" { 0o700 } else { 0o640 });
            if is_root() {
                chown(site.path(name), Some(65_534), Some(65_534)).unwrap();
            }
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn set_mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    fn make_maildir(&self) {
        std::fs::create_dir_all(self.path("mail/anna/cur")).unwrap();
        for name in ["mail/anna", "mail/anna/cur"] {
            if is_root() {
                chown(self.path(name), Some(65_534), Some(65_534)).unwrap();
            }
        }
    }

    fn change(&mut self, from: &str, to: &str) {
        assert!(self.settings.contains(from), "{from}");
        self.settings = self.settings.replace(from, to);
    }

    /// Writes the settings; where they are.
    fn settings(&self) -> PathBuf {
        self.write("restante.toml", &self.settings);
        self.path("restante.toml")
    }
}

/// Exit status of `check`, and all that it says.
fn check(settings: &Path) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(["check", "--config"]).arg(settings).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned())
}

/// Whether `serve` starts, and what it says until then.
fn serve(settings: &Path) -> (bool, String) {
    let mut server = Command::new(binary())
        .args(["serve", "--config"])
        .arg(settings)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut started = false;
    for line in BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
        if line.contains("listening") {
            started = true;
            server.kill().unwrap();
        }
    }
    server.wait().unwrap();
    (started, said)
}

/// What is broken, the exit status of `check`, and what it says.
type Row = (&'static str, fn(&mut Site), i32, &'static str);

const SITES: &[Row] = &[
    ("nothing", |_| {}, 0, "no problems found"),
    ("a Maildir that is there", |site| site.make_maildir(), 0, ""),
    ("a setting", |site| site.change("[mail]", "[mail]\ncreat = true"), 2, "did you mean create?"),
    (
        "two things",
        |site| site.change("[mail]", "[mail]\ncreat = true\nmaildirs = \"/x\""),
        2,
        "did you mean maildir?",
    ),
    ("no key", |site| std::fs::remove_file(site.path("key.pem")).unwrap(), 2, "key.pem: cannot be read"),
    (
        "another key",
        |site| {
            make_certificate(site.directory.path(), "other", "ec", "localhost");
            site.write("cert.pem", &std::fs::read_to_string(site.path("other.pem")).unwrap());
        },
        2,
        "is not the key of the certificate",
    ),
    (
        "a certificate for another name",
        |site| site.change("\"localhost\"", "\"mail.example.com\""),
        1,
        "is not for mail.example.com but for localhost",
    ),
    (
        "a key for everybody",
        |site| site.set_mode("key.pem", 0o644),
        1,
        "everybody on this host can read the private key",
    ),
    (
        "passwords for everybody",
        |site| site.set_mode("users", 0o644),
        1,
        "everybody on this host can read the users' passwords",
    ),
    ("no users", |site| std::fs::remove_file(site.path("users")).unwrap(), 1, "users: cannot be read"),
    (
        "an unknown scheme",
        |site| site.write("users", "anna:{ROT13}frperg\n"),
        1,
        "users:1: anna: an unknown password scheme",
    ),
    (
        "an empty password",
        |site| site.write("users", "anna:\n"),
        1,
        "users:1: anna: an empty stored password",
    ),
    (
        "a line that is no user",
        |site| site.write("users", "anna:{PLAIN}secret\nbad/name:x\n"),
        1,
        "users:2: user name",
    ),
    (
        "clear text for all",
        |site| site.settings.push_str("[login]\ncleartext-from = [\"0.0.0.0/0\"]\n"),
        1,
        "cross the whole Internet unencrypted",
    ),
    ("no Maildir", |site| site.change("[mail]", "[mail]\ncreate = false"), 1, "anna: there is no Maildir"),
    ("no directory of Maildirs", |site| site.change("/mail/%u", "/nowhere/%u"), 1, "anna: the Maildir"),
    ("a file for a Maildir", |site| site.write("mail/anna", ""), 1, "anna: "),
    (
        "a directory that does not answer",
        |site| {
            site.settings.push_str("[[users]]\n[users.ldap]\nservers = [\"ldap://127.0.0.1:1\"]\nbase = \"dc=example,dc=com\"\nfilter = \"(mail=%u)\"\n")
        },
        1,
        "ldap",
    ),
];

/// What only root meets.
const SITES_OF_ROOT: &[Row] = &[
    ("no user", |site| site.change("user = \"nobody\"\n", ""), 2, "started as root: [mail] wants user"),
    ("root as user", |site| site.change("\"nobody\"", "\"root\""), 2, "an ordinary user is needed"),
    (
        "a user who is not there",
        |site| site.change("\"nobody\"", "\"nobody-here\""),
        2,
        "no such user: nobody-here",
    ),
    (
        "users that nobody may read",
        |site| chown(site.path("users"), Some(0), Some(0)).unwrap(),
        1,
        "users: nobody, the user of [mail], cannot read it",
    ),
    (
        "a key that nobody may read",
        |site| chown(site.path("key.pem"), Some(0), Some(0)).unwrap(),
        1,
        "needs a restart instead of a reload",
    ),
    (
        "mail that nobody may read",
        |site| chown(site.path("mail"), Some(0), Some(0)).unwrap(),
        1,
        "anna: nobody cannot reach",
    ),
];

#[test]
fn check_and_serve_agree_on_what_is_fatal() {
    let of_root = if is_root() {
        SITES_OF_ROOT
    } else {
        eprintln!("SKIPPED: sites that only root can break");
        &[]
    };
    for (what, break_it, code, text) in SITES.iter().chain(of_root) {
        let mut site = Site::new();
        break_it(&mut site);
        let settings = site.settings();
        let (found, said) = check(&settings);
        assert_eq!(found, Some(*code), "{what}: {said}");
        assert!(said.contains(text), "{what}: {said}");
        let (started, log) = serve(&settings);
        assert_eq!(started, *code != 2, "{what}: {log}");
        // What is fatal is said in the same words.
        let fatal = said.lines().filter_map(|line| line.strip_prefix("restante: error: "));
        for line in fatal {
            assert!(log.contains(line), "{what}: {line} is not in\n{log}");
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let mut site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    site.change("127.0.0.1:0", &address.to_string());
    let settings = site.settings();
    let expected = format!("cannot listen on {address}: Address already in use");
    let holder = format!("(process {})", std::process::id());
    for said in [check(&settings).1, serve(&settings).1] {
        assert!(said.contains(&expected) && said.contains(&holder), "{said}");
    }
    assert_eq!(check(&settings).0, Some(2));
}
