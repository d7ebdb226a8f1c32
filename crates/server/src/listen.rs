//! Listening sockets: bound here, or handed over by systemd.

use crate::port_holder::{self, Holder};
use crate::settings::{Listen, ListenTls};
use session::Protocol;
use socket2::{Domain, Socket, Type};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The socket.
    pub(crate) socket: TcpListener,
    /// What is spoken on it.
    pub(crate) protocol: &'static Protocol,
    /// How TLS comes about on it.
    pub(crate) tls: ListenTls,
}

/// Why a socket is not to be had.
#[derive(Debug)]
pub(crate) enum Refused {
    /// An address could not be bound.
    Address { address: SocketAddr, error: io::Error, holder: Option<Holder> },
    /// A socket of systemd's cannot be used.
    HandedOver { index: usize, error: io::Error },
}

impl Refused {
    fn address(address: SocketAddr, error: io::Error) -> Self {
        let is_taken = error.kind() == io::ErrorKind::AddrInUse;
        let holder = is_taken.then(|| port_holder::of(address)).flatten();
        Self::Address { address, error, holder }
    }

    /// Whether a running Restante has the port, or systemd, which hands it over.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Address { holder: Some(holder), .. } if ["restante", "systemd"].contains(&&*holder.program))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, error, holder } => {
                write!(f, "cannot listen on {address}: {error}")?;
                match holder {
                    Some(Holder { program, pid }) => {
                        write!(
                            f,
                            " by {program} (process {pid}): stop it, or choose another port in [[listen]]"
                        )
                    }
                    None if error.kind() == io::ErrorKind::PermissionDenied => f.write_str(
                        " (ports below 1024 want root, CAP_NET_BIND_SERVICE or systemd's sockets)",
                    ),
                    None => Ok(()),
                }
            }
            Self::HandedOver { index, error } => write!(f, "socket {index} from systemd: {error}"),
        }
    }
}

/// Sockets from systemd where there are any, else the configured addresses, else the default
/// ports. `Err` has every one that is not to be had.
pub(crate) fn listeners(listen: &[Listen]) -> Result<Vec<Listener>, Vec<Refused>> {
    let from_systemd = handed_over(listen).map_err(|refused| vec![refused])?;
    if !from_systemd.is_empty() {
        return Ok(from_systemd);
    }
    let bound: Vec<_> = match listen {
        [] => usual_ports(Protocol::DEFAULT).into_iter().flat_map(bind_usual).collect(),
        _ => listen.iter().map(bind).collect(),
    };
    let (listeners, refused): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
    let refused: Vec<Refused> = refused.into_iter().filter_map(Result::err).collect();
    if refused.is_empty() { Ok(listeners.into_iter().flatten().collect()) } else { Err(refused) }
}

/// A port, and what is spoken on it.
type Port = (u16, &'static Protocol, ListenTls);

/// Where clients look for a protocol.
fn usual_ports(protocol: &'static Protocol) -> [Port; 2] {
    [(protocol.port, protocol, ListenTls::StartTls), (protocol.tls_port, protocol, ListenTls::Implicit)]
}

/// On IPv4, and on IPv6 where the host has it.
fn bind_usual((port, protocol, tls): Port) -> Vec<Result<Listener, Refused>> {
    let v4 = bind(&Listen { address: (Ipv4Addr::UNSPECIFIED, port).into(), protocol, tls });
    match bind(&Listen { address: (Ipv6Addr::UNSPECIFIED, port).into(), protocol, tls }) {
        Ok(v6) => vec![v4, Ok(v6)],
        Err(refused) => {
            tracing::info!("not listening on IPv6: {refused}");
            vec![v4]
        }
    }
}

fn bind(listen: &Listen) -> Result<Listener, Refused> {
    let socket = bind_socket(listen.address).map_err(|error| Refused::address(listen.address, error))?;
    Ok(Listener { socket, protocol: listen.protocol, tls: listen.tls })
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
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

/// Sockets from systemd.
fn handed_over(listen: &[Listen]) -> Result<Vec<Listener>, Refused> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let failed = |error: io::Error| Refused::HandedOver { index, error };
        let Some(socket) = handed.take_tcp_listener(index).map_err(failed)? else { continue };
        socket.set_nonblocking(true).map_err(failed)?;
        let (protocol, tls) = spoken_on(socket.local_addr().map_err(failed)?.port(), listen);
        listeners.push(Listener { socket, protocol, tls });
    }
    Ok(listeners)
}

/// What a socket of systemd's is for: by the configured address with that port, else by the usual
/// ports.
fn spoken_on(port: u16, listen: &[Listen]) -> (&'static Protocol, ListenTls) {
    if let Some(listen) = listen.iter().find(|listen| listen.address.port() == port) {
        return (listen.protocol, listen.tls);
    }
    let mut usual = Protocol::ALL.iter().flat_map(usual_ports);
    let found = usual.find(|(usual, ..)| *usual == port);
    found.map_or((Protocol::DEFAULT, ListenTls::StartTls), |(_, protocol, tls)| (protocol, tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_on_a_port_of_systemds_is_configured_or_usual() {
        let configured = |port, tls| Listen {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            protocol: Protocol::DEFAULT,
            tls,
        };
        let listen = [configured(1143, ListenTls::Implicit), configured(993, ListenTls::StartTls)];
        for (listen, port, expected) in [
            (&[][..], 993, ListenTls::Implicit),
            (&[], 143, ListenTls::StartTls),
            (&[], 1143, ListenTls::StartTls),
            (&listen, 1143, ListenTls::Implicit),
            (&listen, 993, ListenTls::StartTls),
            (&listen, 143, ListenTls::StartTls),
        ] {
            assert_eq!(spoken_on(port, listen), (&Protocol::IMAP, expected), "{port}");
        }
    }
}
