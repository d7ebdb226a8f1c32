//! A session in memory: over a store in a directory of the caller's, with a clock that stands
//! still until it is moved. For tests, here and elsewhere.

use crate::imap::Session;
use crate::{
    Accepted, Attempt, Connection, Machine, NamespaceStyle, NotOpened, Now, Refused, SessionSettings, Stats,
    Step, Transport, Verdict,
};
use codec::{Limits, Parts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Account, Store, StoreSettings};
use zeroize::Zeroizing;

/// A site in a directory: each user's Maildir is the directory of that name below it.
pub struct Site {
    /// May be changed before sessions are made.
    pub settings: SessionSettings,
    store: Arc<Store>,
    root: PathBuf,
    users: Vec<(String, String)>,
}

/// A client's end of a session, and the session's driver.
pub struct Client {
    session: Session,
    store: Arc<Store>,
    root: PathBuf,
    users: Vec<(String, String)>,
    woken: Arc<AtomicBool>,
    now: Now,
    /// What the driver waits for.
    waiting: Waiting,
    /// The mechanism of the exchange under way, and what was said in it.
    exchange: Option<(String, Vec<Vec<u8>>)>,
    /// How often the driver was asked to check something.
    pub asked: usize,
    /// How often the driver was asked to open an account.
    pub opened: usize,
    /// The largest piece that was written at once, in bytes.
    pub written_max: usize,
    /// Pieces of work that the session did, a count.
    pub worked: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiting {
    Read(u64),
    Watch(u64),
    StartTls,
    Closed,
}

/// TLS is on.
pub const TLS: Connection = Connection {
    tls: true,
    starttls: false,
    cleartext_allowed: false,
    certificate: false,
    channel_binding: false,
};

/// TLS is off and can be started.
pub const CLEAR: Connection = Connection { tls: false, starttls: true, ..TLS };

/// When every session begins, in seconds since 1970.
pub const START: i64 = 1_700_000_000;

impl Site {
    /// A site in `root` with a user `user` whose password is `pass word`. Mechanisms are PLAIN
    /// and LOGIN.
    pub fn new(root: &Path) -> Self {
        let store = Store::new(StoreSettings {
            utf8_names: true,
            lock_wait_ms_max: 10_000,
            keywords_max: 100,
            kept_bytes_max: 1 << 20,
            take_over: store::take_over::Preference::Newer,
            hostname: "mail.example.com".to_owned(),
            quota_counts_trash: false,
            ..StoreSettings::default()
        });
        let users = vec![("user".to_owned(), "pass word".to_owned())];
        Self { settings: settings(), store, root: root.to_owned(), users }
    }

    /// Adds a user.
    pub fn add_user(&mut self, user: &str, password: &str) {
        self.users.push((user.to_owned(), password.to_owned()));
    }

    /// The user's Maildir; it is made on the first log-in.
    pub fn maildir(&self, user: &str) -> PathBuf {
        self.root.join(user)
    }

    /// The user's account, made where it is missing.
    pub fn account(&self, user: &str) -> Arc<Account> {
        self.store.account(&self.maildir(user), true).expect("an account")
    }

    /// A new session; its greeting is still to be [taken](Client::take).
    pub fn connect(&self, connection: Connection) -> Client {
        let woken = Arc::new(AtomicBool::new(false));
        let rung = woken.clone();
        let wake: store::Wake = Arc::new(move |_| rung.store(true, Ordering::SeqCst));
        let now = Now { monotonic_ms: 0, unix: START };
        Client {
            session: Session::new(Arc::new(self.settings.clone()), connection, wake, now),
            store: self.store.clone(),
            root: self.root.clone(),
            users: self.users.clone(),
            woken,
            now,
            waiting: Waiting::Read(0),
            exchange: None,
            asked: 0,
            opened: 0,
            written_max: 0,
            worked: 0,
        }
    }

    /// A session of `user`, logged in.
    pub fn log_in(&self) -> Client {
        let mut client = self.connect(TLS);
        client.take();
        let answer = client.command("LOGIN user \"pass word\"");
        assert!(answer.starts_with("a OK"), "{answer}");
        client
    }

    /// A session of `user` with a mailbox selected.
    pub fn select(&self, mailbox: &str) -> Client {
        let mut client = self.log_in();
        let answer = client.command(&format!("SELECT {mailbox}"));
        assert!(answer.contains("a OK"), "{answer}");
        client
    }
}

impl Client {
    /// Sends bytes; what the session wrote until it waits again.
    pub fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.waiting != Waiting::Closed {
            self.session.feed(bytes);
        }
        self.take()
    }

    /// Like [`Client::send`]; after each write `look` is called with how many bytes were written
    /// so far, and can do to the Maildir what another program would.
    pub fn send_watched(&mut self, bytes: &[u8], look: impl FnMut(usize)) -> Vec<u8> {
        if self.waiting != Waiting::Closed {
            self.session.feed(bytes);
        }
        self.take_watched(look)
    }

    /// Sends a command with the tag `a`; the answer as text.
    pub fn command(&mut self, command: &str) -> String {
        String::from_utf8_lossy(&self.send(format!("a {command}\r\n").as_bytes())).into_owned()
    }

    /// What the session writes without being sent anything: the greeting, changes in IDLE,
    /// BYE at a deadline.
    pub fn take(&mut self) -> Vec<u8> {
        self.take_watched(|_| {})
    }

    fn take_watched(&mut self, mut look: impl FnMut(usize)) -> Vec<u8> {
        let mut written = Vec::new();
        while self.waiting != Waiting::Closed {
            match self.session.step(self.now) {
                Step::Write(bytes) => {
                    assert!(!bytes.is_empty(), "an empty write");
                    self.written_max = self.written_max.max(bytes.len());
                    written.extend_from_slice(&bytes);
                    look(written.len());
                }
                Step::Work => {
                    self.worked += 1;
                    self.session.work(self.now);
                }
                Step::Authenticate(attempt) => {
                    self.asked += 1;
                    let verdict = self.check(attempt);
                    self.session.answer(verdict);
                }
                Step::Open(name) => {
                    self.opened += 1;
                    let outcome = self.open(&name);
                    self.session.opened(outcome);
                }
                Step::Watch { .. } if self.woken.swap(false, Ordering::SeqCst) => {}
                Step::Watch { deadline_ms } => {
                    self.waiting = Waiting::Watch(deadline_ms);
                    break;
                }
                Step::Read { deadline_ms } => {
                    self.waiting = Waiting::Read(deadline_ms);
                    break;
                }
                Step::Transport(Transport::StartTls) => {
                    self.waiting = Waiting::StartTls;
                    break;
                }
                Step::Close => self.waiting = Waiting::Closed,
            }
        }
        written
    }

    /// Does the handshake that the session waits for.
    pub fn start_tls(&mut self) {
        assert_eq!(self.waiting, Waiting::StartTls);
        self.session.tls_started(TLS, self.now);
    }

    /// Moves the clock, then [takes](Client::take) what is written.
    pub fn wait(&mut self, milliseconds: u64) -> Vec<u8> {
        self.now.monotonic_ms += milliseconds;
        self.now.unix += i64::try_from(milliseconds / 1000).unwrap_or(0);
        self.take()
    }

    /// Ends the session as a server does that goes down.
    pub fn shut_down(&mut self, text: &str) -> Vec<u8> {
        self.session.shut_down(text);
        self.take()
    }

    /// When the session wants to be stepped though nothing came, in milliseconds from now;
    /// `None` when it does not wait for bytes.
    pub fn deadline_ms(&self) -> Option<u64> {
        match self.waiting {
            Waiting::Read(at) | Waiting::Watch(at) => Some(at.saturating_sub(self.now.monotonic_ms)),
            Waiting::StartTls | Waiting::Closed => None,
        }
    }

    /// Whether it waits for a change of the mailbox too (IDLE).
    pub fn watches(&self) -> bool {
        matches!(self.waiting, Waiting::Watch(_))
    }

    /// Whether it waits for a handshake.
    pub fn wants_tls(&self) -> bool {
        self.waiting == Waiting::StartTls
    }

    /// Whether the session closed.
    pub fn closed(&self) -> bool {
        self.waiting == Waiting::Closed
    }

    /// Bytes that the session holds of what was sent.
    pub fn session_holds(&self) -> usize {
        self.session.input.decoder.held()
    }

    /// What the session did.
    pub fn stats(&self) -> &Stats {
        self.session.stats()
    }

    /// Users are all whose accounts there are.
    fn open(&self, name: &str) -> Result<Arc<Account>, NotOpened> {
        let known = self.users.iter().any(|(user, _)| user == name);
        let root = known.then(|| self.root.join(name)).ok_or(NotOpened::NonExistent)?;
        self.store.account(&root, true).map_err(|_| NotOpened::Unavailable)
    }

    fn check(&mut self, attempt: Attempt) -> Verdict {
        match attempt {
            Attempt::Password { user, password, .. } => self.password(&user, &password),
            Attempt::Begin { mechanism, initial } => {
                if !matches!(mechanism.as_str(), "PLAIN" | "LOGIN") {
                    return Verdict::Refused(Refused::NoMechanism);
                }
                self.exchange = Some((mechanism, Vec::new()));
                match initial {
                    Some(response) => self.respond(response),
                    None => self.respond_to_nothing(),
                }
            }
            Attempt::Respond(response) => self.respond(response),
            Attempt::Abort => {
                self.exchange = None;
                Verdict::Refused(Refused::Malformed("Given up".to_owned()))
            }
        }
    }

    fn respond_to_nothing(&mut self) -> Verdict {
        let login = matches!(&self.exchange, Some((mechanism, _)) if mechanism == "LOGIN");
        Verdict::Challenge(if login { b"Username:".to_vec() } else { Vec::new() })
    }

    fn respond(&mut self, response: Zeroizing<Vec<u8>>) -> Verdict {
        let Some((mechanism, mut said)) = self.exchange.take() else {
            return Verdict::Refused(Refused::Malformed("No exchange".to_owned()));
        };
        said.push(response.to_vec());
        match (mechanism.as_str(), said.as_slice()) {
            ("PLAIN", [message]) => match message.split(|&b| b == 0).collect::<Vec<_>>().as_slice() {
                [_, user, password] => self.password(user, password),
                _ => Verdict::Refused(Refused::Malformed("Not PLAIN's message".to_owned())),
            },
            ("LOGIN", [user, password]) => self.password(user, password),
            _ => {
                self.exchange = Some((mechanism, said));
                Verdict::Challenge(b"Password:".to_vec())
            }
        }
    }

    fn password(&self, user: &[u8], password: &[u8]) -> Verdict {
        let known = self.users.iter().find(|(u, p)| u.as_bytes() == user && p.as_bytes() == password);
        let Some((user, _)) = known else { return Verdict::Refused(Refused::Credentials) };
        match self.store.account(&self.root.join(user), true) {
            Ok(account) => Verdict::Accepted(Box::new(Accepted { user: user.clone(), account })),
            Err(_) => Verdict::Refused(Refused::NoMaildir("Your mail is not there".to_owned())),
        }
    }
}

fn settings() -> SessionSettings {
    let limits = Limits {
        line_max: 4 << 20,
        literal_max: 1 << 20,
        literals_sum_max: 4 << 20,
        literals_max: 100,
        nesting_max: 50,
        append_max: 64 << 20,
        parts: Parts::DEFAULT,
    };
    let small = Limits {
        line_max: 32 << 10,
        literal_max: 32 << 10,
        literals_sum_max: 32 << 10,
        literals_max: 64,
        ..limits
    };
    SessionSettings {
        hostname: "mail.example.com".to_owned(),
        id: vec![("name".to_owned(), "Restante".to_owned())],
        namespace: NamespaceStyle::Plain,
        other_namespaces: Vec::new(),
        special_use_names: Vec::new(),
        mechanisms: vec!["PLAIN".to_owned(), "LOGIN".to_owned()],
        limits_before_login: small,
        limits,
        bytes_before_login_max: 64 << 10,
        login_timeout_ms: 60_000,
        idle_timeout_ms: 30 * 60_000,
        idle_keepalive_ms: 2 * 60_000,
        bad_commands_max: 20,
        failed_logins_max: 3,
    }
}
