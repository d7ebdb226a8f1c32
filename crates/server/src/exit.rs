//! How a command ends.

use std::process::ExitCode;

/// Says what went wrong, if anything.
pub(crate) fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("restante: {error}");
            ExitCode::FAILURE
        }
    }
}
