//! Connections to a database of any of the three kinds.
//!
//! A connection on which an answer did not come in time is closed, since the answer may come
//! yet. A server that was started again is found by the next question: connections are tried
//! before they are used.

use super::column::columns;
use super::row::Columns;
use super::{Database, SqlSettings, Tls};
use crate::secret::Secret;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions, MySqlSslMode};
use sqlx::postgres::{PgPool, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Executor, SqlSafeStr, Statement};
use std::future::poll_fn;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use tokio::time::timeout;

/// The connections, made when they are first needed.
#[derive(Debug)]
pub(super) struct Pools {
    settings: SqlSettings,
    database: Database,
    open: Mutex<Option<Open>>,
}

/// The pool, which file it has open (device and inode) if it is a file, and the password that was
/// in password-file.
#[derive(Debug)]
struct Open {
    pool: Pool,
    file: Option<(u64, u64)>,
    password: Option<Secret>,
}

const LATE: &str = "it did not answer in time";

#[derive(Clone, Debug)]
enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// The same code for each of the three: their types have no trait in common that says enough.
macro_rules! with {
    ($self:expr, $pool:ident => $body:expr) => {
        match $self.pool()? {
            Pool::Postgres($pool) => $body,
            Pool::MySql($pool) => $body,
            Pool::Sqlite($pool) => $body,
        }
    };
}

/// Takes a connection, does something with it, in time or not at all.
macro_rules! in_time {
    ($self:expr, $pool:expr, $connection:ident => $body:expr) => {{
        let mut $connection = $pool.acquire().await.map_err(|error| $self.said(&error))?;
        match timeout($self.settings.timeout, async { $body }).await {
            Ok(answer) => answer,
            Err(_) => {
                $connection.close_on_drop();
                Err(LATE.to_owned())
            }
        }
    }};
}

impl Pools {
    pub(super) fn new(settings: SqlSettings, database: Database) -> Self {
        Self { settings, database, open: Mutex::default() }
    }

    /// Forgets connections, and the password they were made with.
    pub(super) fn reset(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Gives each row to `keep`, until that says `false`. Each may take the time that is given:
    /// there is no end to how many there are.
    pub(super) async fn rows(
        &self,
        query: &str,
        values: &[Option<String>],
        keep: &mut (dyn FnMut(Columns) -> bool + Send),
    ) -> Result<(), String> {
        with!(self, pool => {
            let mut connection = pool.acquire().await.map_err(|error| self.said(&error))?;
            let mut asked = sqlx::query(AssertSqlSafe(query));
            for value in values {
                asked = asked.bind(value.clone());
            }
            let mut rows = asked.fetch(&mut *connection);
            loop {
                let next = poll_fn(|context| rows.as_mut().poll_next(context));
                let Ok(row) = timeout(self.settings.timeout, next).await else {
                    drop(rows);
                    connection.close_on_drop();
                    return Err(LATE.to_owned());
                };
                let Some(row) = row else { return Ok(()) };
                if !keep(columns(&row.map_err(|error| self.said(&error))?)?) {
                    return Ok(());
                }
            }
        })
    }

    /// Changes one row; `false`: there was none. More than one are left as they were.
    pub(super) async fn change(&self, query: &str, values: &[Option<String>]) -> Result<bool, String> {
        with!(self, pool => in_time!(self, pool, connection => {
            let said = |error: sqlx::Error| self.said(&error);
            let mut transaction = connection.begin().await.map_err(said)?;
            let mut asked = sqlx::query(AssertSqlSafe(query));
            for value in values {
                asked = asked.bind(value.clone());
            }
            let changed = asked.execute(&mut *transaction).await.map_err(said)?.rows_affected();
            if changed > 1 {
                transaction.rollback().await.map_err(said)?;
                return Err(format!("update-query: it would change {changed} rows"));
            }
            transaction.commit().await.map_err(said)?;
            Ok(changed == 1)
        }))
    }

    /// Has a query looked at: the names of its columns, in lower case.
    pub(super) async fn prepare(&self, query: &str) -> Result<Vec<String>, String> {
        with!(self, pool => in_time!(self, pool, connection => {
            let query = AssertSqlSafe(query).into_sql_str();
            let statement = (&mut *connection).prepare(query).await.map_err(|error| self.said(&error))?;
            Ok(statement.columns().iter().map(|column| column.name().to_lowercase()).collect())
        }))
    }

    /// The pool, made anew if a SQLite file was replaced by another.
    fn pool(&self) -> Result<Pool, String> {
        let file = self.file();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_ref().filter(|open| open.file == file) {
            return Ok(open.pool.clone());
        }
        let password = self.password()?;
        let pool = self.make(password.as_deref())?;
        let password = password.map(|password| Secret::new(password.into_bytes()));
        *open = Some(Open { pool: pool.clone(), file, password });
        Ok(pool)
    }

    fn file(&self) -> Option<(u64, u64)> {
        let options = (self.database == Database::Sqlite).then(|| self.settings.url.sqlite().ok())??;
        let metadata = std::fs::metadata(options.get_filename()).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    fn make(&self, password: Option<&str>) -> Result<Pool, String> {
        let SqlSettings { url, ca_file, connections_max, timeout, .. } = &self.settings;
        Ok(match self.database {
            Database::Postgres => {
                let mut options =
                    url.postgres()?.disable_statement_logging().ssl_mode(match self.settings.tls {
                        Tls::Off => PgSslMode::Disable,
                        Tls::Prefer => PgSslMode::Prefer,
                        Tls::Verify => PgSslMode::VerifyFull,
                    });
                if let Some(path) = ca_file {
                    options = options.ssl_root_cert(path);
                }
                if let Some(password) = password {
                    options = options.password(password);
                }
                let pool = PgPoolOptions::new().max_connections(*connections_max).acquire_timeout(*timeout);
                Pool::Postgres(pool.connect_lazy_with(options))
            }
            Database::MySql => {
                let mut options =
                    url.mysql()?.disable_statement_logging().ssl_mode(match self.settings.tls {
                        Tls::Off => MySqlSslMode::Disabled,
                        Tls::Prefer => MySqlSslMode::Preferred,
                        Tls::Verify => MySqlSslMode::VerifyIdentity,
                    });
                if let Some(path) = ca_file {
                    options = options.ssl_ca(path);
                }
                if let Some(password) = password {
                    options = options.password(password);
                }
                let pool =
                    MySqlPoolOptions::new().max_connections(*connections_max).acquire_timeout(*timeout);
                Pool::MySql(pool.connect_lazy_with(options))
            }
            Database::Sqlite => {
                let options = url
                    .sqlite()?
                    .disable_statement_logging()
                    .create_if_missing(false)
                    .read_only(self.settings.update_query.is_none())
                    .busy_timeout(*timeout / 2);
                let pool =
                    SqlitePoolOptions::new().max_connections(*connections_max).acquire_timeout(*timeout);
                Pool::Sqlite(pool.connect_lazy_with(options))
            }
        })
    }

    fn password(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.settings.password_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }

    /// An error in the log's words: never with the URL or a password in it.
    fn said(&self, error: &sqlx::Error) -> String {
        let mut text = match error {
            sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
            sqlx::Error::Database(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        text = text.replace(&self.settings.url.0, "(url)");
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_file = open.as_ref().and_then(|open| open.password.as_ref());
        let from_file = from_file.map(|one| String::from_utf8_lossy(one.expose()).into_owned());
        for password in self.settings.url.passwords().into_iter().chain(from_file) {
            if !password.is_empty() {
                text = text.replace(&password, "(password)");
            }
        }
        text
    }
}
