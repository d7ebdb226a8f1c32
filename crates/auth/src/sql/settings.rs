//! What a site says of its database.

use super::template::{Template, Variable};
use super::url::{Database, Url};
use std::path::PathBuf;
use std::time::Duration;

/// How much TLS there is towards a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tls {
    /// None.
    Off,
    /// If the server has it; its certificate is not looked at.
    Prefer,
    /// Always, with a certificate for the server's name.
    Verify,
}

/// What a site says of its database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SqlSettings {
    /// Where it is, without a password or with it. Unix sockets by `?host=/run/postgresql` and
    /// `?socket=/run/mysqld/mysqld.sock`.
    pub url: Url,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// TLS towards the server.
    pub tls: Tls,
    /// Certificates that are trusted, instead of those commonly known.
    pub ca_file: Option<PathBuf>,
    /// Most connections at a time.
    pub connections_max: u32,
    /// Longest wait for a connection, and again for each row.
    pub timeout: Duration,
    /// Finds one user.
    pub user_query: String,
    /// Finds all users, without variables.
    pub list_query: Option<String>,
    /// Stores `%w`, a new hash, in the place of `%o`.
    pub update_query: Option<String>,
}

/// SqlSettings that can be gone by.
pub(super) struct Compiled {
    pub(super) database: Database,
    pub(super) user: Template,
    pub(super) list: Option<Template>,
    pub(super) update: Option<Template>,
}

impl SqlSettings {
    /// What is wrong with them, as far as it can be seen without the database.
    pub fn check(&self) -> Result<(), String> {
        self.compile().map(drop)
    }

    pub(super) fn compile(&self) -> Result<Compiled, String> {
        let database = self.url.database().ok_or("url: it begins with postgres://, mysql:// or sqlite:")?;
        self.url.check()?;
        let parse = |setting: &str, query: &str| {
            Template::parse(query, database).map_err(|problem| format!("{setting}: {problem}"))
        };
        let user = parse("user-query", &self.user_query)?;
        let list = self.list_query.as_deref().map(|query| parse("list-query", query)).transpose()?;
        let update = self.update_query.as_deref().map(|query| parse("update-query", query)).transpose()?;
        let names = |template: &Template| {
            let named = [Variable::User, Variable::Local];
            template.parameters.iter().any(|variable| named.contains(variable))
        };
        if !names(&user) {
            return Err("user-query: it asks for no name: %u or %n is missing".to_owned());
        }
        let hashes = [Variable::Hash, Variable::Old];
        if user.parameters.iter().any(|variable| hashes.contains(variable)) {
            return Err("user-query: %w and %o are for the update-query alone".to_owned());
        }
        if list.as_ref().is_some_and(|list| !list.parameters.is_empty()) {
            return Err("list-query: it has variables, but asks for everybody".to_owned());
        }
        if update
            .as_ref()
            .is_some_and(|update| !names(update) || !update.parameters.contains(&Variable::Hash))
        {
            return Err("update-query: it needs %w and a name, %u or %n".to_owned());
        }
        Ok(Compiled { database, user, list, update })
    }
}
