//! Installing the peers from Debian's packages, where root may.

use crate::servers::Kind;
use crate::servers::dovecot::Installed;
use crate::workload::Workload;
use crate::{Result, options::Options};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The servers of the options that can run here; the others are said, with the reason.
pub(crate) fn available(options: &Options) -> Vec<Kind> {
    let mut kinds = options.servers.clone();
    if options.dovecot.is_some() && !kinds.contains(&Kind::Dovecot24) {
        kinds.push(Kind::Dovecot24);
    }
    kinds.retain(|kind| match make_ready(*kind, options) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("without {}: {error}", kind.name());
            false
        }
    });
    kinds
}

/// The workloads that can run here; the others are said, with the reason.
pub(crate) fn that_can_run(
    mut workloads: Vec<&'static Workload>,
    options: &Options,
) -> Vec<&'static Workload> {
    if !workloads.iter().any(|workload| workload.users.are_in_a_directory()) {
        return workloads;
    }
    if let Err(error) = make_directory_ready(options) {
        workloads.retain(|workload| {
            let can = !workload.users.are_in_a_directory();
            if !can {
                eprintln!("without {}: {error}", workload.name);
            }
            can
        });
    }
    workloads
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
        Kind::Dovecot => install(&[("dovecot-imapd", "/usr/lib/dovecot/imap")]),
        Kind::Dovecot24 => {
            let path = options.dovecot.as_deref().ok_or("--dovecot says where it is")?;
            let version = Installed::at(path)?.version()?;
            eprintln!("Dovecot {version} in {}", path.display());
            Ok(())
        }
        Kind::Courier => {
            eprintln!("Courier in {}", options.courier_root.display());
            succeed(Command::new(courier_script()).arg("install").arg(&options.courier_root))
        }
    }
}

fn make_directory_ready(options: &Options) -> Result<()> {
    let mut packages = vec![("slapd", "/usr/sbin/slapd")];
    if options.servers.contains(&Kind::Dovecot) && is_root() {
        packages.push(("dovecot-ldap", "/usr/lib/dovecot/modules/auth/libauthdb_ldap.so"));
    }
    install(&packages)
}

/// Installs packages of which a file is not there.
fn install(packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    if !is_root() {
        return Err(format!("{missing} is not installed").into());
    }
    eprintln!("installing {missing}");
    // Installed daemons shall not start: the benchmark starts its own.
    let script = "set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >$policy
    chmod 755 $policy
fi
apt-get -o DPkg::Lock::Timeout=300 update --quiet
apt-get -o DPkg::Lock::Timeout=300 install --quiet --yes --no-install-recommends $packages";
    succeed(
        Command::new("sh")
            .args(["-c", script])
            .env("packages", missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
