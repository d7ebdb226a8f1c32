//! SELECT: warm, after a delivery, for the first time.

use crate::Result;
use crate::corpus::Mail;
use crate::peers::succeed;
use crate::servers::Users;
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};
use std::process::Command;
use std::time::Instant;

pub(super) const ALL: &[Workload] = &[
    Workload {
        name: "select-warm",
        what: "SELECT, warm",
        aims: &[Aim::Faster(5.0)],
        unit: "",
        rounds: Rounds::Warm,
        users: Users::Plain,
        run: warm,
        limit: None,
    },
    Workload {
        name: "select-delivery-watched",
        what: "SELECT after one delivery, another session in IDLE",
        aims: &[Aim::Faster(5.0)],
        unit: "",
        rounds: Rounds::Warm,
        users: Users::Plain,
        run: delivery_watched,
        limit: None,
    },
    Workload {
        name: "select-delivery",
        what: "SELECT after one delivery, nobody watching",
        aims: &[Aim::WithinLimit(2.0)],
        unit: "",
        rounds: Rounds::Warm,
        users: Users::Plain,
        run: delivery,
        limit: Some(list_deliver),
    },
    Workload {
        name: "select-first",
        what: "first SELECT, no index",
        aims: &[Aim::WithinLimit(2.0)],
        unit: "",
        rounds: Rounds::FirstTime,
        users: Users::Plain,
        run: first,
        limit: Some(list_small),
    },
];

fn warm(stage: &Stage) -> Result<Sample> {
    let count = stage.mailbox("small", Mail::Small)?.len();
    let mut client = stage.selected("small")?;
    let times = stage.repeated(|| client.select(count))?;
    client.log_out()?;
    Ok(times.into())
}

fn delivery(stage: &Stage) -> Result<Sample> {
    stage.mailbox("deliver", Mail::Small)?;
    let mut count = stage.messages("deliver")?;
    let mut client = stage.selected("deliver")?;
    let deliveries = stage.options.repeated(10);
    let times = stage.server.processes.measure(|| {
        for _ in 0..deliveries {
            stage.deliver("deliver")?;
            count += 1;
            client.select(count)?;
        }
        Ok(())
    })?;
    client.log_out()?;
    Ok(times.divided_by(deliveries).into())
}

fn delivery_watched(stage: &Stage) -> Result<Sample> {
    stage.mailbox("deliver", Mail::Small)?;
    let mut watching = stage.selected("deliver")?;
    watching.idle()?;
    delivery(stage)
}

fn first(stage: &Stage) -> Result<Sample> {
    let user = stage.fresh_mailbox(Mail::Small)?;
    let count = stage.messages(&user)?;
    let mut client = stage.log_in(&user)?;
    let times = stage.server.processes.measure(|| client.select(count))?;
    client.log_out()?;
    stage.remove(&user)?;
    Ok(times.into())
}

fn list_small(stage: &Stage) -> Result<f64> {
    stage.mailbox("small", Mail::Small)?;
    list(stage, "small")
}

fn list_deliver(stage: &Stage) -> Result<f64> {
    stage.mailbox("deliver", Mail::Small)?;
    list(stage, "deliver")
}

/// How long `ls -f cur | wc -l` takes.
fn list(stage: &Stage, user: &str) -> Result<f64> {
    let cur = stage.server.maildir(user).join("cur");
    let begin = Instant::now();
    succeed(Command::new("sh").args(["-c", "ls -f \"$1\" | wc -l", "sh"]).arg(cur))?;
    Ok(begin.elapsed().as_secs_f64())
}
