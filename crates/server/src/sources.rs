//! From settings to sources of users.

use crate::auth_helper;
use crate::settings::{Configuration, SourceKind, UserSource};
use auth::checkpassword::CheckPassword;
use auth::helper::Check;
use auth::pam::Pam;
use auth::ldap::Ldap;
use auth::authdaemon::{self, Authdaemon};
use auth::passwd_directory::PasswdDirectory;
use auth::passwd_file::PasswdFile;
use auth::userdb::Userdb;
use auth::{Link, Source};
use std::time::Duration;

/// Longest wait for authdaemond: it may itself wait for a directory or a database.
const AUTHDAEMON_TIMEOUT: Duration = Duration::from_secs(20);
/// Most connections to authdaemond at once. It has five processes by default; the others queue.
const AUTHDAEMON_CONNECTIONS_MAX: usize = 32;

/// The sources that the settings name, in their order; those of masters left out.
pub(crate) fn links(configuration: &Configuration) -> Vec<Link> {
    let users = configuration.sources.iter().filter(|source| source.masters_of.is_none());
    let link = |UserSource { domains, kind, .. }: &UserSource| {
        Some(Link { source: open(kind)?, domains: domains.clone() })
    };
    users.filter_map(link).collect()
}

/// `None`: the settings are wrong, which was said.
pub(crate) fn open(kind: &SourceKind) -> Option<Box<dyn Source>> {
    Some(match kind {
        SourceKind::PasswdFile(path) => Box::new(PasswdFile::new(path.clone())),
        SourceKind::Helped(check) => {
            let helper = auth_helper::for_source(check)?;
            match check.clone() {
                Check::CheckPassword(settings) => Box::new(CheckPassword::new(settings, helper)),
                Check::Pam(settings) => Box::new(Pam::new(settings, helper)),
            }
        }
        SourceKind::Ldap(settings) => Box::new(Ldap::new(*settings.clone()).ok()?),
        SourceKind::PasswdDirectory(path) => Box::new(PasswdDirectory::new(path.clone())),
        SourceKind::Userdb(path) => Box::new(Userdb::new(path.clone())),
        SourceKind::Authdaemon(socket) => Box::new(Authdaemon::new(authdaemon::Settings {
            socket: socket.clone(),
            timeout: AUTHDAEMON_TIMEOUT,
            connections_max: AUTHDAEMON_CONNECTIONS_MAX,
        })),
        SourceKind::Wrong(_) => return None,
    })
}
