//! A protocol that is none of ours: it says each line again. The driver serves it as it serves
//! the others, and knows of it what stands in its row.

use super::{Client, Running};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use session::{
    Attempt, Connection, LastWords, Machine, NotOpened, Now, Protocol, Refused, Stats, Step, Transport,
    Verdict,
};
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{Account, AccountId, Wake, WakeReason};
use tokio::runtime::Handle;

static ECHO: Protocol = Protocol {
    name: "echo",
    title: "Echo",
    service: "echo-service",
    alpn: b"echo/1",
    port: 7,
    tls_port: 992,
    last_words: |words| match words {
        LastWords::TooMany(limit) => format!("sorry, {limit}\n").into_bytes(),
        LastWords::Unreachable => b"sorry, unreachable\n".to_vec(),
        LastWords::InternalError => b"sorry, broken\n".to_vec(),
    },
    machine: |_, connection, wake, now| Box::new(Echo::new(connection, wake, now)),
};

/// Machines that were dropped where blocking is allowed, and where it is not.
static DROPPED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// A piece of a long line: more than the system takes off a server whose client does not read.
const PIECE: usize = 16 * 1024 * 1024;

/// Pieces of long lines that were prepared.
static PREPARED: AtomicUsize = AtomicUsize::new(0);

struct Echo {
    connection: Connection,
    wake: Wake,
    account: Option<AccountId>,
    input: Vec<u8>,
    output: Vec<u8>,
    doing: Doing,
    /// It wrote half a line.
    is_in_line: bool,
    started_ms: u64,
    stats: Stats,
}

enum Doing {
    Nothing,
    Ask(Option<Attempt>),
    Work(String),
    /// So many pieces of a line are still to come, the last of which may be a panic.
    Long(usize, bool),
    Open(Option<String>),
    Watch,
    StartTls,
    Closing,
}

impl Echo {
    fn new(connection: Connection, wake: Wake, now: Now) -> Self {
        let mut echo = Self {
            connection,
            wake,
            account: None,
            input: Vec::new(),
            output: Vec::new(),
            doing: Doing::Nothing,
            is_in_line: false,
            started_ms: now.monotonic_ms,
            stats: Stats::default(),
        };
        echo.greet();
        echo
    }

    fn greet(&mut self) {
        let Connection { tls, starttls, .. } = self.connection;
        self.say(&format!("hello, tls {tls}, starttls {starttls}"));
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.push(b'\n');
    }

    fn close(&mut self, ended: &'static str) {
        self.stats.ended = Some(ended);
        self.doing = Doing::Closing;
    }

    fn prepare(&mut self, left: usize, panics: bool) {
        PREPARED.fetch_add(1, Ordering::SeqCst);
        assert!(left > 1 || !panics, "a panic that a test wanted");
        self.output.resize(PIECE, b'x');
        self.is_in_line = left > 1;
        self.doing = if left > 1 { Doing::Long(left - 1, panics) } else { Doing::Nothing };
        if left == 1 {
            self.say("");
        }
    }

    fn take_line(&mut self) {
        let Some(at) = self.input.iter().position(|byte| *byte == b'\n') else { return };
        let line: Vec<u8> = self.input.drain(..=at).collect();
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        self.stats.commands += 1;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("login", user) => {
                let (user, password) = (user.as_bytes().to_vec(), b"pw".to_vec().into());
                let attempt = Attempt::Password { command: "login", user, password };
                self.doing = Doing::Ask(Some(attempt));
            }
            ("work", what) => self.doing = Doing::Work(what.to_owned()),
            ("long", how) => self.doing = Doing::Long(3, how == "panic"),
            ("watch", _) => {
                self.doing = Doing::Watch;
                let account = self.account.expect("a user came in");
                let (wake, reason) = (self.wake.clone(), WakeReason { account, mailbox: None });
                std::thread::spawn(move || wake(&reason));
            }
            ("open", name) => self.doing = Doing::Open(Some(name.to_owned())),
            ("tls", _) => {
                self.say("begin");
                self.input.clear();
                self.doing = Doing::StartTls;
            }
            ("bye", _) => self.close("said bye"),
            ("panic", _) => panic!("a panic that a test wanted"),
            _ => self.say(&line),
        }
    }
}

impl Machine for Echo {
    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn step(&mut self, now: Now) -> Step {
        while matches!(self.doing, Doing::Nothing) && self.input.contains(&b'\n') {
            self.take_line();
        }
        if !self.output.is_empty() {
            return Step::Write(std::mem::take(&mut self.output));
        }
        if now.monotonic_ms >= self.started_ms + 60_000 {
            self.close("too long");
        }
        let deadline_ms = self.started_ms + 60_000;
        match &mut self.doing {
            Doing::Ask(attempt) => attempt.take().map_or(Step::Read { deadline_ms }, Step::Authenticate),
            Doing::Open(name) => name.take().map_or(Step::Read { deadline_ms }, Step::Open),
            Doing::Nothing => Step::Read { deadline_ms },
            Doing::Work(_) | Doing::Long(..) => Step::Work,
            Doing::Watch => {
                self.doing = Doing::Nothing;
                self.say("woken");
                Step::Watch { deadline_ms }
            }
            Doing::StartTls => Step::Transport(Transport::StartTls),
            Doing::Closing => Step::Close,
        }
    }

    fn work(&mut self, _: Now) {
        assert!(may_block(), "it works where others are served");
        let what = match &self.doing {
            Doing::Work(what) => what.clone(),
            Doing::Long(left, panics) => return self.prepare(*left, *panics),
            _ => return,
        };
        match what.as_str() {
            "half" => {
                self.output.extend_from_slice(b"half");
                self.is_in_line = true;
                self.doing = Doing::Work("panic".to_owned());
            }
            "panic" => panic!("a panic that a test wanted"),
            what => {
                self.doing = Doing::Nothing;
                self.say(&format!("worked {what}"));
            }
        }
    }

    fn answer(&mut self, verdict: Verdict) {
        self.doing = Doing::Nothing;
        match verdict {
            Verdict::Accepted(accepted) => {
                self.say(&format!("in as {}", accepted.user));
                self.account = Some(accepted.account.id());
                self.stats.user = Some(accepted.user);
            }
            Verdict::Refused(Refused::Credentials) => self.say("wrong"),
            Verdict::Refused(Refused::Forbidden(text)) => self.say(&text),
            Verdict::Elsewhere(elsewhere) => {
                self.say(&format!("go to {} as {}", elsewhere.host, elsewhere.user));
            }
            other => self.say(&format!("{other:?}")),
        }
    }

    fn opened(&mut self, outcome: Result<Arc<Account>, NotOpened>) {
        self.doing = Doing::Nothing;
        self.say(if outcome.is_ok() { "open" } else { "not open" });
    }

    fn tls_started(&mut self, connection: Connection, _: Now) {
        self.connection = connection;
        self.doing = Doing::Nothing;
        self.greet();
    }

    fn shut_down(&mut self, text: &str) {
        self.say(&format!("gone: {text}"));
        self.close("shut down");
    }

    fn only_answers(&self) -> bool {
        matches!(self.doing, Doing::Long(..))
    }

    fn may_be_cut(&self) -> bool {
        !self.is_in_line
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        DROPPED[usize::from(!may_block())].fetch_add(1, Ordering::SeqCst);
    }
}

/// Whether this thread serves nobody else: only there another future can be waited for.
fn may_block() -> bool {
    let Ok(runtime) = Handle::try_current() else { return true };
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {}))).is_ok()
}

/// What a client reads in answer to lines.
fn check(client: &mut Client, lines: &str, expected: &str) {
    client.send(lines);
    for expected in expected.lines() {
        assert_eq!(client.line(), format!("{expected}\n"), "{lines}");
    }
}

/// Stops the server; all machines were dropped where that may take a while.
fn stop(running: Running) {
    running.stop();
    let [blocking, serving] = DROPPED.each_ref().map(|count| count.load(Ordering::SeqCst));
    assert!(blocking > 0 && serving == 0, "{blocking} {serving}");
}

#[test]
fn a_protocol_that_is_none_of_ours_is_served() {
    let running = Running::with(&ECHO, &["anna", "moved"], "", &[]);
    let mut client = Client::connect(running.address);
    check(&mut client, "", "hello, tls false, starttls false");
    check(&mut client, "one\ntwo\n", "one\ntwo");
    check(&mut client, "login nobody\n", "wrong");
    check(&mut client, "login moved\n", "go to there.example as moved");
    check(&mut client, "login anna\nthree\n", "in as anna\nthree");
    check(&mut client, "work hard\nwatch\n", "worked hard\nwoken");
    check(&mut client, "open anna\nopen nobody\n", "open\nnot open");
    let mut other = Client::connect(running.address);
    check(&mut other, "bye\n", "hello, tls false, starttls false");
    assert_eq!(other.line(), "");
    let _ = running.stop.send(());
    check(&mut client, "", "gone: The server is shutting down");
    assert_eq!(client.line(), "");
    running.thread.join().expect("no panic").expect("served");
}

#[test]
fn its_bytes_mean_something_else_once_tls_is_on() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("a certificate");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a key");
    let settings = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
    let running = Running::with(&ECHO, &[], &settings, &[]);
    let mut client = Client::connect(running.address);
    check(&mut client, "tls\ninjected\n", "hello, tls false, starttls true\nbegin");

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("versions of TLS");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"imap".to_vec(), b"echo/1".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut client = BufReader::new(StreamOwned::new(tls, client.0.into_inner()));
    client.get_mut().write_all(b"after\nbye\n").expect("it is written");
    for expected in ["hello, tls true, starttls false\n", "after\n"] {
        let mut line = String::new();
        client.read_line(&mut line).expect("a line");
        assert_eq!(line, expected);
    }
    assert_eq!(client.get_ref().conn.alpn_protocol(), Some(&b"echo/1"[..]));
    stop(running);
}

#[test]
fn a_panic_ends_one_connection_and_is_counted() {
    let running = Running::with(&ECHO, &[], "", &[]);
    let mut other = Client::connect(running.address);
    check(&mut other, "", "hello, tls false, starttls false");
    for (lines, last_words, panics) in [
        // While files are worked on: the client is told.
        ("work panic\n", "sorry, broken\n", 1),
        // Not in the middle of a line, whose end it would be.
        ("work half\n", "half", 2),
        // In the connection's own task.
        ("panic\n", "", 3),
    ] {
        let mut client = Client::connect(running.address);
        check(&mut client, lines, "hello, tls false, starttls false");
        assert_eq!(client.line(), last_words);
        assert_eq!(client.line(), "");
        // A task's panic is counted a moment after its connection ended.
        while running.server.panics() < panics {
            std::thread::yield_now();
        }
        assert_eq!(running.server.panics(), panics, "{lines}");
    }
    check(&mut other, "on\nbye\n", "on");
    stop(running);
}

#[test]
fn a_refused_client_is_told_in_words_of_its_protocol() {
    let running = Running::with(&ECHO, &[], "[limits]\nconnections = 1\n", &[]);
    let mut first = Client::connect(running.address);
    check(&mut first, "", "hello, tls false, starttls false");
    let mut second = Client::connect(running.address);
    check(&mut second, "", "sorry, Too many connections: at most 1");
    assert_eq!(second.line(), "");
    check(&mut first, "on\nbye\n", "on");
    stop(running);
}

#[test]
fn a_piece_is_prepared_while_the_one_before_is_written_and_no_more() {
    let running = Running::with(&ECHO, &[], "", &[]);
    let mut other = Client::connect(running.address);
    check(&mut other, "", "hello, tls false, starttls false");
    let mut prepared = |count| {
        while PREPARED.load(Ordering::SeqCst) < count {
            std::thread::yield_now();
        }
        // Others are served meanwhile, and work.
        for _ in 0..100 {
            check(&mut other, "work hard\n", "worked hard");
        }
        assert_eq!(PREPARED.load(Ordering::SeqCst), count);
    };
    let begin = |line| {
        let mut client = Client::connect(running.address);
        check(&mut client, line, "hello, tls false, starttls false");
        client
    };

    let mut slow = begin("long\n");
    prepared(2);
    assert_eq!(slow.line().len(), 3 * PIECE + 1);
    check(&mut slow, "on\nbye\n", "on");

    let hung_up = begin("long\n");
    prepared(5);
    drop(hung_up);

    // What was prepared before comes, and no words in the middle of a line.
    let mut unlucky = begin("long panic\n");
    prepared(7);
    assert_eq!(unlucky.line().len(), 2 * PIECE);
    assert_eq!(unlucky.line(), "");
    assert_eq!(running.server.panics(), 1);
    check(&mut other, "bye\n", "");
    stop(running);
}
