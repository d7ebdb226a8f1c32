//! FETCH of whole mailboxes.

use crate::Result;
use crate::client::{Answer, Client};
use crate::corpus::Mail;
use crate::peers::succeed;
use crate::servers::Users;
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};
use std::process::Command;
use std::time::Instant;

const STRUCTURE: &str = "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)";

/// What Thunderbird asks for when it fills its list of messages.
const HEADERS: &str = "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject \
    Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])";

const BODIES: &str = "UID FETCH 1:* (BODY.PEEK[])";

/// Logs a user in and selects their INBOX.
type Connect = fn(&Stage, &str) -> Result<Client>;

pub(super) const ALL: &[Workload] = &[
    Workload {
        run: |stage| warm(stage, Mail::Small, "UID FETCH 1:* (FLAGS)"),
        ..row("fetch-flags", "UID FETCH 1:* (FLAGS)", &[Aim::Faster(4.0)])
    },
    Workload {
        run: |stage| warm(stage, Mail::Small, STRUCTURE),
        ..row("fetch-structure", "FETCH 1:* (… ENVELOPE BODYSTRUCTURE), cached", &[Aim::Faster(4.0)])
    },
    Workload {
        run: |stage| warm(stage, Mail::Realistic, STRUCTURE),
        ..row("fetch-structure-realistic", "the same, realistic", &[Aim::Faster(4.0)])
    },
    Workload {
        run: |stage| first(stage, Mail::Small),
        limit: Some(|stage| read(stage, Mail::Small, ">/dev/null")),
        rounds: Rounds::FirstTime,
        users: Users::Plain,
        ..row("fetch-structure-first", "the same, first time", &[Aim::Faster(2.0), Aim::WithinLimit(2.0)])
    },
    Workload {
        run: |stage| first(stage, Mail::Realistic),
        limit: Some(|stage| read(stage, Mail::Realistic, ">/dev/null")),
        rounds: Rounds::FirstTime,
        users: Users::Plain,
        ..row(
            "fetch-structure-first-realistic",
            "the same, first time, realistic",
            &[Aim::Faster(2.0), Aim::WithinLimit(2.0)],
        )
    },
    Workload {
        run: |stage| warm(stage, Mail::Small, HEADERS),
        ..row("fetch-headers", "BODY.PEEK[HEADER.FIELDS (…)]", &[Aim::Faster(3.0)])
    },
    Workload {
        run: |stage| warm(stage, Mail::Realistic, HEADERS),
        ..row("fetch-headers-realistic", "the same, realistic", &[Aim::Faster(3.0)])
    },
    Workload {
        run: |stage| bodies(stage, Mail::Small),
        limit: Some(|stage| read(stage, Mail::Small, "| wc -l")),
        ..row("fetch-bodies", "BODY.PEEK[] of everything", &[Aim::Faster(2.0), Aim::WithinLimit(2.0)])
    },
    Workload {
        run: |stage| bodies(stage, Mail::Realistic),
        limit: Some(|stage| read(stage, Mail::Realistic, "| wc -l")),
        ..row("fetch-bodies-realistic", "the same, realistic", &[Aim::Faster(1.5), Aim::WithinLimit(2.0)])
    },
    Workload {
        run: |stage| bodies_from(stage, Mail::Realistic, |stage, user| stage.selected_under_tls(user)),
        ..row("fetch-bodies-realistic-tls", "the same, realistic, over TLS", &[Aim::Faster(2.0)])
    },
];

const fn row(name: &'static str, what: &'static str, aims: &'static [Aim]) -> Workload {
    let run = |_: &Stage| Err("no work".into());
    Workload { name, what, aims, unit: "", rounds: Rounds::Warm, users: Users::Plain, run, limit: None }
}

fn user(mail: Mail) -> &'static str {
    match mail {
        Mail::Small => "small",
        Mail::Realistic => "realistic",
    }
}

fn warm(stage: &Stage, mail: Mail, command: &str) -> Result<Sample> {
    fetch(stage, mail, command).map(|(sample, _)| sample)
}

fn fetch(stage: &Stage, mail: Mail, command: &str) -> Result<(Sample, Answer)> {
    fetch_from(stage, mail, command, |stage, user| stage.selected(user))
}

fn fetch_from(stage: &Stage, mail: Mail, command: &str, connect: Connect) -> Result<(Sample, Answer)> {
    let user = user(mail);
    let count = stage.mailbox(user, mail)?.len();
    let mut client = connect(stage, user)?;
    let mut answer = Answer::default();
    let times = stage.server.processes.measure(|| {
        answer = client.fetch(command, count)?;
        Ok(())
    })?;
    client.log_out()?;
    Ok((times.into(), answer))
}

fn bodies(stage: &Stage, mail: Mail) -> Result<Sample> {
    bodies_from(stage, mail, |stage, user| stage.selected(user))
}

/// Every octet of every message must come.
fn bodies_from(stage: &Stage, mail: Mail, connect: Connect) -> Result<Sample> {
    let expected = stage.mail.get(mail)?.octets;
    let (sample, answer) = fetch_from(stage, mail, BODIES, connect)?;
    if answer.literal_octets != expected {
        let octets = answer.literal_octets;
        return Err(format!("{BODIES}: {octets} octets came, the messages have {expected}").into());
    }
    Ok(sample)
}

fn first(stage: &Stage, mail: Mail) -> Result<Sample> {
    let user = stage.fresh_mailbox(mail)?;
    let count = stage.messages(&user)?;
    let mut client = stage.selected(&user)?;
    let times = stage.server.processes.measure(|| client.fetch(STRUCTURE, count).map(drop))?;
    client.log_out()?;
    stage.remove(&user)?;
    Ok(times.into())
}

/// How long `cat` of all files takes; the rest says where to.
fn read(stage: &Stage, mail: Mail, into: &str) -> Result<f64> {
    stage.mailbox(user(mail), mail)?;
    let cur = stage.server.maildir(user(mail)).join("cur");
    let script = format!("find \"$1\" -type f -print0 | xargs -0 cat {into}");
    let begin = Instant::now();
    succeed(Command::new("sh").args(["-c", &script, "sh"]).arg(cur))?;
    Ok(begin.elapsed().as_secs_f64())
}
