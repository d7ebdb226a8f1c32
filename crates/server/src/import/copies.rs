//! `--copy-users`: copies of what only root and the other server may read.
//!
//! A copy, and not reading as root: the server gives root up for good before anybody can reach
//! it, and reads these files again whenever they change. The original keeps owner and mode, which
//! Courier's `makeuserdb` insists on.

use super::draft::Draft;
use crate::privileges;
use auth::Secret;
use rustix::fs::{Gid, Mode};
use rustix::process::getuid;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How deep directories are copied.
const DEPTH_MAX: usize = 8;

/// Where copies go, and whose group they get.
struct Copies {
    directory: PathBuf,
    /// `None`: we are not root, and the copies are ours.
    group: Option<Gid>,
    /// Copies by what they were made of.
    made: BTreeMap<PathBuf, PathBuf>,
}

/// Puts copies of the draft's files of users into a directory, and passwords that it would ask
/// for into files there; the draft then names these.
pub(super) fn make(draft: &mut Draft, directory: &Path) -> Result<(), String> {
    let (user, group) = (draft.text("mail", "user"), draft.text("mail", "group"));
    let group = match getuid().is_root() {
        true => privileges::group_of(user.as_deref(), group.as_deref())
            .map_err(|why| format!("--copy-users: the copies are for the user of [mail]: {why}"))?,
        false => None,
    };
    let mut copies = Copies { directory: directory.to_owned(), group, made: BTreeMap::new() };
    copies.make_directory(directory)?;
    // Only one that is there can be told from the root when its path climbs.
    copies.directory = super::input::absolute(directory).map_err(|problem| problem.to_string())?;
    draft.move_users(|path| copies.copy(path))?;
    draft.write_passwords(|name, password| copies.password(name, password))
}

impl Copies {
    /// One original has one copy.
    fn copy(&mut self, from: &Path) -> Result<PathBuf, String> {
        if let Some(made) = self.made.get(from) {
            return Ok(made.clone());
        }
        let name = from.file_name().unwrap_or(from.as_os_str()).to_string_lossy();
        let to = self.free_name(&name);
        if from.is_dir() {
            self.copy_directory(from, &to, DEPTH_MAX)?;
        } else {
            self.copy_file(from, &to)?;
        }
        self.made.insert(from.to_owned(), to.clone());
        Ok(to)
    }

    fn password(&mut self, name: &str, password: &Secret) -> Result<PathBuf, String> {
        let to = self.free_name(name);
        self.write(&to, &Secret::new([password.expose(), b"\n"].concat()))?;
        self.made.insert(to.clone(), to.clone());
        Ok(to)
    }

    /// A name that no other copy of this run has.
    fn free_name(&self, name: &str) -> PathBuf {
        let numbered = (2..).map(|number| self.directory.join(format!("{name}-{number}")));
        let mut names = std::iter::once(self.directory.join(name)).chain(numbered);
        let is_free = |path: &PathBuf| !self.made.values().any(|made| made == path);
        names.find(is_free).expect("there are more names than copies")
    }

    fn copy_directory(&self, from: &Path, to: &Path, depth: usize) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot copy {}: {error}", from.display());
        self.make_directory(to)?;
        for entry in std::fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            // As it is read: neither links nor what begins with a dot.
            let kind = entry.file_type().map_err(failed)?;
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_file() {
                self.copy_file(&entry.path(), &to.join(&name))?;
            } else if kind.is_dir() && depth > 0 {
                self.copy_directory(&entry.path(), &to.join(&name), depth - 1)?;
            }
        }
        Ok(())
    }

    fn copy_file(&self, from: &Path, to: &Path) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot copy {}: {error}", from.display());
        self.write(to, &Secret::new(std::fs::read(from).map_err(failed)?))
    }

    fn make_directory(&self, path: &Path) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot make {}: {error}", path.display());
        match std::fs::create_dir(path) {
            Ok(()) => File::open(path).and_then(|made| self.hand_over(&made, 0o750)).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes a file, or leaves one as it is that has these bytes. One with others is somebody's
    /// work, such as a password that was changed since.
    fn write(&self, to: &Path, bytes: &Secret) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot write {}: {error}", to.display());
        match std::fs::read(to).map(Secret::new) {
            Ok(found) if found == *bytes => {
                return File::open(to).and_then(|found| self.hand_over(&found, 0o640)).map_err(failed);
            }
            Ok(_) => {
                return Err(format!(
                    "{} is there already and differs: remove it, or give --copy-users another directory",
                    to.display()
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut name = to.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let written = self.write_new(&new, bytes).and_then(|()| std::fs::rename(&new, to)).and_then(|()| {
            let directory = to.parent().unwrap_or(Path::new("/"));
            File::open(directory)?.sync_all()
        });
        written.map_err(failed)
    }

    fn write_new(&self, path: &Path, bytes: &Secret) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        self.hand_over(&file, 0o640)?;
        file.write_all(bytes.expose())?;
        file.sync_all()
    }

    /// Lets the group have what `mode` gives it. Not root: nobody else needs it.
    fn hand_over(&self, file: &File, mode: u32) -> io::Result<()> {
        let Some(group) = self.group else { return Ok(()) };
        rustix::fs::fchown(file.as_fd(), None, Some(group))?;
        Ok(rustix::fs::fchmod(file.as_fd(), Mode::from(mode))?)
    }
}
