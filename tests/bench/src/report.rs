//! The table of ratios, and all samples as JSON.

use crate::Result;
use crate::options::Options;
use crate::servers::Kind;
use crate::workload::{Aim, Sample, Workload};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What all workloads gave.
pub(crate) struct Report {
    kinds: Vec<Kind>,
    messages: (usize, usize),
    million: usize,
    rows: Vec<Row>,
}

/// What one workload gave.
pub(crate) struct Row {
    workload: &'static Workload,
    samples: BTreeMap<Kind, Vec<Sample>>,
    /// Seconds.
    limits: Vec<f64>,
}

/// A median and what lies around it.
#[derive(Clone, Copy, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Row {
    pub(crate) fn new(workload: &'static Workload) -> Self {
        Self { workload, samples: BTreeMap::new(), limits: Vec::new() }
    }

    pub(crate) fn add(&mut self, kind: Kind, sample: Sample) {
        self.samples.entry(kind).or_default().push(sample);
    }

    pub(crate) fn add_limit(&mut self, seconds: f64) {
        self.limits.push(seconds);
    }

    fn of(&self, kind: Kind, take: fn(&Sample) -> Option<f64>) -> Vec<f64> {
        self.samples.get(&kind).into_iter().flatten().filter_map(take).collect()
    }

    fn spread(&self, kind: Kind, take: fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.of(kind, take))
    }

    /// How many times longer the peer takes than Restante, round by round.
    fn ratio(&self, peer: Kind, take: fn(&Sample) -> Option<f64>) -> Option<Spread> {
        let (ours, theirs) = (self.of(Kind::Restante, take), self.of(peer, take));
        // What takes no measurable time is taken as a microsecond.
        Spread::of(ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours.max(1e-6)).collect())
    }

    /// How many times the limit it takes at the client.
    fn beyond_limit(&self, kind: Kind) -> Option<Spread> {
        let walls = self.of(kind, wall);
        Spread::of(walls.iter().zip(&self.limits).map(|(wall, limit)| wall / limit.max(1e-6)).collect())
    }

    /// Whether the aim is met; nothing where it cannot be said.
    fn met(&self, aim: Aim) -> Option<bool> {
        match aim {
            Aim::Faster(factor) => {
                let of_peer = |peer| Some(self.ratio(peer, wall)?.median.min(self.ratio(peer, cpu)?.median));
                let least = [Kind::Dovecot, Kind::Dovecot24].into_iter().filter_map(of_peer);
                Some(least.reduce(f64::min)? >= factor)
            }
            Aim::WithinLimit(factor) => Some(self.beyond_limit(Kind::Restante)?.median <= factor),
            Aim::AtMost(most) => Some(self.spread(Kind::Restante, figure)?.median <= most),
        }
    }
}

fn wall(sample: &Sample) -> Option<f64> {
    sample.wall
}

fn cpu(sample: &Sample) -> Option<f64> {
    sample.cpu
}

fn figure(sample: &Sample) -> Option<f64> {
    sample.figure
}

fn p95(sample: &Sample) -> Option<f64> {
    sample.p95
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0
        } else {
            *values.get(middle)?
        };
        Some(Self { median, min: *values.first()?, max: *values.last()? })
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        0.0..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

impl Report {
    pub(crate) fn new(options: &Options, kinds: &[Kind]) -> Self {
        Self {
            kinds: kinds.to_vec(),
            messages: (options.messages(), options.realistic()),
            million: options.million(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The tables, for reading.
    pub(crate) fn markdown(&self) -> String {
        let (small, realistic) = self.messages;
        let million = self.million;
        let mut text = format!(
            "{small} small messages, {realistic} realistic ones, {million} in the largest mailbox.\n\n"
        );
        if self.rows.iter().any(|row| row.has(wall)) {
            self.write_times(&mut text);
            text.push('\n');
        }
        if self.rows.iter().any(|row| row.has(figure)) {
            self.write_figures(&mut text);
        }
        text
    }

    fn peers(&self) -> impl Iterator<Item = Kind> {
        self.kinds.iter().copied().filter(|&kind| kind != Kind::Restante)
    }

    /// Times of Restante, ratios of the others.
    fn write_times(&self, text: &mut String) {
        let mut head = "| for a client | ms |".to_owned();
        let mut line = "|---|---|".to_owned();
        for peer in self.peers() {
            let _ = write!(head, " {} |", peer.name());
            line.push_str("---|");
        }
        let _ = writeln!(text, "{head} limit | aim |\n{line}---|---|");
        for row in self.rows.iter().filter(|row| row.has(wall)) {
            let ms = row.spread(Kind::Restante, wall).map(|spread| spread.median * 1000.0);
            let _ = write!(text, "| {} | {} |", row.workload.what, cell(ms));
            for peer in self.peers() {
                let ratio = |take| row.ratio(peer, take).map(|spread| spread.median);
                let _ = write!(text, " {} |", both(ratio(wall), ratio(cpu)));
            }
            let beyond = cell(row.beyond_limit(Kind::Restante).map(|spread| spread.median));
            let _ = writeln!(text, " {beyond} | {} |", row.aims());
        }
    }

    /// Each server's own figure, of what is no time at the client.
    fn write_figures(&self, text: &mut String) {
        let mut head = "| for the server |".to_owned();
        let mut line = "|---|".to_owned();
        for kind in &self.kinds {
            let _ = write!(head, " {} |", kind.name());
            line.push_str("---|");
        }
        let _ = writeln!(text, "{head} aim |\n{line}---|");
        for row in self.rows.iter().filter(|row| row.has(figure)) {
            let _ = write!(text, "| {}, {} |", row.workload.what, row.workload.unit);
            for &kind in &self.kinds {
                let median = |take| row.spread(kind, take).map(|spread| spread.median);
                let _ = write!(text, " {} |", both(median(figure), median(p95)));
            }
            let _ = writeln!(text, " {} |", row.aims());
        }
    }

    /// Writes the files that the options name.
    pub(crate) fn write_files(&self, options: &Options) -> Result<()> {
        if let Some(file) = &options.markdown {
            std::fs::write(file, self.markdown()).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        if let Some(file) = &options.json {
            let json = serde_json::to_string_pretty(&self.json())?;
            std::fs::write(file, json).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        serde_json::json!({
            "messages": self.messages.0,
            "realistic": self.messages.1,
            "largest": self.million,
            "workloads": rows,
        })
    }
}

impl Row {
    fn has(&self, take: fn(&Sample) -> Option<f64>) -> bool {
        self.samples.values().flatten().any(|sample| take(sample).is_some())
    }

    /// Each aim, and whether it is met.
    fn aims(&self) -> String {
        let texts = self.workload.aims.iter().map(|&aim| {
            let met = match self.met(aim) {
                Some(true) => ": yes",
                Some(false) => ": no",
                None => "",
            };
            format!("{}{met}", aim.text())
        });
        texts.collect::<Vec<_>>().join("; ")
    }

    fn json(&self) -> serde_json::Value {
        let of_peer =
            |peer: Kind| serde_json::json!({ "wall": self.ratio(peer, wall), "cpu": self.ratio(peer, cpu) });
        serde_json::json!({
            "name": self.workload.name,
            "unit": self.workload.unit,
            "samples": self.samples,
            "limit_seconds": self.limits,
            "dovecot_to_restante": of_peer(Kind::Dovecot),
            "dovecot24_to_restante": of_peer(Kind::Dovecot24),
            "courier_to_restante": of_peer(Kind::Courier),
            "met": self.workload.aims.iter().map(|&aim| self.met(aim)).collect::<Vec<_>>(),
        })
    }
}

impl Aim {
    fn text(self) -> String {
        match self {
            Self::Faster(factor) => format!("{factor} times Dovecot"),
            Self::WithinLimit(factor) => format!("{factor} times the limit"),
            Self::AtMost(most) => format!("at most {most}"),
        }
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

/// A value, and a second one in brackets where there is one.
fn both(value: Option<f64>, other: Option<f64>) -> String {
    match other {
        Some(other) => format!("{} ({})", cell(value), short(other)),
        None => cell(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads;

    fn row(name: &str, restante: f64, dovecot: f64) -> Row {
        let workload = workloads::all().find(|workload| workload.name == name).expect("a workload");
        let mut row = Row::new(workload);
        for (kind, seconds) in [(Kind::Restante, restante), (Kind::Dovecot, dovecot)] {
            for factor in [1.0, 3.0, 2.0] {
                let seconds = Some(seconds * factor);
                row.add(kind, Sample { wall: seconds, cpu: seconds, ..Sample::default() });
            }
        }
        row
    }

    #[test]
    fn aims_are_met_or_not() {
        let met = |dovecot| row("select-warm", 1.0, dovecot).met(Aim::Faster(5.0));
        assert_eq!((met(5.0), met(4.9)), (Some(true), Some(false)));
        assert_eq!(row("select-warm", 1.0, 1.0).met(Aim::WithinLimit(2.0)), None);
        let mut first = row("select-first", 1.0, 1.0);
        for limit in [1.0, 1.5, 1.0] {
            first.add_limit(limit);
        }
        assert_eq!(first.met(Aim::WithinLimit(2.0)), Some(true));
        assert_eq!(first.met(Aim::WithinLimit(1.5)), Some(false));
    }

    #[test]
    fn medians() {
        for (values, expected) in
            [(vec![], "-"), (vec![2.0], "2.00"), (vec![3.0, 1.0, 2.0], "2.00"), (vec![100.0, 200.0], "150")]
        {
            assert_eq!(cell(Spread::of(values).map(|spread| spread.median)), expected);
        }
    }

    #[test]
    fn names_are_different() {
        let names: std::collections::BTreeSet<&str> =
            workloads::all().map(|workload| workload.name).collect();
        assert_eq!(names.len(), workloads::all().count());
    }
}
