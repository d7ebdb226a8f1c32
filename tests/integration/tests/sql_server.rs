//! A running Restante with users in PostgreSQL, MariaDB and SQLite, as clients have it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use restante_tests::databases::{ACCOUNT, Database, Kind};
use restante_tests::target::Connection;
use restante_tests::target::restante::{Restante, binary, hand_over};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(30);

/// Both servers understand it, and SQLite.
const SCHEMA: &str =
    "CREATE TABLE mailbox (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255), nologin INT);
     INSERT INTO mailbox VALUES ('anna@example.com', '{PLAIN}apple', 0), ('bert@example.com', '{PLAIN}berry', 0),
         ('carl@example.com', '{PLAIN}citrus', 0), ('dora@example.com', '{PLAIN}date', 0),
         ('gone@example.com', '{PLAIN}grape', 1), ('null@example.com', NULL, 0);";

const QUERIES: &str =
    "user-query = \"SELECT username AS user, password, nologin FROM mailbox WHERE username = '%u'\"
update-query = \"UPDATE mailbox SET password = '%w' WHERE username = '%u' AND password = '%o'\"
";

/// Who fails need not wait.
const TRUSTED: &str = "[login]\ntrusted-networks = [\"127.0.0.0/8\"]\n";

/// A directory for files of the server's.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("restante-sql").tempdir().unwrap();
        let files = Self(directory);
        files.write("last", "last@example.com:{PLAIN}lemon\nanna@example.com:{PLAIN}other\n");
        files.write("password", &format!("{}\n", ACCOUNT.1));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        hand_over(self.0.path());
    }

    /// The database, and then a passwd file.
    fn users(&self, url: &str, more: &str) -> String {
        let (password, last) = (self.path("password"), self.path("last"));
        format!(
            "[[users]]\n[users.sql]\nurl = \"{url}\"\npassword-file = {password:?}\n{QUERIES}{more}\n\
             [[users]]\npasswd-file = {last:?}\n"
        )
    }
}

/// The answer to a log-in on a connection of its own.
fn log_in(server: &Restante, user: &str, password: &str) -> String {
    let mut connection = server.tls();
    connection.line().expect("a greeting");
    command(&mut connection, user, password)
}

fn command(connection: &mut dyn Connection, user: &str, password: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    connection.send(format!("a LOGIN {} {}\r\n", quoted(user), quoted(password)).as_bytes());
    loop {
        let line = connection.line().expect("an answer");
        if line.starts_with(b"a ") {
            return String::from_utf8_lossy(&line).into_owned();
        }
    }
}

fn wait_for(what: &str, mut seen: impl FnMut() -> bool) {
    let until = Instant::now() + WAIT;
    while !seen() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn assert_nothing_shown(server: &Restante) {
    let log = server.logged().join("\n");
    for secret in [ACCOUNT.1, "%40", "wrong-secret", "apple", "berry", "citrus"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn postgres_lets_users_in() {
    let database = Database::start(Kind::Postgres, SCHEMA);
    lets_users_in(&database.url());
}

#[test]
fn mariadb_lets_users_in() {
    let database = Database::start(Kind::MariaDb, SCHEMA);
    lets_users_in(&database.url());
}

#[test]
fn sqlite_lets_users_in() {
    let files = Files::new();
    lets_users_in(&format!("sqlite:{}", sqlite(&files).display()));
}

fn sqlite(files: &Files) -> PathBuf {
    let path = files.path("users.db");
    let program = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])";
    let status = Command::new("python3").args(["-c", program]).arg(&path).arg(SCHEMA).status();
    assert!(status.expect("python3 (tests/run installs it)").success());
    hand_over(files.0.path());
    path
}

fn lets_users_in(url: &str) {
    let files = Files::new();
    let server = Restante::start(&(files.users(url, "") + TRUSTED + "[log]\nlevel = \"debug\"\n"));
    for (user, password, expected) in [
        ("anna@example.com", "apple", "a OK"),
        ("Anna@Example.COM", "apple", "a OK"),
        ("anna@example.com", "berry", "a NO [AUTHENTICATIONFAILED]"),
        // Known to the database: the file behind it is not asked.
        ("anna@example.com", "other", "a NO [AUTHENTICATIONFAILED]"),
        ("anna@example.com", "' OR '1'='1", "a NO [AUTHENTICATIONFAILED]"),
        ("null@example.com", "", "a NO"),
        ("null@example.com", "NULL", "a NO [AUTHENTICATIONFAILED]"),
        ("gone@example.com", "grape", "a NO"),
        // Unknown to it: the file is.
        ("last@example.com", "lemon", "a OK"),
        ("nobody@example.com", "apple", "a NO [AUTHENTICATIONFAILED]"),
        ("' OR '1'='1", "apple", "a NO"),
        ("anna@example.com' -- ", "x", "a NO"),
        ("anna@example.com\\", "apple", "a NO"),
        ("\\' OR 1=1 -- ", "apple", "a NO"),
        ("\" OR \"\"=\"", "apple", "a NO"),
        ("x;--", "apple", "a NO"),
        ("x'; DROP TABLE mailbox;--", "apple", "a NO"),
        ("%", "apple", "a NO"),
        ("bert@example.com", "berry", "a OK"),
    ] {
        let answer = log_in(&server, user, password);
        assert!(answer.starts_with(expected), "{user} {password}: {answer}");
        assert!(!answer.contains("UNAVAILABLE"), "{user} {password}: {answer}");
    }
    assert_nothing_shown(&server);
}

#[test]
fn postgres_freezes_and_is_started_again() {
    freezes_and_is_started_again(Kind::Postgres);
}

#[test]
fn mariadb_freezes_and_is_started_again() {
    freezes_and_is_started_again(Kind::MariaDb);
}

/// A database that does not answer is nobody's wrong password, and is found when it is back.
fn freezes_and_is_started_again(kind: Kind) {
    let mut database = Database::start(kind, SCHEMA);
    let files = Files::new();
    // Two failures are a ban, if any of what follows is one.
    let more = "timeout = \"1s\"\n[login]\nban-after = 2\n";
    // Its URL has the password.
    let users = files.users(&database.socket_url(), more).replace("password-file", "#");
    let server = Restante::start(&users);
    assert!(log_in(&server, "anna@example.com", "apple").starts_with("a OK"));
    let mut connection = server.tls();
    connection.line().expect("a greeting");
    database.freeze();
    for user in ["bert@example.com", "bert@example.com", "last@example.com"] {
        let answer = command(&mut connection, user, "berry");
        assert!(answer.starts_with("a NO [UNAVAILABLE]"), "frozen: {user}: {answer}");
    }
    database.thaw();
    wait_for("an answer after the frost", || {
        let answer = log_in(&server, "bert@example.com", "berry");
        assert!(answer.starts_with("a OK") || answer.starts_with("a NO [UNAVAILABLE]"), "{answer}");
        answer.starts_with("a OK")
    });
    database.stop();
    for user in ["carl@example.com", "carl@example.com", "last@example.com"] {
        let answer = log_in(&server, user, "citrus");
        assert!(answer.starts_with("a NO [UNAVAILABLE]"), "stopped: {user}: {answer}");
    }
    database.start_again();
    let answer = log_in(&server, "carl@example.com", "citrus");
    assert!(answer.starts_with("a OK"), "{answer}");
    assert!(log_in(&server, "last@example.com", "lemon").starts_with("a OK"));
    let log = server.logged();
    assert!(!log.iter().any(|line| line.contains("LOGIN FAILED")), "{log:#?}");
    assert_nothing_shown(&server);
}

#[test]
fn postgres_refuses_a_wrong_password_of_ours() {
    refuses_a_wrong_password_of_ours(Kind::Postgres);
}

#[test]
fn mariadb_refuses_a_wrong_password_of_ours() {
    refuses_a_wrong_password_of_ours(Kind::MariaDb);
}

fn refuses_a_wrong_password_of_ours(kind: Kind) {
    let database = Database::start(kind, SCHEMA);
    let files = Files::new();
    files.write("password", "wrong-secret\n");
    let server = Restante::start(&(files.users(&database.url(), "") + "[log]\nlevel = \"debug\"\n"));
    for user in ["anna@example.com", "last@example.com"] {
        let answer = log_in(&server, user, "apple");
        assert!(answer.starts_with("a NO [UNAVAILABLE]"), "{answer}");
    }
    files.write("password", &format!("{}\n", ACCOUNT.1));
    server.signal("HUP");
    wait_for("the password is read again", || {
        let answer = log_in(&server, "anna@example.com", "apple");
        assert!(answer.starts_with("a OK") || answer.starts_with("a NO [UNAVAILABLE]"), "{answer}");
        answer.starts_with("a OK")
    });
    assert_nothing_shown(&server);
}

#[test]
fn a_weak_password_is_stored_anew_and_works() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let database = Database::start(kind, SCHEMA);
        let files = Files::new();
        let more = "[login]\nrehash = true\ncache-lifetime = \"0s\"\n";
        let server = Restante::start(&files.users(&database.url(), more));
        assert!(log_in(&server, "anna@example.com", "apple").starts_with("a OK"));
        let stored = || database.run("SELECT password FROM mailbox WHERE username = 'anna@example.com'");
        wait_for("a new hash", || stored() != "{PLAIN}apple");
        assert!(log_in(&server, "anna@example.com", "apple").starts_with("a OK"), "{}", stored());
        assert!(log_in(&server, "anna@example.com", "berry").starts_with("a NO [AUTHENTICATIONFAILED]"));
        let others = "SELECT COUNT(*) FROM mailbox WHERE password LIKE '{PLAIN}%'";
        assert_eq!(database.run(others), "4", "of nobody else");
        assert_nothing_shown(&server);
    }
}

fn check(configuration: &Path) -> String {
    let output = Command::new(binary()).arg("check").arg("--config").arg(configuration).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_names_wrong_queries() {
    let files = Files::new();
    let url = format!("sqlite:{}", sqlite(&files).display());
    let server = Restante::start(&files.users(&url, ""));
    let configuration = server.directory().join("restante.toml");
    let right = std::fs::read_to_string(&configuration).unwrap();
    assert!(!check(&configuration).contains("-query"), "{}", check(&configuration));
    for (text, by, said) in [
        ("FROM mailbox", "FROM mailboxes", "user-query: no such table: mailboxes"),
        ("password, nologin", "nologin", "user-query: it has no column password"),
        ("SET password", "SET pass", "update-query: no such column: pass"),
        ("= '%u'\"\nupdate", "= '%x'\"\nupdate", "user-query"),
    ] {
        let wrong = right.replacen(text, by, 1);
        assert_ne!(wrong, right, "{text}");
        std::fs::write(&configuration, wrong).unwrap();
        let found = check(&configuration);
        assert!(found.contains(said), "{by}: {found}");
    }
}

/// The source of a worked example, with another database; secondly, what stands there in
/// comments to be used instead.
fn source_of(example: &str, server: &Database, files: &Files) -> [String; 2] {
    let source = example.split("[[users]]").nth(1).unwrap();
    let lines = |wanted: &dyn Fn(&str) -> Option<String>| {
        source.lines().filter_map(wanted).collect::<Vec<_>>().join("\n")
    };
    let elsewhere = |line: &str| ["url", "password-file", "ca-file"].iter().any(|key| line.starts_with(key));
    let used = lines(&|line| (!elsewhere(line) && !line.starts_with('#')).then(|| line.to_owned()));
    let prose = |rest: &str| rest.starts_with(' ') && !rest.starts_with("    ");
    let instead = lines(&|line| line.strip_prefix('#').filter(|rest| !prose(rest)).map(str::to_owned));
    let (url, password) = (server.url(), files.path("password"));
    let with = |queries: String| {
        let queries = queries.replace("[users.sql]", "");
        format!("[[users]]\n[users.sql]\nurl = \"{url}\"\npassword-file = {password:?}\n{queries}\n")
    };
    [with(used), with(instead)]
}

fn quotas(server: &Restante, users: &[&str]) -> String {
    let configuration = server.directory().join("restante.toml");
    let output =
        Command::new(binary()).args(["quota", "--config"]).arg(&configuration).args(users).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const POSTFIXADMIN: &str =
    "CREATE TABLE domain (domain VARCHAR(255) PRIMARY KEY, active TINYINT(1) NOT NULL);
    CREATE TABLE mailbox (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255) NOT NULL,
        maildir VARCHAR(255) NOT NULL, quota BIGINT(20) NOT NULL, local_part VARCHAR(255) NOT NULL,
        domain VARCHAR(255) NOT NULL, active TINYINT(1) NOT NULL);
    CREATE TABLE alias_domain (alias_domain VARCHAR(255) PRIMARY KEY, target_domain VARCHAR(255) NOT NULL,
        active TINYINT(1) NOT NULL);
    INSERT INTO domain VALUES ('example.com', 1), ('example.org', 0);
    INSERT INTO alias_domain VALUES ('alias.example', 'example.com', 1), ('old.example', 'example.com', 0);
    INSERT INTO mailbox VALUES
        ('anna@example.com', '{PLAIN}apple', 'example.com/anna/', 51200000, 'anna', 'example.com', 1),
        ('bert@example.com', '{PLAIN}berry', 'example.com/bert/', 0, 'bert', 'example.com', 0),
        ('carl@example.org', '{PLAIN}citrus', 'example.org/carl/', 0, 'carl', 'example.org', 1)";

#[test]
fn the_example_for_postfixadmin_works() {
    let database = Database::start(Kind::MariaDb, POSTFIXADMIN);
    let files = Files::new();
    let mail = files.path("mail");
    std::fs::create_dir(&mail).unwrap();
    hand_over(&mail);
    let example = include_str!("../../../config/examples/sql-postfixadmin.toml");
    let example = example.replace("/var/vmail", mail.to_str().unwrap());
    let [used, instead] = source_of(&example, &database, &files);
    for (users, by_alias) in [(used, "a NO [AUTHENTICATIONFAILED]"), (instead, "a OK")] {
        let server = Restante::start(&(users + TRUSTED));
        let disabled = log_in(&server, "bert@example.com", "berry");
        assert!(disabled.starts_with("a NO") && !disabled.contains("UNAVAILABLE"), "{disabled}");
        assert_eq!(log_in(&server, "carl@example.org", "citrus"), disabled);
        for (user, password, expected) in [
            ("anna@example.com", "apple", "a OK"),
            ("anna@example.com", "berry", "a NO [AUTHENTICATIONFAILED]"),
            ("anna@alias.example", "apple", by_alias),
            ("anna@old.example", "apple", "a NO [AUTHENTICATIONFAILED]"),
        ] {
            let answer = log_in(&server, user, password);
            assert!(answer.starts_with(expected), "{user}: {answer}");
        }
        assert!(mail.join("example.com/anna/cur").is_dir());
        let quota = quotas(&server, &["anna@example.com"]);
        assert!(quota.contains("51200000"), "{quota}");
    }
}

#[test]
fn the_example_for_postgresql_works() {
    let example = include_str!("../../../config/examples/sql-postgresql.toml");
    let table = example.split("CREATE TABLE").nth(1).unwrap().split(");").next().unwrap();
    let table = table.replace("\n#", "\n");
    let database = Database::start(
        Kind::Postgres,
        &format!(
            "CREATE TABLE {table});
             INSERT INTO users VALUES
                 ('anna', 'example.com', '{{PLAIN}}apple', '/nonexistent', NULL, NULL, 51200000, TRUE),
                 ('bert', 'example.com', '{{PLAIN}}berry', '/nonexistent', NULL, NULL, NULL, FALSE)"
        ),
    );
    let files = Files::new();
    let [users, _] = source_of(example, &database, &files);
    let server = Restante::start(&(users + TRUSTED + "rehash = true\n"));
    assert!(log_in(&server, "anna@example.com", "apple").starts_with("a OK"));
    assert!(log_in(&server, "anna@example.com", "berry").starts_with("a NO [AUTHENTICATIONFAILED]"));
    let disabled = log_in(&server, "bert@example.com", "berry");
    assert!(disabled.starts_with("a NO") && !disabled.contains("AUTHENTICATIONFAILED"), "{disabled}");
    wait_for("a new hash", || {
        !database.run("SELECT password FROM users WHERE name = 'anna'").starts_with("{PLAIN}")
    });
    let quota = quotas(&server, &["anna@example.com"]);
    assert!(quota.contains("51200000"), "{quota}");
}
