//! The server's side of the helper.

use super::wire::{self, Answer, Question, Request};
use super::{Check, SUBCOMMAND, process};
use rustix::process::{Uid, getuid};
use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Requests that wait to be written to the helper.
const UNSENT_MAX: usize = 1_000;

/// How much later than the helper's own time-outs one of ours comes.
const GRACE: Duration = Duration::from_secs(5);

/// How long the helper has to end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Time between two starts of a helper that ended by itself.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A helper process, and what it was told that it may ask.
pub struct Helper {
    checks: Vec<Check>,
    /// Who it was started as: only as the same user another one can be started.
    started_as: Uid,
    state: Mutex<State>,
}

enum State {
    /// It runs; nothing was asked yet. There are no threads until something is, because root is
    /// given up by a process that has one.
    Quiet(UnixStream, Child),
    Running(Running),
    /// It ended, when and why.
    Ended(Instant, String),
}

struct Running {
    socket: UnixStream,
    unsent: SyncSender<wire::Frame>,
    pending: HashMap<u32, oneshot::Sender<Answer>>,
    next: u32,
    child: Child,
}

impl Helper {
    /// Starts a helper that may ask these. It gets the rights that this process has now. For
    /// nothing no process is needed: what is asked for later has come too late.
    pub fn start(checks: Vec<Check>) -> io::Result<Arc<Self>> {
        if checks.is_empty() {
            let state = Mutex::new(State::Ended(Instant::now(), "stopped".to_owned()));
            return Ok(Arc::new(Self { checks, started_as: getuid(), state }));
        }
        let (socket, child) = spawn(&checks)?;
        let state = Mutex::new(State::Quiet(socket, child));
        Ok(Arc::new(Self { checks, started_as: getuid(), state }))
    }

    /// Ends it, and waits for that a moment.
    pub fn stop(&self) {
        match std::mem::replace(&mut *self.state(), State::Ended(Instant::now(), "stopped".to_owned())) {
            State::Quiet(socket, child) => end(&socket, child),
            State::Running(running) => end(&running.socket, running.child),
            State::Ended(..) => {}
        }
    }

    /// Asks. The error is a reason for `Unavailable`.
    pub(crate) async fn ask(self: &Arc<Self>, check: &Check, question: Question) -> Result<Answer, String> {
        let Some(place) = self.checks.iter().position(|known| known == check) else {
            return Err("its settings changed after the start: restart for it".to_owned());
        };
        let request = Request { check: u32::try_from(place).unwrap_or(u32::MAX), question };
        let (number, answered) = self.send(&request)?;
        // A turn, and the check.
        match tokio::time::timeout(check.timeout() * 2 + GRACE, answered).await {
            Ok(Ok(Answer::Unavailable(why))) => Err(why),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err("the auth helper ended".to_owned()),
            Err(_) => {
                if let State::Running(running) = &mut *self.state() {
                    running.pending.remove(&number);
                }
                Err("the auth helper does not answer".to_owned())
            }
        }
    }

    fn send(self: &Arc<Self>, request: &Request) -> Result<(u32, oneshot::Receiver<Answer>), String> {
        let mut state = self.state();
        self.make_running(&mut state)?;
        let State::Running(running) = &mut *state else { return Err("the auth helper ended".to_owned()) };
        let number = running.next;
        let frame = request.encode(number);
        if frame.len() > wire::REQUEST_MAX {
            return Err("the password is too long".to_owned());
        }
        running.unsent.try_send(frame).map_err(|_| "too many requests to the auth helper".to_owned())?;
        running.next = running.next.wrapping_add(1);
        let (answer, answered) = oneshot::channel();
        running.pending.insert(number, answer);
        Ok((number, answered))
    }

    fn make_running(self: &Arc<Self>, state: &mut State) -> Result<(), String> {
        let (socket, child) = match std::mem::replace(state, State::Ended(Instant::now(), String::new())) {
            State::Running(running) => {
                *state = State::Running(running);
                return Ok(());
            }
            State::Quiet(socket, child) => (socket, child),
            State::Ended(since, why) => {
                let may_start = getuid() == self.started_as && why != "stopped";
                if !may_start || since.elapsed() < RESTART_PAUSE {
                    *state = State::Ended(since, why.clone());
                    return Err(format!("the auth helper is not there: {why}"));
                }
                tracing::warn!("starting the auth helper again");
                match spawn(&self.checks) {
                    Ok(started) => started,
                    Err(error) => {
                        *state = State::Ended(Instant::now(), error.to_string());
                        return Err(format!("the auth helper cannot be started: {error}"));
                    }
                }
            }
        };
        let failed = |error: io::Error| format!("no socket to the auth helper: {error}");
        let (reading, writing) = (socket.try_clone().map_err(failed)?, socket.try_clone().map_err(failed)?);
        let (unsent, to_send) = sync_channel::<wire::Frame>(UNSENT_MAX);
        *state = State::Running(Running { socket, unsent, pending: HashMap::new(), next: 0, child });
        std::thread::spawn(move || {
            while to_send.recv().is_ok_and(|frame| wire::write(&writing, &frame).is_ok()) {}
            // Who reads sees the end.
            let _ = writing.shutdown(Shutdown::Both);
        });
        let helper = Arc::downgrade(self);
        std::thread::spawn(move || {
            loop {
                let read = wire::read(&reading, wire::ANSWER_MAX);
                let Some(helper) = helper.upgrade() else { return };
                match read {
                    Ok(Some(frame)) if helper.take(&frame) => {}
                    Ok(Some(_)) => return helper.note_end("it answered what nobody asked".to_owned()),
                    Ok(None) => return helper.note_end("it ended".to_owned()),
                    Err(error) => return helper.note_end(error.to_string()),
                }
            }
        });
        Ok(())
    }

    /// Hands an answer to who waits for it. `false`: it is none.
    fn take(&self, frame: &[u8]) -> bool {
        let Some((number, answer)) = Answer::decode(frame) else { return false };
        if let State::Running(running) = &mut *self.state()
            && let Some(waiting) = running.pending.remove(&number)
        {
            let _ = waiting.send(answer);
        }
        true
    }

    fn note_end(&self, why: String) {
        let mut state = self.state();
        if !matches!(&*state, State::Running(_)) {
            return;
        }
        if let State::Running(running) =
            std::mem::replace(&mut *state, State::Ended(Instant::now(), why.clone()))
        {
            drop(state);
            let can_restart = getuid() == self.started_as;
            let hope = if can_restart { "it is started again when asked" } else { "restart the server" };
            tracing::error!(why, "the auth helper is gone, and its users cannot log in: {hope}");
            end(&running.socket, running.child);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The same program as this one, whatever lies at its path by now. It gets one end of a socket
/// as standard input, and keeps standard error.
fn spawn(checks: &[Check]) -> io::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new("/proc/self/exe")
        .arg0("restante")
        .arg(SUBCOMMAND)
        .current_dir("/")
        // A Ctrl-C is for the server.
        .process_group(0)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()?;
    wire::write(&ours, &process::encode_setup(checks))?;
    Ok((ours, child))
}

/// Closes the socket, at which the helper ends. One that does not is killed, if it may be: it
/// may be root's when nobody here is root any more.
fn end(socket: &UnixStream, mut child: Child) {
    let _ = socket.shutdown(Shutdown::Both);
    let until = Instant::now() + ENDS_WITHIN;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if child.kill().is_ok() {
        let _ = child.wait();
    }
}
