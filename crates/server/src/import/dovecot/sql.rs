//! `dovecot-sql.conf.ext` of Dovecot up to 2.3, as `[users.sql]`.

use super::users::CRYPT;
use super::{Import, template};
use crate::import::database::{escaped, escaped_path, sql_problem};
use crate::import::draft::Origin;
use crate::import::input::{read_if_there, text};
use crate::import::shell::LINE_MAX;
use std::collections::BTreeMap;
use std::path::Path;

const SECTION: &str = "users.sql";

/// Columns of a password query that decide who comes in, and do not here.
const NOT_OBEYED: &[&str] = &["allow_nets", "nopassword", "proxy"];

/// The settings of one file.
struct File {
    settings: BTreeMap<String, String>,
}

impl File {
    fn get(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Import {
    /// Reads the file that a passdb names, and starts a table of `[[users]]`; whether it did.
    pub(super) fn sql(&mut self, path: &str) -> bool {
        let Ok(Some(bytes)) = read_if_there(Path::new(path)) else { return false };
        let Ok(text) = text(path, &bytes, LINE_MAX) else { return false };
        let setting = |line: &str| {
            let (key, value) = line.trim().split_once('=')?;
            Some((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        };
        let text = text.replace("\\\n", " ");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let file = File { settings: lines.filter_map(setting).collect() };
        let Some(url) = url(&file) else { return false };
        let query = |key: &str| file.get(key).map(template::variables).transpose();
        let queries = query("password_query").and_then(|found| Ok((found, query("iterate_query")?)));
        let why = match &queries {
            Ok((found, listed)) => sql_problem(&url, found.as_deref().unwrap_or_default(), listed.as_deref()),
            Err(why) => Some(why.clone()),
        };
        let (Ok((Some(found), listed)), None) = (queries, &why) else {
            self.draft.lose(Origin::new(path, "(the whole file)"), why.unwrap_or_default());
            return false;
        };
        self.draft.start("users");
        // Without their values: they may have passwords in them.
        let from = |key: &str| [Origin::new(path, key)];
        self.draft.set(SECTION, "url", url, &from("connect"));
        if let Some(password) = word(&file, "password") {
            self.draft.fill_in_password(SECTION, "password-file", "password= of connect", &password);
        }
        self.draft.set(SECTION, "user-query", found, &from("password_query"));
        if let Some(listed) = listed {
            self.draft.set(SECTION, "list-query", listed, &from("iterate_query"));
        }
        self.sql_losses(path, &file);
        true
    }

    fn sql_losses(&mut self, path: &str, file: &File) {
        let query = file.get("password_query").unwrap_or_default();
        for (key, value) in &file.settings {
            let why = match key.as_str() {
                "driver" | "connect" | "password_query" | "iterate_query" => continue,
                "user_query" if query.contains("userdb_") => continue,
                "user_query" => "one query finds a user: add its columns to user-query",
                "default_pass_scheme" if CRYPT.contains(&value.to_ascii_uppercase().as_str()) => continue,
                "default_pass_scheme" => {
                    "passwords without a scheme are of crypt(3) here: put another in front of the column in user-query"
                }
                _ => "no setting of [users.sql] is like it",
            };
            self.draft.lose(Origin::new(path, key), why);
        }
        for column in NOT_OBEYED.iter().filter(|column| query.contains(**column)) {
            let origin = Origin::new(path, &format!("password_query: {column}"));
            self.draft.lose(origin, "no such column is obeyed: say in the query who may come in");
        }
    }
}

/// `host=... port=... dbname=... user=...`, or the path of a file of SQLite.
fn url(file: &File) -> Option<String> {
    let connect = file.get("connect")?;
    let scheme = match file.get("driver")? {
        "pgsql" => "postgres",
        "mysql" => "mysql",
        "sqlite" => return Some(format!("sqlite:{connect}")),
        _ => return None,
    };
    let (user, database) = (word(file, "user")?, word(file, "dbname")?);
    let host = word(file, "host").unwrap_or_else(|| "localhost".to_owned());
    let (host, socket) = match (host.starts_with('/'), scheme) {
        (true, "postgres") => ("localhost", format!("?host={}", escaped_path(&host))),
        (true, _) => ("localhost", format!("?socket={}", escaped_path(&host))),
        (false, _) => (host.as_str(), String::new()),
    };
    let port = word(file, "port").map(|port| format!(":{port}")).unwrap_or_default();
    let user = escaped(&user);
    Some(format!("{scheme}://{user}@{host}{port}/{}{socket}", escaped(&database)))
}

/// A word of `connect`; quotes may hold blanks.
fn word(file: &File, key: &str) -> Option<String> {
    let mut rest = file.get("connect")?;
    while let Some((name, behind)) = rest.split_once('=') {
        let quote = behind.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let (value, after) = match quote {
            Some(quote) => behind[1..].split_once(quote).unwrap_or((&behind[1..], "")),
            None => behind.split_once(char::is_whitespace).unwrap_or((behind, "")),
        };
        if name.trim() == key {
            return Some(value.to_owned());
        }
        rest = after.trim_start();
    }
    None
}
