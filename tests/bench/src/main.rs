//! Restante beside Dovecot and Courier: the same mail, the same commands, in one run.
//!
//! Each server serves its own copy of the same Maildirs on loopback. Workloads run against all
//! servers in turn, several rounds, and every answer is checked, so that a wrong one ends the
//! benchmark instead of winning it. What counts is the time at the client and the CPU time of
//! all processes of a server.

mod client;
mod corpus;
mod measure;
mod options;
mod peers;
mod prng;
mod report;
mod run;
mod servers;
mod workload;
mod workloads;

use clap::Parser;
use std::process::ExitCode;

/// Errors are texts for the one who runs the benchmark.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let options = options::Options::parse();
    match run::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("restante-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
