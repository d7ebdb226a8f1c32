//! The helper: a process that keeps the rights the server gives up, and checks passwords with
//! them.
//!
//! PAM's modules and programs such as `vchkpw` want root. So the server starts the helper before
//! it gives up root. **The helper is told what it may ask once, at its start**, by a server that
//! nobody could talk to yet. From then on a request names one of these checks by its place, and
//! a user: a server that was taken over can try passwords, and run nothing of its own.
//!
//! The helper's one descriptor beside standard error is a socket to the server; when the server's
//! end of it closes, the helper kills what it runs, and ends. Every check runs in a process of
//! its own, because PAM's modules leak and crash.

pub(crate) mod child;
mod client;
mod descriptors;
mod process;
pub(crate) mod wire;

pub use client::Helper;
pub use process::run;

use crate::{checkpassword, pam};
use std::time::Duration;

/// The hidden subcommand that [`run`] is behind.
pub const SUBCOMMAND: &str = "auth-helper";

/// Checks of one source that wait for their turn; with more, the answer is unavailable.
const WAITING_MAX: usize = 100;

/// Checks that the helper may be told of.
const CHECKS_MAX: usize = 1_000;

/// Something that the helper can ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    /// A checkpassword program.
    CheckPassword(checkpassword::CheckPasswordSettings),
    /// PAM, and passwd(5).
    Pam(pam::PamSettings),
}

impl Check {
    /// How many of it run at once.
    fn at_once(&self) -> usize {
        match self {
            Self::CheckPassword(settings) => settings.at_once,
            Self::Pam(settings) => settings.at_once,
        }
        .max(1)
    }

    /// How long one may take, and how long it waits for its turn.
    fn timeout(&self) -> Duration {
        match self {
            Self::CheckPassword(settings) => settings.timeout,
            Self::Pam(settings) => settings.timeout,
        }
    }
}
