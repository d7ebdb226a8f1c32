//! Plain messages of 1 to 4 KB.

use super::{Draft, RARE_SENDER, RARE_WORD, words};
use crate::prng::Prng;

pub(super) fn message(draft: &Draft, prng: &mut Prng) -> Vec<u8> {
    let mut text = header(draft, prng);
    text.push_str("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n");
    text.push_str("Content-Transfer-Encoding: 8bit\n\n");
    let octets = prng.between(300, 3300);
    text.push_str(&words::text(octets, prng));
    if draft.body_rare {
        text.push_str(RARE_WORD);
        text.push('\n');
    }
    text.into_bytes()
}

/// What all messages have, up to the fields of MIME.
pub(super) fn header(draft: &Draft, prng: &mut Prng) -> String {
    let date = words::date(draft.seconds);
    let from = if draft.from_rare {
        format!("Frau {RARE_SENDER} <{RARE_SENDER}@example.com>")
    } else {
        words::person(prng)
    };
    let number = draft.number;
    let mut text = format!(
        "Return-Path: <bounce-{number}@example.org>\nDelivered-To: user@example.com\n\
         Received: from relay{}.example.org (relay.example.org [192.0.2.{}])\n\
         \tby mx.example.com (Postfix) with ESMTPS id {:x}\n\tfor <user@example.com>; {date}\n\
         Message-ID: <{number}.{:x}@example.org>\nDate: {date}\nFrom: {from}\nTo: {}\nSubject: {}{}\n",
        prng.below(9),
        prng.below(255),
        prng.next(),
        prng.next(),
        words::person(prng),
        if prng.below(3) == 0 { "Re: " } else { "" },
        words::subject(prng),
    );
    if prng.below(3) == 0 {
        text.push_str(&format!("In-Reply-To: <{}.{:x}@example.org>\n", number / 2, prng.next()));
    }
    if prng.below(4) == 0 {
        text.push_str(&format!("Cc: {},\n\t{}\n", words::person(prng), words::person(prng)));
    }
    text
}
