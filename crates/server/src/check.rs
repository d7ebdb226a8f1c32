//! `restante check`: everything that is wrong, at once.

use crate::settings::{self, Configuration};
use crate::{privileges, tls};
use std::path::Path;
use std::process::ExitCode;

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
    for path in &configuration.passwd_files {
        problems.extend(auth::passwd_file::PasswdFile::new(path.clone()).check());
    }
    problems.extend(directory_problem(&configuration.maildir));
    problems
}

/// The directory in which all Maildirs lie must be there.
fn directory_problem(template: &str) -> Option<String> {
    let fixed = template.split('%').next().unwrap_or_default();
    let directory = Path::new(&fixed[..=fixed.rfind('/')?]);
    match std::fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{}: no directory, though Maildirs are to be there", directory.display())),
        Err(error) => Some(format!("{}: {error}, though Maildirs are to be there", directory.display())),
    }
}
