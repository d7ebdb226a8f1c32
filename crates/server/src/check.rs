//! `restante check`: everything that is wrong with a site, at once, and how bad it is.
//!
//! It exits with 0 where nothing is wrong, 1 where there are warnings, and 2 where the server
//! would not start. What is fatal it learns from [`start::prepare`], as `serve` does.

mod certificates;
mod permissions;
mod users;

use crate::finding::{Finding, Severity};
use crate::settings::{self, Configuration};
use crate::start::{self, Ports};
use crate::{tokens, unit};
use std::path::Path;
use std::process::ExitCode;

/// Exit status where the server would not start.
const FATAL: u8 = 2;

/// Checks configuration, certificates, users and directories.
pub(crate) fn run(path: &Path) -> ExitCode {
    let findings = findings(path);
    findings.iter().for_each(|finding| eprintln!("restante: {finding}"));
    let worst = findings.iter().map(|finding| finding.severity).max();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    match worst {
        None => {
            println!("{}: no problems found", path.display());
            ExitCode::SUCCESS
        }
        Some(Severity::Warning) => {
            println!("{}: the server starts; warnings: {}", path.display(), count(Severity::Warning));
            ExitCode::FAILURE
        }
        Some(Severity::Fatal) => {
            println!("{}: the server does not start; errors: {}", path.display(), count(Severity::Fatal));
            ExitCode::from(FATAL)
        }
    }
}

/// All that is wrong: what is fatal first.
fn findings(path: &Path) -> Vec<Finding> {
    let (configuration, problems) = settings::read_what_is_right(path);
    let mut findings: Vec<Finding> = problems.iter().map(|one| Finding::fatal(one.to_string())).collect();
    if let Some(configuration) = configuration {
        let missing = start::prepare(&configuration, Ports::FreeOrOurs).err().unwrap_or_default();
        findings.extend(missing.into_iter().map(Finding::fatal));
        findings.extend(warnings(&configuration).into_iter().map(Finding::warning));
    }
    findings
}

/// What does not keep the server from starting.
fn warnings(configuration: &Configuration) -> Vec<String> {
    let mut warnings = certificates::warnings(configuration);
    warnings.extend(permissions::warnings(configuration));
    warnings.extend(clear_text_warning(configuration));
    warnings.extend(tokens::problems(configuration));
    warnings.extend(users::warnings(configuration));
    warnings.extend(unit::warnings(configuration));
    warnings
}

/// Networks from which passwords come in clear, where they are larger than a site's own.
fn clear_text_warning(configuration: &Configuration) -> Option<String> {
    let mut all = configuration.cleartext_from.iter();
    let open = all.find(|network| network.prefix_len() == 0)?;
    Some(format!(
        "cleartext-from = [\"{open}\"] in [login] lets passwords cross the whole Internet unencrypted: whoever \
         is on the way reads them. Name only the networks of a proxy; for clients without TLS 1.2 put one in front"
    ))
}
