//! What a session with 100,000 messages does at each change of its mailbox.
//!
//! `cargo bench -p restante-session --features bench`; with `-- --test` each runs once.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mail::{ModSeq, SystemFlags, Uid, UidValidity};
use restante_session::bench::View;
use std::sync::Arc;
use store::{Snapshot, SnapshotBuilder};

/// Messages.
const ROWS: u32 = 100_000;

/// MODSEQ of the first state; messages have theirs from 1 on.
const FIRST: u64 = ROWS as u64;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = advance
}
criterion_main!(benches);

fn advance(c: &mut Criterion) {
    let before = snapshot(None, ROWS, u64::from, |_| true);
    let changed = |uid: u32| if uid == 70_000 { FIRST + 1 } else { u64::from(uid) };
    let cases = [
        ("nothing", before.clone(), 0),
        ("one_flag", snapshot(Some(&before), ROWS, changed, |_| true), 1),
        ("all_flags", snapshot(Some(&before), ROWS, |_| FIRST + 1, |_| true), ROWS),
        ("one_arrival", snapshot(None, ROWS + 1, u64::from, |_| true), 2),
        ("one_expunge", snapshot(None, ROWS, u64::from, |uid| uid != 50_000), 1),
        ("every_second_expunged", snapshot(None, ROWS, u64::from, |uid| uid.is_multiple_of(2)), ROWS / 2),
    ];
    let mut group = c.benchmark_group("advance");
    for (name, newest, told) in cases {
        // A response is some ten bytes at least.
        let bytes = View::new(before.clone()).advance(&newest);
        assert!(bytes >= 10 * told as usize && (bytes == 0) == (told == 0), "{name}: {bytes} bytes");
        group.bench_function(name, |bencher| {
            let view = || View::new(before.clone());
            bencher.iter_batched(view, |mut view| view.advance(&newest), BatchSize::SmallInput);
        });
    }
}

/// A state after the first; with `earlier` of the same messages, it shares their UIDs.
fn snapshot(
    earlier: Option<&Arc<Snapshot>>,
    rows: u32,
    modseq: impl Fn(u32) -> u64,
    is_there: impl Fn(u32) -> bool,
) -> Arc<Snapshot> {
    let uid = |number| Uid::new(number).expect("a UID");
    let validity = UidValidity::new(1).expect("a UIDVALIDITY");
    let is_first = earlier.is_none() && rows == ROWS && (1..=rows).all(&is_there);
    let highest = ModSeq(if is_first { FIRST } else { FIRST + 1 });
    let sets = [Box::default()].into_iter().collect();
    let mut builder = SnapshotBuilder::new(validity, uid(rows + 1), highest, sets, Arc::new([]));
    for number in (1..=rows).filter(|number| is_there(*number)) {
        let flags = if modseq(number) > FIRST { SystemFlags::FLAGGED } else { SystemFlags::SEEN };
        builder.push(uid(number), flags, 0, ModSeq(modseq(number)));
    }
    Arc::new(builder.build(earlier.map(Arc::as_ref)))
}
