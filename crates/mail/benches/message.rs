//! What is done to each message that a client asks about: its header, its ENVELOPE, its
//! structure, its line ends.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use restante_mail::crlf::{self, ToWire};
use restante_mail::envelope::Envelope;
use restante_mail::header::Header;
use restante_mail::mime::Structure;
use std::hint::black_box;

criterion_group!(benches, header, structure, line_ends);
criterion_main!(benches);

fn header(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    for (name, message) in messages() {
        group.bench_with_input(BenchmarkId::new("fields", name), &message, |bencher, message| {
            bencher.iter(|| Header::of(black_box(message)).fields().count());
        });
        group.bench_with_input(BenchmarkId::new("envelope", name), &message, |bencher, message| {
            bencher.iter(|| Envelope::of(&Header::of(black_box(message))));
        });
    }
}

fn structure(c: &mut Criterion) {
    let mut group = c.benchmark_group("structure");
    for (name, message) in messages() {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &message, |bencher, message| {
            bencher.iter(|| Structure::of(black_box(message)));
        });
    }
}

fn line_ends(c: &mut Criterion) {
    let mut group = c.benchmark_group("line_ends");
    for (name, message) in messages() {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_with_input(BenchmarkId::new("count", name), &message, |bencher, message| {
            bencher.iter(|| crlf::octets(black_box(message), false));
        });
        let mut out = Vec::new();
        group.bench_with_input(BenchmarkId::new("to_wire", name), &message, |bencher, message| {
            bencher.iter(|| {
                out.clear();
                ToWire::new().convert(black_box(message), &mut out);
                out.len()
            });
        });
    }
}

/// Messages as on disk: plain text, a text with its HTML, an attachment of 100 KB, ten messages
/// each inside the other.
fn messages() -> [(&'static str, Vec<u8>); 4] {
    let line = "Please find the parcel at the counter of the sorting office.\n";
    let text = line.repeat(40);
    let plain = format!("{HEADER}Content-Type: text/plain; charset=utf-8\n\n{text}");
    let alternative = format!(
        "{HEADER}Content-Type: multipart/alternative; boundary=\"b1\"\n\n--b1\nContent-Type: text/plain\n\n\
         {text}\n--b1\nContent-Type: text/html\n\n<p>{text}</p>\n--b1--\n"
    );
    let attachment = format!(
        "{HEADER}Content-Type: multipart/mixed; boundary=\"b2\"\n\n--b2\nContent-Type: text/plain\n\n{text}\n\
         --b2\nContent-Type: application/pdf; name=\"scan.pdf\"\nContent-Disposition: attachment;\n\
         \tfilename*=utf-8''Pr%C3%BCfung.pdf\nContent-Transfer-Encoding: base64\n\n{}\n--b2--\n",
        format!("{}\n", "QUJD".repeat(19)).repeat(1300)
    );
    let mut nested = plain.clone();
    for level in 0..10 {
        nested = format!(
            "{HEADER}Content-Type: multipart/mixed; boundary=\"n{level}\"\n\n--n{level}\n\
             Content-Type: message/rfc822\n\n{nested}\n--n{level}--\n"
        );
    }
    [("plain", plain), ("alternative", alternative), ("attachment", attachment), ("nested", nested)]
        .map(|(name, message)| (name, message.into_bytes()))
}

const HEADER: &str = "Return-Path: <bounce@example.org>\n\
Received: from relay.example.org (relay.example.org [192.0.2.7])\n\
\tby mx.example.com (Postfix) with ESMTPS id 4f2a\n\tfor <user@example.com>; Thu, 1 Jan 2015 12:00:00 +0000\n\
Message-ID: <1.2f@example.org>\n\
Date: Thu, 1 Jan 2015 12:00:00 +0000\n\
From: =?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <juergen@example.com>\n\
To: Anna Becker <anna@example.com>, \"Green, Peter\" <peter@example.org>\n\
Cc: office@example.net\n\
Subject: =?utf-8?B?R3LDtsOfZQ==?= of the parcel\n\
In-Reply-To: <0.1a@example.org>\n\
References: <0.1a@example.org> <0.19@example.org>\n\
MIME-Version: 1.0\n";
