//! Users of vpopmail, where it keeps them in files: qmail's `users/cdb` names the directory of a
//! domain, and `vpasswd.cdb` in it has the domain's users.
//!
//! As vpopmail does it, `vpasswd.cdb` is taken as it is, however old; `vpasswd`, the text that it
//! is made of, is read where there is none, all of it for each user. Files are opened at each
//! question, so a change is seen at once. A user of an alias domain is that of the real one.

mod domain;
mod limits;
mod user;

use crate::cdb::{Cdb, Record};
use crate::regular_file::{Links, open, read_all};
use crate::secret::Secret;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use domain::Domain;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Most problems that are told.
const PROBLEMS_MAX: usize = 100;

/// A site's domains and users as a user source.
pub struct Vpopmail {
    /// qmail's `users/cdb`.
    path: PathBuf,
    name: String,
}

impl Vpopmail {
    /// The source; `path` is qmail's `users/cdb`.
    pub fn new(path: PathBuf) -> Self {
        let name = format!("vpopmail {}", path.display());
        Self { path, name }
    }

    /// Reads files where that holds up nobody else.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Path) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let unavailable = |reason| Unavailable { source_name: self.name.clone(), reason };
        read.map_err(|error| unavailable(error.to_string()))?.map_err(unavailable)
    }
}

impl Source for Vpopmail {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(async move {
            let domain = query.name.domain().unwrap_or_default().to_owned();
            let local = query.name.local().to_owned();
            let (domain, user) = self.read(move |path| find(path, &domain, &local)).await?;
            query.trace.step(|| match (&domain, &user) {
                (None, _) => format!("{} has no such domain", self.path.display()),
                (Some(domain), None) => format!("{} has no such user", domain.directory.display()),
                (Some(domain), Some((user, _))) => {
                    format!("{} has {}", domain.directory.display(), user.name)
                }
            });
            Ok(user.map_or(SourceAnswer::Unknown, |(user, stored)| SourceAnswer::Stored(user, stored)))
        })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(self.read(list))
    }

    fn is_local(&self) -> bool {
        true
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(self.read(|path| Ok(problems(path))))
    }
}

/// A user, and what is stored as their password.
type Known = (User, Vec<Secret>);

/// The domain that a name is in, and the user.
fn find(path: &Path, domain: &str, local: &str) -> Result<(Option<Domain>, Option<Known>), String> {
    let Some(domain) = domain::find(path, domain)? else { return Ok((None, None)) };
    let users = Users::open(&domain.directory)?;
    let Some(value) = users.find(local.as_bytes())? else { return Ok((Some(domain), None)) };
    let mask = limits::mask(&domain.directory)?;
    let user = user::read(local.as_bytes(), &value, &domain, mask).map_err(|why| users.at(&why))?;
    Ok((Some(domain), Some(user)))
}

fn list(path: &Path) -> Result<Vec<User>, String> {
    let mut listed = Vec::new();
    for domain in domain::all(path)? {
        let domain = domain?;
        let users = Users::open(&domain.directory)?;
        let mask = limits::mask(&domain.directory)?;
        for record in users.records() {
            let Record { key, value } = record?;
            let (user, _) = user::read(&key, &value, &domain, mask).map_err(|why| users.at(&why))?;
            listed.push(user);
        }
    }
    Ok(listed)
}

fn problems(path: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let domains = domain::all(path).unwrap_or_else(|problem| vec![Err(problem)]);
    for domain in domains {
        let checked = domain.and_then(|domain| {
            let users = Users::open(&domain.directory)?;
            let mask = limits::mask(&domain.directory)?;
            let wrong = |record: Result<Record, String>| {
                let read = |record: Record| user::read(&record.key, &record.value, &domain, mask);
                record.and_then(|record| read(record).map_err(|why| users.at(&why))).err()
            };
            problems.extend(users.records().filter_map(wrong).take(PROBLEMS_MAX));
            Ok(())
        });
        problems.extend(checked.err());
        problems.truncate(PROBLEMS_MAX);
    }
    problems
}

/// A domain's file of users.
struct Users {
    path: PathBuf,
    form: Form,
}

/// The forms that the file has.
enum Form {
    Cdb(Cdb),
    Text(Zeroizing<Vec<u8>>),
}

impl Users {
    fn open(directory: &Path) -> Result<Self, String> {
        let path = directory.join("vpasswd.cdb");
        match Cdb::open(&path, Links::Refused) {
            Ok(database) => Ok(Self { path, form: Form::Cdb(database) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = directory.join("vpasswd");
                let text = open(&path, Links::Refused).and_then(|file| read_all(&file));
                let text = text.map_err(|error| at(&path, &error.to_string()))?;
                Ok(Self { path, form: Form::Text(Zeroizing::new(text)) })
            }
            Err(error) => Err(at(&path, &error.to_string())),
        }
    }

    fn at(&self, why: &str) -> String {
        at(&self.path, why)
    }

    /// What stands behind a user's name.
    fn find(&self, local: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        match &self.form {
            Form::Cdb(database) => database.find(local).map_err(|error| self.at(&error.to_string())),
            Form::Text(text) => {
                let mut records = lines(text).filter_map(Result::ok);
                Ok(records.find(|record| record.key == local).map(|record| record.value))
            }
        }
    }

    fn records(&self) -> Box<dyn Iterator<Item = Result<Record, String>> + '_> {
        match &self.form {
            Form::Cdb(database) => {
                Box::new(database.records().map(|record| record.map_err(|error| self.at(&error.to_string()))))
            }
            Form::Text(text) => Box::new(lines(text).map(|line| line.map_err(|why| self.at(why)))),
        }
    }
}

/// The lines of a `vpasswd`, as the records that they become in `vpasswd.cdb`.
fn lines(text: &[u8]) -> impl Iterator<Item = Result<Record, &'static str>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let record = parts.next().zip(parts.next());
        let record = record.map(|(key, value)| Record { key: key.to_vec(), value: value.to_vec().into() });
        record.ok_or("a line has no colon")
    })
}

fn at(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}

#[cfg(test)]
mod tests;
