//! Names of message files: taken apart and put together, flags stay.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::file_name::{Info, compose, delivery_order, split, wire_size};

fuzz_target!(|name: &[u8]| {
    let (base, info) = split(name);
    delivery_order(base);
    wire_size(base, base.len() as u64);
    let info = info.map(Info::parse).unwrap_or_default();
    let again = compose(base, &info);
    let (same, info_again) = split(&again);
    assert_eq!((base, info.flags), (same, Info::parse(info_again.unwrap_or_default()).flags));
});
