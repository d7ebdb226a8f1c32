//! The passwd file: Dovecot's passwd-file form.
//!
//! `user:password:uid:gid:gecos:home:shell:extra`, a user a line; fields that are missing take
//! the site's defaults. Extra fields are `key=value` parted by blanks; `userdb_mail` and
//! `userdb_home` say where mail lies. A name stands with its domain or without.
//!
//! The file is read again when it changes. A line that cannot be read is passed over and said
//! in the log; a file that cannot be read makes its users unavailable, never unknown.

mod edit;

pub use edit::{EditError, add, delete, set_password};

use crate::secret::Secret;
use crate::source::{Asking, Found, Query, Source, Unavailable, User};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A passwd file as a user source.
#[derive(Debug)]
pub struct PasswdFile {
    path: PathBuf,
    name: String,
    state: Mutex<Option<Loaded>>,
}

#[derive(Clone, Debug)]
struct Loaded {
    stamp: Stamp,
    users: Arc<HashMap<String, Entry>>,
}

/// What tells a changed file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
    device: u64,
}

/// A line.
#[derive(Clone, Debug)]
struct Entry {
    user: User,
    password: Secret,
}

impl PasswdFile {
    /// The source; the file is read when it is first asked for.
    pub fn new(path: PathBuf) -> Self {
        let name = format!("passwd-file {}", path.display());
        Self { path, name, state: Mutex::default() }
    }

    /// All that is wrong with the file.
    fn check(&self) -> Vec<String> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => {
                parse(&text).1.iter().map(|problem| format!("{}:{problem}", self.path.display())).collect()
            }
            Err(error) => vec![format!("{}: cannot be read: {error}", self.path.display())],
        }
    }

    fn users(&self) -> Result<Arc<HashMap<String, Entry>>, Unavailable> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let unavailable =
            |error: std::io::Error| Unavailable { source_name: self.name.clone(), reason: error.to_string() };
        let stamp = Stamp::of(&self.path).map_err(unavailable)?;
        if let Some(loaded) = state.as_ref().filter(|loaded| loaded.stamp == stamp) {
            return Ok(loaded.users.clone());
        }
        let text = std::fs::read_to_string(&self.path).map_err(unavailable)?;
        let (users, problems) = parse(&text);
        for problem in problems {
            tracing::warn!("{}:{problem}: the line is passed over", self.path.display());
        }
        let loaded = Loaded { stamp, users: Arc::new(users) };
        let users = loaded.users.clone();
        *state = Some(loaded);
        Ok(users)
    }
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            inode: metadata.ino(),
            device: metadata.dev(),
        })
    }
}

impl Source for PasswdFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, Found> {
        Box::pin(async move {
            let users = self.users()?;
            let entry = query.name.variants().find_map(|name| users.get(name));
            query.trace.step(|| match entry {
                Some(entry) => format!("the file has {}", entry.user.name),
                None => "the file has no such user".to_owned(),
            });
            Ok(match entry {
                Some(entry) => Found::Stored(entry.user.clone(), vec![entry.password.clone()]),
                None => Found::Unknown,
            })
        })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move { Ok(self.users()?.values().map(|entry| entry.user.clone()).collect()) })
    }

    fn is_local(&self) -> bool {
        true
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async move { Ok(self.check()) })
    }

    fn reload(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Entries by name, and what is wrong as `line: text`.
fn parse(text: &str) -> (HashMap<String, Entry>, Vec<String>) {
    let mut users = HashMap::new();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line) {
            Ok(entry) if users.contains_key(&entry.user.name) => {
                problems.push(format!("{number}: {} stands above already", entry.user.name));
            }
            Ok(entry) => drop(users.insert(entry.user.name.clone(), entry)),
            Err(why) => problems.push(format!("{number}: {why}")),
        }
    }
    (users, problems)
}

fn parse_line(line: &str) -> Result<Entry, String> {
    let mut fields = line.splitn(8, ':');
    let name = fields.next().unwrap_or_default();
    let name = crate::login_name::normalize(name.as_bytes()).map_err(|why| format!("user name: {why}"))?;
    let password = fields.next().ok_or("expected user:password")?;
    let mut fields = fields.map(|field| Some(field).filter(|field| !field.is_empty()));
    let mut field = || fields.next().flatten();
    let (uid, gid, _gecos, home, _shell, extra) = (field(), field(), field(), field(), field(), field());
    let id = |what: &str, field: Option<&str>| {
        field.map(|text| text.parse().map_err(|_| format!("{what} is no number: {text}"))).transpose()
    };
    let (uid, gid) = (id("uid", uid)?, id("gid", gid)?);
    let mut user = User { name, home: home.map(str::to_owned), uid, gid, ..User::default() };
    for pair in extra.unwrap_or_default().split_ascii_whitespace() {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key.strip_prefix("userdb_").unwrap_or(key) {
            "mail" => user.maildir = Some(maildir(value)?),
            "home" => user.home = Some(value.to_owned()),
            "nologin" => user.disabled_services.extend(["imap".to_owned(), "pop3".to_owned()]),
            other => user.extra.push((other.to_owned(), value.to_owned())),
        }
    }
    Ok(Entry { user, password: Secret::new(password.as_bytes().to_vec()) })
}

/// `maildir:PATH[:OPTIONS]`, or a path; `~/` is the home directory.
fn maildir(value: &str) -> Result<String, String> {
    let path = match value.split_once(':') {
        Some(("maildir", rest)) => rest.split(':').next().unwrap_or_default(),
        Some((other, _)) => return Err(format!("mail is in {other}, and only Maildirs are served")),
        None => value,
    };
    let path = path.strip_prefix("~/").unwrap_or(path);
    if path.is_empty() { Err("mail names no directory".to_owned()) } else { Ok(path.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{asked, name};

    #[test]
    fn lines_are_read_as_dovecot_reads_them() {
        let (users, problems) = parse(
            "# comment\n\nanna@example.com:{PLAIN}a\nBert:{PLAIN}b:1000:1000:Bert B:/home/bert:/bin/sh:userdb_mail=maildir:~/Mail:INDEX=x quota=5M\n\
             carl::::::\ndora:x::::/home/dora::nologin mail=/srv/dora\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(users["anna@example.com"].password.expose(), b"{PLAIN}a");
        let bert = &users["bert"].user;
        assert_eq!((bert.home.as_deref(), bert.maildir.as_deref()), (Some("/home/bert"), Some("Mail")));
        assert_eq!((bert.uid, bert.gid), (Some(1000), Some(1000)));
        assert_eq!(bert.extra, [("quota".to_owned(), "5M".to_owned())]);
        assert_eq!(users["carl"].password.expose(), b"");
        assert_eq!(users["dora"].user.disabled_services, ["imap", "pop3"]);
        assert_eq!(users["dora"].user.maildir.as_deref(), Some("/srv/dora"));
    }

    #[test]
    fn bad_lines_are_said_with_their_number() {
        let (users, problems) = parse("a:x\n:x\nb\n../c:x\na:y\nd:x::::::mail=mbox:/x\ne:x\n");
        assert_eq!(users.len(), 2);
        assert_eq!(
            problems.iter().map(|p| p.split(':').next().unwrap()).collect::<Vec<_>>(),
            ["2", "3", "4", "5", "6"]
        );
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_missing_one_is_unavailable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        let source = PasswdFile::new(path.clone());
        let (anna, bert) = (name("anna"), name("bert"));
        assert!(source.find(asked(&anna)).await.is_err());
        std::fs::write(&path, "anna:{PLAIN}a\n").unwrap();
        assert!(matches!(source.find(asked(&anna)).await, Ok(Found::Stored(..))));
        std::fs::write(&path, "bert:{PLAIN}bb\n").unwrap();
        assert!(matches!(source.find(asked(&anna)).await, Ok(Found::Unknown)));
        std::fs::remove_file(&path).unwrap();
        assert!(source.find(asked(&bert)).await.is_err());
        assert_eq!(source.check().len(), 1);
    }
}
