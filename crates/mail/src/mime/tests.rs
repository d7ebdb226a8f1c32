//! Structures of messages, well-formed and not.

use super::*;
use crate::crlf::ToWire;
use proptest::prelude::*;

/// Parts as lines: type, body, children by nesting.
fn shape(message: &[u8]) -> Vec<String> {
    let structure = Structure::of(message);
    let mut lines = Vec::new();
    describe(&structure, message, 0, 0, &mut lines);
    lines
}

fn describe(structure: &Structure, message: &[u8], id: PartId, depth: usize, lines: &mut Vec<String>) {
    let part = &structure.parts[id];
    let kind = format!("{}/{}", part.media_type.escape_ascii(), part.media_subtype.escape_ascii());
    let body = message[range(part.body)].escape_ascii().to_string();
    let indent = " ".repeat(depth);
    match &part.content {
        Content::Leaf => lines.push(format!("{indent}{kind} {body}")),
        Content::Multipart(children) => {
            lines.push(format!("{indent}{kind}"));
            children.iter().for_each(|child| describe(structure, message, *child, depth + 1, lines));
        }
        Content::Message(inner) => {
            lines.push(format!("{indent}{kind}"));
            describe(structure, message, *inner, depth + 1, lines);
        }
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap()
}

fn check(message: &str, expected: &[&str]) {
    assert_eq!(shape(message.as_bytes()), expected, "{message}");
    let crlf = message.replace('\n', "\r\n");
    let with_crlf: Vec<String> =
        shape(crlf.as_bytes()).iter().map(|line| line.replace("\\r\\n", "\\n")).collect();
    assert_eq!(with_crlf, expected, "with CRLF: {message}");
}

#[test]
fn simple_messages() {
    check("", &["text/plain "]);
    check("\n", &["text/plain "]);
    check("A: b\n", &["text/plain "]);
    check("A: b\n\nbody\n", &["text/plain body\\n"]);
    check("\nbody", &["text/plain body"]);
    check("Content-Type: TEXT/HTML; x=y\n\n<p>", &["text/html <p>"]);
    check("Content-Type: nonsense\n\nx", &["text/plain x"]);
    check("Content-Type:\n\nx", &["text/plain x"]);
}

#[test]
fn multiparts() {
    let head = "Content-Type: multipart/mixed; boundary=b\n\n";
    let multi = |body: &str| format!("{head}{body}");
    check(
        &multi("pre\n--b\n\none\n--b\n\ntwo\n--b--\npost\n"),
        &["multipart/mixed", " text/plain one", " text/plain two"],
    );
    check(&multi("--b\n\none\n\n--b--"), &["multipart/mixed", " text/plain one\\n"]);
    check(&multi("--b\n\n--b\n\n--b--\n"), &["multipart/mixed", " text/plain ", " text/plain "]);
    check(&multi("--b\nA: cut\n--b--\n"), &["multipart/mixed", " text/plain "]);
    check(&multi("--b\n\nnever closed"), &["multipart/mixed", " text/plain never closed"]);
    check(&multi("--b  \n\none\n--b-- \n"), &["multipart/mixed", " text/plain one"]);
    check(&multi("--bc\n\none\n--b\n\ntwo\n--b--x\n--b--"), &["multipart/mixed", " text/plain two\\n--b--x"]);
    check(&multi("no boundary came"), &["text/plain no boundary came"]);
    check("Content-Type: multipart/mixed\n\n--b\n\nx\n", &["text/plain --b\\n\\nx\\n"]);
    check("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n", &["text/plain --\\n\\nx\\n"]);
    check(
        "Content-Type: multipart/mixed; boundary=\"a b \"\n\n--a b\n\nx\n--a b--\n",
        &["multipart/mixed", " text/plain x"],
    );
    check(
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b--\n",
        &["multipart/digest", " message/rfc822", "  text/plain y"],
    );
}

#[test]
fn an_outer_boundary_ends_inner_parts() {
    check(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n\
         --i\n\none\n--o\n\ntwo\n--o--\n",
        &["multipart/mixed", " multipart/alternative", "  text/plain one", " text/plain two"],
    );
    // A boundary that is the start of another.
    check(
        "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n\
         --xy\n\none\n--xy--\n--x--\n",
        &["multipart/mixed", " multipart/mixed", "  text/plain one"],
    );
}

#[test]
fn messages_in_messages() {
    let message = "Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=b\n\n\
        --b\n\none\n--b--\n";
    check(message, &["message/rfc822", " multipart/mixed", "  text/plain one"]);
    let structure = Structure::of(message.as_bytes());
    let inner = structure.parts[1].envelope.as_ref().unwrap();
    assert_eq!(inner.subject.as_deref(), Some(&b"inner"[..]));
    // An encoded message is a leaf: its bytes are not there.
    check(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3Vi",
        &["message/rfc822 U3Vi"],
    );
}

#[test]
fn section_numbers_name_parts() {
    let plain = Structure::of(b"\nbody");
    assert_eq!(plain.section(&[]), Some(0));
    assert_eq!(plain.section(&[1]), Some(0));
    for none in [&[0][..], &[2], &[1, 1], &[1, 1, 1]] {
        assert_eq!(plain.section(none), None);
    }
    // 1: text; 2: a message with 2.1 text and 2.2 text; 3: a message of one part.
    let structure = Structure::of(
        b"Content-Type: multipart/mixed; boundary=o\n\n--o\n\none\n--o\nContent-Type: message/rfc822\n\n\
          Content-Type: multipart/mixed; boundary=i\n\n--i\n\ninner one\n--i\n\ninner two\n--i--\n--o\n\
          Content-Type: message/rfc822\n\nSubject: s\n\nonly\n--o--\n",
    );
    let body = |numbers: &[u32]| structure.section(numbers).map(|id| structure.parts[id].body.lines);
    assert_eq!(structure.section(&[1]), Some(1));
    assert_eq!(structure.section(&[2]), Some(2));
    assert_eq!(structure.section(&[2, 1]), Some(4));
    assert_eq!(structure.section(&[2, 2]), Some(5));
    assert_eq!(structure.section(&[3]), Some(6));
    assert_eq!(structure.section(&[3, 1]), Some(7));
    for none in [&[4][..], &[1, 1], &[2, 3], &[2, 1, 1], &[3, 2], &[3, 1, 1]] {
        assert_eq!(body(none), None, "{none:?}");
    }
}

#[test]
fn fields_of_parts() {
    let structure = Structure::of(
        b"content-type: Text/Plain (a comment); CharSet=\"UTF-8\"; format=flowed;;; x; y=\n\
          Content-Transfer-Encoding: Quoted-Printable (yes)\nContent-ID:  <id@x>\nContent-Description: a\n b\n\
          Content-MD5: abc=\nContent-Language: de, en-GB\nContent-Location: http://x/\n\
          Content-Disposition: ATTACHMENT; filename*0*=utf-8''a%20; filename*1=b.txt; size=3\n\nx",
    );
    let part = &structure.parts[0];
    let pair = |a: &str, b: &str| (a.as_bytes().to_vec(), b.as_bytes().to_vec());
    assert_eq!(part.parameters, [pair("charset", "UTF-8"), pair("format", "flowed"), pair("y", "")]);
    assert_eq!(part.encoding, b"quoted-printable");
    assert_eq!(part.id.as_deref(), Some(&b"<id@x>"[..]));
    assert_eq!(part.description.as_deref(), Some(&b"a b"[..]));
    assert_eq!(part.language, [b"de".to_vec(), b"en-GB".to_vec()]);
    assert_eq!(
        part.disposition,
        Some((b"attachment".to_vec(), vec![pair("size", "3"), pair("filename*", "utf-8''a%20b.txt")]))
    );
}

#[test]
fn security_17_deep_and_many_parts_are_capped() {
    let deep: String = (0..500)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .chain(["\nbottom\n".to_owned()])
        .collect();
    assert_eq!(Structure::of(deep.as_bytes()).parts.len(), Structure::DEPTH_MAX + 1);
    let messages = "Content-Type: message/rfc822\n\n".repeat(500);
    assert!(Structure::of(messages.as_bytes()).parts.len() <= Structure::DEPTH_MAX + 1);
    let many = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(50_000));
    assert_eq!(Structure::of(many.as_bytes()).parts.len(), Structure::PARTS_MAX);
}

#[test]
fn security_18_floods_of_parameters_are_capped() {
    let flood: String = (0..100_000).map(|n| format!(";a*{n}=x")).collect();
    let structure = Structure::of(format!("Content-Type: text/plain{flood}\n\n").as_bytes());
    assert!(structure.parts[0].parameters.len() <= 200);
    let header = format!("Content-Type: text/plain; a={}\n\n", "x".repeat(10_000_000));
    assert!(structure.parts[0].parameters.len() <= 200 && Structure::of(header.as_bytes()).parts.len() == 1);
}

#[test]
fn security_19_comments_that_never_end() {
    check("Content-Type: text/html (never ends \\\n\nx", &["text/html x"]);
    check("Content-Type: text/html; a=\"never ends \\\n\nx", &["text/html x"]);
    check("Content-Type: (((((\n\nx", &["text/plain x"]);
}

fn line() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "--a",
        "--b",
        "--a--",
        "--b--",
        "text",
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: multipart/digest; boundary=b",
        "Content-Type: message/rfc822",
        "Subject: x",
        "\r",
        "-- a",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn spans_are_nested_and_count_right(lines in prop::collection::vec(line(), 0..30), crlf: bool) {
        let message = lines.join(if crlf { "\r\n" } else { "\n" });
        let message = message.as_bytes();
        let structure = Structure::of(message);
        let mut parent = vec![None; structure.parts.len()];
        for (id, part) in structure.parts.iter().enumerate() {
            match &part.content {
                Content::Leaf => {}
                Content::Message(child) => parent[*child] = Some(id),
                Content::Multipart(children) => children.iter().for_each(|child| parent[*child] = Some(id)),
            }
            for span in [part.header, part.body] {
                prop_assert!(span.start <= span.end && span.end <= message.len() as u64);
                let mut wire = Vec::new();
                ToWire::new().convert(&message[range(span)], &mut wire);
                prop_assert_eq!(span.octets, wire.len() as u64);
                prop_assert_eq!(span.lines as usize, wire.iter().filter(|b| **b == b'\n').count());
            }
            prop_assert_eq!(part.header.end, part.body.start);
        }
        for (id, parent) in parent.iter().enumerate().skip(1) {
            let (inner, outer) = (&structure.parts[id], &structure.parts[parent.expect("every part has a parent")]);
            prop_assert!(outer.body.start <= inner.header.start && inner.body.end <= outer.body.end.max(inner.body.start));
            let _ = structure.section(&[1, 1, 2]);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        Structure::of(&bytes);
    }
}
