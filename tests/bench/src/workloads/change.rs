//! STORE and APPEND.

use crate::client::Client;
use crate::corpus::{self, Mail};
use crate::servers::Users;
use crate::workload::{Aim, Rounds, Sample, Stage, Workload, message};
use crate::{Error, Result};

pub(super) const ALL: &[Workload] = &[
    row("store-one", "STORE of one message", &[Aim::Faster(3.0)], store_one),
    Workload {
        // Flags are in file names: nobody is faster than rename(2).
        limit: Some(|stage| stage.mail.get(Mail::Small)?.rename_all()),
        ..row("store-all", "STORE of all messages", &[Aim::WithinLimit(1.2)], store_all)
    },
    row("append", "APPEND of 4 KB, 1 client", &[Aim::Faster(1.5)], |stage| append(stage, 1)),
    row("append-16", "APPEND of 4 KB, 16 clients", &[Aim::Faster(1.5)], |stage| append(stage, 16)),
];

const fn row(
    name: &'static str,
    what: &'static str,
    aims: &'static [Aim],
    run: fn(&Stage) -> Result<Sample>,
) -> Workload {
    Workload { name, what, aims, unit: "", rounds: Rounds::Warm, users: Users::Plain, run, limit: None }
}

/// A flag set and taken away, of messages all over the mailbox.
fn store_one(stage: &Stage) -> Result<Sample> {
    let count = stage.mailbox("store", Mail::Small)?.len();
    let mut client = stage.selected("store")?;
    let stores = stage.options.repeated(100);
    let times = stage.server.processes.measure(|| {
        for number in 0..stores / 2 {
            let at = 1 + number * count / stores;
            client.fetch(&format!("STORE {at} +FLAGS (\\Answered \\Flagged)"), 1)?;
            client.fetch(&format!("STORE {at} -FLAGS (\\Answered \\Flagged)"), 1)?;
        }
        Ok(())
    })?;
    client.log_out()?;
    Ok(times.divided_by(stores / 2 * 2).into())
}

fn store_all(stage: &Stage) -> Result<Sample> {
    stage.mailbox("store", Mail::Small)?;
    let count = stage.messages("store")?;
    let mut client = stage.selected("store")?;
    let times = stage.server.processes.measure(|| {
        // Messages that have the flag already may be left out: each command is a change of all.
        client.fetch("STORE 1:* +FLAGS (\\Draft)", count)?;
        client.fetch("STORE 1:* -FLAGS (\\Draft)", count).map(drop)
    })?;
    client.log_out()?;
    Ok(times.divided_by(2).into())
}

/// Each client appends the same number of messages to one mailbox; the times are of one message.
fn append(stage: &Stage, clients: usize) -> Result<Sample> {
    let maildir = stage.server.maildir("append");
    corpus::make_maildir(&maildir, stage.server.owner)?;
    let before = stage.messages("append")?;
    let each = stage.options.repeated(200).div_ceil(clients);
    let text = message(4096);
    let mut sessions = (0..clients).map(|_| stage.log_in("append")).collect::<Result<Vec<_>>>()?;
    let times = stage.server.processes.measure(|| in_parallel(&mut sessions, each, &text))?;
    for session in sessions {
        session.log_out()?;
    }
    let there = stage.messages("append")?;
    if there != before + each * clients {
        return Err(
            format!("{there} messages are there after {} were appended to {before}", each * clients).into()
        );
    }
    Ok(times.divided_by(each * clients).into())
}

fn in_parallel(sessions: &mut [Client], each: usize, text: &[u8]) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = sessions
            .iter_mut()
            .map(|session| scope.spawn(move || (0..each).try_for_each(|_| session.append(text))))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::from("a client panicked"))))
    })
}
