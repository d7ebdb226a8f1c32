//! IMAP's machine: states, and what happens in which order.
//!
//! Commands run strictly one after the other. What a session is doing is one value, `Doing`:
//! `step` brings it as far as it gets without touching a file and then names what the driver
//! has to do; `work` does the part that touches files. At a command's end the view is advanced
//! to the newest state of the mailbox, and then the command is answered.
//!
//! The four states of RFC 3501 section 3 are no value of their own: logged in means that
//! `account` is there, selected that `selected` is, and logout is `Doing::Closing`.

use crate::accounts::Accounts;
use crate::capability;
use crate::command::connection::idle::Idle;
use crate::command::mailboxes::append::Append;
use crate::command::mailboxes::select;
use crate::command::{self, Allowed, Kind};
use crate::context::{Answer, Context, Enabled, Selected};
use crate::drop_in_work::{DropInWork, InWork};
use crate::failure;
use crate::machine::Machine;
use crate::output::Output;
use crate::protocol::LastWords;
use crate::settings::SessionSettings;
use crate::step::{Attempt, Connection, NotOpened, Now, Stats, Step, Transport, Verdict};
use crate::task::{AnyTask, Progress, Stop};
use crate::view::Telling;
use codec::response::{Code, bye, continuation, greeting, tagged, untagged};
use codec::{DecodeError, Decoder, Event, Request, Tag};
use std::sync::Arc;
use store::{Account, ErrorKind, Wake};

/// One client's session. See the crate's page for how it is driven.
pub struct Session {
    pub(crate) settings: Arc<SessionSettings>,
    pub(crate) connection: Connection,
    wake: Wake,
    pub(crate) stats: Stats,
    pub(crate) decoder: Decoder,
    /// The decoder has nothing more to give until it is fed.
    pub(crate) starved: bool,
    pub(crate) out: Output,
    pub(crate) doing: Doing,
    pub(crate) accounts: Option<Accounts>,
    selected: Option<Selected>,
    enabled: Enabled,
    /// Malformed commands since the last good one.
    bad_commands: u32,
    /// Bytes read before log-in.
    bytes_before_login: u64,
    started_ms: u64,
    /// When the client was last heard of or served.
    active_ms: u64,
    /// When the driver called last.
    now: Now,
    /// Bytes were fed since `active_ms` was set: feeding has no clock.
    fed: bool,
}

/// What a session is doing.
pub(crate) enum Doing {
    /// It waits for a command.
    Nothing,
    /// A long command is there: [`Machine::work`] parses it, as others wait for this thread.
    Parse,
    /// A command runs.
    Task(Running),
    /// A command ended: its client is told of changes, then answered.
    Ending(Ending),
    /// The driver is asked; `None` once it has been.
    Ask { tag: Tag, attempt: Option<Attempt> },
    /// An account is to be opened by the driver; `None` once it was asked. Then it goes on with
    /// what needs it.
    Open { asked: Option<String>, name: String, then: Box<Doing> },
    /// The client is asked: its answer to a challenge comes as a line.
    Challenge { tag: Tag },
    /// IDLE.
    Idle(Idle),
    /// APPEND.
    Append(Box<Append>),
    /// The answer to STARTTLS is on its way, or TLS is being set up.
    StartTls,
    /// Nothing more is read. What it did before may touch files when it is dropped: that happens
    /// together with the session.
    Closing { _before: Box<Doing> },
}

/// A command that runs.
pub(crate) struct Running {
    tag: Tag,
    task: DropInWork<AnyTask>,
    /// The mailbox is looked at before the first piece.
    refresh: bool,
    /// It may have written half a response.
    begun: bool,
}

/// What a piece of a command was.
enum Piece {
    More,
    Last,
    /// It goes on once this account is open.
    Open(String),
}

/// A command that ended.
pub(crate) struct Ending {
    pub(crate) tag: Tag,
    pub(crate) answer: Answer,
    pub(crate) telling: Telling,
}

impl Session {
    /// A session whose greeting is the first step.
    pub(crate) fn new(settings: Arc<SessionSettings>, connection: Connection, wake: Wake, now: Now) -> Self {
        let mut out = Output::default();
        let names = capability::list(&settings, connection, false);
        greeting(out.buffer(), &names, &format!("{} ready", settings.hostname));
        Self {
            decoder: decoder_before_login(&settings, connection),
            settings,
            connection,
            wake,
            stats: Stats::default(),
            starved: true,
            out,
            doing: Doing::Nothing,
            accounts: None,
            selected: None,
            enabled: Enabled::default(),
            bad_commands: 0,
            bytes_before_login: 0,
            started_ms: now.monotonic_ms,
            active_ms: now.monotonic_ms,
            now,
            fed: false,
        }
    }
}

impl Machine for Session {
    fn feed(&mut self, bytes: &[u8]) {
        if matches!(self.doing, Doing::Closing { .. } | Doing::StartTls) {
            return;
        }
        if self.accounts.is_none() {
            self.bytes_before_login = self.bytes_before_login.saturating_add(bytes.len() as u64);
            if self.bytes_before_login > self.settings.bytes_before_login_max {
                return self.bye("Too much was sent before log-in", "too many bytes before log-in");
            }
        }
        self.decoder.feed(bytes);
        self.starved = false;
        self.fed = true;
    }

    fn step(&mut self, now: Now) -> Step {
        self.now = now;
        if std::mem::take(&mut self.fed) {
            self.active_ms = now.monotonic_ms;
        }
        while !self.out.is_full() && self.proceed(now) {}
        if !self.out.is_empty() {
            return Step::Write(self.out.take());
        }
        let deadline_ms = self.deadline_ms();
        match &mut self.doing {
            Doing::Nothing | Doing::Challenge { .. } => Step::Read { deadline_ms },
            Doing::Append(_) if self.starved => Step::Read { deadline_ms },
            Doing::Parse | Doing::Task(_) | Doing::Ending(_) | Doing::Append(_) => Step::Work,
            Doing::Idle(idle) => match std::mem::take(&mut idle.looked) {
                true => Step::Watch { deadline_ms: idle.deadline_ms() },
                false => Step::Work,
            },
            Doing::Ask { attempt, .. } => match attempt.take() {
                Some(attempt) => Step::Authenticate(attempt),
                None => Step::Read { deadline_ms },
            },
            Doing::Open { asked, .. } => match asked.take() {
                Some(name) => Step::Open(name),
                None => Step::Read { deadline_ms },
            },
            Doing::StartTls => Step::Transport(Transport::StartTls),
            Doing::Closing { .. } => Step::Close,
        }
    }

    fn work(&mut self, now: Now) {
        let _in_work = InWork::begin();
        self.now = now;
        self.active_ms = now.monotonic_ms;
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Parse => match self.decoder.parse_long() {
                Ok(request) => self.begin(request, now),
                Err(error) => {
                    self.stats.commands += 1;
                    self.malformed(error);
                }
            },
            Doing::Task(running) => self.run(running),
            Doing::Ending(ending) => self.end(ending),
            Doing::Append(append) => self.proceed_append(append),
            Doing::Idle(mut idle) => {
                self.look_idle(&mut idle, now);
                // The mailbox may be gone, and the session with it.
                if !matches!(self.doing, Doing::Closing { .. }) {
                    self.doing = Doing::Idle(idle);
                }
            }
            other => self.doing = other,
        }
        // What has just ended is answered in the same piece of work.
        if !self.out.is_full() {
            match std::mem::replace(&mut self.doing, Doing::Nothing) {
                Doing::Ending(ending) => self.end(ending),
                other => self.doing = other,
            }
        }
    }

    fn answer(&mut self, verdict: Verdict) {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Ask { tag, .. } => self.verdict(tag, verdict),
            other => self.doing = other,
        }
    }

    fn opened(&mut self, outcome: Result<Arc<Account>, NotOpened>) {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Open { name, then, .. } => {
                if let Some(accounts) = &mut self.accounts {
                    accounts.note(name, outcome);
                }
                self.doing = *then;
            }
            other => self.doing = other,
        }
    }

    /// All that was known from before is forgotten (RFC 3501 section 6.2.1).
    fn tls_started(&mut self, connection: Connection, now: Now) {
        self.connection = Connection { tls: true, ..connection };
        self.decoder = decoder_before_login(&self.settings, self.connection);
        self.starved = true;
        self.fed = false;
        self.enabled = Enabled::default();
        self.stats.client = None;
        self.active_ms = now.monotonic_ms;
        if !matches!(self.doing, Doing::Closing { .. }) {
            self.doing = Doing::Nothing;
        }
    }

    fn shut_down(&mut self, text: &str) {
        match &self.doing {
            Doing::Closing { .. } => {}
            _ if self.may_be_cut() => self.bye(text, "shut down"),
            _ => self.close("shut down"),
        }
    }

    fn only_answers(&self) -> bool {
        matches!(&self.doing, Doing::Task(running) if running.begun && running.task.only_answers())
    }

    /// Inside a literal, BYE would be taken for a part of a message.
    fn may_be_cut(&self) -> bool {
        !matches!(&self.doing, Doing::Task(running) if running.begun)
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }
}

impl Session {
    /// When the session ends if the client says nothing until then.
    fn deadline_ms(&self) -> u64 {
        match self.accounts {
            None => self.started_ms + self.settings.login_timeout_ms,
            Some(_) => self.active_ms + self.settings.idle_timeout_ms,
        }
    }

    /// Brings what it does further, as far as no file is touched and no driver is needed;
    /// whether anything happened.
    fn proceed(&mut self, now: Now) -> bool {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing if self.starved => self.expire(now),
            Doing::Nothing => self.next_command(now),
            Doing::Challenge { tag } => self.next_response(tag, now),
            Doing::Idle(idle) => self.proceed_idle(idle, now),
            Doing::Append(append) => {
                let inline = self.accounts.is_none() && !self.starved;
                match inline {
                    true => self.proceed_append(append),
                    false => self.doing = Doing::Append(append),
                }
                inline || (self.starved && self.expire(now))
            }
            Doing::Ending(ending) if self.selected.is_none() => {
                self.tagged(&ending.tag, &ending.answer);
                true
            }
            other => {
                self.doing = other;
                false
            }
        }
    }

    /// Ends a session that was silent for too long.
    fn expire(&mut self, now: Now) -> bool {
        if now.monotonic_ms < self.deadline_ms() {
            return false;
        }
        match self.accounts {
            None => self.bye("Log-in took too long", "log-in timeout"),
            Some(_) => self.bye("Silent for too long", "idle timeout"),
        }
        true
    }

    fn next_command(&mut self, now: Now) -> bool {
        match self.decoder.next() {
            None => {
                self.starved = true;
                return self.expire(now);
            }
            Some(Ok(Event::Request(request))) => self.begin(request, now),
            Some(Ok(Event::Unasked(tag))) => {
                self.stats.commands += 1;
                self.refuse_cleartext(&tag);
            }
            Some(Ok(Event::Long)) => self.doing = Doing::Parse,
            Some(Ok(Event::Continue)) => continuation(self.out.buffer(), "Go on"),
            Some(Ok(Event::Append(codec::decoder::Append::Start { tag, mailbox }))) => {
                self.stats.commands += 1;
                self.begin_append(tag, mailbox);
            }
            // Lines come where they are expected, and pieces of an APPEND after its start.
            Some(Ok(Event::Line(_) | Event::Append(_))) => {}
            Some(Err(error)) => {
                self.stats.commands += 1;
                self.malformed(error);
            }
        }
        true
    }

    fn begin(&mut self, request: Request, now: Now) {
        self.stats.commands += 1;
        let Request { tag, command } = request;
        let (allowed, kind) = command::start(command);
        if let Some(text) = self.wrong_state(allowed) {
            self.tagged(&tag, &Answer::bad(text));
            return self.count_bad();
        }
        self.bad_commands = 0;
        if let Some(accounts) = &mut self.accounts {
            accounts.begin();
        }
        match kind {
            Kind::Task(task) => self.begin_task(tag, task),
            Kind::Login { user, password } => {
                self.begin_login(tag, Attempt::Password { command: "LOGIN command", user, password });
            }
            Kind::Authenticate { mechanism, initial } => {
                self.begin_login(tag, Attempt::Begin { mechanism, initial });
            }
            Kind::StartTls => self.start_tls(&tag),
            Kind::Idle => self.begin_idle(tag, now),
            Kind::Logout => self.log_out(&tag),
        }
    }

    /// Why a command is not allowed now.
    fn wrong_state(&self, allowed: Allowed) -> Option<&'static str> {
        let (logged_in, selected) = (self.accounts.is_some(), self.selected.is_some());
        let refused = match allowed {
            Allowed::NotAuthenticated if logged_in => allowed,
            Allowed::Authenticated | Allowed::Selected if !logged_in => Allowed::Authenticated,
            Allowed::Selected if !selected => allowed,
            _ => return None,
        };
        Some(refused.otherwise())
    }

    /// Answers what is no command.
    pub(crate) fn malformed(&mut self, error: DecodeError) {
        let text = error.kind.to_string();
        let answer = match error.kind.code() {
            Some(code) => Answer::no(code, text.clone()),
            None => Answer::bad(text.clone()),
        };
        match &error.tag {
            Some(tag) => self.tagged(tag, &answer),
            None => untagged(self.out.buffer(), answer.condition, answer.code.as_ref(), &answer.text),
        }
        match error.kind.is_fatal() {
            true => self.bye(&text, "malformed input"),
            false => self.count_bad(),
        }
    }

    pub(crate) fn count_bad(&mut self) {
        self.bad_commands += 1;
        if self.bad_commands >= self.settings.bad_commands_max {
            self.bye("Too many commands that are none", "too many bad commands");
        }
    }

    fn next_response(&mut self, tag: Tag, now: Now) -> bool {
        match self.next_line() {
            None => {
                self.doing = Doing::Challenge { tag };
                return self.expire(now);
            }
            Some(Ok(line)) => self.sasl_response(tag, &line),
            Some(Err(error)) if error.kind.is_fatal() => self.malformed(error),
            // Whatever it was, it is not an answer.
            Some(Err(_)) => self.doing = Doing::Ask { tag, attempt: Some(Attempt::Abort) },
        }
        true
    }

    fn start_tls(&mut self, tag: &Tag) {
        if !capability::may_start_tls(self.connection) {
            let text = match self.connection.tls {
                true => "TLS is on already",
                false => "This server has no certificate",
            };
            return self.tagged(tag, &Answer::bad(text));
        }
        self.tagged(tag, &Answer::ok("Begin TLS now"));
        // What came behind the command came in the clear, from whoever could put it there.
        self.decoder.discard();
        self.doing = Doing::StartTls;
    }

    fn log_out(&mut self, tag: &Tag) {
        bye(self.out.buffer(), None, "Logging out");
        self.tagged(tag, &Answer::ok("Logged out"));
        self.close("logged out");
    }

    /// A command that touches no file runs at once, unless changes of a selected mailbox have to
    /// be looked for.
    fn begin_task(&mut self, tag: Tag, mut task: AnyTask) {
        let refresh = task.refreshes();
        let runs_here = self.selected.is_none() && !task.touches_files();
        let piece = runs_here.then(|| self.run_piece(&tag, &mut task));
        if matches!(piece, Some(Piece::Last)) {
            return;
        }
        let running = Running { tag, task: DropInWork::new(task), refresh, begun: false };
        match piece {
            Some(piece) => self.go_on(running, piece),
            None => self.doing = Doing::Task(running),
        }
    }

    /// A piece of a command.
    fn run(&mut self, mut running: Running) {
        if std::mem::take(&mut running.refresh) && self.refresh().is_err() {
            return self.gone();
        }
        let piece = self.run_piece(&running.tag, &mut running.task);
        self.go_on(running, piece);
    }

    /// Goes on with a command after a piece of it.
    fn go_on(&mut self, mut running: Running, piece: Piece) {
        match piece {
            Piece::Last => {}
            Piece::More => {
                running.begun = true;
                self.doing = Doing::Task(running);
            }
            Piece::Open(name) => {
                self.doing = Doing::Task(running);
                self.open_first(name);
            }
        }
    }

    /// What is being done goes on once the driver has opened the account.
    pub(crate) fn open_first(&mut self, name: String) {
        let then = Box::new(std::mem::replace(&mut self.doing, Doing::Nothing));
        self.doing = Doing::Open { asked: Some(name.clone()), name, then };
    }

    fn run_piece(&mut self, tag: &Tag, task: &mut AnyTask) -> Piece {
        let mut context = Context {
            settings: &self.settings,
            connection: self.connection,
            out: &mut self.out,
            tag,
            now: self.now,
            logged_in: self.accounts.is_some(),
            enabled: &mut self.enabled,
            stats: &mut self.stats,
            wake: &self.wake,
        };
        let answer = match task.run(&mut context, self.accounts.as_ref(), &mut self.selected) {
            Ok(Progress::More) => return Piece::More,
            Ok(Progress::Done(answer)) => answer,
            Ok(Progress::Closed(answer)) => {
                self.selected = None;
                answer
            }
            Ok(Progress::Broken(ended)) => {
                self.close(ended);
                return Piece::Last;
            }
            Err(Stop::Open(name)) => return Piece::Open(name),
            Err(stop) => stop.answer(),
        };
        let telling = self.telling(task.may_expunge(), task.by_uid());
        self.doing = Doing::Ending(Ending { tag: tag.clone(), answer, telling });
        Piece::Last
    }

    /// Tells of changes, then answers.
    fn end(&mut self, ending: Ending) {
        if self.tell_changes(ending.telling) {
            self.tagged(&ending.tag, &ending.answer);
        } else if matches!(self.doing, Doing::Closing { .. }) {
            // The answer still belongs to the client; BYE is the last word.
            let bye = self.out.take();
            self.tagged(&ending.tag, &ending.answer);
            self.out.buffer().extend_from_slice(&bye);
        } else {
            self.doing = Doing::Ending(ending);
        }
    }

    /// How changes are told.
    pub(crate) fn telling(&self, expunges: bool, uid: bool) -> Telling {
        Telling { expunges, modseq: self.enabled.condstore, uid }
    }

    /// Looks at the mailbox and tells what changed. `false` when the output is full, or when
    /// the mailbox is gone and the session is being closed.
    pub(crate) fn tell_changes(&mut self, telling: Telling) -> bool {
        if self.refresh().is_err() {
            self.gone();
            return false;
        }
        let Some(selected) = &mut self.selected else { return true };
        selected.view.tell_keywords(selected.read_only, &mut self.out);
        let newest = selected.view.snapshot().clone();
        selected.view.advance(newest, &Default::default(), telling, &mut self.out)
    }

    pub(crate) fn selected_mailbox(&self) -> Option<&Arc<store::Mailbox>> {
        self.selected.as_ref().map(|selected| &*selected.mailbox)
    }

    /// Lets the view see the newest state. `Err` when the mailbox is gone. Another failure is
    /// logged and left to the next look: what the client knows stays true as far as it goes.
    fn refresh(&mut self) -> Result<(), ()> {
        let Some(selected) = &mut self.selected else { return Ok(()) };
        match selected.mailbox.refresh(!selected.read_only) {
            Ok(refreshed) => {
                if Arc::ptr_eq(&refreshed.snapshot, selected.view.snapshot()) && refreshed.claimed.is_empty()
                {
                    return Ok(());
                }
                let recent = select::recent(selected.read_only, &refreshed.snapshot, refreshed.claimed);
                selected.view.see(refreshed.snapshot, &recent);
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Deleted => Err(()),
            Err(error) => {
                failure::answer(&error);
                Ok(())
            }
        }
    }

    /// The selected mailbox was deleted or made anew: the numbers that the client holds mean
    /// nothing any more, and no response of RFC 3501 says so but BYE.
    fn gone(&mut self) {
        self.selected = None;
        self.bye("The selected mailbox was deleted or made anew", "mailbox deleted");
    }

    /// Writes a tagged answer.
    pub(crate) fn tagged(&mut self, tag: &Tag, answer: &Answer) {
        tagged(self.out.buffer(), tag, answer.condition, answer.code.as_ref(), &answer.text);
    }

    /// Says BYE and ends the session; `ended` is for the log.
    pub(crate) fn bye(&mut self, text: &str, ended: &'static str) {
        bye(self.out.buffer(), None, text);
        self.close(ended);
    }

    fn close(&mut self, ended: &'static str) {
        self.stats.ended = Some(ended);
        let before = Box::new(std::mem::replace(&mut self.doing, Doing::Nothing));
        self.doing = Doing::Closing { _before: before };
    }
}

/// The session is dropped where files may be touched: see [`Machine`].
impl Drop for Session {
    fn drop(&mut self) {
        let _in_work = InWork::begin();
        self.selected = None;
        self.doing = Doing::Nothing;
    }
}

/// A session for the table of protocols.
pub(crate) fn machine(
    settings: Arc<SessionSettings>,
    connection: Connection,
    wake: Wake,
    now: Now,
) -> Box<dyn Machine> {
    Box::new(Session::new(settings, connection, wake, now))
}

/// BYE for a connection that has no session, or lost it.
pub(crate) fn last_words(words: LastWords<'_>) -> Vec<u8> {
    let (code, text) = match words {
        LastWords::TooMany(limit) => (Some(Code::Plain("LIMIT")), limit),
        LastWords::Unreachable => (None, "The mail cannot be reached; it was logged"),
        LastWords::InternalError => (None, "Internal error; it was logged"),
    };
    let mut line = Vec::new();
    bye(&mut line, code.as_ref(), text);
    line
}

/// While LOGIN and AUTHENTICATE are closed, what they would send as literals stays with the client.
fn decoder_before_login(settings: &SessionSettings, connection: Connection) -> Decoder {
    let mut decoder = Decoder::new(settings.limits_before_login);
    if !capability::may_send_password(connection) {
        decoder.refuse_literals_of(&["LOGIN", "AUTHENTICATE"]);
    }
    decoder
}

#[cfg(test)]
mod tests;
