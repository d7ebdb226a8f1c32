//! Courier in its root directory, through tests/courier.

use super::{Kind, PASSWORD, Place, Running, Server};
use crate::measure::Processes;
use crate::options::Options;
use crate::{Result, peers};
use std::path::{Path, PathBuf};
use std::process::Command;

/// vmail's, in the root.
const OWNER: (u32, u32) = (5000, 5000);

/// Where our users are, in the root.
const MAIL: &str = "/srv/mail/bench";

/// Stopped when dropped, its mail removed.
struct Root(PathBuf);

impl Running for Root {}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = script(&self.0, "stop", &[]);
        let _ = std::fs::remove_dir_all(mail(&self.0));
    }
}

pub(super) fn start(place: &Place, options: &Options) -> Result<Server> {
    let root = options.courier_root.canonicalize()?;
    let (port, tls_port) = (super::free_port()?, super::free_port()?);
    let both = place.both.display().to_string();
    // First its turn, then its mail: another run may be using the root.
    script(&root, "start", &[port.to_string(), tls_port.to_string(), both])?;
    let running = Root(root.clone());
    let mail = mail(&root);
    if mail.exists() {
        std::fs::remove_dir_all(&mail)?;
    }
    let users = super::users(options);
    let triples = users.into_iter().flat_map(|user| {
        let home = format!("{MAIL}/{user}");
        [user, PASSWORD.to_owned(), home]
    });
    script(&root, "user", &triples.collect::<Vec<_>>())?;
    let processes = Processes::Root(root);
    Ok(Server {
        kind: Kind::Courier,
        port,
        tls_port,
        mail,
        owner: OWNER,
        processes,
        running: Some(Box::new(running)),
    })
}

fn mail(root: &Path) -> PathBuf {
    root.join(MAIL.trim_start_matches('/'))
}

fn script(root: &Path, command: &str, arguments: &[String]) -> Result<()> {
    peers::succeed(Command::new(peers::courier_script()).arg(command).arg(root).args(arguments))
}
