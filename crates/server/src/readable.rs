//! Files that the running server reads, and whether it can.
//!
//! It opens them after it gave up root, and again when they change: as the user of `[mail]`. Only
//! certificates and keys are read as root too, at the start.

use crate::privileges;
use crate::settings::{Configuration, SourceKind};
use auth::ldap::OwnBind;
use rustix::process::getuid;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep a directory of users' files is looked into.
const DEPTH_MAX: usize = 8;

/// Files of one directory that are looked at, at most.
const FILES_MAX: usize = 10_000;

/// For whoever is neither the owner nor of the group: reading, and passing through.
const OTHERS_READ: u32 = 0o004;
const OTHERS_PASS: u32 = 0o001;

/// For what a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holds {
    /// Users, in the form of passwd(5).
    Users,
    /// Users, in that of Courier's userdb.
    CourierUsers,
    /// The server's own password for a directory or database.
    Password,
    /// Keys that sign tokens, or the password for asking about them.
    Tokens,
    /// A certificate or its key.
    Certificate,
}

/// A file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) path: PathBuf,
    pub(crate) holds: Holds,
    pub(crate) error: io::Error,
}

/// What the user of `[mail]` cannot read. Where it cannot be tried, `None`: we are not root, or
/// there is no such user.
pub(crate) fn unread_by_server(configuration: &Configuration) -> Option<Vec<Unread>> {
    let files = files(configuration);
    let (user, group) = (configuration.user.as_deref(), configuration.group.as_deref());
    privileges::as_user(user, group, || unread(&files, opens))
}

/// Likewise; where it cannot be tried, somebody is assumed who owns none of the files: as root.
/// Else we are assumed to be the user.
pub(crate) fn probably_unread(configuration: &Configuration) -> Vec<Unread> {
    unread_by_server(configuration).unwrap_or_else(|| {
        let files = files(configuration);
        match getuid().is_root() {
            true => unread(&files, open_to_all),
            false => unread(&files, opens),
        }
    })
}

/// Files of users that we cannot read, as who we are now.
pub(crate) fn unread_users(configuration: &Configuration) -> Vec<Unread> {
    let mut files = files(configuration);
    files.retain(|(_, holds)| matches!(holds, Holds::Users | Holds::CourierUsers));
    unread(&files, opens)
}

fn opens(path: &Path) -> io::Result<()> {
    std::fs::File::open(path).map(drop)
}

fn unread(files: &[(PathBuf, Holds)], open: impl Fn(&Path) -> io::Result<()>) -> Vec<Unread> {
    let one = |(path, holds): &(PathBuf, Holds)| {
        let error = open(path).err()?;
        Some(Unread { path: path.clone(), holds: *holds, error })
    };
    files.iter().filter_map(one).collect()
}

/// Whether everybody may read a file and pass the directories above it.
fn open_to_all(path: &Path) -> io::Result<()> {
    let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
    let metadata = std::fs::metadata(path)?;
    let mut above = path.ancestors().skip(1).filter(|directory| !directory.as_os_str().is_empty());
    let passes = above.all(|directory| {
        std::fs::metadata(directory).is_ok_and(|metadata| metadata.mode() & OTHERS_PASS != 0)
    });
    if metadata.mode() & OTHERS_READ != 0 && passes { Ok(()) } else { Err(refused()) }
}

/// All of them, as who calls sees them.
fn files(configuration: &Configuration) -> Vec<(PathBuf, Holds)> {
    let mut files = Vec::new();
    for source in &configuration.sources {
        match &source.kind {
            SourceKind::PasswdFile(path) => files.push((path.clone(), Holds::Users)),
            SourceKind::PasswdDirectory(path) => collect(path, Holds::Users, 1, &mut files),
            SourceKind::Userdb(path) => collect(path, Holds::CourierUsers, DEPTH_MAX, &mut files),
            SourceKind::Ldap(ldap) => {
                if let OwnBind::PasswordFile(_, path) = &ldap.own_bind {
                    files.push((path.clone(), Holds::Password));
                }
            }
            #[cfg(feature = "sql")]
            SourceKind::Sql(sql) => {
                files.extend(sql.password_file.iter().map(|path| (path.clone(), Holds::Password)));
            }
            _ => {}
        }
    }
    let of_tokens = configuration.oauth.iter().flat_map(|oauth| oauth.files());
    files.extend(of_tokens.map(|path| (path.clone(), Holds::Tokens)));
    let certificates = configuration.certificate.iter().chain(&configuration.more_certificates);
    let of_certificate = certificates.flat_map(|one| [one.certificate.clone(), one.key.clone()]);
    let mut of_certificate: Vec<PathBuf> = of_certificate.collect();
    // Certificate and key may be one file.
    of_certificate.dedup();
    files.extend(of_certificate.into_iter().map(|path| (path, Holds::Certificate)));
    files
}

/// A file, or a directory with the files below it, as sources read them.
fn collect(path: &Path, holds: Holds, depth: usize, files: &mut Vec<(PathBuf, Holds)>) {
    files.push((path.to_owned(), holds));
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if is_hidden || files.len() > FILES_MAX {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 1 => collect(&entry.path(), holds, depth - 1, files),
            Ok(kind) if kind.is_file() => files.push((entry.path(), holds)),
            _ => {}
        }
    }
}
