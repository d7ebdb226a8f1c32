//! The passwd file: Dovecot's passwd-file form.
//!
//! `user:password:uid:gid:gecos:home:shell:extra`, a user a line; fields that are missing take
//! the site's defaults. Extra fields are `key=value` parted by blanks; `userdb_mail` and
//! `userdb_home` say where mail lies. A name stands with its domain or without.
//!
//! The file is read again when it changes. A line that cannot be read is passed over and said
//! in the log; a file that cannot be read makes its users unavailable, never unknown.

mod edit;

pub use edit::{EditError, add, delete, replace_password, set_password};

use crate::dovecot_location;
use crate::line_table::{Entry, Format, TableFile};
use crate::regular_file::Links;
use crate::secret::Secret;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use ipnet::IpNet;
use std::io;
use std::path::{Path, PathBuf};

/// The form of its lines.
pub(crate) const FORMAT: Format = Format { after_name: b':', parse: parse_line };

/// A passwd file as a user source.
pub struct PasswdFile {
    name: String,
    file: TableFile,
}

impl PasswdFile {
    /// The source; the file is read when it is first asked for.
    pub fn new(path: PathBuf) -> Self {
        let name = format!("passwd-file {}", path.display());
        Self { name, file: TableFile::new(path, Links::Followed, &FORMAT) }
    }

    fn unavailable(&self, error: &io::Error) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason: error.to_string() }
    }
}

impl Source for PasswdFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(async move {
            let table = self.file.table().await.map_err(|error| self.unavailable(&error))?;
            let entry = table.find_first(query.name.variants()).map_err(|error| self.unavailable(&error))?;
            Ok(answer(&query, entry))
        })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move {
            let table = self.file.table().await.map_err(|error| self.unavailable(&error))?;
            Ok(table.users().collect())
        })
    }

    fn is_local(&self) -> bool {
        true
    }

    fn store_password<'a>(
        &'a self,
        name: &'a crate::login_name::LoginName,
        old: &'a Secret,
        hash: &'a str,
    ) -> Asking<'a, bool> {
        Box::pin(async move {
            let table = self.file.table().await.map_err(|error| self.unavailable(&error))?;
            let Some(name) = name.variants().find(|name| matches!(table.find(name), Ok(Some(_)))) else {
                return Ok(false);
            };
            store(self.file.path(), name, old, hash).await.map_err(|error| self.unavailable(&error))
        })
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async move { Ok(self.file.problems().await) })
    }

    fn reload(&self) {
        self.file.forget();
    }
}

/// What a file says of the user that was asked for.
pub(crate) fn answer(query: &Query<'_>, entry: Option<Entry>) -> SourceAnswer {
    let Some(entry) = entry else {
        query.trace.step(|| "the file has no such user".to_owned());
        return SourceAnswer::Unknown;
    };
    query.trace.step(|| format!("the file has {}", entry.user.name));
    if !entry.admits(query.peer) {
        query.trace.step(|| "the user may not come from that address".to_owned());
        tracing::info!(user = ?query.name.full(), peer = ?query.peer, "refused: not in the user's allow_nets");
        return SourceAnswer::Checked(entry.user, false);
    }
    let passwords = entry.passwords_for(query.service);
    SourceAnswer::Stored(entry.user, passwords)
}

/// Writes a new stored password. `false`: the file may not be written, or has not `old` any more.
pub(crate) async fn store(path: &Path, name: &str, old: &Secret, hash: &str) -> io::Result<bool> {
    if hash.contains([':', '\n', '\r', '\0']) {
        return Ok(false);
    }
    let (path, name, old, hash) = (path.to_owned(), name.to_owned(), old.clone(), hash.to_owned());
    let written = tokio::task::spawn_blocking(move || replace_password(&path, &name, &old, &hash)).await;
    match written.map_err(io::Error::other)? {
        Ok(()) => Ok(true),
        Err(EditError::Io(_, error)) if is_refused(error.kind()) => Ok(false),
        Err(EditError::Io(_, error)) => Err(error),
        // Gone or changed meanwhile.
        Err(_) => Ok(false),
    }
}

fn is_refused(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Reads a line. The real name (gecos) may be in any encoding.
fn parse_line(line: &[u8]) -> Result<Entry, String> {
    let mut fields = line.splitn(8, |byte| *byte == b':');
    let name = fields.next().unwrap_or_default();
    let name = crate::login_name::normalize(name).map_err(|why| format!("user name: {why}"))?;
    let password = fields.next().ok_or("expected user:password")?;
    let text = |field: Option<&[u8]>| {
        let field = field.filter(|field| !field.is_empty());
        let text =
            |field| std::str::from_utf8(field).map(str::to_owned).map_err(|_| "it is no UTF-8".to_owned());
        field.map(text).transpose()
    };
    let (uid, gid) = (text(fields.next())?, text(fields.next())?);
    let (_gecos, home, _shell) = (fields.next(), text(fields.next())?, fields.next());
    let extra = text(fields.next())?;
    let id = |what: &str, field: Option<String>| {
        field.map(|text| text.parse().map_err(|_| format!("{what} is no number: {text}"))).transpose()
    };
    let (uid, gid) = (id("uid", uid)?, id("gid", gid)?);
    let user = User { name, home, uid, gid, ..User::default() };
    let password = Secret::new(password.to_vec());
    let mut entry = Entry { user, passwords: vec![(None, password)], networks: None };
    for pair in extra.unwrap_or_default().split_ascii_whitespace() {
        take_extra(&mut entry, pair)?;
    }
    Ok(entry)
}

/// Takes an extra field, as Dovecot has them.
fn take_extra(entry: &mut Entry, pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let user = &mut entry.user;
    match key.strip_prefix("userdb_").unwrap_or(key) {
        "mail" => dovecot_location::take(user, value)?,
        "home" => user.home = Some(value.to_owned()),
        "nologin" => user.disabled_services.extend(["imap".to_owned(), "pop3".to_owned()]),
        "host" => user.mailhost = Some(value.to_owned()).filter(|host| !host.is_empty()),
        "allow_nets" => entry.networks = Some(networks(value)?),
        other if dovecot_location::take_field(user, other, value)? => {}
        other => user.extra.push((other.to_owned(), value.to_owned())),
    }
    Ok(())
}

/// Networks and addresses, parted by commas.
fn networks(value: &str) -> Result<Vec<IpNet>, String> {
    let one = |text: &str| {
        let address = || text.parse().map(|address: std::net::IpAddr| IpNet::from(address));
        text.parse().or_else(|_| address()).map_err(|_| format!("allow_nets has no network: {text}"))
    };
    value.split(',').map(str::trim).filter(|text| !text.is_empty()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_table::Table;
    use crate::testing::{asked, log_in, name, secret};

    fn table(text: &str) -> Table {
        Table::new(text.as_bytes().to_vec(), &FORMAT)
    }

    #[test]
    fn lines_are_read_as_dovecot_reads_them() {
        let users = table(
            "# comment\n\nanna@example.com:{PLAIN}a\nBert:{PLAIN}b:1000:1000:Bert B:/home/bert:/bin/sh:userdb_mail=maildir:~/Mail:INDEX=x quota=5M\n\
             carl::::::\ndora:x::::/home/dora::nologin mail=/srv/dora\n",
        );
        assert_eq!(users.problems(), ["5: carl: an empty stored password lets nobody in"]);
        let user = |name: &str| users.find(name).expect("a line that is right").expect("a user");
        assert_eq!(user("anna@example.com").passwords_for("imap")[0].expose(), b"{PLAIN}a");
        let bert = user("bert").user;
        assert_eq!((bert.home.as_deref(), bert.maildir.as_deref()), (Some("/home/bert"), Some("Mail")));
        assert_eq!(bert.location, [("INDEX".to_owned(), "x".to_owned())]);
        assert_eq!((bert.uid, bert.gid), (Some(1000), Some(1000)));
        assert_eq!(bert.extra, [("quota".to_owned(), "5M".to_owned())]);
        assert_eq!(user("carl").passwords_for("imap")[0].expose(), b"");
        assert_eq!(user("dora").user.disabled_services, ["imap", "pop3"]);
        assert_eq!(user("dora").user.maildir.as_deref(), Some("/srv/dora"));
    }

    #[test]
    fn passwords_that_let_nobody_in_are_said() {
        for (stored, problem) in [
            ("{PLAIN}x", None),
            ("$6$salt$hash", None),
            ("!", None),
            ("*", None),
            ("", Some("1: anna: an empty stored password lets nobody in")),
            ("{ROT13}nan", Some("1: anna: an unknown password scheme")),
        ] {
            let users = table(&format!("anna:{stored}\n"));
            assert_eq!(users.problems().first().map(String::as_str), problem, "{stored}");
            assert!(users.find("anna").expect("a line that is right").is_some(), "{stored}");
        }
    }

    #[test]
    fn bad_lines_are_said_with_their_number() {
        let users = table("a:x\n:x\nb\n../c:x\na:y\nd:x::::::mail=mbox:/x\ne:x\n");
        assert_eq!(users.len(), 2);
        assert_eq!(
            users.problems().iter().map(|p| p.split(':').next().unwrap()).collect::<Vec<_>>(),
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
        assert!(matches!(source.find(asked(&anna)).await, Ok(SourceAnswer::Stored(..))));
        std::fs::write(&path, "bert:{PLAIN}bb\n").unwrap();
        assert!(matches!(source.find(asked(&anna)).await, Ok(SourceAnswer::Unknown)));
        std::fs::remove_file(&path).unwrap();
        assert!(source.find(asked(&bert)).await.is_err());
        assert_eq!(source.problems().await.unwrap().len(), 1);
    }

    #[test]
    fn security_22_a_hostile_file_ends_nothing() {
        let long = format!("long:{}", "x".repeat(70_000));
        let mut text = b"anna:a\nbert:\0\nANNA:b\n\xff:x\n".to_vec();
        text.extend(long.as_bytes());
        text.extend(b"\ncarl:c::::/home/\xff\ndora:d:::J\xf6rg:/home/dora\r\nlast:e");
        let users = Table::new(text, &FORMAT);
        let numbers: Vec<_> = users.problems().iter().map(|p| p.split(':').next().unwrap()).collect();
        assert_eq!(numbers, ["2", "3", "4", "5", "6"]);
        assert_eq!(users.len(), 3);
        assert_eq!(users.find("anna").unwrap().unwrap().passwords_for("imap")[0].expose(), b"a");
        assert_eq!(users.find("dora").unwrap().unwrap().user.home.as_deref(), Some("/home/dora"));
        assert!(users.find("last").unwrap().is_some() && users.find("nobody").unwrap().is_none());
        for broken in ["bert", "long", "carl"] {
            let error = users.find(broken).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the line of {broken} is wrong: ")), "{error}");
        }
        for text in ["", "\n", "\n\n#", "x"] {
            assert_eq!(table(text).len(), 0, "{text:?}");
        }
    }

    #[tokio::test]
    async fn security_22_who_stands_in_a_wrong_line_is_unavailable_and_not_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        std::fs::write(&path, "anna:{PLAIN}a::::::allow_nets=typo\nbert:{PLAIN}b\n").unwrap();
        let source = PasswdFile::new(path);
        let reason = source.find(asked(&name("anna"))).await.unwrap_err().reason;
        assert!(reason.contains("the line of anna is wrong") && !reason.contains("PLAIN"), "{reason}");
        assert!(matches!(source.find(asked(&name("bert"))).await, Ok(SourceAnswer::Stored(..))));
        assert_eq!(source.list().await.unwrap().len(), 1);
        assert_eq!(source.problems().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn nets_bind_log_ins_and_not_administrators() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        std::fs::write(&path, "anna:{PLAIN}a::::::allow_nets=192.0.2.0/24,2001:db8::1 host=mx\n").unwrap();
        let source = PasswdFile::new(path);
        let (anna, password) = (name("anna"), secret("a"));
        for (peer, comes_in) in [
            (Some("192.0.2.9"), true),
            (Some("::ffff:192.0.2.9"), true),
            (Some("2001:db8::1"), true),
            (Some("198.51.100.1"), false),
            (Some("2001:db8::2"), false),
            (None, true),
        ] {
            let peer = peer.map(|peer| peer.parse().unwrap());
            let found = source.find(Query { peer, ..log_in(&anna, &password) }).await.unwrap();
            assert_eq!(matches!(found, SourceAnswer::Stored(..)), comes_in, "{peer:?}");
            assert_eq!(matches!(found, SourceAnswer::Checked(_, false)), !comes_in, "{peer:?}");
        }
        assert_eq!(source.list().await.unwrap()[0].mailhost.as_deref(), Some("mx"));
    }

    #[tokio::test]
    async fn a_password_is_stored_and_works_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        std::fs::write(&path, "anna:{PLAIN}a\n").unwrap();
        let source = PasswdFile::new(path);
        let anna = name("anna");
        // Of the same length: neither the size nor always the time tells the change.
        let mut old = secret("{PLAIN}a");
        for hash in ["{PLAIN}b", "{PLAIN}c", "{PLAIN}d", "{PLAIN}e"] {
            assert_eq!(source.store_password(&anna, &old, hash).await, Ok(true));
            assert_eq!(source.store_password(&anna, &old, "{PLAIN}x").await, Ok(false), "it was changed");
            old = secret(hash);
            let Ok(SourceAnswer::Stored(_, stored)) = source.find(asked(&anna)).await else { panic!() };
            assert_eq!(stored[0].expose(), hash.as_bytes());
        }
        assert_eq!(source.store_password(&anna, &old, "a:b").await, Ok(false));
        assert_eq!(source.store_password(&name("bert"), &old, "b").await, Ok(false));
    }

    #[tokio::test]
    async fn a_million_users_are_found() {
        use std::fmt::Write;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("users");
        let mut text = String::new();
        for number in 0..1_000_000 {
            writeln!(text, "user{number}@example.com:{{PLAIN}}p{number}:5000:5000::/srv/mail/{number}")
                .unwrap();
        }
        std::fs::write(&path, text).unwrap();
        let source = PasswdFile::new(path);
        let began = std::time::Instant::now();
        let table = source.file.table().await.unwrap();
        eprintln!(
            "loaded in {:?}: text {}, index {} bytes",
            began.elapsed(),
            table.sizes().0,
            table.sizes().1
        );
        assert_eq!(table.len(), 1_000_000);
        let began = std::time::Instant::now();
        for number in (0..1_000_000).step_by(997) {
            let name = name(&format!("user{number}@example.com"));
            let Ok(SourceAnswer::Stored(user, stored)) = source.find(asked(&name)).await else {
                panic!("{number}")
            };
            assert_eq!(user.home, Some(format!("/srv/mail/{number}")));
            assert_eq!(stored[0].expose(), format!("{{PLAIN}}p{number}").as_bytes());
        }
        eprintln!("a look-up in {:?}", began.elapsed() / 1004);
        assert!(matches!(
            source.find(asked(&name("user1000000@example.com"))).await,
            Ok(SourceAnswer::Unknown)
        ));
    }
}
