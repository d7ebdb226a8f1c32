//! What the sources of users say of themselves, and whether their users would be served.

use crate::maildirs;
use crate::settings::Configuration;
use crate::{privileges, runtime, sources};
use auth::User;

/// Users without a usable Maildir that are named at most.
const USERS_TOLD_MAX: usize = 20;

/// Users that are looked at, at most: what all have in common is seen in these.
const USERS_LOOKED_AT_MAX: usize = 1_000;

pub(super) fn warnings(configuration: &Configuration) -> Vec<String> {
    let (mut warnings, users) = runtime::block_on(ask_sources(configuration));
    warnings.extend(maildirs::template_warning(configuration));
    warnings.extend(of_maildirs(configuration, &users));
    warnings
}

/// What sources say is wrong, and the users of those on this host.
async fn ask_sources(configuration: &Configuration) -> (Vec<String>, Vec<User>) {
    let (mut problems, mut users) = (Vec::new(), Vec::new());
    for source in configuration.sources.iter().filter_map(|source| sources::open(&source.kind)) {
        problems.extend(source.problems().await.unwrap_or_else(|error| vec![error.to_string()]));
        if source.is_local() && users.len() < USERS_LOOKED_AT_MAX {
            // Why it cannot be listed is said above.
            users.extend(source.list().await.unwrap_or_default());
        }
    }
    users.truncate(USERS_LOOKED_AT_MAX);
    (problems, users)
}

/// Users who would not be served, or more slowly, as the server finds their Maildirs.
fn of_maildirs(configuration: &Configuration, users: &[User]) -> Vec<String> {
    let look = || -> Vec<String> {
        let problem = |user: &User| {
            let problem = match maildirs::look(user, configuration) {
                Err(refused) => refused,
                Ok(_) => maildirs::index_problem(user, configuration)?,
            };
            Some(format!("{}: {problem}", user.name))
        };
        users.iter().filter_map(problem).collect()
    };
    let mut warnings = match configuration.own_uids {
        // Each is looked at as its owner.
        Some(_) => look(),
        None => {
            let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
            privileges::as_user(user, group, look).unwrap_or_else(look)
        }
    };
    let more = warnings.len().saturating_sub(USERS_TOLD_MAX);
    warnings.truncate(USERS_TOLD_MAX);
    if more > 0 {
        warnings.push(format!("{more} more users like these"));
    }
    warnings
}
