//! Courier's authdaemond as a user source, asked over its socket.
//!
//! `PRE . SERVICE USER` tells who somebody is, `AUTH LENGTH` and its data whether a password is
//! right. FAIL to AUTH means wrong or unknown: PRE tells which. Hashes that PRE may come back
//! with are not used: authdaemond decides. A connection that ends without an answer is
//! authdaemond's temporary failure.

use crate::courier_options;
use crate::secret::Secret;
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Longest answer about one user, in bytes.
const ANSWER_MAX: usize = 64 * 1024;
/// Longest list of all users, in bytes.
const LIST_MAX: usize = 1024 * 1024 * 1024;

/// What the source goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthdaemonSettings {
    /// authdaemond's socket.
    pub socket: PathBuf,
    /// Longest wait for a connection and its answer.
    pub timeout: Duration,
    /// Most connections at once; others wait, within the timeout.
    pub connections_max: usize,
}

/// authdaemond as a user source.
pub struct Authdaemon {
    settings: AuthdaemonSettings,
    name: String,
    connections: Semaphore,
}

impl Authdaemon {
    /// The source; it connects when it is asked.
    pub fn new(settings: AuthdaemonSettings) -> Self {
        let name = format!("authdaemon {}", settings.socket.display());
        let connections = Semaphore::new(settings.connections_max.clamp(1, Semaphore::MAX_PERMITS));
        Self { settings, name, connections }
    }

    fn unavailable(&self, reason: impl ToString) -> Unavailable {
        Unavailable { source_name: self.name.clone(), reason: reason.to_string() }
    }

    /// Sends a request and reads the answer up to its last line, within the timeout.
    async fn ask(&self, request: &[u8], answer_max: usize) -> Result<Zeroizing<Vec<u8>>, Unavailable> {
        let exchange = async {
            let _one = self.connections.acquire().await.map_err(io::Error::other)?;
            let mut stream = UnixStream::connect(&self.settings.socket).await?;
            stream.write_all(request).await?;
            read_answer(&mut stream, answer_max).await
        };
        match tokio::time::timeout(self.settings.timeout, exchange).await {
            Ok(answer) => answer.map_err(|error| self.unavailable(error)),
            Err(_) => Err(self.unavailable("no answer in time")),
        }
    }

    /// `None`: FAIL.
    async fn user(&self, request: &[u8]) -> Result<Option<User>, Unavailable> {
        let answer = self.ask(request, ANSWER_MAX).await?;
        if answer.as_slice() == b"FAIL\n" {
            return Ok(None);
        }
        let parsed = parse(&answer).map_err(|why| self.unavailable(why))?;
        let (mut user, system_user) = parsed;
        if user.home.is_none() {
            return Err(self.unavailable("its answer has no HOME"));
        }
        if let Some(login) = system_user {
            let found = tokio::task::spawn_blocking(move || nix::unistd::User::from_name(&login)).await;
            let found =
                found.map_err(|error| self.unavailable(error))?.map_err(|error| self.unavailable(error))?;
            let found = found.ok_or_else(|| self.unavailable("its USERNAME is no user of this system"))?;
            user.uid = Some(found.uid.as_raw());
            user.gid = Some(user.gid.unwrap_or(found.gid.as_raw()));
        }
        Ok(Some(user))
    }

    /// Asks for the variants of the name. The first that is known is the user: behind a wrong
    /// password of `anna@example.com` there may be another `anna`.
    async fn look_up(&self, query: &Query<'_>) -> Result<SourceAnswer, Unavailable> {
        for name in query.name.variants() {
            if let Some(password) = query.password
                && let Some(user) = self.log_in(query, name, password).await?
            {
                return Ok(SourceAnswer::Checked(called(user, name), true));
            }
            let user = self.user(format!("PRE . {} {name}\n", query.service).as_bytes()).await?;
            query.trace.step(|| format!("PRE {name}: {}", told(user.as_ref())));
            if let Some(user) = user.map(|user| called(user, name)) {
                let is_asked = query.password.is_some();
                return Ok(if is_asked {
                    SourceAnswer::Checked(user, false)
                } else {
                    SourceAnswer::Known(user)
                });
            }
        }
        Ok(SourceAnswer::Unknown)
    }

    async fn log_in(
        &self,
        query: &Query<'_>,
        name: &str,
        password: &Secret,
    ) -> Result<Option<User>, Unavailable> {
        let Some(request) = request(query.service, name, password) else { return Ok(None) };
        let user = self.user(&request).await?;
        query.trace.step(|| format!("AUTH {name}: {}", told(user.as_ref())));
        Ok(user)
    }
}

impl Source for Authdaemon {
    fn name(&self) -> &str {
        &self.name
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(async move { self.look_up(&query).await })
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async move {
            let answer = self.ask(b"ENUMERATE\n", LIST_MAX).await?;
            if answer.as_slice() == b"FAIL\n" {
                return Err(self.unavailable("it does not list its users"));
            }
            let lines = answer.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#") && *line != b".");
            lines.map(listed).collect::<Result<_, _>>().map_err(|why| self.unavailable(why))
        })
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        Box::pin(async move {
            let connected = UnixStream::connect(&self.settings.socket).await;
            Ok(connected.err().map(|error| format!("{}: {error}", self.name)).into_iter().collect())
        })
    }
}

/// `AUTH`, or nothing where the password cannot be said in the protocol: no line may hold a
/// control character.
fn request(service: &str, name: &str, password: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let password = password.expose();
    let parts = [service.as_bytes(), name.as_bytes(), password];
    if parts.iter().any(|part| part.iter().any(u8::is_ascii_control)) {
        return None;
    }
    let length = service.len() + "\nlogin\n\n\n".len() + name.len() + password.len();
    let mut request = Zeroizing::new(Vec::with_capacity(length + 16));
    request.extend_from_slice(format!("AUTH {length}\n{service}\nlogin\n{name}\n").as_bytes());
    request.extend_from_slice(password);
    request.push(b'\n');
    Some(request)
}

/// Reads to the line `.` or `FAIL`. An end before it is a failure.
async fn read_answer(stream: &mut UnixStream, answer_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = Zeroizing::new(Vec::with_capacity(4096));
    loop {
        if stream.read_buf(&mut *answer).await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it closed the connection without an answer",
            ));
        }
        if answer.len() > answer_max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long"));
        }
        let ended = answer.as_slice() == b".\n" || answer.ends_with(b"\n.\n");
        if ended || answer.as_slice() == b"FAIL\n" {
            return Ok(answer);
        }
    }
}

/// The user that an answer tells, and the name of the system's user whose uid they have.
fn parse(answer: &[u8]) -> Result<(User, Option<String>), String> {
    let mut user = User::default();
    let mut system_user = None;
    for line in answer.split(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(line).map_err(|_| "its answer is no UTF-8")?;
        let Some((key, value)) = line.split_once('=') else { continue };
        let id = || value.parse().map(Some).map_err(|_| format!("its {key} is no number"));
        let text = || Some(value.to_owned()).filter(|value| !value.is_empty());
        match key {
            "UID" => user.uid = id()?,
            "GID" => user.gid = id()?,
            "USERNAME" => system_user = text(),
            "HOME" => user.home = text(),
            "MAILDIR" => user.maildir = text(),
            "ADDRESS" => value.clone_into(&mut user.name),
            "QUOTA" if !value.is_empty() => user.extra.push(("quota".to_owned(), value.to_owned())),
            "OPTIONS" => courier_options::take(&mut user, value),
            // Among them PASSWD and PASSWD2, which nobody needs.
            _ => {}
        }
    }
    let system_user = system_user.filter(|_| user.uid.is_none());
    Ok((user, system_user))
}

/// A line of the list (those with `#` name the module): name, uid, gid, home, Maildir, options, parted by TABs.
fn listed(line: &[u8]) -> Result<User, String> {
    let line = std::str::from_utf8(line).map_err(|_| "its list is no UTF-8")?;
    let mut fields = line.split('\t');
    let mut field = || fields.next().unwrap_or_default();
    let (name, uid, gid, home, maildir, options) = (field(), field(), field(), field(), field(), field());
    let text = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
    let mut user =
        User { name: name.to_owned(), home: text(home), maildir: text(maildir), ..User::default() };
    (user.uid, user.gid) = (uid.parse().ok(), gid.parse().ok());
    courier_options::take(&mut user, options);
    Ok(user)
}

/// The user's name is that which authdaemond calls them by, else the one asked for.
fn called(user: User, asked: &str) -> User {
    if user.name.is_empty() { User { name: asked.to_owned(), ..user } } else { user }
}

fn told(user: Option<&User>) -> String {
    user.map_or_else(|| "FAIL".to_owned(), |user| format!("{user:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login_name::LoginName;
    use crate::testing::{asked, log_in, name, secret};
    use tokio::net::UnixListener;

    const ANNA: &str = "UID=5000\nGID=5001\nHOME=/srv/anna\nADDRESS=anna@example.com\nMAILDIR=Mail\nQUOTA=5S\nPASSWD=$6$x\nOPTIONS=disablepop3=1\n.\n";

    fn source(directory: &std::path::Path) -> Authdaemon {
        let socket = directory.join("socket");
        Authdaemon::new(AuthdaemonSettings { socket, timeout: Duration::from_secs(20), connections_max: 2 })
    }

    /// Answers each connection by what its request begins with.
    fn serve(directory: &std::path::Path, answers: &'static [(&'static str, &'static str)]) {
        let listener = UnixListener::bind(directory.join("socket")).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let answer = answers.iter().find(|(asked, _)| *asked == request);
                let _ = stream.write_all(answer.unwrap_or_else(|| panic!("{request:?}")).1.as_bytes()).await;
            }
        });
    }

    #[tokio::test]
    async fn auth_decides_and_pre_tells_who_it_is() {
        let directory = tempfile::tempdir().unwrap();
        serve(
            directory.path(),
            &[
                ("AUTH 22\nimap\nlogin\nanna\nright\n", ANNA),
                ("AUTH 22\nimap\nlogin\nanna\nwrong\n", "FAIL\n"),
                ("AUTH 22\nimap\nlogin\nbert\nright\n", "FAIL\n"),
                ("AUTH 22\nimap\nlogin\ncarl\nright\n", ""),
                ("AUTH 22\nimap\nlogin\ndora\nright\n", "UID=1\nHOME=/d"),
                ("PRE . imap anna\n", ANNA),
                ("PRE . imap bert\n", "FAIL\n"),
                (
                    "ENUMERATE\n",
                    "# authuserdb\n\nanna\t5000\t5001\t/srv/anna\t\tdisableimap=1\nbert\t1\t1\t/b\t/b/M\t\n.\n",
                ),
            ],
        );
        let source = source(directory.path());
        let (anna, right, wrong) = (name("anna"), secret("right"), secret("wrong"));
        let Ok(SourceAnswer::Checked(user, true)) = source.find(log_in(&anna, &right)).await else {
            panic!()
        };
        assert_eq!((user.name.as_str(), user.uid, user.gid), ("anna@example.com", Some(5000), Some(5001)));
        assert_eq!((user.home.as_deref(), user.maildir.as_deref()), (Some("/srv/anna"), Some("Mail")));
        assert_eq!(user.extra, [("quota".to_owned(), "5S".to_owned())]);
        assert!(!user.may_use("pop3") && user.may_use("imap"));
        assert!(matches!(source.find(log_in(&anna, &wrong)).await, Ok(SourceAnswer::Checked(_, false))));
        assert!(matches!(source.find(asked(&anna)).await, Ok(SourceAnswer::Known(_))));
        assert!(matches!(source.find(log_in(&name("bert"), &right)).await, Ok(SourceAnswer::Unknown)));
        assert!(source.find(log_in(&name("carl"), &right)).await.is_err());
        assert!(source.find(log_in(&name("dora"), &right)).await.is_err());
        // Not said in the protocol, and so wrong.
        let injected = secret("x\nPRE . imap bert");
        assert!(matches!(source.find(log_in(&anna, &injected)).await, Ok(SourceAnswer::Checked(_, false))));
        let users = source.list().await.unwrap();
        assert_eq!(users.len(), 2);
        assert!(!users[0].may_use("imap"));
    }

    #[tokio::test]
    async fn security_13_another_user_of_the_short_name_is_not_asked() {
        let directory = tempfile::tempdir().unwrap();
        serve(
            directory.path(),
            &[
                ("AUTH 34\nimap\nlogin\nanna@example.com\nright\n", "FAIL\n"),
                ("PRE . imap anna@example.com\n", ANNA),
                ("AUTH 22\nimap\nlogin\nanna\nright\n", "UID=1\nGID=1\nHOME=/home/anna\nADDRESS=anna\n.\n"),
                ("ENUMERATE\n", "FAIL\n"),
            ],
        );
        let source = source(directory.path());
        let name = LoginName::new(b"anna", Some("example.com")).unwrap();
        let found = source.find(log_in(&name, &secret("right"))).await;
        assert!(matches!(found, Ok(SourceAnswer::Checked(_, false))), "{found:?}");
        assert!(source.list().await.is_err(), "it refuses to list");
    }

    #[tokio::test]
    async fn without_a_daemon_users_are_unavailable() {
        let directory = tempfile::tempdir().unwrap();
        let source = source(directory.path());
        assert!(source.find(asked(&name("anna"))).await.is_err());
        assert!(source.list().await.is_err());
        assert_eq!(source.problems().await.unwrap().len(), 1);
    }
}
