//! Waiting: until a delivery is seen, and while another user's mailbox is worked on.

use crate::client::Client;
use crate::corpus::{self, Mail};
use crate::servers::Users;
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub(super) const ALL: &[Workload] = &[
    Workload {
        name: "delivery-idle",
        what: "delivery to EXISTS in IDLE, median",
        aims: &[Aim::AtMost(5.0)],
        unit: "ms",
        rounds: Rounds::Once,
        users: Users::Plain,
        run: delivery_idle,
        limit: None,
    },
    Workload {
        name: "stall-first",
        what: "longest wait of another user during a first SELECT of the largest mailbox",
        aims: &[Aim::AtMost(50.0)],
        unit: "ms",
        rounds: Rounds::Once,
        users: Users::Plain,
        run: stall_first,
        limit: None,
    },
    Workload {
        name: "stall-search",
        what: "longest wait of another user during SEARCH BODY of the largest mailbox",
        aims: &[Aim::AtMost(50.0)],
        unit: "ms",
        rounds: Rounds::Once,
        users: Users::Plain,
        run: stall_search,
        limit: None,
    },
];

pub(super) fn delivery_idle(stage: &Stage) -> Result<Sample> {
    let user = "other";
    stage.mailbox(user, Mail::Realistic)?;
    let mut count = stage.messages(user)?;
    let mut client = stage.selected(user)?;
    client.idle()?;
    let mut waits = Vec::new();
    for _ in 0..stage.options.repeated(200) {
        let begin = Instant::now();
        stage.deliver(user)?;
        count += 1;
        client.wait_for_exists(count)?;
        waits.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    waits.sort_by(f64::total_cmp);
    let figure = waits.get(waits.len() / 2).copied();
    Ok(Sample { figure, p95: waits.get(waits.len() * 95 / 100).copied(), ..Sample::default() })
}

fn stall_first(stage: &Stage) -> Result<Sample> {
    stall(stage, &stage.fresh_largest()?, |_| Ok(()))
}

fn stall_search(stage: &Stage) -> Result<Sample> {
    stall(stage, &stage.largest()?, |client| client.search("SEARCH BODY quittungsblock", 0))
}

/// Another user's NOOP and SELECT over and over, while the largest mailbox is selected and
/// `work` done in it.
fn stall(stage: &Stage, user: &str, work: fn(&mut Client) -> Result<()>) -> Result<Sample> {
    corpus::fill_with_links(&stage.server.maildir("idle0"), stage.server.owner, 1000)?;
    let others = stage.messages("idle0")?;
    let mut other = stage.selected("idle0")?;
    let mut client = stage.log_in(user)?;
    let count = stage.messages(user)?;
    let done = AtomicBool::new(false);
    let mut longest = 0.0_f64;
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let result = client.select(count).and_then(|()| work(&mut client));
            done.store(true, Ordering::Release);
            result
        });
        let mut waited = Ok(());
        while !done.load(Ordering::Acquire) && waited.is_ok() {
            let begin = Instant::now();
            waited = other.command("NOOP").and_then(|_| other.select(others));
            longest = longest.max(begin.elapsed().as_secs_f64() * 1000.0);
        }
        worker.join().unwrap_or_else(|_| Err(Error::from("a client panicked"))).and(waited)
    })?;
    Ok(Sample { figure: Some(longest), ..Sample::default() })
}
