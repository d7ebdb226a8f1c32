//! IMAP's machine: states, and what happens in which order.
//!
//! Commands run strictly one after the other. What a session is doing is one value, `Doing`:
//! `step` brings it as far as it gets without touching a file and then names what the driver
//! has to do; `work` does the part that touches files. At a command's end the view is advanced
//! to the newest state of the mailbox, and then the command is answered.
//!
//! The four states of RFC 3501 section 3 are no value of their own: logged in means that
//! `accounts` is there, selected that `selected` is, and logout is `Doing::Closing`.

mod doing;

use crate::accounts::Accounts;
use crate::allowed::Allowed;
use crate::answer::Answer;
use crate::capability;
use crate::command::connection::login;
use crate::command::mailboxes::append;
use crate::command::{self, Kind};
use crate::context::{Context, Enabled};
use crate::dialogue::{Dialogue, End, Talk, Turn};
use crate::drop_in_work::{DropInWork, InWork};
use crate::input::Input;
use crate::machine::Machine;
use crate::output::Output;
use crate::protocol::LastWords;
use crate::selected::{Gone, Selected};
use crate::settings::SessionSettings;
use crate::step::{Connection, NotOpened, Now, Stats, Step, Verdict};
use crate::stop::Stop;
use crate::task::{AnyTask, Progress};
use codec::response::{Code, bye, continuation, greeting, untagged};
use codec::{DecodeError, Event, Request, Tag};
use doing::{Doing, Ending, Piece, Running, Talking};
use std::sync::Arc;
use store::{Account, Wake};

/// One client's session. See the crate's page for how it is driven.
pub struct Session {
    settings: Arc<SessionSettings>,
    connection: Connection,
    wake: Wake,
    stats: Stats,
    pub(crate) input: Input,
    out: Output,
    doing: Doing,
    accounts: Option<Accounts>,
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

impl Session {
    /// A session whose greeting is the first step.
    pub(crate) fn new(settings: Arc<SessionSettings>, connection: Connection, wake: Wake, now: Now) -> Self {
        let mut out = Output::default();
        let names = capability::list(&settings, connection, false);
        greeting(out.buffer(), &names, &format!("{} ready", settings.hostname));
        Self {
            input: Input::before_login(&settings, connection),
            settings,
            connection,
            wake,
            stats: Stats::default(),
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
        match &self.doing {
            Doing::Closing { .. } => return,
            Doing::Dialogue(talking) if matches!(talking.turn, Turn::Transport(_)) => return,
            _ => {}
        }
        if self.accounts.is_none() {
            self.bytes_before_login = self.bytes_before_login.saturating_add(bytes.len() as u64);
            if self.bytes_before_login > self.settings.bytes_before_login_max {
                return self.bye("Too much was sent before log-in", "too many bytes before log-in");
            }
        }
        self.input.feed(bytes);
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
        self.doing.step(deadline_ms)
    }

    fn work(&mut self, now: Now) {
        let _in_work = InWork::begin();
        self.now = now;
        self.active_ms = now.monotonic_ms;
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Parse => match self.input.decoder.parse_long() {
                Ok(request) => self.begin(request),
                Err(error) => {
                    self.stats.commands += 1;
                    self.malformed(error);
                }
            },
            Doing::Task(running) => self.run(running),
            Doing::Ending(ending) => self.end(ending),
            Doing::Dialogue(mut talking) if matches!(talking.turn, Turn::Work) => {
                talking.turn = talking.dialogue.work(&mut self.talk(&talking.tag));
                self.take_turn(talking);
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
            Doing::Dialogue(mut talking) => {
                talking.turn = talking.dialogue.answer(&mut self.talk(&talking.tag), verdict);
                self.take_turn(talking);
            }
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
        self.input = Input::before_login(&self.settings, self.connection);
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
            Doing::Nothing if self.input.is_starved() => self.expire(now),
            Doing::Nothing => self.next_command(now),
            Doing::Dialogue(talking) => self.proceed_dialogue(talking, now),
            Doing::Ending(ending) if self.selected.is_none() => {
                ending.answer.write(&ending.tag, &mut self.out);
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
        match self.input.next() {
            None => return self.expire(now),
            Some(Ok(Event::Request(request))) => self.begin(request),
            Some(Ok(Event::Unasked(tag))) => {
                self.stats.commands += 1;
                login::no_cleartext().write(&tag, &mut self.out);
            }
            Some(Ok(Event::Long)) => self.doing = Doing::Parse,
            Some(Ok(Event::Continue)) => continuation(self.out.buffer(), "Go on"),
            Some(Ok(Event::Append(codec::decoder::Append::Start { tag, mailbox }))) => {
                self.stats.commands += 1;
                self.begin_dialogue(tag, append::append(mailbox));
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

    fn begin(&mut self, request: Request) {
        self.stats.commands += 1;
        let Request { tag, command } = request;
        let (allowed, kind) = command::start(command);
        if let Some(text) = self.wrong_state(allowed) {
            Answer::bad(text).write(&tag, &mut self.out);
            return self.count_bad();
        }
        self.bad_commands = 0;
        if let Some(accounts) = &mut self.accounts {
            accounts.begin();
        }
        match kind {
            Kind::Task(task) => self.begin_task(tag, task),
            Kind::Dialogue(dialogue) => self.begin_dialogue(tag, dialogue),
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
    fn malformed(&mut self, error: DecodeError) {
        let text = error.kind.to_string();
        let answer = match error.kind.code() {
            Some(code) => Answer::no(code, text.clone()),
            None => Answer::bad(text.clone()),
        };
        match &error.tag {
            Some(tag) => answer.write(tag, &mut self.out),
            None => untagged(self.out.buffer(), answer.condition, answer.code.as_ref(), &answer.text),
        }
        match error.kind.is_fatal() {
            true => self.bye(&text, "malformed input"),
            false => self.count_bad(),
        }
    }

    fn count_bad(&mut self) {
        self.bad_commands += 1;
        if self.bad_commands >= self.settings.bad_commands_max {
            self.bye("Too many commands that are none", "too many bad commands");
        }
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
        if std::mem::take(&mut running.refresh)
            && let Some(selected) = &mut self.selected
            && let Err(Gone) = selected.refresh()
        {
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
    fn open_first(&mut self, name: String) {
        let then = Box::new(std::mem::replace(&mut self.doing, Doing::Nothing));
        self.doing = Doing::Open { asked: Some(name.clone()), name, then };
    }

    fn begin_dialogue(&mut self, tag: Tag, dialogue: Box<dyn Dialogue>) {
        self.doing = Doing::Dialogue(Talking { tag, dialogue, turn: Turn::Go });
    }

    fn proceed_dialogue(&mut self, mut talking: Talking, now: Now) -> bool {
        let is_its_turn = match talking.turn {
            Turn::Go => true,
            Turn::Read => !self.input.is_starved(),
            _ => false,
        };
        if is_its_turn {
            talking.turn = talking.dialogue.proceed(&mut self.talk(&talking.tag));
            self.take_turn(talking);
            return true;
        }
        let waits_for_bytes = matches!(talking.turn, Turn::Read);
        self.doing = Doing::Dialogue(talking);
        waits_for_bytes && self.expire(now)
    }

    /// Does what a dialogue wants, as far as the driver is not needed for it.
    fn take_turn(&mut self, mut talking: Talking) {
        match std::mem::replace(&mut talking.turn, Turn::Go) {
            Turn::End(End::Answered(answer)) => {
                let telling = self.enabled.telling(true, false);
                self.doing = Doing::Ending(Ending { tag: talking.tag, answer, telling });
            }
            Turn::End(End::Bad(answer)) => {
                answer.write(&talking.tag, &mut self.out);
                self.count_bad();
            }
            Turn::End(End::Malformed(error)) => self.malformed(error),
            Turn::End(End::Gone) => self.gone(),
            Turn::End(End::Close(ended)) => self.close(ended),
            Turn::Open(name) => {
                self.doing = Doing::Dialogue(talking);
                self.open_first(name);
            }
            turn => self.doing = Doing::Dialogue(Talking { turn, ..talking }),
        }
    }

    fn talk<'a>(&'a mut self, tag: &'a Tag) -> Talk<'a> {
        let context = Context {
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
        let (input, accounts, selected) = (&mut self.input, &mut self.accounts, &mut self.selected);
        Talk { context, input, accounts, selected }
    }

    fn run_piece(&mut self, tag: &Tag, task: &mut AnyTask) -> Piece {
        let Talk { mut context, accounts, selected, .. } = self.talk(tag);
        let answer = match task.run(&mut context, accounts.as_ref(), selected) {
            Ok(Progress::More) => return Piece::More,
            Ok(Progress::Done(answer)) => answer,
            Ok(Progress::Closed(answer)) => {
                *selected = None;
                answer
            }
            Ok(Progress::Broken(ended)) => {
                self.close(ended);
                return Piece::Last;
            }
            Err(Stop::Open(name)) => return Piece::Open(name),
            Err(stop) => stop.answer(),
        };
        let telling = self.enabled.telling(task.may_expunge(), task.by_uid());
        self.doing = Doing::Ending(Ending { tag: tag.clone(), answer, telling });
        Piece::Last
    }

    /// Announces changes, then answers.
    fn end(&mut self, ending: Ending) {
        let announced = match &mut self.selected {
            Some(selected) => selected.announce(ending.telling, &mut self.out),
            None => Ok(true),
        };
        if let Ok(false) = announced {
            self.doing = Doing::Ending(ending);
            return;
        }
        ending.answer.write(&ending.tag, &mut self.out);
        if let Err(Gone) = announced {
            self.gone();
        }
    }

    /// The selected mailbox was deleted or made anew: the numbers that the client holds mean
    /// nothing any more, and no response of RFC 3501 says so but BYE.
    fn gone(&mut self) {
        self.selected = None;
        self.bye("The selected mailbox was deleted or made anew", "mailbox deleted");
    }

    /// Says BYE and ends the session; `ended` is for the log.
    fn bye(&mut self, text: &str, ended: &'static str) {
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

#[cfg(test)]
mod tests;
