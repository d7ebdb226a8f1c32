//! LIST, LSUB, XLIST, STATUS, NAMESPACE, FLAGS and the other untagged lines about mailboxes.

use crate::command::StatusItem;

/// LIST's attributes, sent in the order given.
pub fn list(out: &mut Vec<u8>, verb: &str, attributes: &[&str], separator: Option<char>, name: &str, child_info: Option<&[&str]>) {
    let _ = (out, verb, attributes, separator, name, child_info);
    todo!()
}

/// `* STATUS name (item value …)`.
pub fn status(out: &mut Vec<u8>, name: &str, items: &[(StatusItem, u64)]) {
    let _ = (out, name, items);
    todo!()
}

/// `* n EXISTS`, `* n RECENT`, `* n EXPUNGE`.
pub fn number(out: &mut Vec<u8>, number: u32, what: &str) {
    let _ = (out, number, what);
    todo!()
}

/// `* FLAGS (…)`: names as on the wire.
pub fn flags(out: &mut Vec<u8>, names: &[&str]) {
    let _ = (out, names);
    todo!()
}

/// `* CAPABILITY …`.
pub fn capability(out: &mut Vec<u8>, capabilities: &str) {
    let _ = (out, capabilities);
    todo!()
}

/// `* ENABLED …`.
pub fn enabled(out: &mut Vec<u8>, capabilities: &[&str]) {
    let _ = (out, capabilities);
    todo!()
}

/// `* ID (…)`.
pub fn id(out: &mut Vec<u8>, fields: &[(&str, &str)]) {
    let _ = (out, fields);
    todo!()
}

/// `* NAMESPACE ((prefix separator)) NIL NIL` (RFC 2342).
pub fn namespace(out: &mut Vec<u8>, prefix: &str, separator: char) {
    let _ = (out, prefix, separator);
    todo!()
}
