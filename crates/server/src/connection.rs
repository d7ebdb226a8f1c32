//! One connection: drives its machine.

use crate::admission::Place;
use crate::jobs::Party;
use crate::log;
use crate::log_in::{Channel, LogIn};
use crate::server::Server;
use crate::settings::ListenTls;
use crate::stream::Stream;
use crate::tls;
use auth::Binding;
use session::{Attempt, Connection, LastWords, Machine, Now, Protocol, Step, Transport};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
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
    (protocol, tls): (&'static Protocol, ListenTls),
    place: Arc<Place>,
) {
    // Answers go out as they are; a failure costs some delay.
    let _ = socket.set_nodelay(true);
    // A client that vanished without a word is found out; a failure costs its time-out.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
    let mut stream = Stream::Plain(socket);
    if tls == ListenTls::Implicit {
        match shake_hands(&server, protocol, stream).await {
            Ok(under_tls) => stream = under_tls,
            Err(why) => {
                tracing::info!(%peer, why, "no TLS connection");
                return;
            }
        }
    }
    let mut driver = Driver::new(server, protocol, stream, peer, place);
    let why = driver.run().await;
    driver.note_end(&why);
    let (stream, let_go) = (driver.stream.take(), driver.let_go());
    // What it counted for its network and user is free at once.
    drop(driver);
    let linger = async {
        if let Some(stream) = stream {
            let _ = tokio::time::timeout(LINGER, linger(stream)).await;
        }
    };
    tokio::join!(linger, let_go);
}

/// Says that nothing more comes, and takes in what the client still sends: were it left unread,
/// the system would answer with a reset, which throws the last words away.
async fn linger(mut stream: Stream) {
    if stream.shutdown().await.is_ok() {
        while stream.read(|_| ()).await.is_ok_and(|count| count > 0) {}
    }
}

/// The handshake, within its time.
async fn shake_hands(server: &Server, protocol: &Protocol, stream: Stream) -> Result<Stream, String> {
    let Stream::Plain(socket) = stream else { return Err("TLS is on already".to_owned()) };
    let config = server.tls().ok_or("no certificate")?;
    let within = Duration::from_millis(server.configuration().handshake_timeout_ms);
    let (config, shown) = tls::for_connection(&config, protocol.alpn);
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
    protocol: &'static Protocol,
    peer: SocketAddr,
    /// Taken while a handshake is under way.
    stream: Option<Stream>,
    /// Taken while it works on another thread.
    machine: Option<Box<dyn Machine>>,
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
    /// Its end was logged.
    is_end_noted: bool,
}

/// What ended a wait.
enum Waited {
    Bytes(usize),
    Deadline,
    Woken,
    ShutDown,
    Broken(String),
}

/// Why there is no more work.
struct Failed {
    why: &'static str,
    /// For the client, where it would not take them for something else.
    last_words: Option<LastWords<'static>>,
}

impl Driver {
    fn new(
        server: Arc<Server>,
        protocol: &'static Protocol,
        stream: Stream,
        peer: SocketAddr,
        place: Arc<Place>,
    ) -> Self {
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
        let mut log_in = LogIn::new(server.clone(), protocol, peer.ip(), place);
        log_in.set_channel(channel);
        let woken = Arc::new(Notify::new());
        let ring = woken.clone();
        let wake: store::Wake = Arc::new(move |_| ring.notify_one());
        let started = Instant::now();
        let now = Now { monotonic_ms: 0, unix: unix_time() };
        let machine = (protocol.machine)(configuration.session.clone(), connection, wake, now);
        Self {
            log_in,
            server,
            protocol,
            peer,
            party: Party::at(peer.ip()),
            pieces: 0,
            method: String::new(),
            tls: stream.tls_version(),
            stream: Some(stream),
            machine: Some(machine),
            woken,
            started,
            bytes_in: 0,
            bytes_out: 0,
            is_end_noted: false,
        }
    }

    /// Does what the machine says until the end; why it ended, in words.
    async fn run(&mut self) -> String {
        loop {
            let now = self.now();
            let Some(machine) = &mut self.machine else { return PANICKED.to_owned() };
            if self.server.is_overdue() {
                machine.shut_down(SHUTTING_DOWN);
            }
            let step = machine.step(now);
            if !matches!(step, Step::Work) {
                self.pieces = 0;
            }
            let done = match step {
                Step::Write(bytes) => self.write_and_go_on(&bytes).await,
                step => self.perform(step).await,
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    /// Does a step; why the connection ends, if it does.
    async fn perform(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Write(bytes) => self.write(&bytes).await,
            Step::Read { deadline_ms } => self.wait(deadline_ms, false).await,
            Step::Watch { deadline_ms } => self.wait(deadline_ms, true).await,
            Step::Work => {
                let worked = self.work().await;
                self.end_if_failed(worked).await
            }
            Step::Authenticate(attempt) => self.authenticate(attempt).await,
            Step::Open(name) => {
                let outcome = self.log_in.open(&name, &self.party).await;
                if let Some(machine) = &mut self.machine {
                    machine.opened(outcome);
                }
                Ok(())
            }
            Step::Transport(Transport::StartTls) => self.start_tls().await,
            Step::Close => {
                let ended = self.machine.as_ref().and_then(|machine| machine.stats().ended);
                Err(ended.unwrap_or("closed").to_owned())
            }
        }
    }

    /// Writes. A machine in the middle of an answer prepares the next piece meanwhile: so there
    /// are two, and no more, however slowly the client reads.
    async fn write_and_go_on(&mut self, bytes: &[u8]) -> Result<(), String> {
        let now = self.now();
        let next = self.machine.as_mut().filter(|machine| machine.only_answers());
        let next = next.map(|machine| machine.step(now));
        if !matches!(next, Some(Step::Work)) {
            self.write(bytes).await?;
            return match next {
                Some(step) => self.perform(step).await,
                None => Ok(()),
            };
        }
        let mut stream = self.stream.take();
        let within = self.write_timeout();
        // The work is first, so that it is begun before bytes are copied.
        let (worked, written) = tokio::join!(self.work(), write(stream.as_mut(), bytes, within));
        self.stream = stream;
        written?;
        self.bytes_out += bytes.len() as u64;
        self.end_if_failed(worked).await
    }

    /// Has an attempt to log in decided. A client that hangs up meanwhile has its connection
    /// closed; the attempt is decided without it, so that hanging up makes no guess cheaper. One
    /// that only closed its side still gets what is decided within a moment.
    async fn authenticate(&mut self, attempt: Attempt) -> Result<(), String> {
        let stream = self.stream.as_ref().ok_or("the connection is gone")?;
        match &attempt {
            Attempt::Password { command, .. } => self.method = (*command).to_owned(),
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
                if let Some(machine) = &mut self.machine {
                    machine.answer(verdict);
                    if let Some(user) = &machine.stats().user {
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
        let within = self.write_timeout();
        write(self.stream.as_mut(), bytes, within).await?;
        self.bytes_out += bytes.len() as u64;
        Ok(())
    }

    fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.server.configuration().write_timeout_ms)
    }

    /// Waits for bytes and feeds them, or for the deadline, or for the mailbox's wake if
    /// `watch`; a shut-down ends any wait.
    async fn wait(&mut self, deadline_ms: u64, watch: bool) -> Result<(), String> {
        let deadline = self.started + Duration::from_millis(deadline_ms);
        let mut shut_down = self.server.shut_down_signal();
        let woken = self.woken.clone();
        let (Some(stream), Some(machine)) = (&mut self.stream, &mut self.machine) else {
            return Err(PANICKED.to_owned());
        };
        // No command begins with this byte, and every TLS handshake does.
        let (first, mut is_tls) = (self.bytes_in == 0 && matches!(stream, Stream::Plain(_)), false);
        let mut take = |bytes: &[u8]| match first && bytes.starts_with(&[0x16, 0x03]) {
            true => is_tls = true,
            false => machine.feed(bytes),
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
            Waited::ShutDown => machine.shut_down(SHUTTING_DOWN),
            Waited::Broken(why) => return Err(why),
        }
        Ok(())
    }

    /// Lets the machine work where blocking is allowed, when its turn comes.
    async fn work(&mut self) -> Result<(), Failed> {
        let _job = self.server.jobs.begin(&self.party).await;
        if self.pieces > 0 && self.works_for_nobody() {
            return Err(Failed { why: HUNG_UP, last_words: None });
        }
        self.pieces += 1;
        let Some(machine) = self.machine.take() else {
            return Err(Failed { why: PANICKED, last_words: None });
        };
        let may_be_cut = machine.may_be_cut();
        let now = self.now();
        let owner = self.log_in.owner();
        let worked = tokio::task::spawn_blocking(log::carried(move || {
            // So that it is dropped before the thread is the server's again, also by a panic.
            let mut machine = machine;
            let _entered = match owner.as_ref().map(|owner| owner.enter()).transpose() {
                Ok(entered) => entered,
                Err(error) => return Err((machine, error)),
            };
            machine.work(now);
            Ok(machine)
        }));
        match worked.await {
            Ok(Ok(machine)) => {
                self.machine = Some(machine);
                Ok(())
            }
            Ok(Err((machine, error))) => {
                self.machine = Some(machine);
                tracing::error!(peer = %self.peer, %error, "cannot work as the user's own uid");
                let last_words = may_be_cut.then_some(LastWords::Unreachable);
                Err(Failed { why: "the uid could not be changed", last_words })
            }
            Err(_) => {
                self.server.note_panic(&self.peer.to_string());
                let last_words = may_be_cut.then_some(LastWords::InternalError);
                Err(Failed { why: PANICKED, last_words })
            }
        }
    }

    /// Tells the client why the connection ends, if it would not take it for something else.
    async fn end_if_failed(&mut self, worked: Result<(), Failed>) -> Result<(), String> {
        let Err(Failed { why, last_words }) = worked else { return Ok(()) };
        if let Some(last_words) = last_words {
            let _ = self.write(&(self.protocol.last_words)(last_words)).await;
        }
        Err(why.to_owned())
    }

    /// Whether the client hung up in the middle of a command that does nothing but answer. The
    /// end of its stream counts, although it might still read.
    fn works_for_nobody(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::has_ended)
            && self.machine.as_ref().is_some_and(|machine| machine.only_answers())
    }

    /// What was read before stays unread: the machine forgets what it holds, and what is
    /// still in the socket must be the handshake.
    async fn start_tls(&mut self) -> Result<(), String> {
        let stream = self.stream.take().ok_or("the connection is gone")?;
        self.tls = "failed";
        let stream = shake_hands(&self.server, self.protocol, stream).await?;
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
        if let Some(machine) = &mut self.machine {
            machine.tls_started(connection, now);
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { monotonic_ms, unix: unix_time() }
    }
    fn note_end(&mut self, why: &str) {
        self.is_end_noted = true;
        let stats = self.machine.as_ref().map(|machine| machine.stats().clone()).unwrap_or_default();
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
            why,
            "connection ended"
        );
    }

    /// Drops the machine as its last piece of work: with the last session of a mailbox, what is
    /// known of that mailbox is written to disk.
    fn let_go(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let (machine, jobs, party) = (self.machine.take(), self.server.jobs.clone(), self.party.clone());
        let owner = self.log_in.owner();
        let dropped = log::carried(move || {
            // Without it the store tries again, and logs why not.
            let _entered = owner.as_ref().map(|owner| owner.enter());
            drop(machine);
        });
        async move {
            let _job = jobs.begin(&party).await;
            drop(tokio::task::spawn_blocking(dropped).await);
        }
    }
}

/// However a connection ends, also by a panic or when the server leaves, its end is logged.
impl Drop for Driver {
    fn drop(&mut self) {
        if !self.is_end_noted {
            self.note_end(if std::thread::panicking() { PANICKED } else { "the server left" });
        }
        // When the server has ended, there is nobody left who could wait for it.
        if self.machine.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            drop(runtime.spawn(self.let_go()));
        }
    }
}

/// Writes all, within the time that a client may take to read it.
async fn write(stream: Option<&mut Stream>, bytes: &[u8], within: Duration) -> Result<(), String> {
    let stream = stream.ok_or("the connection is gone")?;
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match tokio::time::timeout(within, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(broken("writing", &error)),
        Err(_) => Err("the client took too long to read".to_owned()),
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
