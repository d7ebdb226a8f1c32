//! ENVELOPE (RFC 3501 section 7.4.2).

use super::string::{nstring, string};
use mail::address::Address;
use mail::envelope::Envelope;

/// The parenthesized envelope, without the item's name.
pub fn envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    out.push(b'(');
    nstring(out, envelope.date.as_deref());
    out.push(b' ');
    nstring(out, envelope.subject.as_deref());
    for list in
        [&envelope.from, envelope.sender(), envelope.reply_to(), &envelope.to, &envelope.cc, &envelope.bcc]
    {
        out.push(b' ');
        addresses(out, list);
    }
    out.push(b' ');
    nstring(out, envelope.in_reply_to.as_deref());
    out.push(b' ');
    nstring(out, envelope.message_id.as_deref());
    out.push(b')');
}

/// `((name NIL mailbox host)…)`, or NIL. A group begins with a mailbox without host, and ends
/// with neither.
fn addresses(out: &mut Vec<u8>, list: &[Address]) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in list {
        out.push(b'(');
        nstring(out, address.name.as_deref());
        for field in [&address.route, &address.mailbox, &address.host] {
            out.push(b' ');
            nstring(out, field.as_deref());
        }
        out.push(b')');
    }
    out.push(b')');
}

/// A parenthesized list of strings, or NIL.
pub(super) fn string_list<'a>(out: &mut Vec<u8>, strings: impl IntoIterator<Item = &'a Vec<u8>>) {
    let mut strings = strings.into_iter().peekable();
    if strings.peek().is_none() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for (index, text) in strings.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        string(out, text);
    }
    out.push(b')');
}
