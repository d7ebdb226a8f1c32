//! The trait behind which each kind of user source stands.

use crate::login_name::LoginName;
use crate::secret::Secret;
use crate::trace::Trace;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// A future that a source returns.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// A user as a source knows them. `None` fields take the site's defaults.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct User {
    /// Canonical name: what mail is filed and logged under. Empty when it is the name that was
    /// asked for; without a domain, the default domain is added.
    pub name: String,
    /// Home directory.
    pub home: Option<String>,
    /// Maildir: absolute, or relative to the home directory.
    pub maildir: Option<String>,
    /// What Dovecot's location of the mail says beside the Maildir: words in capitals, such as
    /// `CONTROL`, with their values.
    pub location: Vec<(String, String)>,
    /// Whom the user's files belong to.
    pub uid: Option<u32>,
    /// And their group.
    pub gid: Option<u32>,
    /// Services the user may not use (`imap`, `pop3`), lower case.
    pub disabled_services: Vec<String>,
    /// If there, the only services the user may use.
    pub allowed_services: Option<Vec<String>>,
    /// The host on which the user's mail is, if it need not be this one.
    pub mailhost: Option<String>,
    /// Names of groups that the user is a member of.
    pub groups: Vec<String>,
    /// Other fields of the source, such as `quota`, by their names there.
    pub extra: Vec<(String, String)>,
    /// The name of the source ([`Source::name`]), which a chain fills in.
    pub source: String,
}

impl User {
    /// Whether the user may use a service, named in lower case.
    pub fn may_use(&self, service: &str) -> bool {
        let names = |services: &[String]| services.iter().any(|one| one == service);
        !names(&self.disabled_services) && self.allowed_services.as_deref().is_none_or(names)
    }
}

/// What a source is asked.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Who wants to come in.
    pub name: &'a LoginName,
    /// Their password: never empty. Without one, the source only tells who that is.
    pub password: Option<&'a Secret>,
    /// What they want to use: `imap`.
    pub service: &'a str,
    /// Where they come from; `None` where an administrator asks.
    pub peer: Option<IpAddr>,
    /// What is asked of whom is noted here.
    pub trace: &'a Trace,
}

/// What a source says.
#[derive(Clone, Debug)]
pub enum SourceAnswer {
    /// Not known here: the next source is asked.
    Unknown,
    /// Known, with what is stored as password, scheme included (`{SSHA}…`, `$6$…`): each of
    /// them may match. Empty: nobody comes in.
    Stored(User, Vec<Secret>),
    /// Known, and whether the given password is right the source itself has found out.
    Checked(User, bool),
    /// Known; no password was given, and what is stored the source does not tell.
    Known(User),
}

/// The source did not answer: a temporary failure, never "wrong password".
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("user source {source_name} is unavailable: {reason}")]
pub struct Unavailable {
    /// Which source.
    pub source_name: String,
    /// Why, for the log. Never a secret.
    pub reason: String,
}

/// A user source.
pub trait Source: Send + Sync {
    /// Its name in messages, such as `passwd-file /etc/restante/users`.
    fn name(&self) -> &str;

    /// Looks a user up, and checks the password where it cannot be told.
    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer>;

    /// All users, in any order. Unavailable where the source cannot tell.
    fn list(&self) -> Asking<'_, Vec<User>>;

    /// It answers from memory: it is asked each time, and only the checking of hashes is spared.
    fn is_local(&self) -> bool {
        false
    }

    /// What it answers depends on where the user comes from.
    fn looks_at_peer(&self) -> bool {
        false
    }

    /// Stores a new hash of the user's password in the place of `old`, which was found right.
    /// `false`: it cannot, or something else stands there by now.
    fn store_password<'a>(
        &'a self,
        _name: &'a LoginName,
        _old: &'a Secret,
        _hash: &'a str,
    ) -> Asking<'a, bool> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// All that is wrong, as far as it can be seen without a user: for `restante check`.
    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Reads its data again (SIGHUP).
    fn reload(&self) {}
}

/// What a field says that is there or not: anything but 0, no, false, off and nothing.
pub(crate) fn is_true(text: &str) -> bool {
    !["", "0", "no", "n", "false", "f", "off"].contains(&text.trim().to_lowercase().as_str())
}
