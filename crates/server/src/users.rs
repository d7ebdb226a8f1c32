//! Users for the administrator's commands: from a name to the Maildir, as a log-in finds it.
//!
//! Calls wait: they are for commands, not for the server. What they do to a Maildir they do as
//! the user of `[mail]`, so that files get the right owner: see [`as_mail_user`].

use crate::mail_place::MailPlace;
use crate::owners::owner_of;
use crate::settings::Configuration;
use crate::{privileges, runtime, sources};
use auth::{Authenticator, Client, Trace, User};
use std::sync::Arc;
use store::{Account, Owner, QuotaLimits, Store};

/// Who asks, where a command does.
const ADMINISTRATOR: Client<'_> = Client { peer: None, service: "imap", trace: Trace::OFF };

/// Everybody who could log in.
pub(crate) struct Users {
    authenticator: Authenticator,
    configuration: Configuration,
}

/// A user, and where their mail is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ResolvedUser {
    /// Canonical name: with its domain, where it has one.
    pub(crate) name: String,
    /// The Maildir, and what Dovecot has elsewhere.
    pub(crate) place: MailPlace,
    /// Limits that the user source or the settings give; `None` leaves them to the Maildir.
    pub(crate) quota: Option<QuotaLimits>,
    /// What the user source says.
    pub(crate) user: User,
}

impl Users {
    /// The users that the configuration's sources know.
    pub(crate) fn open(configuration: &Configuration) -> Self {
        Self { authenticator: sources::authenticator(configuration), configuration: configuration.clone() }
    }

    /// The user whom a log-in with this name finds; `None` when there is none. An error is one
    /// of a source, or says why there is no Maildir.
    pub(crate) fn find(&self, name: &str) -> Result<Option<ResolvedUser>, String> {
        let found = runtime::block_on(self.authenticator.lookup(name, ADMINISTRATOR))
            .map_err(|error| error.to_string())?;
        found.map(|user| self.resolve(user)).transpose()
    }

    /// All users of all sources, each once, in the order of their names. Of those for whom there
    /// can be no Maildir it is said on standard error, and they are left out.
    pub(crate) fn all(&self) -> Result<Vec<ResolvedUser>, String> {
        let listed = runtime::block_on(async {
            let mut users = Vec::new();
            for listed in self.authenticator.list().await? {
                // Who stands in two sources, or with and without the default domain, is one.
                users.extend(self.authenticator.lookup(&listed.name, ADMINISTRATOR).await?);
            }
            Ok::<_, auth::Unavailable>(users)
        });
        let mut users = listed.map_err(|error| error.to_string())?;
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users.dedup_by(|a, b| a.name == b.name);
        let resolved = users.into_iter().filter_map(|user| {
            self.resolve(user).map_err(|problem| eprintln!("restante: {problem}: left out")).ok()
        });
        Ok(resolved.collect())
    }

    fn resolve(&self, user: User) -> Result<ResolvedUser, String> {
        let place =
            MailPlace::of(&user, &self.configuration).map_err(|why| format!("{}: {why}", user.name))?;
        let default = self.configuration.quota;
        let quota = quota_of(&user, default).unwrap_or_else(|why| {
            eprintln!("restante: {}: {why}: the quota of [mail] is taken", user.name);
            default
        });
        Ok(ResolvedUser { name: user.name.clone(), place, quota, user })
    }
}

impl ResolvedUser {
    /// Opens the account, if all of its mail would be seen.
    pub(crate) fn open(
        &self,
        store: &Arc<Store>,
        configuration: &Configuration,
    ) -> Result<Arc<Account>, String> {
        let opened = self.place.open(store, self.owner(configuration)?, false);
        opened.map_err(|error| format!("{}: {error}", self.name))
    }

    /// Whom the files belong to, as a log-in finds it; `None`: the user of `[mail]`.
    pub(crate) fn owner(&self, configuration: &Configuration) -> Result<Option<Arc<Owner>>, String> {
        owner_of(&self.user, configuration.own_uids).map_err(|why| format!("{}: {why}", self.name))
    }
}

/// Does something as the user that the server becomes: started as root, on a thread that gives
/// root up; else as who started it.
pub(crate) fn as_mail_user<T: Send>(
    configuration: &Configuration,
    work: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
    let on_thread = || privileges::give_up(user, group, configuration.keep()).and_then(|()| work());
    std::thread::scope(|scope| match scope.spawn(on_thread).join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// A user's limits: what the source says, else the site's. An error says what in the source is
/// not understood.
pub(crate) fn quota_of(user: &User, default: Option<QuotaLimits>) -> Result<Option<QuotaLimits>, String> {
    QuotaLimits::of_fields(&user.extra).map(|limits| limits.or(default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;
    use std::path::{Path, PathBuf};

    /// Two passwd files; the default domain makes `anna` and `anna@example.com` one user.
    fn configuration(directory: &Path) -> Configuration {
        let users = |name: &str, text: &str| {
            std::fs::write(directory.join(name), text).expect("a passwd file");
            format!("[[users]]\npasswd-file = \"{}\"\n", directory.join(name).display())
        };
        let first = users("first", "anna:x\nbert@example.org:x::::::quota=5M\n");
        let second = users("second", "anna@example.com:y:::::: mail=/other\ndora:x::::::mail=Maildir\n");
        let text = format!(
            "[mail]\nmaildir = \"/srv/%d/%n\"\nquota = \"7C\"\n{first}{second}[login]\ndefault-domain = \"example.com\"\n\
             cleartext-from = [\"127.0.0.1\"]\n[[listen]]\naddress = \"127.0.0.1:0\"\ntls = \"starttls\"\n"
        );
        read_text(Path::new("r.toml"), &text).expect("it is right")
    }

    #[test]
    fn users_are_found_as_a_log_in_finds_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let users = Users::open(&configuration(directory.path()));
        for (name, expected) in [
            ("anna", Some(("anna@example.com", "/srv/example.com/anna"))),
            ("ANNA@example.com", Some(("anna@example.com", "/srv/example.com/anna"))),
            ("bert@example.org", Some(("bert@example.org", "/srv/example.org/bert"))),
            ("bert", None),
            ("../anna", None),
        ] {
            let found = users.find(name).expect("the sources answer");
            let found = found.map(|user| (user.name, user.place.root));
            let expected = expected.map(|(name, root)| (name.to_owned(), PathBuf::from(root)));
            assert_eq!(found, expected, "{name}");
        }
        assert!(users.find("dora").is_err_and(|error| error.contains("relative")), "no home directory");
        let all = users.all().expect("the sources answer");
        let names: Vec<&str> = all.iter().map(|user| &*user.name).collect();
        assert_eq!(names, ["anna@example.com", "bert@example.org"]);
        let limits = |text| QuotaLimits::parse(text).ok();
        assert_eq!([all[0].quota, all[1].quota], [limits("7C"), limits("5M")]);
        assert_eq!(all[1].user.extra, [("quota".to_owned(), "5M".to_owned())]);
    }

    #[test]
    fn a_source_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let users = Users::open(&configuration(directory.path()));
        std::fs::remove_file(directory.path().join("second")).expect("removed");
        assert!(users.find("carl").is_err() && users.all().is_err());
    }
}
