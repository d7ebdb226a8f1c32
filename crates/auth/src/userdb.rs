//! Courier's userdb in its text form: a file, or a directory of files.
//!
//! `address TAB field=value|field=value`, an address a line: `uid gid home shell mail quota
//! options`, and passwords `systempw`, `imappw`, `pop3pw`: that of a service wins over that of
//! the system. What other mechanisms have (`hmac-md5pw`) is no password. `userdb.dat` is not
//! needed: the text is read again when it changes.

use crate::courier_options;
use crate::line_table::{Entry, Format, TableFile};
use crate::login_name::normalize;
use crate::passwd_file::answer;
use crate::regular_file::Links;
use crate::secret::Secret;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How deep directories are looked into.
const DEPTH_MAX: usize = 8;
/// Most files of a directory.
const FILES_MAX: usize = 10_000;

const FORMAT: Format = Format { after_name: b'\t', parse: parse_line };

/// A userdb as a user source.
pub struct Userdb {
    path: PathBuf,
    name: String,
    files: Mutex<HashMap<PathBuf, Arc<TableFile>>>,
}

impl Userdb {
    /// The source; files are read when they are first asked for.
    pub fn new(path: PathBuf) -> Self {
        let name = format!("userdb {}", path.display());
        Self { path, name, files: Mutex::default() }
    }

    fn unavailable(&self, error: &io::Error) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason: error.to_string() }
    }

    /// The files there are, in the order of their names.
    fn files(&self) -> io::Result<Vec<Arc<TableFile>>> {
        let is_directory = std::fs::metadata(&self.path)?.is_dir();
        let links = if is_directory { Links::Refused } else { Links::Followed };
        let mut paths = Vec::new();
        if is_directory {
            collect(&self.path, DEPTH_MAX, &mut paths)?;
            paths.sort();
        } else {
            paths.push(self.path.clone());
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() > paths.len() {
            files.retain(|path, _| paths.contains(path));
        }
        let file = |path: PathBuf| {
            let new = || Arc::new(TableFile::new(path.clone(), links, &FORMAT));
            files.entry(path.clone()).or_insert_with(new).clone()
        };
        Ok(paths.into_iter().map(file).collect())
    }

    async fn entry(&self, query: &Query<'_>) -> io::Result<Option<Entry>> {
        let mut tables = Vec::new();
        for file in self.files()? {
            tables.push(file.table().await?);
        }
        let find = |name: &str| tables.iter().find_map(|table| table.find(name).transpose());
        query.name.variants().find_map(find).transpose()
    }

    async fn users(&self) -> io::Result<Vec<User>> {
        let mut users = Vec::new();
        for file in self.files()? {
            users.extend(file.table().await?.users());
        }
        Ok(users)
    }

    async fn check(&self) -> io::Result<Vec<String>> {
        let mut problems = Vec::new();
        for file in self.files()? {
            problems.extend(file.problems().await);
            if std::fs::metadata(file.path()).is_ok_and(|found| found.mode() & 0o007 != 0) {
                problems
                    .push(format!("{}: everybody can read or write it: chmod o-rwx", file.path().display()));
            }
        }
        Ok(problems)
    }
}

/// The files below a directory; those that begin with a dot are none.
fn collect(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if !entry.file_type()?.is_dir() {
            paths.push(entry.path());
        } else if depth > 0 {
            collect(&entry.path(), depth - 1, paths)?;
        }
        if paths.len() > FILES_MAX {
            return Err(io::Error::other("there are too many files"));
        }
    }
    Ok(())
}

impl Source for Userdb {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(async move {
            let entry = self.entry(&query).await.map_err(|error| self.unavailable(&error))?;
            Ok(answer(&query, entry))
        })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move { self.users().await.map_err(|error| self.unavailable(&error)) })
    }

    fn is_local(&self) -> bool {
        true
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async move {
            let failed = |error| vec![format!("{}: cannot be read: {error}", self.path.display())];
            Ok(self.check().await.unwrap_or_else(failed))
        })
    }

    fn reload(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn parse_line(line: &[u8]) -> Result<Entry, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is no UTF-8")?;
    let (name, fields) = line.split_once('\t').ok_or("expected an address and a TAB")?;
    let name = normalize(name.as_bytes()).map_err(|why| format!("address: {why}"))?;
    let user = User { name, ..User::default() };
    let mut entry = Entry { user, passwords: Vec::new(), networks: None };
    for field in fields.split('|') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        take(&mut entry, key.trim(), value)?;
    }
    Ok(entry)
}

fn take(entry: &mut Entry, key: &str, value: &str) -> Result<(), String> {
    let service = match key {
        "systempw" => Some(None),
        "imappw" => Some(Some("imap")),
        "pop3pw" => Some(Some("pop3")),
        _ => None,
    };
    if let Some(service) = service {
        entry.passwords.push((service, Secret::new(value.as_bytes().to_vec())));
        return Ok(());
    }
    let user = &mut entry.user;
    let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
    let id = || value.parse().map(Some).map_err(|_| format!("{key} is no number: {value}"));
    match key {
        "uid" => user.uid = id()?,
        "gid" => user.gid = id()?,
        "home" => user.home = text(),
        "mail" => user.maildir = text(),
        "quota" if !value.is_empty() => user.extra.push((key.to_owned(), value.to_owned())),
        "options" => courier_options::take(user, value),
        // `shell`, `hmac-md5pw` and its like, and what is unknown: no values, which may be secrets.
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asked, name};

    const TEXT: &str = "# comment\nanna@example.com\tuid=5000|gid=5001|home=/srv/anna|mail=/srv/anna/Maildir|quota=10485760S|systempw=$6$s|imappw=$6$i|hmac-md5pw=00\nbert\tuid=1|gid=1|home=/b|systempw=b|options=disableimap=1,sharedgroup=x\nno tab\nx\tuid=y\n";

    #[tokio::test]
    async fn fields_are_read_and_a_service_has_its_own_password() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("userdb");
        std::fs::write(&path, TEXT).unwrap();
        let source = Userdb::new(path);
        let anna = name("anna@example.com");
        for (service, password) in [("imap", "$6$i"), ("pop3", "$6$s")] {
            let query = Query { service, ..asked(&anna) };
            let Ok(SourceAnswer::Stored(user, stored)) = source.find(query).await else { panic!() };
            let stored: Vec<&[u8]> = stored.iter().map(Secret::expose).collect();
            assert_eq!(stored, [password.as_bytes()], "{service}");
            assert_eq!(
                (user.uid, user.gid, user.home.as_deref()),
                (Some(5000), Some(5001), Some("/srv/anna"))
            );
            assert_eq!(user.maildir.as_deref(), Some("/srv/anna/Maildir"));
            assert_eq!(user.extra, [("quota".to_owned(), "10485760S".to_owned())]);
        }
        let Ok(SourceAnswer::Stored(bert, _)) = source.find(asked(&name("bert"))).await else { panic!() };
        assert!(!bert.may_use("imap") && bert.may_use("pop3"));
        assert_eq!(source.list().await.unwrap().len(), 2);
        let problems = source.problems().await.unwrap();
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[tokio::test]
    async fn a_directory_is_read_with_those_below() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("more")).unwrap();
        std::fs::write(directory.path().join("a"), "anna\thome=/a\n").unwrap();
        std::fs::write(directory.path().join("more/b"), "bert\thome=/b").unwrap();
        std::fs::write(directory.path().join(".hidden"), "carl\thome=/c\n").unwrap();
        let source = Userdb::new(directory.path().to_owned());
        for (login, known) in [("anna", true), ("bert", true), ("carl", false)] {
            let found = source.find(asked(&name(login))).await.unwrap();
            assert_eq!(matches!(found, SourceAnswer::Stored(..)), known, "{login}");
        }
        std::fs::remove_file(directory.path().join("a")).unwrap();
        assert!(matches!(source.find(asked(&name("anna"))).await, Ok(SourceAnswer::Unknown)));
    }
}
