//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2).

use super::Revision;
use super::envelope::{envelope, string_list};
use super::string::{nstring, number, string};
use mail::mime::{Content, Parameter, Part, PartId, Structure};

/// The parenthesized structure of the whole message, without the item's name; with extension
/// data for BODYSTRUCTURE, without for BODY.
///
/// A message/global has envelope, body and lines in IMAP4rev2 only (RFC 9051 section 9,
/// `media-message`). In IMAP4rev1 it is a part like any other, as only `MESSAGE` `RFC822` has
/// them (RFC 3501 section 9).
pub fn body_structure(out: &mut Vec<u8>, structure: &Structure, extended: bool, revision: Revision) {
    // An explicit stack, as a message's nesting is its sender's choice.
    let mut todo = vec![Step::Part(0)];
    while let Some(step) = todo.pop() {
        match step {
            Step::Part(id) => {
                let Some(part) = structure.parts.get(id) else { continue };
                out.push(b'(');
                todo.push(Step::Close(id));
                begin(out, structure, part, revision, &mut todo);
            }
            Step::Close(id) => {
                let Some(part) = structure.parts.get(id) else { continue };
                end(out, part, extended, revision);
                out.push(b')');
            }
        }
    }
}

enum Step {
    /// Write a part.
    Part(PartId),
    /// Its inner parts are written: end it.
    Close(PartId),
}

/// The message in a part that is written with one.
fn inner_message(part: &Part, revision: Revision) -> Option<PartId> {
    match part.content {
        Content::Message(inner) if part.media_subtype != b"global" || revision == Revision::Rev2 => {
            Some(inner)
        }
        _ => None,
    }
}

/// Everything up to the inner parts, which are put on `todo`.
fn begin(out: &mut Vec<u8>, structure: &Structure, part: &Part, revision: Revision, todo: &mut Vec<Step>) {
    if let Content::Multipart(children) = &part.content {
        todo.extend(children.iter().rev().map(|child| Step::Part(*child)));
        return;
    }
    basic_fields(out, part);
    if let Some(inner) = inner_message(part, revision) {
        out.push(b' ');
        if let Some(of_inner) = structure.parts.get(inner).and_then(|part| part.envelope.as_deref()) {
            envelope(out, of_inner);
        } else {
            out.extend_from_slice(b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
        }
        out.push(b' ');
        todo.push(Step::Part(inner));
    }
}

/// Everything after the inner parts.
fn end(out: &mut Vec<u8>, part: &Part, extended: bool, revision: Revision) {
    if let Content::Multipart(_) = part.content {
        out.push(b' ');
        string(out, &part.media_subtype);
        if extended {
            out.push(b' ');
            parameters(out, &part.parameters);
            extension(out, part);
        }
        return;
    }
    if inner_message(part, revision).is_some() || part.media_type == b"text" {
        out.push(b' ');
        number(out, u64::from(part.body.lines));
    }
    if extended {
        out.push(b' ');
        nstring(out, part.md5.as_deref());
        extension(out, part);
    }
}

/// `type subtype (parameters) id description encoding octets`.
fn basic_fields(out: &mut Vec<u8>, part: &Part) {
    string(out, &part.media_type);
    out.push(b' ');
    string(out, &part.media_subtype);
    out.push(b' ');
    parameters(out, &part.parameters);
    out.push(b' ');
    nstring(out, part.id.as_deref());
    out.push(b' ');
    nstring(out, part.description.as_deref());
    out.push(b' ');
    string(out, &part.encoding);
    out.push(b' ');
    number(out, part.body.octets);
}

/// ` disposition language location`.
fn extension(out: &mut Vec<u8>, part: &Part) {
    out.push(b' ');
    match &part.disposition {
        Some((kind, of_kind)) => {
            out.push(b'(');
            string(out, kind);
            out.push(b' ');
            parameters(out, of_kind);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    match part.language.as_slice() {
        [only] => string(out, only),
        tags => string_list(out, tags),
    }
    out.push(b' ');
    nstring(out, part.location.as_deref());
}

fn parameters(out: &mut Vec<u8>, parameters: &[Parameter]) {
    string_list(out, parameters.iter().flat_map(|(name, value)| [name, value]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(revision: Revision, message: &str, expected: &str) {
        let mut out = Vec::new();
        body_structure(&mut out, &Structure::of(message.as_bytes()), false, revision);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{message}");
    }

    const NO_ENVELOPE: &str = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    const TEXT: &str = "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL";

    #[test]
    fn a_global_message_is_one_by_revision() {
        let global = "Content-Type: message/global\n\nTo:\n\nx";
        check(Revision::Rev1, global, "(\"message\" \"global\" NIL NIL NIL \"7bit\" 8)");
        let written =
            format!("(\"message\" \"global\" NIL NIL NIL \"7bit\" 8 {NO_ENVELOPE} {TEXT} \"7bit\" 1 0) 2)");
        check(Revision::Rev2, global, &written);
        for revision in [Revision::Rev1, Revision::Rev2] {
            let rfc822 = global.replace("global", "rfc822");
            check(revision, &rfc822, &written.replace("global", "rfc822"));
        }
    }

    #[test]
    fn an_encoded_message_has_an_empty_envelope_and_its_text() {
        check(
            Revision::Rev1,
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3Vi\n",
            &format!(
                "(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 6 {NO_ENVELOPE} {TEXT} \"base64\" 6 1) 1)"
            ),
        );
    }
}
