//! Files that too many may read or write, or that the running server may not read.

use crate::readable::{self, Holds, Unread};
use crate::settings::Configuration;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

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
    warnings.extend(unread_by_server(configuration));
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
    let say = |Unread { path, holds, error }: Unread| {
        let path = path.display();
        let open_up = format!("chgrp {user} {path} && chmod 640 {path}");
        let so = match holds {
            Holds::Users | Holds::Tokens => format!("nobody of it can log in: {open_up}"),
            // Courier's makeuserdb refuses a userdb that anybody else has rights to.
            Holds::CourierUsers => format!(
                "nobody of it can log in; while Courier needs it, leave it as it is and set userdb to a copy: \
                 install -o root -g {user} -m 640 {path} /etc/restante/"
            ),
            Holds::Password => format!("nobody of that source can log in: {open_up}"),
            Holds::Certificate => {
                format!("a renewed one needs a restart instead of a reload: {open_up}")
            }
        };
        format!("{path}: {user}, the user of [mail], cannot read it: {error}; {so}")
    };
    readable::unread_by_server(configuration).unwrap_or_default().into_iter().map(say).collect()
}
