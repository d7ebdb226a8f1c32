//! The source with SQLite in a temporary directory.

use super::*;
use crate::Secret;
use crate::testing::secret;
use crate::trace::Trace;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

const SCHEMA: &str = "CREATE TABLE mailbox (username TEXT, password TEXT, home BLOB, quota INTEGER, uid INTEGER, ratio REAL);
    INSERT INTO mailbox VALUES ('anna@example.com', '{PLAIN}apple', X'2f6d2f61', 1000, 5000, NULL);
    INSERT INTO mailbox VALUES ('null@example.com', NULL, '', NULL, NULL, NULL);
    INSERT INTO mailbox VALUES ('two@example.com', 'a', NULL, NULL, NULL, NULL), ('two@example.com', 'b', NULL, NULL, NULL, NULL);
    INSERT INTO mailbox VALUES ('real@example.com', 'a', NULL, NULL, NULL, 1.5);";

const QUERY: &str =
    "SELECT username AS user, password, home, quota, uid, ratio FROM mailbox WHERE username = '%u'";

async fn fill(path: &Path, schema: &'static str) {
    use sqlx::Connection;
    let options =
        sqlx::sqlite::SqliteConnectOptions::from_str(&url(path).0).expect("a URL").create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("a database");
    sqlx::raw_sql(schema).execute(&mut connection).await.expect("a schema");
    connection.close().await.expect("closed");
}

fn url(path: &Path) -> Url {
    Url(format!("sqlite:{}", path.display()))
}

fn settings(path: &Path) -> SqlSettings {
    SqlSettings {
        url: url(path),
        password_file: None,
        tls: Tls::Off,
        ca_file: None,
        connections_max: 2,
        timeout: Duration::from_secs(10),
        user_query: QUERY.to_owned(),
        list_query: Some("SELECT username AS user, quota FROM mailbox".to_owned()),
        update_query: None,
    }
}

fn login(name: &str) -> LoginName {
    LoginName::new(name.as_bytes(), None).expect("a name")
}

async fn find(sql: &Sql, name: &str, trace: &Trace) -> Result<SourceAnswer, Unavailable> {
    let name = login(name);
    sql.find(Query { name: &name, password: None, service: "imap", peer: None, trace }).await
}

#[tokio::test]
async fn a_row_is_a_user() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.db");
    fill(&path, SCHEMA).await;
    let sql = Sql::new(settings(&path)).expect("settings");
    assert_eq!(sql.problems().await, Ok(Vec::new()));

    let trace = Trace::on();
    let Ok(SourceAnswer::Stored(user, secrets)) = find(&sql, "anna@example.com", &trace).await else {
        panic!("no anna")
    };
    assert_eq!(
        (user.name.as_str(), user.home.as_deref(), user.uid),
        ("anna@example.com", Some("/m/a"), Some(5000))
    );
    assert_eq!(user.extra, [("quota".to_owned(), "1000".to_owned())]);
    assert_eq!(secrets.iter().map(Secret::expose).collect::<Vec<_>>(), [b"{PLAIN}apple"]);
    let steps = trace.take().join("\n");
    assert!(
        steps.contains("username = ?") && steps.contains("anna@example.com") && !steps.contains("apple"),
        "{steps}"
    );

    assert!(matches!(find(&sql, "nobody", Trace::OFF).await, Ok(SourceAnswer::Unknown)));
    assert!(
        matches!(find(&sql, "null@example.com", Trace::OFF).await, Ok(SourceAnswer::Stored(_, none)) if none.is_empty())
    );
    for (name, part) in
        [("two@example.com", "more than one row"), ("real@example.com", "column ratio has type REAL")]
    {
        let error = find(&sql, name, Trace::OFF).await.expect_err(name);
        assert!(error.reason.contains(part), "{error}");
    }
    assert_eq!(sql.list().await.map(|users| users.len()), Ok(5));
    let apple = secret("{PLAIN}apple");
    assert_eq!(
        sql.store_password(&login("anna@example.com"), &apple, "x").await,
        Ok(false),
        "no update-query"
    );
}

#[tokio::test]
async fn security_13_a_value_is_never_part_of_a_query() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.db");
    fill(&path, SCHEMA).await;
    let sql = Sql::new(settings(&path)).expect("settings");
    // No name is let in that has such characters: here they go past that.
    for (value, expected) in [
        ("' OR '1'='1", 0),
        ("anna@example.com' --", 0),
        ("x'; DROP TABLE mailbox; --", 0),
        ("\\", 0),
        ("\"", 0),
        ("%", 0),
        ("anna@example.com\0", 0),
        ("anna@example.com", 1),
    ] {
        let mut count = 0;
        let mut keep = |_| {
            count += 1;
            true
        };
        let asked = sql.pools.rows(&sql.user.text, &[Some(value.to_owned())], &mut keep).await;
        assert_eq!((asked, count), (Ok(()), expected), "{value:?}");
    }
}

#[tokio::test]
async fn a_new_hash_is_stored_for_one_user() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.db");
    fill(&path, SCHEMA).await;
    let update_query =
        Some("UPDATE mailbox SET password = '%w' WHERE username = '%u' AND password = '%o'".to_owned());
    let sql = Sql::new(SqlSettings { update_query, ..settings(&path) }).expect("settings");
    let hash = "$6$it's';--";
    let (apple, pear) = (secret("{PLAIN}apple"), secret("{PLAIN}pear"));
    assert_eq!(
        sql.store_password(&login("anna@example.com"), &pear, hash).await,
        Ok(false),
        "it was changed"
    );
    assert_eq!(sql.store_password(&login("anna@example.com"), &apple, hash).await, Ok(true));
    assert_eq!(sql.store_password(&login("nobody"), &apple, hash).await, Ok(false));
    let two = Some("UPDATE mailbox SET password = '%w' WHERE username = '%u'".to_owned());
    let sql = Sql::new(SqlSettings { update_query: two, ..settings(&path) }).expect("settings");
    assert!(sql.store_password(&login("two@example.com"), &apple, hash).await.is_err());
    for (name, stored) in [("anna@example.com", hash), ("real@example.com", "a")] {
        let query = "SELECT password FROM mailbox WHERE username = %u".to_owned();
        let sql = Sql::new(SqlSettings { user_query: query, ..settings(&path) }).expect("settings");
        let Ok(SourceAnswer::Stored(_, secrets)) = find(&sql, name, Trace::OFF).await else {
            panic!("{name}")
        };
        assert_eq!(secrets[0].expose(), stored.as_bytes());
    }
}

#[tokio::test]
async fn a_file_may_be_missing_come_and_be_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.db");
    let sql = Sql::new(settings(&path)).expect("settings");
    assert!(find(&sql, "anna@example.com", Trace::OFF).await.is_err());
    assert!(!path.exists(), "looking makes no file");
    fill(&path, SCHEMA).await;
    assert!(matches!(find(&sql, "anna@example.com", Trace::OFF).await, Ok(SourceAnswer::Stored(..))));
    let other = directory.path().join("other.db");
    fill(
        &other,
        "CREATE TABLE mailbox (username TEXT, password TEXT, home TEXT, quota TEXT, uid TEXT, ratio TEXT)",
    )
    .await;
    std::fs::rename(&other, &path).expect("replaced");
    assert!(matches!(find(&sql, "anna@example.com", Trace::OFF).await, Ok(SourceAnswer::Unknown)));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("users.db");
    fill(&path, SCHEMA).await;
    for (query, part) in [
        ("SELECT username FROM mailbox WHERE username = %u", "no column password"),
        ("SELECT password FROM users WHERE username = %u", "no such table"),
    ] {
        let sql =
            Sql::new(SqlSettings { user_query: query.to_owned(), ..settings(&path) }).expect("settings");
        let problems = sql.problems().await.expect("an answer");
        assert!(problems.iter().any(|problem| problem.contains(part)), "{problems:?}");
        assert!(find(&sql, "anna@example.com", Trace::OFF).await.is_err());
    }
    for (query, part) in [("SELECT 1", "asks for no name"), ("SELECT %u, %w", "%w")] {
        let error =
            Sql::new(SqlSettings { user_query: query.to_owned(), ..settings(&path) }).expect_err(query);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn security_11_an_answer_for_one_address_is_for_no_other() {
    for (query, expected) in [
        (QUERY.to_owned(), false),
        (format!("{QUERY} AND net = '%r'"), true),
        (format!("{QUERY} AND net = '%%r'"), false),
    ] {
        let sql = Sql::new(SqlSettings { user_query: query.clone(), ..settings(Path::new("x")) });
        assert_eq!(sql.expect("settings").looks_at_peer(), expected, "{query}");
    }
}

#[test]
fn security_16_a_url_is_never_shown() {
    let settings =
        SqlSettings { url: Url("postgres://a:hunter2@h/d".to_owned()), ..settings(Path::new("x")) };
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(!format!("{:?}", Sql::new(settings)).contains("hunter2"));
}
