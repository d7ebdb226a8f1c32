//! BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2).

use super::envelope::{envelope, string_list};
use super::string::{nstring, number, string};
use mail::mime::{Content, Parameter, Part, PartId, Structure};

/// The parenthesized structure of the whole message, without the item's name; with extension
/// data for BODYSTRUCTURE, without for BODY.
pub fn body_structure(out: &mut Vec<u8>, structure: &Structure, extended: bool) {
    // An explicit stack, as a message's nesting is its sender's choice.
    let mut todo = vec![Step::Part(0)];
    while let Some(step) = todo.pop() {
        match step {
            Step::Part(id) => {
                let Some(part) = structure.parts.get(id) else { continue };
                out.push(b'(');
                todo.push(Step::Close(id));
                begin(out, structure, part, &mut todo);
            }
            Step::Close(id) => {
                let Some(part) = structure.parts.get(id) else { continue };
                end(out, part, extended);
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

/// Everything up to the inner parts, which are put on `todo`.
fn begin(out: &mut Vec<u8>, structure: &Structure, part: &Part, todo: &mut Vec<Step>) {
    match &part.content {
        Content::Multipart(children) => todo.extend(children.iter().rev().map(|child| Step::Part(*child))),
        content => {
            basic_fields(out, part);
            if let Content::Message(inner) = content {
                out.push(b' ');
                if let Some(of_inner) = structure.parts.get(*inner).and_then(|part| part.envelope.as_deref())
                {
                    envelope(out, of_inner);
                } else {
                    out.extend_from_slice(b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
                }
                out.push(b' ');
                todo.push(Step::Part(*inner));
            }
        }
    }
}

/// Everything after the inner parts.
fn end(out: &mut Vec<u8>, part: &Part, extended: bool) {
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
    let counts_lines = matches!(part.content, Content::Message(_)) || part.media_type == b"text";
    if counts_lines {
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
