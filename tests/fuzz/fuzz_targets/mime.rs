//! MIME structure: spans lie inside the message, and what is sent of them is counted right; read
//! in small windows it is the same, and so is what SEARCH finds.
#![no_main]

use codec::response::Revision;
use libfuzzer_sys::fuzz_target;
use mail::crlf::octets;
use mail::mime::Structure;
use mail::search::Needle;
use mail::source::Source;
use std::convert::Infallible;

/// Bytes that are read a few at a time.
struct Windowed<'a>(&'a [u8]);

impl Source for Windowed<'_> {
    type Error = Infallible;

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Infallible> {
        self.0.read_at(buffer, offset)
    }

    fn window(&self) -> usize {
        7
    }
}

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
    let windowed = Windowed(message);
    let Ok(in_windows) = Structure::read(&windowed);
    assert_eq!(in_windows, structure);
    let Ok(outline) = Structure::outline(&windowed);
    for needle in ["needle", "\r\nü", "k"].map(Needle::new) {
        assert_eq!(needle.is_in_body(message, &structure), needle.is_in_body(&windowed, &outline));
        assert_eq!(needle.is_in_header(message), needle.is_in_header(&windowed));
        assert_eq!(needle.is_in_field(message, "To"), needle.is_in_field(&windowed, "To"));
    }
    let mut out = Vec::new();
    codec::response::body_structure::body_structure(&mut out, &structure, true, Revision::Rev1);
});
