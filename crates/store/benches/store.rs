//! What opening a mailbox of 100,000 messages is made of: reading names, the UID list, the index.
//!
//! `cargo bench -p restante-store --features bench`; with `-- --test` each runs once.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mail::{Keyword, ModSeq, SystemFlags, Uid, UidValidity};
use restante_store::bench::{Found, Known};
use restante_store::uid_list::{self, Line};
use std::hint::black_box;
use std::path::Path;

/// Messages.
const ROWS: u32 = 100_000;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = list, state, index, directory
}
criterion_main!(benches);

/// The bytes of a list and its lines.
fn list(c: &mut Criterion) {
    let lines = lines();
    let bytes = written(&lines);
    let mut group = c.benchmark_group("list");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| uid_list::parse(black_box(&bytes)).lines.len());
    });
    group.bench_function("write", |bencher| bencher.iter(|| written(black_box(&lines)).len()));
}

/// From lines to what is known of the mailbox, and to what sessions see.
fn state(c: &mut Criterion) {
    let lines = lines();
    let mut group = c.benchmark_group("state");
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("apply", |bencher| {
        bencher.iter(|| Known::apply(black_box(&lines).iter().cloned()).publish());
    });
}

/// The index, which spares all of that.
fn index(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let known = Known::apply(lines());
    let mut group = c.benchmark_group("index");
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("save", |bencher| {
        bencher.iter(|| known.save(directory.path()).expect("it can be written"));
    });
    known.save(directory.path()).expect("it can be written");
    group.bench_function("load", |bencher| {
        bencher.iter(|| Known::load(directory.path()).expect("it is whole").publish());
    });
}

/// Names on disk, and how they compare with the list.
fn directory(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    make_files(directory.path());
    let mut group = c.benchmark_group("directory");
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("scan", |bencher| {
        bencher.iter(|| Found::scan(directory.path()).expect("it can be read").count());
    });
    let found = Found::scan(directory.path()).expect("it can be read");
    assert_eq!(found.count(), ROWS as usize);
    let mut known = Known::apply(lines());
    assert!(known.compare(&found), "files and lines are the same messages");
    group.bench_function("compare", |bencher| bencher.iter(|| known.compare(black_box(&found))));
}

/// A checkpoint: most messages seen, some with keywords.
fn lines() -> Vec<Line<'static>> {
    let next = Uid::new(ROWS + 1).expect("a UID");
    let mut lines = vec![
        Line::Validity(UidValidity::new(1_700_000_000).expect("a UIDVALIDITY")),
        Line::Next(next, ModSeq(u64::from(ROWS) + 1)),
    ];
    for (index, name) in ["$Forwarded", "Work", "Later"].into_iter().enumerate() {
        lines.push(Line::Keyword(index, Keyword::new(name).expect("a keyword")));
    }
    lines.extend((1..=ROWS).map(|number| Line::Message {
        uid: Uid::new(number).expect("a UID"),
        modseq: ModSeq(u64::from(number) + 1),
        flags: flags(number),
        keywords: if number.is_multiple_of(10) { vec![number as usize % 3] } else { Vec::new() },
        base: base(number).into_bytes().into(),
    }));
    lines
}

fn flags(number: u32) -> SystemFlags {
    if number.is_multiple_of(20) { SystemFlags::NONE } else { SystemFlags::SEEN }
}

/// In an order that directories do not have.
fn base(number: u32) -> String {
    let micros = number.wrapping_mul(7_919) % 1_000_000;
    format!(
        "{}.M{micros}P{}.mail.example.com,S=4{number:04},W=5{number:04}",
        1_600_000_000 + number,
        number % 977
    )
}

fn make_files(directory: &Path) {
    for name in ["new", "cur"] {
        std::fs::create_dir(directory.join(name)).expect("a directory");
    }
    for number in 1..=ROWS {
        let info = if flags(number) == SystemFlags::SEEN { ":2,S" } else { ":2," };
        let path = directory.join("cur").join(format!("{}{info}", base(number)));
        std::fs::File::create(path).expect("a file");
    }
}

fn written(lines: &[Line<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lines.iter().for_each(|line| uid_list::write(&mut bytes, line));
    bytes
}
