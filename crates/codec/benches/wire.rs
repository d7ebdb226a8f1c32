//! Commands taken in, FETCH responses written out.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mail::date::DateTime;
use mail::envelope::Envelope;
use mail::header::Header;
use mail::mime::Structure;
use mail::{Keyword, ModSeq, SeqNum, SystemFlags, Uid};
use restante_codec::response::body_structure::body_structure;
use restante_codec::response::envelope::envelope;
use restante_codec::response::{Revision, fetch, search};
use restante_codec::{Decoder, Event, Limits, Parts};
use std::hint::black_box;

criterion_group!(benches, commands, fetch_responses, values, search_response);
criterion_main!(benches);

/// Messages in a response.
const MESSAGES: u32 = 1000;

const LIMITS: Limits = Limits {
    line_max: 4 << 20,
    literal_max: 64 << 10,
    literals_sum_max: 256 << 10,
    literals_max: 100,
    nesting_max: 50,
    append_max: 100 << 20,
    parts: Parts::DEFAULT,
};

fn commands(c: &mut Criterion) {
    let set: Vec<String> = (1..=5000).map(|uid| (uid * 3).to_string()).collect();
    let cases = [
        ("noop", "a1 NOOP\r\n".to_owned()),
        ("fetch", "a2 UID FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[HEADER.FIELDS (From To)])\r\n".to_owned()),
        ("store", "a3 UID STORE 4,7:9 +FLAGS.SILENT (\\Seen $Forwarded)\r\n".to_owned()),
        ("search", "a4 UID SEARCH OR FROM x (SINCE 1-Jan-2021 UNSEEN) NOT BODY {3+}\r\nabc\r\n".to_owned()),
        ("long_set", format!("a5 UID FETCH {} (FLAGS)\r\n", set.join(","))),
    ];
    let mut group = c.benchmark_group("command");
    for (name, text) in &cases {
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut decoder = Decoder::new(LIMITS);
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |bencher, text| {
            bencher.iter(|| {
                decoder.feed(black_box(text.as_bytes()));
                let request = matches!(decoder.next(), Some(Ok(Event::Request(_))));
                assert!(request && decoder.next().is_none(), "{name} is a command");
            });
        });
    }
}

fn fetch_responses(c: &mut Criterion) {
    let keywords: Vec<Keyword> =
        ["$Forwarded", "NonJunk"].iter().filter_map(|name| Keyword::new(name)).collect();
    let flags = SystemFlags::SEEN.with(SystemFlags::ANSWERED);
    let date = DateTime { unix: 1_420_113_600, offset_minutes: 60 };
    let (envelope_bytes, structure_bytes) = ready_bytes();
    let mut group = c.benchmark_group("fetch");
    group.throughput(Throughput::Elements(u64::from(MESSAGES)));
    let mut out = Vec::new();
    group.bench_function("flags", |bencher| {
        bencher.iter(|| {
            out.clear();
            for (number, uid) in numbers() {
                let mut writer = fetch::Writer::new(&mut out, number);
                writer.flags(&mut out, flags, &keywords, false);
                writer.uid(&mut out, uid);
                writer.modseq(&mut out, ModSeq(7));
                writer.finish(&mut out);
            }
            out.len()
        });
    });
    group.bench_function("everything", |bencher| {
        bencher.iter(|| {
            out.clear();
            for (number, uid) in numbers() {
                let mut writer = fetch::Writer::new(&mut out, number);
                writer.uid(&mut out, uid);
                writer.flags(&mut out, flags, &[], false);
                writer.internal_date(&mut out, date);
                writer.size(&mut out, 4711);
                writer.ready(&mut out, "ENVELOPE", &envelope_bytes);
                writer.ready(&mut out, "BODYSTRUCTURE", &structure_bytes);
                writer.finish(&mut out);
            }
            out.len()
        });
    });
}

/// What is written once a message and then kept.
fn values(c: &mut Criterion) {
    let envelope_of = Envelope::of(&Header::of(MESSAGE));
    let structure = Structure::of(MESSAGE);
    let mut out = Vec::new();
    c.bench_function("envelope", |bencher| {
        bencher.iter(|| {
            out.clear();
            envelope(&mut out, black_box(&envelope_of));
        });
    });
    c.bench_function("body_structure", |bencher| {
        bencher.iter(|| {
            out.clear();
            body_structure(&mut out, black_box(&structure), true, Revision::Rev1);
        });
    });
}

fn search_response(c: &mut Criterion) {
    let mut out = Vec::new();
    c.bench_function("search", |bencher| {
        bencher.iter(|| {
            out.clear();
            search::search(&mut out, (1..=MESSAGES).filter_map(|number| Uid::new(number * 97)), None);
            out.len()
        });
    });
}

fn numbers() -> impl Iterator<Item = (SeqNum, Uid)> {
    (1..=MESSAGES).filter_map(|number| Some((SeqNum::new(number)?, Uid::new(number * 3)?)))
}

fn ready_bytes() -> (Vec<u8>, Vec<u8>) {
    let (mut envelope_bytes, mut structure_bytes) = (Vec::new(), Vec::new());
    envelope(&mut envelope_bytes, &Envelope::of(&Header::of(MESSAGE)));
    body_structure(&mut structure_bytes, &Structure::of(MESSAGE), true, Revision::Rev1);
    (envelope_bytes, structure_bytes)
}

const MESSAGE: &[u8] = b"Message-ID: <1.2f@example.org>\n\
Date: Thu, 1 Jan 2015 12:00:00 +0000\n\
From: =?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <juergen@example.com>\n\
To: Anna Becker <anna@example.com>, \"Green, Peter\" <peter@example.org>\n\
Subject: the parcel\n\
In-Reply-To: <0.1a@example.org>\n\
MIME-Version: 1.0\n\
Content-Type: multipart/mixed; boundary=\"b\"\n\n\
--b\nContent-Type: text/plain; charset=utf-8\n\nPlease find the parcel.\n\
--b\nContent-Type: application/pdf; name=\"scan.pdf\"\nContent-Disposition: attachment; filename=\"scan.pdf\"\n\
Content-Transfer-Encoding: base64\n\nQUJD\n--b--\n";
