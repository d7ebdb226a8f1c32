//! Changing a passwd file: one line of it, all or nothing, comments and order kept.

use crate::login_name::{BadName, normalize};
use crate::regular_file::{Links, open, read_all};
use crate::secret::Secret;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The user is there already.
    #[error("{0} is there already")]
    Exists(String),
    /// There is no such user.
    #[error("no user {0}")]
    Missing(String),
    /// Another stored password than was expected.
    #[error("{0} has another password by now")]
    Changed(String),
    /// The name cannot be a user's.
    #[error("{0}")]
    BadName(BadName),
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

/// Adds a user with a stored password. The file is made where it is missing.
pub fn add(path: &Path, user: &str, stored: &str) -> Result<(), EditError> {
    let name = normalize(user.as_bytes()).map_err(EditError::BadName)?;
    edit(path, |text| {
        if text.lines().any(|line| is_of(line, &name)) {
            return Err(EditError::Exists(name.clone()));
        }
        let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{text}{line_end}{name}:{stored}::::::\n"))
    })
}

/// Gives a user another stored password; the line's other fields stay.
pub fn set_password(path: &Path, user: &str, stored: &str) -> Result<(), EditError> {
    replace(path, user, |line| Some(with_password(line, stored)))
}

fn with_password(line: &str, stored: &str) -> String {
    let mut fields: Vec<&str> = line.splitn(3, ':').collect();
    match fields.get_mut(1) {
        Some(password) => *password = stored,
        None => fields.push(stored),
    }
    fields.join(":")
}

/// Gives a user another stored password in the place of `old`, if that still stands there.
pub fn replace_password(path: &Path, user: &str, old: &Secret, stored: &str) -> Result<(), EditError> {
    let name = normalize(user.as_bytes()).map_err(EditError::BadName)?;
    edit(path, |text| {
        let line = text.lines().find(|line| is_of(line, &name)).ok_or(EditError::Missing(name.clone()))?;
        let stands = line.split(':').nth(1).unwrap_or_default();
        if stands.as_bytes() != old.expose() {
            return Err(EditError::Changed(name.clone()));
        }
        changed_text(text, &name, |line| Some(with_password(line, stored)))
    })
}

/// Removes a user. Their mail stays.
pub fn delete(path: &Path, user: &str) -> Result<(), EditError> {
    replace(path, user, |_| None)
}

fn replace(path: &Path, user: &str, change: impl Fn(&str) -> Option<String>) -> Result<(), EditError> {
    let name = normalize(user.as_bytes()).map_err(EditError::BadName)?;
    edit(path, |text| changed_text(text, &name, change))
}

/// The text with the user's line changed, or without it.
fn changed_text(
    text: &str,
    name: &str,
    change: impl Fn(&str) -> Option<String>,
) -> Result<String, EditError> {
    if !text.lines().any(|line| is_of(line, name)) {
        return Err(EditError::Missing(name.to_owned()));
    }
    let lines =
        text.lines().filter_map(|line| if is_of(line, name) { change(line) } else { Some(line.to_owned()) });
    Ok(lines.map(|line| line + "\n").collect())
}

fn is_of(line: &str, name: &str) -> bool {
    let first = line.split(':').next().unwrap_or_default();
    !line.starts_with('#') && normalize(first.as_bytes()).is_ok_and(|found| found == name)
}

/// Reads, changes and replaces a file under a lock beside it, durably; mode and owner stay. A
/// new file is readable by its owner and group only.
fn edit(path: &Path, change: impl FnOnce(&str) -> Result<String, EditError>) -> Result<(), EditError> {
    let failed = |error: io::Error| EditError::Io(path.to_owned(), error);
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let lock = File::options().create(true).append(true).mode(0o600).open(beside(".lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let (text, metadata) = match read_text(path) {
        Ok(text) => (text, Some(std::fs::metadata(path).map_err(failed)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), None),
        Err(error) => return Err(failed(error)),
    };
    let changed = change(&text)?;
    let temporary = beside(".new");
    let write = || -> io::Result<()> {
        let _ = std::fs::remove_file(&temporary);
        let mut file = File::options().write(true).create_new(true).mode(0o640).open(&temporary)?;
        if let Some(metadata) = &metadata {
            file.set_permissions(std::fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
            fchown(&file, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.write_all(changed.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_all(&open(path, Links::Followed)?)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes_and_the_rest_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        let text = || std::fs::read_to_string(&path).unwrap();
        add(&path, "Anna@Example.com", "{PLAIN}a").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        std::fs::write(&path, "# users\nanna@example.com:{PLAIN}a:1:2::/home/anna::quota=1\n\nbert:x")
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        add(&path, "carl", "{PLAIN}c").unwrap();
        set_password(&path, "anna@example.com", "{PLAIN}new").unwrap();
        delete(&path, "bert").unwrap();
        assert_eq!(
            text(),
            "# users\nanna@example.com:{PLAIN}new:1:2::/home/anna::quota=1\n\ncarl:{PLAIN}c::::::\n"
        );
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
        assert!(matches!(add(&path, "CARL", "x"), Err(EditError::Exists(_))));
        assert!(matches!(delete(&path, "dora"), Err(EditError::Missing(_))));
        assert!(matches!(add(&path, "a/b", "x"), Err(EditError::BadName(_))));
        let mut names: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["users", "users.lock"]);
    }

    #[test]
    fn writers_wait_for_one_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || add(path, &format!("user{number}"), "x").unwrap());
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 8);
    }
}
