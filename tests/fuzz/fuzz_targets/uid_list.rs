//! Our UID list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::uid_list::{parse, write};

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(bytes);
    assert!(parsed.consumed <= bytes.len());
    let mut again = Vec::new();
    parsed.lines.iter().for_each(|line| write(&mut again, line));
    assert_eq!(parse(&again).lines, parsed.lines);
});
