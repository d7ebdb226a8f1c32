//! `authmysqlrc` and `authpgsqlrc`: `FIELD value` lines, as `[users.sql]`.

use crate::import::database::{escaped, escaped_path, sql_problem};
use crate::import::draft::{Draft, Origin};
use crate::import::input::{Problem, read_if_there, text};
use crate::import::shell::LINE_MAX;
use std::collections::BTreeMap;
use std::path::Path;

const SECTION: &str = "users.sql";

/// Fields, without their prefix, that are looked at by name, or are of delivery, of changing
/// passwords and of the library.
const NO_DIFFERENCE: &[&str] = &[
    "SERVER",
    "HOST",
    "PORT",
    "SOCKET",
    "USERNAME",
    "PASSWORD",
    "DATABASE",
    "NAME_FIELD",
    "DEFAULTDELIVERY",
    "SSL_CACERT",
    "ENUMERATE_CLAUSE",
    "CHPASS_CLAUSE",
    "CHARACTER_SET",
    "OPT",
];

/// Fields that become part of a query.
const QUERIED: &[&str] = &[
    "USER_TABLE",
    "LOGIN_FIELD",
    "CRYPT_PWFIELD",
    "CLEAR_PWFIELD",
    "HOME_FIELD",
    "MAILDIR_FIELD",
    "QUOTA_FIELD",
    "UID_FIELD",
    "GID_FIELD",
    "WHERE_CLAUSE",
];

/// In place of a query that is not known.
const ANY: &str = "SELECT %u";

/// Which of the two files, and how its database has texts put together.
struct Module {
    file: &'static str,
    prefix: &'static str,
    scheme: &'static str,
}

const MYSQL: Module = Module { file: "authmysqlrc", prefix: "MYSQL_", scheme: "mysql" };
const POSTGRES: Module = Module { file: "authpgsqlrc", prefix: "PGSQL_", scheme: "postgres" };

/// The fields of a file, the last of each.
struct Fields {
    module: Module,
    values: BTreeMap<String, String>,
}

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(&format!("{}{name}", self.module.prefix)).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// As part of a query, where a percent sign is one.
    fn expression(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.replace('%', "%%"))
    }

    /// Where the fields that are set stand.
    fn origins(&self, names: &[&str]) -> Vec<Origin> {
        let origin = |name: &&str| {
            let field = format!("{}{name}", self.module.prefix);
            Some(Origin::with_value(self.module.file, &field, self.get(name)?))
        };
        names.iter().filter_map(origin).collect()
    }
}

/// Reads what a module of authdaemond is set up by, if it is there, and starts a table of
/// `[[users]]`; whether it did.
pub(super) fn import(directory: &Path, module: &str, draft: &mut Draft) -> Result<bool, Problem> {
    let module = if module == "authpgsql" { POSTGRES } else { MYSQL };
    let Some(bytes) = read_if_there(&directory.join(module.file))? else { return Ok(false) };
    let text = text(module.file, &bytes, LINE_MAX)?.replace("\\\n", " ");
    let field = |line: &str| {
        let (name, value) = line.trim().split_once([' ', '\t'])?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(field).collect();
    let fields = Fields { module, values };
    let (Some(user), Some(database)) = (fields.get("USERNAME"), fields.get("DATABASE")) else {
        return Ok(false);
    };
    let url = url(&fields, user, database);
    let queries = queries(&fields);
    let (found, listed) = queries.as_ref().map_or((ANY, None), |(found, listed)| (found, Some(&**listed)));
    if let Some(why) = sql_problem(&url, found, listed) {
        draft.lose(Origin::new(fields.module.file, "(the whole file)"), why);
        return Ok(false);
    }
    draft.start("users");
    let origins = fields.origins(&["SERVER", "HOST", "PORT", "SOCKET", "USERNAME", "DATABASE"]);
    draft.set(SECTION, "url", url, &origins);
    if let Some(password) = fields.get("PASSWORD") {
        let field = format!("{}PASSWORD", fields.module.prefix);
        draft.fill_in_password(SECTION, "password-file", &field, password);
    }
    if let Some(path) = fields.get("SSL_CACERT") {
        draft.set(SECTION, "ca-file", path, &fields.origins(&["SSL_CACERT"]));
    }
    set_queries(&fields, queries, draft);
    owners(&fields, draft);
    what_is_lost(&fields, draft);
    Ok(true)
}

fn url(fields: &Fields, user: &str, database: &str) -> String {
    let host = fields.get("SERVER").or_else(|| fields.get("HOST"));
    let port = fields.get("PORT").filter(|port| *port != "0").map(|port| format!(":{port}"));
    // Without a host, PostgreSQL is on its socket; MySQL's has a field, which counts on this host.
    let socket = match (fields.module.scheme, host) {
        ("postgres", None) => Some("?host=/run/postgresql".to_owned()),
        ("mysql", None | Some("localhost")) => {
            fields.get("SOCKET").map(|socket| format!("?socket={}", escaped_path(socket)))
        }
        _ => None,
    };
    format!(
        "{}://{}@{}{}/{}{}",
        fields.module.scheme,
        escaped(user),
        host.unwrap_or("localhost"),
        port.unwrap_or_default(),
        escaped(database),
        socket.unwrap_or_default()
    )
}

/// What finds a user, `SELECT ... FROM table WHERE login = 'user' AND (where)` as Courier asks, and
/// what finds all. `None`: the site has a query of its own.
fn queries(fields: &Fields) -> Option<(String, String)> {
    let table = fields.expression("USER_TABLE").filter(|_| fields.get("SELECT_CLAUSE").is_none())?;
    let login = fields.expression("LOGIN_FIELD").unwrap_or_else(|| "id".to_owned());
    let mut places = String::new();
    for (name, usual, column) in [
        ("HOME_FIELD", Some("home"), "home"),
        ("MAILDIR_FIELD", None, "maildir"),
        ("QUOTA_FIELD", None, "quota"),
        ("UID_FIELD", Some("uid"), "uid"),
        ("GID_FIELD", Some("gid"), "gid"),
    ] {
        let expression = fields.expression(name).or_else(|| usual.map(str::to_owned));
        places.extend(expression.map(|expression| format!(", {expression} AS {column}")));
    }
    let condition = fields.expression("WHERE_CLAUSE");
    let and = condition.as_ref().map(|condition| format!(" AND ({condition})")).unwrap_or_default();
    let all = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
    let password = password(fields);
    Some((
        format!(
            "SELECT {login} AS user, {password} AS password{places} FROM {table} WHERE {login} = '%u'{and}"
        ),
        format!("SELECT {login} AS user{places} FROM {table}{all}"),
    ))
}

fn set_queries(fields: &Fields, queries: Option<(String, String)>, draft: &mut Draft) {
    let Some((found, listed)) = queries else {
        let remark = "what finds a user, with its columns named; see the end, and config/examples.";
        return draft.fill_in(SECTION, "user-query", remark);
    };
    let origins = fields.origins(QUERIED);
    draft.set(SECTION, "user-query", found, &origins);
    draft.set(SECTION, "list-query", listed, &fields.origins(&["USER_TABLE", "LOGIN_FIELD", "WHERE_CLAUSE"]));
}

/// The hash, else the password in clear text.
fn password(fields: &Fields) -> String {
    let clear = fields.expression("CLEAR_PWFIELD").map(|clear| match fields.module.scheme {
        "mysql" => format!("CONCAT('{{PLAIN}}', NULLIF({clear}, ''))"),
        _ => format!("'{{PLAIN}}' || NULLIF({clear}, '')"),
    });
    match (fields.expression("CRYPT_PWFIELD"), clear) {
        (Some(hash), Some(clear)) => format!("COALESCE(NULLIF({hash}, ''), {clear})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "NULL".to_owned(),
    }
}

/// Whom files belong to, where all rows say the same, and the domain of names without one.
fn owners(fields: &Fields, draft: &mut Draft) {
    for (name, key) in [("UID_FIELD", "user"), ("GID_FIELD", "group")] {
        let same =
            fields.get(name).map(|value| value.trim_matches('\'')).filter(|id| id.parse::<u32>().is_ok());
        if let Some(id) = same.filter(|_| !draft.has("mail", key)) {
            draft.set("mail", key, id, &fields.origins(&[name]));
        }
    }
    let domain = fields.values.get("DEFAULT_DOMAIN").filter(|domain| !domain.is_empty());
    if let Some(domain) = domain.filter(|_| !draft.has("login", "default-domain")) {
        let origin = Origin::with_value(fields.module.file, "DEFAULT_DOMAIN", domain);
        draft.set("login", "default-domain", domain.as_str(), &[origin]);
    }
}

fn what_is_lost(fields: &Fields, draft: &mut Draft) {
    for field in fields.values.keys().filter(|field| *field != "DEFAULT_DOMAIN") {
        let name = field.strip_prefix(fields.module.prefix).unwrap_or(field);
        let why = match name {
            _ if NO_DIFFERENCE.contains(&name) || QUERIED.contains(&name) => continue,
            "SELECT_CLAUSE" => {
                "write it as user-query: each column with its name (user, password, uid, gid, home, maildir, quota), '%n' for $(local_part), '%d' for $(domain)"
            }
            "AUXOPTIONS_FIELD" => {
                "options are not read: add columns such as disabled_services (\"imap,pop3\") or nologin to user-query"
            }
            _ => "no field of it that is known here",
        };
        match fields.origins(&[name]).pop() {
            Some(origin) => draft.lose(origin, why),
            None => draft.lose(Origin::new(fields.module.file, field), why),
        }
    }
}
