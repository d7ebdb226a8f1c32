//! The trait behind which each kind of user source stands.

use crate::secret::Secret;
use std::future::Future;
use std::pin::Pin;

/// A future that a source returns.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// A user as a source knows them. `None` fields take the site's defaults.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct User {
    /// Canonical name: what mail is filed and logged under.
    pub name: String,
    /// Home directory.
    pub home: Option<String>,
    /// Maildir: absolute, or relative to the home directory.
    pub maildir: Option<String>,
    /// Services the user may not use (`imap`, `pop3`), lower case.
    pub disabled_services: Vec<String>,
    /// Other fields of the source, such as `quota`, by their names there.
    pub extra: Vec<(String, String)>,
}

/// What a source says to a name.
#[derive(Clone, Debug)]
pub enum Found {
    /// Not known here: the next source is asked.
    Unknown,
    /// Known, with the stored password, scheme included (`{SSHA}…`, `$6$…`).
    Hash(User, Secret),
    /// Known, and whether the given password is right the source itself has found out.
    Checked(User, bool),
}

/// The source did not answer: a temporary failure, never "wrong password".
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("user source {source_name} is unavailable: {reason}")]
pub struct Unavailable {
    /// Which source.
    pub source_name: String,
    /// Why, for the log.
    pub reason: String,
}

/// A user source.
pub trait Source: Send + Sync {
    /// Its name in messages, such as `passwd-file /etc/restante/users`.
    fn name(&self) -> &str;

    /// Looks a name up, which is normalized and has its domain, if any. `password` is there
    /// when somebody logs in; a source that checks itself uses it.
    fn find<'a>(&'a self, name: &'a str, password: Option<&'a Secret>) -> Asking<'a, Found>;

    /// All users, in any order.
    fn list(&self) -> Asking<'_, Vec<User>>;

    /// Reads its data again (SIGHUP).
    fn reload(&self) {}
}
