//! Courier's and Dovecot's files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use store::take_over::{Faults, courier, dovecot};

fuzz_target!(|bytes: &[u8]| {
    for foreign in [courier::parse_list(bytes), dovecot::parse_list(bytes)] {
        let names: HashSet<&[u8]> = foreign.messages.values().map(|listed| &*listed.base).collect();
        assert_eq!(names.len(), foreign.messages.len(), "no name has two UIDs");
        let last = foreign.messages.last_key_value().map(|(uid, _)| *uid);
        assert!(foreign.uid_next.is_none() || foreign.uid_next > last, "UIDNEXT is above all UIDs");
    }
    let mut faults = Faults::default();
    courier::parse_keywords(bytes, &mut faults);
    courier::parse_sizes(bytes, &mut faults);
    dovecot::parse_keywords(bytes, &mut faults);
});
