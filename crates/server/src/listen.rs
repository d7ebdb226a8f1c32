//! Listening sockets: bound here, or handed over by systemd.

use crate::settings::{Listen, ListenTls};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The socket.
    pub(crate) socket: TcpListener,
    /// How TLS comes about on it.
    pub(crate) tls: ListenTls,
}

/// Sockets from systemd where there are any, else the configured addresses, else the default
/// ports.
pub(crate) fn listeners(listen: &[Listen]) -> Result<Vec<Listener>, String> {
    let from_systemd = handed_over(listen)?;
    if !from_systemd.is_empty() {
        return Ok(from_systemd);
    }
    if !listen.is_empty() {
        return listen.iter().map(bind).collect();
    }
    let mut listeners = Vec::new();
    for (port, tls) in [(143, ListenTls::StartTls), (993, ListenTls::Implicit)] {
        listeners.push(bind(&Listen { address: (Ipv4Addr::UNSPECIFIED, port).into(), tls })?);
        // A host without IPv6 is served all the same.
        match bind(&Listen { address: (Ipv6Addr::UNSPECIFIED, port).into(), tls }) {
            Ok(listener) => listeners.push(listener),
            Err(error) => tracing::info!(%error, "not listening on IPv6"),
        }
    }
    Ok(listeners)
}

fn bind(listen: &Listen) -> Result<Listener, String> {
    let bound = bind_socket(listen.address);
    let socket = bound.map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::PermissionDenied {
            " (ports below 1024 want root, CAP_NET_BIND_SERVICE or systemd's sockets)"
        } else {
            ""
        };
        format!("cannot listen on {}: {error}{hint}", listen.address)
    })?;
    Ok(Listener { socket, tls: listen.tls })
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Sockets from systemd. How TLS comes about follows from the configured address with that
/// port, else from the port: 993 is implicit.
fn handed_over(listen: &[Listen]) -> Result<Vec<Listener>, String> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let failed = |error: io::Error| format!("socket {index} from systemd: {error}");
        let Some(socket) = handed.take_tcp_listener(index).map_err(failed)? else { continue };
        socket.set_nonblocking(true).map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        let configured = listen.iter().find(|listen| listen.address.port() == port).map(|listen| listen.tls);
        let by_port = if port == 993 { ListenTls::Implicit } else { ListenTls::StartTls };
        listeners.push(Listener { socket, tls: configured.unwrap_or(by_port) });
    }
    Ok(listeners)
}
