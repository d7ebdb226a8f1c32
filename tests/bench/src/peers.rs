//! Installing the peers from Debian's packages, where root may.

use crate::servers::Kind;
use crate::{Result, options::Options};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The servers of the options that can run here; the others are said, with the reason.
pub(crate) fn available(options: &Options) -> Vec<Kind> {
    let mut kinds = options.servers.clone();
    kinds.retain(|kind| match make_ready(*kind, options) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("without {}: {error}", kind.name());
            false
        }
    });
    kinds
}

/// Whether the benchmark runs as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// tests/courier of this source tree.
pub(crate) fn courier_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../courier")
}

/// Runs something to its end; an error has what it said last.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    // Daemons may keep standard output and error open: read neither to the end.
    let said = tempfile::NamedTempFile::new()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(said.reopen()?))
        .stderr(Stdio::from(said.reopen()?))
        .status()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read(said.path())?;
    let last = &said[said.len().saturating_sub(2000)..];
    Err(format!("{} ({status}): {}", command.get_program().display(), String::from_utf8_lossy(last)).into())
}

fn make_ready(kind: Kind, options: &Options) -> Result<()> {
    match kind {
        Kind::Restante => Ok(()),
        _ if !is_root() => Err("it needs root".into()),
        Kind::Dovecot => install_dovecot(),
        Kind::Courier => {
            eprintln!("Courier in {}", options.courier_root.display());
            succeed(Command::new(courier_script()).arg("install").arg(&options.courier_root))
        }
    }
}

fn install_dovecot() -> Result<()> {
    if Path::new("/usr/lib/dovecot/imap").exists() {
        return Ok(());
    }
    eprintln!("installing dovecot-imapd");
    // Installed daemons shall not start: the benchmark starts its own.
    let script = "set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy
    chmod 755 $policy
fi
apt-get -o DPkg::Lock::Timeout=300 update --quiet
apt-get -o DPkg::Lock::Timeout=300 install --quiet --yes --no-install-recommends dovecot-imapd";
    succeed(Command::new("sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive"))
}
