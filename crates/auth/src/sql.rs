//! Users in PostgreSQL, MySQL (MariaDB) or SQLite, by queries of the site's own.
//!
//! Variables of a query are bound as parameters (see [`template`]). A row is one user; its
//! columns are known by their names: `password`, `user` (or `name`), `home`, `maildir` (or `mail`,
//! as Dovecot has it), `uid`, `gid`, `mailhost`, `disabled_services`, `allowed_services` (parted by
//! commas), `nologin` (with it the user may use nothing, unless it is NULL, empty, 0, no, false or
//! off); others, such as `quota`, go along as extra fields. With `password` NULL or empty nobody
//! comes in. `userdb_` before a name is passed over.
//!
//! MySQL's usual collations find `anna` for `ánna` too, who may be somebody else in another
//! source. A row therefore counts only where its `user` is the name that was asked for: in full,
//! without the default domain, or, in a query with `%n`, what stands before the `@`; all in lower
//! case. Where an alias finds another user, a column `asked`, the alias as it is stored, is
//! compared instead. MySQL's rows must have one of them; an `asked` counts everywhere.
//!
//! One URL is one server: what takes over when it fails is the databases' own affair. Whatever
//! goes wrong is a temporary failure, never an unknown user, and so is more than one row.

mod column;
mod pool;
mod row;
mod settings;
mod template;
mod url;

use crate::login_name::LoginName;
use crate::secret::Secret;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use pool::Pools;
use row::{Columns, is_of, shown, user_of};
use settings::Compiled;
pub use settings::{SqlSettings, Tls};
use template::{Template, Variable};
pub use url::{Database, Url};

/// A database as a user source.
#[derive(Debug)]
pub struct Sql {
    name: String,
    database: Database,
    pools: Pools,
    user: Template,
    list: Option<Template>,
    update: Option<Template>,
}

impl Sql {
    /// The source, or what is wrong with the settings. No connection is made yet.
    pub fn new(settings: SqlSettings) -> Result<Self, String> {
        let Compiled { database, user, list, update } = settings.compile()?;
        if settings.tls != Tls::Verify && settings.url.usual_tls() == Tls::Verify {
            tracing::warn!("sql: whoever is between here and the database can read passwords; set tls");
        }
        let name = match database {
            Database::Postgres => "sql (PostgreSQL)",
            Database::MySql => "sql (MySQL)",
            Database::Sqlite => "sql (SQLite)",
        };
        Ok(Self {
            name: name.to_owned(),
            database,
            pools: Pools::new(settings, database),
            user,
            list,
            update,
        })
    }

    fn unavailable(&self, reason: String) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason }
    }

    async fn ask(&self, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        let values = values(&self.user, query.name, Some(&query), None);
        query.trace.step(|| format!("query: {}; values: {values:?}", self.user.text));
        // Two rows are enough to know that there is more than one.
        let mut rows: Vec<Columns> = Vec::new();
        let mut keep = |row| {
            rows.push(row);
            rows.len() < 2
        };
        let asked = self.pools.rows(&self.user.text, &values, &mut keep).await;
        asked.map_err(|reason| self.unavailable(reason))?;
        query.trace.step(|| shown(&rows));
        if rows.len() > 1 {
            return Err(self.unavailable(format!("more than one row for {}", query.name.full())));
        }
        let Some(row) = rows.pop() else { return Ok(SourceAnswer::Unknown) };
        let columns: Vec<&str> = row.iter().map(|(column, _)| column.as_str()).collect();
        if let Some(missing) = self.missing(&columns) {
            return Err(self.unavailable(format!("user-query: {missing}")));
        }
        let by_local = self.user.parameters.contains(&Variable::Local);
        if !is_of(&row, query.name, by_local, self.database == Database::MySql) {
            query.trace.step(|| "the row is another's: its user, or asked, is not this name".to_owned());
            return Ok(SourceAnswer::Unknown);
        }
        let (user, password) = user_of(row).map_err(|reason| self.unavailable(reason))?;
        Ok(SourceAnswer::Stored(user, password.into_iter().collect()))
    }

    /// What the rows of the user query lack.
    fn missing(&self, columns: &[&str]) -> Option<&'static str> {
        let has = |names: &[&str]| columns.iter().any(|column| names.contains(column));
        if !has(&["password"]) {
            return Some("it has no column password");
        }
        let named = self.database != Database::MySql || has(&["user", "name", "asked"]);
        (!named).then_some("it has no column user, without which MySQL may find another's row")
    }

    async fn all(&self) -> Result<Vec<User>, Unavailable> {
        let Some(list) = &self.list else {
            return Err(self.unavailable("there is no list-query".to_owned()));
        };
        let (mut users, mut wrong) = (Vec::new(), None);
        let mut keep = |row| match user_of(row) {
            Ok((user, _)) if user.name.is_empty() => {
                wrong = Some("list-query: a row has no user".to_owned());
                false
            }
            Ok((user, _)) => {
                users.push(user);
                true
            }
            Err(problem) => {
                wrong = Some(problem);
                false
            }
        };
        let asked = self.pools.rows(&list.text, &[], &mut keep).await;
        match asked.err().or(wrong) {
            Some(reason) => Err(self.unavailable(reason)),
            None => Ok(users),
        }
    }

    async fn check(&self) -> Vec<String> {
        let queries = [
            ("user-query", Some(&self.user)),
            ("list-query", self.list.as_ref()),
            ("update-query", self.update.as_ref()),
        ];
        let mut problems = Vec::new();
        for (setting, template) in queries {
            let Some(template) = template else { continue };
            let columns = match self.pools.prepare(&template.text).await {
                Ok(columns) => columns,
                Err(reason) => {
                    problems.push(format!("{}: {setting}: {reason}", self.name));
                    continue;
                }
            };
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let named = columns.iter().any(|column| ["user", "name"].contains(column));
            let missing = match setting {
                "user-query" => self.missing(&columns),
                "list-query" if !named => Some("it has no column user"),
                _ => None,
            };
            problems.extend(missing.map(|missing| format!("{}: {setting}: {missing}", self.name)));
        }
        problems
    }
}

impl Source for Sql {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(self.ask(query))
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(self.all())
    }

    fn looks_at_peer(&self) -> bool {
        self.user.parameters.contains(&Variable::Remote)
    }

    fn store_password<'a>(&'a self, name: &'a LoginName, old: &'a Secret, hash: &'a str) -> Asking<'a, bool> {
        Box::pin(async move {
            let Some(update) = &self.update else { return Ok(false) };
            let old = String::from_utf8_lossy(old.expose());
            let values = values(update, name, None, Some((&old, hash)));
            // What a server says of a row may have its values in it.
            let changed = self.pools.change(&update.text, &values).await;
            changed
                .map_err(|reason| self.unavailable(reason.replace(hash, "(hash)").replace(&*old, "(hash)")))
        })
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async move { Ok(self.check().await) })
    }

    fn reload(&self) {
        self.pools.reset();
    }
}

fn values(
    template: &Template,
    name: &LoginName,
    query: Option<&Query<'_>>,
    hashes: Option<(&str, &str)>,
) -> Vec<Option<String>> {
    let value = |variable: &Variable| match variable {
        Variable::User => Some(name.full().to_owned()),
        Variable::Local => Some(name.local().to_owned()),
        Variable::Domain => name.domain().map(str::to_owned),
        Variable::Service => query.map(|query| query.service.to_owned()),
        Variable::Remote => query.and_then(|query| query.peer).map(|peer| peer.to_string()),
        Variable::Hash => hashes.map(|(_, new)| new.to_owned()),
        Variable::Old => hashes.map(|(old, _)| old.to_owned()),
    };
    template.parameters.iter().map(value).collect()
}

#[cfg(test)]
mod tests;
