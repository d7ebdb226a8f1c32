//! LIST, LSUB, XLIST, STATUS, NAMESPACE, FLAGS and the other untagged lines about mailboxes.

use super::string::{mailbox, nstring, number as decimal, string};
use crate::command::StatusItem;

/// LIST's attributes, sent in the order given.
pub fn list(
    out: &mut Vec<u8>,
    verb: &str,
    attributes: &[&str],
    separator: Option<char>,
    name: &str,
    child_info: Option<&[&str]>,
) {
    let separator = separator.map(|separator| separator.to_string());
    out.extend_from_slice(format!("* {verb} ({}) ", attributes.join(" ")).as_bytes());
    nstring(out, separator.as_deref().map(str::as_bytes));
    out.push(b' ');
    mailbox(out, name);
    if let Some(options) = child_info {
        let quoted: Vec<String> = options.iter().map(|option| format!("\"{option}\"")).collect();
        out.extend_from_slice(format!(" (\"CHILDINFO\" ({}))", quoted.join(" ")).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// `* STATUS name (item value …)`.
pub fn status(out: &mut Vec<u8>, name: &str, items: &[(StatusItem, u64)]) {
    out.extend_from_slice(b"* STATUS ");
    mailbox(out, name);
    out.extend_from_slice(b" (");
    for (index, (item, value)) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(item.name().as_bytes());
        out.push(b' ');
        decimal(out, *value);
    }
    out.extend_from_slice(b")\r\n");
}

/// `* n EXISTS`, `* n RECENT`, `* n EXPUNGE`.
pub fn number(out: &mut Vec<u8>, number: u32, what: &str) {
    out.extend_from_slice(b"* ");
    decimal(out, u64::from(number));
    out.push(b' ');
    out.extend_from_slice(what.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `* FLAGS (…)`: names as on the wire.
pub fn flags(out: &mut Vec<u8>, names: &[&str]) {
    out.extend_from_slice(format!("* FLAGS ({})\r\n", names.join(" ")).as_bytes());
}

/// `* CAPABILITY …`.
pub fn capability(out: &mut Vec<u8>, capabilities: &str) {
    out.extend_from_slice(format!("* CAPABILITY {capabilities}\r\n").as_bytes());
}

/// `* ENABLED …`.
pub fn enabled(out: &mut Vec<u8>, capabilities: &[&str]) {
    let blank = if capabilities.is_empty() { "" } else { " " };
    out.extend_from_slice(format!("* ENABLED{blank}{}\r\n", capabilities.join(" ")).as_bytes());
}

/// `* ID (…)`, or `* ID NIL`.
pub fn id(out: &mut Vec<u8>, fields: &[(&str, &str)]) {
    if fields.is_empty() {
        out.extend_from_slice(b"* ID NIL\r\n");
        return;
    }
    out.extend_from_slice(b"* ID (");
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        string(out, name.as_bytes());
        out.push(b' ');
        string(out, value.as_bytes());
    }
    out.extend_from_slice(b")\r\n");
}

/// `* NAMESPACE ((prefix separator)) NIL NIL` (RFC 2342): the user's own namespaces, those of other
/// users, and shared ones.
pub fn namespace(out: &mut Vec<u8>, classes: &[Vec<(String, char)>; 3]) {
    out.extend_from_slice(b"* NAMESPACE");
    for class in classes {
        if class.is_empty() {
            out.extend_from_slice(b" NIL");
            continue;
        }
        out.extend_from_slice(b" (");
        for (prefix, separator) in class {
            out.push(b'(');
            string(out, mail::utf7::encode(prefix).as_bytes());
            out.push(b' ');
            string(out, separator.to_string().as_bytes());
            out.push(b')');
        }
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}
