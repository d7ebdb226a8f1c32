//! Many clients, and many messages.

use crate::client::Client;
use crate::corpus;
use crate::servers::{NUMBERED_USERS, Server, Users};
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};
use crate::{Error, Result};
use rustls::ClientConfig;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// Messages in the INBOX of each client in IDLE.
const IDLE_MESSAGES: usize = 1000;

/// Clients that log in at the same time.
const AT_ONCE: usize = 4;

/// How long clients wait in IDLE before the memory is looked at: a server may shrink what it
/// does not need then.
const SETTLE_SECONDS: u64 = 5;

pub(super) const ALL: &[Workload] = &[
    Workload {
        name: "log-in",
        what: "log-in over TLS",
        aims: &[Aim::Faster(3.0)],
        unit: "a second",
        rounds: Rounds::Warm,
        users: Users::Plain,
        run: log_in,
        limit: None,
    },
    Workload {
        name: "log-in-sha512",
        what: "log-in over TLS, `$6$` hashes",
        aims: &[],
        unit: "a second",
        rounds: Rounds::Warm,
        users: Users::Sha512,
        run: |stage| log_in_by(stage, Users::Sha512),
        limit: None,
    },
    Workload {
        name: "log-in-ldap",
        what: "log-in over TLS, LDAP search and bind",
        aims: &[],
        unit: "a second",
        rounds: Rounds::Warm,
        users: Users::Ldap,
        run: |stage| log_in_by(stage, Users::Ldap),
        limit: None,
    },
    Workload {
        name: "log-in-ldap-cached",
        what: "log-in over TLS, LDAP in the cache",
        aims: &[],
        unit: "a second",
        rounds: Rounds::Warm,
        users: Users::LdapCached,
        run: |stage| log_in_by(stage, Users::LdapCached),
        limit: None,
    },
    Workload {
        name: "idle-memory",
        what: "memory for a client in IDLE over TLS",
        aims: &[Aim::AtMost(32.0)],
        unit: "KiB",
        rounds: Rounds::JustStarted,
        users: Users::Plain,
        run: idle_memory,
        limit: None,
    },
    Workload {
        name: "open-memory",
        what: "memory for the largest mailbox, selected for the first time",
        aims: &[Aim::AtMost(100.0)],
        unit: "MB",
        rounds: Rounds::JustStarted,
        users: Users::Plain,
        run: open_memory,
        limit: None,
    },
];

fn log_in(stage: &Stage) -> Result<Sample> {
    log_in_at(stage, &stage.server, Users::Plain)
}

fn log_in_by(stage: &Stage, users: Users) -> Result<Sample> {
    log_in_at(stage, stage.server_for(users)?.as_ref(), users)
}

/// Connecting, the handshake, the greeting, LOGIN, LOGOUT. A hundred users take turns.
fn log_in_at(stage: &Stage, server: &Server, users: Users) -> Result<Sample> {
    let each = stage.options.repeated(400).div_ceil(AT_ONCE);
    let (port, tls, options) = (server.tls_port, &stage.place.tls, stage.options);
    let work = || -> Result<()> {
        for number in 0..each {
            let mut client = connect(port, tls)?;
            let (user, password) = users.numbered(number % NUMBERED_USERS, options);
            client.log_in_with(&user, &password)?;
            client.log_out()?;
        }
        Ok(())
    };
    let times = server.processes.measure(|| in_threads(AT_ONCE, work))?.divided_by(each * AT_ONCE);
    Ok(Sample { figure: Some(1.0 / times.wall), ..times.into() })
}

/// Clients of a hundred users, all in IDLE at the same time.
fn idle_memory(stage: &Stage) -> Result<Sample> {
    let clients = stage.options.clients(stage.server.kind);
    for number in 0..NUMBERED_USERS.min(clients) {
        let maildir = stage.server.maildir(&format!("idle{number}"));
        corpus::fill_with_links(&maildir, stage.server.owner, IDLE_MESSAGES)?;
    }
    // What is there for the first client is not counted for all.
    let first = idling(stage, 0)?;
    let before = stage.server.processes.memory_kib()?;
    let mut all = Vec::with_capacity(clients);
    for number in 0..clients {
        all.push(idling(stage, number).map_err(|error| format!("client {number}: {error}"))?);
    }
    std::thread::sleep(Duration::from_secs(if stage.options.tiny { 0 } else { SETTLE_SECONDS }));
    let after = stage.server.processes.memory_kib()?;
    drop((first, all));
    let figure = (after as f64 - before as f64) / clients as f64;
    eprintln!("  {}: {clients} clients in IDLE, {figure:.1} KiB each", stage.server.kind.name());
    Ok(Sample { figure: Some(figure), ..Sample::default() })
}

fn idling(stage: &Stage, number: usize) -> Result<Client> {
    let mut client = connect(stage.server.tls_port, &stage.place.tls)?;
    client.log_in(&format!("idle{}", number % NUMBERED_USERS))?;
    client.select(IDLE_MESSAGES)?;
    client.idle()?;
    Ok(client)
}

/// In MB of 1,000,000 octets.
fn open_memory(stage: &Stage) -> Result<Sample> {
    let user = stage.fresh_largest()?;
    let mut client = stage.log_in(&user)?;
    let before = stage.server.processes.memory_kib()?;
    client.select(stage.messages(&user)?)?;
    let after = stage.server.processes.memory_kib()?;
    client.log_out()?;
    let figure = (after as f64 - before as f64) * 1024.0 / 1e6;
    Ok(Sample { figure: Some(figure), ..Sample::default() })
}

fn connect(port: u16, tls: &Arc<ClientConfig>) -> Result<Client> {
    Client::tls(TcpStream::connect(("127.0.0.1", port))?, tls)
}

fn in_threads(count: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::from("a client panicked"))))
    })
}
