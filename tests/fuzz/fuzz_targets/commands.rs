//! One line, as a command: parsed or refused with a text that can be sent.
#![no_main]

use codec::{Decoder, Event, Limits, Parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let mut decoder = Decoder::new(Limits {
        line_max: 1 << 20,
        literal_max: 1 << 16,
        literals_sum_max: 1 << 18,
        literals_max: 100,
        nesting_max: 50,
        append_max: 1 << 20,
        parts: Parts::DEFAULT,
    });
    decoder.feed(&[b"a ", line, b"\r\n"].concat());
    for _ in 0..1000 {
        match decoder.next() {
            None => break,
            Some(Err(error)) => {
                let text = error.kind.to_string();
                assert!(!text.is_empty() && !text.contains(['\r', '\n']));
            }
            Some(Ok(Event::Long)) => drop(decoder.parse_long()),
            Some(Ok(_)) => {}
        }
    }
});
