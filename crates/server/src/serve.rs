//! Serving: starting, accepting, stopping.

use crate::admission::Refusal;
use crate::listen::Listener;
use crate::readable::{self, Unread};
use crate::reload::reload;
use crate::runtime::{COMMANDS_END_WITHIN, block_on, notify};
use crate::server::Server;
use crate::settings::{self, Configuration, ListenTls};
use crate::start::{self, Ports, Prepared};
use crate::version::VERSION;
use crate::{auth_helper, connection, control, log, privileges, refusals, tls};
use auth::Network;
use sd_notify::NotifyState;
use session::{LastWords, Protocol};
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tracing::Instrument;

/// How long connections have to end when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Pause after a failed accept: the cause (no descriptors left) does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves by a file of settings until SIGTERM or SIGINT. `Err`: why it does not start.
pub(crate) fn start(path: PathBuf) -> Result<(), String> {
    run(settings::read_for_command(&path)?, path)
}

/// Opens ports and keys first, then gives up root.
fn run(configuration: Configuration, path: PathBuf) -> Result<(), String> {
    log::start(configuration.log_filter(), configuration.log_format);
    raise_descriptor_limit();
    // With root, before there are keys in memory, and with no other thread.
    auth_helper::start(&configuration)?;
    let prepared = start::prepare(&configuration, Ports::Free);
    let Prepared { listeners, tls, tokens } = prepared.map_err(|missing| missing.join("\nrestante: "))?;
    log_start(&configuration, &listeners, &path);
    let control = control::open(&configuration);
    privileges::give_up(configuration.user.as_deref(), configuration.group.as_deref(), configuration.keep())?;
    for Unread { path, error, .. } in readable::unread_users(&configuration) {
        tracing::error!(path = %path.display(), %error, "its users cannot log in");
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

/// The line by which an administrator knows what runs, and as what.
fn log_start(configuration: &Configuration, listeners: &[Listener], path: &Path) {
    let addresses = listeners.iter().filter_map(|listener| listener.socket.local_addr().ok());
    let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
    let (version, listeners, sources) = (VERSION, addresses.join(" "), configuration.sources.len());
    tracing::info!(version, listeners, sources, settings = %path.display(), "starting");
}

/// Serves on these listeners until a signal comes or `stop` is done.
pub(crate) async fn serve(
    server: Arc<Server>,
    listeners: Vec<Listener>,
    settings: Option<PathBuf>,
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
        tracing::info!(%address, protocol = listener.protocol.name, tls = ?listener.tls, "listening");
        accepting.spawn(accept(server.clone(), socket, listener.protocol, listener.tls));
    }
    notify(&[NotifyState::Ready]);
    tokio::pin!(stop);
    let mut look = tokio::time::interval(refusals::LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => server.refusals.look(),
            _ = hang_up.recv() => if let Some(path) = &settings { drop(reload(&server, path)) },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = &mut stop => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    server.stop();
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
async fn accept(server: Arc<Server>, socket: TcpListener, protocol: &'static Protocol, tls: ListenTls) {
    let mut shut_down = server.shut_down_signal();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(ended) = connections.join_next() => {
                server.note_end(ended);
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
                refuse(&stream, protocol, tls, refusal);
                continue;
            }
        };
        let server = server.clone();
        let served = async move {
            let _held = slot;
            connection::serve(server, stream, peer, (protocol, tls), Arc::new(place)).await;
        };
        connections.spawn(served.instrument(log::session(peer)));
    }
    drop(socket);
    while let Some(ended) = connections.join_next().await {
        server.note_end(ended);
    }
}

/// Refuses a connection so that nothing of it is left: a client that waits for TLS is cut off,
/// another is told why as far as that goes at once. What is sent fits into an empty socket.
fn refuse(stream: &TcpStream, protocol: &Protocol, tls: ListenTls, refusal: Refusal) {
    let _ = match tls {
        ListenTls::Implicit => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
        ListenTls::StartTls => {
            let words = (protocol.last_words)(LastWords::TooMany(&refusal.to_string()));
            stream.try_write(&words).map(|_| ())
        }
    };
}

/// A connection takes a descriptor, and a command some more: as many as the system allows.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
