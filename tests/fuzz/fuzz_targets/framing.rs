//! A client's bytes in any chunks: the same events, and memory within the limits.
#![no_main]

use codec::{Decoder, Event, Limits, Parts, decoder::Append};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    line_max: 200,
    literal_max: 50,
    literals_sum_max: 100,
    literals_max: 4,
    nesting_max: 8,
    append_max: 1_000,
    parts: Parts::DEFAULT,
};

fn events(chunks: &mut dyn Iterator<Item = &[u8]>, largest: usize) -> String {
    let mut decoder = Decoder::new(LIMITS);
    let (mut all, mut data) = (String::new(), 0);
    for chunk in chunks {
        decoder.feed(chunk);
        loop {
            let mut accept = None;
            let text = match decoder.next() {
                None => break,
                // Data comes in pieces as the chunks have it: its length counts.
                Some(Ok(Event::Append(Append::Data(bytes)))) => {
                    data += bytes.len();
                    continue;
                }
                Some(Ok(Event::Append(Append::Message(message)))) => {
                    accept = Some(message.size <= LIMITS.append_max);
                    format!("{message:?}")
                }
                Some(Ok(event)) => format!("{event:?}"),
                Some(Err(error)) => format!("{error:?}"),
            };
            match accept {
                Some(true) => decoder.accept(),
                Some(false) => decoder.refuse(),
                None => {}
            }
            all.push_str(&text);
            all.push_str(&format!(" {data}\n"));
        }
        assert!(decoder.held() <= LIMITS.line_max + LIMITS.literals_sum_max + 200 + largest);
    }
    all
}

fuzz_target!(|input: (usize, &[u8])| {
    let (size, bytes) = (1 + input.0 % 64, input.1);
    let whole = events(&mut std::iter::once(bytes), bytes.len());
    assert_eq!(whole, events(&mut bytes.chunks(size), size));
});
