//! The helper process of this process: see [`auth::helper`].

use crate::settings::Configuration;
use auth::helper::{Check, Helper};
use std::sync::{Arc, Mutex, PoisonError};

/// The server's, started before root is given up.
static SERVERS: Mutex<Option<Arc<Helper>>> = Mutex::new(None);

/// Starts the server's. A source that a reload adds is not known to it.
pub(crate) fn start(configuration: &Configuration) -> Result<(), String> {
    let checks: Vec<Check> = configuration.helped().cloned().collect();
    let helper = Helper::start(checks).map_err(|error| format!("cannot start the auth helper: {error}"))?;
    *SERVERS.lock().unwrap_or_else(PoisonError::into_inner) = Some(helper);
    Ok(())
}

/// Ends the server's.
pub(crate) fn stop() {
    if let Some(helper) = SERVERS.lock().unwrap_or_else(PoisonError::into_inner).take() {
        helper.stop();
    }
}

/// The one for a source: the server's; in a command for the administrator, where there is none,
/// one of its own. `None`: it cannot be started, which was said.
pub(crate) fn for_source(check: &Check) -> Option<Arc<Helper>> {
    if let Some(helper) = &*SERVERS.lock().unwrap_or_else(PoisonError::into_inner) {
        return Some(helper.clone());
    }
    let started = Helper::start(vec![check.clone()]);
    started.map_err(|error| eprintln!("restante: cannot start the auth helper: {error}")).ok()
}
