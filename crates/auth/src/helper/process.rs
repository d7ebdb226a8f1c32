//! The helper's own work: it takes requests from the server and has each answered by a process.

use super::wire::{self, Answer, Frame, Question, Request};
use super::{CHECKS_MAX, Check, WAITING_MAX, child, descriptors};
use crate::{checkpassword, pam};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Runs a hidden subcommand: the helper without arguments, else a process that it or a
/// checkpassword program started. The first thing that its process does, before there is
/// another thread.
pub fn run(arguments: &[String]) -> ExitCode {
    // So that another process of the same user cannot read or change what this one answers.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let outcome = descriptors::close_inherited().and_then(|()| match arguments {
        [] => help(),
        [what] if what == checkpassword::REPORT => checkpassword::report(),
        [what] if what == pam::WORKER => pam::work(),
        _ => Err(io::Error::other("this is for the server's own use")),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "auth helper");
            ExitCode::FAILURE
        }
    }
}

/// What is the same for all requests of a check.
struct Turns {
    check: Check,
    running: Semaphore,
    waiting: Semaphore,
}

/// Answers until the server's end of standard input closes.
fn help() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let Some(setup) = wire::read(&socket, wire::REQUEST_MAX * 16)? else { return Ok(()) };
    let checks = decode_setup(&setup).ok_or(io::ErrorKind::InvalidData)?;
    let turns: Vec<Arc<Turns>> = checks.into_iter().map(|check| Arc::new(Turns::new(check))).collect();
    let threads: usize = turns.iter().map(|turns| turns.check.at_once()).sum();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(threads + 2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // The server ends when it is told to, and the helper with it: not before.
        let _ignored = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        let reading = socket.try_clone()?;
        let answers = Arc::new(Mutex::new(socket));
        let (requests, mut received) = tokio::sync::mpsc::channel(WAITING_MAX);
        std::thread::spawn(move || {
            // What is no frame ends it as the end of the server does.
            while let Ok(Some(frame)) = wire::read(&reading, wire::REQUEST_MAX) {
                if requests.blocking_send(frame).is_err() {
                    break;
                }
            }
            child::kill_all();
            std::process::exit(0);
        });
        while let Some(frame) = received.recv().await {
            let Some((number, request)) = Request::decode(&frame) else { break };
            let turns = turns.get(request.check as usize).cloned();
            let answers = answers.clone();
            tokio::spawn(async move {
                let answer = match turns {
                    Some(turns) => turns.answer(request.question).await,
                    None => Answer::Unavailable("the helper knows no such check".to_owned()),
                };
                let _ = send(&answers, &answer.encode(number));
            });
        }
        child::kill_all();
        // The thread that reads is left where it is.
        std::process::exit(1);
    })
}

fn send(answers: &Mutex<UnixStream>, frame: &Frame) -> io::Result<()> {
    wire::write(&*answers.lock().unwrap_or_else(PoisonError::into_inner), frame)
}

impl Turns {
    fn new(check: Check) -> Self {
        let running = Semaphore::new(check.at_once());
        Self { waiting: Semaphore::new(check.at_once() + WAITING_MAX), running, check }
    }

    async fn answer(self: Arc<Self>, question: Question) -> Answer {
        let unavailable = |why: String| Answer::Unavailable(why);
        let Ok(_place) = self.waiting.try_acquire() else {
            return unavailable(format!("more than {WAITING_MAX} checks wait for their turn"));
        };
        let turn = tokio::time::timeout(self.check.timeout(), self.running.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            return unavailable("it waited too long for its turn".to_owned());
        };
        let turns = self.clone();
        let asked = tokio::task::spawn_blocking(move || match (&turns.check, question) {
            (Check::CheckPassword(settings), Question::Password(login)) => {
                checkpassword::ask(settings, &login)
            }
            (Check::CheckPassword(_), _) => Answer::Unavailable(checkpassword::WANTS_PASSWORD.to_owned()),
            (Check::Pam(settings), question) => pam::ask(settings, question),
        });
        asked.await.unwrap_or_else(|_| unavailable("a panic in the helper".to_owned()))
    }
}

/// The checks, as the server tells the helper of them.
pub(super) fn encode_setup(checks: &[Check]) -> Frame {
    let mut out = wire::Writer(Zeroizing::new(Vec::new()));
    out.number(u32::try_from(checks.len()).unwrap_or(u32::MAX));
    for check in checks {
        match check {
            Check::CheckPassword(settings) => {
                out.number(0);
                settings.encode(&mut out);
            }
            Check::Pam(settings) => {
                out.number(1);
                settings.encode(&mut out);
            }
        }
    }
    out.0
}

fn decode_setup(frame: &[u8]) -> Option<Vec<Check>> {
    let mut reader = wire::Reader(frame);
    let checks = reader.list(|reader| {
        Some(match reader.number()? {
            0 => Check::CheckPassword(checkpassword::CheckPasswordSettings::decode(reader)?),
            1 => Check::Pam(pam::PamSettings::decode(reader)?),
            _ => return None,
        })
    })?;
    (reader.0.is_empty() && checks.len() <= CHECKS_MAX).then_some(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn checks_come_over_as_they_are() {
        let checks = vec![
            Check::CheckPassword(checkpassword::CheckPasswordSettings {
                program: vec!["/bin/true".to_owned(), "a b".to_owned()],
                user_name: "%n".to_owned(),
                run_as: Some("nobody".to_owned()),
                at_once: 7,
                timeout: Duration::from_millis(1_500),
            }),
            Check::Pam(pam::PamSettings {
                service: "imap".to_owned(),
                directory: Some("/etc/pam.d".to_owned()),
                minimum_uid: 1000,
                at_once: 3,
                timeout: Duration::from_secs(5),
            }),
        ];
        let frame = encode_setup(&checks);
        assert_eq!(decode_setup(&frame), Some(checks));
        assert!((0..frame.len()).all(|length| decode_setup(&frame[..length]).is_none()));
    }
}
