//! Reading settings, certificates and users again while the server runs.

use crate::runtime::notify;
use crate::server::Server;
use crate::settings::{self, Configuration};
use crate::{log, tls, tokens};
use sd_notify::NotifyState;
use std::path::Path;

/// Reads everything again. `Err` is what is wrong, which was logged: settings that are wrong leave
/// all as it was, and a certificate that is wrong leaves those in force.
pub(crate) fn reload(server: &Server, path: &Path) -> Result<(), Vec<String>> {
    if let Ok(time) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, time]);
    }
    let reloaded = settings::read(path).map_or_else(
        |problems| {
            Err(note_refused(
                problems.iter().map(ToString::to_string),
                "not reloaded, the settings in force stay",
            ))
        },
        |configuration| put_in_force(server, configuration),
    );
    notify(&[NotifyState::Ready]);
    reloaded
}

/// Logs what is wrong with what was read again, and what goes on in its place.
fn note_refused(problems: impl IntoIterator<Item = String>, so: &str) -> Vec<String> {
    let problems: Vec<String> = problems.into_iter().map(|problem| format!("{so}: {problem}")).collect();
    problems.iter().for_each(|problem| tracing::error!("{problem}"));
    problems
}

/// Puts new settings in force, as far as they can be.
fn put_in_force(server: &Server, configuration: Configuration) -> Result<(), Vec<String>> {
    let mut refused = Vec::new();
    let tls = tls::configure(&configuration).unwrap_or_else(|problems| {
        refused.extend(note_refused(problems, "the certificates in force stay"));
        server.tls()
    });
    let tokens = tokens::configure(&configuration).unwrap_or_else(|problem| {
        refused.extend(note_refused([problem], "tokens are checked as before"));
        server.tokens()
    });
    for setting in configuration.fixed_at_start(&server.configuration()) {
        tracing::warn!(setting, "changed, but is read at the start only: restart for it");
    }
    log::set_filter(configuration.log_filter());
    server.replace(configuration, tls, tokens);
    tracing::info!("reloaded");
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}
