//! A directory of passwd files, one a domain: the file's name is the domain, and names in it
//! stand without one.
//!
//! A domain without a file is unknown. A file that is a symbolic link, or no regular file, makes
//! its domain unavailable. What begins with a dot, and what the changing of a passwd file leaves
//! (`.lock`, `.new`), is no domain.

use crate::line_table::TableFile;
use crate::login_name::{LoginName, normalize};
use crate::passwd_file::{FORMAT, answer, store};
use crate::regular_file::Links;
use crate::secret::Secret;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A directory of passwd files as a user source.
pub struct PasswdDirectory {
    path: PathBuf,
    name: String,
    /// Files by their domains: only such as are there.
    files: Mutex<HashMap<String, Arc<TableFile>>>,
}

impl PasswdDirectory {
    /// The source; each file is read when it is first asked for.
    pub fn new(path: PathBuf) -> Self {
        let name = format!("passwd-directory {}", path.display());
        Self { path, name, files: Mutex::default() }
    }

    fn unavailable(&self, error: &io::Error) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason: error.to_string() }
    }

    /// The file of a domain; `None` where there is none.
    fn file(&self, domain: &str) -> io::Result<Option<Arc<TableFile>>> {
        if !is_domain(domain) {
            return Ok(None);
        }
        let path = self.path.join(domain);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::symlink_metadata(&path) {
            Ok(_) => {
                let file = || Arc::new(TableFile::new(path, Links::Refused, &FORMAT));
                Ok(Some(files.entry(domain.to_owned()).or_insert_with(file).clone()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files.remove(domain);
                // Without the directory, nobody is known to be unknown.
                std::fs::metadata(&self.path).map(|_| None)
            }
            Err(error) => Err(error),
        }
    }

    fn domains(&self) -> io::Result<Vec<String>> {
        let mut domains = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            domains.extend(entry?.file_name().into_string().ok().filter(|name| is_domain(name)));
        }
        domains.sort();
        Ok(domains)
    }

    async fn users(&self) -> io::Result<Vec<User>> {
        let mut users = Vec::new();
        for domain in self.domains()? {
            let Some(file) = self.file(&domain)? else { continue };
            let table = file.table().await?;
            users.extend(table.users().map(|user| in_domain(user, &domain)));
        }
        Ok(users)
    }

    async fn check(&self) -> io::Result<Vec<String>> {
        let mut problems = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let (name, path) = (entry?.file_name(), self.path.display());
            let name = name.to_string_lossy();
            if !is_domain(&name) && !is_left_over(&name) {
                problems.push(format!("{path}: {name:?} is no domain in lower case: nobody reads it"));
            }
        }
        for domain in self.domains()? {
            let Some(file) = self.file(&domain)? else { continue };
            problems.extend(file.problems().await);
        }
        Ok(problems)
    }
}

impl Source for PasswdDirectory {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(async move {
            let domain = query.name.domain().unwrap_or_default();
            let Some(file) = self.file(domain).map_err(|error| self.unavailable(&error))? else {
                query.trace.step(|| format!("there is no file for the domain {domain:?}"));
                return Ok(SourceAnswer::Unknown);
            };
            let table = file.table().await.map_err(|error| self.unavailable(&error))?;
            let entry = table.find(query.name.local()).map_err(|error| self.unavailable(&error))?;
            let entry = entry.map(|mut entry| {
                entry.user = in_domain(entry.user, domain);
                entry
            });
            Ok(answer(&query, entry))
        })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move { self.users().await.map_err(|error| self.unavailable(&error)) })
    }

    fn is_local(&self) -> bool {
        true
    }

    fn store_password<'a>(&'a self, name: &'a LoginName, old: &'a Secret, hash: &'a str) -> Asking<'a, bool> {
        Box::pin(async move {
            let failed = |error: io::Error| self.unavailable(&error);
            let file = self.file(name.domain().unwrap_or_default()).map_err(failed)?;
            let Some(file) = file else { return Ok(false) };
            store(file.path(), name.local(), old, hash).await.map_err(failed)
        })
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

/// Whether a name can be that of a domain's file: a plain file name, in lower case.
fn is_domain(name: &str) -> bool {
    let is_plain = normalize(name.as_bytes()).is_ok_and(|clean| clean == name) && !name.contains('@');
    is_plain && !is_left_over(name)
}

/// Hidden, or of the changing of a passwd file.
fn is_left_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".lock") || name.ends_with(".new")
}

fn in_domain(user: User, domain: &str) -> User {
    User { name: format!("{}@{domain}", user.name), ..user }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asked, name};

    #[tokio::test]
    async fn a_file_a_domain() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("example.com"), "anna:{PLAIN}a\n").unwrap();
        std::fs::write(at("other.example"), "bert:{PLAIN}b\nc@example.com:x\n").unwrap();
        std::fs::write(at("example.com.lock"), "").unwrap();
        let source = PasswdDirectory::new(directory.path().to_owned());
        for (login, known) in [
            ("anna@example.com", true),
            ("Anna@Example.COM", true),
            ("bert@example.com", false),
            ("anna@other.example", false),
            ("c@example.com", false),
            ("anna@missing.example", false),
            ("anna@example.com.lock", false),
            ("anna", false),
        ] {
            let found = source.find(asked(&name(login))).await.unwrap();
            assert_eq!(matches!(found, SourceAnswer::Stored(..)), known, "{login}");
        }
        let anna = name("anna@example.com");
        assert_eq!(
            source.store_password(&anna, &crate::testing::secret("{PLAIN}a"), "{PLAIN}new").await,
            Ok(true)
        );
        let Ok(SourceAnswer::Stored(user, stored)) = source.find(asked(&anna)).await else { panic!() };
        assert_eq!((user.name.as_str(), stored[0].expose()), ("anna@example.com", &b"{PLAIN}new"[..]));
        assert_eq!(source.list().await.unwrap().len(), 3);
        std::fs::write(at("Upper.example"), "anna:{PLAIN}a\n").unwrap();
        std::fs::write(at(".hidden"), "").unwrap();
        let problems = source.problems().await.unwrap();
        assert!(problems.len() == 1 && problems[0].contains("Upper.example"), "{problems:?}");
        std::fs::remove_file(at("example.com")).unwrap();
        assert!(matches!(source.find(asked(&anna)).await, Ok(SourceAnswer::Unknown)));
        directory.close().unwrap();
        assert!(source.find(asked(&anna)).await.is_err());
        assert_eq!(source.problems().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn security_22_links_and_fifos_are_no_files() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at(".real"), "anna:{PLAIN}a\n").unwrap();
        std::os::unix::fs::symlink(at(".real"), at("link.example")).unwrap();
        nix::unistd::mkfifo(&at("fifo.example"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::create_dir(at("dir.example")).unwrap();
        let source = PasswdDirectory::new(directory.path().to_owned());
        for domain in ["link.example", "fifo.example", "dir.example"] {
            assert!(source.find(asked(&name(&format!("anna@{domain}")))).await.is_err(), "{domain}");
        }
        assert_eq!(source.problems().await.unwrap().len(), 3);
    }
}
