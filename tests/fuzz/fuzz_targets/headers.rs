//! Header fields, addresses, dates, encoded words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::date::DateTime;
use mail::envelope::Envelope;
use mail::header::Header;
use mail::{address, encoded_word};

fuzz_target!(|message: &[u8]| {
    let header = Header::of(message);
    for field in header.fields() {
        let value = field.unfolded();
        encoded_word::decode(&value);
        DateTime::parse_header(&value);
        assert!(address::parse(field.value).len() <= address::ADDRESSES_MAX + 2);
    }
    let mut out = Vec::new();
    codec::response::envelope::envelope(&mut out, &Envelope::of(&header));
});
