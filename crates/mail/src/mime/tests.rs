//! Structures of messages, well-formed and not.

use super::*;
use crate::crlf::ToWire;
use crate::source::tests::Windowed;
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
}

#[test]
fn an_encoded_message_is_one_text_as_it_lies_there() {
    for kind in ["message/rfc822", "message/global"] {
        for encoding in ["base64", "Quoted-Printable", "\"base64\""] {
            let head = format!("Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}");
            check(&format!("{head}\n\nU3Vi\n\nSub:"), &[kind, " text/plain U3Vi\\n\\nSub:"]);
            let message =
                format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{head}\n\nU3Vi\nU3Vi\n--b--\n");
            check(&message, &["multipart/mixed", &format!(" {kind}"), "  text/plain U3Vi\\nU3Vi"]);
            let structure = Structure::of(message.as_bytes());
            let (outer, inner) = (&structure.parts[1], &structure.parts[2]);
            assert_eq!(inner.envelope.as_deref(), Some(&Envelope::default()));
            assert_eq!((inner.body, &inner.encoding), (outer.body, &outer.encoding));
            assert_eq!((inner.header.octets, inner.header.start), (0, outer.body.start));
            assert_eq!((structure.section(&[1, 1]), structure.section(&[1, 2])), (Some(2), None));
        }
    }
    // What is no encoding leaves a message to be read.
    for encoding in ["8bit", "BINARY", "x-none", "utf-8", "7 bit"] {
        check(
            &format!(
                "Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\nSubject: x\n\ny"
            ),
            &["message/rfc822", " text/plain y"],
        );
    }
}

/// RFC 3501 section 9: what is a message has an envelope and a body.
fn assert_messages_are_whole(structure: &Structure) {
    for part in &structure.parts {
        match &part.content {
            Content::Message(inner) => assert!(structure.parts[*inner].envelope.is_some()),
            _ => assert!(part.media_subtype != b"rfc822" || part.media_type != b"message"),
        }
    }
}

#[test]
fn a_message_that_is_not_taken_apart_is_text() {
    let deep = format!("{}\nbottom\n", "Content-Type: message/rfc822\n\n".repeat(500));
    let structure = Structure::of(deep.as_bytes());
    assert_messages_are_whole(&structure);
    let last = structure.parts.last().expect("a part");
    assert_eq!((&last.media_type[..], &last.media_subtype[..]), (&b"text"[..], &b"plain"[..]));
    let many = "--b\n\nSubject: x\n\ny\n".repeat(20_000);
    for kind in ["digest", "mixed"] {
        let many = format!("Content-Type: multipart/{kind}; boundary=b\n\n{many}");
        assert_messages_are_whole(&Structure::of(many.as_bytes()));
    }
}

#[test]
fn boundaries_in_the_pieces_of_rfc_2231_are_found() {
    for parameter in [
        "boundary*0*=us-ascii''%3D_ab12cd34%3D5;\n boundary*1*=e; boundary*2=nd",
        "boundary*=us-ascii'en'%3D_ab12cd34%3D5end",
        "boundary*0=\"=_ab12\"; boundary*1=\"cd34=5end\"",
        "boundary*=%3D_ab12cd34%3D5end",
        "boundary*=x; boundary=\"=_ab12cd34=5end\"",
    ] {
        check(
            &format!(
                "Content-Type: multipart/mixed; {parameter}\n\n--=_ab12cd34=5end\n\none\n--=_ab12cd34=5end--\n"
            ),
            &["multipart/mixed", " text/plain one"],
        );
    }
}

#[test]
fn quoted_types_and_dispositions_are_read() {
    for kind in ["\"text/html\"", "\"text\"/\"html\"", "text/\"html\"", "TEXT / HTML"] {
        let structure = Structure::of(format!("Content-Type: {kind}; charset=utf-8\n\nx").as_bytes());
        let part = &structure.parts[0];
        assert_eq!((&part.media_type[..], &part.media_subtype[..]), (&b"text"[..], &b"html"[..]), "{kind}");
        assert_eq!(part.parameters, [(b"charset".to_vec(), b"utf-8".to_vec())], "{kind}");
    }
    for value in [
        "\"attachment\"; filename=x",
        "\"ATTACHMENT; filename=x\"",
        "attachment filename=x",
        "; filename=x",
        "filename=x",
        "filename=\"x\"",
    ] {
        let structure = Structure::of(format!("Content-Disposition: {value}\n\n").as_bytes());
        let expected = (b"attachment".to_vec(), vec![(b"filename".to_vec(), b"x".to_vec())]);
        assert_eq!(structure.parts[0].disposition, Some(expected), "{value}");
    }
    for value in ["", "\"\"", ";", "(comment)"] {
        let structure = Structure::of(format!("Content-Disposition: {value}\n\n").as_bytes());
        assert_eq!(structure.parts[0].disposition, None, "{value}");
    }
}

#[test]
fn long_values_are_cut_between_encoded_words() {
    let word = "=?utf-8?q?gr=C3=BC=C3=9Fe?= ";
    let words = word.repeat(100_000);
    let structure = Structure::of(
        format!(
            "Content-Description: {words}\nContent-Disposition: attachment; filename=\"{words}\"\n\
             Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: {words}\n\n--b--\n"
        )
        .as_bytes(),
    );
    let (outer, inner) = (&structure.parts[0], &structure.parts[2]);
    assert_eq!(outer.media_subtype, b"digest", "what is too long hides nothing behind it");
    let file_name = outer.disposition.as_ref().map(|(_, parameters)| &parameters[0].1);
    let subject = inner.envelope.as_ref().and_then(|envelope| envelope.subject.as_ref());
    for (value, length_max) in
        [(outer.description.as_ref(), 64 << 10), (file_name, 64 << 10), (subject, 1 << 20)]
    {
        let value = value.expect("a value");
        assert!(value.trim_ascii_end().ends_with(b"?="), "{}", value[value.len() - 40..].escape_ascii());
        assert!(value.len() <= length_max && value.len() + 100 > length_max, "{}", value.len());
    }
}

#[test]
fn a_line_is_a_boundary_up_to_a_length() {
    let message = |boundary: usize, blanks: usize| {
        let (boundary, blanks) = ("b".repeat(boundary), " ".repeat(blanks));
        format!(
            "Content-Type: multipart/mixed; boundary={boundary}\n\n--{boundary}{blanks}\n\none\n--{boundary}--\n"
        )
    };
    for (boundary, blanks, is_one) in
        [(1, 4_000, true), (1, 5_000, false), (1_000, 0, true), (1_001, 0, false)]
    {
        let structure = Structure::of(message(boundary, blanks).as_bytes());
        assert_eq!(structure.parts.len() == 2, is_one, "{boundary} {blanks}");
    }
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
        "Content-Type: message/global",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment; filename=x",
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
        assert_messages_are_whole(&structure);
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
    fn windows_do_not_matter(lines in prop::collection::vec(line(), 0..30), crlf: bool, window in 1_usize..20) {
        let message = lines.join(if crlf { "\r\n" } else { "\n" });
        let message = message.as_bytes();
        let structure = Structure::of(message);
        prop_assert_eq!(&Structure::read(&Windowed(message, window)), &Ok(structure.clone()));
        let outline = Structure::outline(&Windowed(message, window)).expect("infallible");
        for (part, of_outline) in structure.parts.iter().zip(&outline.parts) {
            prop_assert_eq!((part.header, part.body, &part.content), (of_outline.header, of_outline.body, &of_outline.content));
            prop_assert_eq!((&part.media_type, &part.encoding), (&of_outline.media_type, &of_outline.encoding));
            prop_assert_eq!(part.charset(), of_outline.charset());
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        Structure::of(&bytes);
    }
}
