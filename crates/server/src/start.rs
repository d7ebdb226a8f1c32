//! What a start needs: ports, certificates, a user to become.
//!
//! `serve` refuses to start without any of it, and `check` calls what is missing fatal. Both ask
//! here, so that they cannot disagree.

use crate::listen::{self, Listener};
use crate::settings::{Configuration, ListenTls};
use crate::{privileges, tls, tokens};
use auth::oauth::Tokens;
use rustls::ServerConfig;
use std::sync::Arc;

/// What the server starts with.
pub(crate) struct Prepared {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) tokens: Option<Arc<Tokens>>,
}

/// What is asked of the ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ports {
    /// All of them are free.
    Free,
    /// They are free, or a running Restante has them, or systemd for it: for `check`, beside a
    /// server that runs.
    FreeOrOurs,
}

/// Opens ports and keys. `Err` is everything that keeps the server from starting.
pub(crate) fn prepare(configuration: &Configuration, ports: Ports) -> Result<Prepared, Vec<String>> {
    let mut missing = Vec::new();
    let listeners = listen::listeners(&configuration.listen).unwrap_or_else(|refused| {
        let counts = |one: &listen::Refused| ports == Ports::Free || !one.is_ours();
        missing.extend(refused.iter().filter(|one| counts(one)).map(ToString::to_string));
        Vec::new()
    });
    let tls = tls::configure(configuration).unwrap_or_else(|problems| {
        missing.extend(problems);
        None
    });
    let is_implicit = |listener: &Listener| listener.tls == ListenTls::Implicit;
    if configuration.certificate.is_none() && listeners.iter().any(is_implicit) {
        missing.push("[tls] wants certificate and key: a port is to listen with TLS".to_owned());
    }
    let tokens = tokens::configure(configuration).unwrap_or_else(|problem| {
        missing.push(problem);
        None
    });
    missing.extend(privileges::problems(configuration.user.as_deref(), configuration.group.as_deref()));
    if missing.is_empty() { Ok(Prepared { listeners, tls, tokens }) } else { Err(missing) }
}
