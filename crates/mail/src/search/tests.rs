//! What is found and what is not; read in windows of any size, the same as in the whole.

use super::*;
use crate::header::Header;
use crate::mime::Span;
use crate::source::tests::Windowed;
use proptest::prelude::*;
use proptest::sample::select;

/// Whether it is in the header, and in the body.
fn found(needle: &str, message: &[u8]) -> (bool, bool) {
    let Ok(found) = found_in(needle, message);
    found
}

fn found_in<S: Source + ?Sized>(needle: &str, message: &S) -> Result<(bool, bool), S::Error> {
    let needle = Needle::new(needle);
    let outline = Structure::outline(message)?;
    Ok((needle.is_in_header(message)?, needle.is_in_body(message, &outline)?))
}

fn found_in_field(needle: &str, message: &str, name: &str) -> bool {
    let needle = Needle::new(needle);
    let Ok(found) = needle.is_in_field(message.as_bytes(), name);
    let of_texts = needle.is_in_field_texts(&FieldTexts::of(message.as_bytes(), name));
    assert_eq!(of_texts, found, "{needle:?} in {name}");
    found
}

#[test]
fn case_does_not_matter() {
    for (needle, text, expected) in [
        ("abc", "xABCx", true),
        ("GRÜßE", "schöne grüße", true),
        ("ΣΑΣ", "σας", true),
        ("strasse", "Straße", false),
        ("İ", "istanbul", false),
        ("", "", true),
        ("a", "", false),
    ] {
        assert_eq!(Needle::new(needle).is_in(text), expected, "{needle} in {text}");
    }
}

#[test]
fn what_is_meant_is_searched() {
    let message = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nContent-Type: multipart/mixed; boundary=b\n\n\
        preamble\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\
        Content-Transfer-Encoding: quoted-printable\n\nK=F6ln am=\n Rhein\n--b\n\
        Content-Type: image/png\nContent-Disposition: attachment; filename=dom.png\n\nKoeln\n--b\n\
        Content-Type: message/rfc822\n\nSubject: inside\n\ntext inside\n--b--\n";
    assert_eq!(found("GRÜ", message), (true, false));
    assert_eq!(found("köln am Rhein", message), (false, true));
    assert_eq!(found("koeln", message), (false, false), "an image is no text");
    assert_eq!(found("dom.png", message), (false, true));
    assert_eq!(found("subject: inside", message), (false, true));
    assert_eq!(found("TEXT INSIDE", message), (false, true));
    assert_eq!(found("preamble", message), (false, false));
    let message = "Subject: \nsubject: second\n\n";
    assert!(found_in_field("", message, "subject") && found_in_field("OND", message, "SUBJECT"));
    assert!(!found_in_field("", message, "x-none"));
    let message = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe=0Aaus?=\n Berlin\nX-Other: inside\n\n";
    assert!(found_in_field("GRÜßE\r\nAUS berlin", message, "subject"));
    assert!(!found_in_field("inside", message, "Subject"));
}

/// [`Needle::is_in_body`] and [`Needle::is_in_header`] as they are meant: all of the message is
/// taken apart, decoded, then folded, then searched.
fn found_decoded(needle: &str, message: &[u8]) -> (bool, bool) {
    let needle = fold(needle);
    let is_in = |text: &str| needle.is_empty() || fold(text).contains(&needle);
    let is_in_fields = |header: &[u8]| {
        let mut strays = Header::of(header).bytes().to_vec();
        let in_field = Header::of(header).fields().any(|field| {
            let at = memchr::memmem::find(&strays, field.raw).expect("a field of the header");
            strays.drain(at..at + field.raw.len());
            let value = encoded_word::decode(&field.unfolded());
            is_in(&format!("{}: {value}", String::from_utf8_lossy(field.name)))
        });
        // Of what is no field a line goes on in those that begin with a blank.
        let strays =
            strays.split_inclusive(|b| *b == b'\n').fold(Vec::new(), |mut lines: Vec<Vec<u8>>, line| {
                match lines.last_mut().filter(|_| matches!(line[0], b' ' | b'\t')) {
                    Some(last) => last.extend_from_slice(line),
                    None => lines.push(line.to_vec()),
                }
                lines
            });
        let unfolded = |value: &Vec<u8>| Field { name: b"", value, raw: value }.unfolded();
        in_field || strays.iter().any(|line| is_in(&encoded_word::decode(&unfolded(line))))
    };
    let span = |span: Span| &message[span.start as usize..span.end as usize];
    let text = |part: &Part| {
        let mut body = Vec::new();
        let body = transfer::Decoder::new(&part.encoding).decode(span(part.body), true, &mut body);
        let named = part.charset().filter(|charset| !charset.eq_ignore_ascii_case("us-ascii"));
        let text = named.and_then(|charset| charset::decode(&charset, body));
        let text = text.unwrap_or_else(|| charset::guess(body));
        if needle.contains('\n') { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
    };
    let in_part = |(id, part): (usize, &Part)| {
        id > 0 && is_in_fields(span(part.header)) || is_text(part) && is_in(&text(part))
    };
    let structure = Structure::of(message);
    let in_body = needle.is_empty() || structure.parts.iter().enumerate().any(in_part);
    (needle.is_empty() || is_in_fields(message), in_body)
}

/// A part of a message, with what may hide a word or look like one.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let charset = select(vec![
        "",
        "us-ascii",
        "utf-8",
        "iso-8859-1",
        "koi8-r",
        "shift_jis",
        "gb18030",
        "utf-7",
        "utf-16le",
        "iso-2022-jp",
        "x-unknown",
    ]);
    let encoding = select(vec!["7bit", "8bit", "quoted-printable", "base64"]);
    let kind = select(vec!["text/plain", "text/html", "image/png", "message/rfc822"]);
    let pieces = select(vec![
        &b"kelly"[..],
        b"KELLY",
        b"k",
        b"ell",
        b"y",
        b"\xe2\x84\xaa",
        b"\xe2\x84",
        b"\xfc",
        b"\xc3\xbc",
        b"\xc3\x9c",
        b"=4B",
        b"=E2=84=AA",
        b"=\n",
        b"a2VsbHk=",
        b"+AGs-",
        b"\x1b$B$\"\x1b(B",
        b"\n",
        b"\r\n",
        b" ",
        b"=?utf-8?q?kel?=",
        b"Subject: ",
        b"\x83\x6b",
        b"k\0e\0l\0l\0y\0",
        b"\x81\x36\xa3\x39",
    ]);
    let body = prop::collection::vec(pieces, 0..12);
    (charset, encoding, kind, body).prop_map(|(charset, encoding, kind, body)| {
        let head =
            format!("Content-Type: {kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n");
        [head.into_bytes(), body.concat()].concat()
    })
}

/// A message of one part, or of some.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 1..4).prop_map(|parts| match parts.as_slice() {
        [only] => only.clone(),
        parts => [
            &b"Content-Type: multipart/mixed; boundary=b\nno field, kelly\n\n--b\n"[..],
            &parts.join(&b"\n--b\n"[..]),
            b"\n--b--\n",
        ]
        .concat(),
    })
}

const NEEDLES: &[&str] = &[
    "kelly",
    "K",
    "ü",
    "Ü",
    "\u{212a}",
    "lly",
    "y k",
    "k\r\nk",
    "\n",
    "あ",
    "\u{fffd}",
    "Subject: k",
    "x-long: kelly",
    "",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_read_in_windows_is_found_all_the_same(
        needle in select(NEEDLES),
        message in message(),
        window in 1_usize..40,
    ) {
        let expected = found_decoded(needle, &message);
        prop_assert_eq!(found(needle, &message), expected);
        prop_assert_eq!(found_in(needle, &Windowed(&message, window)), Ok(expected));
    }

    #[test]
    fn fields_that_were_decoded_before_are_the_same(
        needle in select(vec![
            "kelly", "K", "ü", "\u{212a}", "y k", "y ", " k", "kel kel", "k\r\nk", "\n", "\r", "σ", "<kelly@x>", "l, k",
            "",
        ]),
        name in select(vec!["To", "Subject"]),
        pieces in prop::collection::vec(select(vec![
            "kelly", "KEL", "k", "LY", "ü", "Ü", "\u{212a}", "ς", " ", "\t", "\n ", "\r\n\t", "<kelly@x>", "<k@", "x>",
            ", ", "(k)", "\"", ": ", ";", "=?utf-8?q?kel?=", "=?utf-8?q?K=0Ak?=", "=?utf-8?q?y=0D=0A?=",
            "=?iso-8859-1?q?=DC?=", "=?", "\nSubject: ", "\nto: ", "\n\n",
        ]), 0..16),
        window in 1_usize..40,
    ) {
        let message = format!("{name}: {}\n", pieces.concat());
        let source = Windowed(message.as_bytes(), window);
        let Ok(found) = Needle::new(needle).is_in_field(&source, name);
        prop_assert_eq!(found_in_field(needle, &message, name), found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// Across windows of the usual size, a needle is found wherever it begins.
    #[test]
    fn nothing_is_missed_between_windows(
        at in 65_400_usize..65_700,
        encoding in select(vec!["8bit", "base64", "quoted-printable"]),
        charset in select(vec!["utf-8", "x-unknown", "gb18030", "us-ascii"]),
        is_there: bool,
    ) {
        let text = format!("{}{}{}", "a".repeat(at), if is_there { "grün kelly" } else { "grün elly" }, "b".repeat(999));
        let text = match charset {
            "gb18030" => text.replace('ü', "\u{3b1}"),
            _ => text,
        };
        let bytes = match charset {
            "gb18030" => encoding_rs::GB18030.encode(&text).0.into_owned(),
            _ => text.clone().into_bytes(),
        };
        let body = match encoding {
            "base64" => data_encoding::BASE64_MIME.encode(&bytes).into_bytes(),
            "quoted-printable" => quoted(&bytes),
            _ => bytes,
        };
        let head = format!("Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n");
        let message = [head.as_bytes(), &body].concat();
        let source = Windowed(&message, 64 * 1024);
        let long = &text[at - 1_000..at + 4];
        for (needle, expected) in [("n KELLY", is_there), (long, true), ("n elly", !is_there), ("n kellyc", false)] {
            prop_assert_eq!(found_in(needle, &source), Ok((false, expected)), "{}", needle);
        }
    }
}

/// Quoted-printable with a soft line break after every 20 bytes.
fn quoted(bytes: &[u8]) -> Vec<u8> {
    let line = |line: &[u8]| line.iter().map(|b| format!("={b:02X}")).collect::<String>() + "=\r\n";
    bytes.chunks(20).map(line).collect::<String>().into_bytes()
}

#[test]
fn lines_that_are_no_field_are_searched() {
    // No blank line, or no field at all: nothing of a message is hidden.
    let message = b"From: a@x\n<html>hello\n folded\ngr\xc3\xbc\xc3\x9fe =?utf-8?q?w=C3=B6rd?=\nX-After: y\n";
    for needle in ["HELLO", "hello folded", "grüße wörd", "x-after: y", "<html>"] {
        assert_eq!(found(needle, message), (true, false), "{needle}");
    }
    assert_eq!(found("first", b"first line\nA: b\n\nbody"), (true, false));
    assert_eq!(found("last", b"From x@y Mon\nA: b\nlast"), (true, false));
    let part = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\nno blank line\n--b--\n";
    assert_eq!(found("no blank", part), (false, true));
}

#[test]
fn addresses_are_those_of_the_envelope_or_as_they_stand() {
    let message = "From: <user (x)@ (y) example.org>\nTo: \"Carl, Jr.\" (his own) <carl@example.com>,\n\
        \t=?utf-8?q?J=C3=B6rg?= <joerg @ example . com>, team: a@x, b@y;, old@example.net (Old Name)\n\
        Cc: \"quoted local\"@example.org\nSubject: <user (x)@ (y) example.org>\n\n";
    for (name, needle, expected) in [
        ("from", "user@example.org", true),
        ("FROM", "USER@EXAMPLE.ORG", true),
        ("from", "user (x)@ (y) example", true),
        ("from", "(y)", true),
        ("from", "other@example.org", false),
        ("to", "carl, jr. <carl@", true),
        ("to", "(his own)", true),
        ("to", "\"carl", true),
        ("to", "jörg <joerg@example.com>", true),
        ("to", "team: a@x, b@y;, old name <old@example.net>", true),
        ("to", "old@example.net (old", true),
        ("cc", "quoted local@example.org", true),
        ("bcc", "x", false),
        // Only addresses have pieces.
        ("subject", "user@example.org", false),
        ("subject", "(x)@", true),
    ] {
        assert_eq!(found_in_field(needle, message, name), expected, "{needle} in {name}");
    }
    // More than is read of addresses is still searched as it stands.
    let many = format!("To: {}last <last@x>\n\n", "a@example.org, ".repeat(200_000));
    assert!(found_in_field("last <last@x>", &many, "to"));
}

#[test]
fn encoded_messages_and_reports_are_text() {
    let part = |head: &str, body: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{head}\n\n{body}\n--b--\n")
    };
    let encoded =
        part("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "U3ViamVjdDogaW5zaWRlCg==");
    assert_eq!(found("subject: inside", encoded.as_bytes()), (false, true));
    let report = part("Content-Type: message/delivery-status", "Diagnostic-Code: smtp; 550 full");
    assert_eq!(found("550 full", report.as_bytes()), (false, true));
}

/// Text whose charset only RFC 2231 names.
#[test]
fn a_charset_in_pieces_is_undone() {
    for parameter in
        ["charset*=us-ascii''koi8-r", "charset*0*=''ko; charset*1=\"i8-r\"", "charset*0=koi8; charset*1=-r"]
    {
        let message = [format!("Content-Type: text/plain; {parameter}\n\n").as_bytes(), b"\xc1\xc2"].concat();
        assert_eq!(found("\u{430}\u{431}", &message), (false, true), "{parameter}");
    }
}

#[test]
fn a_message_without_mime_is_text() {
    assert_eq!(found("ü", b"A: b\n\ngr\xc3\xbc\xc3\x9fe"), (false, true));
    assert_eq!(found("ü", b"A: b\n\ngr\xfc\xdfe"), (false, true));
    assert_eq!(found("a\r\nb", b"A: b\n\na\nb\n"), (false, true));
}
