//! `restante check`: everything that is wrong, at once.

use crate::owners::OwnUids;
use crate::settings::{self, Configuration};
use crate::users::maildir_of;
use crate::{privileges, serve, sources, tls, tokens};
use auth::User;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Users whose Maildirs are wrong that are named at most.
const USERS_TOLD_MAX: usize = 20;

/// Checks configuration, certificates, users and directories.
pub(crate) fn run(path: &Path) -> ExitCode {
    let (configuration, wrong) = settings::read_what_is_right(path);
    let mut problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    problems.extend(configuration.iter().flat_map(further_problems));
    problems.iter().for_each(|problem| eprintln!("restante: {problem}"));
    if problems.is_empty() {
        println!("{}: no problems found", path.display());
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// What is wrong beside the settings themselves.
fn further_problems(configuration: &Configuration) -> Vec<String> {
    let mut problems = tls::configure(configuration).err().unwrap_or_default();
    problems.extend(privileges::check(configuration.user.as_deref(), configuration.group.as_deref()));
    problems.extend(problems_of_sources(configuration));
    problems.extend(tokens::problems(configuration));
    problems.extend(problems_of_maildirs(configuration));
    let directory = directory_of_all(&configuration.maildir);
    problems.extend(directory.and_then(directory_problem));
    if problems.is_empty() {
        let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
        let as_user = || problems_of_user(configuration, directory);
        problems.extend(privileges::as_user(user, group, as_user).unwrap_or_default());
    }
    problems
}

/// What the sources of users say of themselves.
fn problems_of_sources(configuration: &Configuration) -> Vec<String> {
    serve::block_on(async {
        let mut problems = Vec::new();
        for source in configuration.sources.iter().filter_map(|source| sources::open(&source.kind)) {
            problems.extend(source.problems().await.unwrap_or_else(|error| vec![error.to_string()]));
        }
        problems
    })
}

/// Users of local sources who could not log in, or not use the Maildir that is there. The first
/// ones; what all have in common is seen in them.
fn problems_of_maildirs(configuration: &Configuration) -> Vec<String> {
    let listed = serve::block_on(async {
        let mut users = Vec::new();
        let sources = configuration.sources.iter().filter_map(|source| sources::open(&source.kind));
        for source in sources.filter(|source| source.is_local()) {
            // Why it cannot be listed is said elsewhere.
            users.extend(source.list().await.unwrap_or_default());
        }
        users
    });
    let of_owner = |user| problem_of_owner(user, configuration.own_uids?, configuration);
    let mut problems: Vec<String> = listed
        .iter()
        .filter_map(|user| of_owner(user).or_else(|| problem_of_links(user, &configuration.maildir)))
        .collect();
    let more = problems.len().saturating_sub(USERS_TOLD_MAX);
    problems.truncate(USERS_TOLD_MAX);
    if more > 0 {
        problems.push(format!("{more} more users like these"));
    }
    problems
}

/// Symbolic links that keep the server from a user's mail: the Maildir may be one, if it leads to a
/// directory, and what is in it may not.
fn problem_of_links(user: &User, template: &str) -> Option<String> {
    let maildir = maildir_of(user, template).ok()?;
    let is_link = maildir.symlink_metadata().ok()?.is_symlink();
    if is_link && !maildir.is_dir() {
        let shown = maildir.display();
        return Some(format!("{}: {shown} is a symbolic link that leads to no directory", user.name));
    }
    let strange = store::strange_directories(&maildir).into_iter().next()?;
    let shown = strange.display();
    Some(format!("{}: {shown} must be a directory, and no symbolic link; the inbox is not served", user.name))
}

fn problem_of_owner(user: &User, own_uids: OwnUids, configuration: &Configuration) -> Option<String> {
    let uid = user.uid?;
    if let Err(why) = user.gid.map_or(Ok(()), |gid| own_uids.check(uid, gid)) {
        return Some(format!("{}: {why}", user.name));
    }
    // Without its default domain a name may have no place in the template: nothing to look at.
    let maildir = maildir_of(user, &configuration.maildir).ok()?;
    let owner = std::fs::metadata(&maildir).ok()?.uid();
    let is_theirs = owner == uid;
    (!is_theirs).then(|| {
        format!("{}: {} belongs to uid {owner}, and not to theirs, {uid}", user.name, maildir.display())
    })
}

/// What root may do and the user of `[mail]` may not, though the running server must.
fn problems_of_user(configuration: &Configuration, directory: Option<&Path>) -> Vec<String> {
    let user = configuration.user.as_deref().unwrap_or_default();
    let problem = |path: &Path, what: &str, error: std::io::Error| {
        format!("{}: {user}, the user of [mail], cannot {what} it: {error}", path.display())
    };
    let unread = |path: &PathBuf| Some(problem(path, "read", std::fs::File::open(path).err()?));
    let files =
        configuration.passwd_files().chain(configuration.oauth.iter().flat_map(|oauth| oauth.files()));
    let mut problems: Vec<String> = files.filter_map(unread).collect();
    let entered = directory.map(|directory| {
        let access = rustix::fs::access(directory, rustix::fs::Access::EXEC_OK);
        access.map_err(|error| problem(directory, "enter", error.into()))
    });
    problems.extend(entered.and_then(Result::err));
    problems
}

/// The directory in which all Maildirs lie; `None` when each user has one of their own.
fn directory_of_all(template: &str) -> Option<&Path> {
    let fixed = template.split('%').next().unwrap_or_default();
    Some(Path::new(&fixed[..=fixed.rfind('/')?]))
}

/// It must be there.
fn directory_problem(directory: &Path) -> Option<String> {
    match std::fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{}: no directory, though Maildirs are to be there", directory.display())),
        Err(error) => Some(format!("{}: {error}, though Maildirs are to be there", directory.display())),
    }
}
