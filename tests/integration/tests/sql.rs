//! Users in PostgreSQL and MariaDB, asked by the source itself, and by a running Restante.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use auth::sql::{Sql, SqlSettings, Tls, Url};
use auth::{LoginName, Query, Source, SourceAnswer, Trace};
use restante_tests::databases::{ACCOUNT, Database, Kind};
use restante_tests::slapd::Slapd;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

const USER_QUERY: &str = "SELECT username AS user, password, home, quota, uid, gid, quota_messages, \
    nologin FROM mailbox WHERE username = '%u'";

/// Users `user1` to `user20000`, and some odd ones.
fn schema(kind: Kind) -> String {
    let (numbers, bytes, concatenated) = match kind {
        Kind::Postgres => ("generate_series(1, 20000) AS seq", "BYTEA", "'user' || seq || '@example.com'"),
        Kind::MariaDb => ("seq_1_to_20000", "BLOB", "CONCAT('user', seq, '@example.com')"),
    };
    format!(
        "CREATE TABLE mailbox (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255), home {bytes},
             quota BIGINT, uid INT, gid SMALLINT, quota_messages NUMERIC(20), nologin BOOLEAN);
         INSERT INTO mailbox SELECT {concatenated}, '{{PLAIN}}right', '/srv/mail', 5000000000, 5000, 50,
             123456, FALSE FROM {numbers};
         INSERT INTO mailbox (username, password, nologin) VALUES
             ('anna@example.com', '{{PLAIN}}right', NULL), ('Bert@Example.com ', '{{PLAIN}}right', NULL),
             ('gone@example.com', '{{PLAIN}}right', TRUE), ('null@example.com', NULL, NULL);
         CREATE TABLE alias (address VARCHAR(255), goto VARCHAR(255));
         INSERT INTO alias VALUES ('info@example.com', 'anna@example.com');"
    )
}

fn settings(database: &Database) -> SqlSettings {
    SqlSettings {
        url: Url(database.socket_url()),
        password_file: None,
        tls: Tls::Off,
        ca_file: None,
        connections_max: 4,
        timeout: Duration::from_secs(20),
        user_query: USER_QUERY.to_owned(),
        list_query: Some("SELECT username AS user, home FROM mailbox".to_owned()),
        update_query: Some("UPDATE mailbox SET password = '%w' WHERE username = '%u'".to_owned()),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn found(settings: SqlSettings, login: &str) -> (String, Vec<String>) {
    ask(&Sql::new(settings).unwrap(), login).await
}

/// What came of it, in a word, with the user's name and what is stored where there is one; and
/// the steps.
async fn ask(sql: &Sql, login: &str) -> (String, Vec<String>) {
    let (name, trace) = (LoginName::new(login.as_bytes(), None).unwrap(), Trace::on());
    let query = Query { name: &name, password: None, service: "imap", peer: None, trace: &trace };
    let outcome = match sql.find(query).await {
        Ok(SourceAnswer::Stored(user, secrets)) => {
            let secrets: Vec<_> =
                secrets.iter().map(|one| String::from_utf8_lossy(one.expose()).into_owned()).collect();
            format!("{} {}", user.name, secrets.join(" ")).trim_end().to_owned()
        }
        Ok(SourceAnswer::Unknown) => "unknown".to_owned(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => format!("unavailable {}", error.reason),
    };
    let steps = trace.take();
    let shown = format!("{outcome} {}", steps.join(" "));
    assert!(!shown.contains(ACCOUNT.1) && !steps.concat().contains("right"), "a password in {shown}");
    (outcome, steps)
}

#[test]
fn postgres_answers() {
    answers(Kind::Postgres);
}

#[test]
fn mariadb_answers() {
    answers(Kind::MariaDb);
}

fn answers(kind: Kind) {
    let database = Database::start(kind, &schema(kind));
    runtime().block_on(async {
        let sql = Sql::new(settings(&database)).unwrap();
        assert_eq!(sql.problems().await, Ok(Vec::new()));
        for (login, expected) in [
            ("user17@example.com", "user17@example.com {PLAIN}right"),
            ("nobody@example.com", "unknown"),
            ("null@example.com", "null@example.com"),
            // MariaDB finds this row for anna; whoever this is, it is somebody else.
            ("\u{e1}nna@example.com", "unknown"),
        ] {
            assert_eq!(ask(&sql, login).await.0, expected, "{login}");
        }
        let name = LoginName::new(b"user17@example.com", None).unwrap();
        let query = Query { name: &name, password: None, service: "imap", peer: None, trace: Trace::OFF };
        let Ok(SourceAnswer::Stored(user, _)) = sql.find(query).await else { panic!("no user17") };
        assert_eq!((user.home.as_deref(), user.uid, user.gid), (Some("/srv/mail"), Some(5000), Some(50)));
        let extra = [("quota", "5000000000"), ("quota_messages", "123456")];
        assert_eq!(user.extra, extra.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(user.may_use("imap"));

        let all = sql.list().await.unwrap();
        assert_eq!(all.len(), 20_004);

        let hash = "$6$it's\\';-- \"%u";
        assert_eq!(
            sql.store_password(&name, &auth::Secret::new(b"{PLAIN}right".to_vec()), hash).await,
            Ok(true)
        );
        assert_eq!(ask(&sql, "user17@example.com").await.0, format!("user17@example.com {hash}"));
        let others = "SELECT COUNT(*) FROM mailbox WHERE password = '{PLAIN}right'";
        assert_eq!(database.run(others), "20002");

        let late = match kind {
            Kind::Postgres => "(SELECT 1 FROM pg_sleep(600))",
            Kind::MariaDb => "SLEEP(600)",
        };
        let late = Sql::new(SqlSettings {
            user_query: format!(
                "SELECT username AS user, password, {late} AS late FROM mailbox WHERE username = '%u'"
            ),
            timeout: Duration::from_secs(2),
            connections_max: 1,
            ..settings(&database)
        })
        .unwrap();
        assert_eq!(ask(&late, "nobody@example.com").await.0, "unknown");
        assert_eq!(ask(&late, "anna@example.com").await.0, "unavailable it did not answer in time");
        assert_eq!(ask(&late, "nobody@example.com").await.0, "unknown", "by another connection");

        let mut wrong = settings(&database);
        wrong.user_query = "SELECT password FROM mailboxes WHERE username = %u".to_owned();
        wrong.list_query = Some("SELECT home FROM mailbox".to_owned());
        wrong.update_query = Some("UPDATE mailbox SET pass = %w WHERE username = %u".to_owned());
        let problems = Sql::new(wrong).unwrap().problems().await.unwrap();
        for part in ["user-query: ", "list-query: it has no column user", "update-query: "] {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
        }
    });
}

#[test]
fn security_13_mariadb_finds_other_spellings_that_are_nobodys() {
    let database = Database::start(Kind::MariaDb, &schema(Kind::MariaDb));
    for other in ["\u{e1}nna@example.com", "ANNA@example.com", "anna@example.com  "] {
        let count = database.run(&format!("SELECT COUNT(*) FROM mailbox WHERE username = '{other}'"));
        assert_eq!(count, "1", "MariaDB finds anna as {other:?}: else this test shows nothing");
    }
    let with = |query: &str| SqlSettings { user_query: query.to_owned(), ..settings(&database) };
    runtime().block_on(async {
        let by_alias = "FROM mailbox JOIN alias ON goto = username WHERE address = %u";
        let (plain, aliased, asked) = (
            USER_QUERY.to_owned(),
            format!("SELECT username AS user, password {by_alias}"),
            format!("SELECT username AS user, password, address AS asked {by_alias}"),
        );
        for (query, login, expected) in [
            (&plain, "anna@example.com", "anna@example.com {PLAIN}right"),
            (&plain, "Anna@Example.COM", "anna@example.com {PLAIN}right"),
            (&plain, "bert@example.com", "Bert@Example.com  {PLAIN}right"),
            (&plain, "\u{e1}nna@example.com", "unknown"),
            (&plain, "b\u{e9}rt@example.com", "unknown"),
            (&asked, "info@example.com", "anna@example.com {PLAIN}right"),
            (&asked, "\u{ed}nfo@example.com", "unknown"),
            (&aliased, "info@example.com", "unknown"),
        ] {
            assert_eq!(found(with(query), login).await.0, expected, "{query} {login}");
        }
        let (_, steps) = found(with(&aliased), "info@example.com").await;
        assert!(steps.concat().contains("another's"), "{steps:?}");
        let nameless = with("SELECT password FROM mailbox WHERE username = %u");
        let reason = "it has no column user, without which MySQL may find another's row";
        let outcome = found(nameless.clone(), "anna@example.com").await.0;
        assert_eq!(outcome, format!("unavailable user-query: {reason}"));
        let problems = Sql::new(nameless).unwrap().problems().await.unwrap().concat();
        assert!(problems.contains(reason), "{problems}");
    });
}

#[test]
fn postgres_is_connected_to_in_every_way() {
    every_way_to_connect(Kind::Postgres);
}

#[test]
fn mariadb_is_connected_to_in_every_way() {
    every_way_to_connect(Kind::MariaDb);
}

fn every_way_to_connect(kind: Kind) {
    let database = Database::start(kind, &schema(kind));
    let directory = tempfile::tempdir().unwrap();
    let password = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let right = password("right", &format!("{}\n", ACCOUNT.1));
    let over_tcp = |tls: Tls, ca_file: Option<&Path>| SqlSettings {
        url: Url(database.url()),
        password_file: right.clone(),
        tls,
        ca_file: ca_file.map(Path::to_owned),
        ..settings(&database)
    };
    // Another authority.
    let other = Slapd::start(1, "").expect("slapd (tests/run installs it)");
    let authority = database.authority();
    runtime().block_on(async {
        for (settings, expected) in [
            (settings(&database), "user1@example.com {PLAIN}right"),
            (over_tcp(Tls::Off, None), "user1@example.com {PLAIN}right"),
            (over_tcp(Tls::Prefer, None), "user1@example.com {PLAIN}right"),
            (over_tcp(Tls::Verify, Some(&authority)), "user1@example.com {PLAIN}right"),
            (over_tcp(Tls::Verify, None), "unavailable"),
            (over_tcp(Tls::Verify, Some(&other.authority())), "unavailable"),
        ] {
            let shown = format!("{settings:?}");
            let outcome = found(settings, "user1@example.com").await.0;
            assert!(outcome.starts_with(expected), "{outcome}: {shown}");
        }
    });
}
