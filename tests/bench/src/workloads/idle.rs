//! Clients in IDLE over TLS: the memory that each takes, and how the server fares beside many.

use super::{many, wait};
use crate::client::Client;
use crate::corpus;
use crate::measure::kernel_kib;
use crate::servers::{NUMBERED_USERS, Users};
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};
use crate::{Error, Result};
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// Messages in the INBOX of each client.
const MESSAGES: usize = 1000;

/// How long clients wait before the memory is looked at: a server may give up what it does not
/// need then. Restante does after ten seconds.
const SETTLE_SECONDS: u64 = 15;

/// Clients that come at the same time.
const AT_ONCE: usize = 4;

/// Clients with the same address.
const PER_ADDRESS: usize = 200;

pub(super) const ALL: &[Workload] = &[
    Workload {
        name: "idle-memory",
        what: "memory for a client in IDLE over TLS, a hundred users",
        aims: &[Aim::AtMost(32.0)],
        unit: "KiB",
        rounds: Rounds::JustStarted,
        users: Users::Plain,
        run: |stage| memory(stage, stage.options.clients(stage.server.kind), &|at| hundred(at)),
        limit: None,
    },
    Workload {
        name: "idle-memory-own",
        what: "memory for a client in IDLE over TLS, each with an INBOX of its own",
        aims: &[Aim::AtMost(24.0)],
        unit: "KiB",
        rounds: Rounds::JustStarted,
        users: Users::Plain,
        run: |stage| memory(stage, stage.options.own_clients(stage.server.kind), &|at| format!("own{at}")),
        limit: None,
    },
    Workload {
        name: "idle-crowd",
        what: "log-ins and deliveries beside a crowd in IDLE over TLS: the slower of both",
        aims: &[Aim::AtMost(2.0)],
        unit: "times without",
        rounds: Rounds::JustStarted,
        users: Users::Plain,
        run: beside_crowd,
        limit: None,
    },
];

/// A hundred users take turns.
fn hundred(number: usize) -> String {
    format!("idle{}", number % NUMBERED_USERS)
}

/// What a client takes of the server's memory, when all are in IDLE.
fn memory(stage: &Stage, clients: usize, user: &(dyn Fn(usize) -> String + Sync)) -> Result<Sample> {
    fill(stage, clients, user)?;
    // What is there for the first client is not counted for all.
    let first = idling(stage, 0, user)?;
    let (before, kernel) = (stage.server.processes.memory_kib()?, kernel_kib()?);
    let all = crowd(stage, clients, user)?;
    settle(stage);
    let (after, kernel_after) = (stage.server.processes.memory_kib()?, kernel_kib()?);
    drop((first, all));
    let each = |before: u64, after: u64| (after as f64 - before as f64) / clients as f64;
    let figure = each(before, after);
    eprintln!(
        "  {}: {clients} clients in IDLE, {figure:.1} KiB each; and {:.1} KiB of the kernel's for both ends",
        stage.server.kind.name(),
        each(kernel, kernel_after),
    );
    Ok(Sample { figure: Some(figure), ..Sample::default() })
}

/// Log-ins and deliveries, without others and beside a crowd in IDLE.
fn beside_crowd(stage: &Stage) -> Result<Sample> {
    let clients = stage.options.crowd(stage.server.kind);
    fill(stage, NUMBERED_USERS.min(clients), &hundred)?;
    let both = || -> Result<[f64; 2]> {
        let (log_in, delivery) = (many::log_in(stage)?, wait::delivery_idle(stage)?);
        Ok([log_in.wall.unwrap_or_default() * 1000.0, delivery.figure.unwrap_or_default()])
    };
    // The first ones are not counted.
    both()?;
    let (alone, before) = (both()?, stage.server.processes.memory_kib()?);
    let all = crowd(stage, clients, &hundred)?;
    settle(stage);
    let each = (stage.server.processes.memory_kib()? as f64 - before as f64) / clients as f64;
    let beside = both()?;
    drop(all);
    let times = [beside[0] / alone[0], beside[1] / alone[1]];
    eprintln!(
        "  {}: beside {clients} clients in IDLE ({each:.1} KiB each) a log-in takes {:.3} ms, without {:.3}; \
        a delivery {:.3} ms, without {:.3}",
        stage.server.kind.name(),
        beside[0],
        alone[0],
        beside[1],
        alone[1],
    );
    Ok(Sample { figure: Some(times[0].max(times[1])), ..Sample::default() })
}

/// INBOXes with mail, of all users that so many clients have.
fn fill(stage: &Stage, clients: usize, user: &dyn Fn(usize) -> String) -> Result<()> {
    let mut users: Vec<String> = (0..clients).map(user).collect();
    users.sort_unstable();
    users.dedup();
    for user in users {
        corpus::fill_with_links(&stage.server.maildir(&user), stage.server.owner, MESSAGES)?;
    }
    Ok(())
}

/// So many clients in IDLE, from addresses all over 127.0.0.0/8.
fn crowd(stage: &Stage, clients: usize, user: &(dyn Fn(usize) -> String + Sync)) -> Result<Vec<Client>> {
    let (port, tls) = (stage.server.tls_port, &stage.place.tls);
    let share = |first: usize| -> Result<Vec<Client>> {
        (first..clients)
            .step_by(AT_ONCE)
            .map(|number| {
                idling_at(port, tls, number, &user(number))
                    .map_err(|error| format!("client {number}: {error}").into())
            })
            .collect()
    };
    let share = &share;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|first| scope.spawn(move || share(first))).collect();
        let mut all = Vec::with_capacity(clients);
        for thread in threads {
            all.extend(thread.join().unwrap_or_else(|_| Err(Error::from("a client panicked")))?);
        }
        Ok(all)
    })
}

fn idling(stage: &Stage, number: usize, user: &dyn Fn(usize) -> String) -> Result<Client> {
    idling_at(stage.server.tls_port, &stage.place.tls, number, &user(number))
}

fn idling_at(
    port: u16,
    tls: &std::sync::Arc<rustls::ClientConfig>,
    number: usize,
    user: &str,
) -> Result<Client> {
    let mut client = Client::tls(connect(port, number / PER_ADDRESS)?, tls)?;
    client.log_in(user)?;
    client.select(MESSAGES)?;
    client.idle()?;
    Ok(client)
}

/// From an address of its own, as far as there are some: an address has some 28,000 ports.
fn connect(port: u16, address: usize) -> Result<TcpStream> {
    let [_, high, middle, low] = u32::try_from(address)?.to_be_bytes();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let from = Ipv4Addr::new(127, high, middle, low.max(1));
    socket.bind(&SockAddr::from(SocketAddrV4::new(from, 0)))?;
    socket.connect(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket.into())
}

fn settle(stage: &Stage) {
    std::thread::sleep(Duration::from_secs(if stage.options.tiny { 0 } else { SETTLE_SECONDS }));
}
