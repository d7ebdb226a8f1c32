//! Many log-ins, and many messages.

use crate::client::Client;
use crate::servers::{NUMBERED_USERS, Server, Users};
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};
use crate::{Error, Result};
use rustls::ClientConfig;
use std::net::TcpStream;
use std::sync::Arc;

/// Clients that log in at the same time.
const AT_ONCE: usize = 4;

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

pub(super) fn log_in(stage: &Stage) -> Result<Sample> {
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
