//! Where a database is.

use super::settings::Tls;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::net::IpAddr;

/// Which database a URL names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Database {
    /// `postgres://` or `postgresql://`.
    Postgres,
    /// `mysql://` or `mariadb://`.
    MySql,
    /// `sqlite:`.
    Sqlite,
}

/// A URL that may have a password in it, and is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(pub String);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Url")
    }
}

impl Url {
    /// The database it names.
    pub fn database(&self) -> Option<Database> {
        Some(match self.0.split_once(':')?.0 {
            "postgres" | "postgresql" => Database::Postgres,
            "mysql" | "mariadb" => Database::MySql,
            "sqlite" => Database::Sqlite,
            _ => return None,
        })
    }

    /// The TLS that is right where a site says nothing of it: none within this machine, and all
    /// of it elsewhere.
    pub fn usual_tls(&self) -> Tls {
        if self.is_local() { Tls::Off } else { Tls::Verify }
    }

    fn is_local(&self) -> bool {
        let loopback = |host: &str| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host.starts_with('/')
                || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        match self.database() {
            Some(Database::Postgres) => self
                .postgres()
                .is_ok_and(|options| options.get_socket().is_some() || loopback(options.get_host())),
            Some(Database::MySql) => self
                .mysql()
                .is_ok_and(|options| options.get_socket().is_some() || loopback(options.get_host())),
            Some(Database::Sqlite) => true,
            None => false,
        }
    }

    /// What is wrong with it, not in the libraries' words, which may quote it.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.database() {
            Some(Database::Postgres) => self.postgres().map(drop),
            Some(Database::MySql) => self.mysql().map(drop),
            Some(Database::Sqlite) => self.sqlite().map(drop),
            None => Err(NO_URL.to_owned()),
        }
    }

    pub(super) fn postgres(&self) -> Result<PgConnectOptions, String> {
        // The library takes parameters that it does not know into the log, values and all.
        let parameters = self.0.split_once('?').map(|(_, parameters)| parameters).unwrap_or_default();
        let mut keys = parameters.split('&').filter_map(|one| one.split('=').next());
        if let Some(key) = keys.find(|key| !key.is_empty() && !POSTGRES_PARAMETERS.contains(key)) {
            return Err(format!(
                "url: it has a parameter {key}; known are {}",
                POSTGRES_PARAMETERS.join(", ")
            ));
        }
        self.0.parse().map_err(|_| NO_URL.to_owned())
    }

    pub(super) fn mysql(&self) -> Result<MySqlConnectOptions, String> {
        self.0.parse().map_err(|_| NO_URL.to_owned())
    }

    pub(super) fn sqlite(&self) -> Result<SqliteConnectOptions, String> {
        self.0.parse().map_err(|_| NO_URL.to_owned())
    }

    /// Its password, as it is written there and as it is meant.
    pub(super) fn passwords(&self) -> Vec<String> {
        let after = self.0.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
        let (place, parameters) = after.split_once('?').unwrap_or((after, ""));
        let account = place.rsplit_once('@').and_then(|(account, _)| account.split_once(':'));
        let parameters = parameters.split('&').filter_map(|parameter| parameter.split_once('='));
        let all = account.into_iter().map(|(_, password)| password);
        let all = all.chain(parameters.filter(|(key, _)| *key == "password").map(|(_, password)| password));
        all.flat_map(|written| [written.to_owned(), unescaped(written)]).collect()
    }
}

const NO_URL: &str = "url: it cannot be understood";

const POSTGRES_PARAMETERS: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "sslcert",
    "sslkey",
];

/// `%40` is `@` (RFC 3986, 2.1).
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let byte = escaped.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = byte.and_then(|_| tail.get(2..)).unwrap_or(tail);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_for_other_hosts() {
        for (url, tls) in [
            ("postgres://a@db.example.com/mail", Tls::Verify),
            ("postgres://a@127.0.0.1/mail", Tls::Off),
            ("postgres://a@[::1]/mail", Tls::Off),
            ("postgres://a@h/mail?host=/run/postgresql", Tls::Off),
            ("postgres://a@localhost/mail?host=db.example.com", Tls::Verify),
            ("mysql://a@localhost/mail", Tls::Off),
            ("mysql://a@[::1]/mail", Tls::Off),
            ("mysql://a@192.0.2.1/mail", Tls::Verify),
            ("mysql://a@192.0.2.1/mail?socket=/run/mysqld/mysqld.sock", Tls::Off),
            ("sqlite:/var/lib/users.db", Tls::Off),
            ("nonsense", Tls::Verify),
        ] {
            assert_eq!(Url(url.to_owned()).usual_tls(), tls, "{url}");
        }
    }

    #[test]
    fn security_16_a_password_is_found_wherever_it_stands() {
        for url in [
            "postgres://a:hunt%40er2@h/d",
            "postgres://a@h/d?password=hunt%40er2",
            "mysql://a:hunt%40er2@h/d",
            "mariadb://a:hunt%40er2@h/d",
        ] {
            let passwords = Url(url.to_owned()).passwords();
            assert!(passwords.iter().any(|one| one == "hunt@er2"), "{url}: {passwords:?}");
        }
        let unknown = Url("postgres://a@h/d?passwort=hunter2".to_owned());
        let problem = unknown.check().expect_err("an unknown parameter");
        assert!(problem.contains("passwort") && !problem.contains("hunter2"), "{problem}");
        assert!(Url("mysql://a:hunter2@h:x/d".to_owned()).check().is_err_and(|why| !why.contains("hunter2")));
        for url in ["postgres://a@h/d", "sqlite:/x", "mysql://h"] {
            assert_eq!(Url(url.to_owned()).passwords(), Vec::<String>::new(), "{url}");
        }
    }
}
