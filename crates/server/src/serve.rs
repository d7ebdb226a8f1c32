//! The server: starting, accepting, reloading, stopping.

use crate::admission::{Admission, Refusal};
use crate::connection;
use crate::control;
use crate::jobs::Jobs;
use crate::listen::Listener;
use crate::refusals::{self, Refusals};
use crate::settings::{self, Configuration, ListenTls};
use crate::start::{self, Ports, Prepared};
use crate::{auth_helper, log, privileges, sources, tls, tokens};
use arc_swap::ArcSwap;
use auth::oauth::Tokens;
use auth::{Authenticator, Network};
use rustls::ServerConfig;
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

/// How long connections have to end when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long the commands that run then may go on.
const COMMANDS_END_WITHIN: Duration = Duration::from_secs(2);

/// Pause after a failed accept: the cause (no descriptors left) does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
                authenticator: Arc::new(authenticator(&configuration)),
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
            note_end(&server, ended);
            drop(permit);
        });
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

    /// Panics so far.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// Serves by a file of settings until SIGTERM or SIGINT. `Err`: why it does not start.
pub(crate) fn start(path: PathBuf) -> Result<(), String> {
    run(settings::read_for_command(&path)?, path)
}

/// Opens ports and keys first, then gives up root.
fn run(configuration: Configuration, path: PathBuf) -> Result<(), String> {
    log::start(&configuration.log_level, configuration.log_format);
    let (version, sources) = (crate::cli::VERSION, configuration.sources.len());
    tracing::info!(version, sources, settings = %path.display(), "starting");
    raise_descriptor_limit();
    // With root, before there are keys in memory, and with no other thread.
    auth_helper::start(&configuration)?;
    let prepared = start::prepare(&configuration, Ports::Free);
    let Prepared { listeners, tls, tokens } = prepared.map_err(|missing| missing.join("\nrestante: "))?;
    let control = control::open(&configuration);
    privileges::give_up(configuration.user.as_deref(), configuration.group.as_deref(), configuration.keep())?;
    for path in configuration.passwd_files() {
        if let Err(error) = std::fs::File::open(path) {
            tracing::error!(path = %path.display(), %error, "its users cannot log in");
        }
    }
    for problem in tls::unreadable_keys(&configuration) {
        tracing::warn!("{problem}: SIGHUP will not be able to renew it, only a restart");
    }
    let outcome = block_on(async move {
        let server = Server::new(configuration, tls, tokens);
        if let Some(control) = control {
            tokio::spawn(control::serve(server.clone(), control, path.clone()));
        }
        serve(server, listeners, Some(path), std::future::pending()).await
    });
    auth_helper::stop();
    outcome
}

/// Serves on these listeners until a signal comes or `stop` is done.
pub(crate) async fn serve(
    server: Arc<Server>,
    listeners: Vec<Listener>,
    reload: Option<PathBuf>,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot start: {error}");
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    // Their default is to end the process. Nothing is done on them.
    let _ignored = [SignalKind::user_defined1(), SignalKind::user_defined2()].map(signal);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let address = listener.socket.local_addr().map_err(failed)?;
        let socket = TcpListener::from_std(listener.socket).map_err(failed)?;
        tracing::info!(%address, tls = ?listener.tls, "listening");
        accepting.spawn(accept(server.clone(), socket, listener.tls));
    }
    notify(&[sd_notify::NotifyState::Ready]);
    tokio::pin!(stop);
    let mut look = tokio::time::interval(refusals::LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => server.refusals.look(),
            _ = hang_up.recv() => if let Some(path) = &reload { drop(reload_from(&server, path)) },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = &mut stop => break,
        }
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("stopping");
    let _ = server.stopping_since.set(Instant::now());
    let _ = server.shut_down.send(true);
    let all_ended = async { while accepting.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_WITHIN, all_ended).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    let store = server.store.clone();
    let closed = tokio::task::spawn_blocking(move || store.close());
    if tokio::time::timeout(COMMANDS_END_WITHIN, closed).await.is_err() {
        tracing::info!("not all indexes were written: they will be made again");
    }
    tracing::info!(panics = server.panics(), "stopped");
    Ok(())
}

/// Accepts until the server stops, then waits for the connections to end.
async fn accept(server: Arc<Server>, socket: TcpListener, tls: ListenTls) {
    let mut shut_down = server.shut_down_signal();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(ended) = connections.join_next() => {
                note_end(&server, ended);
                continue;
            }
            _ = shut_down.wait_for(|on| *on) => break,
        };
        let (stream, peer) = match accepted {
            // A socket of systemd's takes IPv4 for a part of IPv6: networks and limits know better.
            Ok((stream, peer)) => (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
            // The client's doing, and over.
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) =>
            {
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (slot, place) = match server.admission.admit(peer.ip(), server.configuration().connections) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                server.refusals.note(refusal.limit(), Network::narrowest(peer.ip()));
                refuse(&stream, tls, refusal);
                continue;
            }
        };
        let server = server.clone();
        let served = async move {
            let _held = slot;
            connection::serve(server, stream, peer, tls, Arc::new(place)).await;
        };
        connections.spawn(served.instrument(log::session(peer)));
    }
    drop(socket);
    while let Some(ended) = connections.join_next().await {
        note_end(&server, ended);
    }
}

/// Refuses a connection so that nothing of it is left: a client that waits for TLS is cut off,
/// another is told why as far as that goes at once. What is sent fits into an empty socket.
fn refuse(stream: &TcpStream, tls: ListenTls, refusal: Refusal) {
    let _ = match tls {
        ListenTls::Implicit => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
        ListenTls::StartTls => {
            stream.try_write(format!("* BYE [LIMIT] {refusal}\r\n").as_bytes()).map(|_| ())
        }
    };
}

fn note_end(server: &Server, ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        server.note_panic("a connection");
    }
}

/// Reads everything again. `Err` is what is wrong, which was logged: settings that are wrong leave
/// all as it was, and a certificate that is wrong leaves those in force.
pub(crate) fn reload_from(server: &Server, path: &Path) -> Result<(), Vec<String>> {
    if let Ok(time) = sd_notify::NotifyState::monotonic_usec_now() {
        notify(&[sd_notify::NotifyState::Reloading, time]);
    }
    let reloaded = settings::read(path).map_or_else(
        |problems| {
            Err(note_refused(
                problems.iter().map(ToString::to_string),
                "not reloaded, the settings in force stay",
            ))
        },
        |configuration| replace(server, configuration),
    );
    notify(&[sd_notify::NotifyState::Ready]);
    reloaded
}

/// Logs what is wrong with what was read again, and what goes on in its place.
fn note_refused(problems: impl IntoIterator<Item = String>, so: &str) -> Vec<String> {
    let problems: Vec<String> = problems.into_iter().map(|problem| format!("{so}: {problem}")).collect();
    problems.iter().for_each(|problem| tracing::error!("{problem}"));
    problems
}

/// Puts new settings in force, as far as they can be.
fn replace(server: &Server, configuration: Configuration) -> Result<(), Vec<String>> {
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
    log::set_level(&configuration.log_level);
    let authenticator = Arc::new(authenticator(&configuration).succeeding(&server.authenticator()));
    let configuration = Arc::new(configuration);
    server.state.store(Arc::new(Reloaded { tokens, configuration, tls, authenticator }));
    tracing::info!("reloaded");
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// Who knows the users, by these settings.
pub(crate) fn authenticator(configuration: &Configuration) -> Authenticator {
    let (links, masters) = (sources::links(configuration), sources::masters(configuration));
    Authenticator::new(links, masters, configuration.log_ins.clone())
        .expect("random bytes, without which there is no server")
}

fn notify(state: &[sd_notify::NotifyState<'_>]) {
    // Not under systemd there is nobody to tell.
    let _ = sd_notify::notify(state);
}

/// Runs the server's future on as many threads as there are processors. Work on files that does
/// not end soon after it, such as a wait for a lock of another process, is left as a crash would
/// leave it.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads and a poller, without which there is no server");
    let output = runtime.block_on(future);
    runtime.shutdown_timeout(COMMANDS_END_WITHIN);
    output
}

/// A connection takes a descriptor, and a command some more: as many as the system allows.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
