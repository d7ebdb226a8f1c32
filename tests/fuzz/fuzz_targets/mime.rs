//! MIME structure: spans lie inside the message, and what is sent of them is counted right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::crlf::octets;
use mail::mime::Structure;
use mail::search::Needle;

fuzz_target!(|message: &[u8]| {
    let structure = Structure::of(message);
    for part in &structure.parts {
        for span in [part.header, part.body] {
            let (start, end) = (span.start as usize, span.end as usize);
            assert!(start <= end && end <= message.len());
            assert_eq!(span.octets, octets(&message[start..end], false));
        }
    }
    structure.section(&[1, 1, 1]);
    Needle::new("needle").is_in_body(message, &structure);
    let mut out = Vec::new();
    codec::response::body_structure::body_structure(&mut out, &structure, true);
});
