//! Which process has a port that is taken.

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};
use std::net::SocketAddr;

/// A process that listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holder {
    /// Its program's name.
    pub(crate) program: String,
    pub(crate) pid: i32,
}

/// The process that listens where `address` would; `None` when the system does not tell us: only
/// root sees the sockets of others.
pub(crate) fn of(address: SocketAddr) -> Option<Holder> {
    let sockets: Vec<u64> =
        listening().filter(|entry| overlaps(entry, address)).map(|entry| entry.inode).collect();
    let has_one = |process: &Process| {
        let descriptors = process.fd().into_iter().flatten().flatten();
        descriptors
            .into_iter()
            .any(|fd| matches!(fd.target, FDTarget::Socket(inode) if sockets.contains(&inode)))
    };
    let process = all_processes().ok()?.flatten().find(has_one)?;
    Some(Holder { program: process.stat().ok()?.comm, pid: process.pid })
}

fn listening() -> impl Iterator<Item = TcpNetEntry> {
    let all = procfs::net::tcp().into_iter().chain(procfs::net::tcp6()).flatten();
    all.filter(|entry| entry.state == TcpState::Listen)
}

/// Whether a listening socket keeps another one from `address`: the same port, and the same
/// address or one of them is any.
fn overlaps(entry: &TcpNetEntry, address: SocketAddr) -> bool {
    let (theirs, ours) = (entry.local_address, address);
    let is_any = theirs.ip().is_unspecified() || ours.ip().is_unspecified();
    theirs.port() == ours.port() && (is_any || theirs.ip().to_canonical() == ours.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_process_that_listens_is_found() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = socket.local_addr().expect("an address");
        let own = i32::try_from(std::process::id()).expect("a process id");
        assert_eq!(of(taken).map(|holder| holder.pid), Some(own));
        assert_eq!(of(([0, 0, 0, 0], taken.port()).into()).map(|holder| holder.pid), Some(own));
        assert_eq!(of(([127, 0, 0, 2], taken.port()).into()), None);
        drop(socket);
        assert_eq!(of(taken), None);
    }
}
