//! What a workload is, and what it works with.

use crate::corpus::{self, Corpus, Mail};
use crate::measure::Times;
use crate::options::Options;
use crate::servers::{Kind, NUMBERED_USERS, Place, Server, Users};
use crate::{Result, client::Client};
use serde::Serialize;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// One line of the table.
pub(crate) struct Workload {
    /// For `--only` and the JSON file.
    pub(crate) name: &'static str,
    /// For the table.
    pub(crate) what: &'static str,
    pub(crate) aims: &'static [Aim],
    /// Of [`Sample::figure`].
    pub(crate) unit: &'static str,
    pub(crate) rounds: Rounds,
    /// Whom it logs in.
    pub(crate) users: Users,
    /// Does it once on one server.
    pub(crate) run: fn(&Stage) -> Result<Sample>,
    /// What the same work costs without a server, in seconds.
    pub(crate) limit: Option<fn(&Stage) -> Result<f64>>,
}

/// What is aimed at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// So many times faster than each Dovecot, at the client and in CPU time.
    Faster(f64),
    /// At the client within so many times the limit.
    WithinLimit(f64),
    /// At most so much, in the workload's unit.
    AtMost(f64),
}

/// How often a workload runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rounds {
    /// All rounds, after one that does not count.
    Warm,
    /// Some rounds, each with a mailbox that the server has not seen.
    FirstTime,
    /// One round.
    Once,
    /// One round, on a server that has just started: what it has learnt before is no part of
    /// its memory.
    JustStarted,
}

/// What one run gave.
#[derive(Clone, Copy, Default, Debug, Serialize)]
pub(crate) struct Sample {
    /// At the client, in seconds.
    pub(crate) wall: Option<f64>,
    /// Of the server, in seconds.
    pub(crate) cpu: Option<f64>,
    /// In the workload's unit.
    pub(crate) figure: Option<f64>,
    /// The 95th of 100, likewise.
    pub(crate) p95: Option<f64>,
}

/// A server, and the mail that it serves.
pub(crate) struct Stage<'a> {
    pub(crate) server: Server,
    pub(crate) options: &'a Options,
    pub(crate) place: &'a Place,
    pub(crate) mail: &'a Mails,
    /// Users that have had a mailbox for a first time.
    fresh: Cell<usize>,
    delivered: Cell<usize>,
    /// Further ones of the same kind, for other users.
    others: RefCell<BTreeMap<Users, Rc<Server>>>,
    /// Whose mailbox is the largest.
    largest: RefCell<Option<String>>,
}

/// The corpora, made when they are first needed.
pub(crate) struct Mails {
    directory: PathBuf,
    sizes: (usize, usize),
    small: OnceCell<Corpus>,
    realistic: OnceCell<Corpus>,
}

impl Mails {
    pub(crate) fn new(directory: &Path, options: &Options) -> Self {
        Self {
            directory: directory.to_owned(),
            sizes: (options.messages(), options.realistic()),
            small: OnceCell::new(),
            realistic: OnceCell::new(),
        }
    }

    pub(crate) fn get(&self, mail: Mail) -> Result<&Corpus> {
        let (cell, count, name) = match mail {
            Mail::Small => (&self.small, self.sizes.0, "small"),
            Mail::Realistic => (&self.realistic, self.sizes.1, "realistic"),
        };
        if let Some(corpus) = cell.get() {
            return Ok(corpus);
        }
        eprintln!("making {count} {name} messages");
        let corpus = Corpus::make(mail, count, &self.directory.join(name))?;
        Ok(cell.get_or_init(|| corpus))
    }
}

impl From<Times> for Sample {
    fn from(times: Times) -> Self {
        Self { wall: Some(times.wall), cpu: Some(times.cpu), ..Self::default() }
    }
}

impl<'a> Stage<'a> {
    pub(crate) fn new(server: Server, options: &'a Options, place: &'a Place, mail: &'a Mails) -> Self {
        Self {
            server,
            options,
            place,
            mail,
            fresh: Cell::new(0),
            delivered: Cell::new(0),
            others: RefCell::default(),
            largest: RefCell::new(None),
        }
    }

    /// Starts the server anew. Courier is left as it is: each of its sessions is a process.
    pub(crate) fn restart(&mut self) -> Result<()> {
        if self.server.kind != Kind::Courier {
            self.server.stop();
            self.server = Server::start(self.server.kind, Users::Plain, self.place, self.options)?;
        }
        Ok(())
    }

    /// The server of the same kind that knows those users, started when it is first asked for.
    pub(crate) fn server_for(&self, users: Users) -> Result<Rc<Server>> {
        if let Some(server) = self.others.borrow().get(&users) {
            return Ok(server.clone());
        }
        let server = Rc::new(Server::start(self.server.kind, users, self.place, self.options)?);
        self.others.borrow_mut().insert(users, server.clone());
        Ok(server)
    }

    /// A session of that user, in clear, with nothing selected.
    pub(crate) fn log_in(&self, user: &str) -> Result<Client> {
        let mut client = Client::clear(self.server.port)?;
        client.log_in(user)?;
        Ok(client)
    }

    /// A session in which INBOX of that user is selected.
    pub(crate) fn selected(&self, user: &str) -> Result<Client> {
        let mut client = self.log_in(user)?;
        client.select(self.messages(user)?)?;
        Ok(client)
    }

    /// Likewise, over TLS from the start.
    pub(crate) fn selected_under_tls(&self, user: &str) -> Result<Client> {
        let socket = TcpStream::connect(("127.0.0.1", self.server.tls_port))?;
        let mut client = Client::tls(socket, &self.place.tls)?;
        client.expect_much();
        client.log_in(user)?;
        client.select(self.messages(user)?)?;
        Ok(client)
    }

    /// Fills a user's INBOX, unless that has been done.
    pub(crate) fn mailbox(&self, user: &str, mail: Mail) -> Result<&Corpus> {
        let corpus = self.mail.get(mail)?;
        let maildir = self.server.maildir(user);
        if !has_mail(&maildir) {
            eprintln!("filling {user} of {}", self.server.kind.name());
            corpus.fill(&maildir, self.server.owner)?;
        }
        Ok(corpus)
    }

    /// Fills the INBOX of a user whom the server has never met.
    pub(crate) fn fresh_mailbox(&self, mail: Mail) -> Result<String> {
        let user = self.fresh_user()?;
        self.mailbox(&user, mail)?;
        Ok(user)
    }

    /// The user of the largest mailbox.
    pub(crate) fn largest(&self) -> Result<String> {
        if let Some(user) = &*self.largest.borrow() {
            return Ok(user.clone());
        }
        let (user, count) = (self.fresh_user()?, self.options.million());
        eprintln!("filling {user} of {} with {count} messages", self.server.kind.name());
        corpus::fill_with_links(&self.server.maildir(&user), self.server.owner, count)?;
        *self.largest.borrow_mut() = Some(user.clone());
        Ok(user)
    }

    /// The same, of a user whom the server has never met, with nothing of the server in it.
    pub(crate) fn fresh_largest(&self) -> Result<String> {
        let (before, user) = (self.largest()?, self.fresh_user()?);
        let (from, to) = (self.server.maildir(&before), self.server.maildir(&user));
        corpus::make_maildir(&to, self.server.owner)?;
        for directory in ["cur", "new"] {
            fs::rename(from.join(directory), to.join(directory))?;
        }
        fs::remove_dir_all(from)?;
        *self.largest.borrow_mut() = Some(user.clone());
        Ok(user)
    }

    fn fresh_user(&self) -> Result<String> {
        let number = self.fresh.get();
        if number == NUMBERED_USERS {
            return Err("no users are left for first times: fewer rounds, please".into());
        }
        self.fresh.set(number + 1);
        Ok(format!("first{number}"))
    }

    /// Removes a mailbox for a first time, for the disk's sake.
    pub(crate) fn remove(&self, user: &str) -> Result<()> {
        Ok(fs::remove_dir_all(self.server.maildir(user))?)
    }

    /// Files in a user's INBOX.
    pub(crate) fn messages(&self, user: &str) -> Result<usize> {
        let maildir = self.server.maildir(user);
        Ok(fs::read_dir(maildir.join("cur"))?.count() + fs::read_dir(maildir.join("new"))?.count())
    }

    /// Delivers a message as a mail transfer agent does, by a rename into `new`.
    pub(crate) fn deliver(&self, user: &str) -> Result<()> {
        let maildir = self.server.maildir(user);
        let number = self.delivered.get();
        self.delivered.set(number + 1);
        let name = format!("1700000000.M{number}P3.bench");
        let file = maildir.join("tmp").join(&name);
        fs::write(&file, message(1500))?;
        corpus::give(&file, self.server.owner)?;
        fs::rename(&file, maildir.join("new").join(&name))?;
        Ok(())
    }

    /// The times of one of something short.
    pub(crate) fn repeated(&self, work: impl FnMut() -> Result<()>) -> Result<Times> {
        self.server.processes.measure_repeated(Duration::from_millis(self.options.repeat_ms()), work)
    }
}

/// A message of some octets, with CRLF.
pub(crate) fn message(octets: usize) -> Vec<u8> {
    let mut text = b"From: Anna Becker <anna@example.com>\r\nTo: b@example.org\r\nSubject: parcel\r\n\
        Date: Thu, 1 Jan 2015 12:00:00 +0000\r\nMessage-ID: <parcel@example.com>\r\n\r\n"
        .to_vec();
    while text.len() < octets {
        text.extend_from_slice(b"Please find the parcel at the counter of the sorting office.\r\n");
    }
    text
}

fn has_mail(maildir: &Path) -> bool {
    fs::read_dir(maildir.join("cur")).is_ok_and(|mut entries| entries.next().is_some())
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = [("at the client", self.wall), ("CPU", self.cpu)];
        for (name, seconds) in times {
            if let Some(seconds) = seconds {
                write!(f, "{name} {:.3} ms  ", seconds * 1000.0)?;
            }
        }
        if let Some(figure) = self.figure {
            write!(f, "{figure:.2}")?;
        }
        Ok(())
    }
}
