//! One connection: drives its session.

use crate::admission::Place;
use crate::jobs::Party;
use crate::log;
use crate::log_in::{Channel, LogIn};
use crate::server::Server;
use crate::settings::ListenTls;
use crate::stream::Stream;
use crate::tls;
use auth::Binding;
use session::{Attempt, Connection, Now, Session, Step};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

const HUNG_UP: &str = "the client hung up";
const PANICKED: &str = "it panicked";
const SHUTTING_DOWN: &str = "The server is shutting down";

/// Silence after which the system asks whether the client is still there, and between two such
/// questions. Phones sleep longer between two signs of life in IDLE, and are not woken more often.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(300);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(60);

/// How long a client may take to close after us.
const LINGER: Duration = Duration::from_secs(1);

/// Serves a client until one of both has enough.
pub(crate) async fn serve(
    server: Arc<Server>,
    socket: TcpStream,
    peer: SocketAddr,
    tls: ListenTls,
    place: Arc<Place>,
) {
    // Answers go out as they are; a failure costs some delay.
    let _ = socket.set_nodelay(true);
    // A client that vanished without a word is found out; a failure costs its time-out.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
    let mut stream = Stream::Plain(socket);
    if tls == ListenTls::Implicit {
        match shake_hands(&server, stream).await {
            Ok(under_tls) => stream = under_tls,
            Err(why) => {
                tracing::info!(%peer, why, "no TLS connection");
                return;
            }
        }
    }
    let mut driver = Driver::new(server, stream, peer, place);
    driver.why = Some(driver.run().await);
    let stream = driver.stream.take();
    drop(driver);
    if let Some(stream) = stream {
        let _ = tokio::time::timeout(LINGER, linger(stream)).await;
    }
}

/// Says that nothing more comes, and takes in what the client still sends: were it left unread,
/// the system would answer with a reset, which throws the last words away.
async fn linger(mut stream: Stream) {
    if stream.shutdown().await.is_ok() {
        while stream.read(|_| ()).await.is_ok_and(|count| count > 0) {}
    }
}

/// The handshake, within its time.
async fn shake_hands(server: &Server, stream: Stream) -> Result<Stream, String> {
    let Stream::Plain(socket) = stream else { return Err("TLS is on already".to_owned()) };
    let config = server.tls().ok_or("no certificate")?;
    let within = Duration::from_millis(server.configuration().handshake_timeout_ms);
    let (config, shown) = tls::for_connection(&config);
    match tokio::time::timeout(within, TlsAcceptor::from(config).accept(socket)).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream), shown)),
        Ok(Err(error)) => Err(tls::handshake_failure(&error)),
        Err(_) => Err("handshake took too long".to_owned()),
    }
}

/// What the connection tells of its client. Binding data is there only where a mechanism can use
/// it: else a client that knows of binding would be taken for a deceived one.
fn channel(server: &Server, stream: &Stream) -> Channel {
    let configuration = server.configuration();
    let is_plus_offered = configuration.session.mechanisms.iter().any(|name| name.ends_with("-PLUS"));
    let binding = is_plus_offered.then(|| Binding {
        tls_exporter: stream.tls_exporter().map(|bytes| bytes.to_vec()),
        tls_server_end_point: stream.tls_server_end_point(),
    });
    let names = stream.client_certificate().map(|der| configuration.external_name.names(der));
    Channel { binding: binding.unwrap_or_default(), names: names.unwrap_or_default() }
}

struct Driver {
    server: Arc<Server>,
    peer: SocketAddr,
    /// Taken while a handshake is under way.
    stream: Option<Stream>,
    /// Taken while it works on another thread.
    session: Option<Box<Session>>,
    log_in: LogIn,
    /// On whose behalf it works on files.
    party: Party,
    /// Pieces of work since the last other step: of one command.
    pieces: usize,
    woken: Arc<Notify>,
    started: Instant,
    bytes_in: u64,
    bytes_out: u64,
    /// How its client logs in.
    method: String,
    /// Under which TLS it was last: there is no stream when it ends.
    tls: &'static str,
    /// Why it ended; there at its end.
    why: Option<String>,
}

/// What ended a wait.
enum Waited {
    Bytes(usize),
    Deadline,
    Woken,
    ShutDown,
    Broken(String),
}

impl Driver {
    fn new(server: Arc<Server>, stream: Stream, peer: SocketAddr, place: Arc<Place>) -> Self {
        let configuration = server.configuration();
        let tls = matches!(stream, Stream::Tls(..));
        let allowed = configuration.cleartext_from.iter().any(|network| network.contains(&peer.ip()));
        let channel = channel(&server, &stream);
        let connection = Connection {
            tls,
            starttls: !tls && server.tls().is_some(),
            cleartext_allowed: allowed,
            certificate: !channel.names.is_empty(),
            channel_binding: !channel.binding.is_empty(),
        };
        let mut log_in = LogIn::new(server.clone(), peer.ip(), place);
        log_in.set_channel(channel);
        let woken = Arc::new(Notify::new());
        let ring = woken.clone();
        let wake: store::Wake = Arc::new(move || ring.notify_one());
        let started = Instant::now();
        let now = Now { monotonic_ms: 0, unix: unix_time() };
        let session = Session::new(configuration.session.clone(), connection, wake, now);
        Self {
            log_in,
            server,
            peer,
            party: Party::at(peer.ip()),
            pieces: 0,
            method: String::new(),
            tls: stream.tls_version(),
            stream: Some(stream),
            session: Some(Box::new(session)),
            woken,
            started,
            bytes_in: 0,
            bytes_out: 0,
            why: None,
        }
    }

    /// Does what the session says until the end; why it ended, in words.
    async fn run(&mut self) -> String {
        loop {
            let now = self.now();
            let Some(session) = &mut self.session else { return PANICKED.to_owned() };
            if self.server.is_overdue() {
                session.shut_down(SHUTTING_DOWN);
            }
            let step = session.step(now);
            #[cfg(test)]
            tests::panic_if(session.stats().user.as_deref() == Some("stepper"));
            if !matches!(step, Step::Work) {
                self.pieces = 0;
            }
            let done = match step {
                Step::Write(bytes) => self.write(&bytes).await,
                Step::Read { deadline_ms } => self.wait(deadline_ms, false).await,
                Step::Watch { deadline_ms } => self.wait(deadline_ms, true).await,
                Step::Work => self.work().await,
                Step::Authenticate(attempt) => self.authenticate(attempt).await,
                Step::Open(name) => {
                    let outcome = self.log_in.open(&name, &self.party).await;
                    if let Some(session) = &mut self.session {
                        session.opened(outcome);
                    }
                    Ok(())
                }
                Step::StartTls => self.start_tls().await,
                Step::Close => {
                    let ended = self.session.as_ref().and_then(|session| session.stats().ended);
                    return ended.unwrap_or("closed").to_owned();
                }
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    /// Has an attempt to log in decided. A client that hangs up meanwhile has its connection
    /// closed; the attempt is decided without it, so that hanging up makes no guess cheaper. One
    /// that only closed its side still gets what is decided within a moment.
    async fn authenticate(&mut self, attempt: Attempt) -> Result<(), String> {
        let stream = self.stream.as_ref().ok_or("the connection is gone")?;
        match &attempt {
            Attempt::Login { .. } => self.method = "LOGIN command".to_owned(),
            Attempt::Begin { mechanism, .. } => self.method.clone_from(mechanism),
            Attempt::Respond(_) | Attempt::Abort => {}
        }
        let mut log_in = self.log_in.take();
        let mut deciding = Box::pin(async move {
            let verdict = log_in.answer(attempt).await;
            (log_in, verdict)
        });
        let hung_up = async {
            stream.hung_up().await;
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            (log_in, verdict) = &mut deciding => {
                self.log_in = log_in;
                if let Some(session) = &mut self.session {
                    session.answer(verdict);
                    if let Some(user) = &session.stats().user {
                        self.party = Party::User(user.as_str().into());
                        tracing::Span::current().record("user", tracing::field::debug(user));
                        let source = self.log_in.source();
                        tracing::info!(method = self.method, tls = self.tls, source, "logged in");
                    }
                }
                Ok(())
            }
            () = hung_up => {
                self.server.leave_alone(async move { drop(deciding.await) });
                Err(HUNG_UP.to_owned())
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let within = Duration::from_millis(self.server.configuration().write_timeout_ms);
        let stream = self.stream.as_mut().ok_or("the connection is gone")?;
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match tokio::time::timeout(within, written).await {
            Ok(Ok(())) => {
                self.bytes_out += bytes.len() as u64;
                Ok(())
            }
            Ok(Err(error)) => Err(broken("writing", &error)),
            Err(_) => Err("the client took too long to read".to_owned()),
        }
    }

    /// Waits for bytes and feeds them, or for the deadline, or for the mailbox's wake if
    /// `watch`; a shut-down ends any wait.
    async fn wait(&mut self, deadline_ms: u64, watch: bool) -> Result<(), String> {
        let deadline = self.started + Duration::from_millis(deadline_ms);
        let mut shut_down = self.server.shut_down_signal();
        let woken = self.woken.clone();
        let (Some(stream), Some(session)) = (&mut self.stream, &mut self.session) else {
            return Err(PANICKED.to_owned());
        };
        // No command begins with this byte, and every TLS handshake does.
        let (first, mut is_tls) = (self.bytes_in == 0 && matches!(stream, Stream::Plain(_)), false);
        let mut take = |bytes: &[u8]| match first && bytes.starts_with(&[0x16, 0x03]) {
            true => is_tls = true,
            false => session.feed(bytes),
        };
        let waited = tokio::select! {
            read = stream.read(&mut take) => match read {
                Ok(count) => Waited::Bytes(count),
                Err(error) => Waited::Broken(broken("reading", &error)),
            },
            () = tokio::time::sleep_until(deadline) => Waited::Deadline,
            () = woken.notified(), if watch => Waited::Woken,
            _ = shut_down.wait_for(|on| *on) => Waited::ShutDown,
        };
        if is_tls {
            return Err("the client spoke TLS at once, on a port for STARTTLS".to_owned());
        }
        match waited {
            Waited::Bytes(0) => return Err(HUNG_UP.to_owned()),
            Waited::Bytes(count) => self.bytes_in += count as u64,
            Waited::Deadline | Waited::Woken => {}
            Waited::ShutDown => session.shut_down(SHUTTING_DOWN),
            Waited::Broken(why) => return Err(why),
        }
        Ok(())
    }

    /// Lets the session work where blocking is allowed, when its turn comes.
    async fn work(&mut self) -> Result<(), String> {
        let _job = self.server.jobs.begin(&self.party).await;
        if self.pieces > 0 && self.works_for_nobody() {
            return Err(HUNG_UP.to_owned());
        }
        self.pieces += 1;
        let Some(session) = self.session.take() else { return Err(PANICKED.to_owned()) };
        let now = self.now();
        let owner = self.log_in.owner();
        let worked = tokio::task::spawn_blocking(log::carried(move || {
            let _entered = owner.as_ref().map(|owner| owner.enter()).transpose()?;
            // So that a panic drops it before the thread is the server's again.
            let mut session = session;
            session.work(now);
            #[cfg(test)]
            tests::panic_if(session.stats().user.as_deref() == Some("worker"));
            Ok::<_, io::Error>(session)
        }));
        match worked.await {
            Ok(Ok(session)) => {
                self.session = Some(session);
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::error!(peer = %self.peer, %error, "cannot work as the user's own uid");
                let _ = self.write(b"* BYE The mail cannot be reached; it was logged\r\n").await;
                Err("the uid could not be changed".to_owned())
            }
            Err(_) => {
                self.server.note_panic(&self.peer.to_string());
                let line = b"* BYE Internal error; it was logged\r\n";
                let _ = self.write(line).await;
                Err(PANICKED.to_owned())
            }
        }
    }

    /// Whether the client hung up in the middle of a command that does nothing but answer. The
    /// end of its stream counts, although it might still read: clients say LOGOUT for that.
    fn works_for_nobody(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::has_ended)
            && self.session.as_ref().is_some_and(|session| session.only_answers())
    }

    /// What was read before stays unread: the session forgets what it holds, and what is
    /// still in the socket must be the handshake.
    async fn start_tls(&mut self) -> Result<(), String> {
        let stream = self.stream.take().ok_or("the connection is gone")?;
        self.tls = "failed";
        let stream = shake_hands(&self.server, stream).await?;
        self.tls = stream.tls_version();
        let channel = channel(&self.server, &stream);
        let connection = Connection {
            tls: true,
            starttls: false,
            cleartext_allowed: false,
            certificate: !channel.names.is_empty(),
            channel_binding: !channel.binding.is_empty(),
        };
        self.log_in.set_channel(channel);
        self.stream = Some(stream);
        let now = self.now();
        if let Some(session) = &mut self.session {
            session.tls_started(connection, now);
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { monotonic_ms, unix: unix_time() }
    }
}

/// However a connection ends, also by a panic or when the server leaves, its end is logged.
impl Drop for Driver {
    fn drop(&mut self) {
        let stats = self.session.as_ref().map(|session| session.stats().clone()).unwrap_or_default();
        let otherwise = if std::thread::panicking() { PANICKED } else { "the server left" };
        tracing::info!(
            user = stats.user.as_deref().unwrap_or("-"),
            peer = %self.peer,
            tls = self.tls,
            commands = stats.commands,
            failed_logins = stats.failed_logins,
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            seconds = self.started.elapsed().as_secs(),
            client = stats.client.as_deref().unwrap_or("-"),
            why = self.why.as_deref().unwrap_or(otherwise),
            "connection ended"
        );
        // With the last session of a mailbox what is known of it is written to disk.
        if let Some(session) = self.session.take() {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => {
                    let owner = self.log_in.owner();
                    drop(runtime.spawn_blocking(log::carried(move || {
                        // Without it the store tries again, and says so.
                        let _entered = owner.as_ref().map(|owner| owner.enter());
                        drop(session);
                    })));
                }
                Err(_) => drop(session),
            }
        }
    }
}

/// Why reading or writing failed, in words. Clients that vanish are no failure.
fn broken(doing: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            HUNG_UP.to_owned()
        }
        _ => format!("{doing} failed: {error}"),
    }
}

fn unix_time() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
