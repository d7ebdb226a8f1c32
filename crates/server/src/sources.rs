//! From settings to sources of users.

use crate::auth_helper;
use crate::settings::{Configuration, SourceKind, UserSource};
use auth::authdaemon::{self, Authdaemon};
use auth::checkpassword::CheckPassword;
use auth::down::Down;
use auth::helper::Check;
use auth::ldap::Ldap;
use auth::pam::Pam;
use auth::passwd_directory::PasswdDirectory;
use auth::passwd_file::PasswdFile;
use auth::userdb::Userdb;
use auth::vpopmail::Vpopmail;
use auth::{Authenticator, Chain, Link, Masters, Source};
use std::time::Duration;

/// Longest wait for authdaemond: it may itself wait for a directory or a database.
const AUTHDAEMON_TIMEOUT: Duration = Duration::from_secs(20);
/// Most connections to authdaemond at once. It has five processes by default; the others queue.
const AUTHDAEMON_CONNECTIONS_MAX: usize = 32;

/// Who knows the users, by these settings.
pub(crate) fn authenticator(configuration: &Configuration) -> Authenticator {
    let (links, masters) = (links(configuration), masters(configuration));
    Authenticator::new(links, masters, configuration.log_ins.clone())
        .expect("random bytes, without which there is no server")
}

/// The sources that the settings name, in their order; those of masters left out.
pub(crate) fn links(configuration: &Configuration) -> Vec<Link> {
    let users = configuration.sources.iter().filter(|source| source.masters_of.is_none());
    let link = |UserSource { domains, kind, .. }: &UserSource| {
        Some(Link { source: open(kind)?, domains: domains.clone() })
    };
    users.filter_map(link).collect()
}

/// The sources of masters, with the domains whose users they may act for.
pub(crate) fn masters(configuration: &Configuration) -> Vec<Masters> {
    let masters = |UserSource { domains, masters_of, kind }: &UserSource| {
        let link = Link { source: open(kind)?, domains: domains.clone() };
        let chain = Chain::new(vec![link], configuration.log_ins.default_domain.clone());
        Some(Masters { chain, domains: masters_of.clone()? })
    };
    configuration.sources.iter().filter(|source| source.masters_of.is_some()).filter_map(masters).collect()
}

/// `None`: the settings are wrong, which was said.
pub(crate) fn open(kind: &SourceKind) -> Option<Box<dyn Source>> {
    Some(match kind {
        SourceKind::PasswdFile(path) => Box::new(PasswdFile::new(path.clone())),
        SourceKind::Helped(check) => {
            let Some(helper) = auth_helper::for_source(check) else {
                return Some(Box::new(Down::new("auth helper", "it could not be started")));
            };
            match check.clone() {
                Check::CheckPassword(settings) => Box::new(CheckPassword::new(settings, helper)),
                Check::Pam(settings) => Box::new(Pam::new(settings, helper)),
            }
        }
        SourceKind::Ldap(settings) => match Ldap::new(*settings.clone()) {
            Ok(ldap) => Box::new(ldap),
            Err(error) => Box::new(Down::new("ldap", error.to_string())),
        },
        #[cfg(feature = "sql")]
        SourceKind::Sql(settings) => match auth::sql::Sql::new(*settings.clone()) {
            Ok(sql) => Box::new(sql),
            Err(error) => Box::new(Down::new("sql", error)),
        },
        SourceKind::PasswdDirectory(path) => Box::new(PasswdDirectory::new(path.clone())),
        SourceKind::Userdb(path) => Box::new(Userdb::new(path.clone())),
        SourceKind::Authdaemon(socket) => Box::new(Authdaemon::new(authdaemon::AuthdaemonSettings {
            socket: socket.clone(),
            timeout: AUTHDAEMON_TIMEOUT,
            connections_max: AUTHDAEMON_CONNECTIONS_MAX,
        })),
        SourceKind::Vpopmail(path) => Box::new(Vpopmail::new(path.clone())),
        SourceKind::Wrong(_) => return None,
    })
}
