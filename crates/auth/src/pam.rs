//! Users whom PAM lets in, and system users: those of passwd(5), whatever the system has it from.
//!
//! PAM says whether the password is right and the account may be used; home directory, uid and
//! gid are those of passwd(5), if the user is there. Who is there with a uid below the smallest
//! one that mail is for (root, daemons) is nobody: PAM is not even asked.

#[cfg(feature = "pam")]
mod library;

use crate::helper::child::Bounded;
use crate::helper::wire::{self, Answer, Login, Question, Request};
use crate::helper::{self, Check, Helper};
use crate::source::{Asking, Query, Source, SourceAnswer, Unavailable, User};
use crate::system_users;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The hidden subcommand, behind the helper's.
pub(crate) const WORKER: &str = "pam-worker";

/// What is known of a PAM source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PamSettings {
    /// The service's name: that of a file in `/etc/pam.d`.
    pub service: String,
    /// Where such files are instead; `None` for PAM's own places.
    pub directory: Option<String>,
    /// System users with smaller uids have no mail.
    pub minimum_uid: u32,
    /// How many checks run at once.
    pub at_once: usize,
    /// How long one may take.
    pub timeout: Duration,
}

impl PamSettings {
    /// For helper and worker.
    pub(crate) fn encode(&self, out: &mut wire::Writer) {
        out.text(&self.service);
        out.text(self.directory.as_deref().unwrap_or_default());
        out.number(self.minimum_uid);
        out.number(u32::try_from(self.at_once).unwrap_or(u32::MAX));
        out.number(u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX));
    }

    /// In helper and worker.
    pub(crate) fn decode(reader: &mut wire::Reader<'_>) -> Option<Self> {
        Some(Self {
            service: reader.text()?,
            directory: Some(reader.text()?).filter(|directory| !directory.is_empty()),
            minimum_uid: reader.number()?,
            at_once: reader.number()? as usize,
            timeout: Duration::from_millis(reader.number()?.into()),
        })
    }
}

/// The source.
pub struct Pam {
    name: String,
    settings: PamSettings,
    helper: Arc<Helper>,
}

impl Pam {
    /// A source that is asked through this helper.
    pub fn new(settings: PamSettings, helper: Arc<Helper>) -> Self {
        Self { name: format!("pam {}", settings.service), settings, helper }
    }

    async fn ask(&self, question: Question) -> Result<Answer, Unavailable> {
        let answer = self.helper.ask(&Check::Pam(self.settings.clone()), question).await;
        answer.map_err(|reason| Unavailable { source_name: self.name.clone(), reason })
    }

    async fn look(&self, query: Query<'_>) -> Result<SourceAnswer, Unavailable> {
        // Never the local part of a foreign domain: that is somebody else.
        let name = query.name.bare().unwrap_or(query.name.full()).to_owned();
        let question = match query.password {
            Some(password) => {
                query.trace.step(|| format!("PAM service {}, user {name}", self.settings.service));
                Question::Password(Login {
                    name,
                    password: Zeroizing::new(password.expose().to_vec()),
                    service: query.service.to_owned(),
                    peer: query.peer,
                })
            }
            None => {
                query.trace.step(|| format!("passwd(5), user {name}"));
                Question::User(name)
            }
        };
        let answer = self.ask(question).await?;
        query.trace.step(|| match &answer {
            Answer::Wrong(why) => format!("refused: {why}"),
            answer => format!("{answer:?}"),
        });
        Ok(match answer {
            Answer::Unknown => SourceAnswer::Unknown,
            Answer::Right(user) => SourceAnswer::Checked(user, true),
            Answer::Wrong(_) => SourceAnswer::Checked(User::default(), false),
            Answer::Known(user) => SourceAnswer::Known(user),
            Answer::All(_) | Answer::Unavailable(_) => {
                let reason = "the auth helper answered something else".to_owned();
                return Err(Unavailable { source_name: self.name.clone(), reason });
            }
        })
    }
}

impl Source for Pam {
    fn name(&self) -> &str {
        &self.name
    }

    fn looks_at_peer(&self) -> bool {
        true
    }

    fn find<'a>(&'a self, query: Query<'a>) -> Asking<'a, SourceAnswer> {
        Box::pin(self.look(query))
    }

    fn list(&self) -> Asking<'_, Vec<User>> {
        Box::pin(async {
            match self.ask(Question::All).await? {
                Answer::All(users) => Ok(users),
                _ => Ok(Vec::new()),
            }
        })
    }

    fn problems(&self) -> Asking<'_, Vec<String>> {
        let service = &self.settings.service;
        let own = self.settings.directory.as_deref();
        let places = own.map_or(vec!["/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"], |own| vec![own]);
        let is_there = places.iter().any(|place| std::path::Path::new(place).join(service).is_file());
        let missing =
            format!("{}: there is no {}/{service}: PAM would go by that of \"other\"", self.name, places[0]);
        let mut problems: Vec<String> = (!is_there).then_some(missing).into_iter().collect();
        if cfg!(not(feature = "pam")) {
            problems.push(format!("{}: built without PAM", self.name));
        }
        Box::pin(std::future::ready(Ok(problems)))
    }
}

/// In the helper: has a worker answer.
pub(crate) fn ask(settings: &PamSettings, question: Question) -> Answer {
    try_to_ask(settings, question).unwrap_or_else(Answer::Unavailable)
}

fn try_to_ask(settings: &PamSettings, question: Question) -> Result<Answer, String> {
    let failed = |error: io::Error| format!("no worker for it: {error}");
    let mut command = Command::new("/proc/self/exe");
    command.args([helper::SUBCOMMAND, WORKER]).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut worker = Bounded::spawn(command, settings.timeout).map_err(failed)?;
    let (Some(stdin), Some(stdout)) = (worker.stdin(), worker.stdout()) else {
        return Err("no pipes to it".to_owned());
    };
    // While it runs: a list of users is more than a pipe holds.
    let answer = std::thread::spawn(move || wire::read(stdout, wire::ANSWER_MAX));
    let mut out = wire::Writer::default();
    settings.encode(&mut out);
    let told = wire::write(&stdin, &out.0)
        .and_then(|()| wire::write(&stdin, &Request { check: 0, question }.encode(0)));
    drop(stdin);
    let status = worker.wait();
    let answer = answer.join().ok().and_then(Result::ok).flatten();
    let status = status?;
    told.map_err(|error| format!("its worker did not listen: {error}, {status}"))?;
    if !status.success() {
        return Err(format!("its worker ended with {status}"));
    }
    let answer = answer.and_then(|frame| Answer::decode(&frame)).map(|(_, answer)| answer);
    answer.ok_or_else(|| "its worker answered nothing".to_owned())
}

/// In the worker: one question, by standard input and output.
pub(crate) fn work() -> io::Result<()> {
    // Not longer than the helper is there.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let mut stdin = io::stdin().lock();
    let mut next = || {
        wire::read(&mut stdin, wire::REQUEST_MAX)?
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    };
    let (settings, request): (wire::Frame, wire::Frame) = (next()?, next()?);
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let settings = PamSettings::decode(&mut wire::Reader(&settings)).ok_or_else(invalid)?;
    let (number, request) = Request::decode(&request).ok_or_else(invalid)?;
    let answer = answer(&settings, &request.question).unwrap_or_else(Answer::Unavailable);
    let mut stdout = io::stdout().lock();
    wire::write(&mut stdout, &answer.encode(number))?;
    io::Write::flush(&mut stdout)
}

fn answer(settings: &PamSettings, question: &Question) -> Result<Answer, String> {
    match question {
        Question::All => system_users::all(settings.minimum_uid).map(Answer::All),
        Question::User(name) => Ok(match system_users::find(name)? {
            Some(user) if may_have_mail(settings, &user) => Answer::Known(user),
            _ => Answer::Unknown,
        }),
        Question::Password(login) => {
            let before = system_users::find(&login.name)?;
            if before.is_some_and(|user| !may_have_mail(settings, &user)) {
                return Ok(Answer::Unknown);
            }
            match verdict(settings, login) {
                Verdict::Right(name) => Ok(match system_users::find(&name)? {
                    Some(user) if may_have_mail(settings, &user) => Answer::Right(user),
                    Some(_) => Answer::Wrong("PAM made them a user who has no mail".to_owned()),
                    // A name that a module chose is canonical.
                    None if name == login.name => Answer::Right(User::default()),
                    None => Answer::Right(User { name, ..User::default() }),
                }),
                Verdict::Wrong(why) => Ok(Answer::Wrong(why)),
                Verdict::Unknown => Ok(Answer::Unknown),
                Verdict::Unavailable(why) => Err(why),
            }
        }
    }
}

fn may_have_mail(settings: &PamSettings, user: &User) -> bool {
    user.uid.is_some_and(|uid| uid >= settings.minimum_uid)
}

/// What PAM says.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(not(feature = "pam"), allow(dead_code, reason = "nobody says so"))]
enum Verdict {
    /// Let in, by this name.
    Right(String),
    Wrong(String),
    Unknown,
    Unavailable(String),
}

#[cfg(feature = "pam")]
fn verdict(settings: &PamSettings, login: &Login) -> Verdict {
    library::check(settings, login)
}

#[cfg(not(feature = "pam"))]
fn verdict(_: &PamSettings, _: &Login) -> Verdict {
    Verdict::Unavailable("built without PAM".to_owned())
}
