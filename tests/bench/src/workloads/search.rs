//! SEARCH.

use crate::Result;
use crate::corpus::{Corpus, Mail, RARE_SENDER, RARE_WORD};
use crate::servers::Users;
use crate::workload::{Aim, Rounds, Sample, Stage, Workload};

pub(super) const ALL: &[Workload] = &[
    row("search-unseen", "SEARCH UNSEEN", |stage| {
        search(stage, Mail::Small, |_| "SEARCH UNSEEN".to_owned(), |corpus| corpus.unseen)
    }),
    row("search-since", "SEARCH SINCE", |stage| {
        search(
            stage,
            Mail::Small,
            |corpus| format!("SEARCH SINCE {}", corpus.since_date()),
            |corpus| corpus.since,
        )
    }),
    Workload {
        aims: &[Aim::Faster(5.0)],
        ..row("search-sentsince", "SEARCH SENTSINCE, realistic", |stage| {
            search(
                stage,
                Mail::Realistic,
                |corpus| format!("SEARCH SENTSINCE {}", corpus.since_date()),
                |corpus| corpus.since,
            )
        })
    },
    row("search-from", "SEARCH FROM", |stage| {
        search(stage, Mail::Small, |_| format!("SEARCH FROM {RARE_SENDER}"), |corpus| corpus.from_rare)
    }),
    row("search-body", "SEARCH BODY", |stage| {
        search(stage, Mail::Small, |_| format!("SEARCH BODY {RARE_WORD}"), |corpus| corpus.body_rare)
    }),
    row("search-body-realistic", "SEARCH BODY, realistic", |stage| {
        search(stage, Mail::Realistic, |_| format!("SEARCH BODY {RARE_WORD}"), |corpus| corpus.body_rare)
    }),
];

const fn row(name: &'static str, what: &'static str, run: fn(&Stage) -> Result<Sample>) -> Workload {
    Workload {
        name,
        what,
        aims: &[Aim::Faster(3.0)],
        unit: "",
        rounds: Rounds::Warm,
        users: Users::Plain,
        run,
        limit: None,
    }
}

fn search(
    stage: &Stage,
    mail: Mail,
    command: fn(&Corpus) -> String,
    expected: fn(&Corpus) -> usize,
) -> Result<Sample> {
    let user = match mail {
        Mail::Small => "small",
        Mail::Realistic => "realistic",
    };
    let corpus = stage.mailbox(user, mail)?;
    let (command, expected) = (command(corpus), expected(corpus));
    let mut client = stage.selected(user)?;
    let times = stage.repeated(|| client.search(&command, expected))?;
    client.log_out()?;
    Ok(times.into())
}
