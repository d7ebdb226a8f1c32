//! Files that too many may read or write, or that the running server may not read.

use crate::privileges;
use crate::settings::{Certificate, Configuration};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bits of a mode.
const OTHERS_READ: u32 = 0o004;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

pub(super) fn warnings(configuration: &Configuration) -> Vec<String> {
    let certificates = || configuration.certificate.iter().chain(&configuration.more_certificates);
    let keys = certificates().map(|certificate| &certificate.key);
    let mut warnings: Vec<String> =
        keys.filter_map(|key| too_open(key, OTHERS_READ | OTHERS_WRITE, "the private key")).collect();
    let users = configuration.passwd_files();
    warnings.extend(users.filter_map(|users| {
        too_open(users, OTHERS_READ | OTHERS_WRITE | GROUP_WRITES, "the users' passwords")
    }));
    let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
    let as_user = || unread_by_server(configuration);
    warnings.extend(privileges::as_user(user, group, as_user).unwrap_or_default());
    warnings
}

/// A secret that people beside its owner can get at. `bits`: what nobody else may.
fn too_open(path: &Path, bits: u32, what: &str) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.permissions().mode() & 0o7777;
    let who = match mode & bits {
        0 => return None,
        open if open & OTHERS_WRITE != 0 => "everybody on this host can change",
        open if open & OTHERS_READ != 0 => "everybody on this host can read",
        _ => "its group can change",
    };
    let path = path.display();
    Some(format!("{path}: {who} {what} (mode {mode:03o}, uid {}): chmod 640 {path}", metadata.uid()))
}

/// Files that the server reads again while it runs, as the user of `[mail]`.
fn unread_by_server(configuration: &Configuration) -> Vec<String> {
    let user = configuration.user.as_deref().unwrap_or_default();
    let cannot = |path: &Path, error: &io::Error, so: &str| {
        format!("{}: {user}, the user of [mail], cannot read it: {error}; {so}", path.display())
    };
    let unread = |path: &PathBuf| Some((path.clone(), std::fs::File::open(path).err()?));
    let mut warnings = Vec::new();
    let sources =
        configuration.passwd_files().chain(configuration.oauth.iter().flat_map(|oauth| oauth.files()));
    for (path, error) in sources.filter_map(unread) {
        let so = format!("nobody of it can log in: chgrp {user} {0} && chmod 640 {0}", path.display());
        warnings.push(cannot(&path, &error, &so));
    }
    let of_certificate = |one: &Certificate| [one.certificate.clone(), one.key.clone()];
    let certificates = configuration.certificate.iter().chain(&configuration.more_certificates);
    for (path, error) in certificates.flat_map(of_certificate).filter_map(|path| unread(&path)) {
        let so = format!(
            "a renewed one needs a restart instead of a reload: chgrp {user} {0} && chmod 640 {0}",
            path.display()
        );
        warnings.push(cannot(&path, &error, &so));
    }
    warnings
}
