//! What all connections share, and what a reload replaces of it.

use crate::admission::Admission;
use crate::jobs::Jobs;
use crate::refusals::Refusals;
use crate::runtime::COMMANDS_END_WITHIN;
use crate::settings::Configuration;
use crate::sources;
use arc_swap::ArcSwap;
use auth::Authenticator;
use auth::oauth::Tokens;
use rustls::ServerConfig;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use store::Store;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;

/// Log-ins whose clients hung up and that are still decided, at most (a count).
const LEFT_ALONE_MAX: usize = 1_000;

/// What connections share.
pub(crate) struct Server {
    state: ArcSwap<Reloaded>,
    /// Everybody's mail.
    pub(crate) store: Arc<Store>,
    /// Who may connect.
    pub(crate) admission: Admission,
    /// Who might not.
    pub(crate) refusals: Refusals,
    /// Leave to go on deciding log-ins whose clients hung up.
    left_alone: Arc<Semaphore>,
    /// Who works on files when.
    pub(crate) jobs: Arc<Jobs>,
    shut_down: watch::Sender<bool>,
    stopping_since: OnceLock<Instant>,
    panics: AtomicU64,
}

/// What a reload replaces.
struct Reloaded {
    configuration: Arc<Configuration>,
    tls: Option<Arc<ServerConfig>>,
    authenticator: Arc<Authenticator>,
    tokens: Option<Arc<Tokens>>,
}

impl Server {
    /// A server that nobody is connected to yet.
    pub(crate) fn new(
        configuration: Configuration,
        tls: Option<Arc<ServerConfig>>,
        tokens: Option<Arc<Tokens>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store: Store::new(configuration.store.clone()),
            admission: Admission::default(),
            refusals: Refusals::default(),
            left_alone: Arc::new(Semaphore::new(LEFT_ALONE_MAX)),
            jobs: Jobs::new(configuration.file_jobs),
            shut_down: watch::Sender::new(false),
            stopping_since: OnceLock::new(),
            panics: AtomicU64::new(0),
            state: ArcSwap::from_pointee(Reloaded {
                authenticator: Arc::new(sources::authenticator(&configuration)),
                tokens,
                configuration: Arc::new(configuration),
                tls,
            }),
        })
    }

    /// The configuration in force.
    pub(crate) fn configuration(&self) -> Arc<Configuration> {
        self.state.load().configuration.clone()
    }

    /// TLS in force.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.state.load().tls.clone()
    }

    /// Who knows the users.
    pub(crate) fn authenticator(&self) -> Arc<Authenticator> {
        self.state.load().authenticator.clone()
    }

    /// What checks access tokens, if anything does.
    pub(crate) fn tokens(&self) -> Option<Arc<Tokens>> {
        self.state.load().tokens.clone()
    }

    /// Lets a log-in be decided though its client hung up: a wrong password counts all the same,
    /// and what it holds of its network's share is not free before its answer would be due.
    pub(crate) fn leave_alone(self: &Arc<Self>, log_in: impl Future<Output = ()> + Send + 'static) {
        // Beyond the limit it ends here, undecided: its client has learned nothing.
        let Ok(permit) = self.left_alone.clone().try_acquire_owned() else { return };
        let server = self.clone();
        tokio::spawn(async move {
            let ended = tokio::spawn(log_in).await;
            server.note_end(ended);
            drop(permit);
        });
    }

    /// Puts what was read again in force.
    pub(crate) fn replace(
        &self,
        configuration: Configuration,
        tls: Option<Arc<ServerConfig>>,
        tokens: Option<Arc<Tokens>>,
    ) {
        let authenticator =
            Arc::new(sources::authenticator(&configuration).succeeding(&self.authenticator()));
        let configuration = Arc::new(configuration);
        self.state.store(Arc::new(Reloaded { tokens, configuration, tls, authenticator }));
    }

    /// Tells all connections that the server stops.
    pub(crate) fn stop(&self) {
        let _ = self.stopping_since.set(Instant::now());
        let _ = self.shut_down.send(true);
    }

    /// Turns true when the server stops.
    pub(crate) fn shut_down_signal(&self) -> watch::Receiver<bool> {
        self.shut_down.subscribe()
    }

    /// Whether the server stops, and commands had their time to end.
    pub(crate) fn is_overdue(&self) -> bool {
        self.stopping_since.get().is_some_and(|since| since.elapsed() >= COMMANDS_END_WITHIN)
    }

    /// A panic ended a connection: a bug of ours, counted and logged.
    pub(crate) fn note_panic(&self, who: &str) {
        let count = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::error!(who, count, "a panic ended one connection: please report it");
    }

    /// A connection's task is done: a panic that it did not catch itself is noted.
    pub(crate) fn note_end(&self, ended: Result<(), JoinError>) {
        if ended.is_err_and(|error| error.is_panic()) {
            self.note_panic("a connection");
        }
    }

    /// Panics so far.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}
